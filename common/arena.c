/*
 * A chain of blocks, the newest first; allocations are cut from the newest. Blocks grow, so that a
 * frame takes one or two calls of malloc and a large one few. What the bound counts is the blocks.
 */
#include "common/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_MIN ((size_t)4096)
#define BLOCK_BYTES_GROWTH_MAX ((size_t)256 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t size; /* of data */
    size_t used;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

void arena_reset(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->used_bytes = 0;
    arena->is_exhausted = false;
}

void arena_deinit(struct arena *arena)
{
    arena_reset(arena);
    arena->max_bytes = 0;
}

/* Twice the last block's size, more where `size` needs it, less where the bound does not allow it.
 */
static size_t block_size(const struct arena *arena, size_t size, size_t room)
{
    size_t want = BLOCK_BYTES_MIN - sizeof(struct arena_block);
    if (arena->blocks != NULL)
        want = 2 * arena->blocks->size;
    if (want > BLOCK_BYTES_GROWTH_MAX)
        want = BLOCK_BYTES_GROWTH_MAX;
    if (want > room)
        want = room;
    return want < size ? size : want;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    size_t left = arena->max_bytes - arena->used_bytes;
    if (left < sizeof(struct arena_block) || left - sizeof(struct arena_block) < size) {
        arena->is_exhausted = true;
        return NULL;
    }
    size = block_size(arena, size, left - sizeof(struct arena_block));
    struct arena_block *block = malloc(sizeof(struct arena_block) + size);
    if (block == NULL)
        return NULL;
    *block = (struct arena_block){.next = arena->blocks, .size = size};
    arena->blocks = block;
    arena->used_bytes += sizeof(struct arena_block) + size;
    return block;
}

static void *take(struct arena *arena, size_t size, size_t alignment)
{
    struct arena_block *block = arena->blocks;
    if (block != NULL) {
        size_t start = (block->used + alignment - 1) & ~(alignment - 1);
        if (start <= block->size && size <= block->size - start) {
            block->used = start + size;
            return block->data + start;
        }
    }
    block = add_block(arena, size);
    if (block == NULL)
        return NULL;
    block->used = size;
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return take(arena, size, alignof(max_align_t));
}

char *arena_copy_text(struct arena *arena, const char *text, size_t n)
{
    if (n == SIZE_MAX) {
        arena->is_exhausted = true;
        return NULL;
    }
    char *copy = take(arena, n + 1, 1);
    if (copy == NULL)
        return NULL;
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}
