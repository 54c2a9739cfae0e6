/*
 * Frame decoder: frames of one stream in, in order; out come readings with definitions and values.
 * Keeps the numbers that predictions need and how many families and series there are; names are
 * checked here and handed on, not kept. Every length is checked before it is used, and a frame is
 * decoded in an arena of DECODED_BYTES_MAX.
 */
#ifndef SHOAL_COMMON_DECODER_H
#define SHOAL_COMMON_DECODER_H

#include "common/decimal.h"
#include "common/series.h"

#define FRAME_WIRE_BYTES_MAX 196608 /* 192 KiB */
#define BODY_BYTES_MAX 4194304      /* 4 MiB, after decompression */
#define DECODED_BYTES_MAX 33554432  /* 32 MiB, memory that decoding one frame may take */
#define READINGS_PER_FRAME_MAX 4096
#define NODE_LABELS_MAX 32
#define INPUT_NAME_BYTES_MAX 127
#define JOB_BYTES_MAX 127
#define INSTANCE_BYTES_MAX 255
/* Ids of series, and of families, gone ones too: twice SERIES_PER_NODE_MAX. */
#define IDS_PER_GROUP_MAX 400000
#define READING_MS_MAX INT64_C(1000000000000000) /* of the boot-time clock */

/* Why a frame is refused: same numbers as shoal.v1.Rejected.Reason. */
enum reject_reason {
    REJECT_UNKNOWN,
    REJECT_MALFORMED,
    REJECT_TOO_LARGE,
    REJECT_BAD_CRC,
    REJECT_BAD_NAME,
    REJECT_CONFLICT,
    REJECT_RESERVED,
    REJECT_LIMIT,
    REJECT_BAD_TIME,
    REJECT_REASONS
};

/* "malformed", "too_large", ...: as in metrics and logs. */
const char *reject_reason_name(enum reject_reason reason);

struct rejection {
    enum reject_reason reason;
    char text[200]; /* what and where, for people: "reading 2 of input 1: series id 900 of 40" */
};

/* What can be known without decoding: read by frame_peek. */
struct frame_header {
    uint64_t stream;
    uint64_t sequence;
    uint64_t key;
    uint32_t crc; /* as the frame says, 0 if it says none */
};

struct frame_input {
    const char *name;
    const char *job;
    const char *instance;
    uint32_t interval_ms;
};

struct frame_series {
    uint32_t family; /* id in the input */
    enum series_suffix suffix;
    size_t n_labels;
    const struct label *labels;
};

struct frame_change {
    uint32_t series; /* id in the input */
    struct decimal value;
};

struct frame_reading {
    uint32_t input;
    const struct frame_input *definition; /* at the input's first reading in the group, else NULL */
    int64_t time_ms;                      /* boot-time clock */
    bool is_repeat;
    bool has_more; /* complete only with the next frame */
    /* Definitions that this reading adds, with the ids that follow those before. */
    size_t n_families, n_series;
    uint32_t first_family, first_series;
    const struct family *families;
    const struct frame_series *series;
    size_t n_changes, n_gone;
    const struct frame_change *changes; /* every new series has one; ids not in order overall */
    const uint32_t *gone;
};

struct frame {
    struct frame_header header;
    uint32_t crc;     /* computed: the next frame's predecessor CRC */
    uint32_t samples; /* of all readings, unchanged ones included */
    size_t n_node_labels;
    const struct label *node_labels;
    size_t n_readings;
    const struct frame_reading *readings;
};

enum { DECODER_REJECTED = 1, DECODER_NOT_NEXT = 2 };

struct decoder;
struct decoder_workspace;

/* What the decoders of one thread share: a zstd context and room for a decompressed body (some
 * hundred kilobytes; a decoder itself is small). NULL when out of memory. */
struct decoder_workspace *decoder_workspace_new(void);
void decoder_workspace_free(struct decoder_workspace *workspace); /* after its decoders; or NULL */

/* NULL when out of memory. A new decoder waits for a key frame of any stream. The workspace is not
 * owned; NULL gives the decoder one of its own. */
struct decoder *decoder_new(struct decoder_workspace *workspace);
void decoder_free(struct decoder *decoder); /* may be NULL */

/* Forgets everything; the next frame has to be a key frame. */
void decoder_reset(struct decoder *decoder);

/* Header alone: 0 or DECODER_REJECTED with *rejection filled. */
WARN_UNUSED int frame_peek(const uint8_t *bytes, size_t size, struct frame_header *header_out,
                           struct rejection *rejection);

/*
 * Decodes one frame: a key frame (which starts anew) or the one after the last.
 *   0                 *frame_out owns all it points to; the caller frees it with frame_free
 *   DECODER_REJECTED  *rejection says why; the decoder then waits for a key frame
 *   DECODER_NOT_NEXT  neither a key frame nor the next one; the decoder is as it was
 *   -ENOMEM           the decoder then waits for a key frame
 */
WARN_UNUSED int decoder_decode(struct decoder *decoder, const uint8_t *bytes, size_t size,
                               struct frame **frame_out, struct rejection *rejection);
void frame_free(struct frame *frame); /* may be NULL */

/* Stream, sequence and CRC of the last frame decoded; stream 0 while it waits for a key frame. */
void decoder_position(const struct decoder *decoder, uint64_t *stream_out, uint64_t *sequence_out,
                      uint32_t *crc_out);

#endif
