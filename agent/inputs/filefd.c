/*
 * filefd: file handles in use and the limit, from /proc/sys/fs/file-nr (proc(5)): allocated, free
 * (always 0 since Linux 2.6), maximum.
 */
#include "agent/procfs.h"

static const struct family allocated_family =
    FAMILY(GAUGE, "node_filefd_allocated", "File descriptor statistics: allocated.");
static const struct family maximum_family =
    FAMILY(GAUGE, "node_filefd_maximum", "File descriptor statistics: maximum.");

static int filefd_open(const void *config, const struct input_host *host, void **state_out,
                       struct input_error *error)
{
    (void)config;
    return procfs_open(state_out, error, "%s/sys/fs/file-nr", host->proc);
}

static int filefd_read(void *state, struct reading *reading, struct input_error *error)
{
    struct procfs_file *file = state;
    double numbers[3];
    int r = procfs_read(file, error);
    if (r != 0)
        return r;
    char *cursor = procfs_line(file);
    for (size_t i = 0; i < 3; i++) {
        char *field = cursor == NULL ? NULL : procfs_field(&cursor);
        if (field == NULL)
            return procfs_bad(file, error, "fewer than 3 numbers");
        if (procfs_double(field, &numbers[i]) < 0)
            return procfs_bad(file, error, "%s is not a number", field);
    }
    reading_add(reading, &allocated_family, numbers[0], NO_LABELS);
    reading_add(reading, &maximum_family, numbers[2], NO_LABELS);
    return 0;
}

const struct input input_filefd = {
    .name = "filefd",
    .job = "node",
    .help = "File handles that are open, and their limit.",
    .is_on = true,
    .node_collector = "filefd",
    .open = filefd_open,
    .close = procfs_close,
    .read = filefd_read,
};
