/* Filters by regular expressions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/filter.h"

static bool takes(const char *include, const char *exclude, const char *name)
{
    struct filter filter;
    struct input_error error;
    assert_int_equal(filter_init(&filter, include, exclude, &error), 0);
    bool is_taken = filter_takes(&filter, name);
    assert_int_equal(filter_takes(&filter, name), is_taken); /* from memory now */
    filter_deinit(&filter);
    return is_taken;
}

static void test_takes(void **state)
{
    (void)state;
    assert_true(takes("", "", "anything"));
    assert_false(takes("", "^lo$", "lo"));
    assert_true(takes("", "^lo$", "lo0"));
    assert_true(takes("^eth", "", "eth0"));
    assert_false(takes("^eth", "", "wlan0"));
    assert_false(takes("^eth", "1$", "eth1"));
    assert_true(takes("^eth", "1$", "eth2"));
    assert_false(takes("", "th", "eth2")); /* anywhere in the name */
}

static void test_understands_perl(void **state)
{
    (void)state;
    assert_false(takes("", "^nvme\\d+n\\d+p\\d+$", "nvme0n1p2"));
    assert_true(takes("", "^nvme\\d+n\\d+p\\d+$", "nvme0n1"));
    assert_false(takes("", "^(?:ram|loop)\\d$", "loop7"));
    assert_false(takes("", "^a\\\\d$", "a\\d")); /* an escaped backslash */
    assert_false(takes("", "\\.", "a.b"));
    assert_true(takes("", "\\.", "ab"));
}

static void test_understands_perl_in_brackets(void **state)
{
    (void)state;
    assert_false(takes("", "^eth[\\d.]+$", "eth1.20"));
    assert_true(takes("", "^eth[\\d.]+$", "ethd"));
    assert_false(takes("", "^[\\w\\-\\]]+$", "Br_0-]"));
    assert_true(takes("", "^[\\w\\-]+$", "a\\b"));
    assert_true(takes("", "^[^\\s\\^]$", " "));
    assert_true(takes("", "^[^\\s\\^]$", "^"));
    assert_false(takes("", "^[]a]\\d$", "]1"));
    assert_false(takes("", "^[^]a]\\d$", "b1"));
    assert_false(takes("", "^[[:alpha:]\\d]+$", "a1"));
    assert_false(takes("", "^[a[]\\d$", "[1"));
}

static void test_refuses(void **state)
{
    (void)state;
    struct filter filter;
    struct input_error error = {""};
    assert_int_equal(filter_init(&filter, "", "(", &error), -EINVAL);
    assert_non_null(strstr(error.text, "("));
    assert_int_equal(filter_init(&filter, "[", "a", &error), -EINVAL);
    filter_deinit(&filter); /* holds nothing */
    assert_null(filter_check("^a(b|c)$"));
    assert_null(filter_check(""));
    assert_string_equal(filter_check("a("), "not a regular expression");
    assert_string_equal(filter_check("a\\"), "not a regular expression");
    assert_string_equal(filter_check("[a\\]"), "not a regular expression");
    assert_string_equal(filter_check("[[:alpha]"), "not a regular expression");
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct filter filter;
    struct input_error error;
    char name[16];
    assert_int_equal(filter_init(&filter, "", "7$", &error), 0);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3 * FILTER_REMEMBERED_MAX; i++) {
            (void)snprintf(name, sizeof(name), "veth%d", i);
            assert_int_equal(filter_takes(&filter, name), i % 10 != 7);
            assert_true(filter.n_memory <= FILTER_REMEMBERED_MAX);
        }
    filter_deinit(&filter);
    filter_deinit(&filter);
}

static void test_zeros_take_everything(void **state)
{
    (void)state;
    struct filter filter = {0};
    assert_true(filter_takes(&filter, "x"));
    filter_deinit(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes),
        cmocka_unit_test(test_understands_perl),
        cmocka_unit_test(test_understands_perl_in_brackets),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_zeros_take_everything),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
