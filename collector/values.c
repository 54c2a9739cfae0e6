#include "collector/values.h"

#include <errno.h>
#include <string.h>

#include "collector/values_input.h"

void values_init(struct values *values, struct identities *identities, struct graveyard *graveyard,
                 const char *node)
{
    *values = (struct values){.identities = identities, .graveyard = graveyard, .node = node};
}

static void free_list(struct values *values, struct values_input **list)
{
    while (*list != NULL) {
        struct values_input *input = *list;
        *list = input->next;
        values_input_free(values, input);
    }
}

static struct values_input **find_id(struct values_input **list, uint32_t id)
{
    while (*list != NULL && !((*list)->is_current && (*list)->id == id))
        list = &(*list)->next;
    return list;
}

static struct values_input **find_name(struct values_input **list, const char *name)
{
    while (*list != NULL && strcmp((*list)->name, name) != 0)
        list = &(*list)->next;
    return list;
}

/* Puts an input where pages see it, in place of the one of that name. */
static void publish(struct values *values, struct values_input *input)
{
    struct values_input **place = find_name(&values->inputs, input->name);
    struct values_input *old = *place;
    input->next = old == NULL ? NULL : old->next;
    *place = input;
    values->is_to_mark = true;
    if (old != NULL)
        values_input_free(values, old);
}

/* The input that a reading changes: the one seen, where the reading is whole, else one that is in
 * no list. *input_out is NULL for a reading of an input that is not known. */
static int open_input(struct values *values, const struct frame_reading *reading,
                      struct values_input **input_out)
{
    *input_out = NULL;
    if (reading->definition != NULL) {
        *input_out = values_input_new(values, reading);
        return *input_out == NULL ? -ENOMEM : 0;
    }
    struct values_input **place = find_id(&values->pending, reading->input);
    if (*place != NULL) {
        *input_out = *place;
        *place = (*place)->next;
        (*input_out)->next = NULL;
        return 0;
    }
    struct values_input *seen = *find_id(&values->inputs, reading->input);
    if (seen == NULL || !reading->has_more) {
        *input_out = seen;
        return 0;
    }
    *input_out = values_input_copy(values, seen);
    return *input_out == NULL ? -ENOMEM : 0;
}

static int apply_reading(struct values *values, const struct frame_reading *reading,
                         int64_t utc_offset_ms)
{
    struct values_input *input;
    int r = open_input(values, reading, &input);
    if (r < 0 || input == NULL)
        return r;
    bool is_seen = input == *find_id(&values->inputs, reading->input);
    r = values_input_apply(values, input, reading);
    if (r < 0) {
        if (!is_seen)
            values_input_free(values, input);
        return r;
    }
    if (reading->has_more) {
        input->next = values->pending;
        values->pending = input;
        return 0;
    }
    input->time_ms = reading->time_ms + utc_offset_ms;
    if (!is_seen)
        publish(values, input);
    return 0;
}

/* --- frames --- */

static bool label_is(const struct label *a, const struct label *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->value, b->value) == 0;
}

static bool labels_are(const struct values *values, const struct frame *frame)
{
    if (values->n_labels != frame->n_node_labels)
        return false;
    for (size_t i = 0; i < values->n_labels; i++) {
        if (!label_is(&values->labels[i], &frame->node_labels[i]))
            return false;
    }
    return true;
}

static const char *copy_text(char **to, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*to, text, size);
    *to += size;
    return copy;
}

static int set_labels(struct values *values, const struct frame *frame)
{
    if (labels_are(values, frame))
        return 0;
    size_t n = frame->n_node_labels, bytes = n * sizeof(struct label);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(frame->node_labels[i].name) + strlen(frame->node_labels[i].value) + 2;
    struct label *labels = malloc(bytes + 1);
    if (labels == NULL)
        return -ENOMEM;
    char *at = (char *)(labels + n);
    for (size_t i = 0; i < n; i++) {
        labels[i].name = copy_text(&at, frame->node_labels[i].name);
        labels[i].value = copy_text(&at, frame->node_labels[i].value);
    }
    free(values->labels);
    values->labels = labels;
    values->n_labels = n;
    return 0;
}

