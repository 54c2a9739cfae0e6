/*
 * The golden fixtures: each case in tests/fixtures/inputs/INPUT/CASE is a machine as its files show
 * it, and what the input should make of it.
 *
 *   proc/ sys/ rootfs/   the machine's directories
 *   config.yaml          the agent's configuration, if the case has one
 *   uname                what uname(2) answers: one name a line
 *   statfs               what statfs(2) answers: "BSIZE BLOCKS BFREE BAVAIL FILES FFREE PATH" a
 *                        line, or "ERRNO PATH"
 *   want.prom            the reading as Prometheus text, or
 *   want.error           the error's text, or "absent"
 *
 * Every input in the table must have a case. UPDATE=1 writes the wants anew: look at the difference
 * before it is committed. The two system calls are this program's own, so that a case says what
 * they answer; the clock stands still, and files *.prom have one fixed time.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/input.h"
#include "common/exposition.h"

#define FIXTURES SHOAL_SOURCE_DIR "/tests/fixtures/inputs"
#define UTC_US INT64_C(1700000000123456)
#define FILE_TIME 1690000000
#define LINE_BYTES 4096

/*
 * The machine's answers.
 */

static int64_t fixed_us(struct clock *clock)
{
    (void)clock;
    return UTC_US;
}

static bool is_never_synchronised(struct clock *clock, int64_t *error_us_out)
{
    (void)clock;
    *error_us_out = 0;
    return false;
}

static struct clock fixed_clock = {
    .boot_us = fixed_us, .utc_us = fixed_us, .is_synchronised = is_never_synchronised};

static void read_name(FILE *file, char name[65])
{
    char line[LINE_BYTES];
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    (void)snprintf(name, 65, "%.64s", line);
}

int uname(struct utsname *names)
{
    FILE *file = fopen("uname", "re");
    if (file == NULL) {
        errno = EFAULT;
        return -1;
    }
    read_name(file, names->sysname);
    read_name(file, names->nodename);
    read_name(file, names->release);
    read_name(file, names->version);
    read_name(file, names->machine);
    read_name(file, names->domainname);
    (void)fclose(file);
    return 0;
}

static int errno_of(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } known[] = {{"EIO", EIO}, {"ESTALE", ESTALE}, {"EACCES", EACCES}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].number;
    return 0;
}

/* Fills *out from a line for that path. 0, an errno, or -1: another path's. */
static int answer_statfs(char *line, const char *path, struct statfs *out)
{
    uint64_t n[6];
    char *rest = line;
    if (line[0] == 'E') {
        const char *name = strsep(&rest, " ");
        return rest != NULL && strcmp(rest, path) == 0 ? errno_of(name) : -1;
    }
    for (size_t i = 0; i < 6; i++)
        n[i] = strtoull(rest, &rest, 10);
    if (*rest != ' ' || strcmp(rest + 1, path) != 0)
        return -1;
    *out = (struct statfs){.f_bsize = (long)n[0],
                           .f_blocks = n[1],
                           .f_bfree = n[2],
                           .f_bavail = n[3],
                           .f_files = n[4],
                           .f_ffree = n[5]};
    return 0;
}

int statfs(const char *path, struct statfs *out)
{
    char line[LINE_BYTES];
    int r = -1;
    FILE *file = fopen("statfs", "re");
    while (r < 0 && file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        r = answer_statfs(line, path, out);
    }
    if (file != NULL)
        (void)fclose(file);
    errno = r < 0 ? ENOENT : r;
    return r == 0 ? 0 : -1;
}

