/* Percent-encoding: what goes in comes out, and what is wrong is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/url.h"

static void test_encoding(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {0};
    url_append_segment(&out, "a/b c:80~\xc3\xa4%");
    assert_string_equal(buffer_string(&out), "a%2Fb%20c%3A80~%C3%A4%25");
    buffer_clear(&out);
    url_append_segment(&out, "..");
    assert_string_equal(buffer_string(&out), "%2E%2E");
}

static void test_every_byte_comes_back(void **state)
{
    (void)state;
    char all[256];
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    BUFFER_AUTO struct buffer path = {0};
    buffer_text(&path, "/");
    url_append_segment(&path, all);
    buffer_text(&path, "/next");
    char back[256];
    const char *at = buffer_string(&path);
    assert_int_equal(url_take_segment(&at, back, sizeof(back)), 0);
    assert_string_equal(back, all);
    assert_string_equal(at, "/next");
    at = buffer_string(&path);
    assert_int_equal(url_take_segment(&at, back, sizeof(back) - 1), URL_BAD);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "a", "/", "//a", "/%", "/%4", "/%zz", "/a%0", "/a%00b"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char out[8] = "before";
        const char *at = paths[i];
        assert_int_equal(url_take_segment(&at, out, sizeof(out)), URL_BAD);
        assert_ptr_equal(at, paths[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_every_byte_comes_back),
        cmocka_unit_test(test_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
