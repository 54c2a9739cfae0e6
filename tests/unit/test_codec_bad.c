/*
 * Frames that lie, built with protobuf-c: each is refused for the right reason, in words that name
 * the place, and the decoder goes on with the next key frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/decoder.h"
#include "common/encoder.h"
#include "common/frame_wire.h"
#include "shoal/v1/frame.pb-c.h"
#include "tests/support/mirror.h"
#include "tests/support/random.h"

#define CRC_BYTES 5

/* A frame of one input with two series, whose parts can be changed before it is packed. */
struct draft {
    Shoal__V1__Frame frame;
    Shoal__V1__Body body;
    Shoal__V1__Reading reading;
    Shoal__V1__Reading *readings[2];
    Shoal__V1__Input input;
    Shoal__V1__Family family;
    Shoal__V1__Family *families[1];
    Shoal__V1__Series series[2];
    Shoal__V1__Series *series_list[2];
    Shoal__V1__Label labels[3];
    Shoal__V1__Label *label_list[40];
    uint32_t ids[4];
    double raw[4];
    int64_t numbers[4];
    int32_t exponents[4];
    uint32_t gone[4];
    uint8_t bits[4];
};

static void draft_init(struct draft *draft)
{
    *draft = (struct draft){.ids = {0, 0}, .raw = {1.5, 2.5}};
    shoal__v1__frame__init(&draft->frame);
    shoal__v1__body__init(&draft->body);
    shoal__v1__reading__init(&draft->reading);
    shoal__v1__input__init(&draft->input);
    shoal__v1__family__init(&draft->family);
    draft->frame.stream = 77;
    draft->frame.sequence = 1;
    draft->frame.key = 1;
    draft->frame.content_case = SHOAL__V1__FRAME__CONTENT_BODY;
    draft->frame.body = &draft->body;
    draft->body.time_ms = 5000;
    draft->readings[0] = &draft->reading;
    draft->body.readings = draft->readings;
    draft->body.n_readings = 1;
    draft->input.name = "probe";
    draft->input.job = "node";
    draft->reading.definition = &draft->input;
    draft->family.name = "test_gauge";
    draft->family.type = SHOAL__V1__FAMILY__TYPE__GAUGE;
    draft->families[0] = &draft->family;
    draft->reading.families = draft->families;
    draft->reading.n_families = 1;
    for (unsigned i = 0; i < 3; i++) {
        shoal__v1__label__init(&draft->labels[i]);
        draft->label_list[i] = &draft->labels[i];
    }
    draft->labels[0].name = "a";
    draft->labels[0].value = "1";
    draft->labels[1].name = "b";
    draft->labels[1].value = "2";
    for (unsigned i = 0; i < 2; i++) {
        shoal__v1__series__init(&draft->series[i]);
        draft->series_list[i] = &draft->series[i];
    }
    draft->series[1].labels = draft->label_list;
    draft->series[1].n_labels = 2;
    draft->reading.series = draft->series_list;
    draft->reading.n_series = 2;
    draft->reading.raw_series = draft->ids;
    draft->reading.n_raw_series = 2;
    draft->reading.raw = draft->raw;
    draft->reading.n_raw = 2;
}

/* A draft of the frame after it, in the same group: two raw values. */
static void draft_next(struct draft *draft)
{
    draft_init(draft);
    draft->frame.sequence = 2;
    draft->body.time_ms = 6000;
    draft->reading.definition = NULL;
    draft->reading.n_families = 0;
    draft->reading.n_series = 0;
}

static struct buffer draft_pack(const struct draft *draft)
{
    struct buffer bytes = {0};
    size_t size = shoal__v1__frame__get_packed_size(&draft->frame);
    uint8_t *at = (uint8_t *)buffer_reserve(&bytes, size);
    assert_non_null(at);
    buffer_wrote(&bytes, shoal__v1__frame__pack(&draft->frame, at));
    return bytes;
}

