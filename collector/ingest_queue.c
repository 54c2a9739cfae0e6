/*
 * Nodes with something waiting stand in two kinds of lists: a ring in which the writer serves them,
 * and one list per weight, so that the node with most is found without looking at all of them: a
 * fleet that comes back after an outage fills the queue with thousands of nodes.
 */
#include "collector/ingest_queue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/node_map.h"

struct waiting {
    struct node_map_entry entry;
    struct ingest_item *first, *last;
    size_t frames, bytes;
    size_t weight; /* the list it stands in */
    uint64_t dropped;
    struct waiting *heavier_next, *heavier_previous; /* of the same weight */
    struct waiting *ring_next;
};

struct ingest_queue {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool is_woken;
    struct node_map nodes;
    size_t frames_max, bytes_max, node_share;
    size_t frames, bytes; /* held, by the writer too */
    uint64_t dropped;
    uint64_t dropped_untold;
    struct waiting *ring_first, *ring_last;
    size_t weight_max, heaviest;
    struct waiting **by_weight;
};

struct ingest_item *ingest_item_new(enum ingest_kind kind, const char *node, size_t size)
{
    struct ingest_item *item = malloc(sizeof(*item) + size);
    if (item == NULL)
        return NULL;
    *item = (struct ingest_item){.kind = kind, .size = size};
    (void)snprintf(item->node, sizeof(item->node), "%s", node);
    return item;
}

static size_t cost_of(const struct ingest_item *item)
{
    return sizeof(*item) + item->size;
}

static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int r = pthread_condattr_init(&attributes);
    if (r != 0)
        return r;
    r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (r == 0)
        r = pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes); /* frees nothing on Linux */
    return r;
}

struct ingest_queue *ingest_queue_new(size_t frames_max, size_t bytes_max, size_t node_share)
{
    struct ingest_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return NULL;
    queue->frames_max = frames_max;
    queue->bytes_max = bytes_max;
    queue->node_share = node_share;
    queue->weight_max = 2 * frames_max / node_share + 1;
    queue->by_weight = calloc(queue->weight_max + 1, sizeof(struct waiting *));
    if (queue->by_weight == NULL || node_map_init(&queue->nodes) != 0 ||
        init_condition(&queue->arrived) != 0) {
        node_map_deinit(&queue->nodes);
        free(queue->by_weight);
        free(queue);
        return NULL;
    }
    (void)pthread_mutex_init(&queue->lock, NULL); /* cannot fail with these attributes */
    return queue;
}

static void free_items(struct ingest_item *item)
{
    while (item != NULL) {
        struct ingest_item *next = item->next;
        free(item);
        item = next;
    }
}

void ingest_queue_free(struct ingest_queue *queue)
{
    if (queue == NULL)
        return;
    for (struct waiting *node = queue->ring_first, *next; node != NULL; node = next) {
        next = node->ring_next;
        free_items(node->first);
        free(node);
    }
    node_map_deinit(&queue->nodes);
    (void)pthread_cond_destroy(&queue->arrived);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue->by_weight);
    free(queue);
}

/* --- lists by weight --- */

static size_t weight_of(const struct ingest_queue *queue, const struct waiting *node)
{
    size_t weight = node->frames + node->bytes / (queue->bytes_max / queue->frames_max + 1);
    return weight < queue->weight_max ? weight : queue->weight_max;
}

static void unlink_weight(struct ingest_queue *queue, struct waiting *node)
{
    if (node->heavier_previous != NULL)
        node->heavier_previous->heavier_next = node->heavier_next;
    else
        queue->by_weight[node->weight] = node->heavier_next;
    if (node->heavier_next != NULL)
        node->heavier_next->heavier_previous = node->heavier_previous;
}

static void link_weight(struct ingest_queue *queue, struct waiting *node)
{
    node->weight = weight_of(queue, node);
    node->heavier_previous = NULL;
    node->heavier_next = queue->by_weight[node->weight];
    if (node->heavier_next != NULL)
        node->heavier_next->heavier_previous = node;
    queue->by_weight[node->weight] = node;
    if (node->weight > queue->heaviest)
        queue->heaviest = node->weight;
}

static struct waiting *heaviest_node(struct ingest_queue *queue)
{
    while (queue->heaviest > 0 && queue->by_weight[queue->heaviest] == NULL)
        queue->heaviest--;
    return queue->by_weight[queue->heaviest];
}

/* --- nodes --- */

