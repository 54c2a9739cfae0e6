/*
 * Lists a chip. Which series a file becomes is hwmon_family.c's.
 */
#include "agent/inputs/hwmon_chip.h"

#include "agent/inputs/hwmon_family.h"
#include "agent/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const sensor_types[] = {
    "vrm",  "beep_enable", "update_interval", "in",     "cpu",      "fan",       "pwm",
    "temp", "curr",        "power",           "energy", "humidity", "intrusion", NULL,
};

#define NUMBER_DIGITS_MAX 18    /* no driver comes near */
#define FILE_NAME_BYTES_MAX 127 /* longer ones make no valid name of a metric */

/* The parts of "temp1_input"; the property is empty for "pwm1" and "beep_enable". */
struct file_name {
    char type[FILE_NAME_BYTES_MAX + 1];
    char sensor[FILE_NAME_BYTES_MAX + 32];
    const char *property;
};

static bool is_sensor_type(const char *type)
{
    for (const char *const *known = sensor_types; *known != NULL; known++)
        if (strcmp(*known, type) == 0)
            return true;
    return false;
}

static bool split_name(const char *name, struct file_name *out)
{
    char digits[NUMBER_DIGITS_MAX + 1];
    uint64_t number = 0;
    size_t n_type = strcspn(name, "0123456789");
    size_t n_digits = strspn(name + n_type, "0123456789");
    const char *rest = name + n_type + n_digits;
    if (strlen(name) > FILE_NAME_BYTES_MAX || n_digits >= sizeof(digits) ||
        (*rest != '\0' && *rest != '_'))
        return false;
    (void)stpncpy(out->type, name, n_type);
    out->type[n_type] = '\0';
    (void)stpncpy(digits, name + n_type, n_digits);
    digits[n_digits] = '\0';
    if (n_digits > 0 && procfs_u64(digits, &number) < 0)
        return false;
    if (*rest == '_' && rest[1] == '\0')
        return false;
    out->property = *rest == '_' ? rest + 1 : rest;
    (void)snprintf(out->sensor, sizeof(out->sensor), "%s%" PRIu64, out->type, number);
    return is_sensor_type(out->type);
}

static struct hwmon_element *find_element(const struct hwmon_chip *chip, const char *sensor,
                                          const char *property)
{
    for (struct hwmon_element *element = chip->elements; element != NULL; element = element->next)
        if (strcmp(element->sensor, sensor) == 0 && strcmp(element->property, property) == 0)
            return element;
    return NULL;
}

static const char *copy(struct hwmon_chip *chip, const char *text)
{
    return arena_copy_text(&chip->arena, text, strlen(text));
}

/* A file of the chip's device takes the place of the chip's own of that name. */
static int add_file(struct hwmon_chip *chip, struct hwmon_element ***tail, const char *directory,
                    const char *name)
{
    char path[PROCFS_PATH_BYTES_MAX];
    struct file_name parts;
    if (!split_name(name, &parts))
        return 0;
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    struct hwmon_element *element = find_element(chip, parts.sensor, parts.property);
    bool is_new = element == NULL;
    if (is_new)
        element = arena_alloc(&chip->arena, sizeof(*element));
    if (element == NULL)
        return -ENOMEM;
    *element = (struct hwmon_element){.next = is_new ? NULL : element->next,
                                      .path = copy(chip, path),
                                      .sensor = copy(chip, parts.sensor),
                                      .type = copy(chip, parts.type),
                                      .property = copy(chip, parts.property)};
    if (element->path == NULL || element->sensor == NULL || element->type == NULL ||
        element->property == NULL)
        return -ENOMEM;
    if (is_new) {
        **tail = element;
        *tail = &element->next;
    }
    return 0;
}

/* In order of names, so that readings are alike. */
static int list_directory(struct hwmon_chip *chip, struct hwmon_element ***tail,
                          const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, NULL, alphasort);
    int r = 0;
    if (n < 0)
        return errno == ENOMEM ? -ENOMEM : INPUT_ABSENT;
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = add_file(chip, tail, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    /* At its bound the arena has what came first; that is what the chip then has. */
    return r == -ENOMEM && chip->arena.is_exhausted ? 0 : r;
}

static int list_elements(struct hwmon_chip *chip)
{
    char device[PROCFS_PATH_BYTES_MAX];
    struct hwmon_element **tail = &chip->elements;
    int r = list_directory(chip, &tail, chip->directory);
    if (r != 0)
        return r;
    (void)snprintf(device, sizeof(device), "%s/device", chip->directory);
    r = list_directory(chip, &tail, device);
    if (r == INPUT_ABSENT)
        r = 0;
    for (struct hwmon_element *e = chip->elements; r == 0 && e != NULL; e = e->next) {
        bool has_bare = find_element(chip, e->sensor, "") != NULL;
        r = hwmon_family_of(&chip->arena, e, has_bare);
    }
    return r;
}

/* The last two parts of the device's real path, else the driver's name, else "hwmon0". */
static void find_names(struct hwmon_chip *chip)
{
    char text[PROCFS_PATH_BYTES_MAX];
    char *device = NULL;
    if (procfs_value(text, sizeof(text), "%s/name", chip->directory) == 0)
        hwmon_clean_name(chip->human_name, sizeof(chip->human_name), text);
    (void)snprintf(text, sizeof(text), "%s/device", chip->directory);
    device = realpath(text, NULL);
    if (device != NULL)
        hwmon_device_name(chip->name, sizeof(chip->name), device);
    free(device);
    if (chip->name[0] == '\0')
        (void)stpcpy(chip->name, chip->human_name);
    if (chip->name[0] != '\0')
        return;
    device = realpath(chip->directory, NULL);
    if (device != NULL)
        hwmon_clean_name(chip->name, sizeof(chip->name), strrchr(device, '/') + 1);
    free(device);
}

int hwmon_chip_list(struct hwmon_chip *chip, const char *directory)
{
    struct stat stat_now;
    *chip = (struct hwmon_chip){.directory = strdup(directory)};
    if (chip->directory == NULL)
        return -ENOMEM;
    arena_init(&chip->arena, HWMON_CHIP_BYTES_MAX);
    int r = stat(directory, &stat_now) < 0 ? INPUT_ABSENT : list_elements(chip);
    if (r != 0) {
        hwmon_chip_deinit(chip);
        return r;
    }
    chip->inode = stat_now.st_ino;
    find_names(chip);
    return 0;
}

void hwmon_chip_deinit(struct hwmon_chip *chip)
{
    free(chip->directory);
    arena_deinit(&chip->arena);
    *chip = (struct hwmon_chip){.directory = NULL};
}

void hwmon_chip_take_away(struct hwmon_chip *chip, const struct hwmon_chip *earlier)
{
    struct hwmon_element **link = &chip->elements;
    if (strcmp(chip->name, earlier->name) != 0)
        return;
    while (*link != NULL) {
        if (find_element(earlier, (*link)->sensor, (*link)->property) != NULL)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    if (strcmp(chip->human_name, earlier->human_name) == 0)
        chip->human_name[0] = '\0';
}
