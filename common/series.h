/*
 * What a time series is: a family, a suffix, labels; and which names and values are allowed.
 * Prometheus data model; OpenMetrics 1.0 for the types.
 */
#ifndef SHOAL_COMMON_SERIES_H
#define SHOAL_COMMON_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WARN_UNUSED __attribute__((warn_unused_result))

#define METRIC_NAME_BYTES_MAX 255
#define LABEL_NAME_BYTES_MAX 127
#define LABEL_VALUE_BYTES_MAX 2048
#define HELP_BYTES_MAX 1024
#define UNIT_BYTES_MAX 63
#define LABELS_PER_SERIES_MAX 32
#define INPUTS_PER_NODE_MAX 256
#define SERIES_PER_INPUT_MAX 100000
#define SERIES_PER_NODE_MAX 200000

/* Same numbers as shoal.v1.Family.Type. */
enum family_type {
    FAMILY_UNKNOWN,
    FAMILY_COUNTER,
    FAMILY_GAUGE,
    FAMILY_HISTOGRAM,
    FAMILY_SUMMARY,
    FAMILY_INFO,
    FAMILY_STATESET,
    FAMILY_TYPES
};

/* Same numbers as shoal.v1.Series.Suffix. */
enum series_suffix { SUFFIX_NONE, SUFFIX_BUCKET, SUFFIX_SUM, SUFFIX_COUNT, SUFFIXES };

struct label {
    const char *name;
    const char *value;
};

/* Strings are never NULL: empty where there is none. */
struct family {
    const char *name;
    const char *help;
    const char *unit;
    enum family_type type;
};

/* A family in an input's file: FAMILY(GAUGE, "node_load1", "1m load average."). */
#define FAMILY(type_, name_, help_)                                                                \
    {                                                                                              \
        .name = (name_), .help = (help_), .unit = "", .type = FAMILY_##type_                       \
    }

/* "counter", "gauge", ... as OpenMetrics spells them; "unknown" for FAMILY_UNKNOWN. */
const char *family_type_name(enum family_type type);

/* "", "_bucket", "_sum", "_count". */
const char *series_suffix_text(enum series_suffix suffix);

/* Whether a family of that type has samples of that suffix: a histogram's bare name or a gauge's
 * _sum is no sample that a scraper takes. */
bool series_suffix_fits(enum series_suffix suffix, enum family_type type);

/* [a-zA-Z_:][a-zA-Z0-9_:]*, within METRIC_NAME_BYTES_MAX. */
bool metric_name_is_valid(const char *name);

/* [a-zA-Z_][a-zA-Z0-9_]*, within LABEL_NAME_BYTES_MAX, and not "__..." (reserved). */
bool label_name_is_valid(const char *name);

/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms) within max bytes. A label's value may
 * hold any character, a line feed too: the exposition escapes it. */
bool text_is_valid(const char *text, size_t max_bytes);

/* Valid UTF-8 of `size` bytes, no NUL in it. */
bool utf8_is_valid(const char *text, size_t size);

#endif
