/*
 * Frames that lie: each is refused for the right reason, in words that name the place, and the
 * decoder goes on with the next key frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/frame_draft.h"

static void test_drafts_are_good(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    decoder_free(decoder);
}

static void test_headers(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.frame.stream = 0;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no stream");
    draft_init(&draft);
    draft.frame.sequence = 0;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no sequence");
    draft_init(&draft);
    draft.frame.key = 2;
    draft_assert_refused(&draft, REJECT_MALFORMED, "key 2");
    draft_init(&draft);
    draft.frame.key = 0;
    draft_assert_refused(&draft, REJECT_MALFORMED, "key 0");
    draft_init(&draft);
    draft.frame.content_case = SHOAL__V1__FRAME__CONTENT__NOT_SET;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no body");
    draft_init(&draft);
    draft.frame.crc = 12345;
    draft_assert_refused(&draft, REJECT_BAD_CRC, "CRC 00003039");
}

static void test_key_within_a_group(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    draft.frame.sequence = 5;
    draft.frame.key = 5;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    draft.frame.sequence = 6;
    draft.frame.key = 4;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_MALFORMED, "key 4");
    decoder_free(decoder);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
    } metric_names[] = {
        {"two\nlines", "metric name \"two?lines\""},
        {"9lives", "9lives"},
        {"", "without a name"},
        {"caf\xc3\xa9", "metric name"},
        {"\xff", "not UTF-8"},
        {"a b", "a b"},
    };
    struct draft draft;
    for (size_t i = 0; i < sizeof(metric_names) / sizeof(metric_names[0]); i++) {
        draft_init(&draft);
        draft.family.name = (char *)metric_names[i].name;
        draft_assert_refused(&draft, REJECT_BAD_NAME, metric_names[i].says);
    }
    draft_init(&draft);
    draft.labels[0].name = "a\n";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "reading 0 of input 0: label name");
    draft_init(&draft);
    draft.labels[0].name = "__name__";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "__name__");
    draft_init(&draft);
    draft.labels[0].value = "\xed\xa0\x80"; /* a surrogate */
    draft_assert_refused(&draft, REJECT_BAD_NAME, "label value is not UTF-8");
    draft_init(&draft);
    draft.labels[0].value = "";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "label a without a value");
    draft_init(&draft);
    draft.input.name = "";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "without a name");
    draft_init(&draft);
    draft.input.job = "no\nde";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "job \"no?de\"");
    draft_init(&draft);
    draft.input.instance = "\x7f";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "instance");
    draft_init(&draft);
    draft.family.help = "\x80";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "help is not UTF-8");
}

static void test_long_texts(void **state)
{
    (void)state;
    static char text[LABEL_VALUE_BYTES_MAX + 2];
    memset(text, 'a', sizeof(text) - 1);
    struct draft draft;
    draft_init(&draft);
    draft.labels[0].value = text;
    draft_assert_refused(&draft, REJECT_BAD_NAME, "label value of 2049 bytes, over 2048");
    draft.labels[0].value = text + 1;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    decoder_free(decoder);
    draft_init(&draft);
    draft.family.name = text;
    draft_assert_refused(&draft, REJECT_BAD_NAME, "metric name of 2049 bytes, over 255");
}

static void test_labels(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.labels[1].name = "a";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "label a is not in order");
    draft_init(&draft);
    draft.labels[0].name = "c";
    draft_assert_refused(&draft, REJECT_BAD_NAME, "label b is not in order");
    draft_init(&draft);
    draft.series[1].n_labels = LABELS_PER_SERIES_MAX + 1;
    for (unsigned i = 0; i < draft.series[1].n_labels; i++)
        draft.label_list[i] = &draft.labels[0];
    draft_assert_refused(&draft, REJECT_LIMIT, "33 labels");
    draft_next(&draft);
    draft.body.node_labels = draft.label_list;
    draft.body.n_node_labels = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "node labels outside a key frame");
    draft_init(&draft);
    draft.body.node_labels = draft.label_list;
    draft.body.n_node_labels = NODE_LABELS_MAX + 1;
    for (unsigned i = 0; i < draft.body.n_node_labels; i++)
        draft.label_list[i] = &draft.labels[0];
    draft_assert_refused(&draft, REJECT_LIMIT, "33 node labels");
}

