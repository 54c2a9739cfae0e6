/*
 * The map to UTC as it is kept with a boot's frames, so that those of an earlier run or boot are
 * stamped by theirs. Between the map (agent/utc.h) and the spool, which knows it as bytes.
 */
#ifndef SHOAL_AGENT_SPOOLED_TIME_H
#define SHOAL_AGENT_SPOOLED_TIME_H

#include "agent/spool.h"
#include "agent/utc.h"

#define SPOOLED_TIME_MS 60000 /* a map that only was right once more is kept that often */

/* Caller's storage; all zeros has kept nothing so far. */
struct spooled_time {
    bool has_kept;
    bool has_free;
    size_t n_points;
    int64_t last_point_ms, confirmed_ms, free_offset_ms;
    struct buffer packed; /* used again */
};
void spooled_time_deinit(struct spooled_time *time);

/* Takes up what an earlier run of this boot has left, if it knew the time. Before any turn. */
void spooled_time_restore(const struct spool *spool, struct utc *utc);

/* Gives the spool the map where that says something else than before. */
void spooled_time_keep(struct spooled_time *time, const struct utc *utc, struct spool *spool);

/* Fills the clock of an envelope with that frame: by this boot's map, or by that of its own. */
void spooled_time_stamp(const struct utc *utc, const struct spool_frame *frame,
                        struct envelope *envelope);

#endif
