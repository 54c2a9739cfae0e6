#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/utc_probe.h"

#define MS INT64_C(1000) /* in microseconds */
#define UTC_US INT64_C(1700000000000000)

struct line {
    struct utc_probe probe;
    int64_t now_us;
    int64_t off_us; /* of the collector's clock */
};

static struct line line_new(void)
{
    struct line line = {.now_us = 50000 * MS};
    utc_probe_init(&line.probe, 3);
    return line;
}

/* A probe and its answer, which takes that long there and back. */
static int ask(struct line *line, int64_t there_us, int64_t back_us)
{
    struct ack ack = {.has_answer = true, .answer_is_synchronised = true};
    ack.answer_id = utc_probe_send(&line->probe, line->now_us);
    ack.answer_received_utc_us = line->now_us + there_us + UTC_US + line->off_us;
    ack.answer_sent_utc_us = ack.answer_received_utc_us + 300;
    line->now_us += there_us + 300 + back_us;
    return utc_probe_answer(&line->probe, &ack, line->now_us);
}

static struct utc_point best(const struct line *line)
{
    struct utc_point point;
    assert_true(utc_probe_best(&line->probe, line->now_us, &point));
    return point;
}

static void test_offset(void **state)
{
    (void)state;
    struct line line = line_new();
    struct utc_point point;
    assert_false(utc_probe_best(&line.probe, line.now_us, &point));
    assert_int_equal(utc_probe_round_trip_us(&line.probe, line.now_us), 0);
    assert_int_equal(ask(&line, 7 * MS, 7 * MS), 0);
    point = best(&line);
    assert_int_equal(point.offset_ms, UTC_US / MS);
    assert_int_equal(point.boot_ms, line.now_us / MS);
    assert_int_equal(point.uncertainty_ms, 7 + 1);
    assert_int_equal(point.source, CLOCK_SOURCE_PROBE);
    assert_int_equal(utc_probe_round_trip_us(&line.probe, line.now_us), 14 * MS);
    assert_int_equal(line.probe.answered, 1);
}

static void test_smallest_round_trip_counts(void **state)
{
    (void)state;
    struct line line = line_new();
    assert_int_equal(ask(&line, 400 * MS, 2 * MS), 0);
    assert_int_equal(ask(&line, 3 * MS, 1 * MS), 0);
    assert_int_equal(ask(&line, 2 * MS, 300 * MS), 0);
    assert_int_equal(best(&line).offset_ms, UTC_US / MS + 1);
    /* Age counts like a longer way: in an hour the clock may have run off by 180 ms. */
    line.now_us += 3600 * 1000 * MS;
    assert_int_equal(ask(&line, 20 * MS, 20 * MS), 0);
    assert_int_equal(best(&line).offset_ms, UTC_US / MS);
}

static void test_of_the_last_answers(void **state)
{
    (void)state;
    struct line line = line_new();
    assert_int_equal(ask(&line, 1 * MS, 1 * MS), 0);
    int64_t first_ms = best(&line).boot_ms;
    for (int i = 1; i < UTC_ANSWERS_MAX; i++)
        assert_int_equal(ask(&line, 50 * MS, 50 * MS), 0);
    assert_int_equal(best(&line).boot_ms, first_ms);
    assert_int_equal(ask(&line, 50 * MS, 50 * MS), 0);
    assert_int_not_equal(best(&line).boot_ms, first_ms);
    assert_int_equal(line.probe.n_answers, UTC_ANSWERS_MAX);
}

static void test_a_clock_that_was_set(void **state)
{
    (void)state;
    struct line line = line_new();
    assert_int_equal(ask(&line, 1 * MS, 1 * MS), 0);
    line.off_us = 700 * MS;
    assert_int_equal(ask(&line, 30 * MS, 30 * MS), 0);
    assert_int_equal(best(&line).offset_ms, UTC_US / MS + 700);
    assert_int_equal(line.probe.n_answers, 1);
}

