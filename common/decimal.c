/*
 * Decimals. Everything rests on one fact: an integer below 2^53 and a power of ten up to 10^22 are
 * exact doubles, so their quotient or product, rounded once by IEEE 754, is the double that is
 * nearest to the decimal. It is what strtod makes of the same digits.
 */
#include "common/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD != 0
#error "decimals need double arithmetic that rounds each operation once (FLT_EVAL_METHOD 0)"
#endif
#ifdef __FAST_MATH__
#error "decimals need IEEE arithmetic: no -ffast-math"
#endif

#define DIGITS_MAX 15         /* of a mantissa */
#define INTEGER_DIGITS_MAX 21 /* longer integers are written with an exponent */
#define LEADING_ZEROS_MAX 5   /* after the point; smaller fractions are written with an exponent */

static const double powers[DECIMAL_EXPONENT_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

static uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

bool decimal_is_valid(int64_t mantissa, int64_t exponent)
{
    return mantissa > -DECIMAL_MANTISSA_LIMIT && mantissa < DECIMAL_MANTISSA_LIMIT &&
           exponent >= -DECIMAL_EXPONENT_MAX && exponent <= DECIMAL_EXPONENT_MAX;
}

static double decimal_combine(int64_t mantissa, int exponent)
{
    return exponent < 0 ? (double)mantissa / powers[-exponent]
                        : (double)mantissa * powers[exponent];
}

double decimal_value(struct decimal decimal)
{
    if (decimal.exponent != DECIMAL_RAW)
        return decimal_combine(decimal.mantissa, decimal.exponent);
    double value;
    memcpy(&value, &decimal.mantissa, sizeof(value));
    return value;
}

static struct decimal decimal_raw(double value)
{
    struct decimal raw = {.exponent = DECIMAL_RAW};
    memcpy(&raw.mantissa, &value, sizeof(value));
    return raw;
}

/* Whether value is exactly some mantissa times 10^exponent. `scaled` is the value over 10^exponent,
 * below the limit. The scaling has an error of at most 2^-52 of it, so that only its nearest
 * integer can be the mantissa, and hardly any wrong one comes as far as the division. */
static bool find_mantissa(double value, double scaled, int exponent, int64_t *mantissa_out)
{
    int64_t mantissa = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    if (fabs(scaled - (double)mantissa) > fabs(scaled) * 0x1p-51 ||
        !decimal_is_valid(mantissa, exponent) ||
        double_bits(decimal_combine(mantissa, exponent)) != double_bits(value))
        return false;
    *mantissa_out = mantissa;
    return true;
}

static double decimal_scale(double value, int exponent)
{
    return exponent < 0 ? value * powers[-exponent] : value / powers[exponent];
}

static struct decimal without_zeros(int64_t mantissa, int exponent)
{
    while (mantissa != 0 && mantissa % 10 == 0 && exponent < DECIMAL_EXPONENT_MAX) {
        mantissa /= 10;
        exponent++;
    }
    return (struct decimal){.mantissa = mantissa, .exponent = (int8_t)exponent};
}

/* An exact decimal with fewer digits after the point is exact with more, so the first that fits
 * has the shortest mantissa but for zeros of an integer. */
static struct decimal decimal_shortest(double value)
{
    const double limit = (double)DECIMAL_MANTISSA_LIMIT;
    int64_t mantissa;
    if (fabs(value) >= limit) {
        for (int e = 1; e <= DECIMAL_EXPONENT_MAX; e++) {
            double scaled = decimal_scale(value, e);
            if (fabs(scaled) < limit && find_mantissa(value, scaled, e, &mantissa))
                return without_zeros(mantissa, e);
        }
        return decimal_raw(value);
    }
    for (int e = 0; e >= -DECIMAL_EXPONENT_MAX; e--) {
        double scaled = decimal_scale(value, e);
        if (!(fabs(scaled) < limit))
            break;
        if (find_mantissa(value, scaled, e, &mantissa))
            return without_zeros(mantissa, e);
    }
    return decimal_raw(value);
}

struct decimal decimal_from(double value, int8_t hint)
{
    if (hint >= -DECIMAL_EXPONENT_MAX && hint <= DECIMAL_EXPONENT_MAX) {
        double scaled = decimal_scale(value, hint);
        int64_t mantissa;
        if (fabs(scaled) < (double)DECIMAL_MANTISSA_LIMIT &&
            find_mantissa(value, scaled, hint, &mantissa))
            return (struct decimal){.mantissa = mantissa, .exponent = hint};
    }
    return decimal_shortest(value);
}

/* Digits of `number` up to and not including `end`; returns the first. */
static char *digits_before(char *end, uint64_t number)
{
    while (number >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * number, 2);
        return end;
    }
    *--end = (char)('0' + number);
    return end;
}

