/*
 * Groups and streams go: freed, dropped or lost. The index forgets them first and the disk after
 * it; what the disk could not forget is found again by spool_sweep, or at the next start.
 */
#include <string.h>

#include "agent/spool_private.h"

/* What is to be removed from the tiers of a group that the index no longer has. */
struct removal {
    uint64_t key;
    int64_t rows[SPOOL_PLACES];
    struct spool_part parts[SPOOL_PLACES];
};

static struct removal removal_of(const struct spool_stream *stream, const struct spool_group *group)
{
    struct removal removal = {.key = group->key};
    memcpy(removal.rows, stream->rows, sizeof(removal.rows));
    memcpy(removal.parts, group->parts, sizeof(removal.parts));
    return removal;
}

static int remove_rows(struct spool *spool, const struct removal *removal, enum spool_place place)
{
    struct spool_tier *tier = &spool->homes[place].tier;
    const struct spool_part *part = &removal->parts[place];
    int64_t row = removal->rows[place];
    int r = spool_tier_begin(tier);
    if (r == 0)
        r = spool_tier_remove_frames(tier, row, part->first, part->last);
    if (r == 0)
        r = spool_tier_remove_group(tier, row, removal->key);
    if (r == 0)
        r = spool_tier_put_drops(tier, spool->drops);
    if (r == 0)
        r = spool_tier_commit(tier);
    return r;
}

static void remove_from_tiers(struct spool *spool, const struct removal *removal)
{
    for (enum spool_place place = 0; place < SPOOL_PLACES; place++) {
        if (removal->parts[place].first == 0)
            continue;
        struct spool_home *home = &spool->homes[place];
        if (!spool_tier_is_open(&home->tier)) /* it was damaged meanwhile */
            continue;
        int r = remove_rows(spool, removal, place);
        if (r == 0) {
            home->lacks_drops = false;
            continue;
        }
        home->has_leftovers = true;
        spool_home_failed(spool, place, r);
    }
}

void spool_count_drop(struct spool *spool, enum drop_reason reason, uint64_t frames,
                      uint64_t samples)
{
    if (frames == 0)
        return;
    spool->drops[reason].frames += frames;
    spool->drops[reason].samples += samples;
    for (enum spool_place place = 0; place < SPOOL_MEMORY; place++)
        spool->homes[place].lacks_drops = true;
}

void spool_cut(struct spool *spool, uint64_t key, enum drop_reason reason)
{
    spool->open_key = 0;
    spool->cut_key = key;
    spool->cut_reason = reason;
}

void spool_group_free(struct spool *spool, struct spool_stream *stream, struct spool_group *group)
{
    struct removal removal = removal_of(stream, group);
    spool_index_remove_group(&spool->index, stream, group);
    remove_from_tiers(spool, &removal);
}

/* Counts what is unacked of a group; what a collector refused goes under that reason. */
static void count_group(struct spool *spool, const struct spool_group *group,
                        enum drop_reason reason)
{
    const struct spool_sum *held = &group->held;
    const struct spool_sum *acked = &group->acked;
    const struct spool_sum *aside = &group->aside;
    if (group->collector != SPOOL_NOBODY) /* else they were counted when they were set aside */
        spool_count_drop(spool, DROP_REJECTED, aside->frames, aside->samples);
    spool_count_drop(spool, reason, held->frames - acked->frames - aside->frames,
                     held->samples - acked->samples - aside->samples);
}

void spool_group_drop(struct spool *spool, struct spool_stream *stream, struct spool_group *group,
                      enum drop_reason reason)
{
    uint64_t id = stream->stream;
    count_group(spool, group, reason);
    if (stream == spool->live && group->key == spool->open_key)
        spool_cut(spool, group->key, reason);
    spool_group_free(spool, stream, group);
    stream = spool_index_stream(&spool->index, id);
    if (stream != NULL)
        spool_stream_free_acked(spool, stream);
}