static int decode_bytes(struct decoder *decoder, const void *bytes, size_t size,
                        struct rejection *rejection)
{
    /* A copy without a byte more, so that a sanitizer sees what reads past the end. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    struct frame *frame = NULL;
    rejection->text[0] = '\0';
    int r = decoder_decode(decoder, exact, size, &frame, rejection);
    if (r == 0 && frame->header.sequence == frame->header.key) {
        struct mirror mirror = {0};
        if (!mirror_apply(&mirror, frame))
            fail_msg("%s", mirror.error);
        mirror_deinit(&mirror);
    }
    frame_free(frame);
    free(exact);
    if (r == DECODER_REJECTED)
        assert_true(rejection->text[0] != '\0');
    return r;
}

static int decode_draft(struct decoder *decoder, const struct draft *draft,
                        struct rejection *rejection)
{
    BUFFER_AUTO struct buffer bytes = draft_pack(draft);
    return decode_bytes(decoder, bytes.data, bytes.size, rejection);
}

static void assert_says(const struct rejection *rejection, enum reject_reason reason,
                        const char *text)
{
    if (rejection->reason != reason || strstr(rejection->text, text) == NULL)
        fail_msg("want %s with \"%s\", got %s: %s", reject_reason_name(reason), text,
                 reject_reason_name(rejection->reason), rejection->text);
}

/* The draft is refused, and the decoder then takes a good one. */
static void assert_refused(const struct draft *draft, enum reject_reason reason, const char *text)
{
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft good;
    draft_init(&good);
    if (draft->frame.sequence == 2)
        assert_int_equal(decode_draft(decoder, &good, &rejection), 0);
    assert_int_equal(decode_draft(decoder, draft, &rejection), DECODER_REJECTED);
    assert_says(&rejection, reason, text);
    struct draft next;
    draft_next(&next);
    assert_int_equal(decode_draft(decoder, &next, &rejection), DECODER_NOT_NEXT);
    assert_int_equal(decode_draft(decoder, &good, &rejection), 0);
    assert_int_equal(decode_draft(decoder, &next, &rejection), 0);
    decoder_free(decoder);
}

static void test_drafts_are_good(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    decoder_free(decoder);
}

static void test_headers(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.frame.stream = 0;
    assert_refused(&draft, REJECT_MALFORMED, "no stream");
    draft_init(&draft);
    draft.frame.sequence = 0;
    assert_refused(&draft, REJECT_MALFORMED, "no sequence");
    draft_init(&draft);
    draft.frame.key = 2;
    assert_refused(&draft, REJECT_MALFORMED, "key 2");
    draft_init(&draft);
    draft.frame.key = 0;
    assert_refused(&draft, REJECT_MALFORMED, "key 0");
    draft_init(&draft);
    draft.frame.content_case = SHOAL__V1__FRAME__CONTENT__NOT_SET;
    assert_refused(&draft, REJECT_MALFORMED, "no body");
    draft_init(&draft);
    draft.frame.crc = 12345;
    assert_refused(&draft, REJECT_BAD_CRC, "CRC 00003039");
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
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    draft.frame.sequence = 6;
    draft.frame.key = 4;
    assert_int_equal(decode_draft(decoder, &draft, &rejection), DECODER_REJECTED);
    assert_says(&rejection, REJECT_MALFORMED, "key 4");
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
        assert_refused(&draft, REJECT_BAD_NAME, metric_names[i].says);
    }
    draft_init(&draft);
    draft.labels[0].name = "a\n";
    assert_refused(&draft, REJECT_BAD_NAME, "reading 0 of input 0: label name");
    draft_init(&draft);
    draft.labels[0].name = "__name__";
    assert_refused(&draft, REJECT_BAD_NAME, "__name__");
    draft_init(&draft);
    draft.labels[0].value = "\xed\xa0\x80"; /* a surrogate */
    assert_refused(&draft, REJECT_BAD_NAME, "label value is not UTF-8");
    draft_init(&draft);
    draft.labels[0].value = "";
    assert_refused(&draft, REJECT_BAD_NAME, "label a without a value");
    draft_init(&draft);
    draft.input.name = "";
    assert_refused(&draft, REJECT_BAD_NAME, "without a name");
    draft_init(&draft);
    draft.input.job = "no\nde";
    assert_refused(&draft, REJECT_BAD_NAME, "job \"no?de\"");
    draft_init(&draft);
    draft.input.instance = "\x7f";
    assert_refused(&draft, REJECT_BAD_NAME, "instance");
    draft_init(&draft);
    draft.family.help = "\x80";
    assert_refused(&draft, REJECT_BAD_NAME, "help is not UTF-8");
}

