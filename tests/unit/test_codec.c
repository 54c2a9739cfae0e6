/* Encoder and decoder together: what goes in comes out, bit by bit, in random worlds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random.h"
#include "tests/unit/codec_line.h"

#define INPUTS 4
#define POOL 60

struct pool_series {
    char family[32], label[16];
    enum family_type type;
    enum series_suffix suffix;
    unsigned kind; /* of values */
    bool is_there;
    double value;
};

struct world {
    struct random random;
    struct line line;
    struct reading *readings[INPUTS];
    struct encoder_input inputs[INPUTS];
    char names[INPUTS][16];
    struct pool_series pool[INPUTS][POOL];
    char *sent[INPUTS]; /* text of the last reading that was added; NULL: none */
    int64_t time_ms;
};

static void choose_series(struct world *world, struct pool_series *series, unsigned i)
{
    struct random *random = &world->random;
    unsigned family = (unsigned)random_below(random, 12);
    (void)snprintf(series->family, sizeof(series->family), "family_%u", family);
    (void)snprintf(series->label, sizeof(series->label), "%u", i);
    series->type = family % FAMILY_TYPES;
    if (series->type == FAMILY_HISTOGRAM)
        series->suffix = (enum series_suffix)(1 + random_below(random, SUFFIXES - 1));
    series->kind = (unsigned)random_below(random, 6);
    series->is_there = !random_once_in(random, 3);
    series->value = random_value(random);
}

static double next_value(struct random *random, const struct pool_series *series)
{
    switch (series->kind) {
    case 0:
        return series->value;
    case 1:
        return random_once_in(random, 3) ? random_value(random) : series->value;
    case 2:
        return random_bits(random);
    case 3: /* a steady counter that is reset at times */
        return random_once_in(random, 20) ? 0 : (isfinite(series->value) ? series->value + 15 : 1);
    case 4:
        return (double)random_below(random, 1000) / 100;
    default:
        return isfinite(series->value) ? series->value * 1.1 : 0.5;
    }
}

static void world_open(struct world *world, struct random random)
{
    *world = (struct world){.random = random, .time_ms = 1000};
    const struct label labels[] = {{"zone", "b"}, {"arch", "\xc3\xa4"}};
    struct encoder_options options = {
        .stream = random_next(&world->random) | 1,
        .seed = random_next(&world->random),
        .group_bytes_max = random_once_in(&world->random, 2) ? 20000 : 0,
        .node_labels = labels,
        .n_node_labels = (size_t)random_below(&world->random, 3),
        .compression_level = (int)random_below(&world->random, 3),
    };
    line_open(&world->line, &options);
    for (unsigned i = 0; i < INPUTS; i++) {
        (void)snprintf(world->names[i], sizeof(world->names[i]), "input%u", i);
        world->inputs[i] = (struct encoder_input){
            .name = world->names[i], .job = "node", .instance = "", .interval_ms = 1000 * (i + 1)};
        world->readings[i] = reading_new();
        assert_non_null(world->readings[i]);
        for (unsigned j = 0; j < POOL; j++)
            choose_series(world, &world->pool[i][j], j);
    }
}

static void world_close(struct world *world)
{
    line_close(&world->line);
    for (unsigned i = 0; i < INPUTS; i++) {
        reading_free(world->readings[i]);
        free(world->sent[i]);
    }
}

static void take_reading(struct world *world, unsigned i)
{
    struct random *random = &world->random;
    struct reading *reading = world->readings[i];
    bool churns = random_once_in(random, 4);
    reading_begin(reading);
    for (unsigned j = 0; j < POOL; j++) {
        struct pool_series *series = &world->pool[i][j];
        if (churns && random_once_in(random, 5))
            series->is_there = !series->is_there;
        if (!series->is_there)
            continue;
        series->value = next_value(random, series);
        char help[48];
        (void)snprintf(help, sizeof(help), "Help of %s.", series->family);
        const struct family *family = reading_family(reading, series->family, series->type, help);
        reading_add_part(reading, family, series->suffix, series->value,
                         LABELS({"n", series->label}, {"a", j % 2 == 0 ? "" : "odd"}));
    }
    assert_int_equal(reading_end(reading), 0);
}

static void send_reading(struct world *world, unsigned i)
{
    take_reading(world, i);
    if (random_once_in(&world->random, 8))
        return; /* taken, but not sent */
    if (random_once_in(&world->random, 50))
        world->inputs[i].interval_ms++;
    bool is_repeat = random_once_in(&world->random, 10);
    assert_int_equal(encoder_add(world->line.encoder, &world->inputs[i], world->readings[i],
                                 world->time_ms, is_repeat),
                     0);
    free(world->sent[i]);
    world->sent[i] = line_text(world->readings[i]);
}

/* What has arrived is what was sent last, for each input that is in the group. */
static void check_world(struct world *world)
{
    for (unsigned i = 0; i < INPUTS; i++) {
        const struct mirror_input *input = mirror_find(&world->line.mirror, world->names[i]);
        if (input == NULL)
            continue;
        assert_non_null(world->sent[i]);
        line_assert(&world->line, world->names[i], world->sent[i]);
        assert_int_equal(input->definition.interval_ms, world->inputs[i].interval_ms);
    }
}

static void turn_world(struct world *world)
{
    struct random *random = &world->random;
    world->time_ms += (int64_t)random_below(random, random_once_in(random, 30) ? 5000000 : 30000);
    for (unsigned i = 0; i < INPUTS; i++) {
        if (random_once_in(random, 3))
            continue;
        send_reading(world, i);
        if (random_once_in(random, 40))
            encoder_end_group(world->line.encoder);
    }
    if (random_once_in(random, 5))
        return; /* the next turn's readings go into the same cut */
    bool refuses = random_once_in(random, 25);
    world->line.refuse = refuses ? -EIO : 0;
    int r = encoder_cut(world->line.encoder, line_receive, &world->line);
    assert_true(r == 0 || (refuses && r == -EIO));
    if (r == 0)
        check_world(world);
    else
        mirror_deinit(&world->line.mirror); /* what was added is lost */
}

static void test_random_worlds(void **state)
{
    (void)state;
    struct random random = random_start("random worlds");
    unsigned frames = 0;
    unsigned keys = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct world world;
        world_open(&world, (struct random){random_next(&random)});
        for (unsigned turn = 0; turn < 60; turn++)
            turn_world(&world);
        frames += world.line.frames;
        keys += world.line.keys;
        world_close(&world);
    }
    assert_true(keys > 40);
    assert_true(frames > 2 * keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
