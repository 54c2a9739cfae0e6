/*
 * The spool's life and its near side: frames come in. See spool_index.h for what is known of them,
 * spool_tier.h for where they lie.
 */
#include "agent/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/spool_private.h"

/* --- state --- */

static int64_t oldest_ms(const struct spool *spool)
{
    for (const struct spool_stream *stream = spool->index.first; stream != NULL;
         stream = stream->next) {
        int64_t since = stream->is_parked ? INT64_MAX : spool_stream_since_ms(stream);
        if (since == INT64_MAX)
            continue;
        return strcmp(stream->boot, spool->boot) == 0 ? since : 0;
    }
    return INT64_MAX;
}

static uint64_t count_streams(const struct spool *spool)
{
    uint64_t n = 0;
    for (const struct spool_stream *stream = spool->index.first; stream != NULL;
         stream = stream->next)
        n++;
    return n;
}

void spool_publish_state(struct spool *spool)
{
    const struct spool_index *index = &spool->index;
    struct spool_state state = {.aside_frames = index->aside.frames,
                                .oldest_unacked_ms = oldest_ms(spool),
                                .streams = count_streams(spool),
                                .damaged = spool->damaged,
                                .flushes = spool->flushes,
                                .is_durable = true,
                                .is_cut = spool->cut_key != 0 || spool->is_open_aside};
    uint64_t frames = 0;
    uint64_t bytes = 0;
    for (enum spool_place place = 0; place < SPOOL_PLACES; place++) {
        state.held[place] = index->held[place];
        frames += index->held[place].frames;
        bytes += index->held[place].bytes;
    }
    for (enum spool_place place = 0; place < SPOOL_MEMORY; place++)
        state.is_durable &=
            spool->homes[place].directory != NULL && !spool->homes[place].is_failing;
    state.unacked_frames = frames - index->acked.frames - index->aside.frames;
    state.unacked_bytes = bytes - index->acked.bytes - index->aside.bytes;
    memcpy(state.drops, spool->drops, sizeof(state.drops));
    (void)pthread_mutex_lock(&spool->lock); /* cannot fail on a mutex of the default kind */
    spool->state = state;
    (void)pthread_mutex_unlock(&spool->lock);
}

void spool_state(struct spool *spool, struct spool_state *state_out)
{
    (void)pthread_mutex_lock(&spool->lock);
    *state_out = spool->state;
    (void)pthread_mutex_unlock(&spool->lock);
}

/* --- frames come in --- */

/* Where the group's next frame may go at best: behind those that it has. */
static enum spool_place best_place(const struct spool_group *group)
{
    bool is_in_memory = group != NULL && group->parts[SPOOL_MEMORY].first != 0;
    return is_in_memory ? SPOOL_MEMORY : SPOOL_RUNTIME;
}

/* What a place needs for a frame. */
static int prepare_place(struct spool *spool, enum spool_place place, size_t size)
{
    bool fits = false;
    uint64_t bytes = size + SPOOL_FRAME_COST_BYTES;
    int r = spool_tier_fits(&spool->homes[place].tier, bytes, spool->bounds[place], &fits);
    if (r != 0 || fits)
        return r;
    spool_flush(spool, true); /* rather than drop it */
    if (!spool_tier_is_open(&spool->homes[place].tier))
        return SPOOL_TIER_FULL;
    return spool_make_room(spool, place, bytes);
}

struct append {
    const struct encoded_frame *frame;
    enum spool_place place;
    struct spool_part part;   /* the frame alone */
    struct spool_group group; /* as it will be */
    int64_t row;
};