static void test_long_texts(void **state)
{
    (void)state;
    static char text[LABEL_VALUE_BYTES_MAX + 2];
    memset(text, 'a', sizeof(text) - 1);
    struct draft draft;
    draft_init(&draft);
    draft.labels[0].value = text;
    assert_refused(&draft, REJECT_BAD_NAME, "label value of 2049 bytes, over 2048");
    draft.labels[0].value = text + 1;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    decoder_free(decoder);
    draft_init(&draft);
    draft.family.name = text;
    assert_refused(&draft, REJECT_BAD_NAME, "metric name of 2049 bytes, over 255");
}

static void test_labels(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.labels[1].name = "a";
    assert_refused(&draft, REJECT_BAD_NAME, "label a is not in order");
    draft_init(&draft);
    draft.labels[0].name = "c";
    assert_refused(&draft, REJECT_BAD_NAME, "label b is not in order");
    draft_init(&draft);
    draft.series[1].n_labels = LABELS_PER_SERIES_MAX + 1;
    for (unsigned i = 0; i < draft.series[1].n_labels; i++)
        draft.label_list[i] = &draft.labels[0];
    assert_refused(&draft, REJECT_LIMIT, "33 labels");
    draft_next(&draft);
    draft.body.node_labels = draft.label_list;
    draft.body.n_node_labels = 1;
    assert_refused(&draft, REJECT_MALFORMED, "node labels outside a key frame");
    draft_init(&draft);
    draft.body.node_labels = draft.label_list;
    draft.body.n_node_labels = NODE_LABELS_MAX + 1;
    for (unsigned i = 0; i < draft.body.n_node_labels; i++)
        draft.label_list[i] = &draft.labels[0];
    assert_refused(&draft, REJECT_LIMIT, "33 node labels");
}

static void test_definitions(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.series[1].family = 1;
    assert_refused(&draft, REJECT_MALFORMED, "family id 1 of 1");
    draft_init(&draft);
    draft.series[1].suffix = SHOAL__V1__SERIES__SUFFIX__SUM;
    assert_refused(&draft, REJECT_MALFORMED, "\"_sum\" of a gauge");
    draft_init(&draft);
    draft.series[1].suffix = (Shoal__V1__Series__Suffix)9;
    assert_refused(&draft, REJECT_MALFORMED, "suffix 9");
    draft_init(&draft);
    draft.family.type = (Shoal__V1__Family__Type)7;
    assert_refused(&draft, REJECT_MALFORMED, "unknown type");
    draft_init(&draft);
    draft.reading.definition = NULL;
    assert_refused(&draft, REJECT_MALFORMED, "no definition, 0 inputs");
    draft_next(&draft);
    draft.reading.definition = &draft.input;
    assert_refused(&draft, REJECT_MALFORMED, "a definition, 1 inputs");
    draft_init(&draft);
    draft.reading.input_gap = 1;
    assert_refused(&draft, REJECT_MALFORMED, "reading 0 of input 1");
    draft_init(&draft);
    draft.reading.input_gap = -1;
    assert_refused(&draft, REJECT_MALFORMED, "input gap of -1");
    draft_init(&draft);
    draft.reading.input_gap = INT32_MIN;
    assert_refused(&draft, REJECT_MALFORMED, "input gap of -2147483648");
}

