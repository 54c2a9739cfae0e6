/* Encoder and decoder together: what goes in comes out, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/decoder.h"
#include "common/encoder.h"
#include "shoal/v1/frame.pb-c.h"
#include "tests/support/mirror.h"
#include "tests/support/random.h"

#define INPUTS 4
#define POOL 60

/* --- a line: encoder, frames, decoder, mirror --- */

struct line {
    struct encoder *encoder;
    struct decoder *decoder;
    struct mirror mirror;
    unsigned frames, keys;
    size_t bytes;      /* of all frames */
    size_t last_bytes; /* of the last one */
    uint32_t samples;  /* of the last one */
    uint64_t sequence;
    int refuse; /* what emit returns where it is not 0 */
};

static int receive(void *context, const struct encoded_frame *encoded)
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

static void line_open(struct line *line, const struct encoder_options *options)
{
    *line = (struct line){
        .encoder = encoder_new(options),
        .decoder = decoder_new(NULL),
    };
    assert_non_null(line->encoder);
    assert_non_null(line->decoder);
}

static void line_close(struct line *line)
{
    encoder_free(line->encoder);
    decoder_free(line->decoder);
    mirror_deinit(&line->mirror);
}

static const struct encoder_options plain_options = {
    .stream = 0x1122334455667788, .seed = 7, .compression_level = 1};

static const struct encoder_input cpu_input = {
    .name = "cpu", .job = "node", .instance = "", .interval_ms = 15000};

static void cut(struct line *line)
{
    assert_int_equal(encoder_cut(line->encoder, receive, line), 0);
}

