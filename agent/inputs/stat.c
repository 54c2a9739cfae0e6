/*
 * stat: interrupts, context switches, forks, boot time and processes that run or wait, from
 * /proc/stat (proc(5)); the CPUs' times in the same file are the cpu input's.
 */
#include "agent/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stat_config {
    bool softirq;
};

struct stat_state {
    const struct stat_config *config;
    struct procfs_file file;
};

static const struct option options[] = {
    {.name = "softirq",
     .type = OPTION_BOOL,
     .offset = offsetof(struct stat_config, softirq),
     .default_text = "false",
     .help = "Whether to count the calls of each software interrupt."},
    OPTIONS_END,
};

static const struct {
    const char *key;
    struct family family;
} fields[] = {
    {"intr", FAMILY(COUNTER, "node_intr_total", "Total number of interrupts serviced.")},
    {"ctxt", FAMILY(COUNTER, "node_context_switches_total", "Total number of context switches.")},
    {"processes", FAMILY(COUNTER, "node_forks_total", "Total number of forks.")},
    {"btime", FAMILY(GAUGE, "node_boot_time_seconds", "Node boot time, in unixtime.")},
    {"procs_running",
     FAMILY(GAUGE, "node_procs_running", "Number of processes in runnable state.")},
    {"procs_blocked", FAMILY(GAUGE, "node_procs_blocked",
                             "Number of processes blocked waiting for I/O to complete.")},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct family softirqs_family =
    FAMILY(COUNTER, "node_softirqs_total", "Number of softirq calls.");

/* In the order of the kernel's line. */
static const char *const vectors[] = {"hi",           "timer",   "net_tx", "net_rx",  "block",
                                      "block_iopoll", "tasklet", "sched",  "hrtimer", "rcu"};

static int stat_open(const void *config, const struct input_host *host, void **state_out,
                     struct input_error *error)
{
    struct stat_state *state = malloc(sizeof(*state));
    if (state == NULL || procfs_init(&state->file, "%s/stat", host->proc) < 0) {
        free(state);
        return input_fail(error, -ENOMEM, "out of memory");
    }
    state->config = config;
    *state_out = state;
    return 0;
}

static void stat_close(void *opaque)
{
    struct stat_state *state = opaque;
    procfs_deinit(&state->file);
    free(state);
}

static int read_number(struct procfs_file *file, char **cursor, const char *key, double *number_out,
                       struct input_error *error)
{
    uint64_t number;
    char *text = procfs_field(cursor);
    if (text == NULL)
        return procfs_bad(file, error, "%s: fewer numbers than expected", key);
    if (procfs_u64(text, &number) < 0)
        return procfs_bad(file, error, "%s: %s is not a number", key, text);
    *number_out = (double)number;
    return 0;
}

/* "softirq TOTAL VECTOR...": the total is left out, as it is their sum. */
static int add_softirqs(struct stat_state *state, struct reading *reading, char *cursor,
                        struct input_error *error)
{
    double calls = 0;
    int r = read_number(&state->file, &cursor, "softirq", &calls, error);
    for (size_t i = 0; r == 0 && i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        r = read_number(&state->file, &cursor, "softirq", &calls, error);
        if (r == 0)
            reading_add(reading, &softirqs_family, calls, LABELS({"vector", vectors[i]}));
    }
    return r;
}

static int add_line(struct stat_state *state, struct reading *reading, char *line,
                    struct input_error *error)
{
    char *key = procfs_field(&line);
    double number = 0;
    if (key == NULL)
        return 0;
    if (state->config->softirq && strcmp(key, "softirq") == 0)
        return add_softirqs(state, reading, line, error);
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        int r = read_number(&state->file, &line, key, &number, error);
        if (r == 0)
            reading_add(reading, &fields[i].family, number, NO_LABELS);
        return r;
    }
    return 0;
}

static int stat_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct stat_state *state = opaque;
    int r = procfs_read(&state->file, error);
    char *line;
    while (r == 0 && (line = procfs_line(&state->file)) != NULL)
        if (strncmp(line, "cpu", 3) != 0)
            r = add_line(state, reading, line, error);
    return r;
}

const struct input input_stat = {
    .name = "stat",
    .job = "node",
    .help = "Interrupts, context switches, forks, boot time, processes that run or wait.",
    .is_on = true,
    .node_collector = "stat",
    .options = options,
    .config_bytes = sizeof(struct stat_config),
    .open = stat_open,
    .close = stat_close,
    .read = stat_read,
};
