#include "common/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"

#define STAT_BYTES_MAX 2048
#define USER_HZ 100 /* of the numbers in proc(5), on every Linux machine in use */
#define US_PER_S 1000000

/* Names, types and help texts are those of Prometheus' Go client. */
static const struct family cpu_seconds = FAMILY(COUNTER, "process_cpu_seconds_total",
                                                "Total user and system CPU time spent in seconds.");
static const struct family open_fds =
    FAMILY(GAUGE, "process_open_fds", "Number of open file descriptors.");
static const struct family max_fds =
    FAMILY(GAUGE, "process_max_fds", "Maximum number of open file descriptors.");
static const struct family virtual_bytes =
    FAMILY(GAUGE, "process_virtual_memory_bytes", "Virtual memory size in bytes.");
static const struct family virtual_bytes_max =
    FAMILY(GAUGE, "process_virtual_memory_max_bytes",
           "Maximum amount of virtual memory available in bytes.");
static const struct family resident_bytes =
    FAMILY(GAUGE, "process_resident_memory_bytes", "Resident memory size in bytes.");
static const struct family start_seconds = FAMILY(
    GAUGE, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.");

/* What is taken from /proc/PID/stat. */
struct process_stat {
    unsigned long long user_ticks, system_ticks;
    unsigned long long start_ticks; /* since boot */
    unsigned long long virtual_bytes;
    long long resident_pages;
};

/* Reads a whole small file; 0 or a negative errno. */
static int read_file(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    ssize_t n = read(file, text, room - 1);
    int r = n < 0 ? -errno : 0;
    (void)close(file); /* only read from */
    if (r == 0)
        text[n] = '\0';
    return r;
}

/* Moves to the field after the next blank; false at the end. */
static bool next_field(const char **at)
{
    *at = strchr(*at, ' ');
    return *at != NULL && *++*at != '\0';
}

/* Field `number` of proc(5)'s list, counted from the state (3), which stands at *at. */
static bool parse_fields(const char *at, struct process_stat *stat_out)
{
    for (int number = 3; number <= 24; number++) {
        if (number == 14)
            stat_out->user_ticks = strtoull(at, NULL, 10);
        else if (number == 15)
            stat_out->system_ticks = strtoull(at, NULL, 10);
        else if (number == 22)
            stat_out->start_ticks = strtoull(at, NULL, 10);
        else if (number == 23)
            stat_out->virtual_bytes = strtoull(at, NULL, 10);
        else if (number == 24)
            stat_out->resident_pages = strtoll(at, NULL, 10);
        if (!next_field(&at))
            return false;
    }
    return true;
}

static int read_stat(const char *path, struct process_stat *stat_out)
{
    char text[STAT_BYTES_MAX];
    int r = read_file(path, text, sizeof(text));
    if (r != 0)
        return r;
    /* The name stands in parentheses and may hold any character, parentheses too. */
    const char *end_of_name = strrchr(text, ')');
    if (end_of_name == NULL || end_of_name[1] != ' ')
        return -EINVAL;
    return parse_fields(end_of_name + 2, stat_out) ? 0 : -EINVAL;
}

/* Since Linux 6.2 the size of procfs' directory of descriptors is their number. */
static size_t counted_fds(const char *path)
{
    struct statfs system;
    struct stat stat_of;
    bool is_proc = statfs(path, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
    return is_proc && stat(path, &stat_of) == 0 ? (size_t)stat_of.st_size : 0;
}

/* Entries of a directory of descriptors, without the one that reading it takes. */
static int count_fds(const char *path, size_t *n_out)
{
    *n_out = counted_fds(path);
    if (*n_out > 0)
        return 0;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;
    char own[16];
    (void)snprintf(own, sizeof(own), "%d", dirfd(directory));
    size_t n = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        n += entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0;
    (void)closedir(directory); /* only read from */
    *n_out = n;
    return 0;
}

/* As the Go client shows "unlimited": the largest 64-bit number. */
static double shown_limit(rlim_t limit)
{
    return limit == RLIM_INFINITY ? (double)UINT64_MAX : (double)limit;
}

/* When the machine was booted, in whole seconds as /proc/stat has it; reading that costs a sum over
 * all interrupts of all processors. */
static double boot_seconds(void)
{
    struct clock *clock = clock_system();
    int64_t booted_us = clock->utc_us(clock) - clock->boot_us(clock);
    int64_t booted_s = booted_us / US_PER_S;
    return (double)booted_s;
}

static void add_samples(struct reading *reading, const struct process_stat *stat, size_t n_fds)
{
    double cpu_ticks = (double)(stat->user_ticks + stat->system_ticks);
    struct rlimit files = {.rlim_cur = RLIM_INFINITY};
    struct rlimit memory = {.rlim_cur = RLIM_INFINITY};
    (void)getrlimit(RLIMIT_NOFILE, &files); /* fail for unknown resources only */
    (void)getrlimit(RLIMIT_AS, &memory);
    double resident = (double)stat->resident_pages * (double)sysconf(_SC_PAGESIZE);
    reading_add(reading, &cpu_seconds, cpu_ticks / USER_HZ, NO_LABELS);
    reading_add(reading, &open_fds, (double)n_fds, NO_LABELS);
    reading_add(reading, &max_fds, shown_limit(files.rlim_cur), NO_LABELS);
    reading_add(reading, &virtual_bytes, (double)stat->virtual_bytes, NO_LABELS);
    reading_add(reading, &virtual_bytes_max, shown_limit(memory.rlim_cur), NO_LABELS);
    reading_add(reading, &resident_bytes, resident, NO_LABELS);
    reading_add(reading, &start_seconds, boot_seconds() + (double)stat->start_ticks / USER_HZ,
                NO_LABELS);
}

int process_read(const char *proc, struct reading *reading)
{
    BUFFER_AUTO struct buffer path = {0};
    buffer_print(&path, "%s/self/stat", proc);
    struct process_stat stat = {0};
    int r = read_stat(buffer_string(&path), &stat);
    if (r != 0)
        return r;
    buffer_clear(&path);
    buffer_print(&path, "%s/self/fd", proc);
    size_t n_fds = 0;
    r = count_fds(buffer_string(&path), &n_fds);
    if (r != 0)
        return r;
    add_samples(reading, &stat, n_fds);
    return 0;
}
