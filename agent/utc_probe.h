/*
 * Probes: questions for a collector's time, when to ask, and which of the answers counts. Knows
 * nothing of the system clock, MQTT or the map.
 */
#ifndef SHOAL_AGENT_UTC_PROBE_H
#define SHOAL_AGENT_UTC_PROBE_H

#include "agent/utc_map.h"
#include "common/backoff.h"

#define UTC_ANSWERS_MAX 8           /* of these the one with the smallest round trip counts */
#define UTC_PROBE_MS 600000         /* between two probes, up to UTC_PROBE_JITTER more */
#define UTC_PROBE_MS_MIN 150000     /* at first, and while the clock runs off */
#define UTC_PROBE_OFF_MS 10         /* that far off is running off */
#define UTC_PROBE_JITTER 8          /* an eighth of the time between */
#define UTC_PROBE_BURST 3           /* after the first of a connection */
#define UTC_PROBE_BURST_MS 2000     /* between those */
#define UTC_PROBE_RETRY_MS_MIN 2000 /* without an answer */
#define UTC_PROBE_RETRY_MS_MAX 60000

struct utc_answer {
    int64_t boot_us; /* when it came */
    int64_t offset_us;
    int64_t round_trip_us; /* without the time that the collector took */
};

/* Caller's storage. */
struct utc_probe {
    struct utc_answer answers[UTC_ANSWERS_MAX]; /* the newest first */
    size_t n_answers;
    uint64_t random;
    uint64_t id;     /* of the last probe, while it is unanswered; else 0 */
    int64_t sent_us; /* boot time */
    int64_t next_ms; /* when to send the next */
    int64_t interval_ms;
    unsigned burst; /* probes to come soon */
    struct backoff retry;
    uint64_t sent, answered; /* totals */
    uint64_t unusable; /* answers of a collector that does not know the time, or absurd ones */
};

void utc_probe_init(struct utc_probe *probe, uint64_t seed);

/* A connection began: the next probe is due at once, and some more follow when it is quieter. */
void utc_probe_begin(struct utc_probe *probe, int64_t now_ms);

/* A collector may have turned up: the next probe is due within delay_ms. */
void utc_probe_hasten(struct utc_probe *probe, int64_t now_ms, int64_t delay_ms);

/* A probe goes out now: its id. Without an answer another one is due after a while. */
uint64_t utc_probe_send(struct utc_probe *probe, int64_t now_us);

enum { UTC_PROBE_STRANGE = 1, UTC_PROBE_UNUSABLE = 2 };

/* The answer came: 0; UTC_PROBE_STRANGE where it is to no probe that waits for one;
 * UTC_PROBE_UNUSABLE where it gives no time. */
WARN_UNUSED int utc_probe_answer(struct utc_probe *probe, const struct ack *ack, int64_t now_us);

/* The map was off by this much when the answer came: the further, the sooner the next probe. */
void utc_probe_found_off(struct utc_probe *probe, int64_t off_ms, int64_t now_ms);

/* What the answer that counts says, at the time that it came. False if there is none. */
bool utc_probe_best(const struct utc_probe *probe, int64_t now_us, struct utc_point *point_out);

/* The round trip of the answer that counts, in microseconds; 0 if there is none. */
int64_t utc_probe_round_trip_us(const struct utc_probe *probe, int64_t now_us);

#endif
