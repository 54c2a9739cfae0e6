/* The files of a configuration: whole small files into memory, and the *.yaml of a directory. */
#ifndef SHOAL_COMMON_CONFIG_FILE_H
#define SHOAL_COMMON_CONFIG_FILE_H

#include "common/config.h"

/* Reads at most max_bytes. 0, CONFIG_BAD with *error filled, -ENOMEM. */
WARN_UNUSED int config_file_read(const char *path, size_t max_bytes, struct buffer *out,
                                 struct config_error *error);

/* Called with each file in order; its error ends the walk. */
typedef int (*config_file_visit)(void *context, const char *path);

/* The path itself, or for a directory its *.yaml in order of names, hidden ones left out. 0, the
 * error of visit, CONFIG_BAD, -ENOMEM. */
WARN_UNUSED int config_file_each(const char *path, config_file_visit visit, void *context,
                                 struct config_error *error);

#endif
