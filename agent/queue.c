#include "agent/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct entry {
    struct entry *next;
    struct encoded_frame frame;
    uint8_t bytes[];
};

struct queue {
    pthread_mutex_t lock;
    uint64_t max_bytes;
    struct entry *first, *last;
    struct queue_state state;
};

static void lock(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock); /* cannot fail on a mutex of the default kind */
}

static void unlock(struct queue *queue)
{
    (void)pthread_mutex_unlock(&queue->lock);
}

struct queue *queue_new(uint64_t max_bytes)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return NULL;
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        free(queue);
        return NULL;
    }
    queue->max_bytes = max_bytes;
    return queue;
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    while (queue->first != NULL)
        queue_pop(queue);
    (void)pthread_mutex_destroy(&queue->lock); /* cannot fail: nobody holds it any more */
    free(queue);
}

static struct entry *entry_new(const struct encoded_frame *frame)
{
    struct entry *entry = malloc(sizeof(*entry) + frame->size);
    if (entry == NULL)
        return NULL;
    entry->next = NULL;
    entry->frame = *frame;
    entry->frame.bytes = entry->bytes;
    memcpy(entry->bytes, frame->bytes, frame->size);
    return entry;
}

static uint64_t cost(const struct queue *queue)
{
    return queue->state.bytes + queue->state.frames * sizeof(struct entry);
}

static void refuse(struct queue *queue, const struct encoded_frame *frame)
{
    queue->state.refused.frames++;
    queue->state.refused.samples += frame->samples;
}

static void add(struct queue *queue, struct entry *entry)
{
    if (queue->last == NULL)
        queue->first = entry;
    else
        queue->last->next = entry;
    queue->last = entry;
    queue->state.last = entry->frame.sequence;
    queue->state.frames++;
    queue->state.bytes += entry->frame.size;
}

int queue_append(struct queue *queue, const struct encoded_frame *frame)
{
    struct entry *entry = entry_new(frame);
    int r = entry == NULL ? -ENOMEM : 0;
    lock(queue);
    if (r == 0 && cost(queue) + sizeof(*entry) + frame->size > queue->max_bytes)
        r = -ENOBUFS;
    if (r == 0)
        add(queue, entry);
    else
        refuse(queue, frame);
    unlock(queue);
    if (r != 0)
        free(entry);
    return r;
}

const struct encoded_frame *queue_peek(struct queue *queue)
{
    lock(queue);
    const struct entry *entry = queue->first;
    unlock(queue);
    return entry == NULL ? NULL : &entry->frame;
}

void queue_pop(struct queue *queue)
{
    lock(queue);
    struct entry *entry = queue->first;
    queue->first = entry->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->state.frames--;
    queue->state.bytes -= entry->frame.size;
    unlock(queue);
    free(entry);
}

void queue_set_bound(struct queue *queue, uint64_t max_bytes)
{
    lock(queue);
    queue->max_bytes = max_bytes;
    unlock(queue);
}

void queue_state(struct queue *queue, struct queue_state *state_out)
{
    lock(queue);
    *state_out = queue->state;
    unlock(queue);
}
