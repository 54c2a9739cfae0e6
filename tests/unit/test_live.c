/* The live view: what pages show of a fleet, and when nodes are up. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/live.h"
#include "tests/unit/frame_help.h"

#define NOW_MS INT64_C(1700000000000)
#define OFFSET_MS (NOW_MS - 100000) /* boot time 100000 is now */
#define BOOT_NOW_MS 100000

struct fake_clock {
    struct clock clock;
    int64_t utc_ms;
};

static int64_t fake_utc_us(struct clock *clock)
{
    return ((struct fake_clock *)clock)->utc_ms * 1000;
}

struct scene {
    struct fake_clock clock;
    struct live *live;
    struct frame_help help;
    struct buffer page;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    scene->clock.clock.utc_us = fake_utc_us;
    scene->clock.utc_ms = NOW_MS;
    scene->live = live_new(&scene->clock.clock, 4);
    live_set_broker(scene->live, true);
    *state = scene;
    return scene->live == NULL;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    live_free(scene->live);
    buffer_deinit(&scene->page);
    free(scene);
    return 0;
}

static const struct live_envelope envelope = {
    .utc_offset_ms = OFFSET_MS,
    .source = CLOCK_SOURCE_SYSTEM,
    .backlog_frames = 1,
    .backlog_bytes = 300,
    .backlog_oldest_age_ms = 40,
    .received_utc_ms = NOW_MS + 50,
};

static void apply(struct scene *scene, const char *node)
{
    assert_int_equal(live_apply(scene->live, node, &scene->help.frame, &envelope), 0);
}

/* A node with node_load1 = value, read now. */
static void add_load(struct scene *scene, const char *node, enum family_type type, int64_t value)
{
    assert_int_equal(live_add_node(scene->live, node), 0);
    live_rebuilt(scene->live, node);
    help_begin(&scene->help, 7, BOOT_NOW_MS);
    help_define(&scene->help, "loadavg", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, type, "node_load1"), NULL, NULL, value);
    apply(scene, node);
}

static const char *target_page(struct scene *scene, const char *node, enum exposition_format format)
{
    buffer_clear(&scene->page);
    assert_int_equal(live_write_target(scene->live, node, "node", node, format, &scene->page), 0);
    return buffer_string(&scene->page);
}

static const char *fleet_page(struct scene *scene, enum exposition_format format)
{
    buffer_clear(&scene->page);
    assert_int_equal(live_write_fleet(scene->live, format, NULL, &scene->page), 0);
    return buffer_string(&scene->page);
}

static void assert_down(struct scene *scene, const char *node, int want)
{
    buffer_clear(&scene->page);
    assert_int_equal(
        live_write_target(scene->live, node, "node", node, EXPOSITION_TEXT, &scene->page), want);
    assert_int_equal(scene->page.size, 0);
}

static struct live_node node_of(struct scene *scene, const char *name)
{
    struct live_node *nodes = NULL, found = {0};
    size_t n = 0;
    assert_int_equal(live_nodes(scene->live, &nodes, &n), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || strcmp(nodes[i - 1].node, nodes[i].node) < 0);
        if (strcmp(nodes[i].node, name) == 0)
            found = nodes[i];
    }
    free(nodes);
    assert_string_equal(found.node, name);
    return found;
}

static void test_a_targets_page(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 42);
    assert_string_equal(
        target_page(scene, "pi1", EXPOSITION_TEXT),
        "# HELP node_load1 Help.\n# TYPE node_load1 gauge\nnode_load1 42 1700000000000\n"
        "# HELP shoal_reading_time_seconds When the newest reading of the target was taken.\n"
        "# TYPE shoal_reading_time_seconds gauge\n"
        "shoal_reading_time_seconds 1700000000 1700000000000\n");
    assert_non_null(
        strstr(target_page(scene, "pi1", EXPOSITION_OPENMETRICS), "\nnode_load1 42 1700000000\n"));
}

static void test_the_fleets_page(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi2", FAMILY_GAUGE, 2);
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    assert_string_equal(
        fleet_page(scene, EXPOSITION_TEXT),
        "# HELP node_load1 Help.\n# TYPE node_load1 gauge\n"
        "node_load1{instance=\"pi1\",job=\"node\"} 1 1700000000000\n"
        "node_load1{instance=\"pi2\",job=\"node\"} 2 1700000000000\n"
        "# HELP shoal_reading_time_seconds When the newest reading of the target was taken.\n"
        "# TYPE shoal_reading_time_seconds gauge\n"
        "shoal_reading_time_seconds{instance=\"pi1\",job=\"node\"} 1700000000 1700000000000\n"
        "shoal_reading_time_seconds{instance=\"pi2\",job=\"node\"} 1700000000 1700000000000\n");
}

