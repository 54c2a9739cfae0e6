#include "agent/utc_map.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/message.h"

#define PPM 1000000
#define TIME_MS_MAX INT64_C(253402300799999) /* the end of the year 9999: nothing overflows */

uint32_t utc_drift_ms(int64_t from_ms, int64_t to_ms)
{
    int64_t drift_ms = (llabs(to_ms - from_ms) * UTC_DRIFT_PPM + PPM - 1) / PPM;
    return drift_ms < UTC_UNCERTAIN ? (uint32_t)drift_ms : UTC_UNCERTAIN;
}

static uint32_t add_uncertainty(uint32_t a, uint32_t b)
{
    return a > UTC_UNCERTAIN - b ? UTC_UNCERTAIN : a + b;
}

bool utc_points_differ(const struct utc_point *a, const struct utc_point *b)
{
    int64_t may_ms = UTC_DIFFER_MS + (int64_t)a->uncertainty_ms + (int64_t)b->uncertainty_ms +
                     (int64_t)utc_drift_ms(a->boot_ms, b->boot_ms);
    return llabs(a->offset_ms - b->offset_ms) > may_ms;
}

/* --- what the map says --- */

/* The first point that is later, or n_points. */
static size_t find_later(const struct utc_map *map, int64_t boot_ms)
{
    size_t i = 0;
    while (i < map->n_points && map->points[i].boot_ms <= boot_ms)
        i++;
    return i;
}

static double between(const struct utc_point *a, const struct utc_point *b, int64_t boot_ms)
{
    double part = (double)(boot_ms - a->boot_ms) / (double)(b->boot_ms - a->boot_ms);
    return (double)a->offset_ms + part * (double)(b->offset_ms - a->offset_ms);
}

static double offset_at(const struct utc_map *map, int64_t boot_ms)
{
    size_t later = find_later(map, boot_ms);
    if (later == 0)
        return (double)map->points[0].offset_ms;
    if (later == map->n_points)
        return (double)map->points[later - 1].offset_ms;
    return between(&map->points[later - 1], &map->points[later], boot_ms);
}

/* Without what the rules of the map itself leave open. */
static uint32_t uncertainty_at(const struct utc_map *map, int64_t boot_ms)
{
    size_t later = find_later(map, boot_ms);
    if (later == 0)
        return add_uncertainty(map->points[0].uncertainty_ms,
                               utc_drift_ms(boot_ms, map->points[0].boot_ms));
    const struct utc_point *before = &map->points[later - 1];
    if (later < map->n_points) {
        uint32_t after_ms = map->points[later].uncertainty_ms;
        return before->uncertainty_ms > after_ms ? before->uncertainty_ms : after_ms;
    }
    if (map->confirmed.boot_ms <= boot_ms)
        before = &map->confirmed;
    return add_uncertainty(before->uncertainty_ms, utc_drift_ms(before->boot_ms, boot_ms));
}

static int64_t hold(double offset_ms)
{
    return llround(offset_ms / UTC_STEP_MS) * UTC_STEP_MS;
}

struct utc_time utc_map_at(const struct utc_map *map, int64_t boot_ms)
{
    size_t later = find_later(map, boot_ms);
    return (struct utc_time){
        .offset_ms = hold(offset_at(map, boot_ms)),
        .uncertainty_ms =
            add_uncertainty(uncertainty_at(map, boot_ms), UTC_OFF_MS_MAX + UTC_STEP_MS),
        .source = map->points[later == 0 ? 0 : later - 1].source,
    };
}

struct utc_time utc_map_estimate(const struct utc_map *map, int64_t last_boot_ms,
                                 int64_t ceiling_utc_ms)
{
    struct utc_time time = {
        .offset_ms = map->has_free ? map->free_offset_ms : 0,
        .uncertainty_ms = UTC_UNCERTAIN,
        .source = map->has_free ? CLOCK_SOURCE_FREE : CLOCK_SOURCE_UNKNOWN,
        .is_estimate = true,
    };
    if (map->has_floor && time.offset_ms < map->floor_utc_ms) {
        time.offset_ms = map->floor_utc_ms;
        time.source = CLOCK_SOURCE_FREE;
    }
    if (ceiling_utc_ms != INT64_MAX && time.offset_ms > ceiling_utc_ms - last_boot_ms) {
        time.offset_ms = ceiling_utc_ms - last_boot_ms;
        time.source = CLOCK_SOURCE_FREE;
    }
    return time;
}

/* --- what it learns --- */

static void remove_point(struct utc_map *map, size_t i)
{
    map->n_points--;
    for (; i < map->n_points; i++)
        map->points[i] = map->points[i + 1];
}

/* The point between whose neighbours a straight line comes nearest to it. */
static void thin_out(struct utc_map *map)
{
    size_t least = 1;
    double least_ms = INFINITY;
    for (size_t i = 1; i + 1 < map->n_points; i++) {
        const struct utc_point *point = &map->points[i];
        double line_ms = between(&map->points[i - 1], &map->points[i + 1], point->boot_ms);
        double miss_ms = fabs((double)point->offset_ms - line_ms);
        if (miss_ms < least_ms) {
            least_ms = miss_ms;
            least = i;
        }
    }
    remove_point(map, least);
}

static void append(struct utc_map *map, const struct utc_point *point)
{
    if (map->n_points == UTC_POINTS_MAX)
        thin_out(map);
    map->points[map->n_points++] = *point;
}

