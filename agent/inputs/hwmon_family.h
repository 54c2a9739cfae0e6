/*
 * Part of the hwmon input: names. Which family a chip's file becomes, in which unit, and how names
 * that drivers and buses give are made fit for labels; all as node_exporter has it.
 */
#ifndef SHOAL_AGENT_INPUTS_HWMON_FAMILY_H
#define SHOAL_AGENT_INPUTS_HWMON_FAMILY_H

#include "agent/inputs/hwmon_chip.h"

/* Fills the element's kind, divisor and family by its type and property, texts in the arena.
 * `has_bare` says that the sensor has a file without a property too, which then is the value.
 * 0 or -ENOMEM. */
WARN_UNUSED int hwmon_family_of(struct arena *arena, struct hwmon_element *element, bool has_bare);

/* In lower case, what is not [a-z0-9:_] as _, none of these at the ends; cut off if it is long. */
void hwmon_clean_name(char *out, size_t out_bytes, const char *name);

/* "platform_coretemp_0" of "/sys/devices/platform/coretemp.0". */
void hwmon_device_name(char *out, size_t out_bytes, char *real_path);

#endif
