/* One node's values, frame by frame: groups, streams, readings over several frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/values.h"
#include "tests/unit/frame_help.h"

#define STREAM 7
#define OTHER_STREAM 8

struct scene {
    struct graveyard graveyard;
    struct identities *identities;
    struct values values;
    struct frame_help help;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    scene->identities = identities_new(&scene->graveyard);
    values_init(&scene->values, scene->identities, &scene->graveyard, "pi1");
    *state = scene;
    return 0;
}

/* All that the values held is given back. */
static int tear_down(void **state)
{
    struct scene *scene = *state;
    values_deinit(&scene->values);
    int left = (int)identities_count(scene->identities) + (int)scene->values.text_bytes;
    identities_free(scene->identities);
    free(scene);
    return left;
}

static void apply(struct scene *scene)
{
    assert_int_equal(values_apply(&scene->values, &scene->help.frame, 1000), 0);
}

/* Input `cpu` of job node: family node_cpu with series a = 1 and b = 2, at boot time 5000. */
static void begin(struct scene *scene, uint64_t stream)
{
    help_begin(&scene->help, stream, 5000);
    help_define(&scene->help, "cpu", "node", "", 15000);
    uint32_t family = help_family(&scene->help, FAMILY_GAUGE, "node_cpu");
    help_series(&scene->help, family, "cpu", "a", 1);
    help_series(&scene->help, family, "cpu", "b", 2);
    apply(scene);
}

static const struct values_input *find(const struct scene *scene, const char *name)
{
    const struct values_input *input = scene->values.inputs;
    while (input != NULL && strcmp(input->name, name) != 0)
        input = input->next;
    return input;
}

/* The mantissa of the series of that text, or -1. */
static int64_t value(const struct scene *scene, const char *text)
{
    for (const struct values_input *input = scene->values.inputs; input; input = input->next) {
        for (uint32_t i = 0; i < input->n_values; i++) {
            if (input->values[i].identity == IDENTITY_NONE)
                continue;
            const struct identity *identity =
                identities_get(scene->identities, input->values[i].identity);
            if (identity->text_bytes == strlen(text) &&
                memcmp(identity->text, text, identity->text_bytes) == 0)
                return input->values[i].mantissa;
        }
    }
    return -1;
}

#define A "node_cpu{cpu=\"a\""
#define B "node_cpu{cpu=\"b\""
#define C "node_cpu{cpu=\"c\""

static void test_changes_and_what_is_gone(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    assert_int_equal(value(scene, A), 1);
    assert_int_equal(value(scene, B), 2);
    assert_int_equal(find(scene, "cpu")->time_ms, 6000);
    assert_string_equal(find(scene, "cpu")->target->instance, "pi1");
    assert_string_equal(find(scene, "cpu")->target->job, "node");

    help_next(&scene->help, 20000);
    help_change(&scene->help, 0, 10);
    scene->help.gone[scene->help.reading.n_gone++] = 1;
    scene->help.reading.first_series = 2;
    scene->help.reading.first_family = 1;
    help_series(&scene->help, 0, "cpu", "c", 3);
    apply(scene);
    assert_int_equal(value(scene, A), 10);
    assert_int_equal(value(scene, B), -1);
    assert_int_equal(value(scene, C), 3);
    assert_int_equal(find(scene, "cpu")->time_ms, 21000);
    assert_int_equal(values_series(&scene->values), 2);
}

static void test_a_reading_is_seen_whole(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    help_next(&scene->help, 20000);
    scene->help.reading.has_more = true;
    help_change(&scene->help, 0, 10);
    apply(scene);
    assert_int_equal(value(scene, A), 1);
    assert_int_equal(find(scene, "cpu")->time_ms, 6000);
    help_next(&scene->help, 20000);
    help_change(&scene->help, 1, 20);
    apply(scene);
    assert_int_equal(value(scene, A), 10);
    assert_int_equal(value(scene, B), 20);
    assert_int_equal(find(scene, "cpu")->time_ms, 21000);
    assert_null(scene->values.pending);
}