static int write_frame(struct spool *spool, struct append *append)
{
    struct spool_home *home = &spool->homes[append->place];
    struct spool_stream *live = spool->live;
    const struct encoded_frame *frame = append->frame;
    const struct spool_tier_frame row = {.sequence = frame->sequence,
                                         .time_ms = frame->time_ms,
                                         .samples = frame->samples,
                                         .bytes_before = append->group.held.bytes,
                                         .samples_before = append->group.held.samples,
                                         .bytes = frame->bytes,
                                         .size = frame->size};
    struct spool_part whole = append->group.parts[append->place];
    if (whole.first == 0)
        whole = append->part;
    whole.last = frame->sequence;
    whole.bytes += append->group.parts[append->place].first == 0 ? 0 : frame->size;
    whole.samples += append->group.parts[append->place].first == 0 ? 0 : frame->samples;
    struct spool_stream written = *live;
    int r = spool_tier_begin(&home->tier);
    if (r == 0)
        r = spool_stream_row(spool, live, append->place, &append->row);
    written.rows[append->place] = append->row;
    if (r == 0)
        r = spool_tier_add_frame(&home->tier, append->row, &row);
    if (r == 0)
        r = spool_group_write(spool, &written, &append->group, &whole, append->place);
    return r == 0 ? spool_tier_commit(&home->tier) : r;
}

/* Into the index, once it is committed. */
static int note_frame(struct spool *spool, const struct append *append, struct spool_group *group)
{
    struct spool_stream *live = spool->live;
    const struct encoded_frame *frame = append->frame;
    live->rows[append->place] = append->row;
    if (live->acked + 1 == frame->sequence)
        live->acked_ms = frame->time_ms;
    spool_index_add(&spool->index, group, append->place, &append->part);
    spool->last_sequence = frame->sequence;
    spool->open_key = group->key;
    spool->cut_key = 0;
    spool->lacks_clock[append->place] = false;
    if (frame->key == frame->sequence) {
        spool->is_open_aside = false;
        spool_stream_free_acked(spool, live); /* it ends the group before */
    }
    return 0;
}

/* 0, -ENOMEM, or what failed, which is taken care of. */
static int append_at(struct spool *spool, const struct encoded_frame *frame, enum spool_place place)
{
    int r = prepare_place(spool, place, frame->size);
    if (r != 0 || (frame->key != frame->sequence && frame->key != spool->open_key))
        return r; /* its own group had to go */
    struct append append = {.frame = frame,
                            .place = place,
                            .part = {.first = frame->sequence,
                                     .last = frame->sequence,
                                     .bytes = frame->size,
                                     .samples = frame->samples,
                                     .since_ms = frame->time_ms},
                            .group = {.key = frame->key}};
    struct spool_group *group = spool_index_add_group(spool->live, frame->key);
    if (group == NULL)
        return -ENOMEM;
    append.group = *group;
    r = write_frame(spool, &append);
    if (r == 0)
        return note_frame(spool, &append, group);
    if (group->held.frames == 0)
        spool_index_remove_group(&spool->index, spool->live, group);
    return r;
}

static int append_somewhere(struct spool *spool, const struct encoded_frame *frame)
{
    const struct spool_group *group = spool_index_group(spool->live, frame->key);
    for (enum spool_place place = best_place(group); place < SPOOL_PLACES; place++) {
        if (!spool_home_is_usable(spool, place))
            continue;
        int r = append_at(spool, frame, place);
        if (r == 0)
            spool_home_worked(spool, place);
        else
            spool_home_failed(spool, place, r);
        if (r == 0 || r == -ENOMEM)
            return r;
        if (frame->key != frame->sequence && frame->key != spool->open_key)
            return 0; /* what came before it in its group was lost */
    }
    return -ENOMEM; /* not even memory takes it */
}

static bool is_in_order(const struct spool *spool, const struct encoded_frame *frame)
{
    if (frame->size == 0 || frame->sequence <= spool->last_sequence || frame->key > frame->sequence)
        return false;
    if (frame->key == frame->sequence || frame->key == spool->cut_key)
        return true;
    return frame->key == spool->open_key && frame->sequence == spool->last_sequence + 1;
}

