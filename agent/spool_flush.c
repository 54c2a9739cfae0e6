/*
 * Between the tiers: groups that stayed unacked for too long move to the state directory, what
 * came to memory goes back to the runtime directory, and at a bound the oldest group goes.
 *
 * Frames move in pieces, each copied in one transaction and then removed in another one: the agent
 * may die between the two, and then finds them in both places (spool_load).
 */
#include <string.h>

#include "agent/spool_private.h"

/* --- room --- */

static bool find_oldest(const struct spool *spool, enum spool_place place,
                        struct spool_stream **stream_out, struct spool_group **group_out)
{
    for (struct spool_stream *stream = spool->index.first; stream != NULL; stream = stream->next)
        for (struct spool_group *group = stream->first; group != NULL; group = group->next)
            if (group->parts[place].first != 0) {
                *stream_out = stream;
                *group_out = group;
                return true;
            }
    return false;
}

int spool_make_room(struct spool *spool, enum spool_place place, uint64_t bytes)
{
    for (;;) {
        bool fits = false;
        struct spool_stream *stream;
        struct spool_group *group;
        int r = spool_tier_fits(&spool->homes[place].tier, bytes, spool->bounds[place], &fits);
        if (r != 0)
            return r;
        if (fits || !find_oldest(spool, place, &stream, &group))
            return 0;
        spool_group_drop(spool, stream, group, DROP_SPOOL_FULL);
        if (!spool_tier_is_open(&spool->homes[place].tier))
            return SPOOL_TIER_FULL;
    }
}

/* --- moving --- */

struct move {
    struct spool_stream *stream;
    struct spool_group *group;
    enum spool_place from, to;
    int64_t row;
    struct spool_part part; /* what has been copied */
};

static int copy_frame(struct spool *spool, struct move *move, uint64_t sequence)
{
    struct spool_tier *from = &spool->homes[move->from].tier;
    struct spool_tier_frame frame;
    int r = spool_tier_read(from, move->stream->rows[move->from], sequence, &frame);
    if (r != 0) {
        spool_home_failed(spool, move->from, r);
        return r;
    }
    r = spool_tier_add_frame(&spool->homes[move->to].tier, move->row, &frame);
    if (r == 0) {
        if (move->part.first == 0)
            move->part = (struct spool_part){.first = sequence, .since_ms = frame.time_ms};
        move->part.last = sequence;
        move->part.bytes += frame.size;
        move->part.samples += frame.samples;
    }
    spool_tier_done_reading(from);
    if (r != 0)
        spool_home_failed(spool, move->to, r);
    return r;
}

/* Writes the group's row as it will be with the piece. */
static int write_group(struct spool *spool, const struct move *move)
{
    struct spool_part whole = move->group->parts[move->to];
    if (whole.first == 0) {
        whole = move->part;
    } else {
        whole.last = move->part.last;
        whole.bytes += move->part.bytes;
        whole.samples += move->part.samples;
    }
    struct spool_stream stream = *move->stream; /* its row there is known only after the commit */
    stream.rows[move->to] = move->row;
    return spool_group_write(spool, &stream, move->group, &whole, move->to);
}

/* 0 with the transaction committed; a failure is taken care of. */
static int copy_piece(struct spool *spool, struct move *move)
{
    struct spool_tier *tier = &spool->homes[move->to].tier;
    const struct spool_part *from = &move->group->parts[move->from];
    uint64_t last = from->last;
    int r = spool_tier_begin(tier);
    if (r == 0)
        r = spool_stream_row(spool, move->stream, move->to, &move->row);
    if (r != 0) {
        spool_home_failed(spool, move->to, r);
        return r;
    }
    for (uint64_t sequence = from->first; sequence <= last && move->part.bytes < SPOOL_PIECE_BYTES;
         sequence++) {
        r = copy_frame(spool, move, sequence);
        if (r != 0) {
            spool_tier_rollback(tier);
            return r;
        }
    }
    r = write_group(spool, move);
    if (r == 0)
        r = spool_tier_put_drops(tier, spool->drops);
    if (r == 0)
        r = spool_tier_commit(tier);
    if (r != 0)
        spool_home_failed(spool, move->to, r);
    return r;
}

static int remove_piece(struct spool *spool, const struct move *move)
{
    struct spool_tier *tier = &spool->homes[move->from].tier;
    const struct spool_part *rest = &move->group->parts[move->from];
    int64_t row = move->stream->rows[move->from];
    int r = spool_tier_begin(tier);
    if (r == 0)
        r = spool_tier_remove_frames(tier, row, move->part.first, move->part.last);
    if (r == 0)
        r = rest->first != 0 ? spool_group_write(spool, move->stream, move->group, rest, move->from)
                             : spool_tier_remove_group(tier, row, move->group->key);
    return r == 0 ? spool_tier_commit(tier) : r;
}

/* Moves the first frames that the group has at a place; a failure is taken care of, and streams
 * and groups may then be others. */
static int move_piece(struct spool *spool, struct spool_stream *stream, struct spool_group *group,
                      enum spool_place from, enum spool_place to)
{
    struct move move = {.stream = stream, .group = group, .from = from, .to = to};
    struct spool_home *home = &spool->homes[to];
    int r = copy_piece(spool, &move);
    if (r != 0)
        return r;
    home->lacks_drops = false;
    stream->rows[to] = move.row;
    if (stream == spool->live)
        spool->lacks_clock[to] = false;
    spool_index_move(&spool->index, group, from, to, &move.part);
    r = remove_piece(spool, &move);
    if (r != 0) { /* it was copied: nothing is lost */
        spool->homes[from].has_leftovers = true;
        spool_home_failed(spool, from, r);
    }
    spool_home_worked(spool, to);
    return 0;
}

