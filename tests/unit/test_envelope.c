#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"
#include "shoal/v1/session.pb-c.h"

static const uint8_t *data_of(const struct buffer *buffer)
{
    return (const uint8_t *)buffer->data;
}

static struct envelope full_envelope(void)
{
    static const uint8_t frame[] = {1, 0, 255, 3};
    return (struct envelope){
        .frame = frame,
        .frame_bytes = sizeof(frame),
        .utc_offset_ms = -123456789012345,
        .uncertainty_ms = UINT32_MAX,
        .source = CLOCK_SOURCE_PROBE,
        .is_estimate = true,
        .system_off_ms = -3600001,
        .first = UINT64_MAX,
        .backlog_frames = 1,
        .backlog_bytes = 1000000000000,
        .backlog_oldest_age_ms = 3,
        .drops = {[DROP_UNKNOWN] = {9, 0}, [DROP_SPOOL_FULL] = {1, 2}, [DROP_ENCODING] = {0, 7}},
        .has_probe = true,
        .probe_id = 77,
    };
}

static void assert_same_envelope(const struct envelope *a, const struct envelope *b)
{
    assert_int_equal(a->frame_bytes, b->frame_bytes);
    if (a->frame_bytes > 0)
        assert_memory_equal(a->frame, b->frame, a->frame_bytes);
    assert_int_equal(a->utc_offset_ms, b->utc_offset_ms);
    assert_int_equal(a->uncertainty_ms, b->uncertainty_ms);
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->is_estimate, b->is_estimate);
    assert_int_equal(a->system_off_ms, b->system_off_ms);
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->backlog_frames, b->backlog_frames);
    assert_int_equal(a->backlog_bytes, b->backlog_bytes);
    assert_int_equal(a->backlog_oldest_age_ms, b->backlog_oldest_age_ms);
    for (unsigned i = 0; i < DROP_REASONS; i++) {
        assert_int_equal(a->drops[i].frames, b->drops[i].frames);
        assert_int_equal(a->drops[i].samples, b->drops[i].samples);
    }
    assert_int_equal(a->has_probe, b->has_probe);
    assert_int_equal(a->probe_id, b->probe_id);
}

static void test_envelope_round_trip(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    struct envelope envelope = full_envelope();
    assert_int_equal(envelope_pack(&envelope, &packed), 0);
    struct envelope back;
    memset(&back, 0xff, sizeof(back));
    assert_int_equal(envelope_unpack(data_of(&packed), packed.size, &back), 0);
    assert_same_envelope(&back, &envelope);
    /* The frame is not copied. */
    assert_true(back.frame >= data_of(&packed) && back.frame < data_of(&packed) + packed.size);
}

static void test_empty_messages(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    assert_int_equal(envelope_pack(&(struct envelope){0}, &packed), 0);
    assert_int_equal(packed.size, 0);
    struct envelope back = full_envelope();
    assert_int_equal(envelope_unpack(NULL, 0, &back), 0);
    assert_null(back.frame);
    assert_false(back.has_probe);
    /* A probe whose id is 0 is still a probe. */
    assert_int_equal(envelope_pack(&(struct envelope){.has_probe = true}, &packed), 0);
    assert_int_equal(envelope_unpack(data_of(&packed), packed.size, &back), 0);
    assert_true(back.has_probe);
}

static struct ack full_ack(void)
{
    return (struct ack){
        .collector = 0x0123456789abcdef,
        .stream = UINT64_MAX,
        .committed = 12,
        .resend_from = 13,
        .has_rejection = true,
        .rejected_sequence = 14,
        .rejection = {REJECT_BAD_NAME, "reading 2 of input 1: näh"},
        .has_credit = true,
        .credit_frames = 64,
        .credit_bytes = 1 << 20,
        .has_answer = true,
        .answer_id = 5,
        .answer_received_utc_us = INT64_MIN,
        .answer_sent_utc_us = INT64_MAX,
        .answer_is_synchronised = true,
    };
}

