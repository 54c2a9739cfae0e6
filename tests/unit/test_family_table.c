#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/family_table.h"

static void test_first_definition_holds(void **state)
{
    (void)state;
    struct family_table table = {0};
    const struct family *family = family_table_get(&table, "a", FAMILY_COUNTER, "A.", 1);
    assert_ptr_equal(family_table_get(&table, "a", FAMILY_GAUGE, "B.", 1), family);
    assert_string_equal(family->name, "a");
    assert_string_equal(family->help, "A.");
    assert_string_equal(family->unit, "");
    assert_int_equal(family->type, FAMILY_COUNTER);
    assert_int_equal(table.n, 1);
    family_table_deinit(&table);
    family_table_deinit(&table);
}

static void test_sweep(void **state)
{
    (void)state;
    struct family_table table = {0};
    const struct family *used = family_table_get(&table, "used", FAMILY_GAUGE, "", 1);
    family_table_hold(&table, used);
    family_table_hold(&table, used);
    (void)family_table_get(&table, "idle", FAMILY_GAUGE, "", 1);
    (void)family_table_get(&table, "asked", FAMILY_GAUGE, "", 2);
    family_table_sweep(&table, 2);
    assert_int_equal(table.n, 2);
    family_table_sweep(&table, 3);
    assert_int_equal(table.n, 1);
    family_table_release(&table, used);
    family_table_sweep(&table, 3);
    assert_int_equal(table.n, 1);
    family_table_release(&table, used);
    family_table_sweep(&table, 3);
    assert_int_equal(table.n, 0);
    family_table_deinit(&table);
}

static void test_leaves_strangers_alone(void **state)
{
    (void)state;
    static const struct family stranger = FAMILY(GAUGE, "a", "");
    struct family_table table = {0};
    family_table_release(&table, &stranger);
    (void)family_table_get(&table, "a", FAMILY_GAUGE, "", 1);
    family_table_hold(&table, &stranger);
    family_table_sweep(&table, 2);
    assert_int_equal(table.n, 0);
    family_table_deinit(&table);
}

static void test_many(void **state)
{
    (void)state;
    struct family_table table = {0};
    const struct family *families[1000];
    char name[16];
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "f%u", i);
        families[i] = family_table_get(&table, name, FAMILY_GAUGE, "", i);
    }
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "f%u", i);
        assert_ptr_equal(family_table_get(&table, name, FAMILY_GAUGE, "", i), families[i]);
    }
    family_table_sweep(&table, 990);
    assert_int_equal(table.n, 10);
    assert_ptr_equal(family_table_get(&table, "f999", FAMILY_GAUGE, "", 0), families[999]);
    family_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_definition_holds),
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_leaves_strangers_alone),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