static void add(struct line *line, const struct encoder_input *input, const struct reading *reading,
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
    char *lines[4 * POOL];
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

static char *text_of_reading(const struct reading *reading)
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

static void assert_arrived(const struct line *line, const char *input, const char *want)
{
    const struct mirror_input *found = mirror_find(&line->mirror, input);
    assert_non_null(found);
    char *text = text_of_input(found);
    assert_string_equal(text, want);
    free(text);
}

/* --- random worlds --- */

struct pool_series {
    char family[32], label[16];
    enum family_type type;
    enum series_suffix suffix;
    unsigned kind; /* of values */
    bool is_there;
    double value;
};

struct world {
    struct random random;
    struct line line;
    struct reading *readings[INPUTS];
    struct encoder_input inputs[INPUTS];
    char names[INPUTS][16];
    struct pool_series pool[INPUTS][POOL];
    char *sent[INPUTS]; /* text of the last reading that was added; NULL: none */
    int64_t time_ms;
};

static void choose_series(struct world *world, struct pool_series *series, unsigned i)
{
    struct random *random = &world->random;
    unsigned family = (unsigned)random_below(random, 12);
    (void)snprintf(series->family, sizeof(series->family), "family_%u", family);
    (void)snprintf(series->label, sizeof(series->label), "%u", i);
    series->type = family % FAMILY_TYPES;
    if (series->type == FAMILY_HISTOGRAM)
        series->suffix = (enum series_suffix)(1 + random_below(random, SUFFIXES - 1));
    series->kind = (unsigned)random_below(random, 6);
    series->is_there = !random_once_in(random, 3);
    series->value = random_value(random);
}

static double next_value(struct random *random, const struct pool_series *series)
{
    switch (series->kind) {
    case 0:
        return series->value;
    case 1:
        return random_once_in(random, 3) ? random_value(random) : series->value;
    case 2:
        return random_bits(random);
    case 3: /* a steady counter that is reset at times */
        return random_once_in(random, 20) ? 0 : (isfinite(series->value) ? series->value + 15 : 1);
    case 4:
        return (double)random_below(random, 1000) / 100;
    default:
        return isfinite(series->value) ? series->value * 1.1 : 0.5;
    }
}

static void world_open(struct world *world, struct random random)
{
    *world = (struct world){.random = random, .time_ms = 1000};
    const struct label labels[] = {{"zone", "b"}, {"arch", "\xc3\xa4"}};
    struct encoder_options options = {
        .stream = random_next(&world->random) | 1,
        .seed = random_next(&world->random),
        .group_bytes_max = random_once_in(&world->random, 2) ? 20000 : 0,
        .node_labels = labels,
        .n_node_labels = random_below(&world->random, 3),
        .compression_level = (int)random_below(&world->random, 3),
    };
    line_open(&world->line, &options);
    for (unsigned i = 0; i < INPUTS; i++) {
        (void)snprintf(world->names[i], sizeof(world->names[i]), "input%u", i);
        world->inputs[i] = (struct encoder_input){
            .name = world->names[i], .job = "node", .instance = "", .interval_ms = 1000 * (i + 1)};
        world->readings[i] = reading_new();
        assert_non_null(world->readings[i]);
        for (unsigned j = 0; j < POOL; j++)
            choose_series(world, &world->pool[i][j], j);
    }
}

static void world_close(struct world *world)
{
    line_close(&world->line);
    for (unsigned i = 0; i < INPUTS; i++) {
        reading_free(world->readings[i]);
        free(world->sent[i]);
    }
}

static void take_reading(struct world *world, unsigned i)
{
    struct random *random = &world->random;
    struct reading *reading = world->readings[i];
    bool churns = random_once_in(random, 4);
    reading_begin(reading);
    for (unsigned j = 0; j < POOL; j++) {
        struct pool_series *series = &world->pool[i][j];
        if (churns && random_once_in(random, 5))
            series->is_there = !series->is_there;
        if (!series->is_there)
            continue;
        series->value = next_value(random, series);
        char help[48];
        (void)snprintf(help, sizeof(help), "Help of %s.", series->family);
        const struct family *family = reading_family(reading, series->family, series->type, help);
        reading_add_part(reading, family, series->suffix, series->value,
                         LABELS({"n", series->label}, {"a", j % 2 == 0 ? "" : "odd"}));
    }
    assert_int_equal(reading_end(reading), 0);
}

static void send_reading(struct world *world, unsigned i)
{
    take_reading(world, i);
    if (random_once_in(&world->random, 8))
        return; /* taken, but not sent */
    if (random_once_in(&world->random, 50))
        world->inputs[i].interval_ms++;
    bool is_repeat = random_once_in(&world->random, 10);
    assert_int_equal(encoder_add(world->line.encoder, &world->inputs[i], world->readings[i],
                                 world->time_ms, is_repeat),
                     0);
    free(world->sent[i]);
    world->sent[i] = text_of_reading(world->readings[i]);
}

/* What has arrived is what was sent last, for each input that is in the group. */
static void check_world(struct world *world)
{
    for (unsigned i = 0; i < INPUTS; i++) {
        const struct mirror_input *input = mirror_find(&world->line.mirror, world->names[i]);
        if (input == NULL)
            continue;
        assert_non_null(world->sent[i]);
        assert_arrived(&world->line, world->names[i], world->sent[i]);
        assert_int_equal(input->definition.interval_ms, world->inputs[i].interval_ms);
    }
}

static void turn_world(struct world *world)
{
    struct random *random = &world->random;
    world->time_ms += (int64_t)random_below(random, random_once_in(random, 30) ? 5000000 : 30000);
    for (unsigned i = 0; i < INPUTS; i++) {
        if (random_once_in(random, 3))
            continue;
        send_reading(world, i);
        if (random_once_in(random, 40))
            encoder_end_group(world->line.encoder);
    }
    if (random_once_in(random, 5))
        return; /* the next turn's readings go into the same cut */
    bool refuses = random_once_in(random, 25);
    world->line.refuse = refuses ? -EIO : 0;
    int r = encoder_cut(world->line.encoder, receive, &world->line);
    assert_true(r == 0 || (refuses && r == -EIO));
    if (r == 0)
        check_world(world);
    else
        mirror_deinit(&world->line.mirror); /* what was added is lost */
}

static void test_random_worlds(void **state)
{
    (void)state;
    struct random random = random_start("random worlds");
    unsigned frames = 0;
    unsigned keys = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct world world;
        world_open(&world, (struct random){random_next(&random)});
        for (unsigned turn = 0; turn < 60; turn++)
            turn_world(&world);
        frames += world.line.frames;
        keys += world.line.keys;
        world_close(&world);
    }
    assert_true(keys > 40);
    assert_true(frames > 2 * keys);
}

/* --- one thing at a time --- */

