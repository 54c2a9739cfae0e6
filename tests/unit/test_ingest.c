#include <errno.h>
#include <string.h>

#include "collector/store_private.h"
#include "common/frame_wire.h"
#include "ingest_help.h"

#define STREAM 77

struct fixture {
    struct help_ingest help;
    struct help_agent agent;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->help.directory = help_directory();
    f->help.nodes_max = 1000;
    help_clock_init(&f->help.clock);
    help_ingest_open(&f->help);
    help_agent_init(&f->agent, "pi", STREAM);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    help_agent_deinit(&f->agent);
    help_ingest_close(&f->help);
    help_remove_directory(f->help.directory);
    free(f->help.acks);
    free(f);
    return 0;
}

static void check_shown(const struct fixture *f, const char *node, const char *want)
{
    char *shown = help_shown(&f->help, node);
    if (want == NULL)
        assert_null(shown);
    else
        assert_string_equal(shown != NULL ? shown : "(nothing)", want);
    free(shown);
}

static void check_stored(struct fixture *f, uint64_t committed, uint64_t frames)
{
    struct store_stream row = help_row(&f->help, "pi", STREAM);
    assert_int_equal(row.committed, committed);
    assert_int_equal(row.frames, frames);
}

static void check_rejected(struct fixture *f, uint64_t sequence, enum reject_reason reason,
                           uint64_t count)
{
    const struct ack *ack = help_last_ack(&f->help, "pi");
    assert_true(ack->has_rejection);
    assert_int_equal(ack->rejected_sequence, sequence);
    assert_string_equal(reject_reason_name(ack->rejection.reason), reject_reason_name(reason));
    assert_true(ack->rejection.text[0] != '\0');
    assert_int_equal(help_totals(&f->help).rejected[reason], count);
    struct live_node *nodes;
    size_t n;
    assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(nodes[0].rejected[reason], count);
    free(nodes);
}

static uint64_t count_of(const struct fixture *f, const char *node, enum live_count count)
{
    struct live_node *nodes;
    size_t n;
    uint64_t value = UINT64_MAX;
    assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(nodes[i].node, node) == 0)
            value = nodes[i].counts[count];
    free(nodes);
    return value;
}

/* --- in order --- */

static void frame_is_stored_shown_and_acked(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 42, 42);
    const struct ack *ack = help_last_ack(&f->help, "pi");
    assert_int_equal(f->help.n_acks, 1);
    assert_true(ack->collector == store_id(f->help.store));
    assert_int_equal(ack->stream, STREAM);
    assert_int_equal(ack->committed, 1);
    assert_int_equal(ack->resend_from, 0);
    assert_false(ack->has_rejection);
    assert_true(ack->has_credit);
    assert_int_equal(ack->credit_frames, 1);
    assert_true(ack->credit_bytes >= (uint64_t)ENVELOPE_BYTES_MAX);
    check_shown(f, "pi", "42");
    check_stored(f, 1, 1);
    assert_int_equal(count_of(f, "pi", LIVE_FRAMES), 1);
    assert_int_equal(count_of(f, "pi", LIVE_SAMPLES), 2);
    assert_int_equal(help_totals(&f->help).frames, 1);
    assert_true(help_totals(&f->help).is_storing);
}

static void ack_comes_after_the_commit_only(void **state)
{
    struct fixture *f = *state;
    help_sample(&f->agent, 1);
    help_send(&f->help, &f->agent, 1);
    assert_int_equal(f->help.n_acks, 0);
    assert_int_equal(help_totals(&f->help).queue_frames, 1);
    help_turn(&f->help);
    assert_int_equal(f->help.n_acks, 1);
    assert_int_equal(help_totals(&f->help).queue_frames, 0);
    assert_int_equal(help_totals(&f->help).queue_bytes, 0);
}

