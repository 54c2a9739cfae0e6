/*
 * time: the system clock, its time zone, and the kernel's clock sources
 * (/sys/devices/system/clocksource).
 */
#include "agent/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOCKSOURCES "devices/system/clocksource"
#define CLOCKSOURCE_PREFIX "clocksource"

#define CLOCKSOURCES_MAX 16

/* One of sysfs' directories: clocksource0, and with it the only one there is. */
struct clocksource {
    char device[16]; /* its number */
    struct procfs_file available, current;
};

/* The directories are looked for once: the kernel makes them when it starts. */
struct time_state {
    const struct input_host *host;
    struct clocksource sources[CLOCKSOURCES_MAX];
    size_t n_sources;
};

static const struct family seconds_family =
    FAMILY(GAUGE, "node_time_seconds", "System time in seconds since epoch (1970).");
static const struct family zone_family =
    FAMILY(GAUGE, "node_time_zone_offset_seconds", "System time zone offset in seconds.");
static const struct family available_family =
    FAMILY(GAUGE, "node_time_clocksource_available_info",
           "Available clocksources read from '/sys/devices/system/clocksource'.");
static const struct family current_family =
    FAMILY(GAUGE, "node_time_clocksource_current_info",
           "Current clocksource read from '/sys/devices/system/clocksource'.");

static void time_close(void *opaque)
{
    struct time_state *state = opaque;
    for (size_t i = 0; i < state->n_sources; i++) {
        procfs_deinit(&state->sources[i].available);
        procfs_deinit(&state->sources[i].current);
    }
    free(state);
}

/* `device` is the number of a directory like clocksource0. 0 or -ENOMEM. */
static int add_source(struct time_state *state, const char *device)
{
    const char *sys = state->host->sys;
    struct clocksource *source = &state->sources[state->n_sources];
    if (state->n_sources == CLOCKSOURCES_MAX || strlen(device) >= sizeof(source->device))
        return 0;
    memcpy(source->device, device, strlen(device) + 1);
    state->n_sources++;
    int r = procfs_init(&source->available, "%s/" CLOCKSOURCES "/" CLOCKSOURCE_PREFIX "%s/%s", sys,
                        device, "available_clocksource");
    if (r == 0)
        r = procfs_init(&source->current, "%s/" CLOCKSOURCES "/" CLOCKSOURCE_PREFIX "%s/%s", sys,
                        device, "current_clocksource");
    return r;
}

static int find_sources(struct time_state *state)
{
    char path[PROCFS_PATH_BYTES_MAX];
    size_t prefix = sizeof(CLOCKSOURCE_PREFIX) - 1;
    (void)snprintf(path, sizeof(path), "%s/" CLOCKSOURCES, state->host->sys);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0; /* a kernel without sysfs still has a clock */
    int r = 0;
    const struct dirent *entry;
    while (r == 0 && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, CLOCKSOURCE_PREFIX, prefix) == 0)
            r = add_source(state, entry->d_name + prefix);
    (void)closedir(directory);
    return r;
}

static int time_open(const void *config, const struct input_host *host, void **state_out,
                     struct input_error *error)
{
    (void)config;
    struct time_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    state->host = host;
    if (find_sources(state) != 0) {
        time_close(state);
        return input_fail(error, -ENOMEM, "out of memory");
    }
    *state_out = state;
    return 0;
}

static void add_clock(const struct input_host *host, struct reading *reading)
{
    int64_t utc_ms = clock_utc_ms(host->clock);
    time_t utc = (time_t)(utc_ms / 1000);
    struct tm local;
    /* Milliseconds: as many digits as anyone can use at a reading's times, and a fraction of the
     * bytes on the wire that a full double would take each time. */
    reading_add(reading, &seconds_family, (double)utc_ms / 1000.0, NO_LABELS);
    if (localtime_r(&utc, &local) != NULL)
        reading_add(reading, &zone_family, (double)local.tm_gmtoff,
                    LABELS({"time_zone", local.tm_zone}));
}

/* A series for each name in the file. */
static int add_names(struct procfs_file *file, struct reading *reading, const struct family *family,
                     const char *device, struct input_error *error)
{
    int r = procfs_read(file, error);
    if (r == INPUT_ABSENT) /* a source without it is none */
        return input_fail(error, -ENOENT, "%s: %s", file->path, strerror(ENOENT));
    if (r != 0)
        return r;
    char *cursor = procfs_line(file);
    char *name;
    while (cursor != NULL && (name = procfs_field(&cursor)) != NULL)
        reading_add(reading, family, 1.0, LABELS({"device", device}, {"clocksource", name}));
    return 0;
}

static int time_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct time_state *state = opaque;
    int r = 0;
    add_clock(state->host, reading);
    for (size_t i = 0; r == 0 && i < state->n_sources; i++) {
        struct clocksource *source = &state->sources[i];
        r = add_names(&source->available, reading, &available_family, source->device, error);
        if (r == 0)
            r = add_names(&source->current, reading, &current_family, source->device, error);
    }
    return r;
}

const struct input input_time = {
    .name = "time",
    .job = "node",
    .help = "The system clock, its time zone and clock sources.",
    .is_on = true,
    .node_collector = "time",
    .open = time_open,
    .close = time_close,
    .read = time_read,
};