static const struct family gauge = FAMILY(GAUGE, "test_gauge", "A gauge.");
static const struct family counter = FAMILY(COUNTER, "test_total", "A counter.");

/* n series of a family, of one value each. */
static void take_series(struct reading *reading, const struct family *family, unsigned n,
                        double value)
{
    reading_begin(reading);
    for (unsigned i = 0; i < n; i++) {
        char label[16];
        (void)snprintf(label, sizeof(label), "%u", i);
        reading_add(reading, family, value, LABELS({"i", label}));
    }
    assert_int_equal(reading_end(reading), 0);
}

static void test_unchanged_costs_nothing(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 400, 12.5);
    add(&line, &cpu_input, reading, 1000);
    cut(&line);
    assert_int_equal(line.samples, 400);
    take_series(reading, &gauge, 400, 12.5);
    add(&line, &cpu_input, reading, 16000);
    cut(&line);
    assert_int_equal(line.samples, 400);
    assert_true(line.last_bytes < 32);
    assert_int_equal(mirror_find(&line.mirror, "cpu")->time_ms, 16000);
    reading_free(reading);
    line_close(&line);
}

static void test_steady_counters_cost_a_byte(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    for (unsigned i = 0; i < 4; i++) {
        take_series(reading, &counter, 400, 1e9 + 1e6 * i);
        add(&line, &cpu_input, reading, 1000 * i);
        cut(&line);
    }
    /* A byte of 0 each, and a bit each for which it is. */
    assert_true(line.last_bytes < 400 + 50 + 40);
    reading_free(reading);
    line_close(&line);
}

static void test_empty_cut(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    cut(&line);
    assert_int_equal(line.frames, 0);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 0, 0); /* an input may have nothing to tell */
    add(&line, &cpu_input, reading, 0);
    cut(&line);
    assert_int_equal(line.frames, 1);
    assert_int_equal(line.samples, 0);
    assert_non_null(mirror_find(&line.mirror, "cpu"));
    reading_free(reading);
    line_close(&line);
}

static void test_slot_of_another_series(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    static const char *const labels[] = {"a", "b", "a", "c", "c", "a"};
    for (unsigned i = 0; i < 6; i++) {
        reading_begin(reading);
        reading_add(reading, &gauge, 1, LABELS({"i", labels[i]}));
        assert_int_equal(reading_end(reading), 0);
        add(&line, &cpu_input, reading, 1000 * i);
        cut(&line);
        char *want = text_of_reading(reading);
        assert_arrived(&line, "cpu", want);
        free(want);
    }
    assert_int_equal(line.keys, 1);
    reading_free(reading);
    line_close(&line);
}

static void test_repeats_are_marked(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 3, 1);
    add(&line, &cpu_input, reading, 1000);
    cut(&line);
    assert_false(mirror_find(&line.mirror, "cpu")->is_repeat);
    assert_int_equal(encoder_add(line.encoder, &cpu_input, reading, 61000, true), 0);
    cut(&line);
    assert_true(mirror_find(&line.mirror, "cpu")->is_repeat);
    assert_int_equal(line.samples, 3);
    reading_free(reading);
    line_close(&line);
}

static void test_large_reading_goes_on(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    for (unsigned i = 0; i < 3; i++) {
        take_series(reading, i == 1 ? &counter : &gauge, 30000, 1.0 / 3 + i);
        add(&line, &cpu_input, reading, 1000 * i);
        unsigned before = line.frames;
        cut(&line);
        assert_true(line.frames > before + 2);
        assert_int_equal(line.samples, 30000); /* the last frame stands for the whole reading */
        const struct mirror_input *input = mirror_find(&line.mirror, "cpu");
        assert_false(input->is_partial);
        assert_int_equal(input->readings, i + 1);
        assert_int_equal(input->n_live, 30000);
    }
    assert_int_equal(line.keys, 1);
    reading_free(reading);
    line_close(&line);
}