static void one_batch_is_one_commit_and_one_ack(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++) {
        help_sample(&f->agent, i);
        help_send(&f->help, &f->agent, f->agent.n_frames);
    }
    help_turn(&f->help);
    assert_int_equal(help_totals(&f->help).commits, 1);
    assert_int_equal(f->help.n_acks, 1);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 50);
    check_shown(f, "pi", "49");
}

static void nodes_interleave(void **state)
{
    struct fixture *f = *state;
    struct help_agent other;
    help_agent_init(&other, "rig", STREAM); /* the same stream id: another node's is another */
    for (int i = 0; i < 10; i++) {
        help_sample(&f->agent, i);
        help_sample(&other, 100 + i);
        help_send(&f->help, &f->agent, f->agent.n_frames);
        help_send(&f->help, &other, other.n_frames);
    }
    help_turn(&f->help);
    assert_int_equal(f->help.n_acks, 2);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 10);
    assert_int_equal(help_last_ack(&f->help, "rig")->committed, 10);
    check_shown(f, "pi", "9");
    check_shown(f, "rig", "109");
    help_agent_deinit(&other);
}

static void groups_follow_one_another(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 3);
    help_end_group(&f->agent);
    help_live(&f->help, &f->agent, 4, 5);
    assert_int_equal(f->agent.frames[3].key, 4);
    check_stored(f, 5, 5);
    assert_int_equal(help_row(&f->help, "pi", STREAM).key, 4);
    check_shown(f, "pi", "5");
}

/* --- restart --- */

static void restart_keeps_everything(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 7);
    help_ingest_close(&f->help);
    help_forget_acks(&f->help);
    help_ingest_open(&f->help);
    help_turn(&f->help); /* nobody sends anything: rebuilt in the background */
    check_shown(f, "pi", "7");
    struct live_totals totals;
    live_totals(f->help.live, &totals);
    assert_true(totals.is_rebuilt);

    help_send(&f->help, &f->agent, 7);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 7);
    help_live(&f->help, &f->agent, 8, 8); /* goes on inside the group */
    check_stored(f, 8, 8);
    check_shown(f, "pi", "8");
}

static void first_frame_after_restart_needs_no_rebuild_before(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 7);
    help_ingest_close(&f->help);
    help_ingest_open(&f->help);
    help_sample(&f->agent, 8);
    help_send(&f->help, &f->agent, 8); /* before any turn */
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 8);
    check_shown(f, "pi", "8");
}

static void reconnected_nodes_get_their_acks_anew(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 3);
    help_ingest_close(&f->help);
    help_ingest_open(&f->help);
    help_forget_acks(&f->help);
    ingest_reconnected(f->help.ingest);
    help_turn(&f->help);
    assert_int_equal(f->help.n_acks, 1);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 3);
    assert_int_equal(help_last_ack(&f->help, "pi")->stream, STREAM);
    assert_int_equal(help_last_ack(&f->help, "pi")->credit_frames, 1);
}

static void new_stream_takes_over_and_the_old_one_can_end(void **state)
{
    struct fixture *f = *state;
    struct help_agent next;
    struct help_agent third;
    help_live(&f->help, &f->agent, 1, 3);
    help_agent_init(&next, "pi", 78);
    help_live(&f->help, &next, 10, 12);
    check_shown(f, "pi", "12");
    help_live(&f->help, &f->agent, 4, 4); /* a frame of the old one, late */
    check_stored(f, 4, 4);
    help_agent_init(&third, "pi", 79);
    help_live(&f->help, &third, 20, 20);
    help_live(&f->help, &next, 13, 13); /* was put out of memory by the third, comes back */
    assert_int_equal(help_row(&f->help, "pi", 78).committed, 4);
    help_agent_deinit(&next);
    help_agent_deinit(&third);
}