static void test_definitions(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.series[1].family = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "family id 1 of 1");
    draft_init(&draft);
    draft.series[1].suffix = SHOAL__V1__SERIES__SUFFIX__SUM;
    draft_assert_refused(&draft, REJECT_MALFORMED, "\"_sum\" of a gauge");
    draft_init(&draft);
    draft.series[1].suffix = (Shoal__V1__Series__Suffix)9;
    draft_assert_refused(&draft, REJECT_MALFORMED, "suffix 9");
    draft_init(&draft);
    draft.family.type = (Shoal__V1__Family__Type)7;
    draft_assert_refused(&draft, REJECT_MALFORMED, "unknown type");
    draft_init(&draft);
    draft.reading.definition = NULL;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no definition, 0 inputs");
    draft_next(&draft);
    draft.reading.definition = &draft.input;
    draft_assert_refused(&draft, REJECT_MALFORMED, "a definition, 1 inputs");
    draft_init(&draft);
    draft.reading.input_gap = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "reading 0 of input 1");
    draft_init(&draft);
    draft.reading.input_gap = -1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "input gap of -1");
    draft_init(&draft);
    draft.reading.input_gap = INT32_MIN;
    draft_assert_refused(&draft, REJECT_MALFORMED, "input gap of -2147483648");
}

static void test_values(void **state)
{
    (void)state;
    struct draft draft;
    draft_next(&draft);
    draft.ids[1] = 900;
    draft_assert_refused(&draft, REJECT_MALFORMED, "reading 0 of input 0: series id 901 of 2");
    draft_next(&draft);
    draft.ids[1] = UINT32_MAX;
    draft_assert_refused(&draft, REJECT_MALFORMED, "series id 4294967296 of 2");
    draft_next(&draft);
    draft.reading.n_raw = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "8 raw bytes for 2 series");
    draft_init(&draft);
    draft.reading.n_raw = 1;
    draft.reading.n_raw_series = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "2 new series, 1 of them with a value");
    draft_next(&draft);
    draft.reading.gone = draft.gone;
    draft.reading.n_gone = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "series id 0 comes twice");
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.reading.delta_series = draft.ids;
    draft.reading.n_delta_series = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no delta for series id 0");
    draft.reading.delta = draft.numbers;
    draft.reading.n_delta = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "a delta to raw series id 0");
    draft.reading.n_delta_series = 0;
    draft_assert_refused(&draft, REJECT_MALFORMED, "more deltas than series");
}

static void test_scaled_values(void **state)
{
    (void)state;
    static const struct {
        int64_t mantissa;
        int32_t exponent;
    } bad[] = {{INT64_C(1000000000000000), 0},
               {1, 23},
               {1, -23},
               {1, 32},
               {1, 64},
               {INT64_MIN, 1},
               {465662, 63},
               {1, INT32_MIN}};
    struct draft draft;
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.reading.scaled_series = draft.ids;
    draft.reading.n_scaled_series = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no value for series id 0");
    draft.reading.mantissa = draft.numbers;
    draft.reading.n_mantissa = 1;
    draft.reading.exponent = draft.exponents;
    draft.reading.n_exponent = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        draft.numbers[0] = bad[i].mantissa;
        draft.exponents[0] = bad[i].exponent;
        draft_assert_refused(&draft, REJECT_MALFORMED, "series id 0: mantissa");
    }
    draft.exponents[0] = 0;
    draft.numbers[0] = 1;
    draft.reading.n_mantissa = 2;
    draft_assert_refused(&draft, REJECT_MALFORMED, "more mantissas");
}

/* A delta may not take a mantissa out of its bounds. */
static void test_delta_overflow(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    draft.reading.n_raw = 1;
    draft.reading.n_raw_series = 1;
    draft.ids[1] = 1;
    draft.reading.scaled_series = draft.ids + 1;
    draft.reading.n_scaled_series = 1;
    draft.reading.mantissa = draft.numbers;
    draft.reading.n_mantissa = 1;
    draft.reading.exponent = draft.exponents;
    draft.reading.n_exponent = 1;
    draft.numbers[0] = 999999999999998;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.bits[0] = 2;
    draft.reading.delta_bits = (ProtobufCBinaryData){.data = draft.bits, .len = 1};
    draft.reading.delta = draft.numbers;
    draft.reading.n_delta = 1;
    draft.numbers[0] = 1;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft.frame.sequence = 3;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_MALFORMED, "mantissa of series id 1 too large");
    decoder_free(decoder);
}

static void test_bits(void **state)
{
    (void)state;
    struct draft draft;
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.reading.delta = draft.numbers;
    draft.reading.delta_bits = (ProtobufCBinaryData){.data = draft.bits, .len = 2};
    draft.bits[1] = 0x80;
    draft.reading.n_delta = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "series id 15 of 2");
    draft.bits[1] = 0;
    draft.reading.delta_series = draft.ids;
    draft.reading.n_delta_series = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "bits of deltas with another list");
}

/* The frame after the first, all of it in plain fields. */
static void draft_plain(struct draft *draft)
{
    draft_next(draft);
    draft->body.n_readings = 0;
    draft->bits[0] = 1;
    draft->body.plain = (ProtobufCBinaryData){.data = draft->bits, .len = 1};
    draft->body.changed = (ProtobufCBinaryData){.data = draft->bits + 1, .len = 1};
}

