/*
 * What the store knows of nodes, after a start and after a commit that failed: decoders and live
 * values from the frames of the open group. Runs between batches, for nodes that send something in
 * front of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest_private.h"
#include "common/log.h"

#define TURN_US INT64_C(20000) /* that frames may have to wait for nodes that sent none */

/* --- a stream's frames --- */

struct replay {
    struct ingest *ingest;
    struct ingest_node *node; /* NULL: the decoder alone, live has the values */
    struct ingest_stream *stream;
};

static int apply(const struct replay *replay, const struct frame *frame,
                 const struct store_frame *stored)
{
    const struct live_envelope envelope = {
        .utc_offset_ms = stored->utc_offset_ms,
        .uncertainty_ms = stored->uncertainty_ms,
        .source = stored->source,
        .is_estimate = stored->is_estimate,
        .drops = replay->node->drops,
        .received_utc_ms = stored->committed_utc_ms,
    };
    return live_apply(replay->ingest->live, replay->node->entry.node, frame, &envelope);
}

/* The map that ingest drew for a node without a clock goes on where it was. */
static void take_estimate(struct ingest_stream *stream, const struct store_frame *stored)
{
    if (stored->source != CLOCK_SOURCE_UNKNOWN)
        return;
    stream->has_estimate = true;
    stream->estimate_offset_ms = stored->utc_offset_ms;
}

static int replay_frame(void *context, const struct store_frame *stored)
{
    const struct replay *replay = context;
    replay->stream->group_bytes += stored->size;
    struct rejection rejection;
    struct frame *frame = NULL;
    int r =
        decoder_decode(replay->stream->decoder, stored->bytes, stored->size, &frame, &rejection);
    if (r == DECODER_REJECTED || r == DECODER_NOT_NEXT)
        return 0; /* its beginning is deleted, or this shoal reads it otherwise than the last */
    if (r == 0 && replay->node != NULL)
        r = apply(replay, frame, stored);
    if (r == 0)
        take_estimate(replay->stream, stored);
    frame_free(frame);
    return r;
}

static int replay_stream(struct ingest *ingest, struct ingest_node *node,
                         struct ingest_stream *stream, struct store_error *error)
{
    struct replay replay = {.ingest = ingest, .node = node, .stream = stream};
    int r = ingest_stream_make_decoder(stream, ingest->workspace);
    if (r != 0)
        return r;
    decoder_reset(stream->decoder);
    stream->is_decoding = false;
    stream->group_bytes = 0;
    r = store_reader_frames(ingest->reader, stream->row.row, stream->row.key, replay_frame, &replay,
                            error);
    if (r != 0) {
        decoder_reset(stream->decoder);
        return r;
    }
    uint64_t id;
    uint64_t sequence;
    uint32_t crc;
    decoder_position(stream->decoder, &id, &sequence, &crc);
    stream->is_decoding = id == stream->row.stream && sequence == stream->row.committed;
    return 0;
}

int ingest_rebuild_stream(struct ingest *ingest, struct ingest_stream *stream,
                          struct store_error *error)
{
    return stream->row.row == 0 ? 0 : replay_stream(ingest, NULL, stream, error);
}

/* --- nodes --- */

static int refresh(struct ingest *ingest, struct ingest_stream *stream, struct store_error *error)
{
    struct store_stream row;
    if (!stream->is_stale)
        return 0;
    int r = store_find_stream(ingest->store, stream->row.node, stream->row.stream, &row, error);
    if (r == STORE_NONE) {
        row = (struct store_stream){.stream = stream->row.stream};
        memcpy(row.node, stream->row.node, sizeof(row.node));
        r = 0;
    }
    if (r == 0)
        ingest_stream_set(stream, &row);
    return r;
}

/* The first of the node's streams that has frames in the store. */
static int newest_stream(struct ingest *ingest, struct ingest_node *node,
                         struct ingest_stream **stream_out, struct store_error *error)
{
    for (size_t i = 0; i < INGEST_STREAMS_PER_NODE && node->streams[i] != NULL; i++) {
        int r = refresh(ingest, node->streams[i], error);
        if (r != 0)
            return r;
        if (*stream_out == NULL && node->streams[i]->row.committed > 0)
            *stream_out = node->streams[i];
    }
    return 0;
}

int ingest_rebuild_node(struct ingest *ingest, struct ingest_node *node, struct store_error *error)
{
    struct ingest_stream *stream = NULL;
    int r = newest_stream(ingest, node, &stream, error);
    if (r == 0)
        r = store_reader_drops(ingest->reader, node->entry.node, node->drops, error);
    if (r == 0 && stream != NULL)
        r = replay_stream(ingest, node, stream, error);
    if (r != 0)
        return r;
    node->is_rebuilt = true;
    live_rebuilt(ingest->live, node->entry.node);
    return 0;
}

void ingest_rebuild_later(struct ingest *ingest, struct ingest_node *node)
{
    node->is_rebuilt = false;
    if (node->is_to_rebuild)
        return;
    node->is_to_rebuild = true;
    node->rebuild_next = ingest->first_to_rebuild;
    ingest->first_to_rebuild = node;
}

static int know_stream(void *context, const struct store_stream *row)
{
    struct ingest *ingest = context;
    struct ingest_node *node;
    struct ingest_stream *stream;
    int r = ingest_get_node(ingest, row->node, &node);
    if (r == -E2BIG)
        return 0; /* beyond the bound; the node is refused when it sends something */
    if (r != 0)
        return r;
    return ingest_node_add(node, row, &stream);
}

int ingest_rebuild_begin(struct ingest *ingest, struct store_error *error)
{
    return store_reader_streams(ingest->reader, know_stream, ingest, error);
}

static void note_failure(struct ingest *ingest, int r, const struct store_error *error)
{
    if (r != 0 && !ingest->states.is_not_rebuilding)
        log_error("nodes cannot be read from the store: %s; it is tried again", error->text);
    if (r == 0 && ingest->states.is_not_rebuilding)
        log_info("nodes are read from the store again");
    ingest->states.is_not_rebuilding = r != 0;
}

bool ingest_rebuild_some(struct ingest *ingest)
{
    struct store_error error = {"out of memory"};
    int64_t end_us = ingest->clock->boot_us(ingest->clock) + TURN_US;
    while (ingest->first_to_rebuild != NULL) {
        struct ingest_node *node = ingest->first_to_rebuild;
        int r = node->is_rebuilt ? 0 : ingest_rebuild_node(ingest, node, &error);
        note_failure(ingest, r, &error);
        if (r != 0)
            return false; /* with the next turn, not at once */
        ingest->first_to_rebuild = node->rebuild_next;
        node->is_to_rebuild = false;
        if (ingest->clock->boot_us(ingest->clock) >= end_us)
            break;
    }
    return ingest->first_to_rebuild != NULL;
}
