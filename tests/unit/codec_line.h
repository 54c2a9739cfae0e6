/*
 * A line from an encoder to a decoder: what the encoder gives is decoded at once into a mirror, and
 * the promises of both are checked on the way.
 */
#ifndef SHOAL_TESTS_CODEC_LINE_H
#define SHOAL_TESTS_CODEC_LINE_H

#include "common/encoder.h"
#include "tests/support/mirror.h"

struct line {
    struct encoder *encoder;
    struct decoder *decoder;
    struct mirror mirror;
    unsigned frames, keys;
    size_t bytes;      /* of all frames */
    size_t last_bytes; /* of the last one */
    uint32_t samples;  /* of the last one */
    uint64_t sequence;
    int refuse; /* what the frames' taker returns where it is not 0 */
};

void line_open(struct line *line, const struct encoder_options *options);
void line_close(struct line *line);

/* The taker of frames; its context is the line. */
int line_receive(void *context, const struct encoded_frame *encoded);

/* Adds and cuts, which have to work. */
void line_add(struct line *line, const struct encoder_input *input, const struct reading *reading,
              int64_t time_ms);
void line_cut(struct line *line);

/* A reading's series and values, with all their bits, in order; the caller frees the text. */
char *line_text(const struct reading *reading);

/* What the mirror has of an input is that text. */
void line_assert(const struct line *line, const char *input, const char *want);

#endif
