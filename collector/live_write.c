/* The live view's pages: copies what is to be shown under the lock, writes it without. */
#include <errno.h>
#include <string.h>

#include "collector/live_state.h"
#include "collector/snapshot.h"
#include "collector/values_duplicates.h"

/* What a page copied. */
struct copy {
    struct live *live;
    struct snapshot snapshot;
    int64_t now_ms;
    uint32_t
        *own; /* identities of the collector's own samples, referred to until the page is done */
    size_t n_own;
};

static void copy_begin(struct copy *copy, struct live *live)
{
    *copy = (struct copy){.live = live, .now_ms = clock_utc_ms(live->clock)};
    pthread_mutex_lock(&live->lock);
    graveyard_pin(&live->graveyard);
}

/* Writes where all went well, and lets go of what was copied; between begin and end the lock is
 * held up to here. */
static int copy_end(struct copy *copy, int r, enum exposition_format format, struct buffer *out)
{
    struct live *live = copy->live;
    uint32_t family_bound = identities_family_bound(live->identities);
    pthread_mutex_unlock(&live->lock);
    if (r == 0)
        r = snapshot_write(&copy->snapshot, family_bound, format, out);
    snapshot_deinit(&copy->snapshot);
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < copy->n_own; i++)
        identities_drop(live->identities, copy->own[i]);
    graveyard_unpin(&live->graveyard);
    pthread_mutex_unlock(&live->lock);
    free(copy->own);
    return r;
}

static bool is_shown(const struct values_input *input, int64_t now_ms)
{
    int64_t limit = INT64_C(3) * input->interval_ms;
    if (limit < LIVE_SHOW_MS)
        limit = LIVE_SHOW_MS;
    return !input->is_ghost && input->time_ms != VALUES_TIME_NONE &&
           input->time_ms > now_ms - limit;
}

int live_choose_shown(const struct live *live, struct node *node, int64_t now_ms)
{
    struct values *values = &node->values;
    for (struct values_input *input = values->inputs; input != NULL; input = input->next) {
        bool is_now = is_shown(input, now_ms);
        values->is_to_mark = values->is_to_mark || is_now != input->is_shown;
        input->is_shown = is_now;
    }
    return values_mark_duplicates(values, live->reading_time);
}

/* Room for all that a node can show. */
static void count_node(const struct values *values, size_t *blocks, size_t *samples)
{
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next) {
        *blocks += 2; /* its own, and one for its target's time */
        *samples += input->n_series + 1;
    }
}

static void copy_input(struct copy *copy, const struct values_input *input,
                       struct snapshot_block *block)
{
    block->time_ms = input->time_ms;
    snapshot_add_block(&copy->snapshot, block);
    for (uint32_t i = 0; i < input->n_values; i++) {
        const struct value *value = &input->values[i];
        if (value->identity != IDENTITY_NONE && !value->is_duplicate)
            snapshot_add(&copy->snapshot, identities_get(copy->live->identities, value->identity),
                         value->mantissa, value->exponent);
    }
}

static void copy_reading_time(struct copy *copy, const struct values *values,
                              const struct target *target, struct snapshot_block *block)
{
    block->time_ms = values_newest_ms(values, target);
    if (block->time_ms == VALUES_TIME_NONE)
        return;
    snapshot_add_block(&copy->snapshot, block);
    snapshot_add(&copy->snapshot, identities_get(copy->live->identities, copy->live->reading_time),
                 block->time_ms, -3);
}

/* One target, or all for NULL; with the target's labels on the fleet page. Room is there. */
static void copy_node(struct copy *copy, const struct node *node, const struct target *only)
{
    const struct values *values = &node->values;
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next) {
        if (only != NULL && input->target != only)
            continue;
        struct snapshot_block block = {0};
        if (only == NULL) {
            block.more = input->target->text;
            block.more_bytes = input->target->text_bytes;
        }
        if (input->is_shown)
            copy_input(copy, input, &block);
        if (values_is_first_of_target(values, input))
            copy_reading_time(copy, values, input->target, &block);
    }
}

