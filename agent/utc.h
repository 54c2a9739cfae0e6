/*
 * What time it is, and what it was: the map of this boot, and its sources. These are the system
 * clock while the kernel calls it synchronised, and a collector's answers to probes; where the two
 * differ by more than UTC_DIFFER_MS the collector counts. Logs when that changes. Keeps the last
 * time known in the state directory. Knows nothing of MQTT. For one thread at a time.
 */
#ifndef SHOAL_AGENT_UTC_H
#define SHOAL_AGENT_UTC_H

#include "agent/utc_map.h"
#include "common/clock.h"
#include "common/mqtt.h"

#define UTC_WAIT_MS 300000    /* frames wait this long for the time, from the first connection on */
#define UTC_ANSWER_MS 10000   /* and for a connection's first answer, where the time is known */
#define UTC_UNUSABLE_MS 30000 /* then a collector that does not know the time is asked again */
#define UTC_LOOK_MS 1000      /* between two looks at the system clock */
#define UTC_KEEP_MS                                                                                \
    86400000 /* between two writes of the last time known, besides the first and                   \
                the one at the end: an SD card wears out */

struct utc_options {
    struct clock *clock;
    const char *proc;            /* "/proc" */
    const char *state_directory; /* made where it is missing; NULL: keeps nothing */
    bool is_clock_trusted;       /* the system clock is right though the kernel does not say so */
    uint64_t seed;
};

/* For metrics. */
struct utc_state {
    bool is_known;
    bool is_differing; /* system clock and collector */
    enum clock_source source;
    uint32_t uncertainty_ms; /* now */
    int64_t system_off_ms;   /* the system clock less the map's time; 0 where that is not known */
    size_t points;
    uint64_t probes, answers, unusable;
    int64_t round_trip_us; /* of the answer that counts */
};

struct utc;

/* Trouble with the state directory is logged and lived with. NULL when out of memory. */
struct utc *utc_new(const struct utc_options *options);
void utc_free(struct utc *utc); /* keeps the time first; may be NULL */

void utc_trust_clock(struct utc *utc, bool is_trusted);

/* Looks at the system clock; to be called at each turn, as it does so once in UTC_LOOK_MS. */
void utc_turn(struct utc *utc);

/* A connection is there: a probe is due, and frames wait for its answer. */
void utc_connected(struct utc *utc);

/* The broker passed the last probe to nobody, nor would it frames: they wait for the next one. */
void utc_probe_refused(struct utc *utc);

/* A collector has turned up: within delay_ms a probe is due. */
void utc_hello(struct utc *utc, int64_t delay_ms);

/* Whether a probe is due; utc_send_probe() gives its id and takes it as sent. */
bool utc_is_probe_due(const struct utc *utc);
uint64_t utc_send_probe(struct utc *utc);

/* An ack with has_answer. */
void utc_answered(struct utc *utc, const struct ack *ack);

/* Whether frames may go: the time is known and this connection's first probe is answered, or there
 * was no time to be had for long enough. */
bool utc_may_send(const struct utc *utc);

/* Boot time in milliseconds at which a probe is due or frames may go: for a wait. */
int64_t utc_deadline_ms(const struct utc *utc);

/* Fills the clock of an envelope whose frame has that boot time. */
void utc_stamp(const struct utc *utc, int64_t boot_ms, struct envelope *envelope);

/* This boot's map, to be kept with its frames; and back, if it is this boot's. */
const struct utc_map *utc_map(const struct utc *utc);
void utc_restore(struct utc *utc, const struct utc_map *map);

/*
 * The same as utc_stamp for frames of an earlier boot by its map: where that has no points, they
 * were taken before this boot began. `last_boot_ms` is of the boot's last frame.
 */
void utc_stamp_earlier(const struct utc *utc, const struct utc_map *map, int64_t last_boot_ms,
                       int64_t boot_ms, struct envelope *envelope);

/* For the validity of certificates: mqtt_options.time. */
struct mqtt_time utc_certificate_time(void *utc);

void utc_state(const struct utc *utc, struct utc_state *state_out);

#endif
