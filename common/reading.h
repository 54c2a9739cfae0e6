/*
 * A reading: what one input returned at one time. An input adds samples to it and knows nothing of
 * what becomes of them; the encoder and the exposition take them out.
 *
 * A reading is made once per input and used again for each sampling, so that series which are there
 * each time cost a comparison, not an allocation. Series keep their slot for as long as each
 * reading has them; a series that is missing from one reading is gone, and its slot is free for
 * another series from the next reading_begin on.
 *
 * Not for several threads at once.
 */
#ifndef SHOAL_COMMON_READING_H
#define SHOAL_COMMON_READING_H

#include "common/series.h"

struct reading;

struct series {
    const struct family *family;
    const struct label *labels; /* ascending by name, none with an empty value */
    size_t n_labels;
    enum series_suffix suffix;
    uint32_t slot; /* below reading_slots() */
    uint64_t born; /* number of the reading that first had it: tells a slot's series apart */
};

struct sample {
    const struct series *series; /* the reading's own, valid until its next begin or free */
    double value;
};

/* NULL when out of memory. */
struct reading *reading_new(void);
void reading_free(struct reading *reading); /* may be NULL */

/* Starts the next reading: no samples, no error. Families and series of the last one stay known. */
void reading_begin(struct reading *reading);

/*
 * Adds a sample. `family` is either static or from reading_family(). Labels come in any order and
 * are copied; one with an empty value is left out, as Prometheus does.
 *
 * Errors stick: once one has happened, further calls do nothing and reading_end() returns it. So
 * an input needs no check of its own after each sample.
 */
void reading_add(struct reading *reading, const struct family *family, double value,
                 const struct label *labels, size_t n_labels);

/* The same for a histogram's or summary's parts. */
void reading_add_part(struct reading *reading, const struct family *family,
                      enum series_suffix suffix, double value, const struct label *labels,
                      size_t n_labels);

/* For calls: reading_add(r, &family, 1.0, LABELS({"cpu", "0"}, {"mode", "idle"})); or NO_LABELS. */
#define LABELS(...)                                                                                \
    (const struct label[]){__VA_ARGS__},                                                           \
        sizeof((const struct label[]){__VA_ARGS__}) / sizeof(struct label)
#define NO_LABELS NULL, 0

/*
 * A family that is only known at run time. The same name gives the same family; its first type and
 * help hold for as long as any series uses it. To be asked for anew in each reading: one that
 * nothing uses is freed, and its address may come back as another family's. Never NULL: after an
 * error it is a family that reading_add() ignores.
 */
const struct family *reading_family(struct reading *reading, const char *name,
                                    enum family_type type, const char *help);

/*
 * Ends the reading.
 *   0         good
 *   -ENOMEM
 *   -EINVAL   a bad name, text or number of labels, a suffix that does not fit the family's type:
 *             see reading_error()
 *   -EEXIST   the same series twice
 *   -E2BIG    over SERIES_PER_INPUT_MAX
 * After an error it holds no samples, and what was known stays as it was before reading_begin.
 */
WARN_UNUSED int reading_end(struct reading *reading);

/* Names the sample of the last error, for people; "" if there was none. */
const char *reading_error(const struct reading *reading);

/* After a successful end: the samples, in the order in which they were added. */
const struct sample *reading_samples(const struct reading *reading, size_t *n_out);

/* After a successful end: the series that the last good reading had and this one has not. */
const struct series *const *reading_gone(const struct reading *reading, size_t *n_out);

/* Upper bound of slots in use, for arrays indexed by slot. */
uint32_t reading_slots(const struct reading *reading);

#endif