void spool_group_lose(struct spool *spool, struct spool_stream *stream, struct spool_group *group,
                      enum spool_place place)
{
    struct removal removal = removal_of(stream, group);
    struct spool_sum held = group->held;
    struct spool_sum acked = group->acked;
    for (enum spool_place i = 0; i <= place; i++)
        removal.parts[i] = (struct spool_part){0};
    if (stream == spool->live && group->key == spool->open_key)
        spool_cut(spool, group->key, DROP_SPOOL_DAMAGED);
    spool_index_truncate(&spool->index, group, place);
    spool_count_drop(spool, DROP_SPOOL_DAMAGED,
                     held.frames - acked.frames - (group->held.frames - group->acked.frames),
                     held.samples - acked.samples - (group->held.samples - group->acked.samples));
    if (group->held.frames == 0)
        spool_index_remove_group(&spool->index, stream, group);
    remove_from_tiers(spool, &removal);
}

/* --- streams --- */

int spool_stream_row(struct spool *spool, struct spool_stream *stream, enum spool_place place,
                     int64_t *row_out)
{
    struct spool_tier_stream row = {.stream = stream->stream,
                                    .ordinal = stream->ordinal,
                                    .clock = stream->clock,
                                    .clock_bytes = stream->clock_bytes};
    struct spool_tier *tier = &spool->homes[place].tier;
    if (stream->rows[place] != 0) {
        bool lacks_clock = stream == spool->live && spool->lacks_clock[place];
        *row_out = stream->rows[place];
        return lacks_clock ? spool_tier_set_clock(tier, *row_out, row.clock, row.clock_bytes) : 0;
    }
    memcpy(row.boot, stream->boot, sizeof(row.boot));
    return spool_tier_add_stream(tier, &row, row_out);
}

int spool_group_write(struct spool *spool, const struct spool_stream *stream,
                      const struct spool_group *group, const struct spool_part *part,
                      enum spool_place place)
{
    const struct spool_tier_group row = {.key = group->key,
                                         .first = part->first,
                                         .last = part->last,
                                         .bytes = part->bytes,
                                         .samples = part->samples,
                                         .since_ms = part->since_ms,
                                         .acked = stream->acked,
                                         .aside = group->aside_from,
                                         .collector = group->collector};
    return spool_tier_put_group(&spool->homes[place].tier, stream->rows[place], &row);
}

static void remove_stream(struct spool *spool, struct spool_stream *stream)
{
    int64_t rows[SPOOL_PLACES];
    memcpy(rows, stream->rows, sizeof(rows));
    spool_index_remove_stream(&spool->index, stream);
    for (enum spool_place place = 0; place < SPOOL_PLACES; place++) {
        struct spool_tier *tier = &spool->homes[place].tier;
        if (rows[place] == 0 || !spool_tier_is_open(tier))
            continue;
        int r = spool_tier_remove_stream(tier, rows[place]);
        if (r == 0)
            continue;
        spool->homes[place].has_leftovers = true;
        spool_home_failed(spool, place, r);
    }
}

/* Acked as a whole, and no frame can follow. */
static bool is_done(const struct spool *spool, const struct spool_stream *stream,
                    const struct spool_group *group)
{
    bool may_grow = stream == spool->live && group->key == spool->open_key;
    bool is_kept = group->aside_from != 0 && group->collector != SPOOL_NOBODY;
    return !may_grow && !is_kept && spool_group_is_acked(stream, group);
}

static struct spool_group *find_done(const struct spool *spool, const struct spool_stream *stream)
{
    for (struct spool_group *group = stream->first;
         group != NULL && group->key <= stream->acked + 1; group = group->next)
        if (is_done(spool, stream, group))
            return group;
    return NULL;
}

/* The files become as small as what they hold. */
static void shrink(struct spool *spool)
{
    for (enum spool_place place = 0; place < SPOOL_PLACES; place++) {
        struct spool_home *home = &spool->homes[place];
        if (!spool_tier_is_open(&home->tier) || home->is_failing)
            continue;
        int r = spool_tier_shrink(&home->tier);
        if (r != 0)
            spool_home_failed(spool, place, r);
    }
}

void spool_stream_free_acked(struct spool *spool, struct spool_stream *stream)
{
    uint64_t id = stream->stream;
    bool has_freed = false;
    struct spool_group *group;
    while (stream != NULL && (group = find_done(spool, stream)) != NULL) {
        spool_group_free(spool, stream, group);
        stream = spool_index_stream(&spool->index, id); /* damage may have taken it */
        has_freed = true;
    }
    if (stream != NULL && stream != spool->live && stream->first == NULL) {
        remove_stream(spool, stream);
        has_freed = true;
    }
    if (has_freed)
        shrink(spool);
}
