/*
 * The UTC of a frame: what the node claims where that can be, else ingest's own estimate from the
 * time of receipt.
 */
#ifndef SHOAL_COLLECTOR_INGEST_TIME_H
#define SHOAL_COLLECTOR_INGEST_TIME_H

#include "collector/ingest_stream.h"

#define INGEST_FUTURE_MS 60000       /* past the collector's own clock: refused */
#define INGEST_ESTIMATE_HOLD_MS 1000 /* what an own map may be off, before it is drawn anew */
#define INGEST_UTC_MS_MAX INT64_C(253402300799999) /* the end of the year 9999 */

struct ingest_time {
    int64_t utc_offset_ms;
    uint32_t uncertainty_ms;
    enum clock_source source;
    bool is_estimate;
};

/*
 * `has_clock`: the collector's own clock is synchronised or trusted, so that it can refuse a claim.
 * 0, or DECODER_REJECTED (REJECT_BAD_TIME) where not even an estimate gives each reading a time
 * that can be. Keeps its estimate in the stream.
 */
WARN_UNUSED int ingest_time(struct ingest_stream *stream, const struct envelope *envelope,
                            const struct frame *frame, int64_t received_utc_ms, bool has_clock,
                            struct ingest_time *time_out, struct rejection *rejection);

/* Logs where the node's clock begins to be wrong, and where that is over: by what the envelope says
 * of its system clock, and by a claim that was not taken as its frame's time. */
void ingest_time_judge(struct ingest_node *node, const struct envelope *envelope,
                       const struct ingest_time *time);

#endif