static void test_the_first_type_of_a_family_holds(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi2", FAMILY_GAUGE, 2);
    add_load(scene, "pi1", FAMILY_UNKNOWN, 1); /* by name the first, but heard later */
    const char *page = fleet_page(scene, EXPOSITION_TEXT);
    const char *type = strstr(page, "# TYPE node_load1 ");
    assert_non_null(type);
    assert_int_equal(strncmp(type, "# TYPE node_load1 gauge\n", 24), 0);
    assert_null(strstr(type + 1, "# TYPE node_load1 "));
    assert_non_null(strstr(page, "node_load1{instance=\"pi1\",job=\"node\"} 1 "));
    assert_non_null(strstr(page, "node_load1{instance=\"pi2\",job=\"node\"} 2 "));
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1 untyped\n"));
}

static void test_names_that_clash_in_openmetrics(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    help_next(&scene->help, BOOT_NOW_MS);
    scene->help.reading.input = 1;
    help_define(&scene->help, "other", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_COUNTER, "node_load1_total"), NULL,
                NULL, 5);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "node_load1_created"), NULL,
                NULL, 6);
    apply(scene, "pi1");
    const char *page = target_page(scene, "pi1", EXPOSITION_OPENMETRICS);
    assert_non_null(strstr(page, "# TYPE node_load1 gauge\nnode_load1 1 "));
    assert_non_null(strstr(page, "# TYPE node_load1_total unknown\nnode_load1_total 5 "));
    assert_null(strstr(page, "_created"));
    assert_non_null(strstr(page, "shoal_reading_time_seconds 1700000000 1700000000\n"));
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1_created 6 "));
}

static void test_the_collectors_own_are_grouped_with_the_nodes(void **state)
{
    struct scene *scene = *state;
    static const struct family process = FAMILY(GAUGE, "process_threads", "Threads.");
    struct reading *own = reading_new();
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    help_next(&scene->help, BOOT_NOW_MS);
    scene->help.reading.input = 1;
    help_define(&scene->help, "self", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "process_threads"), NULL,
                NULL, 3);
    apply(scene, "pi1");
    reading_begin(own);
    reading_add(own, &process, 8, NO_LABELS);
    assert_int_equal(reading_end(own), 0);
    assert_int_equal(live_write_fleet(scene->live, EXPOSITION_TEXT, own, &scene->page), 0);
    assert_non_null(strstr(buffer_string(&scene->page),
                           "# TYPE process_threads gauge\n"
                           "process_threads{instance=\"pi1\",job=\"node\"} 3 1700000000000\n"
                           "process_threads 8\n"));
    reading_free(own);
    struct live_totals totals;
    live_totals(scene->live, &totals);
    assert_int_equal(totals.identities, 3); /* nothing of the page is left */
}

static size_t lines_of(const char *page, const char *series)
{
    size_t n = 0;
    for (; (page = strstr(page, series)) != NULL; page += strlen(series))
        n += page[-1] == '\n';
    return n;
}

/* Another input of the node, read at that boot time, with node_load1 = value. */
static void add_again(struct scene *scene, const char *job, int64_t time_ms, const char *help,
                      int64_t value)
{
    uint32_t input = scene->help.reading.input + 1;
    help_next(&scene->help, time_ms);
    scene->help.reading.input = input;
    help_define(&scene->help, "again", job, "", 15000);
    uint32_t family = help_family(&scene->help, FAMILY_GAUGE, "node_load1");
    scene->help.families[0].help = help;
    help_series(&scene->help, family, NULL, NULL, value);
    apply(scene, "pi1");
}

