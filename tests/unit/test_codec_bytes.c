/* Frames whose bytes are damaged, cut or blown up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/frame_wire.h"
#include "tests/support/random.h"
#include "tests/unit/frame_draft.h"

#define CRC_BYTES 5

static void test_each_truncation(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft draft;
    draft_init(&draft);
    BUFFER_AUTO struct buffer whole = draft_pack(&draft);
    for (size_t n = 0; n < whole.size; n++)
        assert_int_equal(draft_decode_bytes(decoder, whole.data, n, &rejection), DECODER_REJECTED);
    /* Of the body too, the frame around it being right. */
    uint8_t body[512];
    size_t size = shoal__v1__body__pack(&draft.body, body);
    for (size_t n = 1; n < size; n++) {
        BUFFER_AUTO struct buffer frame = {0};
        struct frame_parts parts = {
            .header = {.stream = 77, .sequence = 1, .key = 1}, .content = body, .content_bytes = n};
        (void)frame_join(&frame, &parts, 0);
        int r = draft_decode_bytes(decoder, frame.data, frame.size, &rejection);
        /* What ends between two fields is whole, with less in it. */
        assert_true(r == DECODER_REJECTED || (r == 0 && n <= 3));
    }
    decoder_free(decoder);
}

/* Any bit may be wrong where there is no CRC: refused, or decoded to something that keeps the
 * promises (draft_decode_bytes looks at it). */
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
        refused +=
            draft_decode_bytes(decoder, bytes.data, bytes.size, &rejection) == DECODER_REJECTED;
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
        (void)draft_decode_bytes(decoder, bytes.data, bytes.size,
                                 &rejection); /* any result will do */
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
    assert_int_equal(draft_decode_bytes(decoder, bytes.data, bytes.size, &rejection), 0);
    for (size_t i = 0; i < 8 * (bytes.size - CRC_BYTES); i++) {
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
        assert_int_not_equal(draft_decode_bytes(decoder, bytes.data, bytes.size, &rejection), 0);
        bytes.data[i / 8] ^= (char)(1 << (i % 8));
    }
    buffer_append(&bytes, "\x10\x01", 2); /* a field after the CRC */
    assert_int_equal(draft_decode_bytes(decoder, bytes.data, bytes.size, &rejection),
                     DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_MALFORMED, "not its last field");
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
    assert_int_equal(draft_decode_bytes(decoder, bytes.data, bytes.size, &rejection),
                     DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_BAD_NAME, "metric name is not UTF-8");
    decoder_free(decoder);
}

static void test_too_large(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    uint8_t *bytes = calloc(1, FRAME_WIRE_BYTES_MAX + 1);
    assert_int_equal(draft_decode_bytes(decoder, bytes, FRAME_WIRE_BYTES_MAX + 1, &rejection),
                     DECODER_REJECTED);
    draft_assert_says(&rejection, REJECT_TOO_LARGE, "196609 bytes");
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
    draft_assert_refused(&draft, reason, text);
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
    Shoal__V1__Family **families = calloc(n, sizeof(void *));
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
        cmocka_unit_test(test_each_truncation),   cmocka_unit_test(test_each_flipped_bit),
        cmocka_unit_test(test_random_bytes),      cmocka_unit_test(test_crc_covers_each_byte),
        cmocka_unit_test(test_nul_inside_a_name), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_zstd_bombs),        cmocka_unit_test(test_decoded_size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
