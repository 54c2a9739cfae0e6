/*
 * What waits between the MQTT thread and the writer: items in order per node, bounded in frames and
 * bytes, in all and per node. At a bound an item is dropped, from the node that has most waiting;
 * the node will send it again. The writer is given nodes in turn, so that none waits for another's
 * backlog. Knows nothing of what is in an item.
 *
 * An item counts as held until it is done with, also while the writer has it.
 */
#ifndef SHOAL_COLLECTOR_INGEST_QUEUE_H
#define SHOAL_COLLECTOR_INGEST_QUEUE_H

#include "common/envelope.h"
#include "common/topic.h"

#define INGEST_QUEUE_TURN_FRAMES 64 /* of one node, before the next node's turn */

enum ingest_kind { INGEST_FRAME, INGEST_STATUS, INGEST_REFUSED };

struct ingest_item {
    struct ingest_item *next, *previous;
    char node[NODE_ID_BYTES_MAX + 1];
    enum ingest_kind kind;
    int64_t received_utc_ms;
    struct envelope envelope;   /* of INGEST_FRAME; its frame points to `bytes`, or is NULL */
    struct status status;       /* of INGEST_STATUS */
    enum reject_reason refused; /* of INGEST_REFUSED: what came could not even be unpacked */
    size_t size;                /* of bytes */
    uint8_t bytes[];
};

/* An item with room for bytes; NULL when out of memory. Freed with free(). */
struct ingest_item *ingest_item_new(enum ingest_kind kind, const char *node, size_t size);

struct ingest_queue;

/* NULL when out of memory. A node may have 1/node_share of the bounds. */
struct ingest_queue *ingest_queue_new(size_t frames_max, size_t bytes_max, size_t node_share);
void ingest_queue_free(struct ingest_queue *queue); /* may be NULL */

/* From any thread: takes the item over. It, or another one, is dropped where there is no room. */
void ingest_queue_put(struct ingest_queue *queue, struct ingest_item *item);

/* Counts an item that there was no memory for. */
void ingest_queue_count_lost(struct ingest_queue *queue);

/* Waits up to timeout_ms for items; at most `max` of them as a list by `next`, in order per node.
 * NULL after the time or a wake. */
struct ingest_item *ingest_queue_take(struct ingest_queue *queue, size_t max, int64_t timeout_ms);

/* Frees a list that was taken. */
void ingest_queue_done(struct ingest_queue *queue, struct ingest_item *items);

/* Ends the current or next wait; from any thread. */
void ingest_queue_wake(struct ingest_queue *queue);

struct ingest_queue_totals {
    uint64_t frames, bytes; /* held */
    uint64_t dropped;       /* ever, at a bound or for want of memory */
};
void ingest_queue_totals(struct ingest_queue *queue, struct ingest_queue_totals *totals_out);

/* What was dropped of each node since the last call. `visit` is called outside the lock. */
typedef void (*ingest_queue_visit)(void *context, const char *node, uint64_t dropped);
void ingest_queue_dropped(struct ingest_queue *queue, ingest_queue_visit visit, void *context);

#endif