static void assert_same_ack(const struct ack *a, const struct ack *b)
{
    assert_int_equal(a->collector, b->collector);
    assert_int_equal(a->stream, b->stream);
    assert_int_equal(a->committed, b->committed);
    assert_int_equal(a->resend_from, b->resend_from);
    assert_int_equal(a->has_rejection, b->has_rejection);
    assert_int_equal(a->rejected_sequence, b->rejected_sequence);
    assert_int_equal(a->rejection.reason, b->rejection.reason);
    assert_string_equal(a->rejection.text, b->rejection.text);
    assert_int_equal(a->has_credit, b->has_credit);
    assert_int_equal(a->credit_frames, b->credit_frames);
    assert_int_equal(a->credit_bytes, b->credit_bytes);
    assert_int_equal(a->has_answer, b->has_answer);
    assert_int_equal(a->answer_id, b->answer_id);
    assert_int_equal(a->answer_received_utc_us, b->answer_received_utc_us);
    assert_int_equal(a->answer_sent_utc_us, b->answer_sent_utc_us);
    assert_int_equal(a->answer_is_synchronised, b->answer_is_synchronised);
}

static void test_ack_round_trip(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    struct ack ack = full_ack();
    assert_int_equal(ack_pack(&ack, &packed), 0);
    struct ack back = {0};
    assert_int_equal(ack_unpack(data_of(&packed), packed.size, &back), 0);
    assert_same_ack(&back, &ack);

    buffer_clear(&packed);
    struct ack plain = {.collector = 1, .stream = 2, .committed = 3};
    assert_int_equal(ack_pack(&plain, &packed), 0);
    assert_int_equal(ack_unpack(data_of(&packed), packed.size, &back), 0);
    assert_same_ack(&back, &plain);
}

static void test_hello_and_status_round_trip(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    const struct hello hello = {"0.1.0", 1, UINT64_MAX, -5, true};
    assert_int_equal(hello_pack(&hello, &packed), 0);
    struct hello hello_back = {0};
    assert_int_equal(hello_unpack(data_of(&packed), packed.size, &hello_back), 0);
    assert_string_equal(hello_back.version, "0.1.0");
    assert_int_equal(hello_back.collector, 1);
    assert_int_equal(hello_back.connection, UINT64_MAX);
    assert_int_equal(hello_back.up_since_utc_ms, -5);
    assert_true(hello_back.is_online);

    buffer_clear(&packed);
    const struct status status = {false, "0.2.0", 9};
    assert_int_equal(status_pack(&status, &packed), 0);
    struct status status_back = {.is_online = true};
    assert_int_equal(status_unpack(data_of(&packed), packed.size, &status_back), 0);
    assert_false(status_back.is_online);
    assert_string_equal(status_back.version, "0.2.0");
    assert_int_equal(status_back.connection, 9);
}

/* --- against protobuf-c, which the schema generates --- */

static void test_protobuf_reads_ours(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    struct envelope envelope = full_envelope();
    assert_int_equal(envelope_pack(&envelope, &packed), 0);
    Shoal__V1__Envelope *seen = shoal__v1__envelope__unpack(NULL, packed.size, data_of(&packed));
    assert_non_null(seen);
    assert_int_equal(seen->frame.len, envelope.frame_bytes);
    assert_int_equal(seen->clock->utc_offset_ms, envelope.utc_offset_ms);
    assert_int_equal(seen->clock->uncertainty_ms, envelope.uncertainty_ms);
    assert_int_equal(seen->clock->source, SHOAL__V1__CLOCK__SOURCE__PROBE);
    assert_true(seen->clock->estimate);
    assert_int_equal(seen->first, envelope.first);
    assert_int_equal(seen->backlog->bytes, envelope.backlog_bytes);
    assert_int_equal(seen->backlog->oldest_age_ms, envelope.backlog_oldest_age_ms);
    assert_int_equal(seen->n_drops, 3);
    assert_int_equal(seen->drops[2]->reason, SHOAL__V1__DROP__REASON__ENCODING);
    assert_int_equal(seen->drops[2]->samples, 7);
    assert_int_equal(seen->probe->id, 77);
    shoal__v1__envelope__free_unpacked(seen, NULL);

    buffer_clear(&packed);
    struct ack ack = full_ack();
    assert_int_equal(ack_pack(&ack, &packed), 0);
    Shoal__V1__Ack *ack_seen = shoal__v1__ack__unpack(NULL, packed.size, data_of(&packed));
    assert_non_null(ack_seen);
    assert_int_equal(ack_seen->collector, ack.collector);
    assert_int_equal(ack_seen->stream, ack.stream);
    assert_int_equal(ack_seen->rejected->reason, SHOAL__V1__REJECTED__REASON__BAD_NAME);
    assert_string_equal(ack_seen->rejected->text, ack.rejection.text);
    assert_int_equal(ack_seen->credit->frames, 64);
    assert_int_equal(ack_seen->answer->received_utc_us, INT64_MIN);
    assert_int_equal(ack_seen->answer->sent_utc_us, INT64_MAX);
    assert_true(ack_seen->answer->synchronised);
    shoal__v1__ack__free_unpacked(ack_seen, NULL);
}

