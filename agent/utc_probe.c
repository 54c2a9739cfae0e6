#include "agent/utc_probe.h"

#include <stdlib.h>
#include <string.h>

#define US_PER_MS 1000
#define PPM 1000000
#define UTC_US_MAX INT64_C(253402300799999999) /* the end of the year 9999 */
#define SLACK_US 1000 /* two clocks that tick unlike: a round trip may seem a little negative */

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t random_64(struct utc_probe *probe)
{
    uint64_t z = probe->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void utc_probe_init(struct utc_probe *probe, uint64_t seed)
{
    *probe = (struct utc_probe){
        .random = seed,
        .interval_ms = UTC_PROBE_MS_MIN,
        .retry = {.min_ms = UTC_PROBE_RETRY_MS_MIN,
                  .max_ms = UTC_PROBE_RETRY_MS_MAX,
                  .random = ~seed},
    };
}

void utc_probe_begin(struct utc_probe *probe, int64_t now_ms)
{
    probe->burst = UTC_PROBE_BURST;
    utc_probe_hasten(probe, now_ms, 0);
}

void utc_probe_hasten(struct utc_probe *probe, int64_t now_ms, int64_t delay_ms)
{
    if (probe->next_ms > now_ms + delay_ms)
        probe->next_ms = now_ms + delay_ms;
    backoff_reset(&probe->retry);
}

uint64_t utc_probe_send(struct utc_probe *probe, int64_t now_us)
{
    do
        probe->id = random_64(probe);
    while (probe->id == 0);
    probe->sent_us = now_us;
    probe->next_ms = now_us / US_PER_MS + backoff_next(&probe->retry, UTC_PROBE_RETRY_MS_MIN);
    probe->sent++;
    return probe->id;
}

static void schedule(struct utc_probe *probe, int64_t now_ms)
{
    int64_t interval_ms = probe->burst > 0 ? UTC_PROBE_BURST_MS : probe->interval_ms;
    uint64_t jitter_ms = random_64(probe) % (uint64_t)(interval_ms / UTC_PROBE_JITTER);
    probe->next_ms = now_ms + interval_ms + (int64_t)jitter_ms;
}

/* What the answer may be wrong by, now. */
static int64_t doubt_us(const struct utc_answer *answer, int64_t now_us)
{
    return answer->round_trip_us / 2 + (now_us - answer->boot_us) * UTC_DRIFT_PPM / PPM;
}

/* Both true times lie within their doubts. An older answer from which that cannot be so is of a
 * clock that was set since. */
static bool do_agree(const struct utc_answer *newest, const struct utc_answer *older)
{
    int64_t may_us = doubt_us(newest, newest->boot_us) + doubt_us(older, newest->boot_us) +
                     INT64_C(1) * UTC_OFF_MS_MAX * US_PER_MS;
    return llabs(newest->offset_us - older->offset_us) <= may_us;
}

static void keep(struct utc_probe *probe, const struct utc_answer *answer)
{
    struct utc_answer kept[UTC_ANSWERS_MAX] = {*answer};
    size_t n = 1;
    for (size_t i = 0; i < probe->n_answers && n < UTC_ANSWERS_MAX; i++)
        if (do_agree(answer, &probe->answers[i]))
            kept[n++] = probe->answers[i];
    memcpy(probe->answers, kept, sizeof(kept));
    probe->n_answers = n;
}

/* False where the numbers cannot be: another clock was set in between, or it is a stranger's. */
static bool measure(const struct utc_probe *probe, const struct ack *ack, int64_t now_us,
                    struct utc_answer *answer_out)
{
    int64_t received_us = ack->answer_received_utc_us;
    int64_t sent_us = ack->answer_sent_utc_us;
    if (received_us < 0 || sent_us < received_us || sent_us > UTC_US_MAX)
        return false;
    int64_t round_trip_us = now_us - probe->sent_us - (sent_us - received_us);
    if (round_trip_us < -SLACK_US)
        return false;
    int64_t there_us = received_us - probe->sent_us;
    int64_t back_us = sent_us - now_us;
    *answer_out = (struct utc_answer){
        .boot_us = now_us,
        .offset_us = there_us + (back_us - there_us) / 2,
        .round_trip_us = round_trip_us > 0 ? round_trip_us : 0,
    };
    return true;
}

int utc_probe_answer(struct utc_probe *probe, const struct ack *ack, int64_t now_us)
{
    struct utc_answer answer;
    if (probe->id == 0 || ack->answer_id != probe->id)
        return UTC_PROBE_STRANGE;
    bool is_usable = ack->answer_is_synchronised && measure(probe, ack, now_us, &answer);
    probe->id = 0;
    backoff_reset(&probe->retry);
    schedule(probe, now_us / US_PER_MS);
    if (probe->burst > 0)
        probe->burst--;
    if (!is_usable) {
        probe->unusable++;
        return UTC_PROBE_UNUSABLE;
    }
    probe->answered++;
    keep(probe, &answer);
    return 0;
}

void utc_probe_found_off(struct utc_probe *probe, int64_t off_ms, int64_t now_ms)
{
    if (probe->burst > 0)
        return;
    int64_t interval_ms = probe->interval_ms * 2;
    if (llabs(off_ms) > UTC_PROBE_OFF_MS)
        interval_ms = probe->interval_ms / 2;
    if (interval_ms < UTC_PROBE_MS_MIN)
        interval_ms = UTC_PROBE_MS_MIN;
    if (interval_ms > UTC_PROBE_MS)
        interval_ms = UTC_PROBE_MS;
    probe->interval_ms = interval_ms;
    schedule(probe, now_ms);
}

/* The smallest round trip counts, but age counts like a longer one: the clock runs off. */
static const struct utc_answer *find_best(const struct utc_probe *probe, int64_t now_us)
{
    const struct utc_answer *best = NULL;
    for (size_t i = 0; i < probe->n_answers; i++)
        if (best == NULL || doubt_us(&probe->answers[i], now_us) < doubt_us(best, now_us))
            best = &probe->answers[i];
    return best;
}

bool utc_probe_best(const struct utc_probe *probe, int64_t now_us, struct utc_point *point_out)
{
    const struct utc_answer *best = find_best(probe, now_us);
    if (best == NULL)
        return false;
    *point_out = (struct utc_point){
        .boot_ms = best->boot_us / US_PER_MS,
        .offset_ms = (best->offset_us + US_PER_MS / 2) / US_PER_MS,
        .uncertainty_ms = (uint32_t)(best->round_trip_us / 2 / US_PER_MS + 1),
        .source = CLOCK_SOURCE_PROBE,
    };
    return true;
}

int64_t utc_probe_round_trip_us(const struct utc_probe *probe, int64_t now_us)
{
    const struct utc_answer *best = find_best(probe, now_us);
    return best == NULL ? 0 : best->round_trip_us;
}
