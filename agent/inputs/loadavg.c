/*
 * loadavg: the load averages, from /proc/loadavg (proc(5)).
 */
#include "agent/procfs.h"

static const struct family families[] = {
    FAMILY(GAUGE, "node_load1", "1m load average."),
    FAMILY(GAUGE, "node_load5", "5m load average."),
    FAMILY(GAUGE, "node_load15", "15m load average."),
};

#define AVERAGES (sizeof(families) / sizeof(families[0]))

static int loadavg_open(const void *config, const struct input_host *host, void **state_out,
                        struct input_error *error)
{
    (void)config;
    return procfs_open(state_out, error, "%s/loadavg", host->proc);
}

static int loadavg_read(void *state, struct reading *reading, struct input_error *error)
{
    struct procfs_file *file = state;
    int r = procfs_read(file, error);
    if (r != 0)
        return r;
    char *cursor = procfs_line(file);
    for (size_t i = 0; i < AVERAGES; i++) {
        double load;
        char *field = cursor == NULL ? NULL : procfs_field(&cursor);
        if (field == NULL)
            return procfs_bad(file, error, "fewer than %zu load averages", AVERAGES);
        if (procfs_double(field, &load) < 0)
            return procfs_bad(file, error, "%s is not a number", field);
        reading_add(reading, &families[i], load, NO_LABELS);
    }
    return 0;
}

const struct input input_loadavg = {
    .name = "loadavg",
    .job = "node",
    .help = "Load averages over 1, 5 and 15 minutes.",
    .is_on = true,
    .node_collector = "loadavg",
    .open = loadavg_open,
    .close = procfs_close,
    .read = loadavg_read,
};
