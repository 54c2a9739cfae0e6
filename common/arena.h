/*
 * A bounded region of memory that is given back as a whole. Under the decoders it is what keeps a
 * small frame from asking for much memory: past the bound an allocation fails.
 */
#ifndef SHOAL_COMMON_ARENA_H
#define SHOAL_COMMON_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

/* Caller's storage. All zeros is an arena that allows nothing. */
struct arena {
    struct arena_block *blocks;
    size_t used_bytes;
    size_t max_bytes;
    bool is_exhausted; /* an allocation failed for the bound, not for want of memory */
};

void arena_init(struct arena *arena, size_t max_bytes);

/* Frees all that was allocated and leaves the arena as after init. */
void arena_reset(struct arena *arena);
void arena_deinit(struct arena *arena);

/* Aligned for any type; NULL at the bound or when out of memory. The memory is not cleared. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of n bytes and a NUL; NULL as above. */
char *arena_copy_text(struct arena *arena, const char *text, size_t n);

#endif