size_t decimal_format_integer(int64_t number, char text[DECIMAL_TEXT_BYTES_MAX])
{
    char digits[20];
    uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;
    const char *first = digits_before(digits + sizeof(digits), magnitude);
    size_t n = (size_t)(digits + sizeof(digits) - first);
    size_t sign = number < 0;
    text[0] = '-';
    memcpy(text + sign, first, n);
    return sign + n;
}

/* "1.2345e-07": n digits whose first stands before the point. */
static size_t format_exponent(char *text, const char *digits, size_t n, int exponent)
{
    char *at = text;
    *at++ = digits[0];
    if (n > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, n - 1);
        at += n - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    memcpy(at, digit_pairs + 2 * (size_t)abs(exponent), 2);
    return (size_t)(at + 2 - text);
}

/* Digits whose point stands `point` places after the first digit (before it where negative). */
static size_t format_placed(char *text, const char *digits, size_t n, int point)
{
    if (point > INTEGER_DIGITS_MAX || point < -LEADING_ZEROS_MAX)
        return format_exponent(text, digits, n, point - 1);
    if (point <= 0) {
        size_t zeros = (size_t)-point;
        memset(text, '0', 2 + zeros);
        text[1] = '.';
        memcpy(text + 2 + zeros, digits, n);
        return 2 + zeros + n;
    }
    size_t whole = (size_t)point;
    if (whole >= n) {
        memcpy(text, digits, n);
        memset(text + n, '0', whole - n);
        return whole;
    }
    memcpy(text, digits, whole);
    text[whole] = '.';
    memcpy(text + whole + 1, digits + whole, n - whole);
    return n + 1;
}

static size_t copy_word(char text[DECIMAL_TEXT_BYTES_MAX], const char *word)
{
    size_t n = 0;
    for (; word[n] != '\0'; n++)
        text[n] = word[n];
    return n;
}

/* The shortest of 15 to 17 digits that reads back the same. The daemons leave the C locale. */
static size_t format_raw(double value, char text[DECIMAL_TEXT_BYTES_MAX])
{
    if (isnan(value))
        return copy_word(text, "NaN");
    if (isinf(value))
        return copy_word(text, value < 0 ? "-Inf" : "+Inf");
    char digits[DECIMAL_TEXT_BYTES_MAX];
    int n = 0;
    for (int precision = DBL_DIG; precision <= DBL_DECIMAL_DIG; precision++) {
        n = snprintf(digits, sizeof(digits), "%.*g", precision, value);
        if (double_bits(strtod(digits, NULL)) == double_bits(value))
            break;
    }
    memcpy(text, digits, (size_t)n);
    return (size_t)n;
}

size_t decimal_format(struct decimal decimal, char text[DECIMAL_TEXT_BYTES_MAX])
{
    if (decimal.exponent == DECIMAL_RAW)
        return format_raw(decimal_value(decimal), text);
    if (decimal.exponent == 0 || decimal.mantissa == 0)
        return decimal_format_integer(decimal.mantissa, text);
    char digits[20];
    uint64_t magnitude =
        decimal.mantissa < 0 ? -(uint64_t)decimal.mantissa : (uint64_t)decimal.mantissa;
    const char *first = digits_before(digits + sizeof(digits), magnitude);
    size_t n = (size_t)(digits + sizeof(digits) - first);
    int point = (int)n + decimal.exponent;
    while (n > 1 && first[n - 1] == '0')
        n--;
    size_t sign = decimal.mantissa < 0;
    text[0] = '-';
    return sign + format_placed(text + sign, first, n, point);
}
