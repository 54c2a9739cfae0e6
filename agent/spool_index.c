#include "agent/spool_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void sum_add(struct spool_sum *sum, const struct spool_sum *more)
{
    sum->frames += more->frames;
    sum->bytes += more->bytes;
    sum->samples += more->samples;
}

static void sum_subtract(struct spool_sum *sum, const struct spool_sum *less)
{
    sum->frames -= less->frames;
    sum->bytes -= less->bytes;
    sum->samples -= less->samples;
}

/* Sets a group's sum, and the total over all groups with it. */
static void sum_set(struct spool_sum *total, struct spool_sum *sum, struct spool_sum value)
{
    sum_subtract(total, sum);
    sum_add(total, &value);
    *sum = value;
}

static struct spool_sum part_sum(const struct spool_part *part)
{
    if (part->first == 0)
        return (struct spool_sum){0};
    return (struct spool_sum){
        .frames = part->last - part->first + 1, .bytes = part->bytes, .samples = part->samples};
}

/* --- streams --- */

int spool_index_set_clock(struct spool_stream *stream, const void *clock, size_t size)
{
    void *copy = NULL;
    if (size > 0) {
        copy = malloc(size);
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, clock, size);
    }
    free(stream->clock);
    stream->clock = copy;
    stream->clock_bytes = size;
    return 0;
}

struct spool_stream *spool_index_add_stream(struct spool_index *index,
                                            const struct spool_tier_stream *stream,
                                            const struct spool_stream *live)
{
    struct spool_stream *added = calloc(1, sizeof(*added));
    if (added == NULL)
        return NULL;
    added->stream = stream->stream;
    added->ordinal = stream->ordinal;
    if (spool_index_set_clock(added, stream->clock, stream->clock_bytes) != 0) {
        free(added);
        return NULL;
    }
    (void)snprintf(added->boot, sizeof(added->boot), "%s", stream->boot);
    struct spool_stream **at = &index->first;
    while (*at != NULL && *at != live && (*at)->ordinal <= stream->ordinal)
        at = &(*at)->next;
    added->next = *at;
    *at = added;
    if (added->next == NULL)
        index->last = added;
    return added;
}

struct spool_stream *spool_index_stream(const struct spool_index *index, uint64_t stream)
{
    struct spool_stream *at = index->first;
    while (at != NULL && at->stream != stream)
        at = at->next;
    return at;
}

void spool_index_remove_stream(struct spool_index *index, struct spool_stream *stream)
{
    while (stream->first != NULL)
        spool_index_remove_group(index, stream, stream->first);
    struct spool_stream *before = NULL;
    for (struct spool_stream *at = index->first; at != stream; at = at->next)
        before = at;
    if (before == NULL)
        index->first = stream->next;
    else
        before->next = stream->next;
    if (index->last == stream)
        index->last = before;
    free(stream->clock);
    free(stream);
}

void spool_index_deinit(struct spool_index *index)
{
    while (index->first != NULL)
        spool_index_remove_stream(index, index->first);
}

/* --- groups --- */

struct spool_group *spool_index_group(const struct spool_stream *stream, uint64_t key)
{
    if (stream->last != NULL && stream->last->key == key)
        return stream->last; /* the one that grows */
    struct spool_group *group = stream->first;
    while (group != NULL && group->key != key)
        group = group->next;
    return group;
}

struct spool_group *spool_index_add_group(struct spool_stream *stream, uint64_t key)
{
    struct spool_group *group = spool_index_group(stream, key);
    if (group != NULL)
        return group;
    group = calloc(1, sizeof(*group));
    if (group == NULL)
        return NULL;
    group->key = key;
    struct spool_group **at = &stream->first;
    while (*at != NULL && (*at)->key < key)
        at = &(*at)->next;
    group->next = *at;
    *at = group;
    if (group->next == NULL)
        stream->last = group;
    return group;
}

void spool_index_remove_group(struct spool_index *index, struct spool_stream *stream,
                              struct spool_group *group)
{
    struct spool_group *before = NULL;
    for (struct spool_group *at = stream->first; at != group; at = at->next)
        before = at;
    if (before == NULL)
        stream->first = group->next;
    else
        before->next = group->next;
    if (stream->last == group)
        stream->last = before;
    for (int place = 0; place < SPOOL_PLACES; place++) {
        struct spool_sum sum = part_sum(&group->parts[place]);
        sum_subtract(&index->held[place], &sum);
    }
    sum_subtract(&index->acked, &group->acked);
    sum_subtract(&index->aside, &group->aside);
    free(group);
}

static void part_extend(struct spool_part *part, const struct spool_part *more)
{
    if (part->first == 0) {
        *part = *more;
        return;
    }
    part->last = more->last;
    part->bytes += more->bytes;
    part->samples += more->samples;
}

