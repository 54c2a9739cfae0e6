/* The spool: what it keeps over which end, what it frees, drops, sets aside and reports. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/spool_help.h"

#define COLLECTOR 99
#define MEBIBYTE INT64_C(1048576)

static int set_up(void **state)
{
    struct spool_help *help = calloc(1, sizeof(*help));
    assert_non_null(help);
    spool_help_init(help);
    spool_help_open(help);
    *state = help;
    return 0;
}

static int tear_down(void **state)
{
    spool_help_deinit(*state);
    free(*state);
    return 0;
}

/* Frames 1-3, 4-6 and 7-8 as three groups. */
static void three_groups(struct spool_help *help)
{
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(spool_help_append(help, i % 3 == 0), 0);
}

static struct spool_position position_of(struct spool_help *help)
{
    struct spool_position position;
    spool_position(help->spool, &position);
    return position;
}

static uint64_t first_at(struct spool_help *help, uint64_t sequence)
{
    struct spool_frame frame = {0};
    assert_int_equal(spool_read(help->spool, help->stream, sequence, &frame), 0);
    buffer_deinit(&frame.bytes);
    return frame.first;
}

static bool file_exists(const char *directory, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void test_empty(void **state)
{
    struct spool_help *help = *state;
    struct spool_frame frame = {0};
    assert_int_equal(spool_read(help->spool, help->stream, 0, &frame), SPOOL_EMPTY);
    assert_int_equal(spool_read(help->spool, 4711, 0, &frame), SPOOL_EMPTY);
    assert_int_equal(position_of(help).stream, help->stream);
    assert_int_equal(spool_ack(help->spool, help->stream, 5), SPOOL_EMPTY);
    assert_int_equal(spool_ack(help->spool, 4711, 0), SPOOL_EMPTY);
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.unacked_frames, 0);
    assert_true(now.oldest_unacked_ms == INT64_MAX);
    assert_true(now.is_durable);
    assert_false(file_exists(help->state, SPOOL_FILE)); /* it is made when there is something */
    spool_close(NULL);
}

static void test_acks_free_whole_groups(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    assert_int_equal(spool_ack(help->spool, help->stream, 5), 0);
    assert_int_equal(first_at(help, 6), 4);
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.held[SPOOL_RUNTIME].frames, 5);
    assert_int_equal(now.unacked_frames, 3);
    assert_int_equal(now.unacked_bytes, 3 * SPOOL_HELP_FRAME_BYTES);
    assert_int_equal(spool_ack(help->spool, help->stream, 8), 0);
    now = spool_help_state(help);
    assert_int_equal(now.held[SPOOL_RUNTIME].frames, 2); /* the open group stays */
    assert_int_equal(now.unacked_frames, 0);
    assert_true(now.oldest_unacked_ms == INT64_MAX);
    assert_int_equal(spool_help_append(help, true), 0);
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 1);
    assert_int_equal(first_at(help, 1), 9);
}

static void test_older_store(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    assert_int_equal(spool_ack(help->spool, help->stream, 5), 0);
    assert_int_equal(spool_ack(help->spool, help->stream, 2), 0);
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.unacked_frames, 5); /* 4 to 8: 1 to 3 are gone */
    assert_int_equal(position_of(help).acked, 2);
    assert_true(spool_help_has(help, help->stream, 4));
    assert_false(spool_help_has(help, help->stream, 3));
    assert_int_equal(spool_ack(help->spool, help->stream, 0), 0);
    assert_int_equal(spool_ack(help->spool, help->stream, 9), SPOOL_EMPTY);
}

static void test_refuses_wrong_numbers(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    help->last = 7; /* 8 again */
    assert_int_equal(spool_help_append(help, false), -EINVAL);
    help->last = 9; /* a gap within a group */
    assert_int_equal(spool_help_append(help, false), -EINVAL);
    help->last = 8;
    help->key = 4; /* of a group that has ended */
    assert_int_equal(spool_help_append(help, false), -EINVAL);
    help->frame_bytes = 0;
    assert_int_equal(spool_help_append(help, true), -EINVAL);
}

