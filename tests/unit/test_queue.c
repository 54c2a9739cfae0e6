/* The queue against a model that is a plain list of frames, and its bounds one by one. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/queue.h"

#define STREAM 77
#define BIG UINT64_C(1000000)
#define MODEL_FRAMES 4096

static uint8_t bytes[4096];

static struct encoded_frame make(uint64_t sequence, uint64_t key, size_t size)
{
    return (struct encoded_frame){.stream = STREAM,
                                  .sequence = sequence,
                                  .key = key,
                                  .samples = 10,
                                  .time_ms = (int64_t)sequence * 1000,
                                  .bytes = bytes,
                                  .size = size};
}

static int append(struct queue *queue, uint64_t sequence, uint64_t key, size_t size)
{
    struct encoded_frame frame = make(sequence, key, size);
    memset(bytes, (int)(sequence & 0xff), sizeof(bytes));
    return queue_append(queue, &frame);
}

static struct queue_state state_of(struct queue *queue)
{
    struct queue_state state;
    queue_state(queue, &state);
    return state;
}

static void assert_read(struct queue *queue, uint64_t from, uint64_t want, uint64_t first)
{
    struct queue_frame frame = {0};
    assert_int_equal(queue_read(queue, from, &frame), 0);
    assert_int_equal(frame.sequence, want);
    assert_int_equal(frame.first, first);
    assert_int_equal((uint8_t)frame.bytes.data[0], want & 0xff);
    buffer_deinit(&frame.bytes);
}

static void assert_nothing(struct queue *queue, uint64_t from)
{
    struct queue_frame frame = {0};
    assert_int_equal(queue_read(queue, from, &frame), QUEUE_EMPTY);
    buffer_deinit(&frame.bytes);
}

/* Frames 1-3, 4-6 and 7-8 as three groups of 100 bytes a frame. */
static struct queue *three_groups(void)
{
    struct queue *queue = queue_new(STREAM, BIG);
    assert_non_null(queue);
    for (uint64_t sequence = 1; sequence <= 8; sequence++)
        assert_int_equal(append(queue, sequence, (sequence - 1) / 3 * 3 + 1, 100), 0);
    return queue;
}

static void test_empty(void **unused)
{
    (void)unused;
    struct queue *queue = queue_new(STREAM, BIG);
    assert_nothing(queue, 0);
    struct queue_state state = state_of(queue);
    assert_int_equal(state.stream, STREAM);
    assert_int_equal(state.last, 0);
    assert_int_equal(state.frames, 0);
    assert_true(state.oldest_unacked_ms == INT64_MAX);
    queue_ack(queue, 5); /* never appended: no effect */
    assert_int_equal(state_of(queue).acked, 0);
    queue_drop_group(queue, 5, DROP_REJECTED);
    queue_free(queue);
    queue_free(NULL);
}

static void test_reads_copies(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    assert_read(queue, 0, 1, 1);
    assert_read(queue, 5, 5, 1);
    assert_nothing(queue, 9);
    struct queue_frame frame = {0};
    assert_int_equal(queue_read(queue, 6, &frame), 0);
    assert_int_equal(frame.key, 4);
    assert_int_equal(frame.samples, 10);
    assert_int_equal(frame.time_ms, 6000);
    assert_int_equal(frame.bytes.size, 100);
    assert_true(frame.is_last_of_group);
    assert_int_equal(queue_read(queue, 8, &frame), 0);
    assert_false(frame.is_last_of_group); /* its group may still grow */
    buffer_deinit(&frame.bytes);
    queue_free(queue);
}