static void throw_out(struct utc_map *map, const struct utc_point *probed)
{
    for (size_t i = map->n_points; i-- > 0;)
        if (map->points[i].source == CLOCK_SOURCE_SYSTEM &&
            utc_points_differ(&map->points[i], probed))
            remove_point(map, i);
    if (map->n_points > 0 && map->confirmed.source == CLOCK_SOURCE_SYSTEM &&
        utc_points_differ(&map->confirmed, probed))
        map->confirmed = map->points[map->n_points - 1];
}

/* A measurement that is no better than what the map knows, and that says nothing against it. */
static bool is_idle(const struct utc_map *map, const struct utc_point *measured, double off_ms)
{
    return measured->source == CLOCK_SOURCE_PROBE && off_ms <= (double)measured->uncertainty_ms &&
           measured->uncertainty_ms >= uncertainty_at(map, measured->boot_ms);
}

bool utc_map_learn(struct utc_map *map, const struct utc_point *measured)
{
    if (measured->source == CLOCK_SOURCE_PROBE)
        throw_out(map, measured);
    if (map->n_points == 0) {
        append(map, measured);
        map->confirmed = *measured;
        return true;
    }
    if (measured->boot_ms <= map->confirmed.boot_ms)
        return false;
    double off_ms = fabs((double)measured->offset_ms - offset_at(map, measured->boot_ms));
    bool is_off = off_ms > UTC_OFF_MS_MAX;
    if (is_off && is_idle(map, measured, off_ms))
        return false;
    if (is_off && map->confirmed.boot_ms > map->points[map->n_points - 1].boot_ms)
        append(map, &map->confirmed);
    if (is_off)
        append(map, measured);
    map->confirmed = *measured;
    return is_off;
}

void utc_map_note_free(struct utc_map *map, int64_t offset_ms)
{
    if (map->has_free && llabs(offset_ms - map->free_offset_ms) < UTC_STEP_MS)
        return;
    map->has_free = true;
    map->free_offset_ms = offset_ms;
}

/* --- as bytes --- */

#define MEMBER(number_, kind_, type_, field_)                                                      \
    {                                                                                              \
        .number = (number_), .kind = MESSAGE_##kind_, .offset = offsetof(struct type_, field_)     \
    }

static const struct message_member point_members[] = {
    MEMBER(1, ZIGZAG, utc_point, boot_ms),
    MEMBER(2, ZIGZAG, utc_point, offset_ms),
    MEMBER(3, U32, utc_point, uncertainty_ms),
    {.number = 4,
     .kind = MESSAGE_ENUM,
     .offset = offsetof(struct utc_point, source),
     .limit = CLOCK_SOURCE_FREE + 1},
    MESSAGE_END,
};

static bool is_possible(int64_t offset_ms)
{
    return offset_ms >= -TIME_MS_MAX && offset_ms <= TIME_MS_MAX;
}

static bool unpack_one(struct wire_reader content, struct utc_point *point_out)
{
    *point_out = (struct utc_point){0};
    return message_unpack(point_members, content, point_out) && point_out->boot_ms >= 0 &&
           point_out->boot_ms <= TIME_MS_MAX && is_possible(point_out->offset_ms);
}

static void pack_points(struct buffer *out, uint32_t number, const void *base)
{
    const struct utc_map *map = base;
    for (size_t i = 0; i < map->n_points; i++)
        message_pack_inner(out, number, point_members, &map->points[i], true);
}

static bool unpack_point(struct wire_reader content, void *base)
{
    struct utc_map *map = base;
    struct utc_point point;
    if (map->n_points == UTC_POINTS_MAX || !unpack_one(content, &point))
        return false;
    if (map->n_points > 0 && point.boot_ms <= map->points[map->n_points - 1].boot_ms)
        return false;
    map->points[map->n_points++] = point;
    return true;
}

static void pack_confirmed(struct buffer *out, uint32_t number, const void *base)
{
    const struct utc_map *map = base;
    if (map->n_points > 0)
        message_pack_inner(out, number, point_members, &map->confirmed, true);
}

static bool unpack_confirmed(struct wire_reader content, void *base)
{
    struct utc_map *map = base;
    return unpack_one(content, &map->confirmed);
}

static const struct message_member map_members[] = {
    {.number = 1, .kind = MESSAGE_CUSTOM, .pack = pack_points, .unpack = unpack_point},
    {.number = 2, .kind = MESSAGE_CUSTOM, .pack = pack_confirmed, .unpack = unpack_confirmed},
    MEMBER(3, BOOL, utc_map, has_free),
    MEMBER(4, ZIGZAG, utc_map, free_offset_ms),
    MEMBER(5, BOOL, utc_map, has_floor),
    MEMBER(6, ZIGZAG, utc_map, floor_utc_ms),
    MESSAGE_END,
};

int utc_map_pack(const struct utc_map *map, struct buffer *out)
{
    message_pack(out, map_members, map);
    return buffer_failed(out) ? -ENOMEM : 0;
}

int utc_map_unpack(const uint8_t *bytes, size_t size, struct utc_map *map_out)
{
    struct utc_map map = {0};
    if (!message_unpack(map_members, (struct wire_reader){bytes, bytes + size}, &map) ||
        !is_possible(map.free_offset_ms) || !is_possible(map.floor_utc_ms))
        return UTC_MAP_MALFORMED;
    if (map.n_points > 0 && map.confirmed.boot_ms < map.points[map.n_points - 1].boot_ms)
        map.confirmed = map.points[map.n_points - 1];
    *map_out = map;
    return 0;
}