static void test_oldest_unacked(void **state)
{
    struct spool_help *help = *state;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(spool_help_append(help, i == 3), 0);
        help->now_ms += 1000;
    }
    assert_int_equal(spool_help_state(help).oldest_unacked_ms, 1000000);
    assert_int_equal(spool_ack(help->spool, help->stream, 2), 0);
    assert_int_equal(spool_help_state(help).oldest_unacked_ms, 1002000);
    assert_int_equal(spool_ack(help->spool, help->stream, 3), 0);
    assert_int_equal(spool_help_state(help).oldest_unacked_ms, 1003000);
    assert_int_equal(spool_ack(help->spool, help->stream, 5), 0);
    assert_int_equal(spool_help_append(help, false), 0);
    assert_int_equal(spool_help_state(help).oldest_unacked_ms, 1005000);
}

/* --- the end of the process, and of the power --- */

static void test_outlives_a_kill(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    assert_int_equal(spool_ack(help->spool, help->stream, 4), 0);
    spool_help_crash(help);
    spool_help_open(help);
    assert_int_equal(position_of(help).stream, 1);
    for (uint64_t sequence = 5; sequence <= 8; sequence++)
        assert_true(spool_help_has(help, 1, sequence));
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 0);
    spool_help_append_many(help, 2);
    assert_int_equal(position_of(help).stream, 1); /* the oldest stream first */
    assert_int_equal(spool_help_state(help).streams, 2);
    assert_int_equal(spool_ack(help->spool, 1, 8), 0);
    assert_int_equal(position_of(help).stream, 2);
    assert_int_equal(spool_help_state(help).streams, 1);
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 2);
    spool_help_crash(help);
    spool_help_open(help);
    assert_int_equal(position_of(help).stream, 2);
    assert_false(spool_help_has(help, 1, 8)); /* what is freed does not come back */
}

static void test_moves_what_stays_unacked(void **state)
{
    struct spool_help *help = *state;
    spool_help_append_many(help, 3);
    assert_int_equal(spool_ack(help->spool, help->stream, 2), 0);
    spool_help_pass(help, SPOOL_HELP_FLUSH_MS - 1);
    assert_false(file_exists(help->state, SPOOL_FILE));
    assert_int_equal(spool_deadline_ms(help->spool), help->now_ms + 1);
    spool_help_pass(help, 1);
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.held[SPOOL_STATE].frames, 3); /* from the key frame on */
    assert_int_equal(now.held[SPOOL_RUNTIME].frames, 0);
    assert_int_equal(now.flushes, 1);
    spool_help_append_many(help, 2); /* these wait again */
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 2);
    for (uint64_t sequence = 3; sequence <= 5; sequence++)
        assert_true(spool_help_has(help, help->stream, sequence));
    spool_help_lose_power(help);
    help->boot = "boot-2";
    spool_help_open(help);
    assert_true(spool_help_has(help, 1, 3));
    assert_false(spool_help_has(help, 1, 4));
    assert_int_equal(spool_ack(help->spool, 1, 3), 0);
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 0);
    assert_int_equal(spool_help_state(help).streams, 1);
}

static void test_moves_at_the_end(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    assert_int_equal(spool_ack(help->spool, help->stream, 4), 0);
    spool_help_close(help);
    spool_help_open(help);
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 5);
    assert_int_equal(spool_help_state(help).unacked_frames, 4);
    assert_int_equal(position_of(help).acked, 4);
    assert_int_equal(spool_ack(help->spool, 1, 8), 0);
    spool_help_close(help);
    spool_help_open(help);
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 0);
    assert_int_equal(spool_help_state(help).streams, 1);
}

static void test_at_once(void **state)
{
    struct spool_help *help = *state;
    help->bounds.flush_after_ms = 0;
    spool_set_bounds(help->spool, &help->bounds);
    spool_help_append_many(help, 2);
    spool_help_pass(help, 0);
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 2);
}