static void test_ack_frees_whole_groups(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    queue_ack(queue, 5);
    assert_read(queue, 0, 4, 4);
    struct queue_state state = state_of(queue);
    assert_int_equal(state.frames, 5);
    assert_int_equal(state.unacked_frames, 3);
    assert_int_equal(state.unacked_bytes, 300);
    assert_int_equal(state.oldest_unacked_ms, 6000);
    queue_ack(queue, 8);
    state = state_of(queue);
    assert_int_equal(state.first, 7); /* the open group stays */
    assert_int_equal(state.frames, 2);
    assert_int_equal(state.unacked_frames, 0);
    assert_int_equal(append(queue, 9, 9, 100), 0);
    assert_int_equal(state_of(queue).first, 9);
    for (int i = 0; i < DROP_REASONS; i++)
        assert_int_equal(state_of(queue).drops[i].frames, 0);
    queue_free(queue);
}

static void test_older_store_makes_unacked(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    queue_ack(queue, 5);
    queue_ack(queue, 2);
    struct queue_state state = state_of(queue);
    assert_int_equal(state.acked, 2);
    assert_int_equal(state.unacked_frames, 5); /* 4 to 8: 1 to 3 are gone */
    assert_int_equal(state.oldest_unacked_ms, 4000);
    queue_free(queue);
}

static void test_drops_oldest_group_at_bound(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    queue_ack(queue, 1);
    queue_set_bound(queue, 1400);
    assert_int_equal(append(queue, 9, 7, 100), 0);
    struct queue_state state = state_of(queue);
    assert_int_equal(state.first, 4);
    assert_int_equal(state.drops[DROP_SPOOL_FULL].frames, 2); /* frame 1 was safe */
    assert_int_equal(state.drops[DROP_SPOOL_FULL].samples, 20);
    queue_free(queue);
}

static void test_own_group_goes_at_bound(void **unused)
{
    (void)unused;
    struct queue *queue = queue_new(STREAM, 3000);
    assert_int_equal(append(queue, 1, 1, 1000), 0);
    assert_int_equal(append(queue, 2, 1, 1000), 0);
    assert_int_equal(append(queue, 3, 1, 1000), QUEUE_CUT);
    assert_int_equal(append(queue, 4, 1, 10), QUEUE_CUT);
    assert_int_equal(state_of(queue).drops[DROP_SPOOL_FULL].frames, 4);
    assert_nothing(queue, 0);
    assert_int_equal(append(queue, 5, 5, 10), 0);
    assert_read(queue, 0, 5, 5);
    queue_free(queue);
}

static void test_too_large_ends_the_group(void **unused)
{
    (void)unused;
    struct queue *queue = queue_new(STREAM, 2000);
    assert_int_equal(append(queue, 1, 1, 100), 0);
    assert_int_equal(append(queue, 2, 1, 3000), -EMSGSIZE);
    assert_int_equal(append(queue, 2, 1, 100), -EINVAL);
    assert_int_equal(append(queue, 3, 1, 100), -EINVAL);
    assert_int_equal(state_of(queue).drops[DROP_TOO_LARGE].frames, 1);
    assert_read(queue, 0, 1, 1);
    queue_ack(queue, 1); /* the group is whole as it is */
    assert_nothing(queue, 0);
    assert_int_equal(append(queue, 2, 2, 3000), -EMSGSIZE);
    assert_int_equal(append(queue, 2, 2, 100), 0); /* the number is free again */
    assert_read(queue, 0, 2, 2);
    queue_free(queue);
}

static void test_refuses_wrong_numbers(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    assert_int_equal(append(queue, 8, 7, 100), -EINVAL);
    assert_int_equal(append(queue, 10, 7, 100), -EINVAL); /* a gap within a group */
    assert_int_equal(append(queue, 9, 4, 100), -EINVAL);  /* of a group that has ended */
    assert_int_equal(append(queue, 9, 10, 100), -EINVAL);
    assert_int_equal(append(queue, 9, 7, 0), -EINVAL);
    assert_int_equal(append(queue, 12, 12, 100), 0); /* a gap before a key frame */
    assert_read(queue, 9, 12, 1);
    queue_free(queue);
}

