/* What ingest does when the store fails: nothing that is not committed is acked or shown, nothing
 * that is acked is lost, and it goes on by itself. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "collector/store_private.h"
#include "fault_vfs.h"
#include "ingest_help.h"

#define FRAMES 12

struct fixture {
    struct fault fault;
    struct help_ingest help;
    struct help_agent agents[2];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    fault_init(&f->fault);
    f->help.directory = help_directory();
    f->help.nodes_max = 1000;
    help_clock_init(&f->help.clock);
    help_ingest_open(&f->help);
    help_agent_init(&f->agents[0], "pi", 1);
    help_agent_init(&f->agents[1], "rig", 2);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fault_arm(&f->fault, 0, 0, 0);
    help_agent_deinit(&f->agents[0]);
    help_agent_deinit(&f->agents[1]);
    help_ingest_close(&f->help);
    help_remove_directory(f->help.directory);
    fault_deinit(&f->fault);
    free(f->help.acks);
    free(f);
    return 0;
}

static uint64_t stored_frames(struct fixture *f, const struct help_agent *agent)
{
    struct store_stream row;
    uint64_t stream = agent == &f->agents[0] ? 1 : 2;
    int r = store_find_stream(f->help.store, agent->node, stream, &row, &f->help.error);
    assert_true(r == 0 || r == STORE_NONE);
    return r == 0 ? row.committed : 0;
}

/* Nothing is acked that the store does not have. */
static void check_acks(struct fixture *f)
{
    for (size_t i = 0; i < f->help.n_acks; i++) {
        const struct help_ack *ack = &f->help.acks[i];
        size_t agent = strcmp(ack->node, "pi") == 0 ? 0 : 1;
        assert_true(ack->ack.committed <= stored_frames(f, &f->agents[agent]));
    }
}

/* An agent that sends again from the first frame that is not acked. */
static void send_unacked(struct fixture *f, struct help_agent *agent)
{
    for (uint64_t next = stored_frames(f, agent) + 1; next <= agent->n_frames; next++)
        help_send(&f->help, agent, next);
}

static void check_all_arrived(struct fixture *f)
{
    for (size_t i = 0; i < 2; i++) {
        char want[16];
        (void)snprintf(want, sizeof(want), "%zu", f->agents[i].n_frames);
        assert_int_equal(stored_frames(f, &f->agents[i]), f->agents[i].n_frames);
        char *shown = help_shown(&f->help, f->agents[i].node);
        assert_string_equal(shown != NULL ? shown : "(nothing)", want);
        free(shown);
    }
}

static void pass(struct fixture *f, int64_t ms)
{
    help_pass(&f->help.clock, ms);
    for (size_t i = 0; i < 2; i++)
        f->agents[i].time_ms = f->help.clock.boot_ms;
}

/* Lets the nth operation fail while frames arrive; false when it was not reached. */
static bool run_with_fault(struct fixture *f, int nth, int failures, int result)
{
    pass(f, 10000);
    fault_arm(&f->fault, nth, failures, result);
    for (int i = 0; i < FRAMES / 4; i++) {
        for (size_t k = 0; k < 2; k++) {
            help_sample(&f->agents[k], (double)f->agents[k].n_frames + 1);
            help_send(&f->help, &f->agents[k], f->agents[k].n_frames);
        }
        help_turn(&f->help);
        check_acks(f);
    }
    bool was_reached = f->fault.operations >= nth;
    fault_arm(&f->fault, 0, 0, 0);
    for (int tries = 0; tries < 3; tries++) {
        pass(f, INGEST_RESEND_MS);
        send_unacked(f, &f->agents[0]);
        send_unacked(f, &f->agents[1]);
        help_turn(&f->help);
    }
    help_turn(&f->help); /* what was forgotten is rebuilt */
    check_acks(f);
    check_all_arrived(f);
    assert_true(help_totals(&f->help).is_storing);
    return was_reached;
}

static void fail_each(void **state, int failures, int result)
{
    struct fixture *f = *state;
    int nth = 1;
    while (nth < 400 && run_with_fault(f, nth, failures, result))
        nth++;
    assert_true(nth > 5 && nth < 400);
    assert_true(help_totals(&f->help).commit_failures > 0);
    help_ingest_close(&f->help);
    help_ingest_open(&f->help);
    help_turn(&f->help);
    check_all_arrived(f);
}