/* In normal service the state directory is not written, and not even opened. */
static void test_no_writes_while_acked(void **state)
{
    struct spool_help *help = *state;
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(spool_help_append(help, i % 50 == 0), 0);
        assert_int_equal(spool_ack(help->spool, help->stream, help->last), 0);
        spool_help_pass(help, 15000);
    }
    assert_false(file_exists(help->state, SPOOL_FILE));
    assert_int_equal(spool_help_state(help).flushes, 0);
}

static void test_clock_of_another_boot(void **state)
{
    struct spool_help *help = *state;
    spool_set_clock(help->spool, "first", 5);
    spool_help_append_many(help, 1);
    spool_set_clock(help->spool, "second", 6);
    help->now_ms += 5000;
    spool_help_append_many(help, 1);
    spool_help_close(help);
    help->boot = "boot-2";
    help->now_ms = 1000;
    spool_help_open(help);
    struct spool_frame frame = {0};
    assert_int_equal(spool_read(help->spool, 1, 1, &frame), 0);
    assert_false(frame.is_of_boot);
    assert_int_equal(frame.clock_bytes, 6);
    assert_memory_equal(frame.clock, "second", 6);
    assert_int_equal(frame.last_ms, 1005000);
    spool_help_append_many(help, 1);
    assert_int_equal(spool_read(help->spool, 2, 1, &frame), 0);
    assert_true(frame.is_of_boot);
    buffer_deinit(&frame.bytes);
    assert_int_equal(spool_help_state(help).oldest_unacked_ms, 0);
}

/* --- bounds --- */

static void test_oldest_group_goes_at_the_bound(void **state)
{
    struct spool_help *help = *state;
    help->frame_bytes = 50000;
    help->bounds.max_bytes = SPOOL_BYTES_MIN;
    spool_set_bounds(help->spool, &help->bounds);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(spool_help_append(help, i % 5 == 0), 0);
        spool_help_pass(help, SPOOL_HELP_FLUSH_MS);
    }
    struct spool_state now = spool_help_state(help);
    uint64_t held = now.held[SPOOL_STATE].frames + now.held[SPOOL_RUNTIME].frames;
    assert_in_range(held, 30, 80);
    assert_int_equal(held % 5, 0);
    assert_int_equal(now.drops[DROP_SPOOL_FULL].frames, 200 - held);
    assert_int_equal(now.drops[DROP_SPOOL_FULL].samples, (200 - held) * 10);
    assert_int_equal(first_at(help, 1), 200 - held + 1);
    struct stat status;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/" SPOOL_FILE, help->state);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size <= SPOOL_BYTES_MIN);
    spool_help_lose_power(help); /* the count is durable */
    spool_help_open(help);
    assert_int_equal(spool_help_state(help).drops[DROP_SPOOL_FULL].frames, 200 - held);
}

static void test_runtime_directory_is_bounded(void **state)
{
    struct spool_help *help = *state;
    help->frame_bytes = 50000;
    help->bounds.memory_bytes = MEBIBYTE;
    spool_set_bounds(help->spool, &help->bounds);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(spool_help_append(help, i % 5 == 0), 0);
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.drops[DROP_SPOOL_FULL].frames, 0); /* it moved instead */
    assert_true(now.held[SPOOL_RUNTIME].bytes < MEBIBYTE);
    assert_int_equal(now.held[SPOOL_RUNTIME].frames + now.held[SPOOL_STATE].frames, 60);
    assert_int_equal(now.unacked_frames, 60);
}

/* What rows and pages cost beyond their bytes counts, too. */
static void test_small_frames_are_bounded(void **state)
{
    struct spool_help *help = *state;
    struct stat status;
    char path[256];
    spool_help_close(help);
    (void)snprintf(help->state, sizeof(help->state), "/proc/nowhere");
    help->bounds.memory_bytes = MEBIBYTE;
    help->frame_bytes = 60;
    spool_help_open(help);
    for (unsigned i = 0; i < 15000; i++)
        assert_int_equal(spool_help_append(help, i % 50 == 0), 0);
    assert_true(spool_help_state(help).drops[DROP_SPOOL_FULL].frames > 0);
    spool_help_close(help);
    (void)snprintf(path, sizeof(path), "%s/" SPOOL_FILE, help->runtime);
    assert_int_equal(stat(path, &status), 0);
    assert_in_range(status.st_size, MEBIBYTE * 9 / 10, MEBIBYTE);
    spool_help_open(help);
}

