#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/decimal.h"
#include "common/scaled.h"
#include "tests/support/random.h"

#define RANDOM_VALUES 200000

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static const char *format(struct decimal decimal)
{
    static char text[DECIMAL_TEXT_BYTES_MAX + 1];
    memset(text, '#', sizeof(text));
    size_t n = decimal_format(decimal, text);
    assert_true(n > 0 && n <= DECIMAL_TEXT_BYTES_MAX);
    assert_int_equal(text[DECIMAL_TEXT_BYTES_MAX], '#');
    text[n] = '\0';
    return text;
}

/* All that has to hold of any double, whatever the hint. */
static void check(double value, int8_t hint)
{
    struct decimal decimal = decimal_from(value, hint);
    if (bits_of(decimal_value(decimal)) != bits_of(value))
        fail_msg("%a with hint %d: %" PRId64 " %d", value, hint, decimal.mantissa,
                 decimal.exponent);
    if (decimal.exponent != DECIMAL_RAW)
        assert_true(decimal_is_valid(decimal.mantissa, decimal.exponent));
    const char *text = format(decimal);
    double back = strtod(text, NULL);
    if (isnan(value))
        assert_string_equal(text, "NaN");
    else if (bits_of(back) != bits_of(value))
        fail_msg("%a is written as %s", value, text);
    struct scaled scaled = scaled_from(value, hint);
    struct decimal expanded = {.mantissa = scaled.mantissa, .exponent = DECIMAL_RAW};
    if (scaled.exponent != DECIMAL_RAW)
        assert_true(scaled_expand(scaled.mantissa, scaled.exponent, &expanded));
    if (bits_of(decimal_value(expanded)) != bits_of(value))
        fail_msg("%a with hint %d: scaled %" PRId64 " %d", value, hint, scaled.mantissa,
                 scaled.exponent);
}

