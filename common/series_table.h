/*
 * The series that a reading knows: found by what they are, and by slot. Copies names and values of
 * labels; families are the caller's. Knows nothing of readings' order or errors.
 */
#ifndef SHOAL_COMMON_SERIES_TABLE_H
#define SHOAL_COMMON_SERIES_TABLE_H

#include "common/reading.h"

/* A series as somebody names it: labels ascending, none empty. */
struct series_key {
    const struct family *family;
    const struct label *labels;
    size_t n_labels;
    enum series_suffix suffix;
};

struct series_entry {
    struct series series;
    struct series_entry *next; /* in its bucket */
    uint64_t hash;
    /* For the owner: the last reading that had it, and its place there. */
    uint64_t seen;
    size_t position;
};

/* Caller's storage; all zeros is an empty table. */
struct series_table {
    struct series_entry **slots; /* NULL where free */
    uint32_t *free_slots;
    uint32_t n_slots, n_free, max_slots;
    struct series_entry **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n_indexed;
};

void series_table_deinit(struct series_table *table);

/* Same family name, suffix and labels. */
bool series_key_matches(const struct series_key *key, const struct series *series);
uint64_t series_key_hash(const struct series_key *key);

/* NULL if it is not there. */
struct series_entry *series_table_find(const struct series_table *table,
                                       const struct series_key *key, uint64_t hash);

/* Adds a series that is not there, in any free slot; NULL when out of memory. */
struct series_entry *series_table_add(struct series_table *table, const struct series_key *key,
                                      uint64_t hash, uint64_t born);

/* It is not found any more; slot and memory stay until series_table_remove(). */
void series_table_hide(struct series_table *table, struct series_entry *entry);

/* Frees a hidden entry and its slot. */
void series_table_remove(struct series_table *table, struct series_entry *entry);

static inline struct series_entry *series_table_at(const struct series_table *table, uint32_t slot)
{
    return table->slots[slot];
}

#endif
