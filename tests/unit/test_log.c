#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#define PREFIX_BYTES (sizeof("2026-11-22T07:00:00.123Z ") - 1)

/* Standard error goes to a pipe for the length of a test. */
struct capture {
    int kept;
    int pipe[2];
    char text[16384];
};

static int begin_capture(void **state)
{
    struct capture *capture = calloc(1, sizeof(*capture));
    if (capture == NULL || pipe2(capture->pipe, O_NONBLOCK) != 0)
        return -1;
    capture->kept = dup(STDERR_FILENO);
    *state = capture;
    log_set_level(LOG_LEVEL_INFO);
    return unsetenv("JOURNAL_STREAM") != 0 || dup2(capture->pipe[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int end_capture(void **state)
{
    struct capture *capture = *state;
    int r = dup2(capture->kept, STDERR_FILENO) < 0 ? -1 : 0;
    (void)close(capture->kept);
    (void)close(capture->pipe[0]);
    (void)close(capture->pipe[1]);
    free(capture);
    return r;
}

/* What was logged since the last call. */
static const char *logged(struct capture *capture)
{
    ssize_t n = read(capture->pipe[0], capture->text, sizeof(capture->text) - 1);
    capture->text[n < 0 ? 0 : n] = '\0';
    return capture->text;
}

static void test_line(void **state)
{
    log_info("%s %d", "frames", 7);
    const char *line = logged(*state);
    static const char form[] = "0000-00-00T00:00:00.000Z info frames 7\n";
    assert_int_equal(strlen(line), strlen(form));
    for (size_t i = 0; i < PREFIX_BYTES; i++) {
        if (form[i] == '0')
            assert_true(isdigit((unsigned char)line[i]));
        else
            assert_int_equal(line[i], form[i]);
    }
    assert_string_equal(line + PREFIX_BYTES, form + PREFIX_BYTES);
    assert_memory_equal(line, "20", 2);
}

static void test_levels(void **state)
{
    log_debug("hidden");
    assert_string_equal(logged(*state), "");
    log_warning("a");
    assert_string_equal(logged(*state) + PREFIX_BYTES, "warning a\n");
    log_error("b");
    assert_string_equal(logged(*state) + PREFIX_BYTES, "error b\n");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("c");
    assert_string_equal(logged(*state) + PREFIX_BYTES, "debug c\n");
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("hidden");
    assert_string_equal(logged(*state), "");
}

static void test_journal(void **state)
{
    struct stat status;
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    char stream[64];
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
                   (unsigned long long)status.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_set_level(LOG_LEVEL_DEBUG);
    log_error("e");
    log_warning("w");
    log_info("i");
    log_debug("d");
    assert_string_equal(logged(*state), "<3>e\n<4>w\n<6>i\n<7>d\n");
    /* Inherited from a service whose standard error this is not. */
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_error("e");
    assert_string_equal(logged(*state) + PREFIX_BYTES, "error e\n");
}

static void test_hostile_text(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a\n<3>forged", "a\\x0a<3>forged"},
        {"\r\x1b[2J\x7f\t", "\\x0d\\x1b[2J\\x7f\\x09"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9f", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"back\\slash", "back\\slash"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        log_error("%s", cases[i].text);
        char want[128];
        (void)snprintf(want, sizeof(want), "error %s\n", cases[i].want);
        assert_string_equal(logged(*state) + PREFIX_BYTES, want);
    }
}

static void test_long_text(void **state)
{
    char text[5000];
    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_error("%s", text);
    const char *line = logged(*state);
    size_t n = strlen(line);
    assert_in_range(n, 8000, 8300);
    assert_string_equal(line + n - 8, "\\x01...\n");
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void test_keeps_errno(void **state)
{
    errno = ENOSPC;
    log_error("x");
    assert_int_equal(errno, ENOSPC);
    assert_true(strlen(logged(*state)) > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin_capture, end_capture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line),         TEST(test_levels),    TEST(test_journal),
        TEST(test_hostile_text), TEST(test_long_text), TEST(test_keeps_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
