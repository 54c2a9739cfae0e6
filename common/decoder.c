/*
 * Frames in their order: header, position in the group, CRC, decompression. What is inside a body
 * is decoder_body.c's.
 */
#include "common/decoder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>

#include "common/decoder_body.h"

struct decoder_workspace {
    ZSTD_DCtx *zstd;
    struct buffer content; /* of the frame at work */
};

struct decoder {
    struct decoder_workspace *workspace;
    bool owns_workspace;
    /* Of the last frame; stream 0: none. */
    uint64_t stream, sequence, key;
    uint32_t crc;
    struct decoder_group group;
};

/* What a frame points to lies in its arena. */
struct frame_box {
    struct frame frame; /* first, so that frame_free() finds the box */
    struct arena arena;
};

const char *reject_reason_name(enum reject_reason reason)
{
    static const char *const names[REJECT_REASONS] = {
        [REJECT_UNKNOWN] = "unknown",     [REJECT_MALFORMED] = "malformed",
        [REJECT_TOO_LARGE] = "too_large", [REJECT_BAD_CRC] = "bad_crc",
        [REJECT_BAD_NAME] = "bad_name",   [REJECT_CONFLICT] = "conflict",
        [REJECT_RESERVED] = "reserved",   [REJECT_LIMIT] = "limit",
        [REJECT_BAD_TIME] = "bad_time",
    };
    return (unsigned)reason < REJECT_REASONS ? names[reason] : names[REJECT_UNKNOWN];
}

/* --- lifetime --- */

struct decoder_workspace *decoder_workspace_new(void)
{
    struct decoder_workspace *workspace = calloc(1, sizeof(*workspace));
    if (workspace == NULL)
        return NULL;
    workspace->zstd = ZSTD_createDCtx();
    if (workspace->zstd == NULL) {
        free(workspace);
        return NULL;
    }
    return workspace;
}

void decoder_workspace_free(struct decoder_workspace *workspace)
{
    if (workspace == NULL)
        return;
    (void)ZSTD_freeDCtx(workspace->zstd); /* cannot fail */
    buffer_deinit(&workspace->content);
    free(workspace);
}

struct decoder *decoder_new(struct decoder_workspace *workspace)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder == NULL)
        return NULL;
    decoder->owns_workspace = workspace == NULL;
    decoder->workspace = workspace == NULL ? decoder_workspace_new() : workspace;
    if (decoder->workspace == NULL) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void decoder_free(struct decoder *decoder)
{
    if (decoder == NULL)
        return;
    decoder_reset(decoder);
    if (decoder->owns_workspace)
        decoder_workspace_free(decoder->workspace);
    free(decoder);
}

void decoder_reset(struct decoder *decoder)
{
    decoder_group_clear(&decoder->group);
    decoder->stream = 0;
    decoder->sequence = 0;
    decoder->key = 0;
    decoder->crc = 0;
}

void decoder_position(const struct decoder *decoder, uint64_t *stream_out, uint64_t *sequence_out,
                      uint32_t *crc_out)
{
    *stream_out = decoder->stream;
    *sequence_out = decoder->sequence;
    *crc_out = decoder->crc;
}

/* --- frames --- */

static struct frame_box *frame_box_new(void)
{
    struct arena arena;
    arena_init(&arena, DECODED_BYTES_MAX);
    struct frame_box *box = arena_alloc(&arena, sizeof(*box));
    if (box == NULL)
        return NULL;
    *box = (struct frame_box){.arena = arena};
    return box;
}

void frame_free(struct frame *frame)
{
    if (frame == NULL)
        return;
    /* The box lies in the arena that it describes. */
    struct arena arena = ((struct frame_box *)frame)->arena;
    arena_deinit(&arena);
}

int frame_peek(const uint8_t *bytes, size_t size, struct frame_header *header_out,
               struct rejection *rejection)
{
    struct frame_parts parts;
    int r = frame_split(bytes, size, &parts, rejection);
    if (r == 0)
        *header_out = parts.header;
    return r;
}

