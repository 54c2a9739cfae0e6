/*
 * Works on parsed files only; where they come from is textfile.c's.
 */
#include "agent/inputs/textfile_merge.h"

#include "agent/procfs.h"
#include "agent/textformat_families.h"
#include "agent/utf8.h"
#include "common/arena.h"
#include "common/decimal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELP_PREFIX "Metric read from "
#define ARENA_BYTES_MAX ((size_t)4 * 1024 * 1024) /* of bounds written anew */
#define SET_MIN 256
#define SERIES_MAX (SERIES_PER_INPUT_MAX - TEXTFILE_FILES_MAX - 1) /* the rest are our own */

/* A series that was added; family NULL is a free place of the set. */
struct merged_series {
    const char *family;
    enum series_suffix suffix;
    const struct label *labels; /* sorted, none empty */
    size_t n_labels;
    uint64_t hash;
};

struct merge {
    struct textfile_file *files;
    size_t n_files;
    struct reading *reading;
    struct textformat known; /* the families of all files: their names, helps and types */
    struct merged_series *set;
    size_t n_set; /* series in it */
    size_t room;  /* a power of two */
    struct arena arena;
    bool is_whole;
};

/*
 * Series.
 */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211); /* FNV-1a, the NUL too */
    while (*text++ != '\0');
    return hash;
}

static uint64_t hash_series(const struct merged_series *series)
{
    uint64_t hash = hash_text(UINT64_C(14695981039346656037) + series->suffix, series->family);
    for (size_t i = 0; i < series->n_labels; i++)
        hash = hash_text(hash_text(hash, series->labels[i].name), series->labels[i].value);
    return hash;
}

static bool is_same_series(const struct merged_series *a, const struct merged_series *b)
{
    if (a->hash != b->hash || a->suffix != b->suffix || a->n_labels != b->n_labels ||
        strcmp(a->family, b->family) != 0)
        return false;
    for (size_t i = 0; i < a->n_labels; i++)
        if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
            strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    return true;
}

static struct merged_series *find_series(const struct merge *merge,
                                         const struct merged_series *series)
{
    size_t mask = merge->room - 1;
    size_t at = (size_t)(series->hash ^ series->hash >> 32) & mask;
    while (merge->set[at].family != NULL && !is_same_series(&merge->set[at], series))
        at = (at + 1) & mask;
    return &merge->set[at];
}

/* Keeps the set at least half empty. */
static int grow_set(struct merge *merge)
{
    if (2 * (merge->n_set + 1) <= merge->room)
        return 0;
    struct merged_series *old = merge->set;
    size_t n_old = merge->room;
    size_t room = n_old == 0 ? SET_MIN : 2 * n_old;
    struct merged_series *set = calloc(room, sizeof(*set));
    if (set == NULL)
        return -ENOMEM;
    merge->set = set;
    merge->room = room;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].family != NULL)
            *find_series(merge, &old[i]) = old[i];
    free(old);
    return 0;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Sorts labels in place and drops those without a value; how many are left. */
static size_t normalise(struct label *labels, size_t n_labels)
{
    size_t n = 0;
    for (size_t i = 0; i < n_labels; i++)
        if (*labels[i].value != '\0')
            labels[n++] = labels[i];
    if (n > 1)
        qsort(labels, n, sizeof(*labels), compare_labels);
    return n;
}

/*
 * Samples.
 */

/* Writes a bound in the one way that there is for each number ("1.0" as "1"), as node_exporter
 * does: else the same bucket of two programs would be two series. False if it is no number. */
static bool rewrite_bound(struct merge *merge, struct label *label)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    double bound;
    if (procfs_double(label->value, &bound) < 0)
        return false;
    size_t n = decimal_format(decimal_from(bound, 0), text);
    const char *copy = arena_copy_text(&merge->arena, text, n);
    if (copy != NULL)
        label->value = copy;
    return copy != NULL;
}

/* Whether a sample is one that its family's type has. A histogram's bucket without a bound is
 * none, nor is a sample by the histogram's own name. */
static bool take_bound(struct merge *merge, enum family_type type, enum series_suffix suffix,
                       struct label *labels, size_t n_labels)
{
    const char *bound = NULL;
    if (type == FAMILY_HISTOGRAM && suffix == SUFFIX_NONE)
        return false;
    if (type == FAMILY_HISTOGRAM && suffix == SUFFIX_BUCKET)
        bound = "le";
    if (type == FAMILY_SUMMARY && suffix == SUFFIX_NONE)
        bound = "quantile";
    for (size_t i = 0; bound != NULL && i < n_labels; i++)
        if (strcmp(labels[i].name, bound) == 0)
            return rewrite_bound(merge, &labels[i]);
    return bound == NULL;
}