static int take(struct spool *spool, const struct encoded_frame *frame)
{
    if (!is_in_order(spool, frame))
        return -EINVAL;
    int r = frame->key == spool->cut_key ? 0 : append_somewhere(spool, frame);
    if (r != 0)
        return r;
    if (spool->last_sequence == frame->sequence)
        return 0;
    spool->last_sequence = frame->sequence;
    spool_count_drop(spool, spool->cut_reason, 1, frame->samples);
    return SPOOL_CUT;
}

int spool_append(struct spool *spool, const struct encoded_frame *frame)
{
    int r = take(spool, frame);
    spool_publish_state(spool);
    return r;
}

/* --- turning --- */

static void count_refused(struct spool *spool, struct queue *queue)
{
    struct queue_state state;
    queue_state(queue, &state);
    spool_count_drop(spool, DROP_SPOOL_FULL, state.refused.frames - spool->refused.frames,
                     state.refused.samples - spool->refused.samples);
    spool->refused = state.refused;
}

/* The state directory's file takes no memory while nothing lies in it. */
static void close_empty(struct spool *spool)
{
    const struct spool_home *home = &spool->homes[SPOOL_STATE];
    if (spool_tier_is_open(&home->tier) && spool->index.held[SPOOL_STATE].frames == 0 &&
        !home->is_failing && !home->lacks_drops && !home->has_leftovers)
        spool_home_rest(spool, SPOOL_STATE);
}

bool spool_turn(struct spool *spool, struct queue *queue)
{
    const struct encoded_frame *frame = NULL;
    for (int i = 0; i < SPOOL_TURN_FRAMES_MAX && (frame = queue_peek(queue)) != NULL; i++) {
        if (take(spool, frame) == -ENOMEM)
            break; /* it waits in the queue */
        queue_pop(queue);
    }
    count_refused(spool, queue);
    spool_leave_memory(spool);
    spool_flush(spool, false);
    spool_catch_up(spool);
    close_empty(spool);
    spool_publish_state(spool);
    return queue_peek(queue) != NULL;
}

static void earlier(int64_t *at, int64_t other)
{
    if (other < *at)
        *at = other;
}

int64_t spool_deadline_ms(const struct spool *spool)
{
    int64_t at = spool->flush_ms;
    for (enum spool_place place = 0; place < SPOOL_MEMORY; place++)
        if (spool->homes[place].is_failing)
            earlier(&at, spool->homes[place].retry_ms);
    return at;
}

void spool_set_clock(struct spool *spool, const void *clock, size_t clock_bytes)
{
    struct spool_stream *live = spool->live;
    bool is_known = live->clock_bytes == clock_bytes &&
                    (clock_bytes == 0 || memcmp(live->clock, clock, clock_bytes) == 0);
    if (!is_known && clock_bytes <= SPOOL_CLOCK_BYTES_MAX &&
        spool_index_set_clock(live, clock, clock_bytes) == 0)
        memset(spool->lacks_clock, true, sizeof(spool->lacks_clock));
}

const void *spool_kept_clock(const struct spool *spool, size_t *bytes_out)
{
    const struct spool_stream *found = NULL;
    for (const struct spool_stream *stream = spool->index.first; stream != spool->live;
         stream = stream->next)
        if (stream->clock_bytes > 0 && strcmp(stream->boot, spool->boot) == 0)
            found = stream;
    *bytes_out = found != NULL ? found->clock_bytes : 0;
    return found != NULL ? found->clock : NULL;
}

void spool_set_bounds(struct spool *spool, const struct spool_bounds *bounds)
{
    spool->bounds[SPOOL_STATE] = bounds->max_bytes - SPOOL_RESERVE_BYTES;
    spool->bounds[SPOOL_RUNTIME] = bounds->memory_bytes;
    spool->bounds[SPOOL_MEMORY] = bounds->memory_bytes;
    spool->flush_after_ms = bounds->flush_after_ms;
    spool->flush_ms = 0;
}

/* --- opening and closing --- */

static int init_home(struct spool_home *home, const char *directory)
{
    home->lock = -1;
    if (directory == NULL)
        return 0;
    home->directory = strdup(directory);
    if (home->directory == NULL || asprintf(&home->path, "%s/" SPOOL_FILE, directory) < 0)
        return -ENOMEM;
    return 0;
}

