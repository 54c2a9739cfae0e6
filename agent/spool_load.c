/*
 * From a tier's rows to the index, at start or when a directory can be used again. The state
 * directory's come first: a group that was on its way there when the agent died may lie in both,
 * and what lies there is the one that counts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/spool_private.h"

struct load {
    struct spool *spool;
    enum spool_place place;
    int64_t row;
    struct spool_stream *stream;
};

static struct spool_home *home_of(const struct load *load)
{
    return &load->spool->homes[load->place];
}

/* The sums before a frame of the tier. */
static int sums_before(const struct load *load, uint64_t sequence, struct spool_mark *mark_out)
{
    struct spool_tier *tier = &home_of(load)->tier;
    struct spool_tier_frame frame;
    int r = spool_tier_read(tier, load->row, sequence, &frame);
    if (r != 0)
        return r == SPOOL_TIER_NONE ? SPOOL_TIER_DAMAGED : r;
    *mark_out = (struct spool_mark){.bytes_before = frame.bytes_before,
                                    .samples_before = frame.samples_before,
                                    .time_ms = frame.time_ms};
    spool_tier_done_reading(tier);
    return 0;
}

/* Leaves out the frames of the part up to `last`, which lie in a better place. */
static int leave_out(const struct load *load, struct spool_part *part, uint64_t last)
{
    struct spool_mark whole;
    struct spool_mark rest;
    int r = sums_before(load, part->first, &whole);
    if (r == 0)
        r = sums_before(load, last + 1, &rest);
    if (r != 0)
        return r;
    part->first = last + 1;
    part->bytes -= rest.bytes_before - whole.bytes_before;
    part->samples -= rest.samples_before - whole.samples_before;
    part->since_ms = rest.time_ms;
    return 0;
}

/* Frames without those before them in their group: nobody could decode them. */
static void pass_over(const struct load *load, const struct spool_tier_group *row)
{
    home_of(load)->has_leftovers = true;
    if (row->acked < row->last)
        spool_count_drop(load->spool, DROP_SPOOL_DAMAGED, row->last - row->first + 1, row->samples);
}

static int add_group(const struct load *load, const struct spool_tier_group *row,
                     struct spool_part *part)
{
    const struct spool_group *known = spool_index_group(load->stream, row->key);
    uint64_t before = known != NULL ? spool_group_last(known) : row->key - 1;
    if (part->last <= before) { /* all of it lies in a better place */
        home_of(load)->has_leftovers = true;
        return 0;
    }
    if (part->first > before + 1) {
        pass_over(load, row);
        return 0;
    }
    if (part->first <= before) {
        int r = leave_out(load, part, before);
        if (r != 0)
            return r;
        home_of(load)->has_leftovers = true;
    }
    struct spool_group *group = spool_index_add_group(load->stream, row->key);
    if (group == NULL)
        return -ENOMEM;
    spool_index_add(&load->spool->index, group, load->place, part);
    if (row->aside != 0) { /* its sums are made when all is loaded */
        group->aside_from = row->aside;
        group->collector = row->collector;
    }
    if (row->acked > load->stream->acked)
        load->stream->acked = row->acked;
    return 0;
}

static int visit_group(void *context, const struct spool_tier_group *row)
{
    struct spool_part part = {.first = row->first,
                              .last = row->last,
                              .bytes = row->bytes,
                              .samples = row->samples,
                              .since_ms = row->since_ms};
    bool is_sound = row->key > 0 && row->first >= row->key && row->last >= row->first &&
                    row->bytes >= row->last - row->first;
    return is_sound ? add_group(context, row, &part) : SPOOL_TIER_DAMAGED;
}

static int visit_stream(void *context, const struct spool_tier_stream *row)
{
    struct load *load = context;
    struct spool_index *index = &load->spool->index;
    load->row = row->row;
    load->stream = spool_index_stream(index, row->stream);
    if (load->stream == NULL)
        load->stream = spool_index_add_stream(index, row, load->spool->live);
    if (load->stream == NULL)
        return -ENOMEM;
    load->stream->rows[load->place] = row->row;
    return spool_tier_each_group(&home_of(load)->tier, row->row, visit_group, load);
}