static void test_boundaries(void **state)
{
    (void)state;
    static const double values[] = {0.0,
                                    -0.0,
                                    1,
                                    -1,
                                    0.1,
                                    1e15,
                                    999999999999999,
                                    -999999999999999,
                                    1e15 - 0.5,
                                    1e21,
                                    1e22,
                                    1e23,
                                    1e36,
                                    999999999999999e22,
                                    1e37,
                                    1e-22,
                                    1e-23,
                                    123e-22,
                                    0x1p53,
                                    0x1p53 + 2,
                                    0x1p63,
                                    0x1p64,
                                    5e-324,
                                    2.2250738585072014e-308,
                                    1.7976931348623157e308,
                                    0.30000000000000004,
                                    1.0 / 3,
                                    4503599627370496.5,
                                    4096,
                                    4096.0 * 4096,
                                    12345.0 * 1024,
                                    0x1p49,
                                    0x1p50,
                                    INFINITY,
                                    -INFINITY,
                                    NAN,
                                    -NAN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        for (int hint = -DECIMAL_EXPONENT_MAX - 1; hint <= SCALED_BINARY + SCALED_SHIFT_MAX + 1;
             hint++)
            check(values[i], (int8_t)hint);
    uint64_t payload = UINT64_C(0x7ff4000000abcdef); /* a signalling NaN */
    double value;
    memcpy(&value, &payload, sizeof(value));
    struct decimal raw = decimal_from(value, 0);
    assert_int_equal(raw.exponent, DECIMAL_RAW);
    assert_int_equal((uint64_t)raw.mantissa, payload);
}

static void test_small_integers_and_cents(void **state)
{
    (void)state;
    for (int i = -30000; i <= 30000; i++) {
        check(i, 0);
        check(i / 100.0, -2);
        assert_int_equal(decimal_from(i / 100.0, -2).mantissa, i);
        assert_int_equal(decimal_from(i / 100.0, -2).exponent, -2);
        check(i * 1024.0, SCALED_BINARY + 10);
    }
}

static void test_random_bits(void **state)
{
    (void)state;
    struct random random = random_start("decimal, bits");
    for (unsigned i = 0; i < RANDOM_VALUES; i++)
        check(random_bits(&random), (int8_t)((int)random_below(&random, 90) - 23));
}

static void test_random_values(void **state)
{
    (void)state;
    struct random random = random_start("decimal, values");
    for (unsigned i = 0; i < RANDOM_VALUES; i++)
        check(random_value(&random), (int8_t)((int)random_below(&random, 90) - 23));
}

/* Every decimal within the bounds comes back as itself when its exponent is the hint. */
static void test_random_decimals(void **state)
{
    (void)state;
    struct random random = random_start("decimal, decimals");
    for (unsigned i = 0; i < RANDOM_VALUES; i++) {
        int64_t limit = 10;
        for (uint64_t digits = random_below(&random, 15); digits > 0; digits--)
            limit *= 10;
        struct decimal decimal = {
            .mantissa = (int64_t)random_below(&random, (uint64_t)limit),
            .exponent = (int8_t)((int)random_below(&random, 45) - 22),
        };
        if (random_below(&random, 2) == 0 && decimal.mantissa != 0)
            decimal.mantissa = -decimal.mantissa;
        struct decimal again = decimal_from(decimal_value(decimal), decimal.exponent);
        if (again.mantissa != decimal.mantissa || again.exponent != decimal.exponent)
            fail_msg("%" PRId64 "e%d gives %" PRId64 "e%d", decimal.mantissa, decimal.exponent,
                     again.mantissa, again.exponent);
        /* The value is what strtod makes of the digits. */
        char text[64];
        (void)snprintf(text, sizeof(text), "%" PRId64 "e%d", decimal.mantissa, decimal.exponent);
        assert_int_equal(bits_of(strtod(text, NULL)), bits_of(decimal_value(decimal)));
        assert_int_equal(bits_of(strtod(format(decimal), NULL)), bits_of(decimal_value(decimal)));
    }
}

static void test_shortest(void **state)
{
    (void)state;
    static const struct {
        double value;
        int64_t mantissa;
        int exponent;
    } cases[] = {
        {12345.67, 1234567, -2},
        {0.1, 1, -1},
        {12000, 12, 3},
        {1e21, 1, 21},
        {-2.5, -25, -1},
        {1e-22, 1, -22},
        {7, 7, 0},
        {123456789012345, 123456789012345, 0},
        {1e16, 1, 16},
        {0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct decimal decimal = decimal_from(cases[i].value, DECIMAL_RAW);
        assert_int_equal(decimal.mantissa, cases[i].mantissa);
        assert_int_equal(decimal.exponent, cases[i].exponent);
    }
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        int64_t mantissa;
        int exponent;
        const char *text;
    } cases[] = {
        {1234567, -2, "12345.67"},
        {-5, -1, "-0.5"},
        {0, 0, "0"},
        {0, -5, "0"},
        {0, 7, "0"},
        {12, 3, "12000"},
        {1, 21, "1e+21"},
        {1, 20, "100000000000000000000"},
        {15, 22, "1.5e+23"},
        {1, -22, "1e-22"},
        {25, -7, "0.0000025"},
        {1230, -2, "12.3"},
        {100, -2, "1"},
        {-42, 0, "-42"},
        {999999999999999, 22, "9.99999999999999e+36"},
        {1, -6, "0.000001"},
        {123, -9, "1.23e-07"},
        {5, -3, "0.005"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(format((struct decimal){.mantissa = cases[i].mantissa,
                                                    .exponent = (int8_t)cases[i].exponent}),
                            cases[i].text);
    assert_string_equal(format(decimal_from(INFINITY, 0)), "+Inf");
    assert_string_equal(format(decimal_from(-INFINITY, 0)), "-Inf");
    assert_string_equal(format(decimal_from(-0.0, 0)), "-0");
    assert_string_equal(format(decimal_from(0.30000000000000004, 0)), "0.30000000000000004");
}

static void test_integers(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0, 1, -1, 9, 10, 99, 100, 101, 12345, INT64_MAX, INT64_MIN};
    char text[DECIMAL_TEXT_BYTES_MAX];
    char want[32];
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        size_t n = decimal_format_integer(numbers[i], text);
        (void)snprintf(want, sizeof(want), "%" PRId64, numbers[i]);
        assert_int_equal(n, strlen(want));
        assert_memory_equal(text, want, n);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    assert_true(decimal_is_valid(DECIMAL_MANTISSA_LIMIT - 1, 22));
    assert_true(decimal_is_valid(-DECIMAL_MANTISSA_LIMIT + 1, -22));
    assert_false(decimal_is_valid(DECIMAL_MANTISSA_LIMIT, 0));
    assert_false(decimal_is_valid(-DECIMAL_MANTISSA_LIMIT, 0));
    assert_false(decimal_is_valid(INT64_MIN, 0));
    assert_false(decimal_is_valid(0, 23));
    assert_false(decimal_is_valid(0, -23));
    assert_false(decimal_is_valid(0, INT64_MAX));
}

static void test_binary_units(void **state)
{
    (void)state;
    struct decimal decimal;
    struct scaled scaled = scaled_from(123456.0 * 4096, DECIMAL_RAW);
    assert_int_equal(scaled.exponent, SCALED_BINARY + 12);
    assert_int_equal(scaled.mantissa, 123456);
    /* The next one is of sectors only: a smaller unit, which stays. */
    scaled = scaled_from(123456.0 * 4096 + 512, scaled.exponent);
    assert_int_equal(scaled.exponent, SCALED_BINARY + 9);
    assert_int_equal(scaled_from(123456.0 * 4096, scaled.exponent).exponent, SCALED_BINARY + 9);
    assert_true(scaled_expand(scaled.mantissa, scaled.exponent, &decimal));
    assert_int_equal(decimal.mantissa, 123456 * 4096 + 512);
    assert_int_equal(decimal.exponent, 0);
    /* A series that has once been in ones stays there. */
    assert_int_equal(scaled_from(8192, 0).exponent, 0);
    assert_false(scaled_expand(1, 32, &decimal));
    assert_false(scaled_expand(1, 64, &decimal));
    assert_false(scaled_expand(1, 23, &decimal));
    assert_false(scaled_expand(1, INT64_MIN, &decimal));
    assert_true(scaled_expand(465661, 63, &decimal));
    assert_false(scaled_expand(465662, 63, &decimal));
    assert_false(scaled_expand(-465662, 63, &decimal));
    assert_false(scaled_expand(INT64_MIN, 33, &decimal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_small_integers_and_cents),
        cmocka_unit_test(test_random_bits),
        cmocka_unit_test(test_random_values),
        cmocka_unit_test(test_random_decimals),
        cmocka_unit_test(test_shortest),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_binary_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
