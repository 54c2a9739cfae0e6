/*
 * Writes the two exposition formats: Prometheus text 0.0.4 and OpenMetrics 1.0. Knows names,
 * values and times, nothing of where they come from. The caller groups samples by family.
 *
 * Sample names are the same in both formats; what differs is the family's line. The name wins over
 * the type: in OpenMetrics a counter whose name lacks _total is `unknown`, an info family without
 * _info too, and UNIT stands only where the name ends in it. Labels' values are the same in both
 * formats as well, `le` and `quantile` included: a series must not change with the format.
 *
 * In OpenMetrics counter `x_total` is family `x` and info `x_info` is family `x`, so that families
 * which differ by name can clash: exposition_resolve() says what becomes of each.
 */
#ifndef SHOAL_COMMON_EXPOSITION_H
#define SHOAL_COMMON_EXPOSITION_H

#include "common/buffer.h"
#include "common/decimal.h"
#include "common/reading.h"

#define EXPOSITION_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define EXPOSITION_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define EXPOSITION_NO_TIME INT64_MIN

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

/* By an Accept header (RFC 9110, 12.5.1; NULL: none): OpenMetrics if it is asked for with a q at
 * least that of text. */
enum exposition_format exposition_negotiate(const char *accept);
const char *exposition_content_type(enum exposition_format format);

/* # HELP (where there is any), # TYPE, # UNIT. */
void exposition_family(struct buffer *out, enum exposition_format format,
                       const struct family *family);

enum { EXPOSITION_LEFT_OUT = 1 };

/*
 * What to show of families[i] on a page that has all of `families` (by name ascending, each once).
 * In text always what it is. In OpenMetrics:
 *   counter `x_total` beside a family `x`, info `x_info` beside a family `x` or counter `x_total`:
 *   shown as unknown, under the full name;
 *   `x_created` beside counter `x_total`, histogram or summary `x`: EXPOSITION_LEFT_OUT, since that
 *   name is theirs.
 * 0 with *shown_out (pointing to the same texts) or EXPOSITION_LEFT_OUT.
 */
WARN_UNUSED int exposition_resolve(enum exposition_format format,
                                   const struct family *const *families, size_t n, size_t i,
                                   struct family *shown_out);

/*
 * The part of a sample line that stays: `name_suffix{a="b",c="d"`, or `name_suffix` without labels.
 * Labels `instance` and `job` are written as exported_instance and exported_job (with one more
 * `exported_` while a label has that name already, as Prometheus does).
 */
void exposition_series(struct buffer *out, const char *family, enum series_suffix suffix,
                       const struct label *labels, size_t n_labels);

/* `key="value"` with the value escaped. */
void exposition_label(struct buffer *out, const char *name, const char *value);

/*
 * A sample line from such a part. `more` holds further labels, ready made and without braces
 * (`instance="a",job="b"`), or is empty. Time in UTC milliseconds or EXPOSITION_NO_TIME.
 */
struct exposition_sample {
    const char *series;
    size_t series_bytes;
    bool has_labels;
    const char *more;
    size_t more_bytes;
    struct decimal value;
    int64_t time_ms;
};
void exposition_sample(struct buffer *out, enum exposition_format format,
                       const struct exposition_sample *sample);

/* All of several readings, families grouped and sorted by name; of a family that comes twice the
 * first TYPE and HELP hold. The samples of a family stay in the readings' order. */
void exposition_readings(struct buffer *out, enum exposition_format format,
                         const struct reading *const *readings, size_t n_readings, int64_t time_ms);

/* "# EOF" where the format has it. */
void exposition_end(struct buffer *out, enum exposition_format format);

#endif
