#include "tests/support/random.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct random random_start(const char *test)
{
    const char *given = getenv("SHOAL_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("%s: SHOAL_TEST_SEED=%" PRIu64 "\n", test, seed);
    return (struct random){.state = seed};
}

uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_below(struct random *random, uint64_t n)
{
    return random_next(random) % n;
}

double random_bits(struct random *random)
{
    uint64_t bits = random_next(random);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Up to `digits` digits and an exponent: what somebody would have typed. */
static double typed_decimal(struct random *random, unsigned digits)
{
    char text[64];
    uint64_t limit = 10;
    for (unsigned i = 1 + (unsigned)random_below(random, digits); i > 1; i--)
        limit *= 10;
    (void)snprintf(text, sizeof(text), "%s%" PRIu64 "e%d", random_once_in(random, 2) ? "-" : "",
                   random_below(random, limit), (int)random_below(random, 50) - 25);
    return strtod(text, NULL);
}

static double special_value(struct random *random)
{
    static const double values[] = {0.0,
                                    -0.0,
                                    1.0,
                                    -1.0,
                                    INFINITY,
                                    -INFINITY,
                                    NAN,
                                    DBL_MAX,
                                    DBL_MIN,
                                    DBL_EPSILON,
                                    4.9e-324,
                                    1e15,
                                    999999999999999.0,
                                    1e22,
                                    1e23,
                                    1e-22,
                                    1e-23,
                                    9007199254740992.0,
                                    9007199254740993.0,
                                    0.1};
    return values[random_below(random, sizeof(values) / sizeof(values[0]))];
}

double random_value(struct random *random)
{
    switch (random_below(random, 6)) {
    case 0:
        return random_bits(random);
    case 1:
        return special_value(random);
    case 2:
        return typed_decimal(random, 17);
    case 3:
        return (double)(int64_t)random_below(random, 2000) - 1000;
    case 4:
        return (double)random_below(random, 100000000) / 100;
    default:
        return (double)random_next(random) / 0x1p64;
    }
}
