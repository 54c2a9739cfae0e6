#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/series_table.h"

static const struct family load = FAMILY(GAUGE, "node_load1", "");
static const struct family same_name = FAMILY(GAUGE, "node_load1", "Other help.");
static const struct family other = FAMILY(GAUGE, "node_load5", "");

static struct series_entry *add(struct series_table *table, const struct series_key *key)
{
    return series_table_add(table, key, series_key_hash(key), 1);
}

static struct series_entry *find(const struct series_table *table, const struct series_key *key)
{
    return series_table_find(table, key, series_key_hash(key));
}

static void test_copies_labels(void **state)
{
    (void)state;
    struct series_table table = {0};
    char name[] = "cpu";
    char value[] = "0";
    const struct label labels[] = {{name, value}};
    const struct series_key key = {.family = &load, .labels = labels, .n_labels = 1};
    assert_null(find(&table, &key));
    struct series_entry *entry = add(&table, &key);
    assert_ptr_equal(find(&table, &key), entry);
    name[0] = 'x';
    value[0] = '1';
    assert_string_equal(entry->series.labels[0].name, "cpu");
    assert_string_equal(entry->series.labels[0].value, "0");
    assert_null(find(&table, &key));
    series_table_deinit(&table);
    series_table_deinit(&table);
}

static void test_what_makes_a_series(void **state)
{
    (void)state;
    const struct label ab_c[] = {{"ab", "c"}};
    const struct label a_bc[] = {{"a", "bc"}};
    const struct series_key keys[] = {
        {.family = &load},
        {.family = &other},
        {.family = &load, .suffix = SUFFIX_SUM},
        {.family = &load, .labels = ab_c, .n_labels = 1},
        {.family = &load, .labels = a_bc, .n_labels = 1},
    };
    struct series_table table = {0};
    for (size_t i = 0; i < 5; i++) {
        assert_null(find(&table, &keys[i]));
        assert_non_null(add(&table, &keys[i]));
    }
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(find(&table, &keys[i])->series.slot, i);
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(
                series_key_matches(&keys[i], &series_table_at(&table, (uint32_t)k)->series),
                i == k);
    }
    assert_ptr_equal(find(&table, &(struct series_key){.family = &same_name}),
                     find(&table, &keys[0]));
    series_table_deinit(&table);
}

static void test_slots_are_reused(void **state)
{
    (void)state;
    struct series_table table = {0};
    const struct series_key first = {.family = &load};
    const struct series_key second = {.family = &other};
    struct series_entry *entry = add(&table, &first);
    series_table_hide(&table, entry);
    assert_null(find(&table, &first));
    assert_ptr_equal(series_table_at(&table, 0), entry);
    assert_int_equal(add(&table, &second)->series.slot, 1);
    series_table_remove(&table, entry);
    assert_int_equal(add(&table, &first)->series.slot, 0);
    assert_int_equal(table.n_slots, 2);
    series_table_deinit(&table);
}

static void test_many(void **state)
{
    (void)state;
    struct series_table table = {0};
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < 5000; i++) {
            char value[16];
            (void)snprintf(value, sizeof(value), "%u", i);
            const struct label labels[] = {{"i", value}};
            const struct series_key key = {.family = &load, .labels = labels, .n_labels = 1};
            struct series_entry *entry = pass == 0 ? add(&table, &key) : find(&table, &key);
            assert_non_null(entry);
            assert_int_equal(entry->series.slot, i);
        }
    }
    series_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_labels),
        cmocka_unit_test(test_what_makes_a_series),
        cmocka_unit_test(test_slots_are_reused),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
