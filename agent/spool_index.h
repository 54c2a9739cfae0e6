/*
 * What the spool holds, in memory: streams, oldest first, with their groups, where each lies, and
 * sums over them. No row is read to know what is unacked or has to go; frames are not listed, so
 * memory does not grow with them. Knows nothing of files.
 *
 * A group's frames are without a gap; those in the state directory come first, then those in the
 * runtime directory, then those in memory.
 */
#ifndef SHOAL_AGENT_SPOOL_INDEX_H
#define SHOAL_AGENT_SPOOL_INDEX_H

#include "agent/spool_tier.h"

enum spool_place { SPOOL_STATE, SPOOL_RUNTIME, SPOOL_MEMORY, SPOOL_PLACES };

#define SPOOL_NOBODY 0 /* instead of a collector: can be sent to none */

struct spool_sum {
    uint64_t frames, bytes, samples;
};

struct spool_part {
    uint64_t first, last; /* 0: nothing lies there */
    uint64_t bytes, samples;
    int64_t since_ms; /* boot time of the first one */
};

struct spool_group {
    struct spool_group *next;
    uint64_t key;
    struct spool_part parts[SPOOL_PLACES];
    struct spool_sum held, acked, aside; /* acked and aside are parts of held */
    uint64_t aside_from;                 /* from here on set aside; 0: nothing */
    uint64_t collector;                  /* that refused it, or SPOOL_NOBODY */
};

struct spool_stream {
    struct spool_stream *next;
    uint64_t stream;
    int64_t ordinal;
    char boot[SPOOL_BOOT_BYTES_MAX];
    void *clock; /* of its boot; owned */
    size_t clock_bytes;
    int64_t last_ms;            /* boot time of its last frame; of an earlier run's stream */
    int64_t rows[SPOOL_PLACES]; /* in each tier; 0: none yet */
    struct spool_group *first, *last;
    uint64_t acked;
    int64_t acked_ms; /* boot time of the frame after `acked`, where that is within a group */
    bool is_parked;
};

struct spool_index {
    struct spool_stream *first, *last; /* the last one is the live one */
    struct spool_sum held[SPOOL_PLACES];
    struct spool_sum acked, aside;
};

/* The frame after the acked ones, where it is not its group's first. */
struct spool_mark {
    uint64_t bytes_before, samples_before;
    int64_t time_ms;
};

void spool_index_deinit(struct spool_index *index);

/* Adds a stream in its place among the others, but before `live`, which may be NULL. NULL when out
 * of memory. */
struct spool_stream *spool_index_add_stream(struct spool_index *index,
                                            const struct spool_tier_stream *stream,
                                            const struct spool_stream *live);
struct spool_stream *spool_index_stream(const struct spool_index *index, uint64_t stream);
void spool_index_remove_stream(struct spool_index *index, struct spool_stream *stream);

/* Takes a copy. 0 or -ENOMEM. */
WARN_UNUSED int spool_index_set_clock(struct spool_stream *stream, const void *clock, size_t size);

/* The group of that key, or an empty one that was added. NULL when out of memory. */
struct spool_group *spool_index_add_group(struct spool_stream *stream, uint64_t key);
struct spool_group *spool_index_group(const struct spool_stream *stream, uint64_t key);
void spool_index_remove_group(struct spool_index *index, struct spool_stream *stream,
                              struct spool_group *group);

/* More frames of a group lie at a place, behind those that lie there. */
void spool_index_add(struct spool_index *index, struct spool_group *group, enum spool_place place,
                     const struct spool_part *part);

/* The first frames of those at a place now lie at another one, behind those that lie there. */
void spool_index_move(struct spool_index *index, struct spool_group *group, enum spool_place from,
                      enum spool_place to, const struct spool_part *part);

/* What lay at a place is lost, and with it what came behind. */
void spool_index_truncate(struct spool_index *index, struct spool_group *group,
                          enum spool_place place);

/* The group that spool_index_ack wants the mark of: the one that is acked in part. */
struct spool_group *spool_index_marked(const struct spool_stream *stream, uint64_t acked);

/* All up to `acked` is safe. `mark` may be NULL where no group is acked in part. */
void spool_index_ack(struct spool_index *index, struct spool_stream *stream, uint64_t acked,
                     const struct spool_mark *mark);

/* The group is set aside from a frame on, before which lies what the mark says; 0: no longer. */
void spool_index_set_aside(struct spool_index *index, struct spool_group *group, uint64_t from,
                           const struct spool_mark *mark);

/* The last sequence held, the last one that may be sent, the first one; 0 if there is none. */
uint64_t spool_group_last(const struct spool_group *group);
uint64_t spool_group_sendable(const struct spool_group *group);
uint64_t spool_stream_last(const struct spool_stream *stream);

/* Whether all of it that may be sent is acked. */
bool spool_group_is_acked(const struct spool_stream *stream, const struct spool_group *group);

/* The first group with something to send, or NULL. */
struct spool_group *spool_stream_unacked(const struct spool_stream *stream);

/* Boot time, in the stream's boot, of its first frame to send; INT64_MAX if there is none. */
int64_t spool_stream_since_ms(const struct spool_stream *stream);

#endif
