/* Without memory: each allocation of encoder and decoder fails once; nothing leaks, and what comes
 * after is right. And with it: what the encoder holds does not grow with what has been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>

#include "common/decoder.h"
#include "common/encoder.h"
#include "tests/support/mirror.h"
#include "tests/unit/fault_alloc.h"

#define STEPS 4
#define SERIES 300

static const struct family gauge = FAMILY(GAUGE, "test_gauge", "A gauge.");
static const struct family counter = FAMILY(COUNTER, "test_total", "A counter.");
static const struct encoder_options options = {.stream = 9, .seed = 1, .compression_level = 1};
static const struct encoder_input input = {
    .name = "test", .job = "node", .instance = "", .interval_ms = 1000};

/* The frames of one cut. */
struct cut {
    struct buffer frames[4];
    unsigned n;
};

static int keep(void *context, const struct encoded_frame *frame)
{
    struct cut *cut = context;
    struct buffer *bytes = &cut->frames[cut->n++];
    buffer_clear(bytes);
    buffer_append(bytes, frame->bytes, frame->size);
    return buffer_failed(bytes) ? -ENOMEM : 0;
}

static void cut_deinit(struct cut *cut)
{
    for (unsigned i = 0; i < 4; i++)
        buffer_deinit(&cut->frames[i]);
}

/* Series that partly change with each step. */
static void take(struct reading *reading, unsigned step)
{
    reading_begin(reading);
    for (unsigned i = 0; i < SERIES; i++) {
        char label[16];
        (void)snprintf(label, sizeof(label), "%u", i + step * 10);
        reading_add(reading, i % 2 == 0 ? &gauge : &counter, step * 1.7 + i, LABELS({"i", label}));
    }
    assert_int_equal(reading_end(reading), 0);
}

static int encode(struct encoder *encoder, const struct reading *reading, unsigned step,
                  struct cut *cut)
{
    cut->n = 0;
    int r = encoder_add(encoder, &input, reading, INT64_C(1000) * step, false);
    return r == 0 ? encoder_cut(encoder, keep, cut) : r;
}

/* Decodes a cut; the mirror, which cannot fail, is fed with the alarm off. */
static int decode(struct decoder *decoder, const struct cut *cut, struct mirror *mirror)
{
    int r = 0;
    for (unsigned i = 0; i < cut->n && r == 0; i++) {
        struct frame *frame = NULL;
        struct rejection rejection = {.text = ""};
        r = decoder_decode(decoder, (const uint8_t *)cut->frames[i].data, cut->frames[i].size,
                           &frame, &rejection);
        if (r == 0 && mirror != NULL)
            assert_true(mirror_apply(mirror, frame));
        frame_free(frame);
    }
    return r;
}

static void assert_arrived(const struct mirror *mirror, const struct reading *reading)
{
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    const struct mirror_input *arrived = mirror_find(mirror, "test");
    assert_non_null(arrived);
    assert_int_equal(arrived->n_live, n);
    size_t at = 0;
    for (uint32_t i = 0; i < arrived->n_series; i++) {
        if (arrived->series[i].is_gone)
            continue;
        assert_string_equal(arrived->series[i].labels[0].value,
                            samples[at].series->labels[0].value);
        assert_true(decimal_value(arrived->series[i].value) == samples[at].value);
        at++;
    }
}

/* Each step has a reading of its own making, taken before the alarm is set. */
struct steps {
    struct reading *reading;
    struct cut cut;
    struct encoder *encoder;
    struct decoder *decoder;
};

static void steps_deinit(struct steps *steps)
{
    encoder_free(steps->encoder);
    decoder_free(steps->decoder);
    reading_free(steps->reading);
    cut_deinit(&steps->cut);
}

/* Whether the n-th allocation of the encoder, in the given step, was reached. */
static bool fail_encoder(unsigned at, size_t n, size_t *n_errors)
{
    long before = fault_alloc_live();
    struct steps steps = {.reading = reading_new(), .decoder = decoder_new(NULL)};
    steps.encoder = encoder_new(&options);
    int r = 0;
    for (unsigned step = 0; step <= at; step++) {
        take(steps.reading, step);
        if (step == at)
            fault_alloc_arm(n);
        r = encode(steps.encoder, steps.reading, step, &steps.cut);
    }
    bool has_failed = fault_alloc_disarm();
    /* Where zstd had no memory, the frame goes out as it is. */
    assert_true(r == 0 || (has_failed && r == -ENOMEM));
    *n_errors += r != 0;
    /* What it gives after a failure begins a group of itself. */
    take(steps.reading, STEPS);
    if (r == 0)
        encoder_end_group(steps.encoder);
    assert_int_equal(encode(steps.encoder, steps.reading, STEPS, &steps.cut), 0);
    struct mirror mirror = {0};
    assert_int_equal(decode(steps.decoder, &steps.cut, &mirror), 0);
    assert_arrived(&mirror, steps.reading);
    mirror_deinit(&mirror);
    steps_deinit(&steps);
    assert_int_equal(fault_alloc_live(), before);
    return has_failed;
}

