#include "collector/ingest_time.h"

#include <stdio.h>

#include "common/log.h"

struct span {
    int64_t oldest_ms, newest_ms; /* boot time of the frame's readings */
};

static bool span_of(const struct frame *frame, struct span *span_out)
{
    if (frame->n_readings == 0)
        return false;
    struct span span = {INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < frame->n_readings; i++) {
        int64_t time_ms = frame->readings[i].time_ms;
        if (time_ms < span.oldest_ms)
            span.oldest_ms = time_ms;
        if (time_ms > span.newest_ms)
            span.newest_ms = time_ms;
    }
    *span_out = span;
    return true;
}

/* Whether each reading gets a UTC between 1970 and the limit. */
static bool is_possible(const struct span *span, int64_t utc_offset_ms, int64_t limit_ms)
{
    int64_t oldest_ms;
    int64_t newest_ms;
    return !__builtin_add_overflow(span->oldest_ms, utc_offset_ms, &oldest_ms) &&
           !__builtin_add_overflow(span->newest_ms, utc_offset_ms, &newest_ms) && oldest_ms >= 0 &&
           newest_ms <= limit_ms;
}

/* The frame was received now and its newest reading is as old as the node's backlog. That is right
 * for a node which has only this frame, so that one sets the map; with a backlog the frame may be
 * any of it, and a map from before is the better one. */
static bool estimate(struct ingest_stream *stream, const struct envelope *envelope,
                     const struct span *span, int64_t received_utc_ms, int64_t *offset_out)
{
    int64_t offset_ms;
    int64_t age_ms = envelope->backlog_oldest_age_ms < (uint64_t)received_utc_ms
                         ? (int64_t)envelope->backlog_oldest_age_ms
                         : 0;
    if (__builtin_sub_overflow(received_utc_ms - age_ms, span->newest_ms, &offset_ms))
        return false;
    int64_t off_ms;
    bool is_far = !stream->has_estimate ||
                  __builtin_sub_overflow(offset_ms, stream->estimate_offset_ms, &off_ms) ||
                  off_ms > INGEST_ESTIMATE_HOLD_MS || off_ms < -INGEST_ESTIMATE_HOLD_MS;
    if (!stream->has_estimate || (is_far && envelope->backlog_frames <= 1)) {
        stream->has_estimate = true;
        stream->estimate_offset_ms = offset_ms;
    }
    *offset_out = stream->estimate_offset_ms;
    return true;
}

static int refuse(struct rejection *rejection, const struct span *span)
{
    rejection->reason = REJECT_BAD_TIME;
    (void)snprintf(rejection->text, sizeof(rejection->text),
                   "readings from %lld to %lld ms of boot time: no UTC fits both",
                   (long long)span->oldest_ms, (long long)span->newest_ms);
    return DECODER_REJECTED;
}

int ingest_time(struct ingest_stream *stream, const struct envelope *envelope,
                const struct frame *frame, int64_t received_utc_ms, bool has_clock,
                struct ingest_time *time_out, struct rejection *rejection)
{
    struct ingest_time time = {
        .utc_offset_ms = envelope->utc_offset_ms,
        .uncertainty_ms = envelope->uncertainty_ms,
        .source = envelope->source,
        .is_estimate = envelope->is_estimate,
    };
    int64_t limit_ms = has_clock ? received_utc_ms + INGEST_FUTURE_MS : INGEST_UTC_MS_MAX;
    struct span span;
    if (!span_of(frame, &span)) {
        *time_out = time; /* nothing in it has a time */
        return 0;
    }
    if (time.source == CLOCK_SOURCE_UNKNOWN || !is_possible(&span, time.utc_offset_ms, limit_ms)) {
        time = (struct ingest_time){
            .uncertainty_ms = UINT32_MAX, .source = CLOCK_SOURCE_UNKNOWN, .is_estimate = true};
        if (!estimate(stream, envelope, &span, received_utc_ms, &time.utc_offset_ms))
            return refuse(rejection, &span);
        if (!is_possible(&span, time.utc_offset_ms, INGEST_UTC_MS_MAX)) {
            stream->has_estimate = false;
            return refuse(rejection, &span);
        }
    }
    *time_out = time;
    return 0;
}

void ingest_time_judge(struct ingest_node *node, const struct envelope *envelope,
                       const struct ingest_time *time)
{
    bool is_refused =
        time->source == CLOCK_SOURCE_UNKNOWN && envelope->source != CLOCK_SOURCE_UNKNOWN;
    bool is_wrong = is_refused || envelope->system_off_ms != 0;
    if (is_wrong == node->has_wrong_clock)
        return;
    node->has_wrong_clock = is_wrong;
    if (is_refused)
        log_warning("node %s: its clock cannot be right; its frames get their time from when they "
                    "come",
                    node->entry.node);
    else if (is_wrong)
        log_warning("node %s: its system clock claims to be right, but is %.3f s off from a "
                    "collector's; the collector's counts",
                    node->entry.node, (double)envelope->system_off_ms / 1e3);
    else
        log_info("node %s: its clock is right again", node->entry.node);
}