static const struct target *find_target(const struct values *values, const char *job,
                                        const char *instance)
{
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next) {
        if (strcmp(input->target->job, job) == 0 && strcmp(input->target->instance, instance) == 0)
            return input->target;
    }
    return NULL;
}

static int copy_target(struct copy *copy, const char *id, const char *job, const char *instance)
{
    struct node *node = live_find(copy->live, id);
    if (node == NULL)
        return LIVE_UNKNOWN;
    const struct target *target = find_target(&node->values, job, instance);
    if (target == NULL) {
        bool is_to_come = node->values.inputs == NULL && strcmp(job, LIVE_JOB_DEFAULT) == 0 &&
                          strcmp(instance, id) == 0;
        return is_to_come ? LIVE_DOWN : LIVE_UNKNOWN;
    }
    if (!live_is_node_up(copy->live, node, copy->now_ms) ||
        !live_is_fresh(&node->values, target, copy->now_ms))
        return LIVE_DOWN;
    size_t blocks = 0, samples = 0;
    count_node(&node->values, &blocks, &samples);
    int r = snapshot_reserve(&copy->snapshot, blocks, samples);
    if (r == 0)
        r = live_choose_shown(copy->live, node, copy->now_ms);
    if (r == 0)
        copy_node(copy, node, target);
    return r;
}

int live_write_target(struct live *live, const char *node, const char *job, const char *instance,
                      enum exposition_format format, struct buffer *out)
{
    struct copy copy;
    copy_begin(&copy, live);
    int r = copy_target(&copy, node, job, instance);
    return copy_end(&copy, r, format, out);
}

/* --- the fleet --- */

static int copy_fleet(struct copy *copy)
{
    const struct live *live = copy->live;
    size_t blocks = 0, samples = 0;
    for (size_t i = 0; i < live->n_nodes; i++)
        count_node(&live->nodes[i]->values, &blocks, &samples);
    int r = snapshot_reserve(&copy->snapshot, blocks, samples);
    if (r < 0)
        return r;
    for (size_t i = 0; i < live->n_nodes; i++) {
        if (!live_is_node_up(live, live->nodes[i], copy->now_ms))
            continue;
        r = live_choose_shown(live, live->nodes[i], copy->now_ms);
        if (r < 0)
            return r;
        copy_node(copy, live->nodes[i], NULL);
    }
    return 0;
}

static int copy_own_sample(struct copy *copy, const struct sample *sample)
{
    struct identities *identities = copy->live->identities;
    const struct series *series = sample->series;
    struct identity_family *family = identities_take_family(identities, series->family);
    if (family == NULL)
        return -ENOMEM;
    struct identity_key key = {.family = family,
                               .suffix = series->suffix,
                               .labels = series->labels,
                               .n_labels = series->n_labels};
    int r = identities_take(identities, &key, &copy->own[copy->n_own]);
    identities_drop_family(identities, family);
    if (r < 0)
        return r;
    struct decimal value = decimal_from(sample->value, 0);
    snapshot_add(&copy->snapshot, identities_get(identities, copy->own[copy->n_own++]),
                 value.mantissa, value.exponent);
    return 0;
}

/* The collector's own samples become identities for as long as the page is made, so that families
 * which nodes have too (process_*) are grouped with theirs. */
static int copy_own(struct copy *copy, const struct reading *own)
{
    size_t n = 0;
    const struct sample *samples = reading_samples(own, &n);
    int r = snapshot_reserve(&copy->snapshot, 1, n);
    copy->own = calloc(n + 1, sizeof(*copy->own));
    if (r < 0 || copy->own == NULL)
        return -ENOMEM;
    snapshot_add_block(&copy->snapshot, &(struct snapshot_block){.time_ms = EXPOSITION_NO_TIME});
    for (size_t i = 0; i < n; i++) {
        r = copy_own_sample(copy, &samples[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int live_write_fleet(struct live *live, enum exposition_format format, const struct reading *own,
                     struct buffer *out)
{
    struct copy copy;
    copy_begin(&copy, live);
    int r = copy_fleet(&copy);
    if (r == 0 && own != NULL)
        r = copy_own(&copy, own);
    return copy_end(&copy, r, format, out);
}