static void test_a_first_reading_is_seen_whole(void **state)
{
    struct scene *scene = *state;
    help_begin(&scene->help, STREAM, 5000);
    help_define(&scene->help, "cpu", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "node_cpu"), "cpu", "a", 1);
    scene->help.reading.has_more = true;
    apply(scene);
    assert_null(scene->values.inputs);
    assert_non_null(values_find_input(&scene->values, 0));
    help_next(&scene->help, 5000);
    scene->help.reading.first_series = 1;
    scene->help.reading.first_family = 1;
    help_series(&scene->help, 0, "cpu", "b", 2);
    apply(scene);
    assert_int_equal(value(scene, A), 1);
    assert_int_equal(value(scene, B), 2);
}

static void test_a_new_group_keeps_what_it_has_not_defined(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    help_begin(&scene->help, STREAM, 60000);
    scene->help.frame.header.sequence = scene->help.frame.header.key = 9;
    help_define(&scene->help, "memory", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "node_memory"), NULL, NULL,
                77);
    apply(scene);
    assert_int_equal(value(scene, A), 1);
    assert_int_equal(value(scene, "node_memory"), 77);

    /* Id 0 is memory's now, though cpu had it before. */
    help_next(&scene->help, 61000);
    help_change(&scene->help, 0, 78);
    apply(scene);
    assert_int_equal(value(scene, A), 1);
    assert_int_equal(value(scene, "node_memory"), 78);

    help_next(&scene->help, 62000);
    scene->help.reading.input = 1;
    help_define(&scene->help, "cpu", "node", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "node_cpu"), "cpu", "a", 5);
    apply(scene);
    assert_int_equal(value(scene, A), 5);
    assert_int_equal(value(scene, B), -1);
    assert_int_equal(values_series(&scene->values), 2);
}

static void test_another_stream_replaces(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    help_begin(&scene->help, OTHER_STREAM, 6000);
    help_define(&scene->help, "gpu", "dcgm", "", 15000);
    help_series(&scene->help, help_family(&scene->help, FAMILY_GAUGE, "DCGM"), NULL, NULL, 3);
    apply(scene);
    assert_int_equal(value(scene, A), -1);
    assert_int_equal(value(scene, "DCGM"), 3);
    assert_non_null(find(scene, "cpu")); /* its target stays for a while */
    assert_true(find(scene, "cpu")->is_ghost);

    /* A frame of the stream before changes nothing. */
    struct frame_help old;
    help_begin(&old, STREAM, 7000);
    old.frame.header.sequence = 2;
    help_change(&old, 0, 99);
    assert_int_equal(values_apply(&scene->values, &old.frame, 1000), 0);
    assert_int_equal(value(scene, "DCGM"), 3);

    help_next(&scene->help, 6000 + VALUES_GHOST_MS);
    apply(scene);
    assert_null(find(scene, "cpu"));
    assert_non_null(find(scene, "gpu"));
}

static void test_a_group_cut_short_leaves_nothing_pending(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    help_next(&scene->help, 20000);
    scene->help.reading.has_more = true;
    help_change(&scene->help, 0, 10);
    apply(scene);
    assert_non_null(scene->values.pending);
    begin(scene, STREAM);
    assert_null(scene->values.pending);
    assert_int_equal(value(scene, A), 1);
}

static void test_forgetting(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    values_forget(&scene->values);
    assert_int_equal(values_series(&scene->values), 0);
    assert_int_equal(values_newest_ms(&scene->values, NULL), VALUES_TIME_NONE);
    assert_non_null(find(scene, "cpu"));
    help_next(&scene->help, 20000); /* not before a key frame */
    help_change(&scene->help, 0, 10);
    apply(scene);
    assert_int_equal(values_series(&scene->values), 0);
    begin(scene, STREAM);
    assert_int_equal(value(scene, A), 1);
}

static void test_ids_out_of_range_change_nothing(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    help_next(&scene->help, 20000);
    help_change(&scene->help, 2, 10);
    help_change(&scene->help, UINT32_MAX, 10);
    scene->help.gone[scene->help.reading.n_gone++] = 2;
    apply(scene);
    assert_int_equal(values_series(&scene->values), 2);
    help_next(&scene->help, 21000);
    scene->help.reading.input = 5;
    help_change(&scene->help, 0, 10);
    apply(scene);
    assert_int_equal(value(scene, A), 1);
}