int spool_load(struct spool *spool, enum spool_place place)
{
    struct load load = {.spool = spool, .place = place};
    struct spool_home *home = &spool->homes[place];
    int r = spool_tier_each_stream(&home->tier, visit_stream, &load);
    if (r == 0)
        r = spool_tier_read_drops(&home->tier, spool->drops);
    return r;
}

/* --- leftovers --- */

/* Rows to remove: of a group, or of all that a stream's row has. */
struct leftover {
    struct leftover *next;
    int64_t row;
    uint64_t key; /* 0: the whole stream */
    uint64_t first, last;
};

struct sweep {
    struct load load;
    struct leftover *list;
};

static int add_leftover(struct sweep *sweep, struct leftover value)
{
    struct leftover *added = malloc(sizeof(*added));
    if (added == NULL)
        return -ENOMEM;
    *added = value;
    added->next = sweep->list;
    sweep->list = added;
    return 0;
}

static int sweep_group(void *context, const struct spool_tier_group *row)
{
    struct sweep *sweep = context;
    const struct load *load = &sweep->load;
    const struct spool_group *group = spool_index_group(load->stream, row->key);
    const struct spool_part *part = group != NULL ? &group->parts[load->place] : NULL;
    if (part != NULL && part->first == row->first && part->last == row->last)
        return 0;
    uint64_t last = part != NULL && part->first != 0 ? part->first - 1 : row->last;
    return add_leftover(
        sweep,
        (struct leftover){.row = load->row, .key = row->key, .first = row->first, .last = last});
}

static int sweep_stream(void *context, const struct spool_tier_stream *row)
{
    struct sweep *sweep = context;
    struct load *load = &sweep->load;
    load->row = row->row;
    load->stream = spool_index_stream(&load->spool->index, row->stream);
    if (load->stream == NULL)
        return add_leftover(sweep, (struct leftover){.row = row->row});
    return spool_tier_each_group(&home_of(load)->tier, row->row, sweep_group, sweep);
}

static int drop_group_row(void *context, const struct spool_tier_group *row)
{
    const struct load *load = context;
    return spool_tier_remove_group(&home_of(load)->tier, load->row, row->key);
}

static int remove_leftover(struct sweep *sweep, const struct leftover *leftover)
{
    struct load *load = &sweep->load;
    struct spool_tier *tier = &home_of(load)->tier;
    load->row = leftover->row;
    if (leftover->key == 0) {
        int r = spool_tier_remove_frames(tier, leftover->row, 0, SPOOL_SEQUENCE_MAX);
        if (r == 0)
            r = spool_tier_each_group(tier, leftover->row, drop_group_row, load);
        return r == 0 ? spool_tier_remove_stream(tier, leftover->row) : r;
    }
    int r = spool_tier_remove_frames(tier, leftover->row, leftover->first, leftover->last);
    if (r != 0)
        return r;
    struct spool_stream *stream = load->spool->index.first;
    while (stream != NULL && stream->rows[load->place] != leftover->row)
        stream = stream->next;
    const struct spool_group *group =
        stream != NULL ? spool_index_group(stream, leftover->key) : NULL;
    if (group == NULL || group->parts[load->place].first == 0)
        return spool_tier_remove_group(tier, leftover->row, leftover->key);
    return spool_group_write(load->spool, stream, group, &group->parts[load->place], load->place);
}

static int remove_all(struct sweep *sweep)
{
    struct spool_tier *tier = &home_of(&sweep->load)->tier;
    int r = spool_tier_begin(tier);
    for (const struct leftover *at = sweep->list; r == 0 && at != NULL; at = at->next)
        r = remove_leftover(sweep, at);
    return r == 0 ? spool_tier_commit(tier) : r;
}

int spool_sweep(struct spool *spool, enum spool_place place)
{
    struct sweep sweep = {.load = {.spool = spool, .place = place}};
    int r = spool_tier_each_stream(&spool->homes[place].tier, sweep_stream, &sweep);
    if (r == 0 && sweep.list != NULL)
        r = remove_all(&sweep);
    while (sweep.list != NULL) {
        struct leftover *next = sweep.list->next;
        free(sweep.list);
        sweep.list = next;
    }
    return r;
}
