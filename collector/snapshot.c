#include "collector/snapshot.h"

#include <errno.h>
#include <string.h>

static int grow(void **array, size_t *capacity, size_t n, size_t item_bytes)
{
    if (n <= *capacity)
        return 0;
    if (n > UINT32_MAX)
        return -ENOMEM;
    void *wide = realloc(*array, n * item_bytes);
    if (wide == NULL)
        return -ENOMEM;
    *array = wide;
    *capacity = n;
    return 0;
}

int snapshot_reserve(struct snapshot *snapshot, size_t n_blocks, size_t n_samples)
{
    void *blocks = snapshot->blocks, *samples = snapshot->samples;
    int r = grow(&blocks, &snapshot->blocks_capacity, snapshot->n_blocks + n_blocks,
                 sizeof(*snapshot->blocks));
    snapshot->blocks = blocks;
    if (r == 0)
        r = grow(&samples, &snapshot->samples_capacity, snapshot->n_samples + n_samples,
                 sizeof(*snapshot->samples));
    snapshot->samples = samples;
    return r;
}

void snapshot_deinit(struct snapshot *snapshot)
{
    free(snapshot->blocks);
    free(snapshot->samples);
    *snapshot = (struct snapshot){0};
}

/* The samples in the order of the page: a counting sort by family. */
struct page {
    const struct snapshot *snapshot;
    const struct identity_family **families; /* those in use, by name */
    size_t n_families;
    const struct family **names;
    uint32_t *ends;  /* by family number: where its samples end in `order` */
    uint32_t *order; /* indices of samples */
};

static void page_deinit(struct page *page)
{
    free(page->families);
    free(page->names);
    free(page->ends);
    free(page->order);
}

static int page_init(struct page *page, const struct snapshot *snapshot, uint32_t family_bound)
{
    *page = (struct page){.snapshot = snapshot};
    page->families = malloc(family_bound * sizeof(struct identity_family *) + 1);
    page->names = malloc(family_bound * sizeof(struct family *) + 1);
    page->ends = calloc(family_bound + 1, sizeof(*page->ends));
    page->order = calloc(snapshot->n_samples + 1, sizeof(*page->order));
    if (page->families == NULL || page->names == NULL || page->ends == NULL || page->order == NULL)
        return -ENOMEM;
    return 0;
}

static int compare_families(const void *a, const void *b)
{
    const struct identity_family *left = *(const struct identity_family *const *)a;
    const struct identity_family *right = *(const struct identity_family *const *)b;
    int order = strcmp(left->family.name, right->family.name);
    return order != 0 ? order : (left->born > right->born) - (left->born < right->born);
}

/* Finds the families and how many samples each has, then where each one's samples begin; filling
 * moves that on, so that it is the end afterwards. */
static void sort(struct page *page)
{
    const struct snapshot *snapshot = page->snapshot;
    for (size_t i = 0; i < snapshot->n_samples; i++) {
        const struct identity_family *family = snapshot->samples[i].identity->family;
        if (page->ends[family->number]++ == 0)
            page->families[page->n_families++] = family;
    }
    qsort(page->families, page->n_families, sizeof(struct identity_family *), compare_families);
    uint32_t start = 0;
    for (size_t i = 0; i < page->n_families; i++) {
        uint32_t *end = &page->ends[page->families[i]->number];
        uint32_t n = *end;
        *end = start;
        start += n;
    }
    for (size_t i = 0; i < snapshot->n_samples; i++)
        page->order[page->ends[snapshot->samples[i].identity->family->number]++] = (uint32_t)i;
}

static void write_sample(const struct snapshot *snapshot, uint32_t index,
                         enum exposition_format format, struct buffer *out)
{
    const struct snapshot_sample *sample = &snapshot->samples[index];
    const struct snapshot_block *block = &snapshot->blocks[sample->block];
    exposition_sample(out, format,
                      &(struct exposition_sample){
                          .series = sample->identity->text,
                          .series_bytes = sample->identity->text_bytes,
                          .has_labels = sample->identity->has_labels,
                          .more = block->more,
                          .more_bytes = block->more_bytes,
                          .value = {.mantissa = sample->mantissa, .exponent = sample->exponent},
                          .time_ms = block->time_ms,
                      });
}

/* The families by name, each name once: of several the first one that was born. */
static size_t find_names(struct page *page)
{
    size_t n = 0;
    for (size_t i = 0; i < page->n_families; i++) {
        const struct family *family = &page->families[i]->family;
        if (n == 0 || strcmp(page->names[n - 1]->name, family->name) != 0)
            page->names[n++] = family;
    }
    return n;
}

/* Writes from *index_io on the families of one name. */
static void write_name(const struct page *page, const char *name, enum exposition_format format,
                       size_t *index_io, struct buffer *out)
{
    size_t i = *index_io;
    uint32_t at = i == 0 ? 0 : page->ends[page->families[i - 1]->number];
    for (; i < page->n_families && strcmp(page->families[i]->family.name, name) == 0; i++) {
        for (; out != NULL && at < page->ends[page->families[i]->number]; at++)
            write_sample(page->snapshot, page->order[at], format, out);
    }
    *index_io = i;
}

static void write_page(struct page *page, enum exposition_format format, struct buffer *out)
{
    size_t n = find_names(page), index = 0;
    for (size_t i = 0; i < n; i++) {
        struct family shown;
        bool is_shown = exposition_resolve(format, page->names, n, i, &shown) == 0;
        if (is_shown)
            exposition_family(out, format, &shown);
        write_name(page, page->names[i]->name, format, &index, is_shown ? out : NULL);
    }
}

int snapshot_write(const struct snapshot *snapshot, uint32_t family_bound,
                   enum exposition_format format, struct buffer *out)
{
    struct page page;
    int r = page_init(&page, snapshot, family_bound);
    if (r == 0) {
        sort(&page);
        write_page(&page, format, out);
    }
    page_deinit(&page);
    return r < 0 || buffer_failed(out) ? -ENOMEM : 0;
}
