#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/utc_kept.h"
#include "common/log.h"
#include "tests/unit/tree.h"

#define BOOT_ID "8f40038b-0a5a-4890-92ae-3f225166c657"
#define OTHER_ID "00000000-0a5a-4890-92ae-3f225166c657"
#define SIXTY "012345678901234567890123456789012345678901234567890123456789"
#define UTC INT64_C(1700000000000)

struct scene {
    struct tree tree;
    char proc[128];
    char state[128];
    struct utc_kept kept;
};

static void boot(struct scene *scene, const char *id, const char *offset)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "%s\n", id);
    tree_write(&scene->tree, "proc/sys/kernel/random/boot_id", text);
    (void)snprintf(text, sizeof(text), "monotonic  7  0\nboottime  %s\n", offset);
    tree_write(&scene->tree, "proc/self/timens_offsets", text);
    utc_kept_deinit(&scene->kept);
    assert_int_equal(utc_kept_init(&scene->kept, scene->state, scene->proc), 0);
}

static int set_up(void **state)
{
    static struct scene scene;
    log_set_level(LOG_LEVEL_ERROR);
    memset(&scene, 0, sizeof(scene));
    tree_init(&scene.tree);
    (void)snprintf(scene.proc, sizeof(scene.proc), "%s/proc", scene.tree.root);
    (void)snprintf(scene.state, sizeof(scene.state), "%s/state", scene.tree.root);
    boot(&scene, BOOT_ID, "0 0");
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    utc_kept_deinit(&scene->kept);
    tree_deinit(&scene->tree);
    return 0;
}

static void write_now(struct scene *scene, int64_t boot_ms)
{
    struct utc_map map = {0};
    const struct utc_point point = {
        .boot_ms = boot_ms, .offset_ms = UTC, .source = CLOCK_SOURCE_PROBE, .uncertainty_ms = 3};
    assert_true(utc_map_learn(&map, &point));
    utc_kept_write(&scene->kept, &map, boot_ms);
}

static struct utc_map read_at(struct scene *scene, int64_t boot_ms)
{
    struct utc_map map = {0};
    utc_kept_read(&scene->kept, &map, boot_ms);
    return map;
}

static bool is_empty(const struct utc_map *map)
{
    return map->n_points == 0 && !map->has_floor;
}

static void test_boot_key(void **state)
{
    struct scene *scene = *state;
    char key[BOOT_KEY_BYTES_MAX + 1];
    boot_key(scene->proc, key);
    assert_string_equal(key, BOOT_ID "+0.0");
    boot(scene, BOOT_ID, "-5 30");
    assert_string_equal(scene->kept.boot, BOOT_ID "-5.30");
    tree_remove(&scene->tree, "proc/self/timens_offsets"); /* a kernel without time namespaces */
    boot_key(scene->proc, key);
    assert_string_equal(key, BOOT_ID "+0.0");
    tree_write(&scene->tree, "proc/sys/kernel/random/boot_id", "not an id\n");
    boot_key(scene->proc, key);
    assert_string_equal(key, "");
    boot_key("/nonexistent", key);
    assert_string_equal(key, "");
}

static void test_same_boot(void **state)
{
    struct scene *scene = *state;
    write_now(scene, 5000);
    boot(scene, BOOT_ID, "0 0");
    struct utc_map map = read_at(scene, 9000);
    assert_int_equal(map.n_points, 1);
    assert_false(map.has_floor);
    assert_int_equal(map.points[0].boot_ms, 5000);
    assert_int_equal(map.points[0].offset_ms, UTC);
    assert_int_equal(map.points[0].source, CLOCK_SOURCE_PROBE);
    assert_true(map.points[0].uncertainty_ms >= 3);
    assert_int_equal(scene->kept.written_ms, 5000);
}

static void test_later_boots(void **state)
{
    struct scene *scene = *state;
    write_now(scene, 5000);
    const char *const boots[][2] = {{OTHER_ID, "0 0"}, {BOOT_ID, "10 0"}};
    for (size_t i = 0; i < 2; i++) {
        boot(scene, boots[i][0], boots[i][1]);
        struct utc_map map = read_at(scene, 9000);
        assert_int_equal(map.n_points, 0);
        assert_true(map.has_floor);
        assert_int_equal(map.floor_utc_ms, UTC + 5000);
    }
    boot(scene, BOOT_ID, "0 0");
    assert_true(read_at(scene, 4999).has_floor); /* a point in the future is of no use */
}

/* A boot that has no key knows no other as its own, itself neither. */
static void test_boot_without_a_key(void **state)
{
    struct scene *scene = *state;
    boot(scene, "", "0 0");
    write_now(scene, 5000);
    struct utc_map map = read_at(scene, 9000);
    assert_int_equal(map.n_points, 0);
    assert_int_equal(map.floor_utc_ms, UTC + 5000);
}

static void test_bad_files(void **state)
{
    struct scene *scene = *state;
    static const char *const lines[] = {
        "",
        "\n",
        "x\n",
        BOOT_ID "+0.0 1 2 3\n",
        BOOT_ID "+0.0 1 2 3 4\n", /* no such source */
        BOOT_ID "+0.0 1 2 3 1 5\n",
        BOOT_ID "+0.0 -1 2 3 1\n",
        BOOT_ID "+0.0 1 -2 3 1\n",
        BOOT_ID "+0.0 1 9223372036854775807 3 1\n",
        SIXTY SIXTY SIXTY SIXTY " 1 2 3 1\n", /* longer than any of ours: cut */
    };
    struct utc_map map = read_at(scene, 9000); /* there is no file */
    assert_true(is_empty(&map));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        tree_write(&scene->tree, "state/" UTC_KEPT_FILE, lines[i]);
        map = read_at(scene, 9000);
        assert_true(is_empty(&map));
    }
    tree_write(&scene->tree, "state/" UTC_KEPT_FILE, BOOT_ID "+0.0 1 2 3 1\n");
    map = read_at(scene, 9000);
    assert_int_equal(map.n_points, 1);
}

static void test_no_directory(void **state)
{
    struct scene *scene = *state;
    utc_kept_deinit(&scene->kept);
    assert_int_equal(utc_kept_init(&scene->kept, NULL, scene->proc), 0);
    write_now(scene, 5000);
    struct utc_map map = read_at(scene, 9000);
    assert_true(is_empty(&map));
    assert_false(scene->kept.has_failed);

    tree_write(&scene->tree, "state", "a file where the directory should be");
    utc_kept_deinit(&scene->kept);
    assert_int_equal(utc_kept_init(&scene->kept, scene->state, scene->proc), 0);
    write_now(scene, 5000);
    assert_true(scene->kept.has_failed);
    map = read_at(scene, 9000);
    assert_true(is_empty(&map));
    tree_remove(&scene->tree, "state");
    write_now(scene, 6000);
    assert_false(scene->kept.has_failed);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_boot_key),           TEST(test_same_boot), TEST(test_later_boots),
        TEST(test_boot_without_a_key), TEST(test_bad_files), TEST(test_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
