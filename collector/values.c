#include "collector/values.h"

#include <errno.h>
#include <string.h>

#include "common/buffer.h"
#include "common/exposition.h"

void values_init(struct values *values, struct identities *identities, struct graveyard *graveyard,
                 const char *node)
{
    *values = (struct values){.identities = identities, .graveyard = graveyard, .node = node};
}

/* --- targets --- */

static struct target *target_new(const char *job, const char *instance)
{
    BUFFER_AUTO struct buffer text = {0};
    exposition_label(&text, "instance", instance);
    buffer_append(&text, ",", 1);
    exposition_label(&text, "job", job);
    size_t job_bytes = strlen(job) + 1, instance_bytes = strlen(instance) + 1;
    if (buffer_failed(&text))
        return NULL;
    struct target *target = malloc(sizeof(*target) + text.size + job_bytes + instance_bytes);
    if (target == NULL)
        return NULL;
    char *at = (char *)(target + 1);
    *target = (struct target){.shared = {.refs = 1}, .text = at, .text_bytes = text.size};
    memcpy(at, text.data, text.size);
    target->job = memcpy(at + text.size, job, job_bytes);
    target->instance = memcpy(at + text.size + job_bytes, instance, instance_bytes);
    return target;
}

static struct target *find_target(const struct values_input *inputs, const char *job,
                                  const char *instance)
{
    for (; inputs != NULL; inputs = inputs->next) {
        if (strcmp(inputs->target->job, job) == 0 &&
            strcmp(inputs->target->instance, instance) == 0)
            return inputs->target;
    }
    return NULL;
}

static struct target *take_target(struct values *values, const struct frame_input *definition)
{
    const char *instance = definition->instance[0] != '\0' ? definition->instance : values->node;
    struct target *target = find_target(values->inputs, definition->job, instance);
    if (target == NULL)
        target = find_target(values->pending, definition->job, instance);
    if (target == NULL)
        return target_new(definition->job, instance);
    target->shared.refs++;
    return target;
}

static void drop_target(struct values *values, struct target *target)
{
    if (--target->shared.refs == 0)
        graveyard_bury(values->graveyard, &target->shared);
}

/* --- one input --- */

static void drop_identity(struct values *values, struct values_input *input, struct value *value)
{
    if (value->identity == IDENTITY_NONE)
        return;
    values->text_bytes -= identities_get(values->identities, value->identity)->text_bytes;
    identities_drop(values->identities, value->identity);
    value->identity = IDENTITY_NONE;
    input->n_series--;
}

static void drop_values(struct values *values, struct values_input *input)
{
    for (uint32_t i = 0; i < input->n_values; i++)
        drop_identity(values, input, &input->values[i]);
    for (uint32_t i = 0; i < input->n_families; i++) {
        if (input->families[i] != NULL)
            identities_drop_family(values->identities, input->families[i]);
    }
    free(input->values);
    free(input->families);
    input->values = NULL;
    input->families = NULL;
    input->n_values = input->capacity = input->n_families = 0;
}

static void input_free(struct values *values, struct values_input *input)
{
    drop_values(values, input);
    drop_target(values, input->target);
    free(input);
}

static void free_list(struct values *values, struct values_input **list)
{
    while (*list != NULL) {
        struct values_input *input = *list;
        *list = input->next;
        input_free(values, input);
    }
}

static struct values_input *input_alloc(const char *name)
{
    size_t name_bytes = strlen(name) + 1;
    struct values_input *input = calloc(1, sizeof(*input) + name_bytes);
    if (input != NULL)
        memcpy(input->name, name, name_bytes);
    return input;
}

static struct values_input *input_new(struct values *values, const struct frame_reading *reading)
{
    struct values_input *input = input_alloc(reading->definition->name);
    if (input == NULL)
        return NULL;
    input->target = take_target(values, reading->definition);
    if (input->target == NULL) {
        free(input);
        return NULL;
    }
    input->id = reading->input;
    input->is_current = true;
    input->interval_ms = reading->definition->interval_ms;
    input->time_ms = VALUES_TIME_NONE;
    return input;
}

static void share_all(struct values *values, struct values_input *input)
{
    input->target->shared.refs++;
    for (uint32_t i = 0; i < input->n_families; i++) {
        if (input->families[i] != NULL)
            identities_share_family(input->families[i]);
    }
    for (uint32_t i = 0; i < input->n_values; i++) {
        uint32_t identity = input->values[i].identity;
        if (identity == IDENTITY_NONE)
            continue;
        identities_share(values->identities, identity);
        values->text_bytes += identities_get(values->identities, identity)->text_bytes;
    }
}

/* A copy that takes changes while pages go on to see the old one. */
static struct values_input *input_copy(struct values *values, const struct values_input *input)
{
    struct values_input *copy = input_alloc(input->name);
    if (copy == NULL)
        return NULL;
    memcpy(copy, input, sizeof(*copy));
    copy->next = NULL;
    copy->capacity = input->n_values;
    copy->values = malloc(input->n_values * sizeof(*copy->values) + 1);
    copy->families = malloc(input->n_families * sizeof(struct identity_family *) + 1);
    if (copy->values == NULL || copy->families == NULL) {
        free(copy->values);
        free(copy->families);
        free(copy);
        return NULL;
    }
    if (input->n_values > 0)
        memcpy(copy->values, input->values, input->n_values * sizeof(*copy->values));
    if (input->n_families > 0)
        memcpy(copy->families, input->families,
               input->n_families * sizeof(struct identity_family *));
    share_all(values, copy);
    return copy;
}