static void pack_with_protobuf(struct buffer *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    char *to = buffer_reserve(out, size);
    assert_non_null(to);
    buffer_wrote(out, protobuf_c_message_pack(message, (uint8_t *)to));
}

static void test_we_read_protobufs(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    Shoal__V1__Hello hello = SHOAL__V1__HELLO__INIT;
    char version[] = "1.2.3";
    hello.version = version;
    hello.collector = 4;
    hello.connection = 5;
    hello.up_since_utc_ms = -6;
    hello.online = true;
    pack_with_protobuf(&packed, &hello.base);
    struct hello back = {0};
    assert_int_equal(hello_unpack(data_of(&packed), packed.size, &back), 0);
    assert_string_equal(back.version, "1.2.3");
    assert_int_equal(back.collector, 4);
    assert_int_equal(back.connection, 5);
    assert_int_equal(back.up_since_utc_ms, -6);
    assert_true(back.is_online);
    assert_int_equal(sizeof(version), 6);
}

/* Same numbers on the wire and in C. */
static void test_numbers_agree(void **state)
{
    (void)state;
    assert_int_equal(CLOCK_SOURCE_FREE, SHOAL__V1__CLOCK__SOURCE__FREE);
    assert_int_equal(CLOCK_SOURCE_SYSTEM, SHOAL__V1__CLOCK__SOURCE__SYSTEM);
    assert_int_equal(DROP_ENCODING, SHOAL__V1__DROP__REASON__ENCODING);
    assert_int_equal(DROP_REASONS, shoal__v1__drop__reason__descriptor.n_values);
    assert_int_equal(REJECT_REASONS, shoal__v1__rejected__reason__descriptor.n_values);
    for (unsigned i = 0; i < DROP_REASONS; i++) {
        char upper[32] = "";
        const char *name = drop_reason_name((enum drop_reason)i);
        for (size_t k = 0; name[k] != '\0'; k++)
            upper[k] = (char)(name[k] == '_' ? '_' : name[k] - 'a' + 'A');
        assert_string_equal(upper, shoal__v1__drop__reason__descriptor.values[i].name);
    }
    assert_string_equal(drop_reason_name((enum drop_reason)99), "unknown");
}

/* --- bad input --- */

static void check_bad_envelope(const void *bytes, size_t size)
{
    struct envelope untouched = {.first = 42};
    assert_int_equal(envelope_unpack(bytes, size, &untouched), ENVELOPE_MALFORMED);
    assert_int_equal(untouched.first, 42);
}

#define BAD(text) check_bad_envelope(text, sizeof(text) - 1)

