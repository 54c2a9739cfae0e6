/* Repeatable randomness for property tests: a seed that is printed and can be given again. */
#ifndef SHOAL_TESTS_RANDOM_H
#define SHOAL_TESTS_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

/* From SHOAL_TEST_SEED, else from the time; printed, so that a failure can be repeated. */
struct random random_start(const char *test);

uint64_t random_next(struct random *random);

/* 0 to n - 1; n is not 0. */
uint64_t random_below(struct random *random, uint64_t n);

/* True once in n times. */
static inline int random_once_in(struct random *random, uint64_t n)
{
    return random_below(random, n) == 0;
}

/* A double of one of the kinds that metrics have, and of those that they should not have. */
double random_value(struct random *random);

/* Any 64 bits as a double. */
double random_bits(struct random *random);

#endif
