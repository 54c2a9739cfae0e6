#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/utc_map.h"

#define HOUR_MS INT64_C(3600000)
#define UTC INT64_C(1700000000000) /* an offset; a multiple of UTC_STEP_MS */

static bool learn(struct utc_map *map, enum clock_source source, int64_t boot_ms, int64_t offset_ms,
                  uint32_t uncertainty_ms)
{
    const struct utc_point point = {.boot_ms = boot_ms,
                                    .offset_ms = UTC + offset_ms,
                                    .uncertainty_ms = uncertainty_ms,
                                    .source = source};
    return utc_map_learn(map, &point);
}

static bool probe(struct utc_map *map, int64_t boot_ms, int64_t offset_ms)
{
    return learn(map, CLOCK_SOURCE_PROBE, boot_ms, offset_ms, 1);
}

static bool look(struct utc_map *map, int64_t boot_ms, int64_t offset_ms)
{
    return learn(map, CLOCK_SOURCE_SYSTEM, boot_ms, offset_ms, 1);
}

static int64_t at(const struct utc_map *map, int64_t boot_ms)
{
    return utc_map_at(map, boot_ms).offset_ms - UTC;
}

static void test_level_outside(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_false(utc_map_is_known(&map));
    assert_true(probe(&map, 10000, 100));
    assert_true(utc_map_is_known(&map));
    assert_int_equal(at(&map, 0), 100);
    assert_int_equal(at(&map, 10000), 100);
    assert_int_equal(at(&map, HOUR_MS), 100);
    struct utc_time time = utc_map_at(&map, 10000 + HOUR_MS);
    assert_int_equal(time.source, CLOCK_SOURCE_PROBE);
    assert_false(time.is_estimate);
    assert_int_equal(time.uncertainty_ms, 1 + UTC_OFF_MS_MAX + UTC_STEP_MS + 180);
    assert_int_equal(utc_map_at(&map, 0).uncertainty_ms, 1 + UTC_OFF_MS_MAX + UTC_STEP_MS + 1);
}

static void test_offset_is_held(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_true(probe(&map, 0, 0));
    assert_true(probe(&map, 1000000, 100)); /* 1 ms in 10 s */
    int64_t last = at(&map, 0);
    int changes = 0;
    for (int64_t boot_ms = 0; boot_ms <= 1000000; boot_ms += 1000) {
        int64_t offset = at(&map, boot_ms);
        double off = (double)offset - (double)boot_ms / 10000;
        assert_true(off >= -UTC_STEP_MS && off <= UTC_STEP_MS);
        changes += offset != last;
        last = offset;
    }
    assert_int_equal(changes, 100 / UTC_STEP_MS);
}

static void test_a_point_where_it_is_off(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_true(probe(&map, 0, 0));
    assert_false(probe(&map, 100000, UTC_OFF_MS_MAX));
    assert_int_equal(map.n_points, 1);
    assert_int_equal(at(&map, 100000), 0);
    assert_true(probe(&map, 200000, UTC_OFF_MS_MAX * 2));
    assert_int_equal(map.n_points, 3); /* the one that was confirmed, too */
    assert_int_equal(at(&map, 0), 0);
    assert_int_equal(at(&map, 100000), UTC_OFF_MS_MAX);
    assert_int_equal(at(&map, 150000), 30);
    assert_int_equal(at(&map, 200000), 40);
    assert_false(probe(&map, 150000, 5000)); /* older than what is known */
    assert_int_equal(at(&map, 150000), 30);
}

/* Right for hours, then off after an outage: what was right stays. */
static void test_confirmed_stays(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_true(probe(&map, 0, 0));
    for (int64_t hour = 1; hour <= 10; hour++)
        assert_false(probe(&map, hour * HOUR_MS, 1));
    assert_true(probe(&map, 40 * HOUR_MS, 3001));
    assert_int_equal(at(&map, 9 * HOUR_MS), 0);
    assert_int_equal(at(&map, 25 * HOUR_MS), 1500);
    assert_int_equal(at(&map, 40 * HOUR_MS), 3000);
}

static void test_probe_throws_out_a_wrong_system_clock(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_true(look(&map, 0, -HOUR_MS));
    assert_false(look(&map, 1000, -HOUR_MS));
    assert_true(look(&map, 5000, -300)); /* set, but not quite right */
    assert_true(probe(&map, 9000, 0));
    assert_int_equal(at(&map, 0), -300);
    assert_int_equal(at(&map, 5000), -300);
    assert_int_equal(at(&map, 9000), 0);
    assert_int_equal(utc_map_at(&map, 0).source, CLOCK_SOURCE_SYSTEM);

    struct utc_map other = {0};
    assert_true(look(&other, 0, 30 * 365 * 24 * HOUR_MS));
    assert_true(probe(&other, 9000, 0));
    assert_int_equal(other.n_points, 1);
    assert_int_equal(at(&other, 0), 0);
    assert_int_equal(utc_map_at(&other, 0).source, CLOCK_SOURCE_PROBE);
    /* The same from a collector is a step: both were asked, and both stay. */
    assert_true(probe(&other, 20000, 5000));
    assert_int_equal(at(&other, 9000), 0);
}

