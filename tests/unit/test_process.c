#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/exposition.h"
#include "common/process.h"

/* The value of a metric in a reading. */
static double value_of(const struct reading *reading, const char *name)
{
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(samples[i].series->family->name, name) == 0)
            return samples[i].value;
    }
    fail_msg("no %s", name);
    return 0;
}

static void read_all(struct reading *reading)
{
    reading_begin(reading);
    assert_int_equal(process_read("/proc", reading), 0);
    assert_int_equal(reading_end(reading), 0);
}

static double seconds_of(clockid_t id)
{
    struct timespec now;
    assert_int_equal(clock_gettime(id, &now), 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Asks for each number whether it is open. */
static unsigned count_open(void)
{
    unsigned n = 0;
    for (int file = 0; file < 1024; file++)
        n += fcntl(file, F_GETFD) >= 0;
    return n;
}

static void test_own_process(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    /* Uses CPU until the kernel's count has moved, and some descriptors and memory. */
    double cpu_before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    while (seconds_of(CLOCK_PROCESS_CPUTIME_ID) < cpu_before + 0.05)
        ;
    read_all(reading);
    double fds = value_of(reading, "process_open_fds");
    double cpu = value_of(reading, "process_cpu_seconds_total");
    assert_true(cpu >= 0.03 && cpu <= seconds_of(CLOCK_PROCESS_CPUTIME_ID) + 0.02);
    double resident = value_of(reading, "process_resident_memory_bytes");
    assert_true(resident > 100000);
    assert_true(value_of(reading, "process_virtual_memory_bytes") >= resident);
    double age = seconds_of(CLOCK_REALTIME) - value_of(reading, "process_start_time_seconds");
    assert_true(age > -2 && age < 300);

    assert_true(fds == count_open());
    int files[3];
    for (int i = 0; i < 3; i++)
        files[i] = open("/dev/null", O_RDONLY);
    read_all(reading);
    assert_true(value_of(reading, "process_open_fds") == fds + 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(files[i]), 0);
    read_all(reading);
    assert_true(value_of(reading, "process_open_fds") == fds);
    reading_free(reading);
}

static void test_limits(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    struct rlimit kept;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &kept), 0);
    struct rlimit lower = {.rlim_cur = 123, .rlim_max = kept.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    read_all(reading);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &kept), 0);
    assert_true(value_of(reading, "process_max_fds") == 123);

    struct rlimit memory;
    assert_int_equal(getrlimit(RLIMIT_AS, &memory), 0);
    double want =
        memory.rlim_cur == RLIM_INFINITY ? 18446744073709551616.0 : (double)memory.rlim_cur;
    assert_true(value_of(reading, "process_virtual_memory_max_bytes") == want);
    reading_free(reading);
}

static void test_start_time_agrees_with_kernel(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    read_all(reading);
    FILE *file = fopen("/proc/stat", "re");
    assert_non_null(file);
    long long boot = 0;
    char line[65536];
    while (boot == 0 && fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "btime %lld", &boot); /* NOLINT(cert-err34-c): 0 where it does not fit */
    assert_int_equal(fclose(file), 0);
    assert_true(boot > 0);
    double since_boot = value_of(reading, "process_start_time_seconds") - (double)boot;
    double now = seconds_of(CLOCK_BOOTTIME);
    assert_true(since_boot > now - 300 && since_boot < now + 2);
    reading_free(reading);
}

static void test_same_as_go(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    read_all(reading);
    BUFFER_AUTO struct buffer out = {0};
    exposition_readings(&out, EXPOSITION_TEXT, (const struct reading *const[]){reading}, 1,
                        EXPOSITION_NO_TIME);
    static const char *const want[] = {
        "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n"
        "# TYPE process_cpu_seconds_total counter\n",
        "# HELP process_max_fds Maximum number of open file descriptors.\n"
        "# TYPE process_max_fds gauge\n",
        "# HELP process_open_fds Number of open file descriptors.\n"
        "# TYPE process_open_fds gauge\n",
        "# HELP process_resident_memory_bytes Resident memory size in bytes.\n"
        "# TYPE process_resident_memory_bytes gauge\n",
        "# HELP process_start_time_seconds Start time of the process since unix epoch in "
        "seconds.\n# TYPE process_start_time_seconds gauge\n",
        "# HELP process_virtual_memory_bytes Virtual memory size in bytes.\n"
        "# TYPE process_virtual_memory_bytes gauge\n",
        "# HELP process_virtual_memory_max_bytes Maximum amount of virtual memory available in "
        "bytes.\n# TYPE process_virtual_memory_max_bytes gauge\n",
    };
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        if (strstr(buffer_string(&out), want[i]) == NULL)
            fail_msg("lacks %s", want[i]);
    }
    reading_free(reading);
}

/* A proc directory with a stat file of this text; NULL: none. */
static int read_fake(const char *text, struct reading *reading)
{
    char root[] = "/tmp/shoal-process-XXXXXX";
    assert_non_null(mkdtemp(root));
    char self[64];
    char stat[80];
    char fd[80];
    (void)snprintf(self, sizeof(self), "%s/self", root);
    (void)snprintf(stat, sizeof(stat), "%s/stat", self);
    (void)snprintf(fd, sizeof(fd), "%s/fd", self);
    assert_int_equal(mkdir(self, 0700), 0);
    assert_int_equal(mkdir(fd, 0700), 0);
    if (text != NULL) {
        FILE *file = fopen(stat, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    reading_begin(reading);
    int r = process_read(root, reading);
    assert_int_equal(reading_end(reading), 0);
    (void)unlink(stat); /* maybe never made */
    assert_int_equal(rmdir(fd), 0);
    assert_int_equal(rmdir(self), 0);
    assert_int_equal(rmdir(root), 0);
    return r;
}

static void test_parses_stat(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    /* A name with blanks and parentheses: only the last one ends it. */
    assert_int_equal(read_fake("7 (a) b (c)) S 1 7 7 0 -1 0 0 0 0 0 250 150 0 0 20 0 1 0 12345 "
                               "1048576 3 18446744073709551615 1\n",
                               reading),
                     0);
    assert_true(value_of(reading, "process_cpu_seconds_total") == 4);
    assert_true(value_of(reading, "process_virtual_memory_bytes") == 1048576);
    assert_true(value_of(reading, "process_resident_memory_bytes") ==
                3.0 * (double)sysconf(_SC_PAGESIZE));
    assert_true(value_of(reading, "process_open_fds") == 0);
    double start = value_of(reading, "process_start_time_seconds");
    assert_true(fabs(fmod(start, 1) - 0.45) < 1e-6);
    reading_free(reading);
}

static void test_refuses_bad_proc(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    assert_int_equal(read_fake(NULL, reading), -ENOENT);
    assert_int_equal(read_fake("", reading), -EINVAL);
    assert_int_equal(read_fake("7 (a)", reading), -EINVAL);
    assert_int_equal(read_fake("7 (a) S 1 2 3\n", reading), -EINVAL);
    size_t n = 0;
    (void)reading_samples(reading, &n);
    assert_int_equal(n, 0);
    reading_free(reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_process), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_same_as_go),  cmocka_unit_test(test_start_time_agrees_with_kernel),
        cmocka_unit_test(test_parses_stat), cmocka_unit_test(test_refuses_bad_proc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