static void test_own_group_goes_at_the_bound(void **state)
{
    struct spool_help *help = *state;
    spool_help_close(help);
    (void)snprintf(help->state, sizeof(help->state), "/proc/nowhere");
    help->bounds.memory_bytes = MEBIBYTE;
    spool_help_open(help);
    help->frame_bytes = 100000;
    int r = 0;
    while (r == 0)
        r = spool_help_append(help, false);
    assert_int_equal(r, SPOOL_CUT);
    struct spool_state now = spool_help_state(help);
    assert_true(now.is_cut);
    assert_int_equal(now.drops[DROP_SPOOL_FULL].frames, help->last);
    assert_int_equal(spool_help_append(help, false), SPOOL_CUT);
    assert_int_equal(spool_help_append(help, true), 0);
    assert_false(spool_help_state(help).is_cut);
    assert_true(spool_help_has(help, help->stream, help->last));
}

/* --- refused --- */

static void test_set_aside(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    (void)spool_meet(help->spool, COLLECTOR, "1");
    assert_int_equal(spool_ack(help->spool, help->stream, 4), 0);
    spool_set_aside(help->spool, help->stream, 5, COLLECTOR);
    assert_int_equal(spool_help_state(help).aside_frames, 2);
    assert_int_equal(spool_help_state(help).unacked_frames, 2);
    assert_false(spool_help_has(help, help->stream, 5));
    assert_int_equal(first_at(help, 5), 7); /* to the collector a legal gap */
    assert_int_equal(spool_ack(help->spool, help->stream, 8), 0);
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 5); /* and the open group */
    assert_int_equal(spool_help_state(help).drops[DROP_REJECTED].frames, 0);
    assert_false(spool_meet(help->spool, COLLECTOR, "1"));
    assert_true(spool_meet(help->spool, COLLECTOR, "2")); /* the same store has passed it over */
    assert_int_equal(spool_help_state(help).aside_frames, 2);
    spool_help_crash(help);
    spool_help_open(help);
    assert_int_equal(spool_help_state(help).aside_frames, 2);
    (void)spool_meet(help->spool, COLLECTOR, "2");
    assert_true(spool_meet(help->spool, COLLECTOR + 1, "2"));
    assert_int_equal(spool_help_state(help).aside_frames, 0);
    assert_true(spool_help_has(help, 1, 4)); /* another store has nothing of it */
    assert_true(spool_help_has(help, 1, 5));
    assert_int_equal(spool_ack(help->spool, 1, 8), 0);
    assert_int_equal(spool_help_state(help).streams, 1);
}

static void test_set_aside_while_open(void **state)
{
    struct spool_help *help = *state;
    spool_help_append_many(help, 2);
    spool_set_aside(help->spool, help->stream, 1, COLLECTOR);
    assert_true(spool_help_state(help).is_cut);
    spool_help_append_many(help, 1); /* of the same group: kept too */
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.aside_frames, 3);
    assert_int_equal(now.unacked_frames, 0);
    assert_int_equal(spool_help_append(help, true), 0);
    now = spool_help_state(help);
    assert_false(now.is_cut);
    assert_int_equal(now.unacked_frames, 1);
    assert_int_equal(first_at(help, 1), 4);
}

static void test_too_large_is_never_sent(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    spool_drop_too_large(help->spool, help->stream, 5);
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.drops[DROP_TOO_LARGE].frames, 2);
    assert_int_equal(now.drops[DROP_TOO_LARGE].samples, 20);
    assert_true(spool_help_has(help, help->stream, 4));
    assert_false(spool_help_has(help, help->stream, 5));
    (void)spool_meet(help->spool, COLLECTOR, "1");
    (void)spool_meet(help->spool, COLLECTOR + 1, "1");
    assert_false(spool_help_has(help, help->stream, 5));
    assert_int_equal(spool_ack(help->spool, help->stream, 4), 0);
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 2);
    spool_drop_too_large(help->spool, help->stream, 7);
    assert_true(spool_help_state(help).is_cut);
    assert_int_equal(spool_help_state(help).drops[DROP_TOO_LARGE].frames, 4);
}