static void test_useless_answers(void **state)
{
    (void)state;
    struct line line = line_new();
    struct ack ack = {.has_answer = true, .answer_is_synchronised = true, .answer_id = 0};
    struct utc_point point;
    assert_int_equal(utc_probe_answer(&line.probe, &ack, line.now_us), UTC_PROBE_STRANGE);
    ack.answer_id = utc_probe_send(&line.probe, line.now_us) + 1;
    assert_int_equal(utc_probe_answer(&line.probe, &ack, line.now_us), UTC_PROBE_STRANGE);

    const struct {
        int64_t received_us, sent_us;
        bool is_synchronised;
    } cases[] = {
        {UTC_US, UTC_US, false},
        {-1, UTC_US, true},
        {UTC_US, UTC_US - 1, true},
        {UTC_US, UTC_US + 5000 * MS, true}, /* took longer than the whole way */
        {UTC_US, INT64_MAX, true},
        {INT64_MIN, INT64_MAX, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ack.answer_id = utc_probe_send(&line.probe, line.now_us);
        ack.answer_received_utc_us = cases[i].received_us;
        ack.answer_sent_utc_us = cases[i].sent_us;
        ack.answer_is_synchronised = cases[i].is_synchronised;
        line.now_us += 10 * MS;
        assert_int_equal(utc_probe_answer(&line.probe, &ack, line.now_us), UTC_PROBE_UNUSABLE);
        assert_int_equal(utc_probe_answer(&line.probe, &ack, line.now_us), UTC_PROBE_STRANGE);
    }
    assert_false(utc_probe_best(&line.probe, line.now_us, &point));
    assert_int_equal(line.probe.unusable, sizeof(cases) / sizeof(cases[0]));
}

static void test_when(void **state)
{
    (void)state;
    struct line line = line_new();
    int64_t now_ms = line.now_us / MS;
    utc_probe_hasten(&line.probe, now_ms, 0);
    assert_true(line.probe.next_ms <= now_ms);
    int64_t wait_ms = 0;
    for (int i = 0; i < 12; i++) { /* without an answer: later and later, up to a bound */
        (void)utc_probe_send(&line.probe, line.now_us);
        wait_ms = line.probe.next_ms - line.now_us / MS;
        assert_in_range(wait_ms, UTC_PROBE_RETRY_MS_MIN, UTC_PROBE_RETRY_MS_MAX);
        line.now_us = line.probe.next_ms * MS;
    }
    utc_probe_hasten(&line.probe, line.now_us / MS, 500);
    assert_true(line.probe.next_ms <= line.now_us / MS + 500);

    utc_probe_begin(&line.probe, now_ms);
    assert_true(line.probe.next_ms <= now_ms);
    for (unsigned i = 0; i < UTC_PROBE_BURST; i++) { /* a few that follow one another soon */
        assert_int_equal(ask(&line, MS, MS), 0);
        wait_ms = line.probe.next_ms - line.now_us / MS;
        assert_in_range(wait_ms, UTC_PROBE_BURST_MS,
                        UTC_PROBE_BURST_MS + UTC_PROBE_BURST_MS / UTC_PROBE_JITTER);
    }
    for (int i = 0; i < 5; i++) { /* right each time: every ten minutes in the end */
        assert_int_equal(ask(&line, MS, MS), 0);
        now_ms = line.now_us / MS;
        utc_probe_found_off(&line.probe, UTC_PROBE_OFF_MS, now_ms);
        wait_ms = line.probe.next_ms - now_ms;
        assert_in_range(wait_ms, UTC_PROBE_MS_MIN, UTC_PROBE_MS + UTC_PROBE_MS / UTC_PROBE_JITTER);
    }
    assert_true(wait_ms >= UTC_PROBE_MS);
    for (int i = 0; i < 5; i++) { /* wrong each time: sooner */
        assert_int_equal(ask(&line, MS, MS), 0);
        now_ms = line.now_us / MS;
        utc_probe_found_off(&line.probe, -UTC_PROBE_OFF_MS - 1, now_ms);
    }
    assert_in_range(line.probe.next_ms - now_ms, UTC_PROBE_MS_MIN,
                    UTC_PROBE_MS_MIN + UTC_PROBE_MS_MIN / UTC_PROBE_JITTER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offset),
        cmocka_unit_test(test_smallest_round_trip_counts),
        cmocka_unit_test(test_of_the_last_answers),
        cmocka_unit_test(test_a_clock_that_was_set),
        cmocka_unit_test(test_useless_answers),
        cmocka_unit_test(test_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