static void test_values(void **state)
{
    (void)state;
    struct draft draft;
    draft_next(&draft);
    draft.ids[1] = 900;
    assert_refused(&draft, REJECT_MALFORMED, "reading 0 of input 0: series id 901 of 2");
    draft_next(&draft);
    draft.ids[1] = UINT32_MAX;
    assert_refused(&draft, REJECT_MALFORMED, "series id 4294967296 of 2");
    draft_next(&draft);
    draft.reading.n_raw = 1;
    assert_refused(&draft, REJECT_MALFORMED, "8 raw bytes for 2 series");
    draft_init(&draft);
    draft.reading.n_raw = 1;
    draft.reading.n_raw_series = 1;
    assert_refused(&draft, REJECT_MALFORMED, "2 new series, 1 of them with a value");
    draft_next(&draft);
    draft.reading.gone = draft.gone;
    draft.reading.n_gone = 1;
    assert_refused(&draft, REJECT_MALFORMED, "series id 0 comes twice");
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.reading.delta_series = draft.ids;
    draft.reading.n_delta_series = 1;
    assert_refused(&draft, REJECT_MALFORMED, "no delta for series id 0");
    draft.reading.delta = draft.numbers;
    draft.reading.n_delta = 1;
    assert_refused(&draft, REJECT_MALFORMED, "a delta to raw series id 0");
    draft.reading.n_delta_series = 0;
    assert_refused(&draft, REJECT_MALFORMED, "more deltas than series");
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
    assert_refused(&draft, REJECT_MALFORMED, "no value for series id 0");
    draft.reading.mantissa = draft.numbers;
    draft.reading.n_mantissa = 1;
    draft.reading.exponent = draft.exponents;
    draft.reading.n_exponent = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        draft.numbers[0] = bad[i].mantissa;
        draft.exponents[0] = bad[i].exponent;
        assert_refused(&draft, REJECT_MALFORMED, "series id 0: mantissa");
    }
    draft.exponents[0] = 0;
    draft.numbers[0] = 1;
    draft.reading.n_mantissa = 2;
    assert_refused(&draft, REJECT_MALFORMED, "more mantissas");
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
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.bits[0] = 2;
    draft.reading.delta_bits = (ProtobufCBinaryData){.data = draft.bits, .len = 1};
    draft.reading.delta = draft.numbers;
    draft.reading.n_delta = 1;
    draft.numbers[0] = 1;
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    draft.frame.sequence = 3;
    assert_int_equal(decode_draft(decoder, &draft, &rejection), DECODER_REJECTED);
    assert_says(&rejection, REJECT_MALFORMED, "mantissa of series id 1 too large");
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
    assert_refused(&draft, REJECT_MALFORMED, "series id 15 of 2");
    draft.bits[1] = 0;
    draft.reading.delta_series = draft.ids;
    draft.reading.n_delta_series = 1;
    assert_refused(&draft, REJECT_MALFORMED, "bits of deltas with another list");
}

static void test_gone_is_gone(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    draft_next(&draft);
    draft.reading.n_raw = 0;
    draft.reading.n_raw_series = 0;
    draft.reading.gone = draft.gone;
    draft.reading.n_gone = 1;
    assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
    draft.frame.sequence = 3;
    assert_int_equal(decode_draft(decoder, &draft, &rejection), DECODER_REJECTED);
    assert_says(&rejection, REJECT_MALFORMED, "series id 0 is gone");
    decoder_free(decoder);
}

static void test_times(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft);
    draft.body.time_ms = (uint64_t)READING_MS_MAX + 1;
    assert_refused(&draft, REJECT_BAD_TIME, "boot time");
    draft_init(&draft);
    draft.reading.time_offset_ms = -5001;
    assert_refused(&draft, REJECT_BAD_TIME, "boot time -1 ms");
    draft_init(&draft);
    draft.reading.time_offset_ms = INT64_MIN;
    assert_refused(&draft, REJECT_BAD_TIME, "time offset");
    draft_next(&draft);
    draft.body.time_ms = 4999;
    assert_refused(&draft, REJECT_BAD_TIME, "4999 ms after 5000 ms");
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
        assert_int_equal(decode_draft(decoder, &draft, &rejection), 0);
        draft_next(&draft);
        draft.body.time_ms = wrong == 0 ? 5000 : 6000;
        if (wrong == 2)
            draft.body.n_readings = 0;
        int r = decode_draft(decoder, &draft, &rejection);
        assert_int_equal(r, wrong == 0 ? 0 : DECODER_REJECTED);
        if (wrong > 0)
            assert_says(&rejection, REJECT_MALFORMED, "go on");
    }
    draft_init(&draft);
    draft.reading.more = 1;
    Shoal__V1__Reading second;
    shoal__v1__reading__init(&second);
    second.input_gap = -1;
    draft.readings[1] = &second;
    draft.body.n_readings = 2;
    assert_refused(&draft, REJECT_MALFORMED, "not the frame's last");
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
    Shoal__V1__Reading **readings = calloc(n, sizeof(*readings));
    for (size_t i = 0; i < n; i++)
        readings[i] = i == 0 ? &draft.reading : &empty;
    draft.body.readings = readings;
    draft.body.n_readings = n;
    assert_refused(&draft, REJECT_LIMIT, "4097 readings");
    free(readings);
}

