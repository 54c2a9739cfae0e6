/*
 * meminfo: memory as the kernel accounts for it, from /proc/meminfo (proc(5)). Each of its lines,
 * of which kernels add ever more, is a family of its own: "Active(anon):  12 kB" is
 * node_memory_Active_anon_bytes.
 */
#include "agent/procfs.h"

#include <string.h>

#define KEY_BYTES_MAX 128
#define NAME_PREFIX "node_memory_"
#define HELP_PREFIX "Memory information field "

static int meminfo_open(const void *config, const struct input_host *host, void **state_out,
                        struct input_error *error)
{
    (void)config;
    return procfs_open(state_out, error, "%s/meminfo", host->proc);
}

/* "Active(anon):" to "Active_anon"; false if it is no name. */
static bool make_key(char key[KEY_BYTES_MAX], const char *field)
{
    size_t n = strlen(field);
    if (n < 2 || n >= KEY_BYTES_MAX - sizeof("_bytes") || field[n - 1] != ':')
        return false;
    char *to = key;
    for (const char *from = field; from < field + n - 1; from++)
        if (*from != ')')
            *to++ = *from == '(' ? '_' : *from;
    *to = '\0';
    return metric_name_is_valid(key);
}

static void add(struct reading *reading, const char *key, double value)
{
    char name[sizeof(NAME_PREFIX) + KEY_BYTES_MAX];
    char help[sizeof(HELP_PREFIX ".") + KEY_BYTES_MAX];
    (void)stpcpy(stpcpy(name, NAME_PREFIX), key);
    (void)stpcpy(stpcpy(stpcpy(help, HELP_PREFIX), key), ".");
    /* The kernel names no counter of bytes like this today, but node_exporter looks out for one. */
    size_t n = strlen(key);
    bool is_counter = n > 6 && strcmp(key + n - 6, "_total") == 0;
    reading_add(reading,
                reading_family(reading, name, is_counter ? FAMILY_COUNTER : FAMILY_GAUGE, help),
                value, NO_LABELS);
}

static int add_line(struct procfs_file *file, struct reading *reading, char *line,
                    struct input_error *error)
{
    char key[KEY_BYTES_MAX];
    double value;
    char *name = procfs_field(&line);
    if (name == NULL)
        return 0;
    char *number = procfs_field(&line);
    char *unit = procfs_field(&line);
    if (number == NULL || procfs_field(&line) != NULL || !make_key(key, name))
        return procfs_bad(file, error, "not a name, a number and perhaps a unit");
    if (procfs_double(number, &value) < 0)
        return procfs_bad(file, error, "%s is not a number", number);
    if (unit != NULL) {
        value *= 1024; /* "kB" is all that there is, and means KiB */
        (void)stpcpy(key + strlen(key), "_bytes");
    }
    add(reading, key, value);
    return 0;
}

static int meminfo_read(void *state, struct reading *reading, struct input_error *error)
{
    struct procfs_file *file = state;
    int r = procfs_read(file, error);
    char *line;
    while (r == 0 && (line = procfs_line(file)) != NULL)
        r = add_line(file, reading, line, error);
    return r;
}

const struct input input_meminfo = {
    .name = "meminfo",
    .job = "node",
    .help = "Memory as the kernel accounts for it.",
    .is_on = true,
    .node_collector = "meminfo",
    .open = meminfo_open,
    .close = procfs_close,
    .read = meminfo_read,
};
