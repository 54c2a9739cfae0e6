/*
 * The queue: a list of groups, each with an array of its frames. Only the last group grows. A
 * group that lost a frame is cut there: later frames of it cannot be decoded and are only counted.
 *
 * It does not know what is in a frame, nor who sends or when.
 */
#include "agent/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct entry {
    uint8_t *bytes;
    size_t size;
    uint64_t bytes_before; /* of the frames before it in the group */
    int64_t time_ms;
    uint32_t samples;
};

struct group {
    struct group *next;    /* the group after it */
    uint64_t key;          /* sequence of entries[0] */
    struct entry *entries; /* sequences without a gap */
    size_t n, capacity;
    uint64_t bytes;
};

struct queue {
    pthread_mutex_t lock;
    uint64_t stream;
    uint64_t max_bytes;
    struct group *first, *last;
    uint64_t acked;
    uint64_t last_sequence;
    uint64_t open_key; /* the group that may still grow, the last one; 0: none */
    uint64_t cut_key;  /* the group whose further frames are dropped; 0: none */
    enum drop_reason cut_reason;
    uint64_t frames, bytes; /* of all frames held */
    uint64_t cost;          /* the same with bookkeeping: what max_bytes bounds */
    struct drop_total drops[DROP_REASONS];
};

static uint64_t entry_cost(const struct entry *entry)
{
    return entry->size + sizeof(*entry);
}

struct queue *queue_new(uint64_t stream, uint64_t max_bytes)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return NULL;
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        free(queue);
        return NULL;
    }
    queue->stream = stream;
    queue->max_bytes = max_bytes;
    return queue;
}

/* Frees the group's entries from index `keep` on. */
static void group_truncate(struct queue *queue, struct group *group, size_t keep)
{
    while (group->n > keep) {
        struct entry *entry = &group->entries[--group->n];
        queue->frames--;
        queue->bytes -= entry->size;
        queue->cost -= entry_cost(entry);
        group->bytes -= entry->size;
        free(entry->bytes);
    }
}

/* Takes a group out of the list and frees it. `before` is NULL for the first one. */
static void group_remove(struct queue *queue, struct group *before, struct group *group)
{
    group_truncate(queue, group, 0);
    if (before == NULL)
        queue->first = group->next;
    else
        before->next = group->next;
    if (queue->last == group)
        queue->last = before;
    queue->cost -= sizeof(*group);
    free(group->entries);
    free(group);
}

void queue_free(struct queue *queue)
{
    if (queue == NULL)
        return;
    while (queue->first != NULL)
        group_remove(queue, NULL, queue->first);
    (void)pthread_mutex_destroy(&queue->lock); /* cannot fail: nobody holds it any more */
    free(queue);
}

/* How many of the group's frames are acked. */
static size_t group_acked(const struct queue *queue, const struct group *group)
{
    if (queue->acked < group->key)
        return 0;
    uint64_t n = queue->acked - group->key + 1;
    return n < group->n ? (size_t)n : group->n;
}

static void free_acked(struct queue *queue)
{
    while (queue->first != NULL && queue->first->key != queue->open_key &&
           group_acked(queue, queue->first) == queue->first->n)
        group_remove(queue, NULL, queue->first);
}

static void count_drop(struct queue *queue, enum drop_reason reason, uint32_t samples)
{
    queue->drops[reason].frames++;
    queue->drops[reason].samples += samples;
}

/* The open group goes on without its next frames. */
static void cut(struct queue *queue, uint64_t key, enum drop_reason reason)
{
    queue->open_key = 0;
    queue->cut_key = key;
    queue->cut_reason = reason;
}

/* Drops the group's frames from index `keep` on; those that are acked are safe and not counted. */
static void group_drop(struct queue *queue, struct group *group, size_t keep,
                       enum drop_reason reason)
{
    size_t acked = group_acked(queue, group);
    for (size_t i = keep > acked ? keep : acked; i < group->n; i++)
        count_drop(queue, reason, group->entries[i].samples);
    if (group->key == queue->open_key)
        cut(queue, group->key, reason);
    group_truncate(queue, group, keep);
}

/* Makes room for a frame by dropping groups from the oldest on, at worst the frame's own. */
static void make_room(struct queue *queue, uint64_t cost)
{
    while (queue->first != NULL && queue->cost + cost > queue->max_bytes) {
        group_drop(queue, queue->first, 0, DROP_SPOOL_FULL);
        group_remove(queue, NULL, queue->first);
    }
}

static int group_append(struct queue *queue, struct group *group, const struct encoded_frame *frame)
{
    if (group->n == group->capacity) {
        size_t capacity = group->capacity == 0 ? 16 : group->capacity * 2;
        struct entry *entries = reallocarray(group->entries, capacity, sizeof(*entries));
        if (entries == NULL)
            return -ENOMEM;
        group->entries = entries;
        group->capacity = capacity;
    }
    struct entry entry = {.bytes = malloc(frame->size),
                          .size = frame->size,
                          .bytes_before = group->bytes,
                          .time_ms = frame->time_ms,
                          .samples = frame->samples};
    if (entry.bytes == NULL)
        return -ENOMEM;
    memcpy(entry.bytes, frame->bytes, frame->size);
    group->entries[group->n++] = entry;
    group->bytes += entry.size;
    queue->frames++;
    queue->bytes += entry.size;
    queue->cost += entry_cost(&entry);
    return 0;
}

