/* Bad input of each kind: refused with its reason, counted, and nothing else is lost. */
#include <string.h>

#include "common/frame_wire.h"
#include "ingest_fixture.h"

/* --- bad input --- */

static void offer_frames(struct fixture *f, const void *payload, size_t size)
{
    ingest_offer(f->help.ingest, "shoal/v1/pi/frames", payload, size);
    help_turn(&f->help);
}

static void payload_that_is_no_envelope(void **state)
{
    struct fixture *f = *state;
    offer_frames(f, "\x0a\xff\xff\xff\xff\x0f", 6);
    fixture_check_rejected(f, 0, REJECT_MALFORMED, 1);
    offer_frames(f, "\xff\xff\xff", 3);
    fixture_check_rejected(f, 0, REJECT_MALFORMED, 2);
    /* Service discovery does not wait for what will never come. */
    struct live_totals totals;
    assert_int_equal(ingest_turn(f->help.ingest, 0), 0);
    live_totals(f->help.live, &totals);
    assert_int_equal(totals.nodes, 1);
    assert_true(totals.is_rebuilt);
}

static void payload_over_its_bound(void **state)
{
    struct fixture *f = *state;
    uint8_t *big = calloc(1, ENVELOPE_BYTES_MAX + 1);
    offer_frames(f, big, ENVELOPE_BYTES_MAX + 1);
    fixture_check_rejected(f, 0, REJECT_TOO_LARGE, 1);
    free(big);
}

static void status_that_is_none(void **state)
{
    struct fixture *f = *state;
    ingest_offer(f->help.ingest, "shoal/v1/pi/status", (const uint8_t *)"\xff", 1);
    ingest_offer(f->help.ingest, "shoal/v1/pi/status", NULL, 0); /* cleared by somebody: nothing */
    help_turn(&f->help);
    fixture_check_rejected(f, 0, REJECT_MALFORMED, 1);
}

static void topics_that_fit_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const topics[] = {
        "",
        "shoal/v1",
        "shoal/v1/pi",
        "shoal/v1//frames",
        "shoal/v1/-pi/frames",
        "shoal/v1/p\ni/frames",
        "shoal/v1/pi/frames/more",
        "shoal/v2/pi/frames",
        "shoal/v1/pi/acks",
        "shoal/v1/_collectors/abc",
        "shoal/v1/a23456789012345678901234567890123456789012345678901234567890123z/frames",
    };
    const size_t n = sizeof(topics) / sizeof(topics[0]);
    help_sample(&f->agent, 1);
    for (size_t i = 0; i < n; i++)
        ingest_offer(f->help.ingest, topics[i], f->agent.frames[0].bytes, f->agent.frames[0].size);
    help_turn(&f->help);
    assert_int_equal(help_totals(&f->help).bad_topics, n);
    struct live_totals totals;
    live_totals(f->help.live, &totals);
    assert_int_equal(totals.nodes, 0);
}

/* Frame 3 comes damaged: it is refused, told, costs nothing before it, and the good one is taken.
 */
static void check_damaged(struct fixture *f, const uint8_t *bytes, size_t size,
                          enum reject_reason reason)
{
    help_live(&f->help, &f->agent, 1, 2);
    help_sample(&f->agent, 3);
    help_sample(&f->agent, 4);
    help_send_bytes(&f->help, &f->agent, bytes, size);
    help_turn(&f->help);
    fixture_check_rejected(f, 3, reason, 1);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 2);
    fixture_check_stored(f, 2, 2);
    fixture_check_shown(f, "pi", "2");

    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_send(&f->help, &f->agent, 3);
    help_send(&f->help, &f->agent, 4);
    help_turn(&f->help);
    fixture_check_stored(f, 4, 4);
    fixture_check_shown(f, "pi", "4");
}

/* The bytes of frame 3 to be; made by an agent that does the same. */
static struct help_frame third_frame(void)
{
    struct help_agent twin;
    help_agent_init(&twin, "pi", FIXTURE_STREAM);
    for (int i = 1; i <= 3; i++)
        help_sample(&twin, i);
    struct help_frame frame = twin.frames[2];
    frame.bytes = malloc(frame.size);
    memcpy(frame.bytes, twin.frames[2].bytes, frame.size);
    help_agent_deinit(&twin);
    return frame;
}