/* --- a reading --- */

static int add_families(struct values *values, struct values_input *input,
                        const struct frame_reading *reading)
{
    if (reading->n_families == 0)
        return 0;
    size_t n = input->n_families + reading->n_families;
    struct identity_family **families = realloc(input->families, n * sizeof(*families));
    if (families == NULL)
        return -ENOMEM;
    input->families = families;
    for (size_t i = 0; i < reading->n_families; i++) {
        struct identity_family *family = NULL;
        if (values->text_bytes < VALUES_TEXT_BYTES_MAX) {
            family = identities_take_family(values->identities, &reading->families[i]);
            if (family == NULL)
                return -ENOMEM;
        }
        families[input->n_families++] = family;
    }
    return 0;
}

static int reserve_values(struct values_input *input, size_t extra)
{
    size_t n = input->n_values + extra;
    if (n <= input->capacity)
        return 0;
    /* What an input has at first is mostly all: no reserve then, some when it grows. */
    size_t capacity = input->n_values == 0 ? n : n + n / 8;
    if (capacity > UINT32_MAX)
        return -ENOMEM;
    struct value *slots = realloc(input->values, capacity * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    input->values = slots;
    input->capacity = (uint32_t)capacity;
    return 0;
}

/* The identity for a series, or IDENTITY_NONE past the bound of text. */
static int take_identity(struct values *values, struct values_input *input,
                         const struct frame_series *series, uint32_t *number_out)
{
    struct identity_family *family =
        series->family < input->n_families ? input->families[series->family] : NULL;
    if (family == NULL || values->text_bytes >= VALUES_TEXT_BYTES_MAX) {
        values->hidden++;
        *number_out = IDENTITY_NONE;
        return 0;
    }
    struct identity_key key = {.family = family,
                               .suffix = series->suffix,
                               .labels = series->labels,
                               .n_labels = series->n_labels};
    int r = identities_take(values->identities, &key, number_out);
    if (r < 0)
        return r;
    values->text_bytes += identities_get(values->identities, *number_out)->text_bytes;
    input->n_series++;
    return 0;
}

static int add_series(struct values *values, struct values_input *input,
                      const struct frame_reading *reading)
{
    int r = reserve_values(input, reading->n_series);
    if (r < 0)
        return r;
    for (size_t i = 0; i < reading->n_series; i++) {
        uint32_t identity;
        r = take_identity(values, input, &reading->series[i], &identity);
        if (r < 0)
            return r;
        input->values[input->n_values++] = (struct value){.identity = identity};
    }
    return 0;
}

/* The decoder has checked the ids; bounds are kept here too, for a frame is foreign. */
static int apply_to_input(struct values *values, struct values_input *input,
                          const struct frame_reading *reading)
{
    int r = add_families(values, input, reading);
    if (r == 0)
        r = add_series(values, input, reading);
    if (r < 0)
        return r;
    for (size_t i = 0; i < reading->n_changes; i++) {
        const struct frame_change *change = &reading->changes[i];
        if (change->series >= input->n_values)
            continue;
        input->values[change->series].mantissa = change->value.mantissa;
        input->values[change->series].exponent = change->value.exponent;
    }
    for (size_t i = 0; i < reading->n_gone; i++) {
        if (reading->gone[i] < input->n_values)
            drop_identity(values, input, &input->values[reading->gone[i]]);
    }
    return 0;
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
    if (old != NULL)
        input_free(values, old);
}

/* The input that a reading changes: the one seen, where the reading is whole, else one that is in
 * no list. *input_out is NULL for a reading of an input that is not known. */
static int open_input(struct values *values, const struct frame_reading *reading,
                      struct values_input **input_out)
{
    *input_out = NULL;
    if (reading->definition != NULL) {
        *input_out = input_new(values, reading);
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
    *input_out = input_copy(values, seen);
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
    r = apply_to_input(values, input, reading);
    if (r < 0) {
        if (!is_seen)
            input_free(values, input);
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
        labels[i].name = strcpy(at, frame->node_labels[i].name);
        at += strlen(at) + 1;
        labels[i].value = strcpy(at, frame->node_labels[i].value);
        at += strlen(at) + 1;
    }
    free(values->labels);
    values->labels = labels;
    values->n_labels = n;
    return 0;
}

static void begin_stream(struct values *values)
{
    for (struct values_input *input = values->inputs; input != NULL; input = input->next) {
        drop_values(values, input);
        input->is_ghost = true;
    }
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
        input_free(values, input);
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
        drop_values(values, input);
        input->is_current = false;
        input->time_ms = VALUES_TIME_NONE;
    }
    values->stream = 0;
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