static void test_group_ends_by_age(void **state)
{
    (void)state;
    int64_t lengths[6];
    for (unsigned i = 0; i < 6; i++) {
        struct line line;
        struct encoder_options options = plain_options;
        options.seed = i;
        line_open(&line, &options);
        struct reading *reading = reading_new();
        lengths[i] = 0;
        while (line.keys < 2) {
            take_series(reading, &gauge, 1, (double)lengths[i]);
            add(&line, &cpu_input, reading, lengths[i]);
            cut(&line);
            lengths[i] += 15000;
        }
        assert_in_range(lengths[i], GROUP_MS_MIN, GROUP_MS_MAX + 30000);
        reading_free(reading);
        line_close(&line);
    }
    assert_true(lengths[0] != lengths[1] || lengths[1] != lengths[2] || lengths[2] != lengths[3]);
}

static void test_group_ends_by_size(void **state)
{
    (void)state;
    struct random random = random_start("group size");
    for (unsigned has_bound = 0; has_bound < 2; has_bound++) {
        struct line line;
        struct encoder_options options = plain_options;
        options.group_bytes_max = has_bound ? 20000 : 0;
        line_open(&line, &options);
        struct reading *reading = reading_new();
        for (int64_t time_ms = 0; line.keys < 2; time_ms += 1000) {
            assert_true(time_ms < GROUP_MS_MIN);
            take_series(reading, &gauge, 100, random_bits(&random));
            add(&line, &cpu_input, reading, time_ms);
            cut(&line);
        }
        size_t before = line.bytes - line.last_bytes;
        if (has_bound)
            assert_in_range(before, 20000, 23000);
        else
            assert_in_range(before, GROUP_BYTES_MIN, GROUP_BYTES_MIN + 10000);
        reading_free(reading);
        line_close(&line);
    }
}

static void test_group_ends_on_demand(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 2, 1);
    add(&line, &cpu_input, reading, 1000);
    encoder_end_group(line.encoder); /* what was added stays in the group before */
    struct encoder_input other = cpu_input;
    other.name = "other";
    struct reading *others = reading_new();
    take_series(others, &gauge, 1, 1);
    add(&line, &other, others, 1000);
    cut(&line);
    assert_int_equal(line.frames, 2);
    assert_int_equal(line.keys, 2);
    assert_null(mirror_find(&line.mirror, "cpu"));
    /* Another definition, or a time that goes back, cannot be said within a group. */
    other.interval_ms = 1;
    add(&line, &other, others, 2000);
    cut(&line);
    assert_int_equal(line.keys, 3);
    assert_int_equal(mirror_find(&line.mirror, "other")->definition.interval_ms, 1);
    add(&line, &other, others, 1999);
    cut(&line);
    assert_int_equal(line.keys, 4);
    reading_free(reading);
    reading_free(others);
    line_close(&line);
}

static void test_refused_frame(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 2, 1);
    add(&line, &cpu_input, reading, 1000);
    cut(&line);
    take_series(reading, &gauge, 2, 2);
    add(&line, &cpu_input, reading, 2000);
    line.refuse = -ENOSPC;
    assert_int_equal(encoder_cut(line.encoder, receive, &line), -ENOSPC);
    cut(&line); /* it is gone */
    line.refuse = 0;
    take_series(reading, &gauge, 2, 2);
    add(&line, &cpu_input, reading, 3000);
    cut(&line); /* receive() checks that the number is used again */
    assert_int_equal(line.frames, 2);
    assert_int_equal(line.keys, 2);
    char *want = text_of_reading(reading);
    assert_arrived(&line, "cpu", want);
    free(want);
    reading_free(reading);
    line_close(&line);
}

static void test_ids_run_out(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    unsigned total = 0;
    for (unsigned i = 0; total <= IDS_PER_GROUP_MAX; i++) {
        const struct family *family = i % 2 == 0 ? &gauge : &counter; /* all series are new */
        take_series(reading, family, 90000, 1);
        total += 90000;
        add(&line, &cpu_input, reading, 1000 * i);
        cut(&line);
        assert_int_equal(line.samples, 90000);
    }
    assert_int_equal(line.keys, 2);
    reading_free(reading);
    line_close(&line);
}

