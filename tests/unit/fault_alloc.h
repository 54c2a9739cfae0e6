/*
 * Makes the n-th allocation of the process fail, in libraries too, and counts blocks, so that a
 * test can walk through every failure and see that nothing leaks. Linking it replaces malloc. A
 * sanitizer brings its own malloc: there it is not available, and such tests are skipped.
 */
#ifndef SHOAL_TESTS_FAULT_ALLOC_H
#define SHOAL_TESTS_FAULT_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

bool fault_alloc_is_available(void);

/* The n-th allocation from now fails, once; 0: none. */
void fault_alloc_arm(size_t n);

/* Whether it has; ends the wait for it. */
bool fault_alloc_disarm(void);

/* Blocks allocated and not freed. */
long fault_alloc_live(void);

#endif
