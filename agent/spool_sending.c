/*
 * The spool's other side: what is to be sent, and what collectors said of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/spool_private.h"

/* --- reading --- */

static enum spool_place place_of(const struct spool_group *group, uint64_t sequence)
{
    enum spool_place place = SPOOL_STATE;
    while (place < SPOOL_PLACES &&
           (group->parts[place].first == 0 || sequence < group->parts[place].first ||
            sequence > group->parts[place].last))
        place++;
    return place;
}

/* Reads a frame that the index has; spool_tier_done_reading is due after 0. -EAGAIN: its file was
 * damaged, and the index is another one now. */
static int read_held(struct spool *spool, const struct spool_stream *stream,
                     const struct spool_group *group, uint64_t sequence,
                     struct spool_tier_frame *frame_out, struct spool_tier **tier_out)
{
    enum spool_place place = place_of(group, sequence);
    struct spool_tier *tier = &spool->homes[place].tier;
    int r = spool_tier_read(tier, stream->rows[place], sequence, frame_out);
    if (r == -ENOMEM)
        return r;
    if (r != 0) {
        spool_home_failed(spool, place, r);
        return -EAGAIN;
    }
    *tier_out = tier;
    return 0;
}

/* The first group with something that may be sent from `sequence` on. */
static struct spool_group *group_from(const struct spool_stream *stream, uint64_t sequence)
{
    struct spool_group *group = stream->first;
    while (group != NULL &&
           (spool_group_sendable(group) < sequence || spool_group_sendable(group) < group->key))
        group = group->next;
    return group;
}

/* Groups of which nothing is left to send are passed over: to a collector they are a gap. */
static uint64_t first_of(const struct spool_stream *stream)
{
    const struct spool_group *group = stream->first;
    while (group->next != NULL && group->aside_from != 0 && spool_group_is_acked(stream, group))
        group = group->next;
    return group->key;
}

static int fill(struct spool *spool, const struct spool_stream *stream,
                const struct spool_tier_frame *frame, struct spool_frame *frame_out)
{
    buffer_clear(&frame_out->bytes);
    buffer_append(&frame_out->bytes, frame->bytes, frame->size);
    if (buffer_failed(&frame_out->bytes))
        return -ENOMEM;
    frame_out->sequence = frame->sequence;
    frame_out->time_ms = frame->time_ms;
    frame_out->first = first_of(stream);
    frame_out->is_of_boot = strcmp(stream->boot, spool->boot) == 0;
    frame_out->last_ms = stream->last_ms;
    frame_out->clock = stream->clock;
    frame_out->clock_bytes = stream->clock_bytes;
    return 0;
}

int spool_read(struct spool *spool, uint64_t stream_id, uint64_t sequence,
               struct spool_frame *frame_out)
{
    for (;;) {
        struct spool_tier_frame frame;
        struct spool_tier *tier;
        const struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
        const struct spool_group *group = stream != NULL ? group_from(stream, sequence) : NULL;
        if (group == NULL)
            return SPOOL_EMPTY;
        uint64_t wanted = sequence > group->key ? sequence : group->key;
        int r = read_held(spool, stream, group, wanted, &frame, &tier);
        if (r == -EAGAIN) {
            spool_publish_state(spool);
            continue;
        }
        if (r != 0)
            return r;
        r = fill(spool, stream, &frame, frame_out);
        spool_tier_done_reading(tier);
        return r;
    }
}

void spool_position(const struct spool *spool, struct spool_position *position_out)
{
    const struct spool_stream *stream = spool->index.first;
    while (stream != spool->live && (stream->is_parked || spool_stream_unacked(stream) == NULL))
        stream = stream->next;
    *position_out = (struct spool_position){.stream = stream->stream, .acked = stream->acked};
}

/* --- acks --- */

int spool_mark(struct spool *spool, const struct spool_stream *stream,
               const struct spool_group *group, uint64_t sequence, struct spool_mark *mark_out)
{
    struct spool_tier_frame frame;
    struct spool_tier *tier;
    int r = read_held(spool, stream, group, sequence, &frame, &tier);
    if (r != 0)
        return r;
    *mark_out = (struct spool_mark){.bytes_before = frame.bytes_before,
                                    .samples_before = frame.samples_before,
                                    .time_ms = frame.time_ms};
    spool_tier_done_reading(tier);
    return 0;
}

int spool_set_acked(struct spool *spool, uint64_t stream_id, uint64_t acked)
{
    for (;;) {
        struct spool_mark mark;
        struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
        if (stream == NULL)
            return SPOOL_EMPTY;
        const struct spool_group *group = spool_index_marked(stream, acked);
        int r = group != NULL ? spool_mark(spool, stream, group, acked + 1, &mark) : 0;
        if (r == -EAGAIN)
            continue;
        if (r != 0)
            return r;
        spool_index_ack(&spool->index, stream, acked, group != NULL ? &mark : NULL);
        spool_stream_free_acked(spool, stream);
        return 0;
    }
}

