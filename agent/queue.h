/*
 * The frames that are not yet safe, in memory: whole groups, oldest first, bounded in bytes. A
 * group is freed when its last frame is acked; at the bound the oldest whole group goes and is
 * counted. One thread appends, another reads and frees: all calls may come from any thread and
 * none waits longer than a copy takes.
 */
#ifndef SHOAL_AGENT_QUEUE_H
#define SHOAL_AGENT_QUEUE_H

#include "common/encoder.h"
#include "common/envelope.h"

enum {
    QUEUE_EMPTY = 1,
    QUEUE_CUT = 2 /* the frame's group was dropped: the frame is counted, not kept */
};

struct queue;

struct queue_frame {
    uint64_t sequence;
    uint64_t key;
    uint32_t samples;
    int64_t time_ms;       /* boot-time clock */
    uint64_t first;        /* lowest sequence still held: always a group's first */
    bool is_last_of_group; /* a later group has begun */
    struct buffer bytes;
};

struct queue_state {
    uint64_t stream;
    uint64_t first, last;   /* sequences held; last: the last one appended, 0 if none was */
    uint64_t acked;         /* as the last queue_ack said */
    uint64_t frames, bytes; /* held */
    uint64_t unacked_frames, unacked_bytes;
    int64_t oldest_unacked_ms; /* boot time; INT64_MAX if none */
    struct drop_total drops[DROP_REASONS];
};

/* NULL when out of memory. max_bytes counts the frames and their bookkeeping. */
struct queue *queue_new(uint64_t stream, uint64_t max_bytes);
void queue_free(struct queue *queue); /* may be NULL */

/*
 * Takes a copy; drops old groups to make room. Sequences have to follow one another; only a key
 * frame may come after a gap. What is not kept is counted as dropped.
 *   0
 *   QUEUE_CUT  the rest of the group is no use either; the sequence counts as given
 *   -ENOMEM, -EMSGSIZE (the frame alone is over the bound)
 *              the group ends here; the next frame begins one, under this sequence if it likes
 *   -EINVAL    out of order; nothing happened
 */
WARN_UNUSED int queue_append(struct queue *queue, const struct encoded_frame *frame);

/* A copy of the first frame held whose sequence is at least `sequence`, into frame_out (its buffer
 * is used again). 0, QUEUE_EMPTY, -ENOMEM. */
WARN_UNUSED int queue_read(struct queue *queue, uint64_t sequence, struct queue_frame *frame_out);

/* All up to `sequence` is safe with the collector: frees the groups that are acked as a whole.
 * A lower number than before (a store that came back older) makes the rest unacked again. */
void queue_ack(struct queue *queue, uint64_t sequence);

/* The frame was refused: drops it and the rest of its group and counts them under `reason`. */
void queue_drop_group(struct queue *queue, uint64_t sequence, enum drop_reason reason);

/* A new bound, which holds from the next append on. */
void queue_set_bound(struct queue *queue, uint64_t max_bytes);

void queue_state(struct queue *queue, struct queue_state *state_out);

#endif