static int add_sample(struct merge *merge, const struct family *family,
                      const struct textformat *document, const struct textformat_sample *sample)
{
    struct label *labels = &document->labels[sample->first_label];
    if (!take_bound(merge, family->type, sample->suffix, labels, sample->n_labels))
        return 0;
    struct merged_series series = {.family = document->families[sample->family].name,
                                   .suffix = sample->suffix,
                                   .labels = labels,
                                   .n_labels = normalise(labels, sample->n_labels)};
    int r = grow_set(merge);
    if (r < 0)
        return r;
    series.hash = hash_series(&series);
    struct merged_series *place = find_series(merge, &series);
    if (place->family != NULL || merge->n_set == SERIES_MAX) {
        merge->is_whole = false;
        return 0;
    }
    *place = series;
    merge->n_set++;
    reading_add_part(merge->reading, family, sample->suffix, sample->value, labels,
                     series.n_labels);
    return 0;
}

/*
 * Families.
 */

static bool has_family(const struct textformat *document, const char *name)
{
    size_t at;
    return textformat_family_find(document, name, &at) && document->families[at].n_samples > 0;
}

/* For a family that no file has a help of: node_exporter's words, which name all its files. */
static const char *default_help(const struct merge *merge, const char *name,
                                char help[HELP_BYTES_MAX])
{
    char joined[HELP_BYTES_MAX];
    size_t n = (size_t)(stpcpy(joined, HELP_PREFIX) - joined);
    const char *separator = "";
    for (size_t i = 0; i < merge->n_files; i++) {
        const struct textfile_file *file = &merge->files[i];
        size_t more = strlen(separator) + strlen(file->path);
        if (!has_family(&file->document, name))
            continue;
        if (n + more >= HELP_BYTES_MAX)
            break;
        (void)stpcpy(stpcpy(joined + n, separator), file->path);
        n += more;
        separator = ", ";
    }
    utf8_repair(help, HELP_BYTES_MAX, joined);
    return help;
}

/* What the input itself tells of the files. */
static bool is_own(const char *name)
{
    return strcmp(name, TEXTFILE_MTIME_NAME) == 0 || strcmp(name, TEXTFILE_ERROR_NAME) == 0;
}

/* Notes a family of a file; the first type and help of a name hold. Whether this one fits them. */
static int note_family(struct merge *merge, const struct textformat_family *family, bool *fits_out)
{
    size_t at = 0;
    int r = textformat_family_get(&merge->known, family->name, &at);
    *fits_out = false;
    if (r != 0)
        return r == TEXTFORMAT_BAD ? 0 : r; /* more names than a reading could hold */
    struct textformat_family *known = &merge->known.families[at];
    bool is_new = known->n_samples == 0;
    known->n_samples++; /* counts the files here */
    if (is_new)
        known->type = family->type;
    if (known->help == NULL)
        known->help = family->help;
    *fits_out = !is_own(family->name) && known->type == family->type &&
                (family->help == NULL || strcmp(known->help, family->help) == 0);
    return 0;
}

/* Marks the families that do not fit by taking their samples from them. */
static int note_families(struct merge *merge)
{
    for (size_t i = 0; i < merge->n_files; i++) {
        struct textformat *document = &merge->files[i].document;
        for (size_t k = 0; k < document->n_families; k++) {
            bool fits;
            if (document->families[k].n_samples == 0)
                continue; /* HELP and TYPE of nothing */
            int r = note_family(merge, &document->families[k], &fits);
            if (r < 0)
                return r;
            if (!fits) {
                document->families[k].n_samples = 0;
                merge->is_whole = false;
            }
        }
    }
    return 0;
}

static int add_file(struct merge *merge, const struct textformat *document)
{
    const struct family *family = NULL;
    size_t last = 0; /* samples of a family mostly stand together */
    char text[HELP_BYTES_MAX];
    size_t at = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < document->n_samples; i++) {
        const struct textformat_sample *sample = &document->samples[i];
        const struct textformat_family *from = &document->families[sample->family];
        if (from->n_samples == 0)
            continue;
        if (family == NULL || sample->family != last) {
            r = textformat_family_get(&merge->known, from->name, &at);
            if (r != 0)
                break;
            const char *help = merge->known.families[at].help;
            if (help == NULL)
                help = default_help(merge, from->name, text);
            family = reading_family(merge->reading, from->name, from->type, help);
            last = sample->family;
        }
        r = add_sample(merge, family, document, sample);
    }
    return r;
}

int textfile_merge(struct textfile_file *files, size_t n_files, struct reading *reading,
                   bool *is_whole_out)
{
    struct merge merge = {.files = files, .n_files = n_files, .reading = reading, .is_whole = true};
    arena_init(&merge.arena, ARENA_BYTES_MAX);
    int r = note_families(&merge);
    for (size_t i = 0; r == 0 && i < n_files; i++)
        r = add_file(&merge, &files[i].document);
    *is_whole_out = merge.is_whole;
    textformat_deinit(&merge.known);
    free(merge.set);
    arena_deinit(&merge.arena);
    return r;
}
