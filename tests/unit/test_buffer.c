#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buffer.h"

static void test_starts_empty(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer buffer = {0};
    assert_false(buffer_failed(&buffer));
    assert_string_equal(buffer_string(&buffer), "");
    assert_int_equal(buffer.size, 0);
    buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer.size, 0);
    assert_false(buffer_failed(&buffer));
}

static void test_appends(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer buffer = {0};
    buffer_text(&buffer, "one ");
    buffer_print(&buffer, "%d-%s", 22, "three");
    buffer_append(&buffer, " four", 5);
    assert_string_equal(buffer_string(&buffer), "one 22-three four");
    assert_int_equal(buffer.size, 17);
}

static void test_string_does_not_count(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer buffer = {0};
    buffer_text(&buffer, "a");
    assert_string_equal(buffer_string(&buffer), "a");
    buffer_text(&buffer, "b");
    assert_string_equal(buffer_string(&buffer), "ab");
}

static void test_grows(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer buffer = {0};
    for (uint32_t i = 0; i < 100000; i++)
        buffer_append(&buffer, &i, sizeof(i));
    assert_int_equal(buffer.size, 400000);
    assert_true(buffer.capacity < 800000 + 64);
    for (uint32_t i = 0; i < 100000; i++)
        assert_memory_equal(buffer.data + i * sizeof(i), &i, sizeof(i));
}

static void test_reserve_gives_room(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer buffer = {0};
    buffer_text(&buffer, "x");
    char *to = buffer_reserve(&buffer, 1000);
    assert_non_null(to);
    memset(to, 'y', 1000);
    assert_int_equal(buffer.size, 1);
    buffer_wrote(&buffer, 3);
    assert_string_equal(buffer_string(&buffer), "xyyy");
}

static void test_errors_stick(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer buffer = {0};
    buffer_text(&buffer, "kept");
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer_failed(&buffer));
    buffer_text(&buffer, "ignored");
    buffer_print(&buffer, "%s", "ignored");
    assert_int_equal(buffer.size, 4);
    assert_string_equal(buffer_string(&buffer), "");
    buffer_clear(&buffer);
    assert_false(buffer_failed(&buffer));
    buffer_text(&buffer, "again");
    assert_string_equal(buffer_string(&buffer), "again");
}

static void test_deinit_twice(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_text(&buffer, "x");
    buffer_deinit(&buffer);
    assert_null(buffer.data);
    buffer_deinit(&buffer);
    buffer_text(&buffer, "y");
    assert_string_equal(buffer_string(&buffer), "y");
    buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_empty),          cmocka_unit_test(test_appends),
        cmocka_unit_test(test_string_does_not_count), cmocka_unit_test(test_grows),
        cmocka_unit_test(test_reserve_gives_room),    cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_deinit_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
