/*
 * Frames on their way from the sampling thread to the spool: first in, first out, bounded in bytes.
 * What keeps sampling from waiting while a disk does not answer. One thread appends, another takes;
 * none waits longer than a copy takes.
 */
#ifndef SHOAL_AGENT_QUEUE_H
#define SHOAL_AGENT_QUEUE_H

#include "common/encoder.h"
#include "common/envelope.h"

struct queue;

struct queue_state {
    uint64_t last;          /* the sequence appended last, 0 if none was */
    uint64_t frames, bytes; /* that wait */
    struct drop_total refused;
};

/* NULL when out of memory. max_bytes counts the frames and their bookkeeping. */
struct queue *queue_new(uint64_t max_bytes);
void queue_free(struct queue *queue); /* may be NULL */

/* Takes a copy. 0; -ENOBUFS (the bound) or -ENOMEM: the frame is counted as refused, and its
 * sequence may come again, with a key frame. */
WARN_UNUSED int queue_append(struct queue *queue, const struct encoded_frame *frame);

/* The oldest frame, which stays until queue_pop; valid until then. NULL if none waits. */
const struct encoded_frame *queue_peek(struct queue *queue);
void queue_pop(struct queue *queue);

/* A new bound, which holds from the next append on. */
void queue_set_bound(struct queue *queue, uint64_t max_bytes);

void queue_state(struct queue *queue, struct queue_state *state_out);

#endif
