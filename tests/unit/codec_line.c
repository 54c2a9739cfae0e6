#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/codec_line.h"

#define LINES_MAX 1000

int line_receive(void *context, const struct encoded_frame *encoded)
{
    struct line *line = context;
    if (line->refuse != 0)
        return line->refuse;
    assert_true(encoded->size <= FRAME_BYTES_MAX);
    assert_int_equal(encoded->sequence, line->sequence + 1);
    struct frame *frame = NULL;
    struct rejection rejection = {.text = ""};
    int r = decoder_decode(line->decoder, encoded->bytes, encoded->size, &frame, &rejection);
    if (r != 0)
        fail_msg("frame %" PRIu64 ": %d %s", encoded->sequence, r, rejection.text);
    if (!mirror_apply(&line->mirror, frame))
        fail_msg("frame %" PRIu64 ": %s", encoded->sequence, line->mirror.error);
    assert_int_equal(frame->crc, encoded->crc);
    assert_int_equal(frame->samples, encoded->samples);
    assert_int_equal(frame->header.stream, encoded->stream);
    assert_int_equal(frame->header.sequence, encoded->sequence);
    assert_int_equal(frame->header.key, encoded->key);
    line->sequence = encoded->sequence;
    line->frames++;
    line->keys += encoded->sequence == encoded->key;
    line->bytes += encoded->size;
    line->last_bytes = encoded->size;
    line->samples = encoded->samples;
    frame_free(frame);
    return 0;
}

void line_open(struct line *line, const struct encoder_options *options)
{
    *line = (struct line){
        .encoder = encoder_new(options),
        .decoder = decoder_new(NULL),
    };
    assert_non_null(line->encoder);
    assert_non_null(line->decoder);
}

void line_close(struct line *line)
{
    encoder_free(line->encoder);
    decoder_free(line->decoder);
    mirror_deinit(&line->mirror);
}

void line_cut(struct line *line)
{
    assert_int_equal(encoder_cut(line->encoder, line_receive, line), 0);
}

void line_add(struct line *line, const struct encoder_input *input, const struct reading *reading,
              int64_t time_ms)
{
    assert_int_equal(encoder_add(line->encoder, input, reading, time_ms, false), 0);
}

/* --- comparing --- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_line(struct buffer *out, const struct family *family, enum series_suffix suffix,
                       const struct label *labels, size_t n_labels, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    mirror_print_series(out, family, suffix, labels, n_labels);
    buffer_print(out, " %016" PRIx64 "\n", bits);
}

/* The lines in order, as one text. */
static char *sorted(struct buffer *text)
{
    char *lines[LINES_MAX];
    size_t n = 0;
    char *rest = NULL;
    char *copy = strdup(buffer_string(text));
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_true(n < sizeof(lines) / sizeof(lines[0]));
        lines[n++] = line;
    }
    qsort(lines, n, sizeof(lines[0]), compare_lines);
    buffer_clear(text);
    for (size_t i = 0; i < n; i++)
        buffer_print(text, "%s\n", lines[i]);
    free(copy);
    return strdup(buffer_string(text));
}

char *line_text(const struct reading *reading)
{
    BUFFER_AUTO struct buffer text = {0};
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    for (size_t i = 0; i < n; i++) {
        const struct series *series = samples[i].series;
        print_line(&text, series->family, series->suffix, series->labels, series->n_labels,
                   samples[i].value);
    }
    return sorted(&text);
}

static char *text_of_input(const struct mirror_input *input)
{
    BUFFER_AUTO struct buffer text = {0};
    for (uint32_t i = 0; i < input->n_series; i++) {
        const struct mirror_series *series = &input->series[i];
        if (!series->is_gone)
            print_line(&text, &input->families[series->family], series->suffix, series->labels,
                       series->n_labels, decimal_value(series->value));
    }
    return sorted(&text);
}

void line_assert(const struct line *line, const char *input, const char *want)
{
    const struct mirror_input *found = mirror_find(&line->mirror, input);
    assert_non_null(found);
    char *text = text_of_input(found);
    assert_string_equal(text, want);
    free(text);
}
