/* The cpu input over several readings: times that go back, CPUs that come and go. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/input_run.h"

#define USER(cpu) "node_cpu_seconds_total{cpu=\"" cpu "\",mode=\"user\"}"
#define IDLE(cpu) "node_cpu_seconds_total{cpu=\"" cpu "\",mode=\"idle\"}"
#define IOWAIT(cpu) "node_cpu_seconds_total{cpu=\"" cpu "\",mode=\"iowait\"}"

static void assert_value(const struct input_run *run, const char *series, double want)
{
    double got = input_run_value(run, series);
    if (!(got == want))
        fail_msg("%s is %g, not %g", series, got, want);
}

static void assert_gone(const struct input_run *run, const char *series)
{
    if (!isnan(input_run_value(run, series)))
        fail_msg("%s is there", series);
}

static void test_times_never_go_back(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "cpu");
    tree_write(&run.tree, "proc/stat", "cpu0 100 0 0 1000 50\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, USER("0"), 1);
    tree_write(&run.tree, "proc/stat", "cpu0 110 0 0 999 40\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, USER("0"), 1.1);
    assert_value(&run, IDLE("0"), 10);
    assert_value(&run, IOWAIT("0"), 0.5);
    tree_write(&run.tree, "proc/stat", "cpu0 110 0 0 1001 51\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, IDLE("0"), 10.01);
    assert_value(&run, IOWAIT("0"), 0.51);
    input_run_deinit(&run);
}

static void test_idle_far_back_is_a_new_start(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "cpu");
    tree_write(&run.tree, "proc/stat", "cpu0 100 0 0 1000 50\n");
    assert_int_equal(input_run_read(&run), 0);
    tree_write(&run.tree, "proc/stat", "cpu0 7 0 0 701 5\n"); /* 2.99 s */
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, USER("0"), 1);
    tree_write(&run.tree, "proc/stat", "cpu0 7 0 0 700 5\n"); /* 3 s */
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, USER("0"), 0.07);
    assert_value(&run, IDLE("0"), 7);
    assert_value(&run, IOWAIT("0"), 0.05);
    input_run_deinit(&run);
}

static void test_offline_cpu_is_gone_and_comes_back(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "cpu");
    tree_write(&run.tree, "proc/stat", "cpu0 1 0 0 1\ncpu1 100 0 0 2\n");
    assert_int_equal(input_run_read(&run), 0);
    tree_write(&run.tree, "proc/stat", "cpu0 2 0 0 2\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_gone(&run, USER("1"));
    tree_write(&run.tree, "proc/stat", "cpu0 3 0 0 3\ncpu1 50 0 0 2\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, USER("1"), 0.5); /* nothing is held against it */
    input_run_deinit(&run);
}

#define CORE(core, package)                                                                        \
    "node_cpu_core_throttles_total{core=\"" core "\",package=\"" package "\"}"

static void write_cpu(const struct tree *tree, char cpu, const char *core, const char *count)
{
    char path[] = "sys/devices/system/cpu/cpuN/topology/core_id";
    char package[] = "sys/devices/system/cpu/cpuN/topology/physical_package_id";
    char throttle[] = "sys/devices/system/cpu/cpuN/thermal_throttle/core_throttle_count";
    size_t at = sizeof("sys/devices/system/cpu/cpu") - 1;
    path[at] = package[at] = throttle[at] = cpu;
    tree_write(tree, path, core);
    tree_write(tree, package, "0\n");
    tree_write(tree, throttle, count);
}

static void test_throttles_follow_hotplug(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "cpu");
    write_cpu(&run.tree, '0', "0\n", "5\n");
    write_cpu(&run.tree, '1', "1\n", "6\n");
    tree_write(&run.tree, "proc/stat", "cpu0 1 0 0 1\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, CORE("0", "0"), 5);
    assert_gone(&run, CORE("1", "0"));
    tree_write(&run.tree, "proc/stat", "cpu0 1 0 0 1\ncpu1 1 0 0 1\n");
    write_cpu(&run.tree, '0', "0\n", "8\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, CORE("0", "0"), 8);
    assert_value(&run, CORE("1", "0"), 6);
    tree_remove(&run.tree, "sys/devices/system/cpu/cpu1/thermal_throttle");
    assert_int_equal(input_run_read(&run), 0); /* gone between the listing and the reading */
    assert_gone(&run, CORE("1", "0"));
    tree_write(&run.tree, "proc/stat", "cpu1 1 0 0 1\n");
    write_cpu(&run.tree, '1', "1\n", "7\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_gone(&run, CORE("0", "0"));
    assert_value(&run, CORE("1", "0"), 7);
    input_run_deinit(&run);
}

static void test_recovers_from_an_error(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "cpu");
    tree_write(&run.tree, "proc/stat", "cpu0 1 0 0 1\n");
    assert_int_equal(input_run_read(&run), 0);
    tree_write(&run.tree, "proc/stat", "cpu0 x 0 0 1\n");
    assert_true(input_run_read(&run) < 0);
    assert_string_not_equal(run.error.text, "");
    tree_write(&run.tree, "proc/stat", "cpu0 4 0 0 1\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, USER("0"), 0.04);
    input_run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_never_go_back),
        cmocka_unit_test(test_idle_far_back_is_a_new_start),
        cmocka_unit_test(test_offline_cpu_is_gone_and_comes_back),
        cmocka_unit_test(test_throttles_follow_hotplug),
        cmocka_unit_test(test_recovers_from_an_error),
    };
    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
