/*
 * What one page shows, copied: 24 bytes a sample, so that the lock is held for the copying alone
 * and the page is sorted and written without it. Knows families, identities and texts to put beside
 * them, nothing of nodes. The texts and identities stay the owner's, who keeps them (graveyard.h).
 */
#ifndef SHOAL_COLLECTOR_SNAPSHOT_H
#define SHOAL_COLLECTOR_SNAPSHOT_H

#include "collector/identity.h"
#include "common/exposition.h"

/* Samples that share time and further labels: an input's reading. */
struct snapshot_block {
    const char *more; /* further labels, ready made: `instance="a",job="b"`; may be NULL if empty */
    size_t more_bytes;
    int64_t time_ms; /* or EXPOSITION_NO_TIME */
};

struct snapshot_sample {
    const struct identity *identity;
    int64_t mantissa;
    uint32_t block;
    int8_t exponent;
};

/* Caller's storage; all zeros is an empty one. */
struct snapshot {
    struct snapshot_block *blocks;
    struct snapshot_sample *samples;
    size_t n_blocks, n_samples, blocks_capacity, samples_capacity;
};

/* Room for so many more. 0 or -ENOMEM. */
WARN_UNUSED int snapshot_reserve(struct snapshot *snapshot, size_t n_blocks, size_t n_samples);

/* Within the room reserved: a block, and samples that belong to the last block. */
static inline void snapshot_add_block(struct snapshot *snapshot, const struct snapshot_block *block)
{
    snapshot->blocks[snapshot->n_blocks++] = *block;
}

static inline void snapshot_add(struct snapshot *snapshot, const struct identity *identity,
                                int64_t mantissa, int8_t exponent)
{
    snapshot->samples[snapshot->n_samples++] =
        (struct snapshot_sample){.identity = identity,
                                 .mantissa = mantissa,
                                 .block = (uint32_t)(snapshot->n_blocks - 1),
                                 .exponent = exponent};
}

/*
 * Writes the samples, families sorted by name, each with HELP and TYPE once: of several families of
 * one name those of the first that was born hold; clashes go as exposition_resolve says. Within a
 * family the samples stand in the order in which they were added. Families have numbers below
 * family_bound. 0 or -ENOMEM.
 */
WARN_UNUSED int snapshot_write(const struct snapshot *snapshot, uint32_t family_bound,
                               enum exposition_format format, struct buffer *out);

void snapshot_deinit(struct snapshot *snapshot);

#endif