void spool_index_add(struct spool_index *index, struct spool_group *group, enum spool_place place,
                     const struct spool_part *part)
{
    struct spool_sum sum = part_sum(part);
    part_extend(&group->parts[place], part);
    sum_add(&index->held[place], &sum);
    sum_add(&group->held, &sum);
    if (group->aside_from == 0 || part->first < group->aside_from)
        return;
    sum_add(&index->aside, &sum);
    sum_add(&group->aside, &sum);
}

void spool_index_move(struct spool_index *index, struct spool_group *group, enum spool_place from,
                      enum spool_place to, const struct spool_part *part)
{
    struct spool_part *rest = &group->parts[from];
    struct spool_sum sum = part_sum(part);
    sum_subtract(&index->held[from], &sum);
    sum_add(&index->held[to], &sum);
    part_extend(&group->parts[to], part);
    if (part->last == rest->last) {
        *rest = (struct spool_part){0};
        return;
    }
    rest->first = part->last + 1;
    rest->bytes -= part->bytes;
    rest->samples -= part->samples;
}

void spool_index_truncate(struct spool_index *index, struct spool_group *group,
                          enum spool_place place)
{
    struct spool_sum before_aside = group->held;
    sum_subtract(&before_aside, &group->aside);
    for (enum spool_place i = place; i < SPOOL_PLACES; i++) {
        struct spool_sum lost = part_sum(&group->parts[i]);
        sum_subtract(&index->held[i], &lost);
        sum_subtract(&group->held, &lost);
        group->parts[i] = (struct spool_part){0};
    }
    struct spool_sum aside = {0};
    if (group->held.frames > before_aside.frames) {
        aside = group->held;
        sum_subtract(&aside, &before_aside);
    }
    sum_set(&index->aside, &group->aside, aside);
    if (group->acked.frames > group->held.frames)
        sum_set(&index->acked, &group->acked, group->held);
}

uint64_t spool_group_last(const struct spool_group *group)
{
    uint64_t last = 0;
    for (int place = 0; place < SPOOL_PLACES; place++)
        if (group->parts[place].last > last)
            last = group->parts[place].last;
    return last;
}

uint64_t spool_group_sendable(const struct spool_group *group)
{
    return group->aside_from != 0 ? group->aside_from - 1 : spool_group_last(group);
}

uint64_t spool_stream_last(const struct spool_stream *stream)
{
    return stream->last != NULL ? spool_group_last(stream->last) : 0;
}

/* --- what is acked --- */

bool spool_group_is_acked(const struct spool_stream *stream, const struct spool_group *group)
{
    uint64_t sendable = spool_group_sendable(group);
    return sendable < group->key || stream->acked >= sendable;
}

struct spool_group *spool_stream_unacked(const struct spool_stream *stream)
{
    struct spool_group *group = stream->first;
    while (group != NULL && spool_group_is_acked(stream, group))
        group = group->next;
    return group;
}

int64_t spool_stream_since_ms(const struct spool_stream *stream)
{
    const struct spool_group *group = spool_stream_unacked(stream);
    if (group == NULL)
        return INT64_MAX;
    if (stream->acked >= group->key)
        return stream->acked_ms;
    for (int place = 0; place < SPOOL_PLACES; place++)
        if (group->parts[place].first != 0)
            return group->parts[place].since_ms;
    return INT64_MAX;
}

struct spool_group *spool_index_marked(const struct spool_stream *stream, uint64_t acked)
{
    for (struct spool_group *group = stream->first; group != NULL; group = group->next)
        if (group->key <= acked && acked < spool_group_sendable(group))
            return group;
    return NULL;
}

static struct spool_sum acked_of(const struct spool_group *group, uint64_t acked,
                                 const struct spool_mark *mark)
{
    struct spool_sum sum = {0};
    if (acked < group->key)
        return sum;
    if (acked >= spool_group_sendable(group)) {
        sum = group->held;
        sum_subtract(&sum, &group->aside);
        return sum;
    }
    sum.frames = acked - group->key + 1;
    if (mark != NULL) {
        sum.bytes = mark->bytes_before;
        sum.samples = mark->samples_before;
    }
    return sum;
}

void spool_index_ack(struct spool_index *index, struct spool_stream *stream, uint64_t acked,
                     const struct spool_mark *mark)
{
    uint64_t changed = acked > stream->acked ? acked : stream->acked;
    stream->acked = acked;
    if (mark != NULL)
        stream->acked_ms = mark->time_ms;
    for (struct spool_group *group = stream->first; group != NULL && group->key <= changed;
         group = group->next)
        sum_set(&index->acked, &group->acked, acked_of(group, acked, mark));
}

void spool_index_set_aside(struct spool_index *index, struct spool_group *group, uint64_t from,
                           const struct spool_mark *mark)
{
    struct spool_sum aside = {0};
    group->aside_from = from;
    if (from != 0) {
        aside = group->held;
        const struct spool_sum before = {.frames = from - group->key,
                                         .bytes = mark != NULL ? mark->bytes_before : 0,
                                         .samples = mark != NULL ? mark->samples_before : 0};
        sum_subtract(&aside, &before);
    }
    sum_set(&index->aside, &group->aside, aside);
}