static void test_parked_stream(void **state)
{
    struct spool_help *help = *state;
    assert_false(spool_park(help->spool, help->stream)); /* the live one goes on */
    spool_help_append_many(help, 3);
    spool_help_crash(help);
    spool_help_open(help);
    spool_help_append_many(help, 1);
    (void)spool_meet(help->spool, COLLECTOR, "1");
    assert_int_equal(position_of(help).stream, 1);
    assert_true(spool_park(help->spool, 1));
    assert_int_equal(position_of(help).stream, 2);
    assert_true(spool_help_has(help, 1, 1));
    assert_true(spool_meet(help->spool, COLLECTOR, "2"));
    assert_int_equal(position_of(help).stream, 1);
}

/* --- trouble --- */

static void test_second_agent_is_refused(void **state)
{
    struct spool_help *help = *state;
    struct spool *first = help->spool;
    assert_int_equal(spool_help_try_open(help), SPOOL_LOCKED);
    assert_int_equal(help->events[SPOOL_IN_USE], 1);
    assert_non_null(strstr(help->text, "another shoal-agent"));
    char runtime[128];
    (void)snprintf(runtime, sizeof(runtime), "%s", help->runtime);
    (void)snprintf(help->runtime, sizeof(help->runtime), "%s/other", help->tree.root);
    assert_int_equal(spool_help_try_open(help), SPOOL_LOCKED); /* the state directory's */
    help->spool = first;
    spool_help_close(help);
    spool_help_open(help);
}

static void spoil(const char *directory, off_t from)
{
    char path[256];
    char bytes[8192];
    memset(bytes, 0x5a, sizeof(bytes));
    (void)snprintf(path, sizeof(path), "%s/" SPOOL_FILE, directory);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), from), sizeof(bytes));
    assert_int_equal(close(fd), 0);
}

static void test_damaged_at_start(void **state)
{
    struct spool_help *help = *state;
    three_groups(help);
    spool_help_close(help); /* all of it in the state directory */
    spoil(help->state, 0);
    spool_help_open(help);
    assert_int_equal(help->events[SPOOL_DAMAGED], 1);
    assert_int_equal(spool_help_state(help).damaged, 1);
    assert_true(file_exists(help->state, SPOOL_FILE SPOOL_ASIDE));
    assert_true(spool_help_state(help).is_durable);
    spool_help_append_many(help, 2);
    spool_help_pass(help, SPOOL_HELP_FLUSH_MS);
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 2);
    assert_true(spool_help_has(help, help->stream, 2));
}

static void test_damaged_while_it_runs(void **state)
{
    struct spool_help *help = *state;
    help->frame_bytes = 20000;
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(spool_help_append(help, i % 10 == 0), 0);
    spool_help_close(help);
    for (off_t at = 40960; at < 400000; at += 8192)
        spoil(help->state, at);
    spool_help_open(help);
    assert_int_equal(spool_ack(help->spool, 1, 4), 0); /* counted as unacked: 5 to 30 */
    for (uint64_t sequence = 1; sequence <= 30; sequence++)
        (void)spool_help_has(help, 1, sequence); /* finds the damage */
    struct spool_state now = spool_help_state(help);
    assert_int_equal(now.damaged, 1);
    assert_int_equal(help->events[SPOOL_DAMAGED], 1);
    assert_in_range(now.drops[DROP_SPOOL_DAMAGED].frames, 26, 30);
    assert_int_equal(now.unacked_frames, 0);
    spool_help_append_many(help, 1);
    assert_true(spool_help_has(help, 2, 1));
}

static void test_stranger_in_its_place(void **state)
{
    struct spool_help *help = *state;
    spool_help_close(help);
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/" SPOOL_FILE, help->runtime);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("this is no database, but a text that is long enough", file) >= 0);
    assert_int_equal(fclose(file), 0);
    spool_help_open(help);
    assert_int_equal(help->events[SPOOL_DAMAGED], 1);
    spool_help_append_many(help, 1);
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 1);
}