static void collector_without_its_store_is_sent_the_group_again(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 2);
    help_end_group(&f->agent);
    for (int i = 3; i <= 5; i++)
        help_sample(&f->agent, i);
    help_ingest_close(&f->help);
    help_remove_directory(f->help.directory);
    f->help.directory = help_directory();
    help_ingest_open(&f->help);

    f->agent.envelope.first = 3;
    help_send(&f->help, &f->agent, 5);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 1);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 0);
    for (size_t i = 3; i <= 5; i++)
        help_send(&f->help, &f->agent, i);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 5);
    check_stored(f, 5, 3);
    assert_int_equal(help_row(&f->help, "pi", STREAM).gap_frames, 2);
}

/* --- gaps, duplicates, conflicts --- */

static void what_is_missing_is_asked_for_once_in_a_while(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 2);
    for (int i = 3; i <= 6; i++)
        help_sample(&f->agent, i);
    for (size_t i = 4; i <= 6; i++) {
        help_send(&f->help, &f->agent, i);
        help_turn(&f->help);
    }
    size_t asked = 0;
    for (size_t i = 0; i < f->help.n_acks; i++)
        asked += f->help.acks[i].ack.resend_from == 3;
    assert_int_equal(asked, 1);
    assert_int_equal(count_of(f, "pi", LIVE_RESYNCS), 1);
    check_stored(f, 2, 2);

    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_send(&f->help, &f->agent, 6);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 3);
    for (size_t i = 3; i <= 6; i++)
        help_send(&f->help, &f->agent, i);
    help_turn(&f->help);
    check_stored(f, 6, 6);
    check_shown(f, "pi", "6");
}

static void another_position_is_asked_for_at_once(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 5; i++)
        help_sample(&f->agent, i);
    help_send(&f->help, &f->agent, 1);
    help_send(&f->help, &f->agent, 3);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 2);
    help_send(&f->help, &f->agent, 2);
    help_send(&f->help, &f->agent, 4);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 2);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 3);
}

static void gap_is_taken_where_the_agent_holds_nothing_older(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 2);
    for (int i = 3; i <= 5; i++)
        help_sample(&f->agent, i);
    help_end_group(&f->agent);
    help_sample(&f->agent, 6);
    help_send(&f->help, &f->agent, 6); /* begins a group, but the agent still has 1 to 5 */
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 3);
    check_stored(f, 2, 2);

    f->agent.envelope.first = 6;
    help_send(&f->help, &f->agent, 6);
    help_turn(&f->help);
    check_stored(f, 6, 3);
    assert_int_equal(help_row(&f->help, "pi", STREAM).gap_frames, 3);
    assert_int_equal(count_of(f, "pi", LIVE_GAP_FRAMES), 3);
    check_shown(f, "pi", "6");
}

static void gap_inside_a_group_is_never_taken(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 2);
    help_sample(&f->agent, 3);
    help_sample(&f->agent, 4);
    f->agent.envelope.first = 4;
    help_send(&f->help, &f->agent, 4);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 3);
    check_stored(f, 2, 2);
}

static void duplicates_are_acked_with_the_stores_number(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 5);
    help_forget_acks(&f->help);
    help_send(&f->help, &f->agent, 2);
    help_send(&f->help, &f->agent, 1);
    help_turn(&f->help);
    assert_int_equal(f->help.n_acks, 1);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 5);
    assert_false(help_last_ack(&f->help, "pi")->has_rejection);
    assert_int_equal(count_of(f, "pi", LIVE_DUPLICATES), 2);
    check_stored(f, 5, 5);
    check_shown(f, "pi", "5");
}

static void duplicate_within_a_batch_is_known(void **state)
{
    struct fixture *f = *state;
    help_sample(&f->agent, 1);
    help_sample(&f->agent, 2);
    help_send(&f->help, &f->agent, 1);
    help_send(&f->help, &f->agent, 1);
    help_send(&f->help, &f->agent, 2);
    help_send(&f->help, &f->agent, 2);
    help_turn(&f->help);
    check_stored(f, 2, 2);
    assert_int_equal(count_of(f, "pi", LIVE_DUPLICATES), 2);
    assert_false(help_last_ack(&f->help, "pi")->has_rejection);
}