static void test_malformed(void **state)
{
    (void)state;
    BAD("\x08");   /* a key alone */
    BAD("\x0a\x05" /* a frame of 5 bytes, 1 there */
        "a");
    BAD("\x08\x01");                                     /* the frame as a number */
    BAD("\x12\x02\x08\x80");                             /* a number cut off in the clock */
    BAD("\x12\x06\x10\xff\xff\xff\xff\x1f");             /* uncertainty over 32 bits */
    BAD("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"); /* over 64 bits */
    BAD("\x1a\x01\x01");                                 /* a number as bytes */
    BAD("\x2a\x02\x08");                                 /* drop cut off */
    BAD("\x00\x01");                                     /* field 0 */
    BAD("\x0b");                                         /* a group */
    BAD("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"); /* a length of nearly 2^64 */
    BAD("not protobuf at all");
}

static void test_too_large(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, ENVELOPE_BYTES_MAX + 1);
    assert_non_null(bytes);
    check_bad_envelope(bytes, ENVELOPE_BYTES_MAX + 1);
    /* A frame that fills the payload, down to its last byte. */
    const uint8_t head[] = {0x0a, 0xfc, 0xff, 0x0b};
    memcpy(bytes, head, sizeof(head));
    struct envelope envelope;
    assert_int_equal(envelope_unpack(bytes, ENVELOPE_BYTES_MAX, &envelope), 0);
    assert_int_equal(envelope.frame_bytes, ENVELOPE_BYTES_MAX - sizeof(head));
    free(bytes);
}

static void test_every_cut(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    struct ack ack = full_ack();
    assert_int_equal(ack_pack(&ack, &packed), 0);
    for (size_t size = 0; size < packed.size; size++) {
        /* A copy of its own, so that reading over the end is seen. */
        uint8_t *cut = malloc(size + 1);
        assert_non_null(cut);
        memcpy(cut, packed.data, size);
        uint8_t *exact = realloc(cut, size == 0 ? 1 : size);
        struct ack back = {.committed = 42};
        int r = ack_unpack(exact, size, &back);
        if (r == ENVELOPE_MALFORMED)
            assert_int_equal(back.committed, 42);
        else
            assert_int_equal(r, 0);
        free(exact);
    }
}

static void test_texts(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {0};
    Shoal__V1__Status status = SHOAL__V1__STATUS__INIT;
    /* 30 letters and a character of three bytes: only the letters fit. */
    char version[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xe2\x82\xac+";
    status.version = version;
    pack_with_protobuf(&packed, &status.base);
    struct status back = {0};
    assert_int_equal(status_unpack(data_of(&packed), packed.size, &back), 0);
    assert_int_equal(strlen(back.version), 30);

    static const char *const bad[] = {"\x12\x02\xc3\x28", "\x12\x03"
                                                          "a\0b"};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(status_unpack((const uint8_t *)bad[i], 4 + i, &back), ENVELOPE_MALFORMED);
}

static void test_later_versions(void **state)
{
    (void)state;
    /* Fields 9 and 200, clock source 9, drops of reasons 1 and twice 88. */
    static const uint8_t bytes[] = {0x48, 1, 0xc2, 12, 1,    'x', 0x12, 2, 0x18, 9,
                                    0x2a, 4, 0x08, 88, 0x10, 3,   0x2a, 4, 0x08, 88,
                                    0x10, 4, 0x2a, 4,  0x08, 1,   0x10, 5, 0x18, 6};
    struct envelope back;
    assert_int_equal(envelope_unpack(bytes, sizeof(bytes), &back), 0);
    assert_int_equal(back.source, CLOCK_SOURCE_UNKNOWN);
    assert_int_equal(back.drops[DROP_UNKNOWN].frames, 7);
    assert_int_equal(back.drops[DROP_SPOOL_FULL].frames, 5);
    assert_int_equal(back.first, 6);
}

static void test_failed_buffer(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer packed = {.has_failed = true};
    struct ack ack = full_ack();
    assert_int_equal(ack_pack(&ack, &packed), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_round_trip),
        cmocka_unit_test(test_empty_messages),
        cmocka_unit_test(test_ack_round_trip),
        cmocka_unit_test(test_hello_and_status_round_trip),
        cmocka_unit_test(test_protobuf_reads_ours),
        cmocka_unit_test(test_we_read_protobufs),
        cmocka_unit_test(test_numbers_agree),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_later_versions),
        cmocka_unit_test(test_failed_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
