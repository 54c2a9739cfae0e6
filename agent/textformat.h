/*
 * The Prometheus text format 0.0.4, as other programs write it. A text is taken as a whole or not
 * at all; its last line must end with a line feed, so that a file cut off in the middle of a number
 * is not taken for a whole one.
 *
 * Syntax: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef SHOAL_AGENT_TEXTFORMAT_H
#define SHOAL_AGENT_TEXTFORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "common/series.h"

#define TEXTFORMAT_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define TEXTFORMAT_SAMPLES_MAX SERIES_PER_INPUT_MAX
#define TEXTFORMAT_FAMILIES_MAX SERIES_PER_INPUT_MAX

enum { TEXTFORMAT_BAD = 1 };

struct textformat_family {
    const char *name;
    const char *help; /* NULL: the text has none */
    enum family_type type;
    bool has_type;
    size_t n_samples;
};

struct textformat_sample {
    size_t family; /* index */
    enum series_suffix suffix;
    size_t first_label;
    size_t n_labels;
    double value;
    bool has_time;
    int64_t time_ms;
    size_t line;
};

/* In the text's order. Names, helps and label values point into the text. Caller's storage; all
 * zeros is an empty one. */
struct textformat {
    struct textformat_family *families;
    size_t n_families, room_families;
    struct textformat_sample *samples;
    size_t n_samples, room_samples;
    struct label *labels;
    size_t n_labels, room_labels;
    size_t *index; /* of families by their names' hashes, plus 1; a power of two */
    size_t n_index;
};

struct textformat_error {
    size_t line;
    const char *what; /* static */
};

/*
 * Takes `text` apart in place: `size` bytes and a NUL behind them. What the document held before is
 * gone, its memory is used again. 0, TEXTFORMAT_BAD with *error filled, or -ENOMEM; after either
 * the document holds nothing.
 */
WARN_UNUSED int textformat_parse(struct textformat *document, char *text, size_t size,
                                 struct textformat_error *error);
void textformat_deinit(struct textformat *document);

#endif
