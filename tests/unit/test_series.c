#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/series.h"

#define LONG_BYTES 4096

/* n times `c`; static storage is overwritten by the next call. */
static const char *repeat(char c, size_t n)
{
    static char text[LONG_BYTES];
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

static void test_names_of_types(void **state)
{
    (void)state;
    assert_string_equal(family_type_name(FAMILY_UNKNOWN), "unknown");
    assert_string_equal(family_type_name(FAMILY_COUNTER), "counter");
    assert_string_equal(family_type_name(FAMILY_GAUGE), "gauge");
    assert_string_equal(family_type_name(FAMILY_HISTOGRAM), "histogram");
    assert_string_equal(family_type_name(FAMILY_SUMMARY), "summary");
    assert_string_equal(family_type_name(FAMILY_INFO), "info");
    assert_string_equal(family_type_name(FAMILY_STATESET), "stateset");
    assert_string_equal(family_type_name((enum family_type)99), "unknown");
    assert_string_equal(series_suffix_text(SUFFIX_NONE), "");
    assert_string_equal(series_suffix_text(SUFFIX_BUCKET), "_bucket");
    assert_string_equal(series_suffix_text(SUFFIX_SUM), "_sum");
    assert_string_equal(series_suffix_text(SUFFIX_COUNT), "_count");
}

static void test_suffixes_of_types(void **state)
{
    (void)state;
    for (enum family_type type = FAMILY_UNKNOWN; type < FAMILY_TYPES; type++) {
        bool is_histogram = type == FAMILY_HISTOGRAM;
        bool has_parts = is_histogram || type == FAMILY_SUMMARY;
        assert_int_equal(series_suffix_fits(SUFFIX_NONE, type), !is_histogram);
        assert_int_equal(series_suffix_fits(SUFFIX_BUCKET, type), is_histogram);
        assert_int_equal(series_suffix_fits(SUFFIX_SUM, type), has_parts);
        assert_int_equal(series_suffix_fits(SUFFIX_COUNT, type), has_parts);
        assert_false(series_suffix_fits(SUFFIXES, type));
    }
}

static void test_metric_names(void **state)
{
    (void)state;
    assert_true(metric_name_is_valid("node_cpu_seconds_total"));
    assert_true(metric_name_is_valid(":rule:sum5m"));
    assert_true(metric_name_is_valid("_"));
    assert_true(metric_name_is_valid("A9"));
    assert_false(metric_name_is_valid(""));
    assert_false(metric_name_is_valid("9a"));
    assert_false(metric_name_is_valid("a-b"));
    assert_false(metric_name_is_valid("a\nb"));
    assert_false(metric_name_is_valid("a b"));
    assert_false(metric_name_is_valid("gr\xc3\xb6\xc3\x9f"));
    assert_true(metric_name_is_valid(repeat('a', METRIC_NAME_BYTES_MAX)));
    assert_false(metric_name_is_valid(repeat('a', METRIC_NAME_BYTES_MAX + 1)));
}

static void test_label_names(void **state)
{
    (void)state;
    assert_true(label_name_is_valid("device"));
    assert_true(label_name_is_valid("_a"));
    assert_true(label_name_is_valid("a__b"));
    assert_false(label_name_is_valid("__name__"));
    assert_false(label_name_is_valid("__"));
    assert_false(label_name_is_valid("a:b"));
    assert_false(label_name_is_valid("1a"));
    assert_false(label_name_is_valid(""));
    assert_true(label_name_is_valid(repeat('a', LABEL_NAME_BYTES_MAX)));
    assert_false(label_name_is_valid(repeat('a', LABEL_NAME_BYTES_MAX + 1)));
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool is_valid;
    } cases[] = {
        {"", true},
        {"plain \t\n\x7f", true},
        {"\xc2\x80\xdf\xbf", true},         /* U+0080, U+07FF */
        {"\xe0\xa0\x80\xef\xbf\xbf", true}, /* U+0800, U+FFFF */
        {"\xed\x9f\xbf\xee\x80\x80", true}, /* around the surrogates */
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true},
        {"\x80", false},     /* continuation alone */
        {"\xc0\xaf", false}, /* overlong '/' */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},     /* overlong U+07FF */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong U+FFFF */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* over U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xc3", false}, /* cut off */
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xe2\x28\xa1", false},
        {"\xe2\x82\x28", false},
        {"ok\xf0\x9f\x98\x80 \xe2\x82\xac", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (utf8_is_valid(cases[i].bytes, strlen(cases[i].bytes)) != cases[i].is_valid)
            fail_msg("case %zu", i);
    }
    assert_false(utf8_is_valid("a\0b", 3));
    /* The size rules, not what lies behind it. */
    assert_false(utf8_is_valid("\xe2\x82\xac", 2));
}

static void test_text_bound(void **state)
{
    (void)state;
    assert_true(text_is_valid("", 0));
    assert_false(text_is_valid("a", 0));
    assert_true(text_is_valid(repeat('x', HELP_BYTES_MAX), HELP_BYTES_MAX));
    assert_false(text_is_valid(repeat('x', HELP_BYTES_MAX + 1), HELP_BYTES_MAX));
    assert_false(text_is_valid("\xff", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_types), cmocka_unit_test(test_suffixes_of_types),
        cmocka_unit_test(test_metric_names),   cmocka_unit_test(test_label_names),
        cmocka_unit_test(test_utf8),           cmocka_unit_test(test_text_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
