/* The table of inputs: what has to be true of each, also of those to come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/input.h"

static void test_entries_are_complete(void **state)
{
    (void)state;
    for (const struct input *const *at = input_table; *at != NULL; at++) {
        const struct input *input = *at;
        assert_ptr_equal(input_find(input->name), input); /* the first of that name */
        assert_non_null(input->job);
        assert_non_null(input->help);
        assert_non_null(input->read);
        assert_true(input->open != NULL || input->close == NULL);
        assert_true((input->options == NULL) == (input->config_bytes == 0));
        if (strcmp(input->job, "node") == 0)
            assert_string_equal(input->node_collector, input->name);
    }
}

static void test_names_are_sorted(void **state)
{
    (void)state;
    for (const struct input *const *at = input_table; at[0] != NULL && at[1] != NULL; at++)
        assert_true(strcmp(at[0]->name, at[1]->name) < 0);
}

static void test_options_have_valid_defaults(void **state)
{
    (void)state;
    for (const struct input *const *at = input_table; *at != NULL; at++) {
        struct config_error error = {""};
        void *config = calloc(1, (*at)->config_bytes + 1);
        const struct config_section section = {(*at)->name, (*at)->options, config};
        assert_non_null(config);
        if (config_load(&section, 1, NULL, 0, &error) != 0)
            fail_msg("%s: %s", (*at)->name, error.text);
        config_deinit(&section, 1);
        free(config);
    }
}

static void test_find(void **state)
{
    (void)state;
    assert_null(input_find(""));
    assert_null(input_find("cp"));
    assert_null(input_find("CPU"));
    assert_string_equal(input_find("cpu")->name, "cpu");
}

static void test_fail_cuts_off(void **state)
{
    (void)state;
    struct input_error error;
    assert_int_equal(input_fail(&error, -EIO, "%s: %d", "disk", 7), -EIO);
    assert_string_equal(error.text, "disk: 7");
    assert_int_equal(input_fail(&error, -EIO, "%0500d", 7), -EIO);
    assert_int_equal(strlen(error.text), INPUT_ERROR_BYTES_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_are_complete),
        cmocka_unit_test(test_names_are_sorted),
        cmocka_unit_test(test_options_have_valid_defaults),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_fail_cuts_off),
    };
    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