static void test_goes_on_in_memory(void **state)
{
    struct spool_help *help = *state;
    spool_help_close(help);
    (void)snprintf(help->runtime, sizeof(help->runtime), "%s/file/run", help->tree.root);
    tree_write(&help->tree, "file", "in the way");
    spool_help_open(help);
    assert_int_equal(help->events[SPOOL_UNWRITABLE], 1);
    spool_help_append_many(help, 3);
    spool_help_pass(help, SPOOL_RETRY_MS);
    struct spool_state now = spool_help_state(help);
    assert_false(now.is_durable);
    assert_int_equal(now.held[SPOOL_MEMORY].frames, 3);
    assert_int_equal(help->events[SPOOL_UNWRITABLE], 1); /* said once */
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/file", help->tree.root);
    assert_int_equal(unlink(path), 0);
    spool_help_pass(help, SPOOL_RETRY_MS);
    now = spool_help_state(help);
    assert_int_equal(now.held[SPOOL_RUNTIME].frames, 3);
    assert_true(now.is_durable);
    assert_int_equal(help->events[SPOOL_RECOVERED], 1);
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        assert_true(spool_help_has(help, help->stream, sequence));
    spool_help_append_many(help, 1);
    assert_int_equal(spool_help_state(help).held[SPOOL_RUNTIME].frames, 4);
}

static void test_memory_moves_to_the_state_directory(void **state)
{
    struct spool_help *help = *state;
    spool_help_close(help);
    (void)snprintf(help->runtime, sizeof(help->runtime), "/proc/nowhere");
    spool_help_open(help);
    spool_help_append_many(help, 3);
    spool_help_pass(help, SPOOL_HELP_FLUSH_MS);
    assert_int_equal(spool_help_state(help).held[SPOOL_STATE].frames, 3);
    spool_help_append_many(help, 2);
    assert_int_equal(spool_help_state(help).held[SPOOL_MEMORY].frames, 2);
    assert_true(spool_help_has(help, help->stream, 5));
}

static void test_takes_from_the_queue(void **state)
{
    struct spool_help *help = *state;
    const uint8_t bytes[100] = {1};
    for (uint64_t sequence = 1; sequence <= 20; sequence++) {
        const struct encoded_frame frame = {.sequence = sequence,
                                            .key = sequence,
                                            .samples = 3,
                                            .time_ms = help->now_ms,
                                            .bytes = bytes,
                                            .size = sizeof(bytes)};
        int r = queue_append(help->queue, &frame);
        assert_true(r == 0 || r == -ENOBUFS);
    }
    assert_false(spool_turn(help->spool, help->queue));
    struct spool_state now = spool_help_state(help);
    assert_in_range(now.unacked_frames, 1, 10); /* the queue's bound is 1000 bytes */
    assert_int_equal(now.drops[DROP_SPOOL_FULL].frames, 20 - now.unacked_frames);
    assert_int_equal(now.drops[DROP_SPOOL_FULL].samples, 3 * (20 - now.unacked_frames));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_acks_free_whole_groups),
        TEST(test_older_store),
        TEST(test_refuses_wrong_numbers),
        TEST(test_oldest_unacked),
        TEST(test_outlives_a_kill),
        TEST(test_moves_what_stays_unacked),
        TEST(test_moves_at_the_end),
        TEST(test_at_once),
        TEST(test_no_writes_while_acked),
        TEST(test_clock_of_another_boot),
        TEST(test_oldest_group_goes_at_the_bound),
        TEST(test_runtime_directory_is_bounded),
        TEST(test_small_frames_are_bounded),
        TEST(test_own_group_goes_at_the_bound),
        TEST(test_set_aside),
        TEST(test_set_aside_while_open),
        TEST(test_too_large_is_never_sent),
        TEST(test_parked_stream),
        TEST(test_second_agent_is_refused),
        TEST(test_damaged_at_start),
        TEST(test_damaged_while_it_runs),
        TEST(test_stranger_in_its_place),
        TEST(test_goes_on_in_memory),
        TEST(test_memory_moves_to_the_state_directory),
        TEST(test_takes_from_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