/* --- bytes --- */

static void test_each_truncation(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    BUFFER_AUTO struct buffer whole = draft_pack(&draft);
    for (size_t n = 0; n < whole.size; n++)
        assert_int_equal(decode_bytes(decoder, whole.data, n, &rejection), DECODER_REJECTED);
    /* Of the body too, the frame around it being right. */
    uint8_t body[512];
    size_t size = shoal__v1__body__pack(&draft.body, body);
    for (size_t n = 1; n < size; n++) {
        BUFFER_AUTO struct buffer frame = {0};
        struct frame_parts parts = {
            .header = {.stream = 77, .sequence = 1, .key = 1}, .content = body, .content_bytes = n};
        (void)frame_join(&frame, &parts, 0);
        int r = decode_bytes(decoder, frame.data, frame.size, &rejection);
        /* What ends between two fields is whole, with less in it. */
        assert_true(r == DECODER_REJECTED || (r == 0 && n <= 3));
    }
    decoder_free(decoder);
}

/* Any bit may be wrong where there is no CRC: refused, or decoded to something that keeps the
 * promises (decode_bytes looks at it). */
static void test_each_flipped_bit(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    BUFFER_AUTO struct buffer bytes = draft_pack(&draft);
    unsigned refused = 0;
    for (size_t i = 0; i < 8 * bytes.size; i++) {
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
        refused += decode_bytes(decoder, bytes.data, bytes.size, &rejection) == DECODER_REJECTED;
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
    }
    assert_true(refused > 4 * bytes.size);
    decoder_free(decoder);
}

static void test_random_bytes(void **state)
{
    (void)state;
    struct random random = random_start("bad bytes");
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    BUFFER_AUTO struct buffer good = draft_pack(&draft);
    for (unsigned i = 0; i < 20000; i++) {
        BUFFER_AUTO struct buffer bytes = {0};
        buffer_append(&bytes, good.data, good.size);
        for (uint64_t n = 1 + random_below(&random, 4); n > 0; n--)
            bytes.data[random_below(&random, bytes.size)] = (char)random_next(&random);
        (void)decode_bytes(decoder, bytes.data, bytes.size, &rejection); /* any result will do */
    }
    decoder_free(decoder);
}

static void test_crc_covers_each_byte(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    uint8_t body[512];
    struct frame_parts parts = {.header = {.stream = 77, .sequence = 1, .key = 1},
                                .content = body,
                                .content_bytes = shoal__v1__body__pack(&draft.body, body)};
    BUFFER_AUTO struct buffer bytes = {0};
    (void)frame_join(&bytes, &parts, 0);
    assert_int_equal(decode_bytes(decoder, bytes.data, bytes.size, &rejection), 0);
    for (size_t i = 0; i < 8 * (bytes.size - CRC_BYTES); i++) {
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
        assert_int_not_equal(decode_bytes(decoder, bytes.data, bytes.size, &rejection), 0);
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
    }
    buffer_append(&bytes, "\x10\x01", 2); /* a field after the CRC */
    assert_int_equal(decode_bytes(decoder, bytes.data, bytes.size, &rejection), DECODER_REJECTED);
    assert_says(&rejection, REJECT_MALFORMED, "not its last field");
    decoder_free(decoder);
}

/* A string with a NUL inside would be another to each reader of it. */
static void test_nul_inside_a_name(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    draft.family.name = "test_Zauge";
    BUFFER_AUTO struct buffer bytes = draft_pack(&draft);
    char *z = memchr(bytes.data, 'Z', bytes.size);
    *z = '\0';
    assert_int_equal(decode_bytes(decoder, bytes.data, bytes.size, &rejection), DECODER_REJECTED);
    assert_says(&rejection, REJECT_BAD_NAME, "metric name is not UTF-8");
    decoder_free(decoder);
}

static void test_too_large(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    uint8_t *bytes = calloc(1, FRAME_WIRE_BYTES_MAX + 1);
    assert_int_equal(decode_bytes(decoder, bytes, FRAME_WIRE_BYTES_MAX + 1, &rejection),
                     DECODER_REJECTED);
    assert_says(&rejection, REJECT_TOO_LARGE, "196609 bytes");
    free(bytes);
    decoder_free(decoder);
}

