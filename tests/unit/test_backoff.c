#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/backoff.h"

static void test_bounds_double(void **state)
{
    (void)state;
    static const int64_t bounds[] = {100, 200, 400, 800, 1000, 1000};
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct backoff backoff = {.min_ms = 100, .max_ms = 1000, .random = seed};
        for (unsigned i = 0; i < 6; i++) {
            int64_t wait = backoff_next(&backoff, 0);
            assert_true(wait >= 0 && wait <= bounds[i]);
        }
    }
}

static void test_spreads_over_the_range(void **state)
{
    (void)state;
    struct backoff backoff = {.min_ms = 1000, .max_ms = 1000, .random = 42};
    unsigned counts[10] = {0};
    int64_t low = INT64_MAX;
    int64_t high = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t wait = backoff_next(&backoff, 0);
        low = wait < low ? wait : low;
        high = wait > high ? wait : high;
        counts[wait == 1000 ? 9 : wait / 100]++;
    }
    assert_int_equal(low, 0);
    assert_int_equal(high, 1000);
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], 9000, 11000);
}

static void test_floor(void **state)
{
    (void)state;
    struct backoff backoff = {.min_ms = 100, .max_ms = 400, .random = 1};
    assert_int_equal(backoff_next(&backoff, 5000), 5000);
    for (int i = 0; i < 1000; i++)
        assert_in_range(backoff_next(&backoff, 390), 390, 400);
}

static void test_reset(void **state)
{
    (void)state;
    struct backoff backoff = {.min_ms = 10, .max_ms = 100000, .random = 7};
    for (int i = 0; i < 50; i++)
        (void)backoff_next(&backoff, 0);
    for (int i = 0; i < 100; i++) {
        backoff_reset(&backoff);
        assert_in_range(backoff_next(&backoff, 0), 0, 10);
    }
}

static void test_extremes(void **state)
{
    (void)state;
    struct backoff largest = {.min_ms = 1, .max_ms = INT64_MAX, .random = 7};
    for (int i = 0; i < 200; i++)
        assert_true(backoff_next(&largest, 0) >= 0);
    struct backoff none = {0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(backoff_next(&none, 0), 0);
    struct backoff turned = {.min_ms = 500, .max_ms = 100, .random = 3};
    for (int i = 0; i < 100; i++)
        assert_in_range(backoff_next(&turned, 0), 0, 100);
}

static void test_seeds_differ(void **state)
{
    (void)state;
    struct backoff first = {.min_ms = 1000000, .max_ms = 1000000, .random = 1};
    struct backoff second = {.min_ms = 1000000, .max_ms = 1000000, .random = 2};
    assert_int_not_equal(backoff_next(&first, 0), backoff_next(&second, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_double), cmocka_unit_test(test_spreads_over_the_range),
        cmocka_unit_test(test_floor),         cmocka_unit_test(test_reset),
        cmocka_unit_test(test_extremes),      cmocka_unit_test(test_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
