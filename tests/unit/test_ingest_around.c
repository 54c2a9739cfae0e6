/* What is around frames: time, probes, status, drops, credit, overload. */
#include <string.h>

#include "collector/store_private.h"
#include "ingest_fixture.h"

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

static void what_the_node_says_of_its_clock_is_shown(void **state)
{
    struct fixture *f = *state;
    for (int64_t off_ms = -3600000; off_ms <= 0; off_ms += 3600000) {
        struct live_node *nodes;
        size_t n;
        f->agent.envelope.source = CLOCK_SOURCE_PROBE;
        f->agent.envelope.uncertainty_ms = 26;
        f->agent.envelope.system_off_ms = off_ms;
        help_live(&f->help, &f->agent, 1, 2);
        assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(nodes[0].source, CLOCK_SOURCE_PROBE);
        assert_int_equal(nodes[0].uncertainty_ms, 26);
        assert_int_equal(nodes[0].system_off_ms, off_ms);
        free(nodes);
    }
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
    fixture_check_rejected(f, 1, REJECT_BAD_TIME, 1);
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
    assert_int_equal(fixture_count_of(f, "pi", LIVE_OVERLOADED), 10);
    for (size_t i = share; i < share + 10; i++)
        help_send(&f->help, &f->agent, i + 1);
    help_turn(&f->help);
    fixture_check_stored(f, share + 10, share + 10);
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
    fixture_check_rejected(f, 4, REJECT_UNKNOWN, 1);
    fixture_check_stored(f, 3, 3);
    help_end_group(&f->agent);
    help_sample(&f->agent, 5);
    f->agent.envelope.first = 5;
    help_send(&f->help, &f->agent, 5);
    help_turn(&f->help);
    fixture_check_stored(f, 5, 4);
    fixture_check_shown(f, "pi", "5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(claimed_time_is_kept),
        FIXTURE_TEST(time_in_the_future_is_replaced),
        FIXTURE_TEST(what_the_node_says_of_its_clock_is_shown),
        FIXTURE_TEST(node_without_a_clock_gets_an_estimate_that_holds),
        FIXTURE_TEST(time_that_no_map_can_save_is_refused),
        FIXTURE_TEST(probe_is_answered_at_once),
        FIXTURE_TEST(status_reaches_the_live_view),
        FIXTURE_TEST(drops_are_stored_and_survive_a_restart),
        FIXTURE_TEST(notice_of_drops_needs_no_frame),
        FIXTURE_TEST(credit_never_sums_to_more_than_the_queue_holds),
        FIXTURE_TEST(overload_drops_and_the_rest_is_asked_for),
        FIXTURE_TEST(group_whose_beginning_is_gone_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
