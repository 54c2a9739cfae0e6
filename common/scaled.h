/*
 * Values as they stand under `scaled`: a mantissa in a unit that is a power of ten or of two. The
 * powers of two are for what comes in blocks, pages or kibibytes: their mantissas, and above all
 * the differences of these, are shorter by three digits. The rule is in frame.proto.
 */
#ifndef SHOAL_COMMON_SCALED_H
#define SHOAL_COMMON_SCALED_H

#include "common/decimal.h"

#define SCALED_BINARY 32 /* an exponent of 32 + k is a unit of 2^k */
#define SCALED_SHIFT_MAX 31

struct scaled {
    int64_t mantissa;
    int8_t exponent; /* DECIMAL_RAW: the mantissa holds the double's bits */
};

/* The decimal that a scaled value stands for; false where it is out of bounds. Not for raw. */
bool scaled_expand(int64_t mantissa, int64_t exponent, struct decimal *decimal_out);

/* A value with the exponent `last` where that is exact, else with one that suits it; else raw. */
struct scaled scaled_from(double value, int8_t last);

#endif
