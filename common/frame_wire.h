/*
 * A frame's bytes: the outer message Frame with its CRC, and the field numbers of all that is in
 * it. Shared by encoder and decoder; knows nothing of what a body means.
 */
#ifndef SHOAL_COMMON_FRAME_WIRE_H
#define SHOAL_COMMON_FRAME_WIRE_H

#include "common/buffer.h"
#include "common/decoder.h"

/* As in proto/shoal/v1/frame.proto; below 16, so that each tag is one byte. */
enum { FRAME_STREAM = 1, FRAME_SEQUENCE, FRAME_KEY, FRAME_BODY, FRAME_ZSTD, FRAME_CRC = 15 };
enum { BODY_TIME = 1, BODY_READING, BODY_NODE_LABEL, BODY_PLAIN, BODY_CHANGED, BODY_DELTA };
enum {
    READING_INPUT_GAP = 1,
    READING_TIME_OFFSET,
    READING_DEFINITION,
    READING_FAMILY,
    READING_SERIES,
    READING_DELTA_SERIES,
    READING_DELTA,
    READING_SCALED_SERIES,
    READING_MANTISSA,
    READING_EXPONENT,
    READING_RAW_SERIES,
    READING_RAW,
    READING_GONE,
    READING_MORE,
    READING_DELTA_BITS,
    READING_REPEAT /* alone over 15: a tag of two bytes */
};
enum { INPUT_FIELD_NAME = 1, INPUT_FIELD_JOB, INPUT_FIELD_INSTANCE, INPUT_FIELD_INTERVAL };
enum { FAMILY_FIELD_NAME = 1, FAMILY_FIELD_TYPE, FAMILY_FIELD_HELP, FAMILY_FIELD_UNIT };
enum { SERIES_FIELD_FAMILY = 1, SERIES_FIELD_SUFFIX, SERIES_FIELD_LABEL };
enum { LABEL_FIELD_NAME = 1, LABEL_FIELD_VALUE };

/* Where things stand in a frame; points into its bytes. */
struct frame_parts {
    struct frame_header header;
    const uint8_t *content;
    size_t content_bytes;
    bool is_compressed;
    size_t covered_bytes; /* by the CRC: all before it */
};

#define FRAME_OVERHEAD_BYTES_MAX 48 /* what the outer message adds to its content */

/* Fills *rejection and returns DECODER_REJECTED. */
__attribute__((format(printf, 3, 4))) int
frame_refuse(struct rejection *rejection, enum reject_reason reason, const char *format, ...);

/* Checks the outer message: 0 or DECODER_REJECTED. */
WARN_UNUSED int frame_split(const uint8_t *bytes, size_t size, struct frame_parts *parts_out,
                            struct rejection *rejection);

/* The frame's CRC, given its predecessor's (0 for a key frame) and the bytes it covers. */
uint32_t frame_crc(uint32_t predecessor, const uint8_t *bytes, size_t size);

/* The inverse of frame_split, into a cleared buffer; returns the CRC. The buffer keeps the error.
 */
uint32_t frame_join(struct buffer *out, const struct frame_parts *parts, uint32_t predecessor);

#endif