static void another_frame_under_a_number_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct help_agent clone;
    help_live(&f->help, &f->agent, 1, 3);
    help_agent_init(&clone, "pi", STREAM);
    for (int i = 0; i < 3; i++)
        help_sample(&clone, 50 + i);
    help_send(&f->help, &clone, 2);
    help_turn(&f->help);
    check_rejected(f, 2, REJECT_CONFLICT, 1);
    check_stored(f, 3, 3);
    check_shown(f, "pi", "3");
    help_live(&f->help, &f->agent, 4, 4); /* the stream goes on */
    check_stored(f, 4, 4);
    help_agent_deinit(&clone);
}

static void frame_without_crc_can_be_a_duplicate_and_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct frame_parts parts;
    struct rejection rejection;
    help_sample(&f->agent, 1);
    const struct help_frame *frame = &f->agent.frames[0];
    assert_int_equal(frame_split(frame->bytes, frame->size, &parts, &rejection), 0);
    for (int i = 0; i < 2; i++) {
        help_send_bytes(&f->help, &f->agent, frame->bytes, parts.covered_bytes);
        help_turn(&f->help);
    }
    check_stored(f, 1, 1);
    assert_int_equal(count_of(f, "pi", LIVE_DUPLICATES), 1);
    struct help_agent clone;
    help_agent_init(&clone, "pi", STREAM);
    help_sample(&clone, 2);
    help_send(&f->help, &clone, 1);
    help_turn(&f->help);
    check_rejected(f, 1, REJECT_CONFLICT, 1);
    help_agent_deinit(&clone);
}

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
    check_rejected(f, 0, REJECT_MALFORMED, 1);
    offer_frames(f, "\xff\xff\xff", 3);
    check_rejected(f, 0, REJECT_MALFORMED, 2);
}

static void payload_over_its_bound(void **state)
{
    struct fixture *f = *state;
    uint8_t *big = calloc(1, ENVELOPE_BYTES_MAX + 1);
    offer_frames(f, big, ENVELOPE_BYTES_MAX + 1);
    check_rejected(f, 0, REJECT_TOO_LARGE, 1);
    free(big);
}

static void status_that_is_none(void **state)
{
    struct fixture *f = *state;
    ingest_offer(f->help.ingest, "shoal/v1/pi/status", (const uint8_t *)"\xff", 1);
    ingest_offer(f->help.ingest, "shoal/v1/pi/status", NULL, 0); /* cleared by somebody: nothing */
    help_turn(&f->help);
    check_rejected(f, 0, REJECT_MALFORMED, 1);
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
    check_rejected(f, 3, reason, 1);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 2);
    check_stored(f, 2, 2);
    check_shown(f, "pi", "2");

    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_send(&f->help, &f->agent, 3);
    help_send(&f->help, &f->agent, 4);
    help_turn(&f->help);
    check_stored(f, 4, 4);
    check_shown(f, "pi", "4");
}

