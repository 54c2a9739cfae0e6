/* The collector's command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collector/arguments.h"

static struct arguments parse(char **argv)
{
    struct arguments arguments;
    int n = 0;
    while (argv[n] != NULL)
        n++;
    arguments_parse(&arguments, n, argv);
    return arguments;
}

static void test_tasks(void **state)
{
    (void)state;
    char *run[] = {"c", "--config", "a", "--config=b", NULL};
    struct arguments arguments = parse(run);
    assert_int_equal(arguments.task, ARGUMENTS_RUN);
    assert_int_equal(arguments.n_files, 2);
    assert_string_equal(arguments.files[0], "a");
    assert_string_equal(arguments.files[1], "b");
    char *check[] = {"c", "--check", "--config", "a", NULL};
    assert_int_equal(parse(check).task, ARGUMENTS_CHECK);
    char *print[] = {"c", "--print-config", NULL};
    assert_int_equal(parse(print).task, ARGUMENTS_PRINT);
    char *version[] = {"c", "--version", NULL};
    assert_int_equal(parse(version).task, ARGUMENTS_VERSION);
    char *help[] = {"c", "--help", NULL};
    assert_int_equal(parse(help).task, ARGUMENTS_HELP);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    char *unknown[] = {"c", "--bogus", "--check", NULL};
    assert_int_equal(parse(unknown).task, ARGUMENTS_WRONG);
    char *stray[] = {"c", "--check", "file", NULL};
    assert_int_equal(parse(stray).task, ARGUMENTS_WRONG);
    char *bare[] = {"c", "--config", NULL};
    assert_int_equal(parse(bare).task, ARGUMENTS_WRONG);
    char *many[ARGUMENTS_FILES_MAX + 3] = {"c"};
    for (int i = 1; i <= ARGUMENTS_FILES_MAX; i++)
        many[i] = "--config=a";
    assert_int_equal(parse(many).n_files, ARGUMENTS_FILES_MAX);
    assert_int_equal(parse(many).task, ARGUMENTS_RUN);
    many[ARGUMENTS_FILES_MAX + 1] = "--config=a";
    assert_int_equal(parse(many).task, ARGUMENTS_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
