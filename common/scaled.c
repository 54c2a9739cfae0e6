#include "common/scaled.h"

/* A mantissa that small gains nothing from a larger unit. */
#define BINARY_MANTISSA_MIN 4096

bool scaled_expand(int64_t mantissa, int64_t exponent, struct decimal *decimal_out)
{
    if (exponent <= DECIMAL_EXPONENT_MAX) {
        if (!decimal_is_valid(mantissa, exponent))
            return false;
        *decimal_out = (struct decimal){.mantissa = mantissa, .exponent = (int8_t)exponent};
        return true;
    }
    int64_t shift = exponent - SCALED_BINARY;
    if (shift < 1 || shift > SCALED_SHIFT_MAX)
        return false;
    int64_t unit = INT64_C(1) << shift;
    if (mantissa >= DECIMAL_MANTISSA_LIMIT / unit + 1 ||
        mantissa <= -(DECIMAL_MANTISSA_LIMIT / unit + 1) || !decimal_is_valid(mantissa * unit, 0))
        return false;
    *decimal_out = (struct decimal){.mantissa = mantissa * unit, .exponent = 0};
    return true;
}

/* Sectors, kibibytes and pages are what machines count in. */
static int8_t suitable_shift(int64_t mantissa)
{
    static const int8_t shifts[] = {12, 10, 9};
    if (mantissa > -BINARY_MANTISSA_MIN && mantissa < BINARY_MANTISSA_MIN)
        return 0;
    for (unsigned i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++)
        if (mantissa % (INT64_C(1) << shifts[i]) == 0)
            return shifts[i];
    return 0;
}

static struct scaled with_shift(int64_t mantissa, int8_t shift)
{
    return (struct scaled){.mantissa = mantissa / (INT64_C(1) << shift),
                           .exponent = (int8_t)(SCALED_BINARY + shift)};
}

struct scaled scaled_from(double value, int8_t last)
{
    bool is_binary = last > SCALED_BINARY && last <= SCALED_BINARY + SCALED_SHIFT_MAX;
    int8_t hint = is_binary || last == DECIMAL_RAW ? 0 : last;
    struct decimal decimal = decimal_from(value, hint);
    if (decimal.exponent == 0 && last != 0) {
        int8_t shift = is_binary ? (int8_t)(last - SCALED_BINARY) : 0;
        if (shift == 0 || decimal.mantissa % (INT64_C(1) << shift) != 0)
            shift = suitable_shift(decimal.mantissa);
        if (shift > 0)
            return with_shift(decimal.mantissa, shift);
    }
    return (struct scaled){.mantissa = decimal.mantissa, .exponent = decimal.exponent};
}
