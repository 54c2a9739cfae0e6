/*
 * The map of one boot from boot time to UTC: a few points, linear between two, level before the
 * first and after the last. The same moment gives the same offset each time, as long as no point is
 * added. Knows no clock and no source, only what it is told.
 *
 * Times are milliseconds; an offset is UTC less boot time.
 */
#ifndef SHOAL_AGENT_UTC_MAP_H
#define SHOAL_AGENT_UTC_MAP_H

#include "common/buffer.h"
#include "common/envelope.h"

#define UTC_POINTS_MAX 64  /* past it goes the point that the map misses least, no end of it */
#define UTC_OFF_MS_MAX 20  /* a map that is off by more gets a point */
#define UTC_STEP_MS 5      /* offsets are multiples of it: held until they are wrong by as much */
#define UTC_DIFFER_MS 1000 /* two sources that are further apart are not both right */
#define UTC_DRIFT_PPM 50   /* what the boot clock is taken to be wrong by */
#define UTC_UNCERTAIN UINT32_MAX /* of how wrong it is nothing is known */

struct utc_point {
    int64_t boot_ms;
    int64_t offset_ms;
    uint32_t uncertainty_ms;
    enum clock_source source;
};

/* Caller's storage; all zeros knows nothing. */
struct utc_map {
    struct utc_point points[UTC_POINTS_MAX]; /* ascending in boot time */
    size_t n_points;
    struct utc_point confirmed; /* the last measurement; where it is no point, the map was right */
    /* For a boot without points: what its system clock says, and the last time known before it. */
    bool has_free;
    int64_t free_offset_ms;
    bool has_floor;
    int64_t floor_utc_ms;
};

/* The UTC of one moment. */
struct utc_time {
    int64_t offset_ms;
    uint32_t uncertainty_ms;
    enum clock_source source;
    bool is_estimate; /* the boot never learned the time */
};

static inline bool utc_map_is_known(const struct utc_map *map)
{
    return map->n_points > 0;
}

/* How far the boot clock may have run off between two moments. */
uint32_t utc_drift_ms(int64_t from_ms, int64_t to_ms);

/* Whether the two cannot both be right, with what each may be wrong by and the drift between. */
bool utc_points_differ(const struct utc_point *a, const struct utc_point *b);

/*
 * Takes a measurement; one that is older than the last is not used. A probe's throws out points of
 * the system clock that it differs from. Where the map is off by over UTC_OFF_MS_MAX, the
 * measurement becomes a point, and the one before it too, so that the map was right until then:
 * true. A probe's that is less certain than the map, and within which the map lies, changes
 * nothing.
 */
bool utc_map_learn(struct utc_map *map, const struct utc_point *measured);

/* The offset of a system clock of which nothing is known; held until it is wrong by UTC_STEP_MS. */
void utc_map_note_free(struct utc_map *map, int64_t offset_ms);

/* What the points say of a moment of their boot. There has to be one. */
struct utc_time utc_map_at(const struct utc_map *map, int64_t boot_ms);

/*
 * The same for a boot without points: by its system clock, but so that the boot began no earlier
 * than the floor, and that its last moment, `last_boot_ms`, was no later than `ceiling_utc_ms`
 * (INT64_MAX: none).
 */
struct utc_time utc_map_estimate(const struct utc_map *map, int64_t last_boot_ms,
                                 int64_t ceiling_utc_ms);

/* Appends the map, as a protobuf message. 0 or -ENOMEM. */
WARN_UNUSED int utc_map_pack(const struct utc_map *map, struct buffer *out);

/* 0, or UTC_MAP_MALFORMED with the map untouched. */
enum { UTC_MAP_MALFORMED = 1 };
WARN_UNUSED int utc_map_unpack(const uint8_t *bytes, size_t size, struct utc_map *map_out);

#endif
