/*
 * The parts of ingest: ingest.c (its threads' calls), ingest_batch.c (one transaction),
 * ingest_frame.c (one frame in it), ingest_content.c (what a frame says), ingest_rebuild.c (what
 * the store knows, after a start or a failure).
 */
#ifndef SHOAL_COLLECTOR_INGEST_PRIVATE_H
#define SHOAL_COLLECTOR_INGEST_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/ingest.h"
#include "collector/ingest_queue.h"
#include "collector/ingest_stream.h"
#include "collector/ingest_time.h"
#include "collector/store_reader.h"

enum ingest_verdict {
    INGEST_TAKEN,     /* appended */
    INGEST_DUPLICATE, /* is in the store already */
    INGEST_MISSING,   /* something is missing before it */
    INGEST_REJECTED,
    INGEST_LATER /* cannot be looked at within this batch: the node will send it again */
};

/* What became of an item; counted, applied and answered after the commit. */
struct ingest_outcome {
    enum ingest_verdict verdict;
    struct ingest_node *node;
    struct ingest_stream *stream; /* NULL: the frame told none */
    const struct ingest_item *item;
    struct frame_header header;  /* zeros if it could not be read */
    struct frame *frame;         /* of INGEST_TAKEN */
    struct ingest_time time;     /* likewise */
    uint64_t gap_frames;         /* likewise */
    struct rejection *rejection; /* of INGEST_REJECTED */
};

struct ingest_answer {
    struct ingest_node *node;
    struct ingest_stream *stream;
};

struct ingest_batch {
    bool is_open;                    /* a transaction has begun */
    bool is_committing;              /* and its end is being tried: outcome unknown if that fails */
    bool is_careful;                 /* each frame in a savepoint, since the batch failed without */
    struct ingest_outcome *outcomes; /* INGEST_BATCH_FRAMES_MAX */
    size_t n_outcomes;
    struct ingest_answer *answers; /* as many: streams that get an ack */
    size_t n_answers;
    size_t decoded_bytes;
    struct ingest_totals counted;
    int64_t now_utc_ms, now_boot_ms;
    bool has_clock;
};

/* Things that fail and recover; each change is logged once. */
struct ingest_states {
    bool is_not_storing, is_not_retaining, is_not_rebuilding, is_overloaded;
    bool has_refused_node;
    int64_t overloaded_ms; /* boot time of the last drop */
};

struct ingest {
    struct store *store;
    struct store_reader *reader;
    struct live *live;
    struct clock *clock;
    bool is_clock_trusted;
    char *topic_prefix;
    ingest_send send;
    void *context;

    struct decoder_workspace *workspace;
    struct ingest_queue *queue;
    struct ingest_item *pending; /* taken from the queue, for the next batch */
    struct node_map nodes;
    struct ingest_node *first_node, *last_node;
    struct ingest_node *first_to_rebuild;
    struct ingest_node *greet_next; /* gets its credit anew */
    struct ingest_credit credit;
    struct ingest_batch batch;
    struct ingest_states states;
    int64_t retained_ms; /* boot time */
    bool has_more_to_retain;
    atomic_bool is_reconnected;
    atomic_bool has_logged_topic;
    _Atomic uint64_t bad_topics;

    pthread_mutex_t totals_lock;
    struct ingest_totals totals;
};

/* --- ingest.c --- */

/* The node, made where it is missing, then to be rebuilt. 0, -ENOMEM, or -E2BIG at the bound of
 * nodes. */
WARN_UNUSED int ingest_get_node(struct ingest *ingest, const char *id,
                                struct ingest_node **node_out);

/* Sends an ack with the credit of now. */
void ingest_send_ack(struct ingest *ingest, struct ingest_node *node, struct ack *ack);

bool ingest_has_clock(const struct ingest *ingest);

/* --- ingest_batch.c --- */

/* One transaction of what is pending, which is freed. 0 or -ENOMEM. */
WARN_UNUSED int ingest_run_batch(struct ingest *ingest);

/* --- ingest_frame.c --- */

/*
 * Looks at one item of kind INGEST_FRAME with a frame, within the open or coming transaction; fills
 * *outcome (verdict and what belongs to it). 0; else an error of the store or -ENOMEM, after which
 * the batch has failed.
 */
WARN_UNUSED int ingest_frame(struct ingest *ingest, struct ingest_outcome *outcome,
                             struct store_error *error);

/* Refuses an item with a copy of the rejection. 0 or -ENOMEM. */
WARN_UNUSED int ingest_reject(struct ingest_outcome *outcome, const struct rejection *rejection);

/* Opens the transaction where it is not open. */
WARN_UNUSED int ingest_begin(struct ingest *ingest, struct store_error *error);

/* Puts the stream in the list of those that get an ack. */
void ingest_answer(struct ingest *ingest, struct ingest_node *node, struct ingest_stream *stream);

/* --- ingest_content.c --- */

/* 0, or DECODER_REJECTED: families and targets that are not the node's to speak of. */
WARN_UNUSED int ingest_check_content(const struct frame *frame, const char *node,
                                     struct rejection *rejection);

/* About what a decoded frame takes; its texts are bounded by BODY_BYTES_MAX. */
size_t ingest_content_bytes(const struct frame *frame);

/* --- ingest_rebuild.c --- */

/* Reads all streams: the nodes are known from now on, and to be rebuilt. 0 or negative errno. */
WARN_UNUSED int ingest_rebuild_begin(struct ingest *ingest, struct store_error *error);

/* Puts the node in the list of those to rebuild. */
void ingest_rebuild_later(struct ingest *ingest, struct ingest_node *node);

/* The node's values, from the open group of its newest stream. 0 or an error of the store or
 * -ENOMEM; the node then stays to be rebuilt. */
WARN_UNUSED int ingest_rebuild_node(struct ingest *ingest, struct ingest_node *node,
                                    struct store_error *error);

/* Sets the stream's decoder to its position. 0 (whether it got there is in is_decoding) or an error
 * as above. */
WARN_UNUSED int ingest_rebuild_stream(struct ingest *ingest, struct ingest_stream *stream,
                                      struct store_error *error);

/* Rebuilds some of the nodes that wait for it. True while there are more. */
bool ingest_rebuild_some(struct ingest *ingest);

#endif
