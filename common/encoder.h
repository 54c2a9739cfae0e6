/*
 * Frame encoder: readings in, frames out. Keeps, per series, what the decoder will know of it, and
 * sends what differs. Knows nothing of files, MQTT or time beyond the readings' own.
 *
 * Use: encoder_add() for each reading that belongs into the next frame, then encoder_cut(). A cut
 * gives one frame, or several where the readings do not fit FRAME_BYTES_MAX.
 *
 * Groups end by age and size (design: 45 to 75 minutes, drawn anew for each group). After an error
 * the next cut begins a group, so nothing wrong can follow from it.
 */
#ifndef SHOAL_COMMON_ENCODER_H
#define SHOAL_COMMON_ENCODER_H

#include "common/reading.h"

#define FRAME_BYTES_MAX 195584 /* 191 KiB: with its envelope a payload is at most 192 KiB */
#define GROUP_MS_MIN 2700000   /* 45 minutes */
#define GROUP_MS_MAX 4500000   /* 75 minutes */
#define GROUP_BYTES_MIN 262144 /* 256 KiB: a group may always grow to this or 4 key frames */

struct encoder;

struct encoder_options {
    uint64_t stream;                 /* not 0 */
    uint64_t last_sequence;          /* the stream goes on after it; 0: it begins */
    uint64_t seed;                   /* for the groups' lengths */
    uint64_t group_bytes_max;        /* an eighth of the spool's bound; 0: none */
    const struct label *node_labels; /* copied; valid, no name twice, in any order */
    size_t n_node_labels;
    int compression_level; /* zstd; 0: never compress */
};

/* An input as its definition on the wire says; strings are copied at the first use. Where another
 * definition comes under the same name, a group begins. */
struct encoder_input {
    const char *name; /* identifies the input within the encoder */
    const char *job;
    const char *instance; /* "" for the node's id */
    uint32_t interval_ms;
};

struct encoded_frame {
    uint64_t stream;
    uint64_t sequence;
    uint64_t key; /* the group's first sequence */
    uint32_t crc;
    uint32_t samples;     /* that the frame stands for, unchanged ones included */
    int64_t time_ms;      /* boot-time clock, the frame's oldest reading */
    const uint8_t *bytes; /* valid during the call */
    size_t size;
};

/* Takes a frame; an error ends the cut and is returned by it. */
typedef int (*encoder_emit)(void *context, const struct encoded_frame *frame);

/* NULL when out of memory. */
struct encoder *encoder_new(const struct encoder_options *options);
void encoder_free(struct encoder *encoder); /* may be NULL */

/*
 * Takes over a reading that ended well, taken at time_ms of the boot-time clock; `is_repeat` marks
 * one that was said before. The reading may be used again as soon as the call returns; the same
 * `struct reading` must be given for the same input each time.
 * 0; -ENOMEM; -E2BIG (INPUTS_PER_NODE_MAX or SERIES_PER_NODE_MAX) or -EINVAL (a time below 0 or
 * over READING_MS_MAX), and nothing was added. After -ENOMEM all that was added since the last cut
 * is lost.
 */
WARN_UNUSED int encoder_add(struct encoder *encoder, const struct encoder_input *input,
                            const struct reading *reading, int64_t time_ms, bool is_repeat);

/* Makes what was added since the last cut into frames. Without any reading it does nothing.
 * 0, -ENOMEM or emit's error: the frames from there on are lost, and their numbers used again. */
WARN_UNUSED int encoder_cut(struct encoder *encoder, encoder_emit emit, void *context);

/* What is added from now on begins a group, whatever the last one's age (after frames were lost,
 * say). An input may then come with another `struct reading`. */
void encoder_end_group(struct encoder *encoder);

#endif
