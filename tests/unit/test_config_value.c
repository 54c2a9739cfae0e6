#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/config_suggest.h"
#include "common/config_value.h"

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *formatted;
    } good[] = {
        {"0", 0, "0s"},          {"0s", 0, "0s"},
        {"500ms", 500, "500ms"}, {"15s", 15000, "15s"},
        {"90s", 90000, "1m30s"}, {"1h30m", 5400000, "1h30m"},
        {"7d", 604800000, "7d"}, {"1d2h3m4s5ms", 93784005, "1d2h3m4s5ms"},
        {"007s", 7000, "7s"},    {"9223372036854775807ms", INT64_MAX, "106751991167d7h12m55s807ms"},
    };
    static const char *const bad[] = {"",
                                      "s",
                                      "15",
                                      "1.5s",
                                      "-1s",
                                      "+1s",
                                      "1s ",
                                      " 1s",
                                      "1 s",
                                      "1m1h",
                                      "1s1s",
                                      "1ms1s",
                                      "1x",
                                      "1S",
                                      "1sm",
                                      "1h30",
                                      "9223372036854775808ms",
                                      "106751991168d",
                                      "106751991167d8h",
                                      "99999999999999999999d"};
    char text[CONFIG_VALUE_BYTES_MAX];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(config_parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
        config_format_duration(text, ms);
        assert_string_equal(text, good[i].formatted);
        assert_true(config_parse_duration(text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    ms = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(config_parse_duration(bad[i], &ms));
        assert_int_equal(ms, 42);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *formatted;
    } good[] = {
        {"0", 0, "0"},
        {"4096", 4096, "4KiB"},
        {"4097", 4097, "4097"},
        {"64KiB", 65536, "64KiB"},
        {"64 MiB", 64 << 20, "64MiB"},
        {"1536KiB", 1536 << 10, "1536KiB"},
        {"1024GiB", UINT64_C(1) << 40, "1TiB"},
        {"16777215TiB", UINT64_C(16777215) << 40, "16777215TiB"},
        {"18446744073709551615", UINT64_MAX, "18446744073709551615"},
    };
    static const char *const bad[] = {"",       "KiB",   "1KB",         "1MB",
                                      "1k",     "1kib",  "-1",          "1.5KiB",
                                      "1  KiB", "1KiB ", "16777216TiB", "18446744073709551616"};
    char text[CONFIG_VALUE_BYTES_MAX];
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(config_parse_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
        config_format_size(text, bytes);
        assert_string_equal(text, good[i].formatted);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_parse_size(bad[i], &bytes));
}

static void test_integers(void **state)
{
    static const struct {
        const char *text;
        int64_t number;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"+7", 7},
                {"0123", 123},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"",
                                      "-",
                                      "--1",
                                      "1 ",
                                      "0x10",
                                      "1e3",
                                      "1.0",
                                      "1_0",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616"};
    int64_t number;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(config_parse_integer(good[i].text, &number));
        assert_int_equal(number, good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_parse_integer(bad[i], &number));
}

static void test_bools(void **state)
{
    static const char *const yes[] = {"true", "True", "YES", "on"};
    static const char *const no[] = {"false", "FALSE", "no", "Off"};
    static const char *const bad[] = {"", "1", "0", "y", "truee", "enabled"};
    bool value;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        value = false;
        assert_true(config_parse_bool(yes[i], &value));
        assert_true(value);
        assert_true(config_parse_bool(no[i], &value));
        assert_false(value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(config_parse_bool(bad[i], &value));
}

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {{"", "", 0},
                 {"", "abc", 3},
                 {"abc", "abc", 0},
                 {"intervall", "interval", 1},
                 {"inptus", "inputs", 1},
                 {"cup", "cpu", 1},
                 {"kitten", "sitting", 3},
                 {"flaw", "lawn", 2},
                 {"abcd", "badc", 2}};
    char longer[CONFIG_SUGGEST_BYTES_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(config_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(config_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(config_distance(longer, "a"), SIZE_MAX);
    assert_int_equal(config_distance(longer + 1, "a"), CONFIG_SUGGEST_BYTES_MAX - 1);
}

static void test_suggestions(void **state)
{
    struct config_suggestion best = {.word = NULL};

    (void)state;
    config_suggest(&best, "hots", "port");
    assert_null(best.word);
    config_suggest(&best, "intervals", "internal");
    assert_string_equal(best.word, "internal");
    config_suggest(&best, "intervals", "interval");
    assert_string_equal(best.word, "interval");
    config_suggest(&best, "intervals", "internal"); /* a worse one does not replace it */
    assert_string_equal(best.word, "interval");
    best.word = NULL;
    config_suggest(&best, "a", "b"); /* anything is close to one letter */
    assert_null(best.word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_integers),  cmocka_unit_test(test_bools),
        cmocka_unit_test(test_distance),  cmocka_unit_test(test_suggestions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
