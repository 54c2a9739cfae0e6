#include "collector/live.h"

#include <errno.h>
#include <string.h>

#include "collector/live_state.h"

static const struct family reading_time_family =
    FAMILY(GAUGE, "shoal_reading_time_seconds", "When the newest reading of the target was taken.");

static int init_identities(struct live *live)
{
    live->identities = identities_new(&live->graveyard);
    if (live->identities == NULL)
        return -ENOMEM;
    struct identity_family *family = identities_take_family(live->identities, &reading_time_family);
    if (family == NULL)
        return -ENOMEM;
    struct identity_key key = {.family = family};
    return identities_take(live->identities, &key, &live->reading_time);
}

struct live *live_new(struct clock *clock, size_t nodes_max)
{
    struct live *live = calloc(1, sizeof(*live));
    if (live == NULL)
        return NULL;
    live->clock = clock;
    live->nodes_max = nodes_max;
    if (init_identities(live) != 0 || pthread_mutex_init(&live->lock, NULL) != 0) {
        identities_free(live->identities);
        free(live);
        return NULL;
    }
    return live;
}

static void node_free(struct node *node)
{
    values_deinit(&node->values);
    free(node);
}

void live_free(struct live *live)
{
    if (live == NULL)
        return;
    for (size_t i = 0; i < live->n_nodes; i++)
        node_free(live->nodes[i]);
    free(live->nodes);
    identities_free(live->identities);
    (void)pthread_mutex_destroy(&live->lock); /* unlocked: cannot fail */
    free(live);
}

/* --- the table of nodes --- */

/* Where the node is, or would be. */
static size_t find_place(const struct live *live, const char *node, bool *is_there_out)
{
    size_t low = 0, high = live->n_nodes;
    *is_there_out = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(live->nodes[middle]->state.node, node);
        if (order == 0) {
            *is_there_out = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct node *live_find(const struct live *live, const char *node)
{
    bool is_there;
    size_t place = find_place(live, node, &is_there);
    return is_there ? live->nodes[place] : NULL;
}

static struct node *node_new(struct live *live, const char *id)
{
    struct node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return NULL;
    (void)strncpy(node->state.node, id, NODE_ID_BYTES_MAX); /* ends in a NUL: calloc */
    node->state.last_commit_utc_ms = INT64_MIN;
    values_init(&node->values, live->identities, &live->graveyard, node->state.node);
    return node;
}

static int reserve_node(struct live *live)
{
    if (live->n_nodes >= live->nodes_max)
        return -E2BIG;
    if (live->n_nodes < live->capacity)
        return 0;
    size_t capacity = live->capacity == 0 ? 16 : live->capacity * 2;
    struct node **nodes = realloc(live->nodes, capacity * sizeof(struct node *));
    if (nodes == NULL)
        return -ENOMEM;
    live->nodes = nodes;
    live->capacity = capacity;
    return 0;
}

/* Under the lock. `is_rebuilt` is for a node that is new. */
static int add_node(struct live *live, const char *id, bool is_rebuilt, struct node **node_out)
{
    bool is_there;
    size_t place = find_place(live, id, &is_there);
    if (is_there) {
        *node_out = live->nodes[place];
        return 0;
    }
    int r = reserve_node(live);
    if (r < 0)
        return r;
    struct node *node = node_new(live, id);
    if (node == NULL)
        return -ENOMEM;
    node->state.is_rebuilt = node->was_rebuilt = is_rebuilt;
    memmove(&live->nodes[place + 1], &live->nodes[place],
            (live->n_nodes - place) * sizeof(struct node *));
    live->nodes[place] = node;
    live->n_nodes++;
    *node_out = node;
    return 0;
}

int live_add_node(struct live *live, const char *id)
{
    struct node *node;
    pthread_mutex_lock(&live->lock);
    int r = add_node(live, id, false, &node);
    if (r == 0)
        node->is_heard = true;
    pthread_mutex_unlock(&live->lock);
    return r;
}

int live_add_named(struct live *live, const char *id)
{
    struct node *node;
    pthread_mutex_lock(&live->lock);
    int r = add_node(live, id, true, &node);
    if (r == 0)
        node->is_named = true;
    pthread_mutex_unlock(&live->lock);
    return r;
}

void live_begin_naming(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < live->n_nodes; i++)
        live->nodes[i]->is_named = false;
    pthread_mutex_unlock(&live->lock);
}

void live_end_naming(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    size_t n = 0;
    for (size_t i = 0; i < live->n_nodes; i++) {
        struct node *node = live->nodes[i];
        if (node->is_named || node->is_heard)
            live->nodes[n++] = node;
        else
            node_free(node);
    }
    live->n_nodes = n;
    pthread_mutex_unlock(&live->lock);
}

/* --- frames --- */

static int64_t newest_reading_ms(const struct frame *frame)
{
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < frame->n_readings; i++) {
        if (frame->readings[i].time_ms > newest)
            newest = frame->readings[i].time_ms;
    }
    return newest;
}

