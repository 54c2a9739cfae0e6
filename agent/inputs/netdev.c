/*
 * netdev: traffic and errors of the network interfaces, from /proc/net/dev (proc(5)), and what that
 * file lacks, the packets that no protocol wanted, from /sys/class/net. node_exporter asks by
 * netlink and folds the detailed errors into the same sums that the kernel prints here
 * (dev_seq_printf_stats in net/core/net-procfs.c).
 */
#include "agent/filter.h"
#include "agent/procfs.h"
#include "agent/utf8.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

struct netdev_config {
    char *device_include;
    char *device_exclude;
};

struct netdev_state {
    const struct input_host *host;
    struct procfs_file file;
    struct filter filter;
};

static const struct option options[] = {
    {.name = "device_include",
     .type = OPTION_TEXT,
     .offset = offsetof(struct netdev_config, device_include),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the interfaces to take; empty: all."},
    {.name = "device_exclude",
     .type = OPTION_TEXT,
     .offset = offsetof(struct netdev_config, device_exclude),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the interfaces to leave out; empty: none."},
    OPTIONS_END,
};

#define STATISTIC(key)                                                                             \
    FAMILY(COUNTER, "node_network_" key "_total", "Network device statistic " key ".")

/* In the order of the columns. */
static const struct family columns[] = {
    STATISTIC("receive_bytes"),       STATISTIC("receive_packets"),   STATISTIC("receive_errs"),
    STATISTIC("receive_drop"),        STATISTIC("receive_fifo"),      STATISTIC("receive_frame"),
    STATISTIC("receive_compressed"),  STATISTIC("receive_multicast"), STATISTIC("transmit_bytes"),
    STATISTIC("transmit_packets"),    STATISTIC("transmit_errs"),     STATISTIC("transmit_drop"),
    STATISTIC("transmit_fifo"),       STATISTIC("transmit_colls"),    STATISTIC("transmit_carrier"),
    STATISTIC("transmit_compressed"),
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const struct family nohandler_family = STATISTIC("receive_nohandler");

static void netdev_close(void *opaque)
{
    struct netdev_state *state = opaque;
    procfs_deinit(&state->file);
    filter_deinit(&state->filter);
    free(state);
}

static int netdev_open(const void *opaque, const struct input_host *host, void **state_out,
                       struct input_error *error)
{
    const struct netdev_config *config = opaque;
    struct netdev_state *state = calloc(1, sizeof(*state));
    if (state == NULL || procfs_init(&state->file, "%s/net/dev", host->proc) < 0) {
        free(state);
        return input_fail(error, -ENOMEM, "out of memory");
    }
    state->host = host;
    int r = filter_init(&state->filter, config->device_include, config->device_exclude, error);
    if (r < 0) {
        netdev_close(state);
        return r;
    }
    *state_out = state;
    return 0;
}

/* Absent before Linux 4.6, and for an interface of another network namespace. */
static void add_nohandler(const struct netdev_state *state, struct reading *reading,
                          const char *name, const char *device)
{
    uint64_t packets;
    if (procfs_value_u64(&packets, "%s/class/net/%s/statistics/rx_nohandler", state->host->sys,
                         name) == 0)
        reading_add(reading, &nohandler_family, (double)packets, LABELS({"device", device}));
}

/* "  eth0: 1 2 ...", where old kernels leave no blank behind the colon and an alias has one in its
 * name ("eth0:1"): the last colon ends the name. */
static int add_line(struct netdev_state *state, struct reading *reading, char *line,
                    struct input_error *error)
{
    char *colon = strrchr(line, ':');
    if (colon == NULL)
        return procfs_bad(&state->file, error, "no colon behind an interface's name");
    *colon = '\0';
    char *cursor = colon + 1;
    const char *name = procfs_field(&line);
    char device[UTF8_REPAIRED_BYTES(IF_NAMESIZE)]; /* a name is any bytes but blanks, / and : */
    if (name == NULL)
        return procfs_bad(&state->file, error, "no interface's name");
    utf8_repair(device, sizeof(device), name);
    if (!filter_takes(&state->filter, device))
        return 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        uint64_t number;
        const char *field = procfs_field(&cursor);
        if (field == NULL)
            return procfs_bad(&state->file, error, "fewer than %zu numbers", COLUMNS);
        if (procfs_u64(field, &number) < 0)
            return procfs_bad(&state->file, error, "%s is not a number", field);
        reading_add(reading, &columns[i], (double)number, LABELS({"device", device}));
    }
    add_nohandler(state, reading, name, device);
    return 0;
}

static int netdev_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct netdev_state *state = opaque;
    int r = procfs_read(&state->file, error);
    char *line;
    while (r == 0 && (line = procfs_line(&state->file)) != NULL)
        if (state->file.line > 2) /* two lines of headings */
            r = add_line(state, reading, line, error);
    return r;
}

const struct input input_netdev = {
    .name = "netdev",
    .job = "node",
    .help = "Traffic and errors of the network interfaces.",
    .is_on = true,
    .node_collector = "netdev",
    .options = options,
    .config_bytes = sizeof(struct netdev_config),
    .open = netdev_open,
    .close = netdev_close,
    .read = netdev_read,
};
