/*
 * hwmon: temperatures, voltages, fans and what else the sensor chips under /sys/class/hwmon
 * measure. Drivers may ask slow buses or a disk for a value.
 */
#include "agent/inputs/hwmon_chip.h"
#include "agent/procfs.h"
#include "agent/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHIPS_MAX 256
#define LIST_AGAIN_MS 60000 /* a driver may add files later; another chip is seen at once */
#define VALUE_BYTES 128

struct hwmon_state {
    const struct input_host *host;
    char *directory;
    struct hwmon_chip chips[CHIPS_MAX]; /* in order of the directory's names */
    size_t n_chips;
};

static const struct family chip_family =
    FAMILY(GAUGE, "node_hwmon_chip_names", "Annotation metric for human-readable chip names");

static void forget_chips(struct hwmon_state *state)
{
    for (size_t i = 0; i < state->n_chips; i++)
        hwmon_chip_deinit(&state->chips[i]);
    state->n_chips = 0;
}

static void hwmon_close(void *opaque)
{
    struct hwmon_state *state = opaque;
    forget_chips(state);
    free(state->directory);
    free(state);
}

static int hwmon_open(const void *config, const struct input_host *host, void **state_out,
                      struct input_error *error)
{
    (void)config;
    struct hwmon_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    state->host = host;
    if (asprintf(&state->directory, "%s/class/hwmon", host->sys) < 0) {
        free(state);
        return input_fail(error, -ENOMEM, "out of memory");
    }
    *state_out = state;
    return 0;
}

static int is_chip(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Whether what is known is still what is there: the same directories under the same names, listed
 * not long ago. */
static bool is_current(const struct hwmon_state *state, struct dirent **entries, size_t n)
{
    int64_t now_ms = clock_boot_ms(state->host->clock);
    if (n != state->n_chips)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct hwmon_chip *chip = &state->chips[i];
        struct stat stat_now;
        if (strcmp(strrchr(chip->directory, '/') + 1, entries[i]->d_name) != 0 ||
            stat(chip->directory, &stat_now) < 0 || stat_now.st_ino != chip->inode ||
            now_ms - chip->listed_ms >= LIST_AGAIN_MS)
            return false;
    }
    return true;
}

static int list_chip(struct hwmon_state *state, const char *name)
{
    char path[PROCFS_PATH_BYTES_MAX];
    struct hwmon_chip *chip = &state->chips[state->n_chips];
    (void)snprintf(path, sizeof(path), "%s/%s", state->directory, name);
    int r = hwmon_chip_list(chip, path);
    if (r != 0)
        return r == INPUT_ABSENT ? 0 : r;
    chip->listed_ms = clock_boot_ms(state->host->clock);
    for (size_t i = 0; i < state->n_chips; i++)
        hwmon_chip_take_away(chip, &state->chips[i]);
    state->n_chips++;
    return 0;
}

static int list_chips(struct hwmon_state *state, struct input_error *error)
{
    struct dirent **entries;
    int n = scandir(state->directory, &entries, is_chip, alphasort);
    int r = 0;
    if (n < 0)
        return errno == ENOENT
                   ? INPUT_ABSENT
                   : input_fail(error, -errno, "%s: %s", state->directory, strerror(errno));
    bool is_known = is_current(state, entries, (size_t)n);
    if (!is_known)
        forget_chips(state);
    for (int i = 0; i < n; i++) {
        if (!is_known && r == 0 && state->n_chips < CHIPS_MAX)
            r = list_chip(state, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r < 0 ? input_fail(error, r, "out of memory") : r;
}

/* The chip's own struct may go before the reading does. */
static const struct family *family_of(struct reading *reading, const struct hwmon_element *element)
{
    return reading_family(reading, element->family.name, element->family.type,
                          element->family.help);
}

/* What cannot be read or is no number has no series: an unplugged fan, a sensor asleep. */
static void add_element(struct reading *reading, const struct hwmon_chip *chip,
                        const struct hwmon_element *element)
{
    char text[VALUE_BYTES];
    char label[UTF8_REPAIRED_BYTES(VALUE_BYTES)];
    double value = 0;
    if (procfs_value(text, sizeof(text), "%s", element->path) < 0)
        return;
    if (element->kind == HWMON_LABEL) {
        utf8_repair(label, sizeof(label), text);
        reading_add(reading, family_of(reading, element), 1.0,
                    LABELS({"chip", chip->name}, {"label", label}, {"sensor", element->sensor}));
        return;
    }
    if (element->kind == HWMON_IS_ONE)
        value = strcmp(text, "1") == 0;
    else if (procfs_double(text, &value) < 0)
        return;
    /* Divided, so that the nearest double has few decimals; node_exporter multiplies by 0.001. */
    reading_add(reading, family_of(reading, element), value / element->divisor,
                LABELS({"chip", chip->name}, {"sensor", element->sensor}));
}

static int hwmon_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct hwmon_state *state = opaque;
    int r = list_chips(state, error);
    if (r != 0)
        return r;
    for (size_t i = 0; i < state->n_chips; i++) {
        const struct hwmon_chip *chip = &state->chips[i];
        if (chip->human_name[0] != '\0')
            reading_add(reading, &chip_family, 1.0,
                        LABELS({"chip", chip->name}, {"chip_name", chip->human_name}));
        for (const struct hwmon_element *e = chip->elements; e != NULL; e = e->next)
            add_element(reading, chip, e);
    }
    return 0;
}

const struct input input_hwmon = {
    .name = "hwmon",
    .job = "node",
    .help = "Temperatures, voltages, fans and other sensors.",
    .is_on = true,
    .may_block = true,
    .node_collector = "hwmon",
    .open = hwmon_open,
    .close = hwmon_close,
    .read = hwmon_read,
};