static void test_a_series_that_two_inputs_have(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    add_load(scene, "pi2", FAMILY_GAUGE, 3);
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    add_again(scene, "node", BOOT_NOW_MS, "Help.", 2);
    assert_int_equal(lines_of(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1 "), 1);
    assert_non_null(strstr(buffer_string(&scene->page), "\nnode_load1 1 "));
    assert_int_equal(lines_of(fleet_page(scene, EXPOSITION_TEXT), "node_load1{"), 2);
    assert_int_equal(node_of(scene, "pi1").duplicate_series, 1);
    assert_int_equal(node_of(scene, "pi2").duplicate_series, 0);

    add_again(scene, "app", BOOT_NOW_MS, "Help.", 2); /* another target's now */
    assert_int_equal(lines_of(fleet_page(scene, EXPOSITION_TEXT), "node_load1{"), 3);
    assert_int_equal(node_of(scene, "pi1").duplicate_series, 0);
    add_again(scene, "node", BOOT_NOW_MS, "Other help.", 2); /* another family of the name */
    assert_int_equal(lines_of(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1 "), 1);
    assert_int_equal(node_of(scene, "pi1").duplicate_series, 1);
}

/* The first input was not read for long: the second has its way, until the first is back. */
static void test_a_series_of_an_input_that_is_not_shown(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    scene->clock.utc_ms += LIVE_SHOW_MS;
    add_again(scene, "node", BOOT_NOW_MS + LIVE_SHOW_MS, "Help.", 2);
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "\nnode_load1 2 "));
    help_next(&scene->help, BOOT_NOW_MS + LIVE_SHOW_MS);
    scene->help.reading.input = 0;
    apply(scene, "pi1");
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "\nnode_load1 1 "));
    assert_int_equal(lines_of(buffer_string(&scene->page), "node_load1 "), 1);
}

/* What each page has of its own is the collector's to say. */
static void test_a_series_that_the_page_has(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(live_add_named(scene->live, "pi1"), 0);
    help_begin(&scene->help, 7, BOOT_NOW_MS);
    help_define(&scene->help, "textfile", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "shoal_reading_time_seconds"),
                NULL, NULL, 5);
    apply(scene, "pi1");
    const char *page = target_page(scene, "pi1", EXPOSITION_TEXT);
    assert_int_equal(lines_of(page, "shoal_reading_time_seconds "), 1);
    assert_null(strstr(page, "shoal_reading_time_seconds 5 "));
}

static void test_targets_apart(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    help_next(&scene->help, BOOT_NOW_MS - 3000);
    scene->help.reading.input = 1;
    help_define(&scene->help, "app", "my app", "pi1:80", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "app_jobs"), "job", "a", 9);
    apply(scene, "pi1");
    assert_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "app_jobs"));
    buffer_clear(&scene->page);
    assert_int_equal(
        live_write_target(scene->live, "pi1", "my app", "pi1:80", EXPOSITION_TEXT, &scene->page),
        0);
    assert_non_null(
        strstr(buffer_string(&scene->page), "app_jobs{exported_job=\"a\"} 9 1699999997000\n"));
    assert_null(strstr(buffer_string(&scene->page), "node_load1"));
    assert_int_equal(
        live_write_target(scene->live, "pi1", "my app", "pi1:81", EXPOSITION_TEXT, &scene->page),
        LIVE_UNKNOWN);
}

static void test_when_a_node_is_up(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    assert_true(node_of(scene, "pi1").is_up);
    scene->clock.utc_ms = NOW_MS + 44999; /* three intervals of 15 s */
    assert_true(node_of(scene, "pi1").is_up);
    (void)target_page(scene, "pi1", EXPOSITION_TEXT);
    scene->clock.utc_ms = NOW_MS + 45000;
    assert_false(node_of(scene, "pi1").is_up);
    assert_down(scene, "pi1", LIVE_DOWN);
    assert_string_equal(fleet_page(scene, EXPOSITION_TEXT), "");
    scene->clock.utc_ms = NOW_MS;
    live_set_broker(scene->live, false);
    assert_down(scene, "pi1", LIVE_DOWN);
    assert_down(scene, "pi9", LIVE_UNKNOWN);
}

static void test_down_takes_thirty_seconds_at_least(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(live_add_named(scene->live, "pi1"), 0);
    help_begin(&scene->help, 7, BOOT_NOW_MS);
    help_define(&scene->help, "fast", "node", "", 1000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "fast"), NULL, NULL, 1);
    apply(scene, "pi1");
    scene->clock.utc_ms = NOW_MS + LIVE_DOWN_MS_MIN - 1;
    assert_true(node_of(scene, "pi1").is_up);
    scene->clock.utc_ms = NOW_MS + LIVE_DOWN_MS_MIN;
    assert_false(node_of(scene, "pi1").is_up);
}