/* The bytes of frame 3 to be; made by an agent that does the same. */
static struct help_frame third_frame(void)
{
    struct help_agent twin;
    help_agent_init(&twin, "pi", STREAM);
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

/* Frames made by hand, around a body; the stream is STREAM. */
static struct buffer frame_around(uint64_t sequence, uint64_t key, bool is_compressed,
                                  const void *content, size_t size)
{
    struct buffer frame = {0};
    const struct frame_parts parts = {
        .header = {.stream = STREAM, .sequence = sequence, .key = key},
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
    check_rejected(f, 1, reason, 1);
    struct store_stream row;
    assert_int_equal(store_find_stream(f->help.store, "pi", STREAM, &row, &f->help.error),
                     STORE_NONE);
    f->agent.envelope.first = 1; /* the node goes on with its next stream or group */
    help_end_group(&f->agent);
    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_live(&f->help, &f->agent, 7, 7);
    check_stored(f, 1, 1);
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
        help_agent_init(&agent, "pi", STREAM + 1 + i);
        reading_begin(agent.reading);
        reading_add(agent.reading, &family, 1, NO_LABELS);
        assert_int_equal(reading_end(agent.reading), 0);
        assert_int_equal(encoder_add(agent.encoder, &input, agent.reading, 1000000, false), 0);
        help_sample(&agent, 1);
        help_send(&f->help, &agent, 1);
        help_turn(&f->help);
        check_rejected(f, 1, REJECT_RESERVED, ++count);
        assert_non_null(strstr(help_last_ack(&f->help, "pi")->rejection.text, names[i]));
        help_agent_deinit(&agent);
    }
    assert_int_equal(help_totals(&f->help).frames, 0);
}

static void sequence_beyond_what_can_be_stored(void **state)
{
    struct fixture *f = *state;
    BUFFER_AUTO struct buffer frame = frame_around(UINT64_MAX, UINT64_MAX, false, "\x08\x01", 2);
    f->agent.envelope.first = UINT64_MAX;
    help_send_bytes(&f->help, &f->agent, (const uint8_t *)frame.data, frame.size);
    help_turn(&f->help);
    check_rejected(f, UINT64_MAX, REJECT_LIMIT, 1);
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
    check_rejected(f, 3, REJECT_BAD_CRC, 1); /* told again, counted once */

    help_end_group(&f->agent); /* the agent sets the group aside and goes on */
    help_sample(&f->agent, 7);
    f->agent.envelope.first = 7;
    help_send(&f->help, &f->agent, 7);
    help_turn(&f->help);
    check_stored(f, 7, 3);
    check_shown(f, "pi", "7");
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
    check_stored(f, 20, 20);
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
    check_stored(f, 2, 2);
    help_agent_deinit(&other);
}

/* --- time --- */

static int keep_stored(void *context, const struct store_frame *frame)
{
    struct store_frame *kept = context;
    *kept = *frame;
    return 0;
}

static struct store_frame last_stored(struct fixture *f)
{
    struct store_frame frame = {0};
    struct store_reader *reader;
    assert_int_equal(store_reader_open(f->help.directory, &reader, &f->help.error), 0);
    assert_int_equal(store_reader_log(reader, 0, keep_stored, &frame, &f->help.error), 0);
    store_reader_close(reader);
    return frame;
}

static void claimed_time_is_kept(void **state)
{
    struct fixture *f = *state;
    f->agent.envelope.uncertainty_ms = 33;
    f->agent.envelope.utc_offset_ms -= 86400000; /* yesterday's backlog */
    help_live(&f->help, &f->agent, 1, 1);
    struct store_frame frame = last_stored(f);
    assert_int_equal(frame.utc_offset_ms, HELP_BOOT_OFFSET_MS - 86400000);
    assert_int_equal(frame.uncertainty_ms, 33);
    assert_int_equal(frame.source, CLOCK_SOURCE_SYSTEM);
    assert_false(frame.is_estimate);
}

static void time_in_the_future_is_replaced(void **state)
{
    struct fixture *f = *state;
    f->agent.envelope.utc_offset_ms += 60000;
    help_live(&f->help, &f->agent, 1, 1);
    assert_int_equal(last_stored(f).utc_offset_ms, HELP_BOOT_OFFSET_MS + 60000);
    f->agent.envelope.utc_offset_ms += 1;
    help_live(&f->help, &f->agent, 2, 2);
    struct store_frame frame = last_stored(f);
    assert_int_equal(frame.utc_offset_ms, HELP_BOOT_OFFSET_MS);
    assert_true(frame.is_estimate);

    f->help.clock.is_synchronised = false; /* then it is not ours to say */
    help_live(&f->help, &f->agent, 3, 3);
    assert_int_equal(last_stored(f).utc_offset_ms, HELP_BOOT_OFFSET_MS + 60001);
}

static void node_without_a_clock_gets_an_estimate_that_holds(void **state)
{
    struct fixture *f = *state;
    f->agent.envelope.source = CLOCK_SOURCE_UNKNOWN;
    f->agent.envelope.utc_offset_ms = 12345;
    f->agent.envelope.backlog_oldest_age_ms = 400;
    help_live(&f->help, &f->agent, 1, 1);
    assert_int_equal(last_stored(f).utc_offset_ms, HELP_BOOT_OFFSET_MS - 400);
    assert_true(last_stored(f).is_estimate);

    f->agent.envelope.backlog_oldest_age_ms = 0; /* slower or faster on its way: the same map */
    help_live(&f->help, &f->agent, 2, 2);
    assert_int_equal(last_stored(f).utc_offset_ms, HELP_BOOT_OFFSET_MS - 400);
    help_ingest_close(&f->help);
    help_ingest_open(&f->help);
    help_live(&f->help, &f->agent, 3, 3);
    assert_int_equal(last_stored(f).utc_offset_ms, HELP_BOOT_OFFSET_MS - 400);

    help_pass(&f->help.clock, 5000); /* its clock stood still: the map is drawn anew */
    help_live(&f->help, &f->agent, 4, 4);
    assert_int_equal(last_stored(f).utc_offset_ms, HELP_BOOT_OFFSET_MS + 5000);
}

static void time_that_no_map_can_save_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct encoder_input input = {"slow", "node", "", 1000};
    struct reading *reading = reading_new();
    static const struct family gauge = FAMILY(GAUGE, "other", "");
    reading_begin(reading);
    reading_add(reading, &gauge, 1, NO_LABELS);
    assert_int_equal(reading_end(reading), 0);
    assert_int_equal(encoder_add(f->agent.encoder, &input, reading, 0, false), 0);
    f->agent.time_ms = INT64_C(4000000000000); /* 126 years after the other reading */
    f->agent.envelope.source = CLOCK_SOURCE_UNKNOWN;
    help_sample(&f->agent, 1);
    help_send(&f->help, &f->agent, 1);
    help_turn(&f->help);
    check_rejected(f, 1, REJECT_BAD_TIME, 1);
    reading_free(reading);
}

