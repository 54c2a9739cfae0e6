/* Exponential back-off with full jitter: the n-th wait, from 0, is uniform between the floor and
 * min(max, min * 2^n). */
#ifndef SHOAL_COMMON_BACKOFF_H
#define SHOAL_COMMON_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t min_ms, max_ms;
    uint64_t random; /* state, seeded by the owner */
    unsigned attempt;
};

/* The next wait, at least floor_ms. */
int64_t backoff_next(struct backoff *backoff, int64_t floor_ms);
void backoff_reset(struct backoff *backoff);

#endif