#define AGE_MS_MAX (INT64_C(10000) * 366 * 24 * 3600 * 1000) /* more cannot be: it is a lie */

static int64_t age_ms(const struct live_envelope *envelope)
{
    return envelope->backlog_oldest_age_ms < (uint64_t)AGE_MS_MAX
               ? (int64_t)envelope->backlog_oldest_age_ms
               : AGE_MS_MAX;
}

static void note_envelope(struct node *node, const struct frame *frame,
                          const struct live_envelope *envelope)
{
    struct live_node *state = &node->state;
    state->source = envelope->source;
    state->uncertainty_ms = envelope->uncertainty_ms;
    state->is_estimate = envelope->is_estimate;
    state->last_commit_utc_ms = envelope->received_utc_ms;
    int64_t newest_ms = newest_reading_ms(frame);
    if (newest_ms != INT64_MIN)
        state->lag_ms = envelope->received_utc_ms - (newest_ms + envelope->utc_offset_ms);
    if (!state->is_rebuilt)
        return; /* from the store: says nothing of now */
    state->system_off_ms = envelope->system_off_ms;
    state->backlog_frames = envelope->backlog_frames;
    state->backlog_bytes = envelope->backlog_bytes;
    state->backlog_oldest_age_ms = envelope->backlog_oldest_age_ms;
    /* The only frame that the node holds was made that long before it was sent. */
    if (envelope->backlog_frames <= 1 && newest_ms != INT64_MIN)
        state->clock_offset_ms = age_ms(envelope) - state->lag_ms;
}

int live_apply(struct live *live, const char *id, const struct frame *frame,
               const struct live_envelope *envelope)
{
    pthread_mutex_lock(&live->lock);
    int r = -ENOENT;
    struct node *node = live_find(live, id);
    if (node != NULL) {
        note_envelope(node, frame, envelope);
        if (envelope->drops != NULL)
            memcpy(node->state.drops, envelope->drops, sizeof(node->state.drops));
        r = values_apply(&node->values, frame, envelope->utc_offset_ms);
    }
    pthread_mutex_unlock(&live->lock);
    return r;
}

void live_rebuilt(struct live *live, const char *id)
{
    pthread_mutex_lock(&live->lock);
    struct node *node = live_find(live, id);
    if (node != NULL)
        node->state.is_rebuilt = node->was_rebuilt = true;
    pthread_mutex_unlock(&live->lock);
}

void live_forget_values(struct live *live, const char *id)
{
    pthread_mutex_lock(&live->lock);
    struct node *node = live_find(live, id);
    if (node != NULL) {
        values_forget(&node->values);
        node->state.is_rebuilt = false;
    }
    pthread_mutex_unlock(&live->lock);
}

void live_count(struct live *live, const char *id, enum live_count count, uint64_t n)
{
    pthread_mutex_lock(&live->lock);
    struct node *node = live_find(live, id);
    if (node != NULL)
        node->state.counts[count] += n;
    pthread_mutex_unlock(&live->lock);
}

void live_reject(struct live *live, const char *id, enum reject_reason reason)
{
    pthread_mutex_lock(&live->lock);
    struct node *node = live_find(live, id);
    if (node != NULL)
        node->state.rejected[reason]++;
    pthread_mutex_unlock(&live->lock);
}