static void frame_with_a_wrong_crc(void **state)
{
    struct fixture *f = *state;
    struct help_frame frame = third_frame();
    frame.bytes[frame.size - 1] ^= 1;
    check_damaged(f, frame.bytes, frame.size, REJECT_BAD_CRC);
    free(frame.bytes);
}

static void frame_with_a_wrong_byte(void **state)
{
    struct fixture *f = *state;
    struct help_frame frame = third_frame();
    frame.bytes[frame.size - 8] ^= 1;
    check_damaged(f, frame.bytes, frame.size, REJECT_BAD_CRC);
    free(frame.bytes);
}

/* Frames made by hand, around a body; the stream is FIXTURE_STREAM. */
static struct buffer frame_around(uint64_t sequence, uint64_t key, bool is_compressed,
                                  const void *content, size_t size)
{
    struct buffer frame = {0};
    const struct frame_parts parts = {
        .header = {.stream = FIXTURE_STREAM, .sequence = sequence, .key = key},
        .content = content,
        .content_bytes = size,
        .is_compressed = is_compressed,
    };
    (void)frame_join(&frame, &parts, 0);
    assert_false(buffer_failed(&frame));
    return frame;
}

static void check_refused_body(struct fixture *f, bool is_compressed, const void *body, size_t size,
                               enum reject_reason reason)
{
    BUFFER_AUTO struct buffer frame = frame_around(1, 1, is_compressed, body, size);
    help_send_bytes(&f->help, &f->agent, (const uint8_t *)frame.data, frame.size);
    help_turn(&f->help);
    fixture_check_rejected(f, 1, reason, 1);
    struct store_stream row;
    assert_int_equal(store_find_stream(f->help.store, "pi", FIXTURE_STREAM, &row, &f->help.error),
                     STORE_NONE);
    f->agent.envelope.first = 1; /* the node goes on with its next stream or group */
    help_end_group(&f->agent);
    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_live(&f->help, &f->agent, 7, 7);
    fixture_check_stored(f, 1, 1);
}

static void body_that_is_no_protobuf(void **state)
{
    check_refused_body(*state, false, "\x12\xff\xff\xff\x0f", 5, REJECT_MALFORMED);
}

static void body_that_ends_too_soon(void **state)
{
    check_refused_body(*state, false, "\x08\x01\x12\x7f\x08", 5, REJECT_MALFORMED);
}

static void body_with_a_series_id_out_of_range(void **state)
{
    /* A reading of input 0 with a definition, no series, and a raw value for series 9. */
    check_refused_body(*state, false,
                       "\x12\x16\x1a\x07\x0a\x01i\x12\x02jb\x5a\x01\x09\x62\x08\0\0\0\0\0\0\xf0?",
                       24, REJECT_MALFORMED);
}

static void body_with_a_line_feed_in_a_name(void **state)
{
    /* Input "i" of job "jb", a family "a\nb". */
    check_refused_body(*state, false,
                       "\x12\x10\x1a\x07\x0a\x01i\x12\x02jb\x22\x05\x0a\x03"
                       "a\nb",
                       18, REJECT_BAD_NAME);
}

static void body_with_a_label_that_is_no_utf8(void **state)
{
    /* Input "i" of job "jb", family "ab", one series with label x="\xff". */
    check_refused_body(*state, false,
                       "\x12\x19\x1a\x07\x0a\x01i\x12\x02jb\x22\x04\x0a\x02"
                       "ab\x2a\x08\x1a\x06\x0a\x01x\x12\x01\xff",
                       27, REJECT_BAD_NAME);
}

static void zstd_that_claims_too_much(void **state)
{
    /* Magic, single segment with an 8 byte content size of 1 TiB, no block. */
    check_refused_body(*state, true, "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\x01\0\0\x01\0\0", 16,
                       REJECT_TOO_LARGE);
}

static void zstd_that_is_none(void **state)
{
    check_refused_body(*state, true, "not compressed", 14, REJECT_MALFORMED);
}

