#include "collector/ingest_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/ingest.h"

static void free_stream(struct ingest_stream *stream)
{
    if (stream == NULL)
        return;
    decoder_free(stream->decoder);
    free(stream->refusal);
    free(stream);
}

struct ingest_node *ingest_node_new(void)
{
    return calloc(1, sizeof(struct ingest_node));
}

void ingest_node_free(struct ingest_node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < INGEST_STREAMS_PER_NODE; i++)
        free_stream(node->streams[i]);
    free(node);
}

static void move_to_front(struct ingest_node *node, size_t from)
{
    struct ingest_stream *stream = node->streams[from];
    for (; from > 0; from--)
        node->streams[from] = node->streams[from - 1];
    node->streams[0] = stream;
}

struct ingest_stream *ingest_node_find(struct ingest_node *node, uint64_t stream)
{
    for (size_t i = 0; i < INGEST_STREAMS_PER_NODE && node->streams[i] != NULL; i++) {
        if (node->streams[i]->row.stream == stream) {
            move_to_front(node, i);
            return node->streams[0];
        }
    }
    return NULL;
}

int ingest_node_add(struct ingest_node *node, const struct store_stream *row,
                    struct ingest_stream **stream_out)
{
    const size_t last = INGEST_STREAMS_PER_NODE - 1;
    struct ingest_stream *old = node->streams[last];
    if (old != NULL && old->is_answered)
        return -EBUSY;
    struct ingest_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return -ENOMEM;
    free_stream(old);
    node->streams[last] = stream;
    move_to_front(node, last);
    ingest_stream_set(stream, row);
    *stream_out = stream;
    return 0;
}

int ingest_stream_make_decoder(struct ingest_stream *stream, struct decoder_workspace *workspace)
{
    if (stream->decoder == NULL)
        stream->decoder = decoder_new(workspace);
    return stream->decoder != NULL ? 0 : -ENOMEM;
}

void ingest_stream_set(struct ingest_stream *stream, const struct store_stream *row)
{
    stream->row = *row;
    stream->sequence = row->committed;
    stream->key = row->key;
    stream->crc = row->crc;
    stream->is_decoding = false;
    stream->is_stale = false;
    if (stream->decoder != NULL)
        decoder_reset(stream->decoder);
}

int ingest_stream_refuse(struct ingest_stream *stream, const struct frame_header *header,
                         const struct rejection *rejection, int64_t now_boot_ms)
{
    if (stream->refusal == NULL)
        stream->refusal = malloc(sizeof(*stream->refusal));
    if (stream->refusal == NULL)
        return -ENOMEM;
    *stream->refusal = (struct ingest_refusal){.key = header->key,
                                               .sequence = header->sequence,
                                               .rejection = *rejection,
                                               .told_ms = now_boot_ms};
    return 0;
}

void ingest_stream_forgive(struct ingest_stream *stream)
{
    if (stream->refusal != NULL && stream->rejection == &stream->refusal->rejection)
        stream->rejection = NULL;
    free(stream->refusal);
    stream->refusal = NULL;
}

bool ingest_stream_may_ask(struct ingest_stream *stream, int64_t now_boot_ms)
{
    uint64_t from = stream->sequence + 1;
    if (stream->asked_from == from && now_boot_ms < stream->asked_ms + INGEST_RESEND_MS)
        return false;
    stream->asked_from = from;
    stream->asked_ms = now_boot_ms;
    return true;
}
