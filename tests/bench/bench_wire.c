/*
 * Bytes a sample and the speed of encoder and decoder, on a capture of a real machine (the file
 * named, or wire.capture beside this one). Unchanged samples count: they are what the format
 * leaves out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/decoder.h"
#include "common/encoder.h"
#include "common/envelope.h"
#include "tests/bench/capture.h"

#define INPUTS_MAX INPUTS_PER_NODE_MAX
#define COMPRESSION_LEVEL 1
#define GROUP_FRAMES 240 /* of an hour at 15 s */
#define SECONDS_MIN 2.0  /* that a speed is measured for */
#define SECONDS_BRIEF 0.1

struct kept_frame {
    size_t offset, size;
    uint32_t samples;
    bool is_key;
};

struct bench {
    struct capture capture;
    struct reading *readings[INPUTS_MAX]; /* by the order in which inputs were first seen */
    const char *names[INPUTS_MAX];
    size_t n_inputs;
    int level;
    double seconds; /* to measure for */

    struct buffer bytes; /* of all frames */
    struct kept_frame *frames;
    size_t n_frames;

    double encode_seconds;
    uint64_t encode_samples;
};

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* cannot fail */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench_wire: %s\n", what);
    exit(EXIT_FAILURE);
}

/* --- encoding --- */

static int keep_frame(void *context, const struct encoded_frame *frame)
{
    struct bench *bench = context;
    bench->frames = realloc(bench->frames, (bench->n_frames + 1) * sizeof(*bench->frames));
    if (bench->frames == NULL)
        die("out of memory");
    bench->frames[bench->n_frames++] = (struct kept_frame){
        .offset = bench->bytes.size,
        .size = frame->size,
        .samples = frame->samples,
        .is_key = frame->sequence == frame->key,
    };
    buffer_append(&bench->bytes, frame->bytes, frame->size);
    return 0;
}

static struct reading *reading_of(struct bench *bench, const char *input)
{
    for (size_t i = 0; i < bench->n_inputs; i++)
        if (strcmp(bench->names[i], input) == 0)
            return bench->readings[i];
    if (bench->n_inputs == INPUTS_MAX)
        die("too many inputs");
    bench->names[bench->n_inputs] = input;
    bench->readings[bench->n_inputs] = reading_new();
    if (bench->readings[bench->n_inputs] == NULL)
        die("out of memory");
    return bench->readings[bench->n_inputs++];
}

/* Takes the readings as inputs would, then measures what the encoder does with them. */
static void encode_frame(struct bench *bench, struct encoder *encoder,
                         const struct capture_frame *frame, int64_t time_ms)
{
    for (size_t i = 0; i < frame->n; i++)
        if (!capture_take(&frame->readings[i], reading_of(bench, frame->readings[i].input.name)))
            die("a reading of the capture does not end well");
    double start = seconds_now();
    for (size_t i = 0; i < frame->n; i++) {
        const struct capture_reading *from = &frame->readings[i];
        if (encoder_add(encoder, &from->input, reading_of(bench, from->input.name), time_ms,
                        from->is_repeat) != 0)
            die("encoder_add");
    }
    if (encoder_cut(encoder, keep_frame, bench) != 0)
        die("encoder_cut");
    bench->encode_seconds += seconds_now() - start;
    bench->encode_samples += frame->samples;
}

/* Once through the capture, in a group of its own. */
static void encode_capture(struct bench *bench)
{
    struct encoder_options options = {
        .stream = 0x9e3779b97f4a7c15, .seed = 1, .compression_level = bench->level};
    struct encoder *encoder = encoder_new(&options);
    if (encoder == NULL)
        die("out of memory");
    for (size_t i = 0; i < bench->capture.n_frames; i++)
        encode_frame(bench, encoder, &bench->capture.frames[i],
                     bench->capture.frames[i].readings[0].time_ms);
    encoder_free(encoder);
}

/* --- size --- */