static void reserved_families_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"up", "scrape_samples_scraped", "shoal_node_up",
                                        "shoal_collector_frames_total"};
    uint64_t count = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct help_agent agent;
        const struct family family = {.name = names[i], .help = "", .unit = ""};
        const struct encoder_input input = {"test", "node", "", 1000};
        help_agent_init(&agent, "pi", FIXTURE_STREAM + 1 + i);
        reading_begin(agent.reading);
        reading_add(agent.reading, &family, 1, NO_LABELS);
        assert_int_equal(reading_end(agent.reading), 0);
        assert_int_equal(encoder_add(agent.encoder, &input, agent.reading, 1000000, false), 0);
        help_sample(&agent, 1);
        help_send(&f->help, &agent, 1);
        help_turn(&f->help);
        fixture_check_rejected(f, 1, REJECT_RESERVED, ++count);
        assert_non_null(strstr(help_last_ack(&f->help, "pi")->rejection.text, names[i]));
        help_agent_deinit(&agent);
    }
    assert_int_equal(help_totals(&f->help).frames, 0);
}

/* A target's instance: the node's own, or of an application beside it. */
static void instances_of_other_nodes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const instances[] = {"pi2", "p", "pi.x", ":80", "PI", "pi", "pi:80"};
    const size_t n_bad = 5;
    for (size_t i = 0; i < sizeof(instances) / sizeof(instances[0]); i++) {
        struct help_agent agent;
        const struct encoder_input input = {"test", "app", instances[i], 1000};
        help_agent_init(&agent, "pi", FIXTURE_STREAM + 1 + i);
        reading_begin(agent.reading);
        assert_int_equal(reading_end(agent.reading), 0);
        assert_int_equal(encoder_add(agent.encoder, &input, agent.reading, 1000000, false), 0);
        help_sample(&agent, 1);
        help_send(&f->help, &agent, 1);
        help_turn(&f->help);
        if (i < n_bad)
            fixture_check_rejected(f, 1, REJECT_RESERVED, i + 1);
        help_agent_deinit(&agent);
    }
    assert_int_equal(help_totals(&f->help).frames, 2);
}

/* Sends frame n of a group that begins with 1, around a body that says nothing in many bytes. */
static void send_filled(struct fixture *f, uint64_t n, uint32_t *crc_io)
{
    static uint8_t body[190000] = {0xa2, 0x06, 0xab, 0xcc, 0x0b}; /* field 100, 189,995 bytes */
    BUFFER_AUTO struct buffer frame = {0};
    const struct frame_parts parts = {
        .header = {.stream = FIXTURE_STREAM, .sequence = n, .key = 1},
        .content = body,
        .content_bytes = sizeof(body),
    };
    *crc_io = frame_join(&frame, &parts, *crc_io);
    help_send_bytes(&f->help, &f->agent, (const uint8_t *)frame.data, frame.size);
    help_turn(&f->help);
}

static void group_of_too_many_bytes(void **state)
{
    struct fixture *f = *state;
    uint32_t crc = 0;
    const uint64_t n = INGEST_GROUP_BYTES_MAX / 190100 + 1; /* with some bytes around each body */
    for (uint64_t i = 1; i < n; i++)
        send_filled(f, i, &crc);
    assert_int_equal(help_totals(&f->help).frames, n - 1);
    help_ingest_close(&f->help); /* as many bytes when they are read again */
    help_ingest_open(&f->help);
    send_filled(f, n, &crc);
    fixture_check_rejected(f, n, REJECT_LIMIT, 1);
    assert_int_equal(help_totals(&f->help).frames, 0);
}

static void group_of_too_many_frames(void **state)
{
    struct fixture *f = *state;
    struct store_stream row;
    assert_int_equal(store_begin(f->help.store, &f->help.error), 0);
    assert_int_equal(store_stream(f->help.store, "pi", FIXTURE_STREAM, &row, &f->help.error), 0);
    const struct store_frame last = {.stream_row = row.row,
                                     .sequence = INGEST_GROUP_FRAMES_MAX,
                                     .key = 1,
                                     .bytes = (const uint8_t *)"",
                                     .size = 0};
    assert_int_equal(store_append(f->help.store, &last, &f->help.error), 0);
    assert_int_equal(store_commit(f->help.store, &f->help.error), 0);
    uint32_t crc = 0;
    send_filled(f, INGEST_GROUP_FRAMES_MAX + 1, &crc);
    fixture_check_rejected(f, INGEST_GROUP_FRAMES_MAX + 1, REJECT_LIMIT, 1);
}

static void sequence_beyond_what_can_be_stored(void **state)
{
    struct fixture *f = *state;
    BUFFER_AUTO struct buffer frame = frame_around(UINT64_MAX, UINT64_MAX, false, "\x08\x01", 2);
    f->agent.envelope.first = UINT64_MAX;
    help_send_bytes(&f->help, &f->agent, (const uint8_t *)frame.data, frame.size);
    help_turn(&f->help);
    fixture_check_rejected(f, UINT64_MAX, REJECT_LIMIT, 1);
}

