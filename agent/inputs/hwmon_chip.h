/*
 * Part of the hwmon input: what a chip under /sys/class/hwmon has, by the names of its files
 * (Documentation/hwmon/sysfs-interface.rst in the kernel). A chip's files are fixed while its
 * driver is bound, so they are listed once and read many times.
 */
#ifndef SHOAL_AGENT_INPUTS_HWMON_CHIP_H
#define SHOAL_AGENT_INPUTS_HWMON_CHIP_H

#include "agent/input.h"
#include "common/arena.h"

#define HWMON_CHIP_BYTES_MAX                                                                       \
    ((size_t)512 * 1024) /* of a chip's listing; what does not fit is left out */
#define HWMON_NAME_BYTES_MAX 256

/* What the text of a file stands for. */
enum hwmon_kind {
    HWMON_NUMBER,
    HWMON_LABEL, /* a text: node_hwmon_sensor_label */
    HWMON_IS_ONE /* 1 if it is "1", else 0 */
};

/* One file: temp1_input. Texts are the chip's. */
struct hwmon_element {
    struct hwmon_element *next;
    const char *path;
    const char *sensor;   /* "temp1" */
    const char *type;     /* "temp" */
    const char *property; /* "input"; empty for a file like pwm1 */
    enum hwmon_kind kind;
    double divisor; /* milli and micro units to base units */
    struct family family;
};

struct hwmon_chip {
    char *directory; /* /sys/class/hwmon/hwmon0 */
    uint64_t inode;  /* of the chip's directory: another one is another chip */
    int64_t listed_ms;
    char name[HWMON_NAME_BYTES_MAX];       /* by its device, "pci0000:00_0000:00:18_3" */
    char human_name[HWMON_NAME_BYTES_MAX]; /* by its driver, "k10temp"; empty: none */
    struct hwmon_element *elements;
    struct arena arena;
};

/* Fills the chip in the caller's storage. 0, INPUT_ABSENT if the directory is gone meanwhile, or
 * -ENOMEM. */
WARN_UNUSED int hwmon_chip_list(struct hwmon_chip *chip, const char *directory);
void hwmon_chip_deinit(struct hwmon_chip *chip);

/* Takes away what an earlier chip of the same name has too: such series would be one. */
void hwmon_chip_take_away(struct hwmon_chip *chip, const struct hwmon_chip *earlier);

#endif
