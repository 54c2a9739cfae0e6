#include <string.h>

#include "common/frame_wire.h"
#include "ingest_fixture.h"

/* --- in order --- */

static void frame_is_stored_shown_and_acked(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 42, 42);
    const struct ack *ack = help_last_ack(&f->help, "pi");
    assert_int_equal(f->help.n_acks, 1);
    assert_true(ack->collector == store_id(f->help.store));
    assert_int_equal(ack->stream, FIXTURE_STREAM);
    assert_int_equal(ack->committed, 1);
    assert_int_equal(ack->resend_from, 0);
    assert_false(ack->has_rejection);
    assert_true(ack->has_credit);
    assert_int_equal(ack->credit_frames, 1);
    assert_true(ack->credit_bytes >= (uint64_t)ENVELOPE_BYTES_MAX);
    fixture_check_shown(f, "pi", "42");
    fixture_check_stored(f, 1, 1);
    assert_int_equal(fixture_count_of(f, "pi", LIVE_FRAMES), 1);
    assert_int_equal(fixture_count_of(f, "pi", LIVE_SAMPLES), 2);
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
    fixture_check_shown(f, "pi", "49");
}

static void nodes_interleave(void **state)
{
    struct fixture *f = *state;
    struct help_agent other;
    help_agent_init(&other, "rig",
                    FIXTURE_STREAM); /* the same stream id: another node's is another */
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
    fixture_check_shown(f, "pi", "9");
    fixture_check_shown(f, "rig", "109");
    help_agent_deinit(&other);
}

static void groups_follow_one_another(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agent, 1, 3);
    help_end_group(&f->agent);
    help_live(&f->help, &f->agent, 4, 5);
    assert_int_equal(f->agent.frames[3].key, 4);
    fixture_check_stored(f, 5, 5);
    assert_int_equal(help_row(&f->help, "pi", FIXTURE_STREAM).key, 4);
    fixture_check_shown(f, "pi", "5");
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
    fixture_check_shown(f, "pi", "7");
    struct live_totals totals;
    live_totals(f->help.live, &totals);
    assert_true(totals.is_rebuilt);

    help_send(&f->help, &f->agent, 7);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 7);
    help_live(&f->help, &f->agent, 8, 8); /* goes on inside the group */
    fixture_check_stored(f, 8, 8);
    fixture_check_shown(f, "pi", "8");
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
    fixture_check_shown(f, "pi", "8");
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
    assert_int_equal(help_last_ack(&f->help, "pi")->stream, FIXTURE_STREAM);
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
    fixture_check_shown(f, "pi", "12");
    help_live(&f->help, &f->agent, 4, 4); /* a frame of the old one, late */
    fixture_check_stored(f, 4, 4);
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
    fixture_check_stored(f, 5, 3);
    assert_int_equal(help_row(&f->help, "pi", FIXTURE_STREAM).gap_frames, 2);
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
    assert_int_equal(fixture_count_of(f, "pi", LIVE_RESYNCS), 1);
    fixture_check_stored(f, 2, 2);

    help_pass(&f->help.clock, INGEST_RESEND_MS);
    help_send(&f->help, &f->agent, 6);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->resend_from, 3);
    for (size_t i = 3; i <= 6; i++)
        help_send(&f->help, &f->agent, i);
    help_turn(&f->help);
    fixture_check_stored(f, 6, 6);
    fixture_check_shown(f, "pi", "6");
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
    fixture_check_stored(f, 2, 2);

    f->agent.envelope.first = 6;
    help_send(&f->help, &f->agent, 6);
    help_turn(&f->help);
    fixture_check_stored(f, 6, 3);
    assert_int_equal(help_row(&f->help, "pi", FIXTURE_STREAM).gap_frames, 3);
    assert_int_equal(fixture_count_of(f, "pi", LIVE_GAP_FRAMES), 3);
    fixture_check_shown(f, "pi", "6");
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
    fixture_check_stored(f, 2, 2);
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
    assert_int_equal(fixture_count_of(f, "pi", LIVE_DUPLICATES), 2);
    fixture_check_stored(f, 5, 5);
    fixture_check_shown(f, "pi", "5");
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
    fixture_check_stored(f, 2, 2);
    assert_int_equal(fixture_count_of(f, "pi", LIVE_DUPLICATES), 2);
    assert_false(help_last_ack(&f->help, "pi")->has_rejection);
}

static void another_frame_under_a_number_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct help_agent clone;
    help_live(&f->help, &f->agent, 1, 3);
    help_agent_init(&clone, "pi", FIXTURE_STREAM);
    for (int i = 0; i < 3; i++)
        help_sample(&clone, 50 + i);
    help_send(&f->help, &clone, 2);
    help_turn(&f->help);
    fixture_check_rejected(f, 2, REJECT_CONFLICT, 1);
    fixture_check_stored(f, 3, 3);
    fixture_check_shown(f, "pi", "3");
    help_live(&f->help, &f->agent, 4, 4); /* the stream goes on */
    fixture_check_stored(f, 4, 4);
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
    fixture_check_stored(f, 1, 1);
    assert_int_equal(fixture_count_of(f, "pi", LIVE_DUPLICATES), 1);
    struct help_agent clone;
    help_agent_init(&clone, "pi", FIXTURE_STREAM);
    help_sample(&clone, 2);
    help_send(&f->help, &clone, 1);
    help_turn(&f->help);
    fixture_check_rejected(f, 1, REJECT_CONFLICT, 1);
    help_agent_deinit(&clone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(frame_is_stored_shown_and_acked),
        FIXTURE_TEST(ack_comes_after_the_commit_only),
        FIXTURE_TEST(one_batch_is_one_commit_and_one_ack),
        FIXTURE_TEST(nodes_interleave),
        FIXTURE_TEST(groups_follow_one_another),
        FIXTURE_TEST(restart_keeps_everything),
        FIXTURE_TEST(first_frame_after_restart_needs_no_rebuild_before),
        FIXTURE_TEST(reconnected_nodes_get_their_acks_anew),
        FIXTURE_TEST(new_stream_takes_over_and_the_old_one_can_end),
        FIXTURE_TEST(collector_without_its_store_is_sent_the_group_again),
        FIXTURE_TEST(what_is_missing_is_asked_for_once_in_a_while),
        FIXTURE_TEST(another_position_is_asked_for_at_once),
        FIXTURE_TEST(gap_is_taken_where_the_agent_holds_nothing_older),
        FIXTURE_TEST(gap_inside_a_group_is_never_taken),
        FIXTURE_TEST(duplicates_are_acked_with_the_stores_number),
        FIXTURE_TEST(duplicate_within_a_batch_is_known),
        FIXTURE_TEST(another_frame_under_a_number_is_a_conflict),
        FIXTURE_TEST(frame_without_crc_can_be_a_duplicate_and_a_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