/* One that was right stays, though the clock went wrong later and a probe tells so. */
static void test_right_system_points_stay(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_true(look(&map, 0, 0));
    assert_true(look(&map, 1000, 40));
    assert_true(look(&map, 2000, -HOUR_MS)); /* wrong from here on */
    assert_false(probe(&map, 3000, 50));
    assert_int_equal(at(&map, 0), 0);
    assert_int_equal(at(&map, 1000), 40);
    assert_int_equal(at(&map, 3000), 50 - 10); /* within what is tolerated */
    assert_int_equal(map.n_points, 2);
}

static void test_poor_measurement_says_nothing(void **state)
{
    (void)state;
    struct utc_map map = {0};
    assert_true(learn(&map, CLOCK_SOURCE_PROBE, 0, 0, 2));
    assert_false(learn(&map, CLOCK_SOURCE_PROBE, 60000, 150, 200));
    assert_int_equal(map.n_points, 1);
    assert_int_equal(map.confirmed.boot_ms, 0);
    assert_true(
        learn(&map, CLOCK_SOURCE_PROBE, 120000, 250, 200)); /* but the map cannot be right */
    assert_int_equal(at(&map, 120000), 250);
}

/* Many points: those that a line nearly goes through go first. */
static void test_points_are_bounded(void **state)
{
    (void)state;
    struct utc_map map = {0};
    const int64_t n = 20 * UTC_POINTS_MAX;
    int64_t bend = n / 2;
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = i < bend ? i * 30 : bend * 30 - (i - bend) * 30;
        assert_true(probe(&map, i * 600000, offset));
        assert_true(map.n_points <= UTC_POINTS_MAX);
    }
    assert_int_equal(map.n_points, UTC_POINTS_MAX);
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = i < bend ? i * 30 : bend * 30 - (i - bend) * 30;
        assert_true(llabs(at(&map, i * 600000) - offset) <= UTC_STEP_MS);
    }
}

static void test_estimate_is_clamped(void **state)
{
    (void)state;
    struct utc_map map = {0};
    struct utc_time time = utc_map_estimate(&map, 5000, INT64_MAX);
    assert_int_equal(time.source, CLOCK_SOURCE_UNKNOWN);
    assert_true(time.is_estimate);
    assert_int_equal(time.uncertainty_ms, UTC_UNCERTAIN);

    utc_map_note_free(&map, 1000);
    utc_map_note_free(&map, 1004); /* held */
    time = utc_map_estimate(&map, 5000, INT64_MAX);
    assert_int_equal(time.offset_ms, 1000);
    assert_int_equal(time.source, CLOCK_SOURCE_FREE);
    utc_map_note_free(&map, 1005);
    assert_int_equal(utc_map_estimate(&map, 5000, INT64_MAX).offset_ms, 1005);

    map.has_floor = true;
    map.floor_utc_ms = UTC;
    assert_int_equal(utc_map_estimate(&map, 5000, INT64_MAX).offset_ms, UTC);
    assert_int_equal(utc_map_estimate(&map, 5000, UTC + 9000).offset_ms, UTC);
    utc_map_note_free(&map, UTC + HOUR_MS);
    assert_int_equal(utc_map_estimate(&map, 5000, INT64_MAX).offset_ms, UTC + HOUR_MS);
    assert_int_equal(utc_map_estimate(&map, 5000, UTC + 9000).offset_ms, UTC + 4000);
}

static void assert_same(const struct utc_map *a, const struct utc_map *b)
{
    assert_int_equal(a->n_points, b->n_points);
    for (size_t i = 0; i < a->n_points; i++) {
        assert_int_equal(a->points[i].boot_ms, b->points[i].boot_ms);
        assert_int_equal(a->points[i].offset_ms, b->points[i].offset_ms);
        assert_int_equal(a->points[i].uncertainty_ms, b->points[i].uncertainty_ms);
        assert_int_equal(a->points[i].source, b->points[i].source);
    }
    assert_int_equal(a->confirmed.boot_ms, b->confirmed.boot_ms);
    assert_int_equal(a->confirmed.offset_ms, b->confirmed.offset_ms);
    assert_int_equal(a->has_free, b->has_free);
    assert_int_equal(a->free_offset_ms, b->free_offset_ms);
    assert_int_equal(a->has_floor, b->has_floor);
    assert_int_equal(a->floor_utc_ms, b->floor_utc_ms);
}

