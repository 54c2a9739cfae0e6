#include "common/backoff.h"

/* SplitMix64 (Steele, Lea and Flood 2014): any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int64_t backoff_next(struct backoff *backoff, int64_t floor_ms)
{
    int64_t bound_ms = backoff->min_ms;
    for (unsigned i = 0; i < backoff->attempt && bound_ms < backoff->max_ms; i++)
        bound_ms = bound_ms > backoff->max_ms / 2 ? backoff->max_ms : bound_ms * 2;
    if (bound_ms < backoff->max_ms)
        backoff->attempt++; /* counts no further than it matters */
    if (bound_ms > backoff->max_ms)
        bound_ms = backoff->max_ms;
    if (bound_ms <= floor_ms)
        return floor_ms;
    uint64_t range = (uint64_t)(bound_ms - floor_ms) + 1;
    return floor_ms + (int64_t)(next_random(&backoff->random) % range);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->attempt = 0;
}
