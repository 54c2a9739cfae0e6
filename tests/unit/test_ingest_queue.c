#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "collector/ingest_queue.h"
#include "collector/node_map.h"

#define FRAMES 32
#define BYTES ((size_t)1 << 20)
#define SHARE 4 /* 8 frames a node */

static int set_up(void **state)
{
    *state = ingest_queue_new(FRAMES, BYTES, SHARE);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    ingest_queue_free(*state);
    return 0;
}

/* An item that carries its number as the time of receipt. */
static void put(struct ingest_queue *queue, const char *node, int64_t number, size_t size)
{
    struct ingest_item *item = ingest_item_new(INGEST_FRAME, node, size);
    assert_non_null(item);
    item->received_utc_ms = number;
    ingest_queue_put(queue, item);
}

static void put_numbered(struct ingest_queue *queue, const char *prefix, int number)
{
    char node[16];
    (void)snprintf(node, sizeof(node), "%s%d", prefix, number);
    put(queue, node, number, 0);
}

static size_t count_node(const struct ingest_item *items, const char *node)
{
    size_t n = 0;
    for (; items != NULL; items = items->next)
        n += strcmp(items->node, node) == 0;
    return n;
}

static struct ingest_queue_totals totals_of(struct ingest_queue *queue)
{
    struct ingest_queue_totals totals;
    ingest_queue_totals(queue, &totals);
    return totals;
}

static void items_come_in_order(void **state)
{
    struct ingest_queue *queue = *state;
    for (int i = 0; i < 5; i++)
        put(queue, "a", i, 10);
    struct ingest_item *items = ingest_queue_take(queue, 100, 0);
    int64_t want = 0;
    for (const struct ingest_item *item = items; item != NULL; item = item->next)
        assert_int_equal(item->received_utc_ms, want++);
    assert_int_equal(want, 5);
    ingest_queue_done(queue, items);
}

static void items_are_held_until_they_are_done(void **state)
{
    struct ingest_queue *queue = *state;
    put(queue, "a", 1, 100);
    struct ingest_item *items = ingest_queue_take(queue, 100, 0);
    assert_int_equal(totals_of(queue).frames, 1);
    assert_true(totals_of(queue).bytes >= 100);
    ingest_queue_done(queue, items);
    assert_int_equal(totals_of(queue).frames, 0);
    assert_int_equal(totals_of(queue).bytes, 0);
    assert_null(ingest_queue_take(queue, 100, 0));
}

static void node_has_its_share_and_no_more(void **state)
{
    struct ingest_queue *queue = *state;
    for (int i = 0; i < 20; i++)
        put(queue, "a", i, 0);
    put(queue, "b", 0, 0);
    assert_int_equal(totals_of(queue).frames, FRAMES / SHARE + 1);
    assert_int_equal(totals_of(queue).dropped, 20 - FRAMES / SHARE);
    struct ingest_item *items = ingest_queue_take(queue, 100, 0);
    assert_int_equal(items->received_utc_ms, 0); /* the oldest are kept: they can be decoded */
    assert_int_equal(count_node(items, "b"), 1);
    ingest_queue_done(queue, items);
}

static void bytes_are_shared_too(void **state)
{
    struct ingest_queue *queue = *state;
    for (int i = 0; i < 4; i++)
        put(queue, "a", i, BYTES / SHARE / 2);
    assert_int_equal(totals_of(queue).frames, 1); /* two and what stands around them are too much */
    put(queue, "a", 5, 100);
    assert_int_equal(totals_of(queue).frames, 2);
}

static void overload_drops_from_the_node_that_has_most(void **state)
{
    struct ingest_queue *queue = *state;
    for (int i = 0; i < 8; i++)
        put(queue, "greedy", i, 0);
    for (int i = 0; i < 24; i++)
        put_numbered(queue, "n", i % 12); /* two each */
    assert_int_equal(totals_of(queue).frames, FRAMES);
    put(queue, "late", 0, 0);
    put(queue, "later", 0, 0);
    assert_int_equal(totals_of(queue).frames, FRAMES);
    assert_int_equal(totals_of(queue).dropped, 2);
    struct ingest_item *items = ingest_queue_take(queue, 100, 0);
    assert_int_equal(count_node(items, "greedy"), 6);
    assert_int_equal(count_node(items, "late"), 1);
    assert_int_equal(count_node(items, "later"), 1);
    assert_int_equal(count_node(items, "n0"), 2);
    ingest_queue_done(queue, items);
}

static void only_frame_of_a_node_is_never_dropped(void **state)
{
    struct ingest_queue *queue = *state;
    for (int i = 0; i < FRAMES; i++)
        put_numbered(queue, "n", i);
    put(queue, "late", 0, 0);
    struct ingest_item *items = ingest_queue_take(queue, 100, 0);
    assert_int_equal(count_node(items, "late"), 0);
    size_t n = 0;
    for (const struct ingest_item *item = items; item != NULL; item = item->next)
        n++;
    assert_int_equal(n, FRAMES);
    ingest_queue_done(queue, items);
}

