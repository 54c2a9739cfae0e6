/* Maps that go through a spool: over a crash, a loss of power, and another boot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/spooled_time.h"
#include "common/log.h"
#include "tests/unit/spool_help.h"

#define OFFSET_MS INT64_C(1700000000000)

struct bench {
    struct spool_help help;
    int64_t offset_ms; /* of the system clock */
    bool is_synchronised;
    struct clock clock; /* the help's, with UTC */
    struct utc *utc;
    struct spooled_time time;
};

static struct bench *of_clock(struct clock *clock)
{
    return (struct bench *)((char *)clock - offsetof(struct bench, clock));
}

static int64_t boot_us(struct clock *clock)
{
    return of_clock(clock)->help.now_ms * 1000;
}

static int64_t utc_us(struct clock *clock)
{
    return (of_clock(clock)->help.now_ms + of_clock(clock)->offset_ms) * 1000;
}

static bool is_synchronised(struct clock *clock, int64_t *error_us_out)
{
    *error_us_out = 0;
    return of_clock(clock)->is_synchronised;
}

/* A run of the agent. */
static void begin(struct bench *bench)
{
    const struct utc_options options = {.clock = &bench->clock, .proc = "/nonexistent", .seed = 1};
    spool_help_open(&bench->help);
    bench->utc = utc_new(&options);
    assert_non_null(bench->utc);
    spooled_time_restore(bench->help.spool, bench->utc);
}

static void forget(struct bench *bench)
{
    utc_free(bench->utc);
    bench->utc = NULL;
    spooled_time_deinit(&bench->time);
    bench->time = (struct spooled_time){0};
}

static void crash(struct bench *bench)
{
    spool_help_crash(&bench->help);
    forget(bench);
}

static void boot(struct bench *bench, const char *name)
{
    bench->help.boot = name;
    bench->help.now_ms = 5000;
}

/* A turn, and a frame. */
static void sample(struct bench *bench)
{
    utc_turn(bench->utc);
    spooled_time_keep(&bench->time, bench->utc, bench->help.spool);
    spool_help_append_many(&bench->help, 1);
}

