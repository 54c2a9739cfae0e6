#include "tests/unit/fault_alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

static atomic_long live;
static atomic_size_t countdown; /* 0: not armed */
static atomic_bool has_failed;

bool fault_alloc_is_available(void)
{
#ifdef IS_SANITIZED
    return false;
#else
    return true;
#endif
}

void fault_alloc_arm(size_t n)
{
    atomic_store(&has_failed, false);
    atomic_store(&countdown, n);
}

bool fault_alloc_disarm(void)
{
    atomic_store(&countdown, 0);
    return atomic_load(&has_failed);
}

long fault_alloc_live(void)
{
    return atomic_load(&live);
}

#ifndef IS_SANITIZED

/* glibc's own, which exist for such replacements (malloc.h of glibc, "Replacing malloc"). */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static bool must_fail(void)
{
    size_t left = atomic_load(&countdown);

    while (left > 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left != 1)
        return false;
    atomic_store(&has_failed, true);
    errno = ENOMEM;
    return true;
}

static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&live, 1);
    return block;
}

void *malloc(size_t size)
{
    return must_fail() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *block, size_t size)
{
    if (must_fail())
        return NULL;
    void *moved = __libc_realloc(block, size);
    return block == NULL ? counted(moved) : moved;
}

void free(void *block)
{
    if (block != NULL)
        atomic_fetch_sub(&live, 1);
    __libc_free(block);
}

#endif