void live_status(struct live *live, const char *id, const struct status *status)
{
    pthread_mutex_lock(&live->lock);
    struct node *node = live_find(live, id);
    if (node == NULL && status->is_online && add_node(live, id, true, &node) != 0)
        node = NULL; /* a hint: frames will tell of the bound */
    if (node != NULL) {
        node->is_heard = true;
        node->state.is_online = status->is_online;
        memcpy(node->state.version, status->version, sizeof(node->state.version));
    }
    pthread_mutex_unlock(&live->lock);
}

void live_set_broker(struct live *live, bool is_connected)
{
    pthread_mutex_lock(&live->lock);
    live->has_broker = is_connected;
    pthread_mutex_unlock(&live->lock);
}

/* --- state --- */

bool live_is_fresh(const struct values *values, const struct target *target, int64_t now_ms)
{
    int64_t newest = values_newest_ms(values, target);
    int64_t limit = INT64_C(3) * values_interval_ms(values, target);
    if (limit < LIVE_DOWN_MS_MIN)
        limit = LIVE_DOWN_MS_MIN;
    return newest != VALUES_TIME_NONE && newest > now_ms - limit;
}

bool live_is_node_up(const struct live *live, const struct node *node, int64_t now_ms)
{
    return live->has_broker && node->state.is_rebuilt && live_is_fresh(&node->values, NULL, now_ms);
}

static void copy_node(const struct live *live, struct node *node, int64_t now_ms,
                      struct live_node *out)
{
    *out = node->state;
    int r = live_choose_shown(live, node, now_ms);
    (void)r; /* without memory the number is that of the last page */
    out->duplicate_series = node->values.duplicates;
    out->is_up = live_is_node_up(live, node, now_ms);
    out->last_reading_utc_ms = values_newest_ms(&node->values, NULL);
    out->series = values_series(&node->values);
    out->hidden_series = node->values.hidden;
}

int live_nodes(struct live *live, struct live_node **nodes_out, size_t *n_out)
{
    int64_t now_ms = clock_utc_ms(live->clock);
    pthread_mutex_lock(&live->lock);
    size_t n = live->n_nodes;
    struct live_node *nodes = calloc(n + 1, sizeof(*nodes));
    for (size_t i = 0; nodes != NULL && i < n; i++)
        copy_node(live, live->nodes[i], now_ms, &nodes[i]);
    pthread_mutex_unlock(&live->lock);
    if (nodes == NULL)
        return -ENOMEM;
    *nodes_out = nodes;
    *n_out = n;
    return 0;
}

static void visit_targets(const struct node *node, live_target_visit visit, void *context)
{
    const struct values *values = &node->values;
    struct live_target target = {.node = node->state.node,
                                 .job = LIVE_JOB_DEFAULT,
                                 .instance = node->state.node,
                                 .labels = values->labels,
                                 .n_labels = values->n_labels};
    if (values->inputs == NULL)
        visit(context, &target);
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next) {
        if (!values_is_first_of_target(values, input))
            continue;
        target.job = input->target->job;
        target.instance = input->target->instance;
        visit(context, &target);
    }
}

void live_targets(struct live *live, live_target_visit visit, void *context)
{
    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; i < live->n_nodes; i++)
        visit_targets(live->nodes[i], visit, context);
    pthread_mutex_unlock(&live->lock);
}

void live_totals(struct live *live, struct live_totals *totals_out)
{
    pthread_mutex_lock(&live->lock);
    struct live_totals totals = {.nodes = live->n_nodes,
                                 .identities = identities_count(live->identities),
                                 .bytes = identities_bytes(live->identities),
                                 .is_rebuilt = true};
    for (size_t i = 0; i < live->n_nodes; i++) {
        const struct node *node = live->nodes[i];
        totals.series += values_series(&node->values);
        totals.bytes += sizeof(*node) + values_bytes(&node->values);
        totals.is_rebuilt = totals.is_rebuilt && node->was_rebuilt;
    }
    pthread_mutex_unlock(&live->lock);
    *totals_out = totals;
}