static void test_old_readings_are_not_shown(void **state)
{
    struct scene *scene = *state;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    scene->clock.utc_ms = NOW_MS + LIVE_SHOW_MS;
    help_next(&scene->help, BOOT_NOW_MS + LIVE_SHOW_MS - 1000);
    scene->help.reading.input = 1;
    help_define(&scene->help, "other", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "other"), NULL, NULL, 5);
    apply(scene, "pi1");
    assert_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1"));
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "other 5 "));
    scene->clock.utc_ms = NOW_MS + LIVE_SHOW_MS - 1;
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1 1 "));
}

static void test_a_named_node_is_a_target(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(live_add_named(scene->live, "pi1"), 0);
    assert_down(scene, "pi1", LIVE_DOWN);
    struct live_totals totals;
    live_totals(scene->live, &totals);
    assert_true(totals.is_rebuilt);
    assert_int_equal(totals.nodes, 1);
}

static void test_nodes_that_are_no_longer_named(void **state)
{
    struct scene *scene = *state;
    const struct status online = {.is_online = true, .version = "1"};
    static const char *const names[] = {"again", "never", "online", "heard"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(live_add_named(scene->live, names[i]), 0);
    live_status(scene->live, "online", &online);
    assert_int_equal(live_add_node(scene->live, "heard"), 0);
    live_begin_naming(scene->live);
    assert_int_equal(live_add_named(scene->live, "again"), 0);
    live_end_naming(scene->live);
    struct live_totals totals;
    live_totals(scene->live, &totals);
    assert_int_equal(totals.nodes, 3);
    (void)node_of(scene, "again");
    (void)node_of(scene, "heard");
    (void)node_of(scene, "online");
}

static void test_rebuilding(void **state)
{
    struct scene *scene = *state;
    struct live_totals totals;
    assert_int_equal(live_add_node(scene->live, "pi1"), 0);
    assert_int_equal(live_add_named(scene->live, "pi1"), 0); /* does not say that it is rebuilt */
    live_totals(scene->live, &totals);
    assert_false(totals.is_rebuilt);
    live_rebuilt(scene->live, "pi1");
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    live_forget_values(scene->live, "pi1");
    assert_down(scene, "pi1", LIVE_DOWN);
    live_totals(scene->live, &totals);
    assert_true(totals.is_rebuilt); /* what is known of targets stays */
    assert_int_equal(totals.series, 0);
    add_load(scene, "pi1", FAMILY_GAUGE, 2);
    assert_non_null(strstr(target_page(scene, "pi1", EXPOSITION_TEXT), "node_load1 2 "));
}

static void test_the_number_of_nodes_is_bounded(void **state)
{
    struct scene *scene = *state;
    static const char *const names[] = {"d", "b", "c", "a"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(live_add_node(scene->live, names[i]), 0);
    assert_int_equal(live_add_node(scene->live, "b"), 0);
    assert_int_equal(live_add_node(scene->live, "e"), -E2BIG);
    help_begin(&scene->help, 7, BOOT_NOW_MS);
    assert_int_equal(live_apply(scene->live, "e", &scene->help.frame, &envelope), -ENOENT);
    (void)node_of(scene, "c"); /* sorted */
}

static void test_a_nodes_state(void **state)
{
    struct scene *scene = *state;
    const struct status online = {.is_online = true, .version = "1.2.3"};
    struct drop_total drops[DROP_REASONS] = {[DROP_SPOOL_FULL] = {3, 900}};
    struct live_envelope said = envelope;
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    struct live_node node = node_of(scene, "pi1");
    assert_int_equal(node.lag_ms, 50);
    assert_int_equal(node.clock_offset_ms, -10);
    assert_int_equal(node.backlog_frames, 1);
    assert_int_equal(node.last_reading_utc_ms, NOW_MS);
    assert_int_equal(node.series, 1);
    assert_false(node.is_online);

    said.received_utc_ms = NOW_MS - 50;
    said.backlog_oldest_age_ms = INT64_MAX; /* a lie */
    assert_int_equal(live_apply(scene->live, "pi1", &scene->help.frame, &said), 0);
    assert_true(node_of(scene, "pi1").clock_offset_ms > 0);
    said = envelope;

    live_status(scene->live, "pi1", &online);
    live_count(scene->live, "pi1", LIVE_FRAMES, 5);
    live_reject(scene->live, "pi1", REJECT_BAD_NAME);
    said.drops = drops;
    help_next(&scene->help, BOOT_NOW_MS);
    assert_int_equal(live_apply(scene->live, "pi1", &scene->help.frame, &said), 0);
    node = node_of(scene, "pi1");
    assert_true(node.is_online);
    assert_string_equal(node.version, "1.2.3");
    assert_int_equal(node.counts[LIVE_FRAMES], 5);
    assert_int_equal(node.rejected[REJECT_BAD_NAME], 1);
    assert_int_equal(node.drops[DROP_SPOOL_FULL].samples, 900);

    live_status(scene->live, "pi2", &online); /* makes it known */
    assert_true(node_of(scene, "pi2").is_online);
    const struct status offline = {.version = ""};
    live_status(scene->live, "pi3", &offline); /* does not */
    struct live_totals totals;
    live_totals(scene->live, &totals);
    assert_int_equal(totals.nodes, 2);
}

static void count_target(void *context, const struct live_target *target)
{
    struct buffer *seen = context;
    buffer_print(seen, "%s/%s/%s ", target->node, target->job, target->instance);
}

static void test_targets_of_the_fleet(void **state)
{
    struct scene *scene = *state;
    BUFFER_AUTO struct buffer seen = {0};
    add_load(scene, "pi1", FAMILY_GAUGE, 1);
    help_next(&scene->help, BOOT_NOW_MS);
    scene->help.reading.input = 1;
    help_define(&scene->help, "app", "app", "pi1:80", 15000);
    apply(scene, "pi1");
    assert_int_equal(live_add_named(scene->live, "pi0"), 0);
    live_targets(scene->live, count_target, &seen);
    assert_string_equal(buffer_string(&seen), "pi0/node/pi0 pi1/node/pi1 pi1/app/pi1:80 ");
}

/* Pages while frames come and groups begin: each page shows a reading whole, that is two values
 * that are the same. For the thread sanitizer as well. */
struct race {
    struct scene *scene;
    atomic_bool ends;
    int torn; /* the reader's */
};

static void *write_pages(void *context)
{
    struct race *race = context;
    while (!atomic_load(&race->ends)) {
        BUFFER_AUTO struct buffer page = {0};
        int r = live_write_target(race->scene->live, "pi1", "node", "pi1", EXPOSITION_TEXT, &page);
        const char *a = r != 0 ? NULL : strstr(buffer_string(&page), "pair{half=\"a\"} ");
        const char *b = r != 0 ? NULL : strstr(buffer_string(&page), "pair{half=\"b\"} ");
        race->torn += r != 0 || a == NULL || b == NULL ||
                      strtol(a + 15, NULL, 10) != strtol(b + 15, NULL, 10);
    }
    return NULL;
}

static void apply_pair(struct scene *scene, uint64_t sequence, int64_t value)
{
    help_begin(&scene->help, 7, BOOT_NOW_MS);
    scene->help.frame.header.sequence = scene->help.frame.header.key = sequence;
    help_define(&scene->help, "pair", "node", "", 15000);
    uint32_t family = help_family(&scene->help, FAMILY_GAUGE, "pair");
    help_series(&scene->help, family, "half", "a", value);
    help_series(&scene->help, family, "half", "b", value);
    apply(scene, "pi1");
}

static void test_pages_beside_frames(void **state)
{
    struct race race = {.scene = *state};
    pthread_t reader;
    assert_int_equal(live_add_named(race.scene->live, "pi1"), 0);
    apply_pair(race.scene, 1, 0);
    assert_int_equal(pthread_create(&reader, NULL, write_pages, &race), 0);
    for (int i = 1; i < 3000; i++)
        apply_pair(race.scene, (uint64_t)i, i);
    atomic_store(&race.ends, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(race.torn, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_targets_page),
        TEST(test_the_fleets_page),
        TEST(test_the_first_type_of_a_family_holds),
        TEST(test_names_that_clash_in_openmetrics),
        TEST(test_the_collectors_own_are_grouped_with_the_nodes),
        TEST(test_a_series_that_two_inputs_have),
        TEST(test_a_series_of_an_input_that_is_not_shown),
        TEST(test_a_series_that_the_page_has),
        TEST(test_targets_apart),
        TEST(test_when_a_node_is_up),
        TEST(test_down_takes_thirty_seconds_at_least),
        TEST(test_old_readings_are_not_shown),
        TEST(test_a_named_node_is_a_target),
        TEST(test_nodes_that_are_no_longer_named),
        TEST(test_rebuilding),
        TEST(test_the_number_of_nodes_is_bounded),
        TEST(test_a_nodes_state),
        TEST(test_targets_of_the_fleet),
        TEST(test_pages_beside_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