static void test_targets_and_intervals(void **state)
{
    struct scene *scene = *state;
    begin(scene, STREAM);
    help_next(&scene->help, 5000);
    scene->help.reading.input = 1;
    help_define(&scene->help, "disk", "node", "", 60000);
    apply(scene);
    help_next(&scene->help, 9000);
    scene->help.reading.input = 2;
    help_define(&scene->help, "app", "app", "pi1:80", 5000);
    apply(scene);
    const struct values_input *cpu = find(scene, "cpu"), *disk = find(scene, "disk");
    const struct values_input *app = find(scene, "app");
    assert_ptr_equal(cpu->target, disk->target);
    assert_ptr_not_equal(cpu->target, app->target);
    assert_true(values_is_first_of_target(&scene->values, cpu));
    assert_false(values_is_first_of_target(&scene->values, disk));
    assert_int_equal(values_interval_ms(&scene->values, NULL), 5000);
    assert_int_equal(values_interval_ms(&scene->values, disk->target), 15000);
    assert_int_equal(values_newest_ms(&scene->values, disk->target), 6000);
    assert_int_equal(values_newest_ms(&scene->values, NULL), 10000);
    assert_int_equal(app->target->text_bytes, strlen("instance=\"pi1:80\",job=\"app\""));
    assert_memory_equal(app->target->text, "instance=\"pi1:80\",job=\"app\"",
                        app->target->text_bytes);
}

static void test_node_labels(void **state)
{
    struct scene *scene = *state;
    const struct label site[] = {{"site", "roof"}, {"rack", "2"}};
    help_begin(&scene->help, STREAM, 5000);
    scene->help.frame.node_labels = site;
    scene->help.frame.n_node_labels = 2;
    scene->help.frame.n_readings = 0;
    apply(scene);
    assert_int_equal(scene->values.n_labels, 2);
    assert_string_equal(scene->values.labels[1].name, "rack");
    const struct label *before = scene->values.labels;
    apply(scene); /* the same again costs nothing */
    assert_ptr_equal(scene->values.labels, before);
    scene->help.frame.n_node_labels = 1;
    apply(scene);
    assert_int_equal(scene->values.n_labels, 1);
    assert_string_equal(scene->values.labels[0].value, "roof");
}

/* Past the bound of text series are not shown, and counted; the rest goes on. */
static void test_text_is_bounded(void **state)
{
    struct scene *scene = *state;
    enum { VALUE_BYTES = 60000, PER_FRAME = 32 };
    static char text[VALUE_BYTES + 16];
    memset(text, 'x', VALUE_BYTES);
    begin(scene, STREAM);
    uint32_t next = 2;
    while (scene->values.hidden == 0 && next < 100000) {
        help_next(&scene->help, 20000);
        scene->help.reading.first_series = next;
        static char values[PER_FRAME][VALUE_BYTES + 16];
        for (int i = 0; i < PER_FRAME; i++) {
            memcpy(values[i], text, VALUE_BYTES);
            (void)snprintf(values[i] + VALUE_BYTES, 16, "%u", next);
            help_series(&scene->help, 0, "cpu", values[i], next++);
        }
        apply(scene);
    }
    assert_true(scene->values.hidden > 0);
    assert_true(scene->values.text_bytes < VALUES_TEXT_BYTES_MAX + VALUE_BYTES + 64);
    help_next(&scene->help, 21000);
    help_change(&scene->help, 0, 4);
    apply(scene);
    assert_int_equal(value(scene, A), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_changes_and_what_is_gone),
        TEST(test_a_reading_is_seen_whole),
        TEST(test_a_first_reading_is_seen_whole),
        TEST(test_a_new_group_keeps_what_it_has_not_defined),
        TEST(test_another_stream_replaces),
        TEST(test_a_group_cut_short_leaves_nothing_pending),
        TEST(test_forgetting),
        TEST(test_ids_out_of_range_change_nothing),
        TEST(test_targets_and_intervals),
        TEST(test_node_labels),
        TEST(test_text_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
