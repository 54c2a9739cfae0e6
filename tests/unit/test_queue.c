/* The queue between sampling and spool: order, copies, its bound, and two threads at it. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/queue.h"

#define FRAMES 20000

static int append(struct queue *queue, uint64_t sequence, size_t size)
{
    uint8_t bytes[4096];
    memset(bytes, (int)(sequence & 0xff), sizeof(bytes));
    const struct encoded_frame frame = {.stream = 7,
                                        .sequence = sequence,
                                        .key = 1,
                                        .samples = 10,
                                        .time_ms = (int64_t)sequence * 1000,
                                        .bytes = bytes,
                                        .size = size};
    return queue_append(queue, &frame);
}

static struct queue_state state_of(struct queue *queue)
{
    struct queue_state state;
    queue_state(queue, &state);
    return state;
}

static void assert_next(struct queue *queue, uint64_t sequence, size_t size)
{
    const struct encoded_frame *frame = queue_peek(queue);
    assert_non_null(frame);
    assert_int_equal(frame->sequence, sequence);
    assert_int_equal(frame->key, 1);
    assert_int_equal(frame->samples, 10);
    assert_int_equal(frame->time_ms, sequence * 1000);
    assert_int_equal(frame->size, size);
    assert_int_equal(frame->bytes[0], sequence & 0xff);
    assert_int_equal(frame->bytes[size - 1], sequence & 0xff);
    queue_pop(queue);
}

static void test_first_in_first_out(void **state)
{
    (void)state;
    struct queue *queue = queue_new(1000000);
    assert_null(queue_peek(queue));
    assert_int_equal(state_of(queue).last, 0);
    assert_int_equal(append(queue, 1, 100), 0);
    assert_int_equal(append(queue, 2, 200), 0);
    assert_int_equal(state_of(queue).frames, 2);
    assert_int_equal(state_of(queue).bytes, 300);
    assert_ptr_equal(queue_peek(queue), queue_peek(queue)); /* it stays until it is popped */
    assert_next(queue, 1, 100);
    assert_int_equal(append(queue, 3, 300), 0);
    assert_next(queue, 2, 200);
    assert_next(queue, 3, 300);
    assert_null(queue_peek(queue));
    assert_int_equal(state_of(queue).last, 3);
    assert_int_equal(state_of(queue).bytes, 0);
    queue_free(queue);
    queue_free(NULL);
}

static void test_refuses_past_its_bound(void **state)
{
    (void)state;
    struct queue *queue = queue_new(3000);
    assert_int_equal(append(queue, 1, 1000), 0);
    assert_int_equal(append(queue, 2, 1000), 0);
    assert_int_equal(append(queue, 3, 1000), -ENOBUFS);
    assert_int_equal(state_of(queue).refused.frames, 1);
    assert_int_equal(state_of(queue).refused.samples, 10);
    assert_int_equal(state_of(queue).last, 2); /* the number may come again */
    assert_next(queue, 1, 1000);
    assert_int_equal(append(queue, 3, 1000), 0);
    assert_next(queue, 2, 1000);
    assert_next(queue, 3, 1000);
    queue_set_bound(queue, 100);
    assert_int_equal(append(queue, 4, 1000), -ENOBUFS);
    queue_free(queue);
}

static void *append_all(void *context)
{
    for (uint64_t sequence = 1; sequence <= FRAMES; sequence++)
        while (append(context, sequence, 50) != 0)
            sched_yield();
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    struct queue *queue = queue_new(20000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, append_all, queue), 0);
    for (uint64_t sequence = 1; sequence <= FRAMES; sequence++) {
        while (queue_peek(queue) == NULL)
            sched_yield();
        assert_next(queue, sequence, 50);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(queue_peek(queue));
    queue_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_refuses_past_its_bound),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