static void test_rejected_group_goes(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    queue_drop_group(queue, 5, DROP_REJECTED);
    struct queue_state state = state_of(queue);
    assert_int_equal(state.drops[DROP_REJECTED].frames, 2);
    assert_int_equal(state.frames, 6);
    assert_read(queue, 5, 7, 1);
    queue_drop_group(queue, 5, DROP_REJECTED); /* said twice: counted once */
    assert_int_equal(state_of(queue).drops[DROP_REJECTED].frames, 2);
    queue_ack(queue, 4);
    assert_read(queue, 0, 7, 7);
    queue_free(queue);
}

static void test_rejected_open_group_is_cut(void **unused)
{
    (void)unused;
    struct queue *queue = three_groups();
    queue_drop_group(queue, 7, DROP_REJECTED);
    assert_int_equal(append(queue, 9, 7, 100), QUEUE_CUT);
    assert_int_equal(state_of(queue).drops[DROP_REJECTED].frames, 3);
    queue_ack(queue, 6);
    assert_int_equal(state_of(queue).frames, 0); /* what is before it was not open any more */
    assert_int_equal(append(queue, 10, 10, 100), 0);
    assert_read(queue, 0, 10, 10);
    queue_free(queue);
}

/* The model: what is known of each sequence. */
enum fate { UNUSED, HELD, FREED, DROPPED };

struct model {
    enum fate fate[MODEL_FRAMES];
    uint64_t key[MODEL_FRAMES];
    size_t size[MODEL_FRAMES];
    uint64_t last, open, cut, acked, dropped;
};

static void model_free_acked(struct model *model)
{
    for (uint64_t s = 1; s <= model->last; s++) {
        if (model->fate[s] != HELD)
            continue;
        uint64_t end = s;
        while (end < model->last && model->fate[end + 1] == HELD &&
               model->key[end + 1] == model->key[s])
            end++;
        if (model->key[s] == model->open || end > model->acked)
            return;
        for (; s < end; s++)
            model->fate[s] = FREED;
        model->fate[end] = FREED;
    }
}

static void model_drop(struct model *model, uint64_t key, uint64_t from)
{
    for (uint64_t s = from; s <= model->last; s++) {
        if (model->fate[s] != HELD || model->key[s] != key)
            continue;
        model->fate[s] = s <= model->acked ? FREED : DROPPED;
        model->dropped += s > model->acked;
    }
    if (key == model->open) {
        model->cut = key;
        model->open = 0;
    }
}

static void model_append(struct model *model, uint64_t sequence, uint64_t key, size_t size, int r)
{
    model->last = sequence;
    model->key[sequence] = key;
    model->size[sequence] = size;
    model->fate[sequence] = r == 0 ? HELD : DROPPED;
    model->dropped += r != 0;
    if (r == 0)
        model->open = key;
    model_free_acked(model);
}

/* What make_room did is read off the queue: its oldest groups may be gone, nothing else. */
static void model_follow_bound(struct model *model, uint64_t first)
{
    for (uint64_t s = 1; s <= model->last; s++)
        if (model->fate[s] == HELD && (s < first || first == 0))
            model_drop(model, model->key[s], s);
}

static void assert_like_model(struct queue *queue, const struct model *model)
{
    struct queue_state state = state_of(queue);
    uint64_t frames = 0, size = 0, unacked = 0, dropped = 0;
    uint64_t position = 0;
    struct queue_frame frame = {0};
    for (uint64_t s = 1; s <= model->last; s++) {
        if (model->fate[s] != HELD)
            continue;
        frames++;
        size += model->size[s];
        unacked += s > model->acked;
        assert_int_equal(queue_read(queue, position, &frame), 0);
        assert_int_equal(frame.sequence, s);
        assert_int_equal(frame.bytes.size, model->size[s]);
        position = s + 1;
    }
    assert_int_equal(queue_read(queue, position, &frame), QUEUE_EMPTY);
    buffer_deinit(&frame.bytes);
    for (int i = 0; i < DROP_REASONS; i++)
        dropped += state.drops[i].frames;
    assert_int_equal(state.frames, frames);
    assert_int_equal(state.bytes, size);
    assert_int_equal(state.unacked_frames, unacked);
    assert_int_equal(dropped, model->dropped);
}