int spool_ack(struct spool *spool, uint64_t stream_id, uint64_t sequence)
{
    const struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
    if (stream == NULL)
        return SPOOL_EMPTY;
    uint64_t last = stream == spool->live ? spool->last_sequence : spool_stream_last(stream);
    if (sequence > last)
        return SPOOL_EMPTY;
    if (sequence == stream->acked)
        return 0;
    int r = spool_set_acked(spool, stream_id, sequence);
    spool_publish_state(spool);
    return r == -ENOMEM ? 0 : r; /* the next ack says it again */
}

/* --- refused --- */

/* The group that holds a sequence, to be sent. */
static struct spool_group *group_of(const struct spool_stream *stream, uint64_t sequence)
{
    struct spool_group *group = group_from(stream, sequence);
    return group != NULL && group->key <= sequence ? group : NULL;
}

static void write_aside(struct spool *spool, const struct spool_stream *stream,
                        const struct spool_group *group)
{
    for (enum spool_place place = 0; place < SPOOL_PLACES; place++) {
        const struct spool_part *part = &group->parts[place];
        if (part->first == 0 || !spool_home_is_usable(spool, place))
            continue;
        int r = spool_group_write(spool, stream, group, part, place);
        if (r == 0)
            continue;
        spool_home_failed(spool, place, r); /* after a restart the collector refuses it again */
        return;
    }
}

/* The frame and what follows it in its group is not sent any more. Whether that is known now. */
static bool keep_back(struct spool *spool, struct spool_stream *stream, uint64_t sequence,
                      uint64_t collector)
{
    struct spool_group *group = group_of(stream, sequence);
    struct spool_mark mark = {0};
    if (group == NULL ||
        (sequence > group->key && spool_mark(spool, stream, group, sequence, &mark) != 0))
        return false; /* the collector or broker says it again */
    spool_index_set_aside(&spool->index, group, sequence, &mark);
    group->collector = collector;
    if (collector == SPOOL_NOBODY)
        spool_count_drop(spool, DROP_TOO_LARGE, group->aside.frames, group->aside.samples);
    bool is_open = stream == spool->live && group->key == spool->open_key;
    if (is_open && collector == SPOOL_NOBODY)
        spool_cut(spool, group->key, DROP_TOO_LARGE);
    else if (is_open)
        spool->is_open_aside = true;
    write_aside(spool, stream, group);
    return true;
}

void spool_set_aside(struct spool *spool, uint64_t stream_id, uint64_t sequence, uint64_t collector)
{
    struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
    if (stream != NULL && keep_back(spool, stream, sequence, collector))
        spool_publish_state(spool);
}

void spool_drop_too_large(struct spool *spool, uint64_t stream_id, uint64_t sequence)
{
    struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
    if (stream == NULL || !keep_back(spool, stream, sequence, SPOOL_NOBODY))
        return;
    stream = spool_index_stream(&spool->index, stream_id);
    if (stream != NULL)
        spool_stream_free_acked(spool, stream);
    spool_publish_state(spool);
}

bool spool_park(struct spool *spool, uint64_t stream_id)
{
    struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
    if (stream == NULL || stream == spool->live)
        return false;
    stream->is_parked = true;
    spool_publish_state(spool);
    return true;
}

/* --- another collector --- */

/* Offers the stream's refused groups again, from `from` on. */
static void offer_again(struct spool *spool, struct spool_stream *stream, uint64_t from)
{
    stream->is_parked = false;
    for (struct spool_group *group = stream->first; group != NULL; group = group->next)
        if (group->aside_from >= from && group->aside_from != 0 && group->collector != SPOOL_NOBODY)
            spool_index_set_aside(&spool->index, group, 0, NULL);
}

/* To another store all is new; another version of the same one has passed over what lies before
 * the frames that it acked. */
static void offer_all_again(struct spool *spool, bool is_other_store)
{
    for (struct spool_stream *stream = spool->index.first; stream != NULL; stream = stream->next) {
        offer_again(spool, stream, is_other_store ? 0 : stream->acked + 1);
        if (is_other_store) /* from a group's first on, so that no mark is needed */
            spool_index_ack(&spool->index, stream, 0, NULL);
    }
}

bool spool_meet(struct spool *spool, uint64_t collector, const char *version)
{
    bool is_other_store = spool->collector != 0 && spool->collector != collector;
    bool is_other = is_other_store || (spool->version[0] != '\0' && version[0] != '\0' &&
                                       strcmp(spool->version, version) != 0);
    spool->collector = collector;
    if (version[0] != '\0')
        (void)snprintf(spool->version, sizeof(spool->version), "%s", version);
    if (is_other)
        offer_all_again(spool, is_other_store);
    spool_publish_state(spool);
    return is_other;
}