/* --- around frames --- */

static void probe_is_answered_at_once(void **state)
{
    struct fixture *f = *state;
    BUFFER_AUTO struct buffer payload = {0};
    const struct envelope probe = {.has_probe = true, .probe_id = 99};
    assert_int_equal(envelope_pack(&probe, &payload), 0);
    ingest_offer(f->help.ingest, "shoal/v1/pi/frames", (const uint8_t *)payload.data, payload.size);
    assert_int_equal(f->help.n_acks, 1); /* before any turn */
    const struct ack *ack = help_last_ack(&f->help, "pi");
    assert_true(ack->has_answer);
    assert_int_equal(ack->answer_id, 99);
    assert_int_equal(ack->answer_received_utc_us, HELP_NOW_UTC_MS * 1000);
    assert_int_equal(ack->answer_sent_utc_us, HELP_NOW_UTC_MS * 1000);
    assert_true(ack->answer_is_synchronised);
    f->help.clock.is_synchronised = false;
    ingest_offer(f->help.ingest, "shoal/v1/pi/frames", (const uint8_t *)payload.data, payload.size);
    assert_false(help_last_ack(&f->help, "pi")->answer_is_synchronised);
    assert_int_equal(help_totals(&f->help).queue_frames, 0);
}

static void status_reaches_the_live_view(void **state)
{
    struct fixture *f = *state;
    BUFFER_AUTO struct buffer payload = {0};
    const struct status status = {.is_online = true, .version = "1.2"};
    assert_int_equal(status_pack(&status, &payload), 0);
    ingest_offer(f->help.ingest, "shoal/v1/pi/status", (const uint8_t *)payload.data, payload.size);
    help_turn(&f->help);
    struct live_node *nodes;
    size_t n;
    assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
    assert_int_equal(n, 1);
    assert_true(nodes[0].is_online);
    assert_string_equal(nodes[0].version, "1.2");
    free(nodes);
    assert_int_equal(f->help.n_acks, 0);
}