static struct waiting *pop_ring(struct ingest_queue *queue)
{
    struct waiting *node = queue->ring_first;
    queue->ring_first = node->ring_next;
    if (queue->ring_first == NULL)
        queue->ring_last = NULL;
    node->ring_next = NULL;
    return node;
}

static void push_ring(struct ingest_queue *queue, struct waiting *node)
{
    if (queue->ring_last != NULL)
        queue->ring_last->ring_next = node;
    else
        queue->ring_first = node;
    queue->ring_last = node;
}

static struct waiting *add_node(struct ingest_queue *queue, const char *id)
{
    struct waiting *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return NULL;
    node_map_add(&queue->nodes, &node->entry, id);
    link_weight(queue, node);
    push_ring(queue, node);
    return node;
}

/* The caller has the node's weight unlinked. */
static void append_item(struct waiting *node, struct ingest_item *item)
{
    item->next = NULL;
    item->previous = node->last;
    if (node->last != NULL)
        node->last->next = item;
    else
        node->first = item;
    node->last = item;
    node->frames++;
    node->bytes += cost_of(item);
}

static struct ingest_item *remove_last(struct waiting *node)
{
    struct ingest_item *item = node->last;
    node->last = item->previous;
    if (node->last != NULL)
        node->last->next = NULL;
    else
        node->first = NULL;
    node->frames--;
    node->bytes -= cost_of(item);
    return item;
}

static struct ingest_item *remove_first(struct waiting *node)
{
    struct ingest_item *item = node->first;
    node->first = item->next;
    if (node->first != NULL)
        node->first->previous = NULL;
    else
        node->last = NULL;
    node->frames--;
    node->bytes -= cost_of(item);
    item->next = item->previous = NULL;
    return item;
}

/* --- putting --- */

static void count_dropped(struct ingest_queue *queue, struct waiting *node)
{
    queue->dropped++;
    queue->dropped_untold++;
    if (node != NULL)
        node->dropped++;
}

static bool has_room(const struct ingest_queue *queue, const struct waiting *node,
                     const struct ingest_item *item)
{
    return node == NULL || (node->frames < queue->frames_max / queue->node_share &&
                            node->bytes + cost_of(item) <= queue->bytes_max / queue->node_share);
}

static bool is_full(const struct ingest_queue *queue, const struct ingest_item *item)
{
    return queue->frames >= queue->frames_max || queue->bytes + cost_of(item) > queue->bytes_max;
}

/* Drops the newest items of the node that has most, until the item fits; false where it is the
 * item's own node, or where each has no more than one. */
static bool make_room(struct ingest_queue *queue, const struct waiting *node,
                      const struct ingest_item *item)
{
    while (is_full(queue, item)) {
        struct waiting *heaviest = heaviest_node(queue);
        if (heaviest == NULL || heaviest->frames < 2 ||
            (node != NULL && node->weight >= heaviest->weight))
            return false;
        unlink_weight(queue, heaviest);
        struct ingest_item *dropped = remove_last(heaviest);
        link_weight(queue, heaviest);
        queue->frames--;
        queue->bytes -= cost_of(dropped);
        count_dropped(queue, heaviest);
        free(dropped);
    }
    return true;
}

static bool put(struct ingest_queue *queue, struct ingest_item *item)
{
    struct waiting *node = (struct waiting *)node_map_find(&queue->nodes, item->node);
    bool fits = has_room(queue, node, item) && make_room(queue, node, item);
    if (fits && node == NULL)
        node = add_node(queue, item->node);
    if (!fits || node == NULL) {
        count_dropped(queue, node);
        return false;
    }
    unlink_weight(queue, node);
    append_item(node, item);
    link_weight(queue, node);
    queue->frames++;
    queue->bytes += cost_of(item);
    return true;
}