static void nodes_take_turns(void **state)
{
    (void)state;
    struct ingest_queue *queue = ingest_queue_new(1024, BYTES * 8, 2);
    for (int i = 0; i < 3 * INGEST_QUEUE_TURN_FRAMES; i++)
        put(queue, "backlog", i, 0);
    put(queue, "b", 0, 0);
    struct ingest_item *items = ingest_queue_take(queue, (size_t)2 * INGEST_QUEUE_TURN_FRAMES, 0);
    assert_int_equal(count_node(items, "b"), 1);
    ingest_queue_done(queue, items);
    items = ingest_queue_take(queue, 1000, 0);
    assert_int_equal(count_node(items, "backlog"), INGEST_QUEUE_TURN_FRAMES + 1);
    ingest_queue_done(queue, items);
    ingest_queue_free(queue);
}

struct told {
    size_t n;
    uint64_t dropped;
};

static void see_dropped(void *context, const char *node, uint64_t dropped)
{
    struct told *told = context;
    assert_string_equal(node, "a");
    told->n++;
    told->dropped += dropped;
}

static void drops_are_told_once(void **state)
{
    struct ingest_queue *queue = *state;
    struct told told = {0};
    for (int i = 0; i < 20; i++)
        put(queue, "a", i, 0);
    ingest_queue_done(queue, ingest_queue_take(queue, 100, 0));
    ingest_queue_dropped(queue, see_dropped, &told); /* also when the node has nothing left */
    ingest_queue_dropped(queue, see_dropped, &told);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.dropped, 12);
    ingest_queue_count_lost(queue);
    assert_int_equal(totals_of(queue).dropped, 13);
    assert_null(ingest_queue_take(queue, 100, 0));
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_ends_with_time_or_a_wake(void **state)
{
    struct ingest_queue *queue = *state;
    int64_t begin_ms = now_ms();
    assert_null(ingest_queue_take(queue, 1, 30));
    assert_true(now_ms() - begin_ms >= 29);
    ingest_queue_wake(queue); /* before the wait: ends it at once */
    begin_ms = now_ms();
    assert_null(ingest_queue_take(queue, 1, 60000));
    assert_true(now_ms() - begin_ms < 30000);
}

static void *put_many(void *context)
{
    struct ingest_queue *queue = context;
    for (int i = 0; i < 2000; i++)
        put_numbered(queue, "n", i % 50);
    return NULL;
}

static void threads_lose_nothing_uncounted(void **state)
{
    struct ingest_queue *queue = *state;
    pthread_t threads[2];
    size_t taken = 0;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, queue), 0);
    int64_t deadline_ms = now_ms() + 30000;
    while (taken + totals_of(queue).dropped < 4000 && now_ms() < deadline_ms) {
        struct ingest_item *items = ingest_queue_take(queue, 16, 5);
        for (const struct ingest_item *item = items; item != NULL; item = item->next)
            taken++;
        ingest_queue_done(queue, items);
    }
    for (size_t i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(taken + totals_of(queue).dropped, 4000);
    assert_int_equal(totals_of(queue).frames, 0);
}

/* Against a plain model: totals and order hold whatever comes. */
static void random_traffic_keeps_the_bounds(void **state)
{
    struct ingest_queue *queue = *state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    int64_t last[8] = {0};
    size_t taken = 0;
    for (int64_t i = 1; i <= 20000; i++) {
        char node[4] = {'n', (char)('0' + rand_r(&seed) % 8), '\0'};
        put(queue, node, i, (size_t)rand_r(&seed) % 100000);
        assert_true(totals_of(queue).frames <= FRAMES && totals_of(queue).bytes <= BYTES);
        if (rand_r(&seed) % 20 != 0 && i != 20000)
            continue;
        struct ingest_item *items = ingest_queue_take(queue, (size_t)rand_r(&seed) % 40 + 1, 0);
        for (const struct ingest_item *item = items; item != NULL; item = item->next) {
            assert_true(item->received_utc_ms > last[item->node[1] - '0']);
            last[item->node[1] - '0'] = item->received_utc_ms;
            taken++;
        }
        ingest_queue_done(queue, items);
    }
    assert_int_equal(taken + totals_of(queue).frames + totals_of(queue).dropped, 20000);
}

static void map_finds_adds_and_removes(void **state)
{
    (void)state;
    enum { ENTRIES = 3000 };
    struct node_map map;
    struct node_map_entry *entries = calloc(ENTRIES, sizeof(*entries));
    char name[16];
    assert_int_equal(node_map_init(&map), 0);
    for (int i = 0; i < ENTRIES; i++) {
        (void)snprintf(name, sizeof(name), "node-%d", i);
        assert_null(node_map_find(&map, name));
        node_map_add(&map, &entries[i], name);
    }
    for (int i = 0; i < ENTRIES; i += 2)
        node_map_remove(&map, &entries[i]);
    assert_int_equal(map.n_entries, ENTRIES / 2);
    for (int i = 0; i < ENTRIES; i++) {
        (void)snprintf(name, sizeof(name), "node-%d", i);
        assert_ptr_equal(node_map_find(&map, name), i % 2 == 0 ? NULL : &entries[i]);
    }
    node_map_deinit(&map);
    free(entries);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(items_come_in_order),
        TEST(items_are_held_until_they_are_done),
        TEST(node_has_its_share_and_no_more),
        TEST(bytes_are_shared_too),
        TEST(overload_drops_from_the_node_that_has_most),
        TEST(only_frame_of_a_node_is_never_dropped),
        TEST(nodes_take_turns),
        TEST(drops_are_told_once),
        TEST(wait_ends_with_time_or_a_wake),
        TEST(threads_lose_nothing_uncounted),
        TEST(random_traffic_keeps_the_bounds),
        TEST(map_finds_adds_and_removes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