static void drops_are_stored_and_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    f->agent.envelope.drops[DROP_SPOOL_FULL] = (struct drop_total){.frames = 5, .samples = 50};
    help_live(&f->help, &f->agent, 1, 1);
    help_ingest_close(&f->help);
    help_ingest_open(&f->help);
    help_turn(&f->help);
    struct live_node *nodes;
    size_t n;
    assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(nodes[0].drops[DROP_SPOOL_FULL].frames, 5);
    assert_int_equal(nodes[0].drops[DROP_SPOOL_FULL].samples, 50);
    free(nodes);
}

static void notice_of_drops_needs_no_frame(void **state)
{
    struct fixture *f = *state;
    BUFFER_AUTO struct buffer payload = {0};
    struct drop_total drops[DROP_REASONS];
    const struct envelope notice = {.drops[DROP_TOO_LARGE] = {2, 9}};
    assert_int_equal(envelope_pack(&notice, &payload), 0);
    ingest_offer(f->help.ingest, "shoal/v1/pi/frames", (const uint8_t *)payload.data, payload.size);
    help_turn(&f->help);
    struct store_reader *reader;
    assert_int_equal(store_reader_open(f->help.directory, &reader, &f->help.error), 0);
    assert_int_equal(store_reader_drops(reader, "pi", drops, &f->help.error), 0);
    store_reader_close(reader);
    assert_int_equal(drops[DROP_TOO_LARGE].frames, 2);
}

static void credit_never_sums_to_more_than_the_queue_holds(void **state)
{
    struct fixture *f = *state;
    enum { AGENTS = 300 };
    struct help_agent *agents = calloc(AGENTS, sizeof(*agents));
    char(*names)[8] = calloc(AGENTS, sizeof(*names));
    uint64_t frames = 0;
    for (size_t i = 0; i < AGENTS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
        help_agent_init(&agents[i], names[i], 1);
        agents[i].envelope.backlog_frames = 100000;
        help_live(&f->help, &agents[i], 1, 1);
    }
    for (size_t i = 0; i < AGENTS; i++) {
        uint32_t credit = help_last_ack(&f->help, names[i])->credit_frames;
        assert_true(credit >= 1 && credit <= INGEST_QUEUE_FRAMES_MAX / INGEST_NODE_SHARE);
        frames += credit;
    }
    assert_true(frames <= INGEST_QUEUE_FRAMES_MAX);
    assert_true(frames > INGEST_QUEUE_FRAMES_MAX / 4); /* and is not hoarded */

    for (size_t i = 0; i < AGENTS; i++) { /* the backlog is gone: all of it comes back */
        agents[i].envelope.backlog_frames = 1;
        help_live(&f->help, &agents[i], 2, 2);
        assert_int_equal(help_last_ack(&f->help, names[i])->credit_frames, 1);
    }
    agents[0].envelope.backlog_frames = 100000;
    help_live(&f->help, &agents[0], 3, 3);
    assert_int_equal(help_last_ack(&f->help, names[0])->credit_frames,
                     INGEST_QUEUE_FRAMES_MAX / INGEST_NODE_SHARE);
    for (size_t i = 0; i < AGENTS; i++)
        help_agent_deinit(&agents[i]);
    free(agents);
    free(names);
}