static void set_file_times(void)
{
    const struct timespec times[2] = {{.tv_sec = FILE_TIME}, {.tv_sec = FILE_TIME}};
    glob_t found;
    if (glob("rootfs/*/*.prom", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            assert_int_equal(utimensat(AT_FDCWD, found.gl_pathv[i], times, 0), 0);
    globfree(&found);
}

/*
 * Running a case.
 */

struct golden {
    char *directory;
    const struct input *input;
};

/* What a case gave: text, or an error. */
struct outcome {
    int result;
    struct input_error error;
    struct buffer text;
};

static void read_once(const struct input *input, void *state, struct outcome *outcome)
{
    struct reading *reading = reading_new();
    assert_non_null(reading);
    reading_begin(reading);
    outcome->result = input->read(state, reading, &outcome->error);
    if (outcome->result == 0) {
        outcome->result = reading_end(reading);
        assert_string_equal(reading_error(reading), "");
    }
    if (outcome->result == 0)
        exposition_readings(&outcome->text, EXPOSITION_TEXT,
                            (const struct reading *const[]){reading}, 1, EXPOSITION_NO_TIME);
    reading_free(reading);
}

static void load_config(const struct golden *golden, const struct config_section *section)
{
    struct config_error error = {.text = ""};
    const char *file = "config.yaml";
    size_t n_files = access(file, R_OK) == 0;
    if (config_load(section, 1, &file, n_files, &error) != 0)
        fail_msg("%s: %s", golden->directory, error.text);
}

static void run(const struct golden *golden, struct outcome *outcome)
{
    const struct input *input = golden->input;
    const struct input_host host = {
        .proc = "proc", .sys = "sys", .rootfs = "rootfs", .clock = &fixed_clock};
    char path[64];
    void *state = NULL;
    void *config = calloc(1, input->config_bytes + 1);
    assert_non_null(config);
    (void)snprintf(path, sizeof(path), "inputs.%s", input->name);
    const struct config_section section = {path, input->options, config};
    load_config(golden, &section);
    outcome->result = input->open == NULL ? 0 : input->open(config, &host, &state, &outcome->error);
    if (outcome->result == 0) {
        read_once(input, state, outcome);
        if (input->close != NULL)
            input->close(state);
    }
    config_deinit(&section, 1);
    free(config);
}

/*
 * Comparing.
 */

static bool read_want(const char *path, struct buffer *out)
{
    char bytes[LINE_BYTES];
    size_t n;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        buffer_append(out, bytes, n);
    (void)fclose(file);
    return true;
}

static void write_want(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool has_line(const char *text, const char *line, size_t n)
{
    for (; *text != '\0'; text += strcspn(text, "\n") + (text[strcspn(text, "\n")] != '\0'))
        if (strcspn(text, "\n") == n && strncmp(text, line, n) == 0)
            return true;
    return false;
}

/* The lines of a that b has not. */
static void print_missing(const char *mark, const char *a, const char *b)
{
    while (*a != '\0') {
        size_t n = strcspn(a, "\n");
        if (!has_line(b, a, n))
            print_error("%s%.*s\n", mark, (int)n, a);
        a += n + (a[n] != '\0');
    }
}

static void compare(const char *path, const char *want, const char *got)
{
    if (strcmp(want, got) == 0)
        return;
    print_missing("-", want, got);
    print_missing("+", got, want);
    fail_msg("%s: not as wanted (where no line is shown, the order differs)", path);
}

static const char *outcome_text(struct outcome *outcome)
{
    if (outcome->result == 0)
        return buffer_string(&outcome->text);
    if (outcome->result == INPUT_ABSENT)
        return "absent\n";
    buffer_print(&outcome->text, "%s\n", outcome->error.text);
    return buffer_string(&outcome->text);
}

static void test_case(void **state)
{
    const struct golden *golden = *state;
    BUFFER_AUTO struct buffer want = {0};
    struct outcome outcome = {.error = {""}};
    assert_int_equal(chdir(golden->directory), 0);
    set_file_times();
    run(golden, &outcome);
    const char *path = outcome.result == 0 ? "want.prom" : "want.error";
    const char *got = outcome_text(&outcome);
    if (getenv("UPDATE") != NULL) {
        (void)unlink(outcome.result == 0 ? "want.error" : "want.prom");
        write_want(path, got);
    }
    if (!read_want(path, &want))
        fail_msg("%s: no %s, but this came: %s", golden->directory, path, got);
    compare(golden->directory, buffer_string(&want), got);
    buffer_deinit(&outcome.text);
}

/*
 * Finding cases.
 */

static void test_every_input_has_cases(void **state)
{
    (void)state;
    for (const struct input *const *input = input_table; *input != NULL; input++) {
        char pattern[LINE_BYTES];
        glob_t found;
        (void)snprintf(pattern, sizeof(pattern), FIXTURES "/%s/*", (*input)->name);
        if (glob(pattern, 0, NULL, &found) != 0)
            fail_msg("%s has no fixture", (*input)->name);
        globfree(&found);
    }
}

/* Fills a case's input by its directory .../INPUT/CASE. */
static bool make_case(struct golden *golden, const char *directory)
{
    char name[64];
    const char *end = strrchr(directory, '/');
    const char *start = end;
    while (start > directory && start[-1] != '/')
        start--;
    (void)snprintf(name, sizeof(name), "%.*s", (int)(end - start), start);
    golden->directory = strdup(directory);
    golden->input = input_find(name);
    if (golden->input == NULL)
        print_error("%s: there is no input of that name\n", directory);
    return golden->input != NULL && golden->directory != NULL;
}

/* A test for each case, behind the one that has none. */
static int run_cases(char *const *directories, size_t n, struct golden *cases,
                     struct CMUnitTest *tests)
{
    tests[0] = (struct CMUnitTest)cmocka_unit_test(test_every_input_has_cases);
    for (size_t i = 0; i < n; i++) {
        const char *name = directories[i] + sizeof(FIXTURES);
        if (!make_case(&cases[i], directories[i]))
            return EXIT_FAILURE;
        tests[i + 1] =
            (struct CMUnitTest){.name = name, .test_func = test_case, .initial_state = &cases[i]};
    }
    return _cmocka_run_group_tests("golden", tests, n + 1, NULL, NULL);
}

int main(void)
{
    glob_t found;
    /* A zone with a name, an offset and no daylight saving. */
    if (setenv("TZ", "NPT-5:45", 1) < 0 || glob(FIXTURES "/*/*", 0, NULL, &found) != 0)
        return EXIT_FAILURE;
    size_t n = found.gl_pathc;
    struct golden *cases = calloc(n, sizeof(*cases));
    struct CMUnitTest *tests = calloc(n + 1, sizeof(*tests));
    int result = EXIT_FAILURE;
    if (cases != NULL && tests != NULL)
        result = run_cases(found.gl_pathv, n, cases, tests);
    for (size_t i = 0; cases != NULL && i < n; i++)
        free(cases[i].directory);
    free(cases);
    free(tests);
    globfree(&found);
    return result;
}