static size_t envelope_size(const struct bench *bench, const struct kept_frame *frame,
                            uint64_t sequence)
{
    BUFFER_AUTO struct buffer packed = {0};
    const struct envelope envelope = {
        .frame = (const uint8_t *)bench->bytes.data + frame->offset,
        .frame_bytes = frame->size,
        .utc_offset_ms = INT64_C(1764000000123) - (int64_t)sequence,
        .uncertainty_ms = 12,
        .source = CLOCK_SOURCE_SYSTEM,
        .first = 1,
        .backlog_frames = 1,
        .backlog_bytes = frame->size,
        .backlog_oldest_age_ms = 2,
    };
    if (envelope_pack(&envelope, &packed) != 0)
        die("out of memory");
    return packed.size;
}

static void report_size(const struct bench *bench)
{
    double delta_bytes = 0;
    double delta_samples = 0;
    double key_bytes = 0;
    double key_samples = 0;
    size_t n_delta = 0;
    for (size_t i = 0; i < bench->n_frames; i++) {
        const struct kept_frame *frame = &bench->frames[i];
        double size = (double)envelope_size(bench, frame, i + 1);
        *(frame->is_key ? &key_bytes : &delta_bytes) += size;
        *(frame->is_key ? &key_samples : &delta_samples) += frame->samples;
        n_delta += !frame->is_key;
    }
    if (n_delta == 0)
        die("the capture has no delta frames");
    double share = (GROUP_FRAMES - 1) / (double)n_delta;
    printf("wire_frames %zu frames\n", bench->n_frames);
    printf("wire_samples_per_frame %.0f samples\n", delta_samples / (double)n_delta);
    printf("wire_bytes_per_frame %.1f bytes\n", delta_bytes / (double)n_delta);
    printf("wire_key_bytes %.0f bytes\n", key_bytes);
    printf("wire_bytes_per_sample %.4f bytes\n", delta_bytes / delta_samples);
    printf("wire_bytes_per_sample_with_key %.4f bytes\n",
           (key_bytes + share * delta_bytes) / (key_samples + share * delta_samples));
}

/* --- speed --- */

static uint64_t decode_capture(const struct bench *bench, struct decoder *decoder)
{
    uint64_t samples = 0;
    for (size_t i = 0; i < bench->n_frames; i++) {
        struct frame *frame = NULL;
        struct rejection rejection;
        if (decoder_decode(decoder, (const uint8_t *)bench->bytes.data + bench->frames[i].offset,
                           bench->frames[i].size, &frame, &rejection) != 0)
            die("decoder_decode");
        samples += frame->samples;
        frame_free(frame);
    }
    return samples;
}

static void report_speed(struct bench *bench)
{
    struct decoder *decoder = decoder_new(NULL);
    if (decoder == NULL)
        die("out of memory");
    double start = seconds_now();
    uint64_t samples = 0;
    while (seconds_now() - start < bench->seconds)
        samples += decode_capture(bench, decoder);
    double decode_seconds = seconds_now() - start;
    decoder_free(decoder);
    bench->encode_seconds = 0;
    bench->encode_samples = 0;
    while (bench->encode_seconds < bench->seconds) {
        buffer_clear(&bench->bytes);
        bench->n_frames = 0;
        encode_capture(bench);
    }
    printf("encode_samples_per_s %.0f samples/s\n",
           (double)bench->encode_samples / bench->encode_seconds);
    printf("decode_samples_per_s %.0f samples/s\n", (double)samples / decode_seconds);
}

int main(int argc, char **argv)
{
    struct bench bench = {.level = COMPRESSION_LEVEL};
    const char *brief = getenv("SHOAL_BENCH_BRIEF");
    bench.seconds = brief != NULL && brief[0] != '\0' ? SECONDS_BRIEF : SECONDS_MIN;
    const char *level = getenv("SHOAL_BENCH_LEVEL"); /* to see what compression costs and gains */
    if (level != NULL)
        bench.level = (int)strtol(level, NULL, 10);
    if (!capture_load(&bench.capture,
                      argc > 1 ? argv[1] : SHOAL_SOURCE_DIR "/tests/bench/wire.capture"))
        die(bench.capture.error);
    encode_capture(&bench);
    report_size(&bench);
    report_speed(&bench);
    for (size_t i = 0; i < bench.n_inputs; i++)
        reading_free(bench.readings[i]);
    free(bench.frames);
    buffer_deinit(&bench.bytes);
    capture_deinit(&bench.capture);
    return EXIT_SUCCESS;
}