/* Begins a group with its key frame; it is in the list only if that worked. */
static int group_begin(struct queue *queue, const struct encoded_frame *frame)
{
    struct group *group = calloc(1, sizeof(*group));
    if (group == NULL)
        return -ENOMEM;
    group->key = frame->key;
    int r = group_append(queue, group, frame);
    if (r != 0) {
        free(group->entries);
        free(group);
        return r;
    }
    if (queue->last == NULL)
        queue->first = group;
    else
        queue->last->next = group;
    queue->last = group;
    queue->cost += sizeof(*group);
    queue->open_key = group->key;
    return 0;
}

static int store(struct queue *queue, const struct encoded_frame *frame)
{
    uint64_t cost = frame->size + sizeof(struct entry) + sizeof(struct group);
    if (cost > queue->max_bytes)
        return -EMSGSIZE;
    make_room(queue, cost);
    if (frame->key == frame->sequence)
        return group_begin(queue, frame);
    if (queue->last == NULL || queue->last->key != frame->key) /* even its own group had to go */
        return QUEUE_CUT;
    return group_append(queue, queue->last, frame);
}

static bool is_in_order(const struct queue *queue, const struct encoded_frame *frame)
{
    if (frame->sequence <= queue->last_sequence || frame->key > frame->sequence)
        return false;
    if (frame->key == frame->sequence || frame->key == queue->cut_key)
        return true;
    return frame->key == queue->open_key && frame->sequence == queue->last_sequence + 1;
}

static int append(struct queue *queue, const struct encoded_frame *frame)
{
    if (frame->size == 0 || !is_in_order(queue, frame))
        return -EINVAL;
    int r = frame->key == queue->cut_key ? QUEUE_CUT : store(queue, frame);
    if (r < 0) {
        queue->open_key = 0; /* a group begins next, and its first frame may have this number */
        count_drop(queue, r == -EMSGSIZE ? DROP_TOO_LARGE : DROP_SPOOL_FULL, frame->samples);
    } else {
        queue->last_sequence = frame->sequence;
    }
    if (r == QUEUE_CUT)
        count_drop(queue, queue->cut_reason, frame->samples);
    free_acked(queue); /* a group that began or was cut ends the one before */
    return r;
}

int queue_append(struct queue *queue, const struct encoded_frame *frame)
{
    (void)pthread_mutex_lock(&queue->lock); /* cannot fail on a mutex of the default kind */
    int r = append(queue, frame);
    (void)pthread_mutex_unlock(&queue->lock);
    return r;
}

static struct group *group_at(const struct queue *queue, uint64_t sequence)
{
    struct group *group = queue->first;
    while (group != NULL && group->key + group->n <= sequence)
        group = group->next;
    return group;
}

static int copy_frame(const struct queue *queue, const struct group *group, size_t i,
                      struct queue_frame *frame_out)
{
    const struct entry *entry = &group->entries[i];
    buffer_clear(&frame_out->bytes);
    buffer_append(&frame_out->bytes, entry->bytes, entry->size);
    if (buffer_failed(&frame_out->bytes))
        return -ENOMEM;
    frame_out->sequence = group->key + i;
    frame_out->key = group->key;
    frame_out->samples = entry->samples;
    frame_out->time_ms = entry->time_ms;
    frame_out->first = queue->first->key;
    frame_out->is_last_of_group = i + 1 == group->n && group->key != queue->open_key;
    return 0;
}

int queue_read(struct queue *queue, uint64_t sequence, struct queue_frame *frame_out)
{
    int r = QUEUE_EMPTY;
    (void)pthread_mutex_lock(&queue->lock);
    struct group *group = group_at(queue, sequence);
    if (group != NULL) {
        size_t i = sequence > group->key ? (size_t)(sequence - group->key) : 0;
        r = copy_frame(queue, group, i, frame_out);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return r;
}

void queue_ack(struct queue *queue, uint64_t sequence)
{
    (void)pthread_mutex_lock(&queue->lock);
    if (sequence <= queue->last_sequence) {
        queue->acked = sequence;
        free_acked(queue);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_drop_group(struct queue *queue, uint64_t sequence, enum drop_reason reason)
{
    (void)pthread_mutex_lock(&queue->lock);
    struct group *before = NULL;
    struct group *group = queue->first;
    while (group != NULL && group->key + group->n <= sequence) {
        before = group;
        group = group->next;
    }
    if (group != NULL && group->key <= sequence) {
        group_drop(queue, group, (size_t)(sequence - group->key), reason);
        if (group->n == 0)
            group_remove(queue, before, group);
        free_acked(queue);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

void queue_set_bound(struct queue *queue, uint64_t max_bytes)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->max_bytes = max_bytes;
    (void)pthread_mutex_unlock(&queue->lock);
}

/* Adds what the group has unacked. */
static void add_unacked(const struct queue *queue, const struct group *group,
                        struct queue_state *state)
{
    size_t acked = group_acked(queue, group);
    if (acked == group->n)
        return;
    const struct entry *oldest = &group->entries[acked];
    state->unacked_frames += group->n - acked;
    state->unacked_bytes += group->bytes - oldest->bytes_before;
    if (state->oldest_unacked_ms == INT64_MAX)
        state->oldest_unacked_ms = oldest->time_ms;
}

void queue_state(struct queue *queue, struct queue_state *state_out)
{
    (void)pthread_mutex_lock(&queue->lock);
    *state_out = (struct queue_state){.stream = queue->stream,
                                      .first = queue->first == NULL ? 0 : queue->first->key,
                                      .last = queue->last_sequence,
                                      .acked = queue->acked,
                                      .frames = queue->frames,
                                      .bytes = queue->bytes,
                                      .oldest_unacked_ms = INT64_MAX};
    memcpy(state_out->drops, queue->drops, sizeof(queue->drops));
    for (const struct group *group = queue->first; group != NULL; group = group->next)
        add_unacked(queue, group, state_out);
    (void)pthread_mutex_unlock(&queue->lock);
}