static void overload_drops_and_the_rest_is_asked_for(void **state)
{
    struct fixture *f = *state;
    const size_t share = INGEST_QUEUE_FRAMES_MAX / INGEST_NODE_SHARE;
    for (size_t i = 0; i < share + 10; i++) {
        help_sample(&f->agent, (double)i);
        help_send(&f->help, &f->agent, i + 1);
    }
    assert_int_equal(help_totals(&f->help).overloaded, 10);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, share);
    assert_int_equal(count_of(f, "pi", LIVE_OVERLOADED), 10);
    for (size_t i = share; i < share + 10; i++)
        help_send(&f->help, &f->agent, i + 1);
    help_turn(&f->help);
    check_stored(f, share + 10, share + 10);
}

static void group_whose_beginning_is_gone_is_refused(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 3);
    assert_int_equal(
        store_db_exec(&f->help.store->db, "DELETE FROM frames WHERE sequence = 1", &f->help.error),
        0);
    help_ingest_close(&f->help);
    help_ingest_open(&f->help);
    help_live(&f->help, &f->agent, 4, 4);
    check_rejected(f, 4, REJECT_UNKNOWN, 1);
    check_stored(f, 3, 3);
    help_end_group(&f->agent);
    help_sample(&f->agent, 5);
    f->agent.envelope.first = 5;
    help_send(&f->help, &f->agent, 5);
    help_turn(&f->help);
    check_stored(f, 5, 4);
    check_shown(f, "pi", "5");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(frame_is_stored_shown_and_acked),
        TEST(ack_comes_after_the_commit_only),
        TEST(one_batch_is_one_commit_and_one_ack),
        TEST(nodes_interleave),
        TEST(groups_follow_one_another),
        TEST(restart_keeps_everything),
        TEST(first_frame_after_restart_needs_no_rebuild_before),
        TEST(reconnected_nodes_get_their_acks_anew),
        TEST(new_stream_takes_over_and_the_old_one_can_end),
        TEST(collector_without_its_store_is_sent_the_group_again),
        TEST(what_is_missing_is_asked_for_once_in_a_while),
        TEST(another_position_is_asked_for_at_once),
        TEST(gap_is_taken_where_the_agent_holds_nothing_older),
        TEST(gap_inside_a_group_is_never_taken),
        TEST(duplicates_are_acked_with_the_stores_number),
        TEST(duplicate_within_a_batch_is_known),
        TEST(another_frame_under_a_number_is_a_conflict),
        TEST(frame_without_crc_can_be_a_duplicate_and_a_conflict),
        TEST(payload_that_is_no_envelope),
        TEST(payload_over_its_bound),
        TEST(status_that_is_none),
        TEST(topics_that_fit_nothing),
        TEST(frame_with_a_wrong_crc),
        TEST(frame_with_a_wrong_byte),
        TEST(body_that_is_no_protobuf),
        TEST(body_that_ends_too_soon),
        TEST(body_with_a_series_id_out_of_range),
        TEST(body_with_a_line_feed_in_a_name),
        TEST(body_with_a_label_that_is_no_utf8),
        TEST(zstd_that_claims_too_much),
        TEST(zstd_that_is_none),
        TEST(reserved_families_are_refused),
        TEST(sequence_beyond_what_can_be_stored),
        TEST(rest_of_a_refused_group_is_told_once_in_a_while),
        TEST(bad_node_costs_no_other_node_anything),
        TEST(nodes_have_a_bound),
        TEST(claimed_time_is_kept),
        TEST(time_in_the_future_is_replaced),
        TEST(node_without_a_clock_gets_an_estimate_that_holds),
        TEST(time_that_no_map_can_save_is_refused),
        TEST(probe_is_answered_at_once),
        TEST(status_reaches_the_live_view),
        TEST(drops_are_stored_and_survive_a_restart),
        TEST(notice_of_drops_needs_no_frame),
        TEST(credit_never_sums_to_more_than_the_queue_holds),
        TEST(overload_drops_and_the_rest_is_asked_for),
        TEST(group_whose_beginning_is_gone_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
