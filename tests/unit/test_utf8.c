/* Making valid UTF-8 of anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/utf8.h"
#include "common/series.h"

#define BAD "\xEF\xBF\xBD"

static void test_repairs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x9F", "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x9F"},
        {"\xFF", BAD},
        {"\xFF\xFE\xFD", BAD}, /* a run is one */
        {"a\xFF"
         "b\xFE"
         "c",
         "a" BAD "b" BAD "c"},
        {"\xC3", BAD}, /* cut off */
        {"\xE2\x82", BAD},
        {"\xC0\xAF", BAD}, /* overlong */
        {"\xE0\x80\xAF", BAD},
        {"\xF0\x80\x80\xAF", BAD},
        {"\xED\xA0\x80", BAD},     /* a surrogate */
        {"\xF4\x90\x80\x80", BAD}, /* past U+10FFFF */
        {"\xED\x9F\xBF\xF4\x8F\xBF\xBF", "\xED\x9F\xBF\xF4\x8F\xBF\xBF"},
        {BAD "\xFF", BAD BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        utf8_repair(out, sizeof(out), cases[i].text);
        assert_string_equal(out, cases[i].want);
        assert_true(text_is_valid(out, sizeof(out)));
    }
}

static void test_cuts_between_characters(void **state)
{
    (void)state;
    static const char euro_b[] = "a\xE2\x82\xAC"
                                 "b";
    static const char *const want[] = {"", "a", "a", "a", "a\xE2\x82\xAC", euro_b};
    for (size_t n = 1; n <= 6; n++) {
        char out[8];
        memset(out, '#', sizeof(out));
        utf8_repair(out, n,
                    "a\xE2\x82\xAC"
                    "bc");
        assert_string_equal(out, want[n - 1]);
        assert_int_equal(out[n], '#');
    }
}

static void test_has_room_for_any(void **state)
{
    (void)state;
    const char text[] = "\xFF"
                        "a\xFF"
                        "b\xFF";
    char out[UTF8_REPAIRED_BYTES(sizeof(text))];
    utf8_repair(out, sizeof(out), text);
    assert_string_equal(out, BAD "a" BAD "b" BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repairs),
        cmocka_unit_test(test_cuts_between_characters),
        cmocka_unit_test(test_has_room_for_any),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