static void each_write_finds_the_disk_full(void **state)
{
    fail_each(state, 1, SQLITE_FULL);
}

static void each_write_fails(void **state)
{
    fail_each(state, 1, SQLITE_IOERR_WRITE);
}

static void several_writes_fail(void **state)
{
    fail_each(state, 7, SQLITE_IOERR_WRITE);
}

static void failure_is_told_and_nothing_is_acked(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agents[0], 1, 2);
    help_forget_acks(&f->help);
    fault_arm(&f->fault, 1, 1000, SQLITE_FULL);
    help_sample(&f->agents[0], 3);
    for (int i = 0; i < 3; i++) {
        help_send(&f->help, &f->agents[0], 3);
        help_turn(&f->help);
        help_pass(&f->help.clock, INGEST_RESEND_MS);
    }
    assert_int_equal(f->help.n_acks, 0);
    assert_false(help_totals(&f->help).is_storing);
    assert_true(help_totals(&f->help).commit_failures >= 3);
    char *shown = help_shown(&f->help, "pi");
    assert_string_equal(shown != NULL ? shown : "(nothing)", "2");
    free(shown);
    fault_arm(&f->fault, 0, 0, 0);
    help_send(&f->help, &f->agents[0], 3);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 3);
    assert_true(help_totals(&f->help).is_storing);
}

static void one_frame_that_cannot_be_stored_costs_no_other(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        store_db_exec(&f->help.store->db,
                      "CREATE TRIGGER bad BEFORE INSERT ON frames WHEN NEW.sequence = 3"
                      " AND NEW.stream = (SELECT row FROM streams WHERE node = 'pi')"
                      " BEGIN SELECT raise(ABORT, 'not this one'); END",
                      &f->help.error),
        0);
    for (int i = 1; i <= 4; i++) {
        for (size_t k = 0; k < 2; k++) {
            help_sample(&f->agents[k], i);
            help_send(&f->help, &f->agents[k], (size_t)i);
        }
    }
    help_turn(&f->help);
    assert_int_equal(stored_frames(f, &f->agents[0]), 2);
    assert_int_equal(stored_frames(f, &f->agents[1]), 4);
    const struct ack *ack = help_last_ack(&f->help, "pi");
    assert_int_equal(ack->committed, 2);
    assert_true(ack->has_rejection);
    assert_int_equal(ack->rejected_sequence, 3);
    assert_int_equal(ack->rejection.reason, REJECT_LIMIT);
    assert_non_null(strstr(ack->rejection.text, "not this one"));
    assert_int_equal(help_totals(&f->help).rejected[REJECT_LIMIT], 1);
    assert_int_equal(help_totals(&f->help).commits, 1);

    help_end_group(&f->agents[0]); /* and the node goes on with its next group */
    help_sample(&f->agents[0], 5);
    f->agents[0].envelope.first = 5;
    help_send(&f->help, &f->agents[0], 5);
    help_turn(&f->help);
    assert_int_equal(stored_frames(f, &f->agents[0]), 5);
}

static int refuse_commit(void *context)
{
    int *refusals = context;
    return (*refusals)-- > 0;
}

static void commit_that_is_refused_is_tried_again(void **state)
{
    struct fixture *f = *state;
    int refusals = 2; /* the batch, and the same with care */
    help_live(&f->help, &f->agents[0], 1, 2);
    help_forget_acks(&f->help);
    (void)sqlite3_commit_hook(f->help.store->db.sqlite, refuse_commit, &refusals);
    help_sample(&f->agents[0], 3);
    help_send(&f->help, &f->agents[0], 3);
    help_turn(&f->help);
    assert_int_equal(refusals, 0);
    assert_int_equal(stored_frames(f, &f->agents[0]), 2);
    assert_int_equal(f->help.n_acks, 0);
    help_send(&f->help, &f->agents[0], 3);
    help_turn(&f->help);
    (void)sqlite3_commit_hook(f->help.store->db.sqlite, NULL, NULL);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 3);
    char *shown = help_shown(&f->help, "pi");
    assert_string_equal(shown != NULL ? shown : "(nothing)", "3");
    free(shown);
}

