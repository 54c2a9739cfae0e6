/*
 * What ingest knows of a node and its streams. A stream's position moves with each frame that is
 * appended; until the commit it is a promise, and after a commit that failed it is read from the
 * store again.
 */
#ifndef SHOAL_COLLECTOR_INGEST_STREAM_H
#define SHOAL_COLLECTOR_INGEST_STREAM_H

#include "collector/ingest_credit.h"
#include "collector/node_map.h"
#include "collector/store.h"

#define INGEST_STREAMS_PER_NODE 2 /* the newest, and one that is still being delivered */

/* A group that was refused: what follows in it cannot be decoded. */
struct ingest_refusal {
    uint64_t key;
    uint64_t sequence; /* of the frame that was refused */
    struct rejection rejection;
    int64_t told_ms; /* boot time */
};

struct ingest_stream {
    struct store_stream row; /* as committed; row.row is 0 while it is not in the store */
    uint64_t sequence, key;  /* with the open batch */
    uint32_t crc;
    size_t group_bytes; /* of the group's frames; known while is_decoding */
    struct decoder *decoder;
    bool is_decoding;                  /* the decoder stands at `sequence` */
    bool is_stale;                     /* the store may know otherwise: to be read again */
    bool is_dirty;                     /* has frames in the open batch */
    bool is_answered;                  /* in the open batch: stands in the list of those to ack */
    uint64_t resend_from;              /* to be asked for in the batch's ack; 0: nothing */
    const struct rejection *rejection; /* to be told in the batch's ack; NULL: none */
    uint64_t rejected_sequence;
    struct ingest_refusal *refusal; /* of the group that comes; NULL: none */
    uint64_t asked_from;
    int64_t asked_ms;
    bool has_estimate; /* ingest's own map, for a node without a clock */
    int64_t estimate_offset_ms;
};

struct ingest_node {
    struct node_map_entry entry;
    struct ingest_node *next;         /* of all nodes, in the order in which they came */
    struct ingest_node *rebuild_next; /* of those to rebuild */
    bool is_to_rebuild;               /* stands in that list */
    bool is_rebuilt;
    struct ingest_stream *streams[INGEST_STREAMS_PER_NODE]; /* the last used first */
    struct ingest_grant grant;
    uint64_t backlog_frames; /* as it last said */
    uint32_t logged;         /* a bit per reason of a refusal that was logged */
    bool has_wrong_clock;    /* as logged */
    struct drop_total drops[DROP_REASONS];
};

/* NULL when out of memory. */
struct ingest_node *ingest_node_new(void);
void ingest_node_free(struct ingest_node *node); /* may be NULL */

/* The node's stream of that id, now its first; NULL if it is not in memory. */
struct ingest_stream *ingest_node_find(struct ingest_node *node, uint64_t stream);

/* Adds a stream in the place of the one not used for longest. 0, -ENOMEM, or -EBUSY where that has
 * a part in the open batch. */
WARN_UNUSED int ingest_node_add(struct ingest_node *node, const struct store_stream *row,
                                struct ingest_stream **stream_out);

/* Makes the stream's decoder where it has none. 0 or -ENOMEM. */
WARN_UNUSED int ingest_stream_make_decoder(struct ingest_stream *stream,
                                           struct decoder_workspace *workspace);

/* What the store says now holds; nothing is decoded so far. */
void ingest_stream_set(struct ingest_stream *stream, const struct store_stream *row);

/* A frame was refused (the text is copied): its group is over. -ENOMEM leaves it forgotten, so that
 * the next frame is refused anew. */
WARN_UNUSED int ingest_stream_refuse(struct ingest_stream *stream,
                                     const struct frame_header *header,
                                     const struct rejection *rejection, int64_t now_boot_ms);

/* Values of a key frame follow: what was refused before is of no account. */
void ingest_stream_forgive(struct ingest_stream *stream);

/* True once per position and INGEST_RESEND_MS: the frame after `sequence` is to be asked for. */
bool ingest_stream_may_ask(struct ingest_stream *stream, int64_t now_boot_ms);

#endif
