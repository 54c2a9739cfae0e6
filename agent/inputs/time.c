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

struct time_state {
    const struct input_host *host;
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

static int time_open(const void *config, const struct input_host *host, void **state_out,
                     struct input_error *error)
{
    (void)config;
    struct time_state *state = malloc(sizeof(*state));
    if (state == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    state->host = host;
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

/* `device` is the number of a directory like clocksource0. */
static int add_clocksources(const struct input_host *host, struct reading *reading,
                            const char *device, struct input_error *error)
{
    char text[PROCFS_VALUE_BYTES_MAX];
    static const struct {
        const char *file;
        const struct family *family;
    } files[] = {{"available_clocksource", &available_family},
                 {"current_clocksource", &current_family}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        int r = procfs_value(text, sizeof(text), "%s/" CLOCKSOURCES "/" CLOCKSOURCE_PREFIX "%s/%s",
                             host->sys, device, files[i].file);
        if (r < 0)
            return input_fail(error, r, "%s/" CLOCKSOURCES "/" CLOCKSOURCE_PREFIX "%s/%s: %s",
                              host->sys, device, files[i].file, strerror(-r));
        char *cursor = text;
        char *name;
        while ((name = procfs_field(&cursor)) != NULL)
            reading_add(reading, files[i].family, 1.0,
                        LABELS({"device", device}, {"clocksource", name}));
    }
    return 0;
}

static int time_read(void *state, struct reading *reading, struct input_error *error)
{
    const struct input_host *host = ((const struct time_state *)state)->host;
    char path[PROCFS_PATH_BYTES_MAX];
    int r = 0;
    add_clock(host, reading);
    (void)snprintf(path, sizeof(path), "%s/" CLOCKSOURCES, host->sys);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0; /* a kernel without sysfs still has a clock */
    const struct dirent *entry;
    size_t prefix = sizeof(CLOCKSOURCE_PREFIX) - 1;
    while (r == 0 && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, CLOCKSOURCE_PREFIX, prefix) == 0)
            r = add_clocksources(host, reading, entry->d_name + prefix, error);
    (void)closedir(directory);
    return r;
}

const struct input input_time = {
    .name = "time",
    .job = "node",
    .help = "The system clock, its time zone and clock sources.",
    .is_on = true,
    .node_collector = "time",
    .open = time_open,
    .close = free,
    .read = time_read,
};
