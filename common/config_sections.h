/*
 * Sections nest by their paths: "inputs.cpu" stands inside "inputs", whether or not that has
 * options of its own; "" is the top.
 */
#ifndef SHOAL_COMMON_CONFIG_SECTIONS_H
#define SHOAL_COMMON_CONFIG_SECTIONS_H

#include "common/config_yaml.h"

#define CONFIG_PATH_BYTES_MAX 256

struct config_sections {
    const struct config_section *all;
    size_t n;
};

/* All options to their defaults. 0, CONFIG_BAD (a table's own mistake), -ENOMEM. */
WARN_UNUSED int config_sections_set_defaults(const struct config_sections *sections,
                                             struct config_error *error);

/* What a document says. 0, CONFIG_BAD, -ENOMEM. */
WARN_UNUSED int config_sections_apply(const struct config_sections *sections, const char *file,
                                      const struct config_node *root, struct config_error *error);

/*
 * The name of the section's `i`-th child, which need not be a section itself: for "inputs" and
 * "inputs.cpu.x" it is "cpu". Copied to `name_out`; false where there are no more.
 */
bool config_sections_child(const struct config_sections *sections, const char *path, size_t i,
                           char name_out[CONFIG_PATH_BYTES_MAX]);

/* The section of a path, or NULL. */
const struct config_section *config_sections_find(const struct config_sections *sections,
                                                  const char *path);

/* "path.name", or "name" at the top. */
void config_path_join(char out[CONFIG_PATH_BYTES_MAX], const char *path, const char *name);

/* The section's table, which ends with an option without a name; empty for NULL. */
const struct option *config_options_of(const struct config_section *section);

static inline void *config_field(const struct config_section *section, const struct option *option)
{
    return (char *)section->target + option->offset;
}

#endif
