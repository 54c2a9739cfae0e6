/*
 * diskstats: transfers of the block devices, from /proc/diskstats (Documentation/admin-guide/
 * iostats.rst in the kernel), and what udev knows of them (udev.c). Linux 4.18 added the columns
 * of discards, 5.5 those of flushes; a line tells by its length what the kernel has.
 */
#include "agent/filter.h"
#include "agent/inputs/udev.h"
#include "agent/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512.0  /* whatever the device's own are */
#define COLUMNS_MIN 11      /* before Linux 4.18 */
#define PARTITION_COLUMNS 4 /* of a partition before Linux 2.6.25: no line for us */

struct diskstats_config {
    char *device_include;
    char *device_exclude;
    char *udev_data;
};

struct diskstats_state {
    struct procfs_file file;
    struct filter filter;
    struct udev *udev;
};

static const struct option options[] = {
    {.name = "device_include",
     .type = OPTION_TEXT,
     .offset = offsetof(struct diskstats_config, device_include),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the devices to take; empty: all."},
    {.name = "device_exclude",
     .type = OPTION_TEXT,
     .offset = offsetof(struct diskstats_config, device_exclude),
     .default_text = "^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme[0-9]+n[0-9]+p)[0-9]+$",
     .check = filter_check,
     .help = "Regular expression of the devices to leave out; empty: none."},
    {.name = "udev_data",
     .type = OPTION_TEXT,
     .offset = offsetof(struct diskstats_config, udev_data),
     .default_text = "/run/udev/data",
     .help = "Directory of udev's database, for models, serial numbers and file systems."},
    OPTIONS_END,
};

enum column_unit { UNIT_ONE, UNIT_SECTORS, UNIT_MS };

/* In the order of the columns. */
static const struct {
    struct family family;
    enum column_unit unit;
} columns[] = {
    {FAMILY(COUNTER, "node_disk_reads_completed_total",
            "The total number of reads completed successfully."),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_reads_merged_total", "The total number of reads merged."),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_read_bytes_total", "The total number of bytes read successfully."),
     UNIT_SECTORS},
    {FAMILY(COUNTER, "node_disk_read_time_seconds_total",
            "The total number of seconds spent by all reads."),
     UNIT_MS},
    {FAMILY(COUNTER, "node_disk_writes_completed_total",
            "The total number of writes completed successfully."),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_writes_merged_total", "The number of writes merged."), UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_written_bytes_total",
            "The total number of bytes written successfully."),
     UNIT_SECTORS},
    {FAMILY(COUNTER, "node_disk_write_time_seconds_total",
            "This is the total number of seconds spent by all writes."),
     UNIT_MS},
    {FAMILY(GAUGE, "node_disk_io_now", "The number of I/Os currently in progress."), UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_io_time_seconds_total", "Total seconds spent doing I/Os."),
     UNIT_MS},
    {FAMILY(COUNTER, "node_disk_io_time_weighted_seconds_total",
            "The weighted # of seconds spent doing I/Os."),
     UNIT_MS},
    {FAMILY(COUNTER, "node_disk_discards_completed_total",
            "The total number of discards completed successfully."),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_discards_merged_total", "The total number of discards merged."),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_discarded_sectors_total",
            "The total number of sectors discarded successfully."),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_discard_time_seconds_total",
            "This is the total number of seconds spent by all discards."),
     UNIT_MS},
    {FAMILY(COUNTER, "node_disk_flush_requests_total",
            "The total number of flush requests completed successfully"),
     UNIT_ONE},
    {FAMILY(COUNTER, "node_disk_flush_requests_time_seconds_total",
            "This is the total number of seconds spent by all flush requests."),
     UNIT_MS},
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const struct family info_family =
    FAMILY(GAUGE, "node_disk_info", "Info of /sys/block/<block_device>.");
static const struct family filesystem_family =
    FAMILY(GAUGE, "node_disk_filesystem_info", "Info about disk filesystem.");
static const struct family mapper_family =
    FAMILY(GAUGE, "node_disk_device_mapper_info", "Info about disk device mapper.");

static const struct {
    enum udev_property property;
    struct family family;
} ata[] = {
    {UDEV_ID_ATA_WRITE_CACHE,
     FAMILY(GAUGE, "node_disk_ata_write_cache", "ATA disk has a write cache.")},
    {UDEV_ID_ATA_WRITE_CACHE_ENABLED,
     FAMILY(GAUGE, "node_disk_ata_write_cache_enabled", "ATA disk has its write cache enabled.")},
    {UDEV_ID_ATA_ROTATION_RATE_RPM, FAMILY(GAUGE, "node_disk_ata_rotation_rate_rpm",
                                           "ATA disk rotation rate in RPMs (0 for SSDs).")},
};

static void diskstats_close(void *opaque)
{
    struct diskstats_state *state = opaque;
    procfs_deinit(&state->file);
    filter_deinit(&state->filter);
    udev_free(state->udev);
    free(state);
}