static void test_bounds_of_inputs(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 1, 1);
    assert_int_equal(encoder_add(line.encoder, &cpu_input, reading, -1, false), -EINVAL);
    assert_int_equal(encoder_add(line.encoder, &cpu_input, reading, READING_MS_MAX + 1, false),
                     -EINVAL);
    for (unsigned i = 0; i <= INPUTS_PER_NODE_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "input%u", i);
        struct encoder_input input = cpu_input;
        input.name = name;
        assert_int_equal(encoder_add(line.encoder, &input, reading, 1000, false),
                         i < INPUTS_PER_NODE_MAX ? 0 : -E2BIG);
    }
    cut(&line);
    assert_int_equal(line.samples, INPUTS_PER_NODE_MAX);
    reading_free(reading);
    line_close(&line);
}

static void test_bound_of_series(void **state)
{
    (void)state;
    struct line line;
    line_open(&line, &plain_options);
    struct reading *large = reading_new();
    struct reading *small = reading_new();
    take_series(large, &gauge, SERIES_PER_INPUT_MAX, 1);
    take_series(small, &gauge, 1, 1);
    struct encoder_input inputs[3] = {cpu_input, cpu_input, cpu_input};
    inputs[1].name = "second";
    inputs[2].name = "third";
    add(&line, &inputs[0], large, 1000);
    add(&line, &inputs[1], large, 1000);
    assert_int_equal(encoder_add(line.encoder, &inputs[2], small, 1000, false), -E2BIG);
    cut(&line);
    /* The refused one has left nothing behind; there is room for it once another has shrunk. */
    take_series(large, &gauge, SERIES_PER_INPUT_MAX - 1, 1);
    add(&line, &inputs[1], large, 2000);
    add(&line, &inputs[2], small, 2000);
    cut(&line);
    assert_int_equal(mirror_find(&line.mirror, "third")->n_live, 1);
    reading_free(large);
    reading_free(small);
    line_close(&line);
}

/* Frames kept as bytes. */
struct kept {
    struct buffer bytes[4];
    unsigned n;
};

static int keep(void *context, const struct encoded_frame *frame)
{
    struct kept *kept = context;
    buffer_append(&kept->bytes[kept->n++], frame->bytes, frame->size);
    return 0;
}

static int decode(struct decoder *decoder, const struct buffer *bytes)
{
    struct frame *frame = NULL;
    struct rejection rejection;
    int r = decoder_decode(decoder, (const uint8_t *)bytes->data, bytes->size, &frame, &rejection);
    frame_free(frame);
    return r;
}

static void test_order_of_frames(void **state)
{
    (void)state;
    struct kept kept = {0};
    struct encoder *encoder = encoder_new(&plain_options);
    struct reading *reading = reading_new();
    for (unsigned i = 0; i < 4; i++) {
        take_series(reading, &gauge, 2, i);
        if (i == 3)
            encoder_end_group(encoder);
        assert_int_equal(encoder_add(encoder, &cpu_input, reading, 1000 * i, false), 0);
        assert_int_equal(encoder_cut(encoder, keep, &kept), 0);
    }
    struct decoder *decoder = decoder_new(NULL);
    uint64_t stream = 1;
    uint64_t sequence = 1;
    uint32_t crc = 1;
    decoder_position(decoder, &stream, &sequence, &crc);
    assert_int_equal(stream, 0);
    assert_int_equal(decode(decoder, &kept.bytes[1]), DECODER_NOT_NEXT); /* waits for a key frame */
    assert_int_equal(decode(decoder, &kept.bytes[0]), 0);
    assert_int_equal(decode(decoder, &kept.bytes[2]), DECODER_NOT_NEXT); /* skips one */
    assert_int_equal(decode(decoder, &kept.bytes[1]), 0); /* as if nothing had been */
    assert_int_equal(decode(decoder, &kept.bytes[1]), DECODER_NOT_NEXT); /* again */
    decoder_position(decoder, &stream, &sequence, &crc);
    assert_int_equal(stream, plain_options.stream);
    assert_int_equal(sequence, 2);
    assert_true(crc != 0);
    assert_int_equal(decode(decoder, &kept.bytes[3]), 0); /* a key frame may come at any time */
    assert_int_equal(decode(decoder, &kept.bytes[2]), DECODER_NOT_NEXT);
    decoder_reset(decoder);
    assert_int_equal(decode(decoder, &kept.bytes[1]), DECODER_NOT_NEXT);
    assert_int_equal(decode(decoder, &kept.bytes[0]), 0);
    for (unsigned i = 0; i < 4; i++)
        buffer_deinit(&kept.bytes[i]);
    decoder_free(decoder);
    encoder_free(encoder);
    reading_free(reading);
}