static void test_plain_readings(void **state)
{
    (void)state;
    struct draft draft;
    draft_plain(&draft);
    struct draft good;
    draft_init(&good);
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    assert_int_equal(draft_decode(decoder, &good, &rejection), 0);
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    decoder_free(decoder);
    draft.bits[0] = 2;
    draft_assert_refused(&draft, REJECT_MALFORMED, "reading 0 of input 1: 1 inputs are known");
    draft_plain(&draft);
    draft.body.changed.len = 0;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no bits for its 2 series");
    draft.body.changed.len = 2;
    draft_assert_refused(&draft, REJECT_MALFORMED, "belong to no reading");
    draft_plain(&draft);
    draft.bits[1] = 4;
    draft_assert_refused(&draft, REJECT_MALFORMED, "series id 2 of 2");
    draft.bits[1] = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "no delta for series id 0");
    draft.body.delta = draft.numbers;
    draft.body.n_delta = 1;
    draft_assert_refused(&draft, REJECT_MALFORMED, "a delta to raw series id 0");
    draft.bits[1] = 0;
    draft_assert_refused(&draft, REJECT_MALFORMED, "belong to no reading");
    static uint8_t many[INPUTS_PER_NODE_MAX / 8 + 1];
    draft_plain(&draft);
    draft.body.plain = (ProtobufCBinaryData){.data = many, .len = sizeof(many)};
    draft_assert_refused(&draft, REJECT_LIMIT, "33 bytes of bits");
    draft_plain(&draft);
    draft.body.time_ms = 4999;
    draft_assert_refused(&draft, REJECT_BAD_TIME, "4999 ms after 5000 ms");
}

static void test_plain_instead_of_the_rest(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    draft.reading.more = 1;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft_plain(&draft);
    draft.body.time_ms = 5000;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_MALFORMED, "does not go on");
    draft_init(&draft);
    draft.reading.more = 1;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft_plain(&draft);
    draft.body.n_readings = 1;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_MALFORMED, "was to go on");
    decoder_free(decoder);
}

static void test_gone_is_gone(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.reading.gone = draft.gone;
    draft.reading.n_gone = 1;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
    draft.frame.sequence = 3;
    assert_int_equal(draft_decode(decoder, &draft, &rejection), DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_MALFORMED, "series id 0 is gone");
    decoder_free(decoder);
}

static void test_times(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.body.time_ms = (uint64_t)READING_MS_MAX + 1;
    draft_assert_refused(&draft, REJECT_BAD_TIME, "boot time");
    draft_init(&draft);
    draft.reading.time_offset_ms = -5001;
    draft_assert_refused(&draft, REJECT_BAD_TIME, "boot time -1 ms");
    draft_init(&draft);
    draft.reading.time_offset_ms = INT64_MIN;
    draft_assert_refused(&draft, REJECT_BAD_TIME, "time offset");
    draft_next(&draft);
    draft.body.time_ms = 4999;
    draft_assert_refused(&draft, REJECT_BAD_TIME, "4999 ms after 5000 ms");
}

static void test_readings_that_go_on(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    for (unsigned wrong = 0; wrong < 3; wrong++) {
        draft_init(&draft);
        draft.reading.more = 1;
        assert_int_equal(draft_decode(decoder, &draft, &rejection), 0);
        draft_next(&draft);
        draft.body.time_ms = wrong == 0 ? 5000 : 6000;
        if (wrong == 2)
            draft.body.n_readings = 0;
        int r = draft_decode(decoder, &draft, &rejection);
        assert_int_equal(r, wrong == 0 ? 0 : DECODER_REJECTED);
        if (wrong > 0)
            draft_assert_says(&rejection, REJECT_MALFORMED, "go on");
    }
    draft_init(&draft);
    draft.reading.more = 1;
    Shoal__V1__Reading second;
    shoal__v1__reading__init(&second);
    second.input_gap = -1;
    draft.readings[1] = &second;
    draft.body.n_readings = 2;
    draft_assert_refused(&draft, REJECT_MALFORMED, "not the frame's last");
    decoder_free(decoder);
}

static void test_too_many_readings(void **state)
{
    (void)state;
    struct draft draft;
    draft_next(&draft);
    Shoal__V1__Reading empty;
    shoal__v1__reading__init(&empty);
    empty.input_gap = -1;
    size_t n = READINGS_PER_FRAME_MAX + 1;
    Shoal__V1__Reading **readings = calloc(n, sizeof(void *));
    for (size_t i = 0; i < n; i++)
        readings[i] = i == 0 ? &draft.reading : &empty;
    draft.body.readings = readings;
    draft.body.n_readings = n;
    draft_assert_refused(&draft, REJECT_LIMIT, "4097 readings");
    free(readings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drafts_are_good),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_key_within_a_group),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_scaled_values),
        cmocka_unit_test(test_delta_overflow),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_plain_readings),
        cmocka_unit_test(test_plain_instead_of_the_rest),
        cmocka_unit_test(test_gone_is_gone),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_readings_that_go_on),
        cmocka_unit_test(test_too_many_readings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
