/* A page of whole readings: an agent's own print, a collector's own metrics. */
#include <stdlib.h>

#include "common/exposition.h"

struct entry {
    const struct sample *sample;
    size_t place; /* in the readings' order */
};

/* The page's samples by family and place, and its families by name. */
struct page {
    struct entry *entries;
    size_t n_entries;
    const struct family **families;
    size_t n_families;
};

static void page_deinit(struct page *page)
{
    free(page->entries);
    free(page->families);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    const struct family *left_family = left->sample->series->family;
    const struct family *right_family = right->sample->series->family;
    if (left_family != right_family) {
        int order = strcmp(left_family->name, right_family->name);
        if (order != 0)
            return order;
    }
    return left->place < right->place ? -1 : 1;
}

/* Takes all samples in; false when out of memory. */
static bool gather(struct page *page, const struct reading *const *readings, size_t n_readings)
{
    size_t total = 0;
    for (size_t i = 0; i < n_readings; i++) {
        size_t n = 0;
        (void)reading_samples(readings[i], &n);
        total += n;
    }
    page->entries = calloc(total + 1, sizeof(*page->entries));
    page->families = calloc(total + 1, sizeof(struct family *));
    if (page->entries == NULL || page->families == NULL)
        return false;
    for (size_t i = 0; i < n_readings; i++) {
        size_t n = 0;
        const struct sample *samples = reading_samples(readings[i], &n);
        for (size_t k = 0; k < n; k++, page->n_entries++)
            page->entries[page->n_entries] = (struct entry){&samples[k], page->n_entries};
    }
    return true;
}

static bool is_of_family(const struct entry *entry, const struct family *family)
{
    const struct family *own = entry->sample->series->family;
    return own == family || strcmp(own->name, family->name) == 0;
}

/* The families of the entries, which are in order: the first one of a name counts. */
static void list_families(struct page *page)
{
    for (size_t i = 0; i < page->n_entries; i++) {
        if (i == 0 || !is_of_family(&page->entries[i], page->families[page->n_families - 1]))
            page->families[page->n_families++] = page->entries[i].sample->series->family;
    }
}

static void write_sample(struct buffer *out, enum exposition_format format,
                         const struct sample *sample, int64_t time_ms, struct buffer *series_text)
{
    const struct series *series = sample->series;
    buffer_clear(series_text);
    exposition_series(series_text, series->family->name, series->suffix, series->labels,
                      series->n_labels);
    if (buffer_failed(series_text)) {
        out->has_failed = true;
        return;
    }
    const struct exposition_sample line = {
        .series = series_text->data,
        .series_bytes = series_text->size,
        .has_labels = series->n_labels > 0,
        .value = decimal_from(sample->value, 0),
        .time_ms = time_ms,
    };
    exposition_sample(out, format, &line);
}

static void write_page(struct buffer *out, enum exposition_format format, const struct page *page,
                       int64_t time_ms)
{
    BUFFER_AUTO struct buffer series_text = {0};
    size_t at = 0;
    for (size_t i = 0; i < page->n_families; i++) {
        const struct family *family = page->families[i];
        struct family shown;
        bool is_shown =
            exposition_resolve(format, page->families, page->n_families, i, &shown) == 0;
        if (is_shown)
            exposition_family(out, format, &shown);
        for (; at < page->n_entries && is_of_family(&page->entries[at], family); at++) {
            if (is_shown)
                write_sample(out, format, page->entries[at].sample, time_ms, &series_text);
        }
    }
}

void exposition_readings(struct buffer *out, enum exposition_format format,
                         const struct reading *const *readings, size_t n_readings, int64_t time_ms)
{
    struct page page = {0};
    if (gather(&page, readings, n_readings)) {
        qsort(page.entries, page.n_entries, sizeof(*page.entries), compare_entries);
        list_families(&page);
        write_page(out, format, &page, time_ms);
    } else {
        out->has_failed = true;
    }
    page_deinit(&page);
}
