#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/crc32c.h"
#include "tests/support/random.h"

/* RFC 3720, appendix B.4. */
static void test_known_answers(void **state)
{
    (void)state;
    uint8_t bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x113fdb5c);
}

static void test_nothing_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, NULL, 0), 0);
    assert_int_equal(crc32c(0x12345678, "", 0), 0x12345678);
}

/* As the polynomial division says, a bit at a time. */
static uint32_t bit_by_bit(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

static void test_random_bytes(void **state)
{
    (void)state;
    struct random random = random_start("crc32c");
    uint8_t bytes[300];
    for (unsigned i = 0; i < 2000; i++) {
        size_t size = (size_t)random_below(&random, sizeof(bytes));
        size_t cut = (size_t)random_below(&random, size + 1);
        for (size_t j = 0; j < size; j++)
            bytes[j] = (uint8_t)random_next(&random);
        uint32_t want = bit_by_bit(bytes, size);
        assert_int_equal(crc32c(0, bytes, size), want);
        assert_int_equal(crc32c(crc32c(0, bytes, cut), bytes + cut, size - cut), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_nothing_changes_nothing),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