static void test_header_alone(void **state)
{
    (void)state;
    struct kept kept = {0};
    struct encoder *encoder = encoder_new(&plain_options);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 2, 1);
    assert_int_equal(encoder_add(encoder, &cpu_input, reading, 1000, false), 0);
    assert_int_equal(encoder_cut(encoder, keep, &kept), 0);
    struct frame_header header;
    struct rejection rejection;
    const uint8_t *bytes = (const uint8_t *)kept.bytes[0].data;
    assert_int_equal(frame_peek(bytes, kept.bytes[0].size, &header, &rejection), 0);
    assert_int_equal(header.stream, plain_options.stream);
    assert_int_equal(header.sequence, 1);
    assert_int_equal(header.key, 1);
    assert_int_equal(frame_peek(bytes, kept.bytes[0].size - 1, &header, &rejection),
                     DECODER_REJECTED);
    assert_int_equal(rejection.reason, REJECT_MALFORMED);
    buffer_deinit(&kept.bytes[0]);
    encoder_free(encoder);
    reading_free(reading);
}

/* What the encoder writes by hand is what any protobuf library reads. */
static void test_is_protobuf(void **state)
{
    (void)state;
    struct kept kept = {0};
    const struct label label = {"site", "here"};
    struct encoder_options options = plain_options;
    options.compression_level = 0;
    options.node_labels = &label;
    options.n_node_labels = 1;
    struct encoder *encoder = encoder_new(&options);
    struct reading *reading = reading_new();
    take_series(reading, &counter, 100, 42.5);
    assert_int_equal(encoder_add(encoder, &cpu_input, reading, 1234, false), 0);
    assert_int_equal(encoder_cut(encoder, keep, &kept), 0);
    Shoal__V1__Frame *frame =
        shoal__v1__frame__unpack(NULL, kept.bytes[0].size, (const uint8_t *)kept.bytes[0].data);
    assert_non_null(frame);
    assert_int_equal(frame->stream, options.stream);
    assert_int_equal(frame->sequence, 1);
    assert_int_equal(frame->content_case, SHOAL__V1__FRAME__CONTENT_BODY);
    assert_true(frame->crc != 0);
    assert_int_equal(frame->body->time_ms, 1234);
    assert_string_equal(frame->body->node_labels[0]->name, "site");
    assert_int_equal(frame->body->n_readings, 1);
    const Shoal__V1__Reading *got = frame->body->readings[0];
    assert_string_equal(got->definition->name, "cpu");
    assert_int_equal(got->definition->interval_ms, 15000);
    assert_int_equal(got->n_families, 1);
    assert_string_equal(got->families[0]->name, "test_total");
    assert_int_equal(got->families[0]->type, SHOAL__V1__FAMILY__TYPE__COUNTER);
    assert_int_equal(got->n_series, 100);
    assert_string_equal(got->series[99]->labels[0]->value, "99");
    assert_int_equal(got->n_mantissa, 100);
    assert_int_equal(got->mantissa[5], 425);
    assert_int_equal(got->exponent[5], -1);
    shoal__v1__frame__free_unpacked(frame, NULL);
    buffer_deinit(&kept.bytes[0]);
    encoder_free(encoder);
    reading_free(reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_worlds),
        cmocka_unit_test(test_unchanged_costs_nothing),
        cmocka_unit_test(test_steady_counters_cost_a_byte),
        cmocka_unit_test(test_empty_cut),
        cmocka_unit_test(test_slot_of_another_series),
        cmocka_unit_test(test_repeats_are_marked),
        cmocka_unit_test(test_large_reading_goes_on),
        cmocka_unit_test(test_group_ends_by_age),
        cmocka_unit_test(test_group_ends_by_size),
        cmocka_unit_test(test_group_ends_on_demand),
        cmocka_unit_test(test_refused_frame),
        cmocka_unit_test(test_ids_run_out),
        cmocka_unit_test(test_bounds_of_inputs),
        cmocka_unit_test(test_bound_of_series),
        cmocka_unit_test(test_order_of_frames),
        cmocka_unit_test(test_header_alone),
        cmocka_unit_test(test_is_protobuf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
