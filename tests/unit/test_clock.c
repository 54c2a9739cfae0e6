#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/timex.h>
#include <time.h>

#include "common/clock.h"

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    assert_int_equal(clock_gettime(id, &now), 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void test_boot_time(void **state)
{
    (void)state;
    struct clock *clock = clock_system();
    int64_t before = read_us(CLOCK_BOOTTIME);
    int64_t now = clock->boot_us(clock);
    int64_t now_ms = clock_boot_ms(clock);
    int64_t after = read_us(CLOCK_BOOTTIME);
    assert_true(before <= now && now <= after);
    assert_true(now / 1000 <= now_ms && now_ms <= after / 1000);
}

static void test_utc(void **state)
{
    (void)state;
    struct clock *clock = clock_system();
    int64_t before = read_us(CLOCK_REALTIME);
    int64_t now = clock->utc_us(clock);
    int64_t now_ms = clock_utc_ms(clock);
    int64_t after = read_us(CLOCK_REALTIME);
    assert_true(before <= now && now <= after);
    assert_true(before / 1000 <= now_ms && now_ms <= after / 1000);
}

static void test_as_the_kernel_says(void **state)
{
    (void)state;
    struct clock *clock = clock_system();
    struct timex status = {.modes = 0};
    int result = adjtimex(&status);
    int64_t error_us = -1;
    bool is_synchronised = clock->is_synchronised(clock, &error_us);
    assert_int_equal(is_synchronised,
                     result != -1 && result != TIME_ERROR && !(status.status & STA_UNSYNC));
    if (is_synchronised)
        assert_true(error_us >= 0);
    else
        assert_int_equal(error_us, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_time),
        cmocka_unit_test(test_utc),
        cmocka_unit_test(test_as_the_kernel_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