static void begin_stream(struct values *values)
{
    for (struct values_input *input = values->inputs; input != NULL; input = input->next) {
        values_input_clear(values, input);
        input->is_ghost = true;
    }
    values->is_to_mark = true;
}

static int begin_group(struct values *values, const struct frame *frame)
{
    if (frame->header.stream != values->stream)
        begin_stream(values);
    values->stream = frame->header.stream;
    free_list(values, &values->pending);
    for (struct values_input *input = values->inputs; input != NULL; input = input->next)
        input->is_current = false;
    return set_labels(values, frame);
}

/* Targets of an earlier stream that this one has not taken up. */
static void lay_ghosts(struct values *values, int64_t now_ms)
{
    for (struct values_input **link = &values->inputs; *link != NULL;) {
        struct values_input *input = *link;
        if (!input->is_ghost ||
            (input->time_ms != VALUES_TIME_NONE && input->time_ms > now_ms - VALUES_GHOST_MS)) {
            link = &input->next;
            continue;
        }
        *link = input->next;
        values_input_free(values, input);
    }
}

static int apply_readings(struct values *values, const struct frame *frame, int64_t utc_offset_ms)
{
    for (size_t i = 0; i < frame->n_readings; i++) {
        int r = apply_reading(values, &frame->readings[i], utc_offset_ms);
        if (r < 0)
            return r;
    }
    if (frame->n_readings > 0)
        lay_ghosts(values, frame->readings[frame->n_readings - 1].time_ms + utc_offset_ms);
    return 0;
}

int values_apply(struct values *values, const struct frame *frame, int64_t utc_offset_ms)
{
    int r = 0;
    if (frame->header.sequence == frame->header.key)
        r = begin_group(values, frame);
    else if (frame->header.stream != values->stream)
        return 0;
    if (r == 0)
        r = apply_readings(values, frame, utc_offset_ms);
    if (r < 0)
        values_forget(values);
    return r;
}

void values_forget(struct values *values)
{
    free_list(values, &values->pending);
    for (struct values_input *input = values->inputs; input != NULL; input = input->next) {
        values_input_clear(values, input);
        input->is_current = false;
        input->time_ms = VALUES_TIME_NONE;
    }
    values->stream = 0;
    values->is_to_mark = true;
}

void values_deinit(struct values *values)
{
    free_list(values, &values->pending);
    free_list(values, &values->inputs);
    free(values->labels);
    values->labels = NULL;
    values->n_labels = 0;
}

/* --- what pages ask --- */

static const struct values_input *find_in(const struct values_input *list, uint32_t id)
{
    while (list != NULL && !(list->is_current && list->id == id))
        list = list->next;
    return list;
}

const struct values_input *values_find_input(const struct values *values, uint32_t id)
{
    const struct values_input *pending = find_in(values->pending, id);
    return pending != NULL ? pending : find_in(values->inputs, id);
}

uint64_t values_series(const struct values *values)
{
    uint64_t n = 0;
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next)
        n += input->n_series;
    return n;
}

size_t values_bytes(const struct values *values)
{
    size_t bytes = 0;
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next)
        bytes += sizeof(*input) + input->capacity * sizeof(struct value) +
                 input->n_families * sizeof(struct identity_family *);
    return bytes;
}

uint32_t values_interval_ms(const struct values *values, const struct target *target)
{
    uint32_t shortest = 0;
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next) {
        if ((target == NULL || input->target == target) && input->interval_ms != 0 &&
            (shortest == 0 || input->interval_ms < shortest))
            shortest = input->interval_ms;
    }
    return shortest;
}

int64_t values_newest_ms(const struct values *values, const struct target *target)
{
    int64_t newest = VALUES_TIME_NONE;
    for (const struct values_input *input = values->inputs; input != NULL; input = input->next) {
        if ((target == NULL || input->target == target) && input->time_ms > newest)
            newest = input->time_ms;
    }
    return newest;
}

bool values_is_first_of_target(const struct values *values, const struct values_input *input)
{
    const struct values_input *first = values->inputs;
    while (first->target != input->target)
        first = first->next;
    return first == input;
}
