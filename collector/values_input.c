#include "collector/values_input.h"

#include <errno.h>
#include <string.h>

#include "common/buffer.h"
#include "common/exposition.h"

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

void values_input_clear(struct values *values, struct values_input *input)
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

void values_input_free(struct values *values, struct values_input *input)
{
    values_input_clear(values, input);
    drop_target(values, input->target);
    free(input);
}

static struct values_input *input_alloc(const char *name)
{
    size_t name_bytes = strlen(name) + 1;
    struct values_input *input = calloc(1, sizeof(*input) + name_bytes);
    if (input != NULL)
        memcpy(input->name, name, name_bytes);
    return input;
}

struct values_input *values_input_new(struct values *values, const struct frame_reading *reading)
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

struct values_input *values_input_copy(struct values *values, const struct values_input *input)
{
    struct values_input *copy = input_alloc(input->name);
    if (copy == NULL)
        return NULL;
    memcpy(copy, input, sizeof(*copy));
    copy->next = NULL;
    copy->capacity = input->n_values;
    copy->values = calloc(input->n_values + (size_t)1, sizeof(*copy->values));
    copy->families = calloc(input->n_families + (size_t)1, sizeof(struct identity_family *));
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
    struct identity_family **families =
        realloc(input->families, n * sizeof(struct identity_family *));
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
int values_input_apply(struct values *values, struct values_input *input,
                       const struct frame_reading *reading)
{
    if (reading->n_series > 0 || reading->n_gone > 0)
        values->is_to_mark = true;
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