static struct envelope stamp(struct bench *bench, uint64_t stream, uint64_t sequence)
{
    struct envelope envelope = {0};
    struct spool_frame frame = {0};
    assert_int_equal(spool_read(bench->help.spool, stream, sequence, &frame), 0);
    assert_int_equal(frame.sequence, sequence);
    spooled_time_stamp(bench->utc, &frame, &envelope);
    buffer_deinit(&frame.bytes);
    return envelope;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    log_set_level(LOG_LEVEL_ERROR);
    spool_help_init(&bench->help);
    bench->clock =
        (struct clock){.boot_us = boot_us, .utc_us = utc_us, .is_synchronised = is_synchronised};
    bench->offset_ms = OFFSET_MS;
    bench->is_synchronised = true;
    begin(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    forget(bench);
    spool_help_deinit(&bench->help);
    free(bench);
    return 0;
}

static void test_next_run(void **state)
{
    struct bench *bench = *state;
    sample(bench);
    crash(bench);
    bench->is_synchronised = false; /* and nobody answers */
    bench->offset_ms = 0;
    begin(bench);
    sample(bench);
    struct envelope envelope = stamp(bench, 1, 1);
    assert_int_equal(envelope.utc_offset_ms, OFFSET_MS);
    assert_false(envelope.is_estimate);
    envelope = stamp(bench, 2, 1);
    assert_int_equal(envelope.utc_offset_ms, OFFSET_MS);
    assert_int_equal(envelope.source, CLOCK_SOURCE_SYSTEM);
}

static void test_next_boot(void **state)
{
    struct bench *bench = *state;
    sample(bench);
    crash(bench);
    boot(bench, "boot-2");
    bench->offset_ms = OFFSET_MS + 3600000;
    begin(bench);
    sample(bench);
    assert_int_equal(stamp(bench, 1, 1).utc_offset_ms, OFFSET_MS);
    assert_int_equal(stamp(bench, 2, 1).utc_offset_ms, OFFSET_MS + 3600000);
}

static void test_boot_between(void **state)
{
    struct bench *bench = *state;
    sample(bench);
    crash(bench);
    boot(bench, "boot-2");
    begin(bench);
    sample(bench);
    crash(bench);
    bench->help.boot = "boot-1"; /* as from a snapshot of a machine */
    bench->help.now_ms = 2000000;
    bench->is_synchronised = false;
    begin(bench);
    assert_true(utc_map_is_known(utc_map(bench->utc)));
    assert_int_equal(utc_map(bench->utc)->points[0].boot_ms, 1000000);
}

/* What the boot never knew is no knowledge of the next run. */
static void test_unknown(void **state)
{
    struct bench *bench = *state;
    bench->is_synchronised = false;
    sample(bench);
    crash(bench);
    begin(bench);
    assert_false(utc_map_is_known(utc_map(bench->utc)));
    crash(bench);
    boot(bench, "boot-2");
    bench->is_synchronised = true;
    begin(bench);
    sample(bench);
    assert_true(stamp(bench, 1, 1).is_estimate);
    assert_false(stamp(bench, 3, 1).is_estimate);
}

/* The time is learned when the first frames lie in the state directory already. */
static void test_learned_late(void **state)
{
    struct bench *bench = *state;
    bench->is_synchronised = false;
    bench->offset_ms = 0;
    sample(bench);
    spool_help_pass(&bench->help, SPOOL_HELP_FLUSH_MS + 1);
    bench->is_synchronised = true;
    bench->offset_ms = OFFSET_MS;
    sample(bench);
    spool_help_pass(&bench->help, SPOOL_HELP_FLUSH_MS + 1);
    spool_help_lose_power(&bench->help);
    forget(bench);
    boot(bench, "boot-2");
    begin(bench);
    utc_turn(bench->utc);
    assert_int_equal(stamp(bench, 1, 1).utc_offset_ms, OFFSET_MS);
    assert_false(stamp(bench, 1, 1).is_estimate);
    assert_int_equal(stamp(bench, 1, 2).utc_offset_ms, OFFSET_MS);
}

static void test_no_map_and_a_strange_one(void **state)
{
    struct bench *bench = *state;
    spool_help_append_many(&bench->help, 1);
    crash(bench);
    begin(bench);
    spool_set_clock(bench->help.spool, "\xff\xff", 2);
    spool_help_append_many(&bench->help, 1);
    crash(bench);
    begin(bench);
    assert_false(utc_map_is_known(utc_map(bench->utc)));
    crash(bench);
    boot(bench, "boot-2");
    begin(bench);
    utc_turn(bench->utc);
    assert_true(stamp(bench, 1, 1).is_estimate);
    assert_true(stamp(bench, 2, 1).is_estimate);
}

/* The spool is told only of what is news. */
static void test_kept_when_it_changes(void **state)
{
    struct bench *bench = *state;
    sample(bench);
    assert_int_equal(bench->time.confirmed_ms, 1000000);
    bench->help.now_ms += SPOOLED_TIME_MS - 1;
    sample(bench);
    assert_int_equal(bench->time.confirmed_ms, 1000000);
    bench->help.now_ms += UTC_LOOK_MS;
    sample(bench);
    assert_int_equal(bench->time.confirmed_ms, bench->help.now_ms);
    bench->offset_ms += 10000;
    bench->help.now_ms += UTC_LOOK_MS;
    sample(bench);
    assert_int_equal(bench->time.last_point_ms, bench->help.now_ms);
    assert_true(bench->time.packed.size <= SPOOL_CLOCK_BYTES_MAX);
}

/* The largest map that there is can be kept. */
static void test_largest_map(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 2 * UTC_POINTS_MAX; i++) {
        bench->help.now_ms += INT64_C(1) << 34; /* half a year */
        bench->offset_ms += OFFSET_MS / (3 + i);
        sample(bench);
    }
    assert_int_equal(utc_map(bench->utc)->n_points, UTC_POINTS_MAX);
    struct envelope before = stamp(bench, 1, 20);
    crash(bench);
    bench->is_synchronised = false;
    begin(bench);
    assert_int_equal(utc_map(bench->utc)->n_points, UTC_POINTS_MAX);
    assert_int_equal(stamp(bench, 1, 20).utc_offset_ms, before.utc_offset_ms);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_next_run),
        TEST(test_next_boot),
        TEST(test_boot_between),
        TEST(test_unknown),
        TEST(test_learned_late),
        TEST(test_no_map_and_a_strange_one),
        TEST(test_kept_when_it_changes),
        TEST(test_largest_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
