#include "common/encoder_families.h"

#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define CAPACITY_MIN 64

void encoder_families_deinit(struct encoder_families *families)
{
    free(families->entries);
    free(families->buckets);
    *families = (struct encoder_families){0};
}

void encoder_families_clear(struct encoder_families *families)
{
    families->n_entries = 0;
    families->n_ids = 0;
    families->free_entry = NONE;
    for (uint32_t i = 0; i < families->capacity; i++)
        families->buckets[i] = NONE;
}

static uint32_t *bucket_of(const struct encoder_families *families, const struct family *family)
{
    uint64_t hash = (uint64_t)(uintptr_t)family * UINT64_C(0x9e3779b97f4a7c15);
    return &families->buckets[(uint32_t)(hash >> 32) & (families->capacity - 1)];
}

static void link_entry(struct encoder_families *families, uint32_t entry)
{
    uint32_t *bucket = bucket_of(families, families->entries[entry].family);
    families->entries[entry].next = *bucket;
    *bucket = entry;
}

/* Called when no entry is free, so all of them are in use. */
static int grow(struct encoder_families *families)
{
    uint32_t capacity = families->capacity == 0 ? CAPACITY_MIN : 2 * families->capacity;
    struct encoder_family *entries = realloc(families->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return -ENOMEM;
    families->entries = entries;
    uint32_t *buckets = realloc(families->buckets, capacity * sizeof(*buckets));
    if (buckets == NULL)
        return -ENOMEM;
    families->buckets = buckets;
    families->capacity = capacity;
    families->free_entry = NONE;
    for (uint32_t i = 0; i < capacity; i++)
        buckets[i] = NONE;
    for (uint32_t i = 0; i < families->n_entries; i++)
        link_entry(families, i);
    return 0;
}

static uint32_t find(const struct encoder_families *families, const struct family *family)
{
    if (families->capacity == 0)
        return NONE;
    uint32_t entry = *bucket_of(families, family);
    while (entry != NONE && families->entries[entry].family != family)
        entry = families->entries[entry].next;
    return entry;
}

static int take_entry(struct encoder_families *families, uint32_t *entry_out)
{
    bool has_free = families->capacity > 0 && families->free_entry != NONE;
    if (has_free) {
        *entry_out = families->free_entry;
        families->free_entry = families->entries[*entry_out].next;
        return 0;
    }
    if (families->n_entries == families->capacity) {
        int r = grow(families);
        if (r < 0)
            return r;
    }
    *entry_out = families->n_entries++;
    return 0;
}

int encoder_families_use(struct encoder_families *families, const struct family *family,
                         uint32_t *entry_out, bool *is_new_out)
{
    uint32_t entry = find(families, family);
    *is_new_out = entry == NONE;
    if (entry == NONE) {
        int r = take_entry(families, &entry);
        if (r < 0)
            return r;
        families->entries[entry] =
            (struct encoder_family){.family = family, .id = families->n_ids++};
        link_entry(families, entry);
    }
    families->entries[entry].series++;
    *entry_out = entry;
    return 0;
}

void encoder_families_release(struct encoder_families *families, uint32_t entry)
{
    struct encoder_family *released = &families->entries[entry];
    if (--released->series > 0)
        return;
    uint32_t *link = bucket_of(families, released->family);
    while (*link != entry)
        link = &families->entries[*link].next;
    *link = released->next;
    released->family = NULL;
    released->next = families->free_entry;
    families->free_entry = entry;
}
