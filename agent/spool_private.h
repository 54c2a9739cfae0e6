/* Inside the spool: what its files share. */
#ifndef SHOAL_AGENT_SPOOL_PRIVATE_H
#define SHOAL_AGENT_SPOOL_PRIVATE_H

#include <pthread.h>

#include "agent/spool.h"

#define SPOOL_PIECE_BYTES UINT64_C(131072) /* moved in one transaction, or a frame more */
#define SPOOL_RESERVE_BYTES                                                                        \
    UINT64_C(1048576)                           /* of the bound on disk: for the WAL and what a    \
                                                 transaction takes before it gives back */
#define SPOOL_FRAME_COST_BYTES SPOOL_PAGE_BYTES /* what a frame may take beyond its bytes */

/* A place's directory and how it stands with it. */
struct spool_home {
    struct spool_tier tier;
    char *directory; /* NULL: none */
    char *path;
    int lock; /* -1: not held */
    bool is_failing;
    int64_t retry_ms;   /* when it is tried again */
    bool has_leftovers; /* rows that could not be removed */
    bool lacks_drops;   /* the totals there are old */
};

struct spool {
    struct clock *clock;
    spool_report report;
    void *context;
    uint64_t bounds[SPOOL_PLACES];
    int64_t flush_after_ms;
    char boot[SPOOL_BOOT_BYTES_MAX];
    struct spool_home homes[SPOOL_PLACES];
    struct spool_index index;
    struct spool_stream *live;
    uint64_t last_sequence; /* of the live stream */
    uint64_t open_key;      /* the group that may still grow; 0: none */
    uint64_t cut_key;       /* the group whose further frames are dropped; 0: none */
    enum drop_reason cut_reason;
    bool is_open_aside;             /* the open group is refused from some frame on */
    bool lacks_clock[SPOOL_PLACES]; /* what is known of UTC is not yet written there */
    int64_t flush_ms;               /* when to look for groups to flush */
    uint64_t collector;
    char version[VERSION_BYTES_MAX + 1];
    struct drop_total refused; /* of the queue, as counted so far */
    struct drop_total drops[DROP_REASONS];
    uint64_t damaged, flushes;

    pthread_mutex_t lock; /* guards the rest */
    struct spool_state state;
};

static inline int64_t spool_now_ms(const struct spool *spool)
{
    return clock_boot_ms(spool->clock);
}

/* --- spool.c --- */

/* Sums over streams that were loaded; frees what is acked of them. 0 or -ENOMEM. */
WARN_UNUSED int spool_settle(struct spool *spool);

/* What other threads see, as of now. */
void spool_publish_state(struct spool *spool);

/* --- spool_sending.c --- */

/* What lies before a frame of the group. 0, -ENOMEM; -EAGAIN: its file was damaged, and streams
 * and groups may be others now. */
WARN_UNUSED int spool_mark(struct spool *spool, const struct spool_stream *stream,
                           const struct spool_group *group, uint64_t sequence,
                           struct spool_mark *mark_out);

/* 0, SPOOL_EMPTY (there is no such stream), -ENOMEM. Frees what is acked as a whole. */
WARN_UNUSED int spool_set_acked(struct spool *spool, uint64_t stream, uint64_t acked);

/* --- spool_home.c: directories and files --- */

/* At start: makes and locks the directory, and takes up what lies there. The state directory gets
 * no file before it needs one. 0, SPOOL_LOCKED or -ENOMEM; what else fails is reported. */
WARN_UNUSED int spool_home_take_up(struct spool *spool, enum spool_place place);

/* Closes the file; it is opened again when it is needed. */
void spool_home_rest(struct spool *spool, enum spool_place place);
void spool_home_deinit(struct spool *spool, enum spool_place place);

/* Whether the place may be written: open, or opened now, and not failing or worth another attempt.
 * Streams and groups may be others afterwards. */
bool spool_home_is_usable(struct spool *spool, enum spool_place place);

/* An operation on the place failed with r: rolls back, and replaces the file if it is damaged;
 * then what lay there is gone from the index. */
void spool_home_failed(struct spool *spool, enum spool_place place, int r);

/* An operation on the place worked. */
void spool_home_worked(struct spool *spool, enum spool_place place);

/* --- spool_load.c: from a tier to the index --- */

WARN_UNUSED int spool_load(struct spool *spool, enum spool_place place);

/* Removes rows of which the index knows nothing. */
WARN_UNUSED int spool_sweep(struct spool *spool, enum spool_place place);

/* --- spool_group.c: groups come, move and go --- */

/* The stream's row in a tier, made where it is missing, with the clock of now. In a transaction. */
WARN_UNUSED int spool_stream_row(struct spool *spool, struct spool_stream *stream,
                                 enum spool_place place, int64_t *row_out);
WARN_UNUSED int spool_group_write(struct spool *spool, const struct spool_stream *stream,
                                  const struct spool_group *group, const struct spool_part *part,
                                  enum spool_place place);

/* Removes the group everywhere; the index's too. Freed, it is not counted. */
void spool_group_free(struct spool *spool, struct spool_stream *stream, struct spool_group *group);

/* The same, but what is unacked of it counts as dropped. */
void spool_group_drop(struct spool *spool, struct spool_stream *stream, struct spool_group *group,
                      enum drop_reason reason);

/* Frees the groups that are acked as a whole, and the stream with the last one. */
void spool_stream_free_acked(struct spool *spool, struct spool_stream *stream);

/* The group's frames at a place and behind are lost; those that were unacked are counted. */
void spool_group_lose(struct spool *spool, struct spool_stream *stream, struct spool_group *group,
                      enum spool_place place);

/* The live group goes on without its next frames. */
void spool_cut(struct spool *spool, uint64_t key, enum drop_reason reason);
void spool_count_drop(struct spool *spool, enum drop_reason reason, uint64_t frames,
                      uint64_t samples);

/* --- spool_flush.c: between tiers --- */

/* Makes room for bytes at a place, by moving or dropping the oldest groups there. */
WARN_UNUSED int spool_make_room(struct spool *spool, enum spool_place place, uint64_t bytes);

/* Moves what is due, or all that is unacked, to the state directory. */
void spool_flush(struct spool *spool, bool is_all);

/* Moves from memory to the runtime directory what came there while that could not be written. */
void spool_leave_memory(struct spool *spool);

/* Writes totals and removes leftovers where that failed before. */
void spool_catch_up(struct spool *spool);

#endif