/* Whether the frame comes next: 0, DECODER_NOT_NEXT, DECODER_REJECTED. */
static int check_position(const struct decoder *decoder, const struct frame_header *header,
                          struct rejection *rejection)
{
    if (header->sequence == header->key)
        return 0;
    if (decoder->stream != header->stream || decoder->sequence + 1 != header->sequence)
        return DECODER_NOT_NEXT;
    if (decoder->key != header->key)
        return frame_refuse(rejection, REJECT_MALFORMED,
                            "frame: names key %" PRIu64 " within the group of %" PRIu64,
                            header->key, decoder->key);
    return 0;
}

/* The content as a body: as it is, or decompressed into the workspace. */
static int open_content(struct decoder *decoder, const struct frame_parts *parts,
                        const uint8_t **bytes_out, size_t *size_out, struct rejection *rejection)
{
    if (!parts->is_compressed) {
        *bytes_out = parts->content;
        *size_out = parts->content_bytes;
        return 0;
    }
    unsigned long long size = ZSTD_getFrameContentSize(parts->content, parts->content_bytes);
    if (size == ZSTD_CONTENTSIZE_ERROR)
        return frame_refuse(rejection, REJECT_MALFORMED, "zstd: no header");
    if (size == ZSTD_CONTENTSIZE_UNKNOWN)
        return frame_refuse(rejection, REJECT_MALFORMED, "zstd: the header names no size");
    if (size > BODY_BYTES_MAX)
        return frame_refuse(rejection, REJECT_TOO_LARGE, "zstd: %llu bytes of content, over %d",
                            size, BODY_BYTES_MAX);
    struct buffer *content = &decoder->workspace->content;
    buffer_clear(content);
    char *to = buffer_reserve(content, (size_t)size);
    if (to == NULL)
        return -ENOMEM;
    size_t n = ZSTD_decompressDCtx(decoder->workspace->zstd, to, (size_t)size, parts->content,
                                   parts->content_bytes);
    if (ZSTD_isError(n))
        return frame_refuse(rejection, REJECT_MALFORMED, "zstd: %s", ZSTD_getErrorName(n));
    *bytes_out = (const uint8_t *)to;
    *size_out = n;
    return 0;
}

static int decode_content(struct decoder *decoder, const struct frame_parts *parts,
                          struct frame_box *box, struct rejection *rejection)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    int r = open_content(decoder, parts, &bytes, &size, rejection);
    if (r != 0)
        return r;
    struct body_decoder body = {
        .group = &decoder->group,
        .arena = &box->arena,
        .frame = &box->frame,
        .rejection = rejection,
        .is_key = parts->header.sequence == parts->header.key,
    };
    return decoder_read_body(&body, bytes, size);
}

static int check_crc(const struct frame_header *header, uint32_t crc, struct rejection *rejection)
{
    if (header->crc == 0 || header->crc == crc)
        return 0;
    return frame_refuse(rejection, REJECT_BAD_CRC, "frame: CRC %08" PRIx32 ", computed %08" PRIx32,
                        header->crc, crc);
}

/* A frame that is in its place, into *frame_out. */
static int decode_next(struct decoder *decoder, const struct frame_parts *parts, uint32_t crc,
                       struct frame **frame_out, struct rejection *rejection)
{
    struct frame_box *box = frame_box_new();
    if (box == NULL)
        return -ENOMEM;
    box->frame.header = parts->header;
    box->frame.crc = crc;
    int r = decode_content(decoder, parts, box, rejection);
    if (r != 0) {
        frame_free(&box->frame);
        return r;
    }
    decoder->stream = parts->header.stream;
    decoder->sequence = parts->header.sequence;
    decoder->key = parts->header.key;
    decoder->crc = crc;
    *frame_out = &box->frame;
    return 0;
}

int decoder_decode(struct decoder *decoder, const uint8_t *bytes, size_t size,
                   struct frame **frame_out, struct rejection *rejection)
{
    struct frame_parts parts;
    int r = frame_split(bytes, size, &parts, rejection);
    if (r == 0)
        r = check_position(decoder, &parts.header, rejection);
    if (r == DECODER_NOT_NEXT)
        return r;
    if (r == 0) {
        if (parts.header.sequence == parts.header.key)
            decoder_reset(decoder);
        uint32_t crc = frame_crc(decoder->crc, bytes, parts.covered_bytes);
        r = check_crc(&parts.header, crc, rejection);
        if (r == 0)
            r = decode_next(decoder, &parts, crc, frame_out, rejection);
    }
    if (r != 0)
        decoder_reset(decoder);
    return r;
}
