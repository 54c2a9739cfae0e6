/*
 * The spool against a list of frames: random appends, acks, time, kills, losses of power and
 * restarts, from a printed seed. What is unacked is there, as it was; what was freed stays away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/spool_help.h"

#define ROUNDS 6
#define STEPS 600
#define STREAMS_MAX 64
#define FRAMES_MAX 1024

struct model_stream {
    uint64_t last, acked, freed; /* all up to `freed` is gone for good */
    uint64_t key;                /* of the last group */
    uint64_t keys[FRAMES_MAX];   /* of each frame's group */
    int64_t times[FRAMES_MAX];
};

struct model {
    struct spool_help help;
    struct model_stream streams[STREAMS_MAX];
    int64_t turned_ms; /* what was due then lies in the state directory */
};

static struct model_stream *live(struct model *model)
{
    return &model->streams[model->help.stream];
}

/* Groups that are acked as a whole are freed, but for the one that may still grow. */
static void free_acked(struct model *model, uint64_t id)
{
    struct model_stream *stream = &model->streams[id];
    for (uint64_t sequence = stream->freed + 1; sequence <= stream->acked; sequence++) {
        bool ends = sequence == stream->last ? id != model->help.stream
                                             : stream->keys[sequence + 1] == sequence + 1;
        if (ends)
            stream->freed = sequence;
    }
}

static void append(struct model *model)
{
    struct model_stream *stream = live(model);
    if (stream->last + 2 >= FRAMES_MAX)
        return;
    bool begins = random() % 8 == 0;
    assert_int_equal(spool_help_append(&model->help, begins), 0);
    stream->last = model->help.last;
    stream->keys[stream->last] = model->help.key;
    stream->times[stream->last] = model->help.now_ms;
    free_acked(model, model->help.stream);
}

static void ack(struct model *model)
{
    struct spool_position position;
    spool_position(model->help.spool, &position);
    struct model_stream *stream = &model->streams[position.stream];
    uint64_t from = random() % 20 == 0 ? 0 : stream->acked; /* 0: an older store */
    uint64_t to = from + (uint64_t)random() % (stream->last - from + 1);
    if (to < stream->freed)
        to = stream->freed;
    assert_int_equal(spool_ack(model->help.spool, position.stream, to), 0);
    stream->acked = to;
    free_acked(model, position.stream);
}

static void check(struct model *model)
{
    uint64_t unacked = 0;
    for (uint64_t id = 1; id <= model->help.stream; id++) {
        const struct model_stream *stream = &model->streams[id];
        for (uint64_t sequence = 1; sequence <= stream->last; sequence++)
            assert_int_equal(spool_help_has(&model->help, id, sequence), sequence > stream->freed);
        unacked += stream->last - stream->acked;
    }
    assert_int_equal(spool_help_state(&model->help).unacked_frames, unacked);
}

/* What was not yet due is lost with the power. */
static void lose(struct model *model)
{
    for (uint64_t id = 1; id < model->help.stream; id++) {
        struct model_stream *stream = &model->streams[id];
        while (stream->last > stream->freed && !spool_help_has(&model->help, id, stream->last)) {
            bool was_due = stream->times[stream->last] + SPOOL_HELP_FLUSH_MS <= model->turned_ms;
            assert_true(stream->last <= stream->acked || !was_due);
            stream->last--;
        }
        if (stream->acked > stream->last)
            stream->acked = stream->last;
    }
}

/* The collector says again what it has: the spool may know less after a kill. */
static void ack_again(struct model *model)
{
    for (uint64_t id = 1; id < model->help.stream; id++) {
        struct model_stream *stream = &model->streams[id];
        if (stream->last > stream->freed)
            assert_in_range(spool_ack(model->help.spool, id, stream->acked), 0, SPOOL_EMPTY);
        free_acked(model, id);
    }
}

static void restart(struct model *model)
{
    long how = random() % 3;
    if (how == 0)
        spool_help_crash(&model->help);
    else if (how == 1)
        spool_help_lose_power(&model->help);
    else
        spool_help_close(&model->help);
    spool_help_open(&model->help);
    if (how == 1)
        lose(model);
    ack_again(model);
    model->turned_ms = 0;
    check(model);
}

static void play(void)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    spool_help_init(&model->help);
    spool_help_open(&model->help);
    for (int step = 0; step < STEPS; step++) {
        long what = random() % 100;
        if (what < 70) {
            append(model);
        } else if (what < 82) {
            ack(model);
        } else if (what < 98) {
            spool_help_pass(&model->help, random() % 30000);
            model->turned_ms = model->help.now_ms;
        } else if (model->help.stream + 1 < STREAMS_MAX) {
            restart(model);
        }
    }
    check(model);
    spool_help_deinit(&model->help);
    free(model);
}

static void test_against_the_model(void **state)
{
    (void)state;
    unsigned seed = (unsigned)getpid();
    const char *fixed = getenv("SHOAL_TEST_SEED");
    if (fixed != NULL)
        seed = (unsigned)strtoul(fixed, NULL, 10);
    print_message("SHOAL_TEST_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < ROUNDS; round++)
        play();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
