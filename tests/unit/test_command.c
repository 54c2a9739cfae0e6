/* The agent's command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/command.h"

static struct command parse(char **argv)
{
    struct command command;
    int n = 0;
    while (argv[n] != NULL)
        n++;
    command_parse(&command, n, argv);
    return command;
}

static enum command_task task_of(char *first, char *second)
{
    char *argv[] = {"a", "--config", "f", first, second, NULL};
    return parse(argv).task;
}

static void test_tasks(void **state)
{
    (void)state;
    assert_int_equal(task_of(NULL, NULL), COMMAND_RUN);
    assert_int_equal(task_of("--once", NULL), COMMAND_ONCE);
    assert_int_equal(task_of("--check", NULL), COMMAND_CHECK);
    assert_int_equal(task_of("--print-config", NULL), COMMAND_PRINT);
    assert_int_equal(task_of("--version", NULL), COMMAND_VERSION);
    assert_int_equal(task_of("--help", NULL), COMMAND_HELP);
    assert_int_equal(task_of("--once", "--once"), COMMAND_ONCE);
    assert_int_equal(task_of("--once", "--help"), COMMAND_HELP);
    assert_int_equal(task_of("--help", "--once"), COMMAND_HELP);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(task_of("--once", "--check"), COMMAND_WRONG);
    assert_int_equal(task_of("--onec", NULL), COMMAND_WRONG);
    assert_int_equal(task_of("word", NULL), COMMAND_WRONG);
    assert_int_equal(task_of("--config", NULL), COMMAND_WRONG);
}

static void test_files(void **state)
{
    (void)state;
    char *two[] = {"a", "--config", "b", "--config=c", NULL};
    struct command command = parse(two);
    assert_int_equal(command.task, COMMAND_RUN);
    assert_int_equal(command.n_files, 2);
    assert_string_equal(command.files[0], "b");
    assert_string_equal(command.files[1], "c");
    char *none[] = {"a", NULL};
    command = parse(none);
    assert_int_equal(command.n_files, access(COMMAND_FILE_DEFAULT, F_OK) == 0);
}

static void test_files_are_bounded(void **state)
{
    (void)state;
    char *argv[COMMAND_FILES_MAX + 3] = {"a"};
    for (size_t i = 1; i <= COMMAND_FILES_MAX; i++)
        argv[i] = "--config=b";
    struct command command = parse(argv);
    assert_int_equal(command.task, COMMAND_RUN);
    assert_int_equal(command.n_files, COMMAND_FILES_MAX);
    argv[COMMAND_FILES_MAX + 1] = "--config=b";
    assert_int_equal(parse(argv).task, COMMAND_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_are_bounded),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
