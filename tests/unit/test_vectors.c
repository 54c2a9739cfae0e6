/* The vectors of proto/vectors, through the decoder. Their format is in make.py beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/decoder.h"
#include "tests/support/mirror.h"

#define VECTORS SHOAL_SOURCE_DIR "/proto/vectors"
#define VECTORS_MIN 8

/* A vector being read, and the stream that it holds. */
struct vector {
    const char *path;
    unsigned line;
    unsigned frames;
    struct decoder *decoder;
    struct mirror mirror;
    struct buffer frame; /* its bytes, while they are read */
    struct buffer want;  /* the lines that follow them */
    bool is_in_hex;
};

static void print_series(struct buffer *out, const struct mirror_input *input,
                         const struct mirror_series *series)
{
    const struct family *family = &input->families[series->family];
    buffer_print(out, "%s %s%s{", family_type_name(family->type), family->name,
                 series_suffix_text(series->suffix));
    for (size_t i = 0; i < series->n_labels; i++)
        buffer_print(out, "%s%s=\"%s\"", i > 0 ? "," : "", series->labels[i].name,
                     series->labels[i].value);
    double value = decimal_value(series->value);
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    /* A signalling NaN does not survive every machine's way of passing doubles. */
    if (series->value.exponent == DECIMAL_RAW)
        bits = (uint64_t)series->value.mantissa;
    buffer_print(out, "} %016" PRIx64 "\n", bits);
}

static void print_known(struct buffer *out, const struct mirror *mirror)
{
    for (size_t i = 0; i < mirror->n_node_labels; i++)
        buffer_print(out, "node label %s=\"%s\"\n", mirror->node_labels[i].name,
                     mirror->node_labels[i].value);
    for (uint32_t i = 0; i < mirror->n_inputs; i++) {
        const struct mirror_input *input = &mirror->inputs[i];
        const struct frame_input *definition = &input->definition;
        buffer_print(
            out, "input %s job=%s instance=%s interval_ms=%" PRIu32 " time_ms=%" PRId64 "%s%s\n",
            definition->name, definition->job, definition->instance, definition->interval_ms,
            input->time_ms, input->is_repeat ? " repeat" : "", input->is_partial ? " more" : "");
        for (uint32_t j = 0; j < input->n_series; j++)
            if (!input->series[j].is_gone)
                print_series(out, input, &input->series[j]);
    }
}

/* Decodes the frame that has been read and compares. */
static void check_frame(struct vector *vector)
{
    BUFFER_AUTO struct buffer got = {0};
    struct frame *frame = NULL;
    struct rejection rejection = {.text = ""};
    int r = decoder_decode(vector->decoder, (const uint8_t *)vector->frame.data, vector->frame.size,
                           &frame, &rejection);
    if (r == DECODER_REJECTED) {
        buffer_print(&got, "refused %s\n", reject_reason_name(rejection.reason));
    } else if (r == 0) {
        if (!mirror_apply(&vector->mirror, frame))
            fail_msg("%s:%u: %s", vector->path, vector->line, vector->mirror.error);
        print_known(&got, &vector->mirror);
    } else {
        buffer_print(&got, "result %d\n", r);
    }
    frame_free(frame);
    if (strcmp(buffer_string(&got), buffer_string(&vector->want)) != 0)
        fail_msg("%s, frame before line %u: %s\nwant\n%sgot\n%s", vector->path, vector->line,
                 rejection.text, buffer_string(&vector->want), buffer_string(&got));
    vector->frames++;
}

static void end_frame(struct vector *vector)
{
    if (vector->frame.size > 0)
        check_frame(vector);
    buffer_clear(&vector->frame);
    buffer_clear(&vector->want);
}

static unsigned digit(char c)
{
    return (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0');
}

static void take_line(struct vector *vector, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "frame") == 0) {
        end_frame(vector);
        vector->is_in_hex = true;
    } else if (vector->is_in_hex && line[strspn(line, "0123456789abcdef")] == '\0') {
        for (const char *at = line; at[0] != '\0'; at += 2)
            buffer_append(&vector->frame, &(uint8_t){(uint8_t)(digit(at[0]) << 4 | digit(at[1]))},
                          1);
    } else if (line[0] != '#' && line[0] != '\0') {
        vector->is_in_hex = false;
        char *comment = strstr(line, "  #");
        if (comment != NULL)
            *comment = '\0';
        buffer_print(&vector->want, "%s\n", line);
    }
}

static unsigned check_vector(const char *path)
{
    struct vector vector = {.path = path, .decoder = decoder_new(NULL)};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("%s: cannot be opened", path);
    char line[1024];
    while (fgets(line, sizeof(line), file) != NULL) {
        vector.line++;
        take_line(&vector, line);
    }
    end_frame(&vector);
    (void)fclose(file); /* it was only read */
    decoder_free(vector.decoder);
    mirror_deinit(&vector.mirror);
    buffer_deinit(&vector.frame);
    buffer_deinit(&vector.want);
    return vector.frames;
}

static void test_vectors(void **state)
{
    (void)state;
    DIR *directory = opendir(VECTORS);
    assert_non_null(directory);
    unsigned n = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".txt") != 0)
            continue;
        char path[512];
        (void)snprintf(path, sizeof(path), VECTORS "/%s", entry->d_name);
        assert_true(check_vector(path) > 0);
        n++;
    }
    (void)closedir(directory); /* it was only read */
    assert_true(n >= VECTORS_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
