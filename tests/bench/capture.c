#include "tests/bench/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/wire.h"
#include "tests/support/mirror.h"

#define CAPTURE_BYTES_MAX ((size_t)1 << 30)
#define FILE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define SIZE_BYTES 4

static bool fail(struct capture *capture, const char *path, const char *what)
{
    (void)snprintf(capture->error, sizeof(capture->error), "%s: %s", path, what);
    return false;
}

void capture_deinit(struct capture *capture)
{
    if (capture->arena != NULL)
        arena_deinit(capture->arena);
    free(capture->arena);
    free(capture->frames);
    *capture = (struct capture){0};
}

static bool read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t n = 0;
    do {
        char *to = buffer_reserve(out, 65536);
        n = to == NULL ? 0 : fread(to, 1, 65536, file);
        buffer_wrote(out, n);
    } while (n > 0 && out->size < FILE_BYTES_MAX);
    bool is_whole = feof(file) != 0;
    (void)fclose(file); /* it was only read */
    return is_whole;
}

/* --- keeping --- */

static void *keep(struct capture *capture, size_t size)
{
    void *memory = arena_alloc(capture->arena, size);
    if (memory == NULL)
        abort(); /* a bench without memory measures nothing */
    return memory;
}

static const char *keep_text(struct capture *capture, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(keep(capture, size), text, size);
}

static void keep_sample(struct capture *capture, const struct mirror_input *input,
                        const struct mirror_series *series, struct capture_sample *sample)
{
    const struct family *family = &input->families[series->family];
    struct label *labels = keep(capture, series->n_labels * sizeof(*labels));
    for (size_t i = 0; i < series->n_labels; i++)
        labels[i] = (struct label){keep_text(capture, series->labels[i].name),
                                   keep_text(capture, series->labels[i].value)};
    *sample = (struct capture_sample){
        .family = {.name = keep_text(capture, family->name),
                   .help = keep_text(capture, family->help),
                   .unit = "",
                   .type = family->type},
        .suffix = series->suffix,
        .labels = labels,
        .n_labels = series->n_labels,
        .value = decimal_value(series->value),
    };
}

static void keep_reading(struct capture *capture, const struct mirror_input *input,
                         struct capture_reading *reading)
{
    struct capture_sample *samples = keep(capture, input->n_live * sizeof(*samples));
    size_t n = 0;
    for (uint32_t i = 0; i < input->n_series; i++)
        if (!input->series[i].is_gone)
            keep_sample(capture, input, &input->series[i], &samples[n++]);
    *reading = (struct capture_reading){
        .input = {.name = keep_text(capture, input->definition.name),
                  .job = keep_text(capture, input->definition.job),
                  .instance = keep_text(capture, input->definition.instance),
                  .interval_ms = input->definition.interval_ms},
        .time_ms = input->time_ms,
        .is_repeat = input->is_repeat,
        .n = n,
        .samples = samples,
    };
}

/* Each input of a frame is taken once, at its last reading in it. */
static void keep_frame(struct capture *capture, const struct mirror *mirror,
                       const struct frame *frame)
{
    struct capture_reading *readings = keep(capture, frame->n_readings * sizeof(*readings));
    struct capture_frame kept = {.readings = readings};
    for (size_t i = 0; i < frame->n_readings; i++) {
        if (frame->readings[i].has_more)
            continue;
        keep_reading(capture, &mirror->inputs[frame->readings[i].input], &readings[kept.n]);
        kept.samples += readings[kept.n++].n;
    }
    capture->frames = realloc(capture->frames, (capture->n_frames + 1) * sizeof(*capture->frames));
    if (capture->frames == NULL)
        abort();
    capture->frames[capture->n_frames++] = kept;
}

/* --- reading --- */

static bool read_frame(struct capture *capture, const char *path, struct decoder *decoder,
                       struct mirror *mirror, const uint8_t *bytes, size_t size)
{
    struct frame *frame = NULL;
    struct rejection rejection = {.text = "not the next frame"};
    if (decoder_decode(decoder, bytes, size, &frame, &rejection) != 0)
        return fail(capture, path, rejection.text);
    bool is_good = mirror_apply(mirror, frame);
    if (is_good)
        keep_frame(capture, mirror, frame);
    else
        (void)fail(capture, path, mirror->error); /* returned below */
    frame_free(frame);
    return is_good;
}

static bool read_frames(struct capture *capture, const char *path, const struct buffer *file,
                        struct decoder *decoder, struct mirror *mirror)
{
    const uint8_t *at = (const uint8_t *)file->data;
    size_t left = file->size;
    while (left > 0) {
        if (left < SIZE_BYTES || left - SIZE_BYTES < wire_get_fixed(at, SIZE_BYTES))
            return fail(capture, path, "ends within a frame");
        size_t size = (size_t)wire_get_fixed(at, SIZE_BYTES);
        if (!read_frame(capture, path, decoder, mirror, at + SIZE_BYTES, size))
            return false;
        at += SIZE_BYTES + size;
        left -= SIZE_BYTES + size;
    }
    return capture->n_frames > 0 || fail(capture, path, "holds no frames");
}

bool capture_load(struct capture *capture, const char *path)
{
    *capture = (struct capture){.arena = malloc(sizeof(struct arena))};
    if (capture->arena == NULL)
        abort();
    arena_init(capture->arena, CAPTURE_BYTES_MAX);
    BUFFER_AUTO struct buffer file = {0};
    if (!read_file(path, &file))
        return fail(capture, path, strerror(errno));
    struct mirror mirror = {0};
    struct decoder *decoder = decoder_new(NULL);
    if (decoder == NULL)
        abort();
    bool is_good = read_frames(capture, path, &file, decoder, &mirror);
    decoder_free(decoder);
    mirror_deinit(&mirror);
    return is_good;
}

bool capture_take(const struct capture_reading *from, struct reading *reading)
{
    reading_begin(reading);
    for (size_t i = 0; i < from->n; i++) {
        const struct capture_sample *sample = &from->samples[i];
        const struct family *family =
            reading_family(reading, sample->family.name, sample->family.type, sample->family.help);
        reading_add_part(reading, family, sample->suffix, sample->value, sample->labels,
                         sample->n_labels);
    }
    return reading_end(reading) == 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno != EINTR)
            return -errno;
        size_t written = n < 0 ? 0 : (size_t)n;
        bytes += written;
        size -= written;
    }
    return 0;
}

int capture_write(int fd, const uint8_t *bytes, size_t size)
{
    uint8_t head[SIZE_BYTES];
    wire_put_fixed32(head, (uint32_t)size);
    int r = write_all(fd, head, sizeof(head));
    return r == 0 ? write_all(fd, bytes, size) : r;
}