static void test_encoder(void **state)
{
    (void)state;
    if (!fault_alloc_is_available())
        skip();
    size_t n_errors = 0;
    for (unsigned step = 0; step < STEPS; step++)
        for (size_t n = 1; fail_encoder(step, n, &n_errors);)
            n++;
    assert_true(n_errors > 20);
}

static bool fail_decoder(unsigned at, size_t n)
{
    long before = fault_alloc_live();
    struct steps steps = {.reading = reading_new(), .decoder = decoder_new(NULL)};
    steps.encoder = encoder_new(&options);
    int r = 0;
    for (unsigned step = 0; step <= at; step++) {
        take(steps.reading, step);
        assert_int_equal(encode(steps.encoder, steps.reading, step, &steps.cut), 0);
        if (step == at)
            fault_alloc_arm(n);
        r = decode(steps.decoder, &steps.cut, NULL);
    }
    bool has_failed = fault_alloc_disarm();
    assert_int_equal(r, has_failed ? -ENOMEM : 0);
    /* After a failure it waits for a key frame, and takes that. */
    take(steps.reading, STEPS);
    assert_int_equal(encode(steps.encoder, steps.reading, STEPS, &steps.cut), 0);
    assert_int_equal(decode(steps.decoder, &steps.cut, NULL), has_failed ? DECODER_NOT_NEXT : 0);
    encoder_end_group(steps.encoder);
    assert_int_equal(encode(steps.encoder, steps.reading, STEPS, &steps.cut), 0);
    struct mirror mirror = {0};
    assert_int_equal(decode(steps.decoder, &steps.cut, &mirror), 0);
    assert_arrived(&mirror, steps.reading);
    mirror_deinit(&mirror);
    steps_deinit(&steps);
    assert_int_equal(fault_alloc_live(), before);
    return has_failed;
}

static void test_decoder(void **state)
{
    (void)state;
    if (!fault_alloc_is_available())
        skip();
    size_t failures = 0;
    for (unsigned step = 0; step < STEPS; step++)
        for (size_t n = 1; fail_decoder(step, n); n++)
            failures++;
    assert_true(failures > 10);
}

static bool fail_new(size_t n)
{
    long before = fault_alloc_live();
    fault_alloc_arm(n);
    struct encoder *encoder = encoder_new(&options);
    struct decoder *decoder = decoder_new(NULL);
    bool has_failed = fault_alloc_disarm();
    assert_int_equal(encoder == NULL || decoder == NULL, has_failed);
    encoder_free(encoder);
    decoder_free(decoder);
    assert_int_equal(fault_alloc_live(), before);
    return has_failed;
}

static void test_new(void **state)
{
    (void)state;
    if (!fault_alloc_is_available())
        skip();
    size_t n = 1;
    while (fail_new(n))
        n++;
    assert_true(n > 5);
}

/* All series are new in each reading, and each input is there only once in a while. */
static void test_memory_stays_flat(void **state)
{
    (void)state;
    if (!fault_alloc_is_available())
        skip();
    struct steps steps = {.reading = reading_new(), .decoder = decoder_new(NULL)};
    steps.encoder = encoder_new(&options);
    size_t used = 0;
    for (unsigned step = 0; step < 600; step++) {
        take(steps.reading, step * SERIES);
        assert_int_equal(encode(steps.encoder, steps.reading, step, &steps.cut), 0);
        assert_int_equal(decode(steps.decoder, &steps.cut, NULL), 0);
        if (step % 50 == 49)
            encoder_end_group(steps.encoder);
        if (step == 199)
            used = mallinfo2().uordblks;
    }
    size_t now = mallinfo2().uordblks;
    assert_true(now < used + 16384);
    steps_deinit(&steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_encoder),
        cmocka_unit_test(test_decoder),
        cmocka_unit_test(test_memory_stays_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