static void rest_of_a_refused_group_is_told_once_in_a_while(void **state)
{
    struct fixture *f = *state;
    struct help_frame frame = third_frame();
    frame.bytes[frame.size - 8] ^= 1;
    help_live(&f->help, &f->agent, 1, 2);
    for (int i = 3; i <= 6; i++)
        help_sample(&f->agent, i);
    help_send_bytes(&f->help, &f->agent, frame.bytes, frame.size);
    help_turn(&f->help);
    for (size_t i = 4; i <= 6; i++) {
        help_send(&f->help, &f->agent, i);
        help_turn(&f->help);
        assert_false(help_last_ack(&f->help, "pi")->has_rejection);
        assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 0);
    }
    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_send(&f->help, &f->agent, 6);
    help_turn(&f->help);
    fixture_check_rejected(f, 3, REJECT_BAD_CRC, 1); /* told again, counted once */

    help_end_group(&f->agent); /* the agent sets the group aside and goes on */
    help_sample(&f->agent, 7);
    f->agent.envelope.first = 7;
    help_send(&f->help, &f->agent, 7);
    help_turn(&f->help);
    fixture_check_stored(f, 7, 3);
    fixture_check_shown(f, "pi", "7");
    free(frame.bytes);
}

static void bad_node_costs_no_other_node_anything(void **state)
{
    struct fixture *f = *state;
    struct help_agent bad;
    help_agent_init(&bad, "bad", 5);
    for (int i = 0; i < 20; i++) {
        help_sample(&f->agent, i);
        help_send(&f->help, &f->agent, f->agent.n_frames);
        help_send_bytes(&f->help, &bad, (const uint8_t *)"nonsense", 8);
    }
    help_turn(&f->help);
    assert_int_equal(help_totals(&f->help).commits, 1);
    fixture_check_stored(f, 20, 20);
    assert_int_equal(help_totals(&f->help).rejected[REJECT_MALFORMED], 20);
    help_agent_deinit(&bad);
}

static void nodes_have_a_bound(void **state)
{
    struct fixture *f = *state;
    struct help_agent other;
    help_ingest_close(&f->help);
    f->help.nodes_max = 1;
    help_ingest_open(&f->help);
    help_live(&f->help, &f->agent, 1, 1);
    help_agent_init(&other, "rig", 3);
    help_live(&f->help, &other, 1, 1);
    assert_int_equal(help_totals(&f->help).rejected[REJECT_LIMIT], 1);
    assert_int_equal(help_totals(&f->help).frames, 1);
    assert_int_equal(help_last_ack(&f->help, "rig")->rejection.reason, REJECT_LIMIT);
    assert_false(help_last_ack(&f->help, "rig")->has_credit);
    help_live(&f->help, &f->agent, 2, 2);
    fixture_check_stored(f, 2, 2);
    help_agent_deinit(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(payload_that_is_no_envelope),
        FIXTURE_TEST(payload_over_its_bound),
        FIXTURE_TEST(status_that_is_none),
        FIXTURE_TEST(topics_that_fit_nothing),
        FIXTURE_TEST(frame_with_a_wrong_crc),
        FIXTURE_TEST(frame_with_a_wrong_byte),
        FIXTURE_TEST(body_that_is_no_protobuf),
        FIXTURE_TEST(body_that_ends_too_soon),
        FIXTURE_TEST(body_with_a_series_id_out_of_range),
        FIXTURE_TEST(body_with_a_line_feed_in_a_name),
        FIXTURE_TEST(body_with_a_label_that_is_no_utf8),
        FIXTURE_TEST(zstd_that_claims_too_much),
        FIXTURE_TEST(zstd_that_is_none),
        FIXTURE_TEST(reserved_families_are_refused),
        FIXTURE_TEST(instances_of_other_nodes_are_refused),
        FIXTURE_TEST(group_of_too_many_bytes),
        FIXTURE_TEST(group_of_too_many_frames),
        FIXTURE_TEST(sequence_beyond_what_can_be_stored),
        FIXTURE_TEST(rest_of_a_refused_group_is_told_once_in_a_while),
        FIXTURE_TEST(bad_node_costs_no_other_node_anything),
        FIXTURE_TEST(nodes_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