/* --- zstd --- */

static void assert_zstd_refused(const void *content, size_t size, enum reject_reason reason,
                                const char *text)
{
    struct draft draft;
    draft_init(&draft);
    draft.frame.content_case = SHOAL__V1__FRAME__CONTENT_ZSTD;
    draft.frame.zstd = (ProtobufCBinaryData){.data = (uint8_t *)content, .len = size};
    assert_refused(&draft, reason, text);
}

/* Compresses, with or without the content's size in the header. */
static size_t compress(void *to, size_t room, const void *from, size_t size, int states_size)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, states_size);
    size_t n = ZSTD_compress2(zstd, to, room, from, size);
    (void)ZSTD_freeCCtx(zstd);
    assert_false(ZSTD_isError(n));
    return n;
}

static void test_zstd_bombs(void **state)
{
    (void)state;
    size_t size = (size_t)64 * 1024 * 1024;
    uint8_t *zeros = calloc(1, size);
    uint8_t *bomb = malloc(65536);
    assert_non_null(zeros);
    assert_non_null(bomb);
    size_t n = compress(bomb, 65536, zeros, size, 1);
    assert_zstd_refused(bomb, n, REJECT_TOO_LARGE, "67108864 bytes of content, over 4194304");
    n = compress(bomb, 65536, zeros, size, 0);
    assert_zstd_refused(bomb, n, REJECT_MALFORMED, "names no size");
    n = compress(bomb, 65536, zeros, 1000, 1);
    assert_zstd_refused(bomb, n - 1, REJECT_MALFORMED, "zstd: ");
    assert_zstd_refused(bomb, 3, REJECT_MALFORMED, "zstd: no header");
    assert_zstd_refused("", 0, REJECT_MALFORMED, "zstd: no header");
    /* A second frame behind the first would go over what the first said. */
    memmove(bomb + n, bomb, n);
    assert_zstd_refused(bomb, 2 * n, REJECT_MALFORMED, "zstd: ");
    free(zeros);
    free(bomb);
}

/* The draft's body, compressed. */
static void assert_small_frame_refused(const struct draft *draft, enum reject_reason reason,
                                       const char *text)
{
    size_t size = shoal__v1__body__get_packed_size(&draft->body);
    assert_true(size <= BODY_BYTES_MAX);
    uint8_t *body = malloc(size);
    uint8_t *content = malloc(FRAME_WIRE_BYTES_MAX);
    assert_non_null(body);
    assert_non_null(content);
    (void)shoal__v1__body__pack(&draft->body, body);
    size_t n = compress(content, FRAME_WIRE_BYTES_MAX, body, size, 1);
    assert_true(n < 10000);
    assert_zstd_refused(content, n, reason, text);
    free(body);
    free(content);
}

/* A few compressed bytes may not ask for much memory. */
static void test_decoded_size_is_bounded(void **state)
{
    (void)state;
    struct draft draft;
    size_t n = (size_t)3 * 1024 * 1024;
    uint32_t *ids = calloc(n, sizeof(*ids));
    assert_non_null(ids);
    draft_init(&draft);
    draft.reading.raw_series = ids;
    draft.reading.n_raw_series = n;
    assert_small_frame_refused(&draft, REJECT_TOO_LARGE, "over 33554432 bytes to decode");
    free(ids);
    n = IDS_PER_GROUP_MAX + 1;
    Shoal__V1__Family **families = calloc(n, sizeof(*families));
    assert_non_null(families);
    draft_init(&draft);
    draft.family.name = "";
    draft.family.type = SHOAL__V1__FAMILY__TYPE__UNKNOWN;
    for (size_t i = 0; i < n; i++)
        families[i] = &draft.family;
    draft.reading.families = families;
    draft.reading.n_families = n;
    assert_small_frame_refused(&draft, REJECT_LIMIT, "over 400000 ids in a group");
    free(families);
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
        cmocka_unit_test(test_gone_is_gone),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_readings_that_go_on),
        cmocka_unit_test(test_too_many_readings),
        cmocka_unit_test(test_each_truncation),
        cmocka_unit_test(test_each_flipped_bit),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_crc_covers_each_byte),
        cmocka_unit_test(test_nul_inside_a_name),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_zstd_bombs),
        cmocka_unit_test(test_decoded_size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
