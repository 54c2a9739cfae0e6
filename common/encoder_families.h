/*
 * The families of one input that a group has defined, found by address. A family counts the series
 * that use it and is forgotten with the last of them: the reading may then free it, and give its
 * address to another.
 */
#ifndef SHOAL_COMMON_ENCODER_FAMILIES_H
#define SHOAL_COMMON_ENCODER_FAMILIES_H

#include "common/series.h"

struct encoder_family {
    const struct family *family; /* NULL: a free entry */
    uint32_t id;                 /* on the wire */
    uint32_t series;             /* that use it */
    uint32_t next;               /* entry in the same bucket, or the next free one */
};

/* Caller's storage; all zeros is empty. */
struct encoder_families {
    struct encoder_family *entries;
    uint32_t *buckets;
    uint32_t n_entries;
    uint32_t capacity; /* of entries and of buckets; a power of 2 */
    uint32_t free_entry;
    uint32_t n_ids; /* given out in this group */
};

void encoder_families_deinit(struct encoder_families *families);

/* Forgets all, for a new group. */
void encoder_families_clear(struct encoder_families *families);

/* Counts one more series of the family: 0 with its entry and whether it has to be defined now, or
 * -ENOMEM. */
WARN_UNUSED int encoder_families_use(struct encoder_families *families, const struct family *family,
                                     uint32_t *entry_out, bool *is_new_out);

/* One series fewer. */
void encoder_families_release(struct encoder_families *families, uint32_t entry);

#endif
