/*
 * Families that are only known at run time, by name, with a count of the series that use each. A
 * family goes when nothing uses it and it was not asked for in the last reading, so that names
 * which are new each time cost no memory.
 */
#ifndef SHOAL_COMMON_FAMILY_TABLE_H
#define SHOAL_COMMON_FAMILY_TABLE_H

#include "common/series.h"

struct family_entry;

/* Caller's storage; all zeros is an empty table. */
struct family_table {
    struct family_entry **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n;
};

void family_table_deinit(struct family_table *table);

/* The family of that name, made with this type and help if there is none; `now` is the number of
 * the reading that asks. NULL when out of memory. */
const struct family *family_table_get(struct family_table *table, const char *name,
                                      enum family_type type, const char *help, uint64_t now);

/* A series begins or ceases to use a family; nothing if the family is not of this table. */
void family_table_hold(struct family_table *table, const struct family *family);
void family_table_release(struct family_table *table, const struct family *family);

/* Frees what no series uses and no reading from `since` on asked for. */
void family_table_sweep(struct family_table *table, uint64_t since);

#endif