static int diskstats_open(const void *opaque, const struct input_host *host, void **state_out,
                          struct input_error *error)
{
    const struct diskstats_config *config = opaque;
    struct diskstats_state *state = calloc(1, sizeof(*state));
    if (state == NULL || procfs_init(&state->file, "%s/diskstats", host->proc) < 0) {
        free(state);
        return input_fail(error, -ENOMEM, "out of memory");
    }
    int r = filter_init(&state->filter, config->device_include, config->device_exclude, error);
    state->udev = udev_new(config->udev_data);
    if (r == 0 && state->udev == NULL)
        r = input_fail(error, -ENOMEM, "out of memory");
    if (r < 0) {
        diskstats_close(state);
        return r;
    }
    *state_out = state;
    return 0;
}

/* The number printed on the disk, if it says. */
static const char *serial_of(const char *const *properties)
{
    const char *serial = properties[UDEV_SCSI_IDENT_SERIAL];
    return *serial != '\0' ? serial : properties[UDEV_ID_SERIAL_SHORT];
}

static void add_ata(struct reading *reading, const char *device, const char *const *properties)
{
    if (*properties[UDEV_ID_ATA] == '\0')
        return;
    for (size_t i = 0; i < sizeof(ata) / sizeof(ata[0]); i++) {
        double value;
        if (procfs_double(properties[ata[i].property], &value) == 0)
            reading_add(reading, &ata[i].family, value, LABELS({"device", device}));
    }
}

static void add_infos(struct diskstats_state *state, struct reading *reading, const char *major,
                      const char *minor, const char *device)
{
    const char *const *properties = udev_look(state->udev, major, minor)->properties;
    reading_add(reading, &info_family, 1.0,
                LABELS({"device", device}, {"major", major}, {"minor", minor},
                       {"model", properties[UDEV_ID_MODEL]}, {"path", properties[UDEV_ID_PATH]},
                       {"revision", properties[UDEV_ID_REVISION]},
                       {"serial", serial_of(properties)}, {"wwn", properties[UDEV_ID_WWN]}));
    if (*properties[UDEV_ID_FS_TYPE] != '\0')
        reading_add(reading, &filesystem_family, 1.0,
                    LABELS({"device", device}, {"type", properties[UDEV_ID_FS_TYPE]},
                           {"usage", properties[UDEV_ID_FS_USAGE]},
                           {"uuid", properties[UDEV_ID_FS_UUID]},
                           {"version", properties[UDEV_ID_FS_VERSION]}));
    if (*properties[UDEV_DM_NAME] != '\0')
        reading_add(reading, &mapper_family, 1.0,
                    LABELS({"device", device}, {"lv_layer", properties[UDEV_DM_LV_LAYER]},
                           {"lv_name", properties[UDEV_DM_LV_NAME]},
                           {"name", properties[UDEV_DM_NAME]}, {"uuid", properties[UDEV_DM_UUID]},
                           {"vg_name", properties[UDEV_DM_VG_NAME]}));
    add_ata(reading, device, properties);
}

/* Milliseconds are divided, not multiplied by 0.001: the nearest double has three decimals then,
 * and few bytes on the wire. */
static double in_base_units(uint64_t number, enum column_unit unit)
{
    if (unit == UNIT_SECTORS)
        return (double)number * SECTOR_BYTES;
    return unit == UNIT_MS ? (double)number / 1000.0 : (double)number;
}

static int read_columns(struct diskstats_state *state, char *cursor, uint64_t numbers[COLUMNS],
                        size_t *n_out, struct input_error *error)
{
    size_t n = 0;
    const char *field;
    while (n < COLUMNS && (field = procfs_field(&cursor)) != NULL)
        if (procfs_u64(field, &numbers[n++]) < 0)
            return procfs_bad(&state->file, error, "%s is not a number", field);
    *n_out = n;
    return 0;
}

/* "   8       0 sda 1 2 3 ..." */
static int add_line(struct diskstats_state *state, struct reading *reading, char *line,
                    struct input_error *error)
{
    uint64_t numbers[COLUMNS];
    size_t n = 0;
    const char *major = procfs_field(&line);
    const char *minor = major == NULL ? NULL : procfs_field(&line);
    const char *device = minor == NULL ? NULL : procfs_field(&line);
    if (device == NULL)
        return procfs_bad(&state->file, error, "no device's name");
    if (!filter_takes(&state->filter, device))
        return 0;
    int r = read_columns(state, line, numbers, &n, error);
    if (r < 0 || n == PARTITION_COLUMNS)
        return r;
    if (n < COLUMNS_MIN)
        return procfs_bad(&state->file, error, "%s: fewer than %d numbers", device, COLUMNS_MIN);
    add_infos(state, reading, major, minor, device);
    for (size_t i = 0; i < n; i++)
        reading_add(reading, &columns[i].family, in_base_units(numbers[i], columns[i].unit),
                    LABELS({"device", device}));
    return 0;
}

static int diskstats_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct diskstats_state *state = opaque;
    int r = procfs_read(&state->file, error);
    char *line;
    while (r == 0 && (line = procfs_line(&state->file)) != NULL)
        r = add_line(state, reading, line, error);
    return r;
}

const struct input input_diskstats = {
    .name = "diskstats",
    .job = "node",
    .help = "Transfers of the block devices, and what they are.",
    .is_on = true,
    .node_collector = "diskstats",
    .options = options,
    .config_bytes = sizeof(struct diskstats_config),
    .open = diskstats_open,
    .close = diskstats_close,
    .read = diskstats_read,
};