void ingest_queue_put(struct ingest_queue *queue, struct ingest_item *item)
{
    pthread_mutex_lock(&queue->lock);
    bool is_taken = put(queue, item);
    if (is_taken)
        pthread_cond_signal(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
    if (!is_taken)
        free(item);
}

void ingest_queue_count_lost(struct ingest_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    count_dropped(queue, NULL);
    pthread_mutex_unlock(&queue->lock);
}

/* --- taking --- */

static void drop_node(struct ingest_queue *queue, struct waiting *node)
{
    unlink_weight(queue, node);
    node_map_remove(&queue->nodes, &node->entry);
    free(node);
}

static void take_turn(struct ingest_queue *queue, size_t max, struct ingest_item ***end)
{
    struct waiting *node = pop_ring(queue);
    unlink_weight(queue, node);
    for (size_t n = 0; n < max && node->first != NULL; n++) {
        **end = remove_first(node);
        *end = &(**end)->next;
    }
    link_weight(queue, node);
    if (node->first != NULL || node->dropped != 0)
        push_ring(queue, node);
    else
        drop_node(queue, node);
}

static size_t waiting_frames(const struct ingest_item *items)
{
    size_t n = 0;
    for (; items != NULL; items = items->next)
        n++;
    return n;
}

static struct ingest_item *take(struct ingest_queue *queue, size_t max)
{
    struct ingest_item *items = NULL;
    struct ingest_item **end = &items;
    size_t taken = 0;
    /* A node that is there only for its count of drops is met once per round: end after it. */
    for (size_t rounds = queue->nodes.n_entries * 2;
         queue->ring_first != NULL && rounds > 0 && taken < max; rounds--) {
        struct ingest_item **before = end;
        size_t left = max - taken;
        take_turn(queue, left < INGEST_QUEUE_TURN_FRAMES ? left : INGEST_QUEUE_TURN_FRAMES, &end);
        taken += waiting_frames(*before);
    }
    return items;
}

static struct timespec deadline_in(int64_t timeout_ms)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    int64_t ns = now.tv_nsec + timeout_ms % 1000 * 1000000;
    return (struct timespec){.tv_sec = now.tv_sec + timeout_ms / 1000 + ns / 1000000000,
                             .tv_nsec = ns % 1000000000};
}

struct ingest_item *ingest_queue_take(struct ingest_queue *queue, size_t max, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms > 0 ? timeout_ms : 0);
    pthread_mutex_lock(&queue->lock);
    struct ingest_item *items = take(queue, max);
    int r = 0;
    while (items == NULL && timeout_ms > 0 && !queue->is_woken && r == 0) {
        r = pthread_cond_timedwait(&queue->arrived, &queue->lock, &deadline);
        items = take(queue, max);
    }
    queue->is_woken = false;
    pthread_mutex_unlock(&queue->lock);
    return items;
}

void ingest_queue_done(struct ingest_queue *queue, struct ingest_item *items)
{
    size_t frames = 0;
    size_t bytes = 0;
    for (struct ingest_item *item = items, *next; item != NULL; item = next) {
        next = item->next;
        frames++;
        bytes += cost_of(item);
        free(item);
    }
    pthread_mutex_lock(&queue->lock);
    queue->frames -= frames;
    queue->bytes -= bytes;
    pthread_mutex_unlock(&queue->lock);
}

void ingest_queue_wake(struct ingest_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_woken = true;
    pthread_cond_signal(&queue->arrived);
    pthread_mutex_unlock(&queue->lock);
}

void ingest_queue_totals(struct ingest_queue *queue, struct ingest_queue_totals *totals_out)
{
    pthread_mutex_lock(&queue->lock);
    *totals_out = (struct ingest_queue_totals){
        .frames = queue->frames, .bytes = queue->bytes, .dropped = queue->dropped};
    pthread_mutex_unlock(&queue->lock);
}

struct dropped {
    char node[NODE_ID_BYTES_MAX + 1];
    uint64_t frames;
};

/* Takes the counts out; NULL where there are none, or no memory: they stay for the next time. */
static struct dropped *take_dropped(struct ingest_queue *queue, size_t *n_out)
{
    size_t n = 0;
    if (queue->dropped_untold == 0)
        return NULL;
    struct dropped *dropped = calloc(queue->nodes.n_entries + 1, sizeof(*dropped));
    if (dropped == NULL)
        return NULL;
    for (struct waiting *node = queue->ring_first; node != NULL; node = node->ring_next) {
        if (node->dropped == 0)
            continue;
        memcpy(dropped[n].node, node->entry.node, sizeof(dropped[n].node));
        dropped[n++].frames = node->dropped;
        node->dropped = 0;
    }
    queue->dropped_untold = 0;
    *n_out = n;
    return dropped;
}

void ingest_queue_dropped(struct ingest_queue *queue, ingest_queue_visit visit, void *context)
{
    size_t n = 0;
    pthread_mutex_lock(&queue->lock);
    struct dropped *dropped = take_dropped(queue, &n);
    pthread_mutex_unlock(&queue->lock);
    for (size_t i = 0; i < n; i++)
        visit(context, dropped[i].node, dropped[i].frames);
    free(dropped);
}
