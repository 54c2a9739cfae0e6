/*
 * A cache of udev's files. Knows nothing of metrics.
 */
#include "agent/inputs/udev.h"

#include "agent/procfs.h"
#include "agent/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX ((size_t)64 * 1024)
#define VALUE_BYTES_MAX 512
#define DEVICE_NAME_BYTES 48

/* One device's file. udev writes a new file and renames it, so that inode and time tell. */
struct udev_entry {
    char name[DEVICE_NAME_BYTES]; /* "b8:0" */
    ino_t inode;
    struct timespec changed;
    struct udev_device device; /* strings of its own, or "" */
};

struct udev {
    char *directory;
    struct udev_device nothing; /* of a device that nothing is known of */
    struct udev_entry *entries;
    size_t n_entries;
    size_t next; /* devices are asked for in the same order each time */
};

static const char *const keys[UDEV_PROPERTIES] = {
    [UDEV_DM_LV_LAYER] = "DM_LV_LAYER",
    [UDEV_DM_LV_NAME] = "DM_LV_NAME",
    [UDEV_DM_NAME] = "DM_NAME",
    [UDEV_DM_UUID] = "DM_UUID",
    [UDEV_DM_VG_NAME] = "DM_VG_NAME",
    [UDEV_ID_ATA] = "ID_ATA",
    [UDEV_ID_ATA_ROTATION_RATE_RPM] = "ID_ATA_ROTATION_RATE_RPM",
    [UDEV_ID_ATA_WRITE_CACHE] = "ID_ATA_WRITE_CACHE",
    [UDEV_ID_ATA_WRITE_CACHE_ENABLED] = "ID_ATA_WRITE_CACHE_ENABLED",
    [UDEV_ID_FS_TYPE] = "ID_FS_TYPE",
    [UDEV_ID_FS_USAGE] = "ID_FS_USAGE",
    [UDEV_ID_FS_UUID] = "ID_FS_UUID",
    [UDEV_ID_FS_VERSION] = "ID_FS_VERSION",
    [UDEV_ID_MODEL] = "ID_MODEL",
    [UDEV_ID_PATH] = "ID_PATH",
    [UDEV_ID_REVISION] = "ID_REVISION",
    [UDEV_ID_SERIAL_SHORT] = "ID_SERIAL_SHORT",
    [UDEV_ID_WWN] = "ID_WWN",
    [UDEV_SCSI_IDENT_SERIAL] = "SCSI_IDENT_SERIAL",
};

static const char unknown[] = "";

static void forget(struct udev_entry *entry)
{
    for (size_t i = 0; i < UDEV_PROPERTIES; i++) {
        if (entry->device.properties[i] != unknown)
            free((char *)entry->device.properties[i]);
        entry->device.properties[i] = unknown;
    }
    entry->inode = 0;
}

struct udev *udev_new(const char *directory)
{
    struct udev *udev = calloc(1, sizeof(*udev));
    if (udev == NULL)
        return NULL;
    for (size_t i = 0; i < UDEV_PROPERTIES; i++)
        udev->nothing.properties[i] = unknown;
    udev->directory = strdup(directory);
    if (udev->directory != NULL)
        return udev;
    free(udev);
    return NULL;
}

void udev_free(struct udev *udev)
{
    if (udev == NULL)
        return;
    for (size_t i = 0; i < udev->n_entries; i++)
        forget(&udev->entries[i]);
    free(udev->entries);
    free(udev->directory);
    free(udev);
}

/* Of a key that comes twice the last value holds. */
static void take_property(struct udev_entry *entry, const char *key, const char *value)
{
    char valid[VALUE_BYTES_MAX];
    for (size_t i = 0; i < UDEV_PROPERTIES; i++) {
        if (strcmp(keys[i], key) != 0)
            continue;
        utf8_repair(valid, sizeof(valid), value);
        char *copy = strdup(valid);
        if (copy == NULL)
            return;
        if (entry->device.properties[i] != unknown)
            free((char *)entry->device.properties[i]);
        entry->device.properties[i] = copy;
    }
}

static void load(const struct udev *udev, struct udev_entry *entry)
{
    char *text = malloc(FILE_BYTES_MAX);
    if (text == NULL ||
        procfs_value(text, FILE_BYTES_MAX, "%s/%s", udev->directory, entry->name) < 0) {
        free(text);
        return;
    }
    char *rest = text;
    char *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *value = strncmp(line, "E:", 2) == 0 ? strchr(line, '=') : NULL;
        if (value == NULL)
            continue;
        *value++ = '\0';
        take_property(entry, line + 2, value);
    }
    free(text);
}

static struct udev_entry *find(struct udev *udev, const char *name)
{
    for (size_t i = 0; i < udev->n_entries; i++) {
        size_t at = (udev->next + i) % udev->n_entries;
        if (strcmp(udev->entries[at].name, name) != 0)
            continue;
        udev->next = at + 1;
        return &udev->entries[at];
    }
    return NULL;
}

static struct udev_entry *add(struct udev *udev, const char *name)
{
    if (udev->n_entries == UDEV_DEVICES_MAX)
        return NULL;
    struct udev_entry *entries = realloc(udev->entries, (udev->n_entries + 1) * sizeof(*entries));
    if (entries == NULL)
        return NULL;
    udev->entries = entries;
    struct udev_entry *entry = &entries[udev->n_entries++];
    *entry = (struct udev_entry){.device = udev->nothing};
    (void)stpncpy(entry->name, name, sizeof(entry->name) - 1);
    return entry;
}

static bool is_same_file(const struct udev_entry *entry, const struct stat *now)
{
    return entry->inode == now->st_ino && entry->changed.tv_sec == now->st_ctim.tv_sec &&
           entry->changed.tv_nsec == now->st_ctim.tv_nsec;
}

const struct udev_device *udev_look(struct udev *udev, const char *major, const char *minor)
{
    char path[PROCFS_PATH_BYTES_MAX];
    struct stat now;
    size_t directory = strlen(udev->directory);
    int n = snprintf(path, sizeof(path), "%s/b%s:%s", udev->directory, major, minor);
    if (n < 0 || (size_t)n >= sizeof(path) || (size_t)n - directory > DEVICE_NAME_BYTES)
        return &udev->nothing;
    const char *name = path + directory + 1;
    struct udev_entry *entry = find(udev, name);
    if (stat(path, &now) < 0) {
        if (entry != NULL)
            forget(entry);
        return &udev->nothing;
    }
    if (entry == NULL && (entry = add(udev, name)) == NULL)
        return &udev->nothing;
    if (!is_same_file(entry, &now)) {
        forget(entry);
        load(udev, entry);
        entry->inode = now.st_ino;
        entry->changed = now.st_ctim;
    }
    return &entry->device;
}
