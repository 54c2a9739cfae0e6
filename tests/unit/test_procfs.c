/* Reading and taking apart small files. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/procfs.h"
#include "tests/unit/tree.h"

static void test_lines_and_fields(void **state)
{
    (void)state;
    struct tree tree;
    struct procfs_file file;
    struct input_error error;
    tree_init(&tree);
    tree_write(&tree, "file", " a\t b  c \n\nlast");
    assert_int_equal(procfs_init(&file, "%s/file", tree.root), 0);
    assert_int_equal(procfs_read(&file, &error), 0);
    char *line = procfs_line(&file);
    assert_string_equal(procfs_field(&line), "a");
    assert_string_equal(procfs_field(&line), "b");
    assert_string_equal(procfs_field(&line), "c");
    assert_null(procfs_field(&line));
    assert_null(procfs_field(&line));
    assert_string_equal(procfs_line(&file), "");
    assert_string_equal(procfs_line(&file), "last");
    assert_int_equal(procfs_bad(&file, &error, "no %s", "good"), -EINVAL);
    assert_non_null(strstr(error.text, "/file: line 3: no good"));
    assert_null(procfs_line(&file));
    assert_null(procfs_line(&file));
    procfs_deinit(&file);
    procfs_deinit(&file);
    tree_deinit(&tree);
}

static void test_reads_again_at_the_start(void **state)
{
    (void)state;
    struct tree tree;
    struct procfs_file file;
    struct input_error error;
    tree_init(&tree);
    tree_write(&tree, "file", "a long first text\n");
    assert_int_equal(procfs_init(&file, "%s/file", tree.root), 0);
    assert_int_equal(procfs_read(&file, &error), 0);
    tree_write(&tree, "file", "short\n");
    assert_int_equal(procfs_read(&file, &error), 0);
    assert_string_equal(procfs_line(&file), "short");
    assert_null(procfs_line(&file));
    procfs_deinit(&file);
    tree_deinit(&tree);
}

static void test_comes_and_goes(void **state)
{
    (void)state;
    struct tree tree;
    struct procfs_file file;
    struct input_error error;
    tree_init(&tree);
    assert_int_equal(procfs_init(&file, "%s/file", tree.root), 0);
    assert_int_equal(procfs_read(&file, &error), INPUT_ABSENT);
    tree_write(&tree, "file", "");
    assert_int_equal(procfs_read(&file, &error), 0);
    assert_null(procfs_line(&file));
    assert_int_equal(procfs_bad(&file, &error, "empty"), -EINVAL);
    assert_null(strstr(error.text, "line"));
    procfs_deinit(&file);
    tree_deinit(&tree);
}

static void test_refuses_directory_and_size(void **state)
{
    (void)state;
    struct tree tree;
    struct procfs_file file;
    struct input_error error;
    tree_init(&tree);
    assert_int_equal(procfs_init(&file, "%s", tree.root), 0);
    assert_int_equal(procfs_read(&file, &error), -EISDIR);
    assert_non_null(strstr(error.text, tree.root));
    procfs_deinit(&file);
    char *text = malloc(PROCFS_FILE_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, 'x', PROCFS_FILE_BYTES_MAX + 1);
    text[PROCFS_FILE_BYTES_MAX + 1] = '\0';
    tree_write(&tree, "large", text);
    assert_int_equal(procfs_init(&file, "%s/large", tree.root), 0);
    assert_int_equal(procfs_read(&file, &error), -E2BIG);
    tree_write(&tree, "large", text + 1);
    assert_int_equal(procfs_read(&file, &error), 0);
    assert_int_equal(strlen(procfs_line(&file)), PROCFS_FILE_BYTES_MAX);
    procfs_deinit(&file);
    free(text);
    tree_deinit(&tree);
}

static void test_integers(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " 1", "1 ", "-1", "+1", "0x1", "1.0", "a"};
    uint64_t number = 7;
    assert_int_equal(procfs_u64("18446744073709551615", &number), 0);
    assert_true(number == UINT64_MAX);
    assert_int_equal(procfs_u64("0", &number), 0);
    assert_int_equal(number, 0);
    number = 7;
    assert_int_equal(procfs_u64("18446744073709551616", &number), -ERANGE);
    assert_int_equal(procfs_u64("99999999999999999999", &number), -ERANGE);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(procfs_u64(bad[i], &number), -EINVAL);
    assert_int_equal(number, 7);
}

/* Each is what strtod() makes of it, to the last bit. */
static void test_doubles(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "0.00",
                                       "1",
                                       "-1.5",
                                       "0.1",
                                       "123456789.012345",
                                       "4.35",
                                       "-128500",
                                       "0.000000000000001",
                                       "999999999999999",
                                       "1234567890123456789",
                                       "1e300",
                                       "1E-5",
                                       "inf",
                                       "-Inf",
                                       "0.1234567890123456",
                                       "5.",
                                       ".5"};
    static const char *const bad[] = {"",    "-",     ".", "-.",  "1 ", " 1",
                                      "1,5", "1.2.3", "x", "--1", "1e"};
    double number;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double want = strtod(good[i], NULL);
        assert_int_equal(procfs_double(good[i], &number), 0);
        assert_memory_equal(&number, &want, sizeof(want));
    }
    assert_int_equal(procfs_double("nan", &number), 0);
    assert_true(isnan(number));
    number = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(procfs_double(bad[i], &number), -EINVAL);
    assert_true(number == 7);
}

static void test_values(void **state)
{
    (void)state;
    struct tree tree;
    char text[8];
    uint64_t number = 7;
    tree_init(&tree);
    tree_write(&tree, "a", "42\n\n");
    tree_write(&tree, "b", "0123456789");
    tree_write(&tree, "c", "");
    assert_int_equal(procfs_value(text, sizeof(text), "%s/a", tree.root), 0);
    assert_string_equal(text, "42");
    assert_int_equal(procfs_value(text, sizeof(text), "%s/b", tree.root), 0);
    assert_string_equal(text, "0123456"); /* cut off */
    assert_int_equal(procfs_value(text, sizeof(text), "%s/c", tree.root), 0);
    assert_string_equal(text, "");
    assert_int_equal(procfs_value(text, sizeof(text), "%s/d", tree.root), -ENOENT);
    assert_int_equal(procfs_value(text, sizeof(text), "%s", tree.root), -EISDIR);
    assert_int_equal(procfs_value(text, sizeof(text), "%*d", PROCFS_PATH_BYTES_MAX, 1),
                     -ENAMETOOLONG);
    assert_int_equal(procfs_value_u64(&number, "%s/c", tree.root), -EINVAL);
    assert_int_equal(number, 7);
    assert_int_equal(procfs_value_u64(&number, "%s/a", tree.root), 0);
    assert_int_equal(number, 42);
    tree_deinit(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_fields), cmocka_unit_test(test_reads_again_at_the_start),
        cmocka_unit_test(test_comes_and_goes),   cmocka_unit_test(test_refuses_directory_and_size),
        cmocka_unit_test(test_integers),         cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests_name("procfs", tests, NULL, NULL);
}
