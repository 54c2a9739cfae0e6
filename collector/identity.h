/*
 * Identities of series, interned: a family and the text of name and labels as the exposition writes
 * it. A fleet's nodes are alike, so that one identity stands for a series of each of them, and the
 * nodes keep a number. Counted references. Knows nothing of nodes and values.
 *
 * All calls are made under the owner's lock. Without it, between a pin and its unpin of the
 * graveyard, pointers that were got under the lock may be read.
 */
#ifndef SHOAL_COLLECTOR_IDENTITY_H
#define SHOAL_COLLECTOR_IDENTITY_H

#include "collector/graveyard.h"
#include "common/series.h"

#define IDENTITY_NONE 0

struct identity_family {
    struct shared shared;
    struct family family; /* its texts stand behind the struct */
    uint32_t number;      /* from 1, below identities_family_bound() */
    uint64_t born;        /* the family with the lower one was there first */
    size_t bytes;
};

struct identity {
    struct shared shared; /* its hash is that of the text alone */
    struct identity_family *family;
    uint32_t number;
    uint32_t text_bytes;
    bool has_labels;
    char text[]; /* `name{a="b"` or `name`: see exposition_series; no NUL */
};

struct identities;

/* NULL when out of memory. The graveyard is the caller's. */
struct identities *identities_new(struct graveyard *graveyard);
void identities_free(struct identities *identities); /* whatever is referred to; may be NULL */

/* A reference to the family of that name, type, help and unit; NULL when out of memory. */
struct identity_family *identities_take_family(struct identities *identities,
                                               const struct family *family);
void identities_drop_family(struct identities *identities, struct identity_family *family);

/* One more reference. */
void identities_share_family(struct identity_family *family);

/* The labels of a series and the suffix of its name. */
struct identity_key {
    struct identity_family *family;
    enum series_suffix suffix;
    const struct label *labels;
    size_t n_labels;
};

/* A reference to the identity; its number, never IDENTITY_NONE. 0 or -ENOMEM. */
WARN_UNUSED int identities_take(struct identities *identities, const struct identity_key *key,
                                uint32_t *number_out);
void identities_drop(struct identities *identities, uint32_t number);
void identities_share(struct identities *identities, uint32_t number);

/* The number is one that the caller holds a reference to. */
const struct identity *identities_get(const struct identities *identities, uint32_t number);

/* Above every family's number. */
uint32_t identities_family_bound(const struct identities *identities);

size_t identities_count(const struct identities *identities);
size_t identities_bytes(const struct identities *identities); /* of memory, families too */

#endif
