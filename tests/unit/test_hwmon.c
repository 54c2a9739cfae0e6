/* The hwmon input over several readings: chips that are plugged in and out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/input_run.h"

#define TEMP(chip, sensor) "node_hwmon_temp_celsius{chip=\"" chip "\",sensor=\"" sensor "\"}"

static void assert_value(const struct input_run *run, const char *series, double want)
{
    double got = input_run_value(run, series);
    if (!(got == want))
        fail_msg("%s is %g, not %g", series, got, want);
}

static void write_chip(const struct tree *tree, const char *directory, const char *name,
                       const char *value)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "sys/class/hwmon/%s/name", directory);
    tree_write(tree, path, name);
    (void)snprintf(path, sizeof(path), "sys/class/hwmon/%s/temp1_input", directory);
    tree_write(tree, path, value);
}

static void test_values_are_read_anew(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "hwmon");
    write_chip(&run.tree, "hwmon0", "a", "1000\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, TEMP("a", "temp1"), 1);
    write_chip(&run.tree, "hwmon0", "a", "-2500\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, TEMP("a", "temp1"), -2.5);
    input_run_deinit(&run);
}

static void test_chips_come_and_go(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "hwmon");
    assert_int_equal(input_run_read(&run), INPUT_ABSENT);
    write_chip(&run.tree, "hwmon0", "a", "1000\n");
    assert_int_equal(input_run_read(&run), 0);
    write_chip(&run.tree, "hwmon1", "b", "2000\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, TEMP("b", "temp1"), 2);
    tree_remove(&run.tree, "sys/class/hwmon/hwmon0");
    assert_int_equal(input_run_read(&run), 0);
    assert_true(isnan(input_run_value(&run, TEMP("a", "temp1"))));
    assert_value(&run, TEMP("b", "temp1"), 2);
    /* Another chip under the same name, while the first one's directory is still held. */
    tree_write(&run.tree, "sys/class/hwmon/other/keep", "");
    tree_remove(&run.tree, "sys/class/hwmon/hwmon1");
    tree_remove(&run.tree, "sys/class/hwmon/other");
    write_chip(&run.tree, "hwmon2", "c", "3000\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, TEMP("c", "temp1"), 3);
    assert_int_equal(input_run_samples(&run), 2); /* and its name */
    input_run_deinit(&run);
}

static void test_new_files_are_found_in_time(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "hwmon");
    write_chip(&run.tree, "hwmon0", "a", "1000\n");
    assert_int_equal(input_run_read(&run), 0);
    tree_write(&run.tree, "sys/class/hwmon/hwmon0/temp2_input", "2000\n");
    input_run_advance(&run, 60000);
    assert_int_equal(input_run_read(&run), 0);
    assert_value(&run, TEMP("a", "temp2"), 2);
    input_run_deinit(&run);
}

static void test_unreadable_value_is_left_out(void **state)
{
    (void)state;
    struct input_run run;
    input_run_init(&run, "hwmon");
    write_chip(&run.tree, "hwmon0", "a", "1000\n");
    tree_write(&run.tree, "sys/class/hwmon/hwmon0/temp2_input/is_a_directory", "");
    tree_write(&run.tree, "sys/class/hwmon/hwmon0/temp3_input", "asleep\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_int_equal(input_run_samples(&run), 2);
    input_run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read_anew),
        cmocka_unit_test(test_chips_come_and_go),
        cmocka_unit_test(test_new_files_are_found_in_time),
        cmocka_unit_test(test_unreadable_value_is_left_out),
    };
    return cmocka_run_group_tests_name("hwmon", tests, NULL, NULL);
}
