/* What is wrong in a configuration, for people; the one place where such a text is written. */
#ifndef SHOAL_COMMON_CONFIG_ERROR_H
#define SHOAL_COMMON_CONFIG_ERROR_H

#include "common/config.h"

/* How much of a key or value a message quotes: "%.*s" takes CONFIG_QUOTE(text). */
#define CONFIG_QUOTE_BYTES_MAX 80
#define CONFIG_QUOTE(text) CONFIG_QUOTE_BYTES_MAX, (text)

/* Fills *error and returns CONFIG_BAD. Texts of files may be quoted as they are: what is no UTF-8
 * or would break the line becomes a question mark. */
__attribute__((format(printf, 2, 3))) WARN_UNUSED int config_fail(struct config_error *error,
                                                                  const char *format, ...);

#endif
