/*
 * Values as they travel: a decimal mantissa and exponent, or a raw double. Bit-exact both ways.
 * The rule is in proto/shoal/v1/frame.proto.
 */
#ifndef SHOAL_COMMON_DECIMAL_H
#define SHOAL_COMMON_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/series.h"

#define DECIMAL_MANTISSA_LIMIT INT64_C(1000000000000000) /* |mantissa| is below 10^15 */
#define DECIMAL_EXPONENT_MAX 22                          /* 10^22 is the last exact power */
#define DECIMAL_RAW INT8_MAX                             /* exponent of a raw double */
#define DECIMAL_TEXT_BYTES_MAX 32                        /* what decimal_format writes at most */

/* With exponent DECIMAL_RAW the mantissa holds the double's 64 bits. */
struct decimal {
    int64_t mantissa;
    int8_t exponent;
};

/* Whether mantissa and exponent are within the bounds (not for DECIMAL_RAW). */
bool decimal_is_valid(int64_t mantissa, int64_t exponent);

/* The double that a decimal stands for. The decimal is valid or raw. */
double decimal_value(struct decimal decimal);

/*
 * The decimal of a double. `hint` is the exponent to try first (a series' last one). The result
 * has the hint where that is exact, else the exponent of the shortest exact mantissa, else is raw
 * (-0.0, NaN, infinities and whatever has more than 15 digits).
 */
struct decimal decimal_from(double value, int8_t hint);

/*
 * Writes the value as Prometheus reads it back to the same double: "12345.67", "1e+21", "NaN",
 * "+Inf". No NUL at the end; returns the number of bytes, at most DECIMAL_TEXT_BYTES_MAX. Fast for
 * all but raw doubles.
 */
size_t decimal_format(struct decimal decimal, char text[DECIMAL_TEXT_BYTES_MAX]);

/* Writes an integer in decimal digits; returns the number of bytes, at most 20. */
size_t decimal_format_integer(int64_t number, char text[DECIMAL_TEXT_BYTES_MAX]);

#endif
