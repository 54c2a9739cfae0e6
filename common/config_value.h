/*
 * Values as people write them in a configuration: durations, sizes, numbers, truth. Knows nothing
 * of files and options.
 */
#ifndef SHOAL_COMMON_CONFIG_VALUE_H
#define SHOAL_COMMON_CONFIG_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_VALUE_BYTES_MAX 64 /* what the format functions write at most */

/* Each takes the whole text; false leaves *out untouched. */

/* true, false, yes, no, on, off; in any case. */
bool config_parse_bool(const char *text, bool *out);

/* A decimal number with an optional sign. */
bool config_parse_integer(const char *text, int64_t *out);

/* 500ms, 15s, 5m, 1h30m, 7d: whole numbers with a unit, larger units first; or 0. Milliseconds. */
bool config_parse_duration(const char *text, int64_t *out);

/* 4096, 64KiB, 64 MiB, 4GiB, 1TiB. Bytes. Decimal units (kB, MB) are not known: half of those who
 * write them mean the others. */
bool config_parse_size(const char *text, uint64_t *out);

/* As the functions above read them back: "1h30m", "64MiB". */
void config_format_duration(char out[CONFIG_VALUE_BYTES_MAX], int64_t ms);
void config_format_size(char out[CONFIG_VALUE_BYTES_MAX], uint64_t bytes);

#endif