static void fill(struct utc_map *map)
{
    *map = (struct utc_map){.has_floor = true, .floor_utc_ms = UTC - HOUR_MS};
    utc_map_note_free(map, -12345);
    for (int64_t i = 0; i < 2 * UTC_POINTS_MAX; i++)
        assert_true(learn(map, i % 2 == 0 ? CLOCK_SOURCE_SYSTEM : CLOCK_SOURCE_PROBE, i * 1000,
                          i % 7 * 100 + i % 2 * 50, (uint32_t)i % 3));
    assert_false(probe(map, INT64_C(1) << 40, map->confirmed.offset_ms - UTC + 1));
}

static void test_pack_and_unpack(void **state)
{
    (void)state;
    struct utc_map map;
    struct utc_map back;
    fill(&map);
    BUFFER_AUTO struct buffer bytes = {0};
    assert_int_equal(utc_map_pack(&map, &bytes), 0);
    assert_int_equal(utc_map_unpack((const uint8_t *)bytes.data, bytes.size, &back), 0);
    assert_same(&map, &back);

    const struct utc_map empty = {0};
    buffer_clear(&bytes);
    assert_int_equal(utc_map_pack(&empty, &bytes), 0);
    assert_int_equal(bytes.size, 0);
    assert_int_equal(utc_map_unpack(NULL, 0, &back), 0);
    assert_same(&empty, &back);
}

/* Whatever the bytes, the map that comes out of them is one, or none does. */
static void test_unpack_bad_bytes(void **state)
{
    (void)state;
    struct utc_map map;
    fill(&map);
    BUFFER_AUTO struct buffer bytes = {0};
    assert_int_equal(utc_map_pack(&map, &bytes), 0);
    int refused = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct utc_map back = {.n_points = 77};
            bytes.data[i] = (char)(bytes.data[i] ^ 1 << bit);
            if (utc_map_unpack((const uint8_t *)bytes.data, bytes.size, &back) != 0) {
                assert_int_equal(back.n_points, 77);
                refused++;
            } else {
                assert_true(back.n_points <= UTC_POINTS_MAX);
                if (utc_map_is_known(&back))
                    (void)utc_map_at(&back, INT64_C(1) << 41);
            }
            bytes.data[i] = (char)(bytes.data[i] ^ 1 << bit);
        }
    }
    assert_true(refused > 100);
    assert_int_equal(utc_map_unpack((const uint8_t *)bytes.data, bytes.size - 1, &map),
                     UTC_MAP_MALFORMED);
}

static void test_unpack_too_many_points(void **state)
{
    (void)state;
    struct utc_map map = {0};
    struct utc_map later = {0};
    BUFFER_AUTO struct buffer bytes = {0};
    for (int64_t i = 0; i < UTC_POINTS_MAX; i++)
        assert_true(probe(&map, i * 1000, i % 2 * 100));
    assert_true(probe(&later, 1000000, 0));
    assert_int_equal(utc_map_pack(&map, &bytes), 0);
    assert_int_equal(utc_map_pack(&later, &bytes), 0); /* protobuf merges what is appended */
    assert_int_equal(utc_map_unpack((const uint8_t *)bytes.data, bytes.size, &map),
                     UTC_MAP_MALFORMED);
}

static void test_differ(void **state)
{
    (void)state;
    struct utc_point a = {.boot_ms = 0, .offset_ms = UTC};
    struct utc_point b = {.boot_ms = 0, .offset_ms = UTC + UTC_DIFFER_MS};
    assert_false(utc_points_differ(&a, &b));
    b.offset_ms++;
    assert_true(utc_points_differ(&a, &b));
    assert_true(utc_points_differ(&b, &a));
    a.uncertainty_ms = 1;
    assert_false(utc_points_differ(&a, &b));
    a.uncertainty_ms = 0;
    b.boot_ms = 20000; /* a drift of 1 ms */
    assert_false(utc_points_differ(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_outside),
        cmocka_unit_test(test_offset_is_held),
        cmocka_unit_test(test_a_point_where_it_is_off),
        cmocka_unit_test(test_confirmed_stays),
        cmocka_unit_test(test_probe_throws_out_a_wrong_system_clock),
        cmocka_unit_test(test_right_system_points_stay),
        cmocka_unit_test(test_poor_measurement_says_nothing),
        cmocka_unit_test(test_points_are_bounded),
        cmocka_unit_test(test_estimate_is_clamped),
        cmocka_unit_test(test_pack_and_unpack),
        cmocka_unit_test(test_unpack_bad_bytes),
        cmocka_unit_test(test_unpack_too_many_points),
        cmocka_unit_test(test_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