/* --- what is due --- */

static int64_t due_ms(const struct spool *spool, const struct spool_stream *stream,
                      const struct spool_group *group)
{
    for (enum spool_place place = SPOOL_RUNTIME; place < SPOOL_PLACES; place++) {
        const struct spool_part *part = &group->parts[place];
        if (part->first == 0 || part->last <= stream->acked)
            continue;
        if (strcmp(stream->boot, spool->boot) != 0)
            return 0; /* of a time that cannot be compared: at once */
        int64_t since = part->first <= stream->acked ? stream->acked_ms : part->since_ms;
        return since + spool->flush_after_ms;
    }
    return INT64_MAX;
}

/* A group with something unacked outside the state directory, due by then. Sets *next_ms to when
 * the first of the others will be. */
static bool find_due(const struct spool *spool, int64_t by_ms, struct spool_stream **stream_out,
                     struct spool_group **group_out, int64_t *next_ms)
{
    for (struct spool_stream *stream = spool->index.first; stream != NULL; stream = stream->next)
        for (struct spool_group *group = stream->first; group != NULL; group = group->next) {
            int64_t due = due_ms(spool, stream, group);
            if (due != INT64_MAX && due <= by_ms) {
                *stream_out = stream;
                *group_out = group;
                return true;
            }
            if (due < *next_ms)
                *next_ms = due;
        }
    return false;
}

/* Moves all of a group that lies outside the state directory. */
static int flush_group(struct spool *spool, uint64_t stream_id, uint64_t key)
{
    for (;;) {
        const uint64_t bytes = 2 * SPOOL_PIECE_BYTES;
        if (!spool_home_is_usable(spool, SPOOL_STATE))
            return SPOOL_TIER_FULL;
        int r = spool_make_room(spool, SPOOL_STATE, bytes);
        if (r != 0) {
            spool_home_failed(spool, SPOOL_STATE, r);
            return r;
        }
        struct spool_stream *stream = spool_index_stream(&spool->index, stream_id);
        struct spool_group *group = stream != NULL ? spool_index_group(stream, key) : NULL;
        if (group == NULL) /* it was the oldest one itself */
            return 0;
        enum spool_place from = SPOOL_RUNTIME;
        while (from < SPOOL_PLACES && group->parts[from].first == 0)
            from++;
        if (from == SPOOL_PLACES)
            return 0;
        r = move_piece(spool, stream, group, from, SPOOL_STATE);
        if (r != 0)
            return r;
    }
}

void spool_flush(struct spool *spool, bool is_all)
{
    int64_t now = spool_now_ms(spool);
    int64_t by = is_all ? INT64_MAX - 1 : now;
    struct spool_stream *stream;
    struct spool_group *group;
    if (spool->homes[SPOOL_STATE].directory == NULL || (!is_all && now < spool->flush_ms))
        return;
    int64_t next = now + (spool->flush_after_ms > 0 ? spool->flush_after_ms : 1);
    while (find_due(spool, by, &stream, &group, &next)) {
        if (flush_group(spool, stream->stream, group->key) != 0) {
            next = spool->homes[SPOOL_STATE].retry_ms > now ? spool->homes[SPOOL_STATE].retry_ms
                                                            : now + SPOOL_RETRY_MS;
            break;
        }
        spool->flushes++;
    }
    spool->flush_ms = next;
}

void spool_leave_memory(struct spool *spool)
{
    struct spool_home *memory = &spool->homes[SPOOL_MEMORY];
    if (!spool_tier_is_open(&memory->tier) || spool->homes[SPOOL_RUNTIME].directory == NULL ||
        !spool_home_is_usable(spool, SPOOL_RUNTIME))
        return;
    struct spool_stream *stream;
    struct spool_group *group;
    while (find_oldest(spool, SPOOL_MEMORY, &stream, &group)) {
        uint64_t id = stream->stream;
        uint64_t key = group->key;
        int r = spool_make_room(spool, SPOOL_RUNTIME, 2 * SPOOL_PIECE_BYTES);
        if (r != 0) {
            spool_home_failed(spool, SPOOL_RUNTIME, r);
            return;
        }
        stream = spool_index_stream(&spool->index, id);
        group = stream != NULL ? spool_index_group(stream, key) : NULL;
        if (group != NULL && group->parts[SPOOL_MEMORY].first != 0 &&
            move_piece(spool, stream, group, SPOOL_MEMORY, SPOOL_RUNTIME) != 0)
            return;
    }
    spool_home_rest(spool, SPOOL_MEMORY);
    spool_home_worked(spool, SPOOL_RUNTIME);
}

static int write_drops(struct spool *spool, struct spool_home *home)
{
    int r = spool_tier_begin(&home->tier);
    if (r == 0)
        r = spool_tier_put_drops(&home->tier, spool->drops);
    return r == 0 ? spool_tier_commit(&home->tier) : r;
}

void spool_catch_up(struct spool *spool)
{
    for (enum spool_place place = 0; place < SPOOL_MEMORY; place++) {
        struct spool_home *home = &spool->homes[place];
        if ((!home->lacks_drops && !home->has_leftovers) || !spool_home_is_usable(spool, place))
            continue;
        int r = home->lacks_drops ? write_drops(spool, home) : 0;
        if (r == 0)
            r = home->has_leftovers ? spool_sweep(spool, place) : 0;
        if (r != 0) {
            spool_home_failed(spool, place, r);
            continue;
        }
        home->lacks_drops = false;
        home->has_leftovers = false;
        spool_home_worked(spool, place);
    }
}
