/* One option's field: checked, set from a node or to its default, cleared. */
#ifndef SHOAL_COMMON_CONFIG_SET_H
#define SHOAL_COMMON_CONFIG_SET_H

#include "common/config_value.h"
#include "common/config_yaml.h"

#define CONFIG_RANGE_BYTES_MAX (2 * CONFIG_VALUE_BYTES_MAX + 16)

/* Where a value stands, for messages. */
struct config_place {
    const char *file;
    size_t line;
    const char *path; /* "inputs.cpu.interval" */
};

/* Sets the field from the node, or to the default for CONFIG_NULL. What it held is freed. An error
 * leaves it as it was. 0, CONFIG_BAD, -ENOMEM. */
WARN_UNUSED int config_set(const struct option *option, void *field, const struct config_node *node,
                           const struct config_place *place, struct config_error *error);

WARN_UNUSED int config_set_default(const struct option *option, void *field,
                                   struct config_error *error);

/* Frees what the field holds and leaves zeros. */
void config_clear(const struct option *option, void *field);

/* The value as it would stand in a file (not for lists and maps; texts are not quoted). `out` is
 * for numbers; the result is that or the field's own text. */
const char *config_value_text(const struct option *option, const void *field,
                              char out[CONFIG_VALUE_BYTES_MAX]);

/* "1s to 1h", or "at least 1s"; empty without a range. */
void config_range_text(const struct option *option, char out[CONFIG_RANGE_BYTES_MAX]);

#endif
