/* The textfile input over files that are none, too large, or gone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/textformat.h"
#include "tests/unit/input_run.h"

#define ERROR "node_textfile_scrape_error"

/* The input with its directory set, which is its only option. */
static void start(struct input_run *run)
{
    input_run_init(run, "textfile");
    char **directory = run->config;
    free(*directory);
    *directory = strdup(run->rootfs);
    assert_non_null(*directory);
}

static void test_fifo_does_not_block(void **state)
{
    (void)state;
    struct input_run run;
    char path[128];
    start(&run);
    tree_write(&run.tree, "rootfs/a.prom", "a 1\n");
    (void)snprintf(path, sizeof(path), "%s/b.prom", run.rootfs);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/c.prom", run.rootfs);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, "a") == 1);
    assert_true(input_run_value(&run, ERROR) == 1);
    assert_non_null(strstr(run.error.text, "rootfs/b.prom: ")); /* the first of two */
    input_run_deinit(&run);
}

static void assert_missing(struct input_run *run, const char *text, const char *why)
{
    tree_write(&run->tree, "rootfs/a.prom", text);
    assert_int_equal(input_run_read(run), 0);
    assert_true(input_run_value(run, ERROR) == (*why != '\0'));
    if (strstr(run->error.text, why) == NULL || (*why == '\0' && run->error.text[0] != '\0'))
        fail_msg("'%s' is not about '%s'", run->error.text, why);
}

static void test_says_what_is_missing_and_why(void **state)
{
    (void)state;
    struct input_run run;
    start(&run);
    assert_int_equal(input_run_read(&run), 0);
    assert_non_null(strstr(run.error.text, "No such file or directory"));
    assert_missing(&run, "a 1\nb\n", "rootfs/a.prom: line 2: ");
    assert_missing(&run, "a 1\n\nb 2 1700000000000\n", "rootfs/a.prom: line 3: a timestamp");
    assert_missing(&run, "a 1\na 2\n", "twice");
    assert_missing(&run, "a 1\n", "");
    input_run_deinit(&run);
}

static void test_follows_the_files(void **state)
{
    (void)state;
    struct input_run run;
    start(&run);
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, ERROR) == 1); /* no directory */
    tree_write(&run.tree, "rootfs/a.prom", "# HELP a First.\na 1\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, ERROR) == 0);
    tree_replace(&run.tree, "rootfs/a.prom", "# HELP a Second.\na{x=\"1\"} 2\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, "a{x=\"1\"}") == 2);
    assert_true(isnan(input_run_value(&run, "a")));
    tree_remove(&run.tree, "rootfs/a.prom");
    assert_int_equal(input_run_read(&run), 0);
    assert_int_equal(input_run_samples(&run), 1);
    input_run_deinit(&run);
}

static void test_files_together_are_bounded(void **state)
{
    (void)state;
    struct input_run run;
    size_t size = TEXTFORMAT_BYTES_MAX / 2;
    char *text = malloc(size + 2);
    assert_non_null(text);
    start(&run);
    memset(text, '\n', size);
    memcpy(text, "a 1", 3);
    text[size] = '\0';
    tree_write(&run.tree, "rootfs/a.prom", text);
    text[0] = 'b';
    tree_write(&run.tree, "rootfs/b.prom", text);
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, ERROR) == 0);
    tree_write(&run.tree, "rootfs/c.prom", "c 1\n");
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, ERROR) == 1);
    assert_true(isnan(input_run_value(&run, "c")));
    assert_true(input_run_value(&run, "b") == 1);
    input_run_deinit(&run);
    free(text);
}

static void test_series_are_bounded(void **state)
{
    (void)state;
    struct input_run run;
    char *text = malloc((size_t)SERIES_PER_INPUT_MAX * 16);
    char *to = text;
    assert_non_null(text);
    start(&run);
    for (int i = 0; i < SERIES_PER_INPUT_MAX; i++)
        to += sprintf(to, "m%d 1\n", i);
    tree_write(&run.tree, "rootfs/a.prom", text);
    assert_int_equal(input_run_read(&run), 0);
    assert_true(input_run_value(&run, ERROR) == 1);
    assert_true(input_run_samples(&run) <= SERIES_PER_INPUT_MAX);
    assert_true(input_run_value(&run, "m98998") == 1);
    input_run_deinit(&run);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fifo_does_not_block),
        cmocka_unit_test(test_says_what_is_missing_and_why),
        cmocka_unit_test(test_follows_the_files),
        cmocka_unit_test(test_files_together_are_bounded),
        cmocka_unit_test(test_series_are_bounded),
    };
    return cmocka_run_group_tests_name("textfile", tests, NULL, NULL);
}