/* SQLite calls it when the commit is done, and hands its error to whoever committed. */
static int fail_after_commit(void *context, sqlite3 *sqlite, const char *name, int pages)
{
    (void)context;
    (void)sqlite;
    (void)name;
    (void)pages;
    return SQLITE_IOERR;
}

static void commit_that_failed_but_happened_is_found_out(void **state)
{
    struct fixture *f = *state;
    help_live(&f->help, &f->agents[0], 1, 2);
    help_forget_acks(&f->help);
    (void)sqlite3_wal_hook(f->help.store->db.sqlite, fail_after_commit, NULL);
    help_sample(&f->agents[0], 3);
    help_send(&f->help, &f->agents[0], 3);
    help_turn(&f->help);
    (void)sqlite3_wal_hook(f->help.store->db.sqlite, NULL, NULL);
    assert_int_equal(stored_frames(f, &f->agents[0]), 3);
    assert_int_equal(f->help.n_acks, 0);
    help_turn(&f->help); /* the values are those of the store, without a frame of the node's */
    char *shown = help_shown(&f->help, "pi");
    assert_string_equal(shown != NULL ? shown : "(nothing)", "3");
    free(shown);
    help_send(&f->help, &f->agents[0], 3);
    help_turn(&f->help);
    assert_int_equal(help_last_ack(&f->help, "pi")->committed, 3);
    assert_false(help_last_ack(&f->help, "pi")->has_rejection);
    help_live(&f->help, &f->agents[0], 4, 4);
    assert_int_equal(stored_frames(f, &f->agents[0]), 4);
}

static void tell_acked(void *context, const char *node, const struct ack *ack)
{
    (void)node;
    const int *to = context;
    if (write(*to, &ack->committed, sizeof(ack->committed)) != (ssize_t)sizeof(ack->committed))
        _exit(1);
}

/* A collector in a child: takes frames until it is killed. */
static void ingest_until_killed(const char *directory, int to)
{
    struct help_ingest help = {.nodes_max = 10};
    struct help_agent agent;
    help_clock_init(&help.clock);
    help.store = help_open(directory, &help.clock);
    help.live = live_new(&help.clock.clock, 10);
    const struct ingest_options options = {.store = help.store,
                                           .live = help.live,
                                           .clock = &help.clock.clock,
                                           .topic_prefix = "shoal/v1",
                                           .send = tell_acked,
                                           .context = &to};
    assert_int_equal(ingest_new(&options, &help.ingest), 0);
    help_agent_init(&agent, "pi", 1);
    for (;;) {
        for (int i = 0; i < 5; i++) {
            help_sample(&agent, (double)agent.n_frames + 1);
            help_send(&help, &agent, agent.n_frames);
        }
        assert_int_equal(ingest_turn(help.ingest, 0), 0);
    }
}

static uint64_t run_child(const struct fixture *f, int acks_before_kill)
{
    int ends[2];
    uint64_t acked = 0;
    uint64_t committed = 0;
    int n = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        ingest_until_killed(f->help.directory, ends[1]);
    }
    (void)close(ends[1]);
    while (read(ends[0], &committed, sizeof(committed)) == (ssize_t)sizeof(committed)) {
        acked = committed;
        if (++n == acks_before_kill)
            (void)kill(child, SIGKILL);
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return acked;
}

static void killed_collector_has_all_that_it_acked(void **state)
{
    struct fixture *f = *state;
    for (int round = 1; round <= 8; round++) {
        help_ingest_close(&f->help);
        uint64_t acked = run_child(f, round * 2);
        help_ingest_open(&f->help);
        help_turn(&f->help);
        uint64_t stored = stored_frames(f, &f->agents[0]);
        assert_true(acked > 0 && stored >= acked);
        char want[24];
        (void)snprintf(want, sizeof(want), "%llu", (unsigned long long)stored);
        char *shown = help_shown(&f->help, "pi");
        assert_string_equal(shown != NULL ? shown : "(nothing)", want);
        free(shown);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_write_finds_the_disk_full),
        TEST(each_write_fails),
        TEST(several_writes_fail),
        TEST(failure_is_told_and_nothing_is_acked),
        TEST(one_frame_that_cannot_be_stored_costs_no_other),
        TEST(commit_that_is_refused_is_tried_again),
        TEST(commit_that_failed_but_happened_is_found_out),
        TEST(killed_collector_has_all_that_it_acked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