static void random_append(struct queue *queue, struct model *model)
{
    uint64_t sequence = model->last + 1;
    uint64_t current = model->open != 0 ? model->open : model->cut;
    uint64_t key = current == 0 || random() % 6 == 0 ? sequence : current;
    size_t size = 1 + (size_t)(random() % 400);
    int r = append(queue, sequence, key, size);
    assert_true(r == 0 || r == QUEUE_CUT);
    model_free_acked(model);
    if (key == sequence && model->open != 0)
        model->open = key;
    model_free_acked(model);
    struct queue_state state = state_of(queue);
    model_follow_bound(model, r == 0 && state.frames == 1 ? sequence : state.first);
    model_append(model, sequence, key, size, r);
}

static void random_step(struct queue *queue, struct model *model)
{
    uint64_t any = 1 + (uint64_t)random() % (model->last + 2);
    switch (random() % 8) {
    case 0:
        queue_ack(queue, any);
        if (any <= model->last)
            model->acked = any;
        model_free_acked(model);
        break;
    case 1:
        if (random() % 4 != 0)
            break;
        queue_drop_group(queue, any, DROP_REJECTED);
        if (any <= model->last && model->fate[any] == HELD)
            model_drop(model, model->key[any], any);
        model_free_acked(model);
        break;
    default:
        random_append(queue, model);
    }
}

static void test_like_model(void **unused)
{
    (void)unused;
    unsigned seed = (unsigned)getpid();
    const char *fixed = getenv("SHOAL_TEST_SEED");
    if (fixed != NULL)
        seed = (unsigned)strtoul(fixed, NULL, 10);
    print_message("SHOAL_TEST_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < 20; round++) {
        struct model *model = calloc(1, sizeof(*model));
        struct queue *queue = queue_new(STREAM, 3000 + (uint64_t)random() % 20000);
        assert_non_null(model);
        assert_non_null(queue);
        for (int i = 0; i < 400; i++) {
            random_step(queue, model);
            assert_like_model(queue, model);
        }
        queue_free(queue);
        free(model);
    }
}

static void *append_many(void *context)
{
    struct encoded_frame frame = make(0, 0, 100);
    for (uint64_t sequence = 1; sequence <= 20000; sequence++) {
        frame.sequence = sequence;
        frame.key = (sequence - 1) / 50 * 50 + 1;
        if (queue_append(context, &frame) != 0)
            return context;
    }
    return NULL;
}

/* One thread appends while another reads and acks: every frame is read once, in order. */
static void test_two_threads(void **unused)
{
    (void)unused;
    struct queue *queue = queue_new(STREAM, 100 * BIG);
    pthread_t thread;
    void *failed = NULL;
    struct queue_frame frame = {0};
    uint64_t next = 1;
    assert_int_equal(pthread_create(&thread, NULL, append_many, queue), 0);
    while (next <= 20000) {
        int r = queue_read(queue, next, &frame);
        assert_true(r == 0 || r == QUEUE_EMPTY);
        if (r == 0) {
            assert_int_equal(frame.sequence, next);
            queue_ack(queue, next++);
        }
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_true(state_of(queue).frames <= 50);
    buffer_deinit(&frame.bytes);
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_reads_copies),
        cmocka_unit_test(test_ack_frees_whole_groups),
        cmocka_unit_test(test_older_store_makes_unacked),
        cmocka_unit_test(test_drops_oldest_group_at_bound),
        cmocka_unit_test(test_own_group_goes_at_bound),
        cmocka_unit_test(test_too_large_ends_the_group),
        cmocka_unit_test(test_refuses_wrong_numbers),
        cmocka_unit_test(test_rejected_group_goes),
        cmocka_unit_test(test_rejected_open_group_is_cut),
        cmocka_unit_test(test_like_model),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