/* Sums over what was found, and what is acked of it goes. */
static int settle_stream(struct spool *spool, struct spool_stream *stream)
{
    uint64_t acked = stream->acked;
    struct spool_mark last = {0};
    if (stream->last != NULL) {
        int r = spool_mark(spool, stream, stream->last, spool_group_last(stream->last), &last);
        if (r != 0)
            return r;
        stream->last_ms = last.time_ms;
    }
    for (struct spool_group *group = stream->first; group != NULL; group = group->next) {
        struct spool_mark mark = {0};
        if (group->aside_from == 0)
            continue;
        int r = group->aside_from > group->key
                    ? spool_mark(spool, stream, group, group->aside_from, &mark)
                    : 0;
        if (r != 0)
            return r;
        spool_index_set_aside(&spool->index, group, group->aside_from, &mark);
    }
    spool_index_ack(&spool->index, stream, 0, NULL);
    return spool_set_acked(spool, stream->stream, acked);
}

int spool_settle(struct spool *spool)
{
    struct spool_stream *stream = spool->index.first;
    while (stream != NULL) {
        struct spool_stream *next = stream->next;
        int r = stream == spool->live ? 0 : settle_stream(spool, stream);
        if (r == -ENOMEM)
            return r;
        stream = r == 0 ? next : spool->index.first; /* damage may have taken any of them */
    }
    return 0;
}

static int begin_stream(struct spool *spool, const struct spool_options *options)
{
    struct spool_tier_stream stream = {.stream = options->stream};
    if (spool->index.last != NULL)
        stream.ordinal = spool->index.last->ordinal + 1;
    memcpy(stream.boot, spool->boot, sizeof(stream.boot));
    spool->live = spool_index_add_stream(&spool->index, &stream, NULL);
    return spool->live == NULL ? -ENOMEM : 0;
}

static int open_homes(struct spool *spool)
{
    for (enum spool_place place = 0; place < SPOOL_MEMORY; place++) {
        int r = spool_home_take_up(spool, place);
        if (r != 0)
            return r;
    }
    return 0;
}

static int open_all(struct spool *spool, const struct spool_options *options)
{
    int r = init_home(&spool->homes[SPOOL_STATE], options->state_directory);
    if (r == 0)
        r = init_home(&spool->homes[SPOOL_RUNTIME], options->runtime_directory);
    if (r == 0)
        r = init_home(&spool->homes[SPOOL_MEMORY], NULL);
    if (r == 0)
        r = open_homes(spool);
    if (r == 0)
        r = begin_stream(spool, options);
    if (r == 0)
        r = spool_settle(spool);
    return r;
}

static void free_all(struct spool *spool)
{
    for (enum spool_place place = 0; place < SPOOL_PLACES; place++)
        spool_home_deinit(spool, place);
    spool_index_deinit(&spool->index);
    (void)pthread_mutex_destroy(&spool->lock); /* cannot fail: nobody holds it any more */
    free(spool);
}

int spool_open(const struct spool_options *options, struct spool **spool_out)
{
    struct spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL)
        return -ENOMEM;
    int r = -pthread_mutex_init(&spool->lock, NULL);
    if (r != 0) {
        free(spool);
        return r;
    }
    spool->clock = options->clock;
    spool->report = options->report;
    spool->context = options->context;
    (void)snprintf(spool->boot, sizeof(spool->boot), "%s", options->boot);
    spool_set_bounds(spool, &options->bounds);
    r = open_all(spool, options);
    if (r != 0) {
        free_all(spool);
        return r;
    }
    spool_publish_state(spool);
    *spool_out = spool;
    return 0;
}

void spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    spool->open_key = 0; /* no frame can follow */
    struct spool_stream *live = spool->live;
    spool->live = NULL;
    spool_stream_free_acked(spool, live);
    spool_flush(spool, true);
    spool_catch_up(spool);
    free_all(spool);
}
