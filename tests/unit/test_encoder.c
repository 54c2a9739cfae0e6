/* The encoder's groups, series and bounds, seen through a decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shoal/v1/frame.pb-c.h"
#include "tests/support/random.h"
#include "tests/unit/codec_line.h"

static const struct encoder_options plain_options = {
    .stream = 0x1122334455667788, .seed = 7, .compression_level = 1};

static const struct encoder_input cpu_input = {
    .name = "cpu", .job = "node", .instance = "", .interval_ms = 15000};

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
    line_add(&line, &cpu_input, reading, 1000);
    line_cut(&line);
    assert_int_equal(line.samples, 400);
    take_series(reading, &gauge, 400, 12.5);
    line_add(&line, &cpu_input, reading, 16000);
    line_cut(&line);
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
        line_add(&line, &cpu_input, reading, INT64_C(1000) * i);
        line_cut(&line);
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
    line_cut(&line);
    assert_int_equal(line.frames, 0);
    struct reading *reading = reading_new();
    take_series(reading, &gauge, 0, 0); /* an input may have nothing to tell */
    line_add(&line, &cpu_input, reading, 0);
    line_cut(&line);
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
        line_add(&line, &cpu_input, reading, INT64_C(1000) * i);
        line_cut(&line);
        char *want = line_text(reading);
        line_assert(&line, "cpu", want);
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
    line_add(&line, &cpu_input, reading, 1000);
    line_cut(&line);
    assert_false(mirror_find(&line.mirror, "cpu")->is_repeat);
    assert_int_equal(encoder_add(line.encoder, &cpu_input, reading, 61000, true), 0);
    line_cut(&line);
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
        line_add(&line, &cpu_input, reading, INT64_C(1000) * i);
        unsigned before = line.frames;
        line_cut(&line);
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
            line_add(&line, &cpu_input, reading, lengths[i]);
            line_cut(&line);
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
            line_add(&line, &cpu_input, reading, time_ms);
            line_cut(&line);
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
    line_add(&line, &cpu_input, reading, 1000);
    encoder_end_group(line.encoder); /* what was added stays in the group before */
    struct encoder_input other = cpu_input;
    other.name = "other";
    struct reading *others = reading_new();
    take_series(others, &gauge, 1, 1);
    line_add(&line, &other, others, 1000);
    line_cut(&line);
    assert_int_equal(line.frames, 2);
    assert_int_equal(line.keys, 2);
    assert_null(mirror_find(&line.mirror, "cpu"));
    /* Another definition, or a time that goes back, cannot be said within a group. */
    other.interval_ms = 1;
    line_add(&line, &other, others, 2000);
    line_cut(&line);
    assert_int_equal(line.keys, 3);
    assert_int_equal(mirror_find(&line.mirror, "other")->definition.interval_ms, 1);
    line_add(&line, &other, others, 1999);
    line_cut(&line);
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
    line_add(&line, &cpu_input, reading, 1000);
    line_cut(&line);
    take_series(reading, &gauge, 2, 2);
    line_add(&line, &cpu_input, reading, 2000);
    line.refuse = -ENOSPC;
    assert_int_equal(encoder_cut(line.encoder, line_receive, &line), -ENOSPC);
    line_cut(&line); /* it is gone */
    line.refuse = 0;
    take_series(reading, &gauge, 2, 2);
    line_add(&line, &cpu_input, reading, 3000);
    line_cut(&line); /* line_receive() checks that the number is used again */
    assert_int_equal(line.frames, 2);
    assert_int_equal(line.keys, 2);
    char *want = line_text(reading);
    line_assert(&line, "cpu", want);
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
        line_add(&line, &cpu_input, reading, INT64_C(1000) * i);
        line_cut(&line);
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
    line_cut(&line);
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
    line_add(&line, &inputs[0], large, 1000);
    line_add(&line, &inputs[1], large, 1000);
    assert_int_equal(encoder_add(line.encoder, &inputs[2], small, 1000, false), -E2BIG);
    line_cut(&line);
    /* The refused one has left nothing behind; there is room for it once another has shrunk. */
    take_series(large, &gauge, SERIES_PER_INPUT_MAX - 1, 1);
    line_add(&line, &inputs[1], large, 2000);
    line_add(&line, &inputs[2], small, 2000);
    line_cut(&line);
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
        assert_int_equal(encoder_add(encoder, &cpu_input, reading, INT64_C(1000) * i, false), 0);
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
