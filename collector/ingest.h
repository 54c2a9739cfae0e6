/*
 * Ingest: from MQTT payloads to committed frames. The MQTT thread offers payloads, which never
 * blocks; the writer's thread takes what waits, decodes it in order per stream, commits it as one
 * transaction, applies it to the live view, and hands out acks. What ingest knows of a stream
 * advances by commit only; after a commit that failed it is rebuilt from the store.
 */
#ifndef SHOAL_COLLECTOR_INGEST_H
#define SHOAL_COLLECTOR_INGEST_H

#include "collector/live.h"
#include "collector/store.h"

#define INGEST_QUEUE_FRAMES_MAX 8192
#define INGEST_QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define INGEST_NODE_SHARE 8 /* a node holds at most 1/8 of the queue */
#define INGEST_BATCH_FRAMES_MAX 2048
#define INGEST_BATCH_BYTES_MAX                                                                     \
    ((size_t)64 * 1024 * 1024) /* of decoded frames, which wait for the commit                     \
                                */
/* A group is read again for a decoder that lost its place. Agents' groups end at 75 minutes and at
 * 4 key frames' bytes. */
#define INGEST_GROUP_FRAMES_MAX 65536
#define INGEST_GROUP_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define INGEST_RESEND_MS 2000 /* a missing position is asked for once in this time */

/* Takes an ack for a node. Called on the writer's thread, and on that of ingest_offer for answers
 * to probes; must not wait. */
typedef void (*ingest_send)(void *context, const char *node, const struct ack *ack);

struct ingest_options {
    struct store *store;
    struct live *live;
    struct clock *clock;
    bool is_clock_trusted; /* clock.trusted: counts as synchronised */
    const char *topic_prefix;
    ingest_send send;
    void *context;
};

struct ingest_totals {
    uint64_t frames; /* committed */
    uint64_t bytes;
    uint64_t commits;
    uint64_t commit_failures;
    double commit_seconds;              /* total */
    uint64_t queue_frames, queue_bytes; /* now */
    uint64_t overloaded;                /* dropped unacked at the queue's bounds */
    uint64_t bad_topics;                /* payloads on topics that fit nothing */
    uint64_t rejected[REJECT_REASONS];
    bool is_storing; /* the last commit worked */
};

struct ingest;

WARN_UNUSED int ingest_new(const struct ingest_options *options, struct ingest **ingest_out);
void ingest_free(struct ingest *ingest); /* may be NULL */

/* From the MQTT thread: takes a copy of what came on a topic. Never blocks; over a bound the
 * payload is dropped unacked and counted. */
void ingest_offer(struct ingest *ingest, const char *topic, const uint8_t *payload, size_t size);

/* On the writer's thread: waits up to timeout_ms for payloads, commits one batch. Between batches
 * it rebuilds nodes from the store (those first that sent something) and lets retention work.
 * 0, or -ENOMEM; a store that does not take anything is no error here, it is counted, logged once,
 * and tried again. */
WARN_UNUSED int ingest_turn(struct ingest *ingest, int64_t timeout_ms);

/* Ends the wait of ingest_turn; from any thread. */
void ingest_wake(struct ingest *ingest);

/* After reconnecting to the broker: nodes may have missed acks; each gets its credit anew. */
void ingest_reconnected(struct ingest *ingest);

void ingest_totals(struct ingest *ingest, struct ingest_totals *totals_out);

#endif
