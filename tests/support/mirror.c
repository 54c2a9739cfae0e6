#include "tests/support/mirror.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire.h"

#define MIRROR_BYTES_MAX ((size_t)1 << 30)

__attribute__((format(printf, 2, 3))) static bool broken(struct mirror *mirror, const char *format,
                                                         ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(mirror->error, sizeof(mirror->error), format, args);
    va_end(args);
    return false;
}

void mirror_deinit(struct mirror *mirror)
{
    for (uint32_t i = 0; i < mirror->n_inputs; i++) {
        free(mirror->inputs[i].families);
        free(mirror->inputs[i].series);
    }
    free(mirror->inputs);
    arena_deinit(&mirror->arena);
    *mirror = (struct mirror){0};
}

/* A test without memory has nothing to check. */
static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static const char *copy(struct mirror *mirror, const char *text)
{
    return must(arena_copy_text(&mirror->arena, text, strlen(text)));
}

static const struct label *copy_labels(struct mirror *mirror, const struct label *labels, size_t n)
{
    struct label *copies = must(arena_alloc(&mirror->arena, n * sizeof(*copies)));
    for (size_t i = 0; i < n; i++)
        copies[i] = (struct label){copy(mirror, labels[i].name), copy(mirror, labels[i].value)};
    return copies;
}

/* --- definitions --- */

static bool add_input(struct mirror *mirror, const struct frame_reading *reading)
{
    if (reading->input != mirror->n_inputs)
        return broken(mirror, "input %" PRIu32 " defined as the %" PRIu32 "th", reading->input,
                      mirror->n_inputs);
    mirror->inputs =
        must(realloc(mirror->inputs, (mirror->n_inputs + 1) * sizeof(*mirror->inputs)));
    mirror->inputs[mirror->n_inputs++] = (struct mirror_input){
        .definition = {.name = copy(mirror, reading->definition->name),
                       .job = copy(mirror, reading->definition->job),
                       .instance = copy(mirror, reading->definition->instance),
                       .interval_ms = reading->definition->interval_ms},
    };
    return true;
}

static void add_families(struct mirror *mirror, struct mirror_input *input,
                         const struct frame_reading *reading)
{
    size_t n = input->n_families + reading->n_families;
    input->families = must(realloc(input->families, n * sizeof(*input->families)));
    for (size_t i = 0; i < reading->n_families; i++)
        input->families[input->n_families++] = (struct family){
            .name = copy(mirror, reading->families[i].name),
            .help = copy(mirror, reading->families[i].help),
            .unit = copy(mirror, reading->families[i].unit),
            .type = reading->families[i].type,
        };
}

static bool add_series(struct mirror *mirror, struct mirror_input *input,
                       const struct frame_reading *reading)
{
    size_t n = input->n_series + reading->n_series;
    input->series = must(realloc(input->series, n * sizeof(*input->series)));
    for (size_t i = 0; i < reading->n_series; i++) {
        const struct frame_series *series = &reading->series[i];
        if (series->family >= input->n_families)
            return broken(mirror, "family id %" PRIu32, series->family);
        /* Without a value yet: an exponent that no decimal has. */
        input->series[input->n_series++] = (struct mirror_series){
            .family = series->family,
            .suffix = series->suffix,
            .n_labels = series->n_labels,
            .labels = copy_labels(mirror, series->labels, series->n_labels),
            .value = {.exponent = INT8_MIN},
        };
        input->n_live++;
    }
    return true;
}

static bool define(struct mirror *mirror, struct mirror_input *input,
                   const struct frame_reading *reading)
{
    if (reading->first_family != input->n_families || reading->first_series != input->n_series)
        return broken(mirror, "ids of new families or series do not follow those before");
    if (reading->n_families > 0)
        add_families(mirror, input, reading);
    return reading->n_series == 0 || add_series(mirror, input, reading);
}

/* --- values --- */

static bool apply_values(struct mirror *mirror, struct mirror_input *input,
                         const struct frame_reading *reading)
{
    for (size_t i = 0; i < reading->n_changes; i++) {
        const struct frame_change *change = &reading->changes[i];
        if (change->series >= input->n_series || input->series[change->series].is_gone)
            return broken(mirror, "a value for series id %" PRIu32, change->series);
        if (change->value.exponent != DECIMAL_RAW &&
            !decimal_is_valid(change->value.mantissa, change->value.exponent))
            return broken(mirror, "a decimal out of bounds for series id %" PRIu32, change->series);
        input->series[change->series].value = change->value;
    }
    for (size_t i = 0; i < reading->n_gone; i++) {
        if (reading->gone[i] >= input->n_series || input->series[reading->gone[i]].is_gone)
            return broken(mirror, "series id %" PRIu32 " gone", reading->gone[i]);
        input->series[reading->gone[i]].is_gone = true;
        input->n_live--;
    }
    for (size_t i = 0; i < reading->n_series; i++)
        if (input->series[reading->first_series + i].value.exponent == INT8_MIN)
            return broken(mirror, "series id %zu without a value", reading->first_series + i);
    return true;
}

static bool apply_reading(struct mirror *mirror, const struct frame_reading *reading)
{
    if (reading->definition != NULL && !add_input(mirror, reading))
        return false;
    if (reading->input >= mirror->n_inputs)
        return broken(mirror, "input %" PRIu32 " is not defined", reading->input);
    struct mirror_input *input = &mirror->inputs[reading->input];
    if (reading->time_ms < input->time_ms ||
        (input->is_partial && reading->time_ms != input->time_ms))
        return broken(mirror, "time %" PRId64 " after %" PRId64, reading->time_ms, input->time_ms);
    input->time_ms = reading->time_ms;
    input->is_repeat = reading->is_repeat;
    input->is_partial = reading->has_more;
    if (!define(mirror, input, reading) || !apply_values(mirror, input, reading))
        return false;
    if (!reading->has_more) {
        mirror->samples += input->n_live;
        input->readings++;
    }
    return true;
}

bool mirror_apply(struct mirror *mirror, const struct frame *frame)
{
    bool is_key = frame->header.sequence == frame->header.key;
    if (is_key) {
        mirror_deinit(mirror);
        arena_init(&mirror->arena, MIRROR_BYTES_MAX);
        mirror->n_node_labels = frame->n_node_labels;
        if (frame->n_node_labels > NODE_LABELS_MAX)
            return broken(mirror, "%zu node labels", frame->n_node_labels);
        const struct label *labels = copy_labels(mirror, frame->node_labels, frame->n_node_labels);
        for (size_t i = 0; i < frame->n_node_labels; i++)
            mirror->node_labels[i] = labels[i];
    } else if (frame->n_node_labels > 0) {
        return broken(mirror, "node labels outside a key frame");
    }
    mirror->samples = 0;
    for (size_t i = 0; i < frame->n_readings; i++)
        if (!apply_reading(mirror, &frame->readings[i]))
            return false;
    if (mirror->samples != frame->samples)
        return broken(mirror, "%" PRIu32 " samples, the frame says %" PRIu32, mirror->samples,
                      frame->samples);
    return true;
}

/* --- looking --- */

const struct mirror_input *mirror_find(const struct mirror *mirror, const char *input)
{
    for (uint32_t i = 0; i < mirror->n_inputs; i++)
        if (strcmp(mirror->inputs[i].definition.name, input) == 0)
            return &mirror->inputs[i];
    return NULL;
}

int mirror_reading(const struct mirror_input *input, struct reading *reading)
{
    reading_begin(reading);
    for (uint32_t i = 0; i < input->n_series; i++) {
        const struct mirror_series *series = &input->series[i];
        if (series->is_gone)
            continue;
        const struct family *known = &input->families[series->family];
        const struct family *family =
            reading_family(reading, known->name, known->type, known->help);
        reading_add_part(reading, family, series->suffix, decimal_value(series->value),
                         series->labels, series->n_labels);
    }
    return reading_end(reading);
}

void mirror_print_series(struct buffer *out, const struct family *family, enum series_suffix suffix,
                         const struct label *labels, size_t n_labels)
{
    buffer_print(out, "%s%s [%s, \"%s\", \"%s\"] {", family->name, series_suffix_text(suffix),
                 family_type_name(family->type), family->help, family->unit);
    for (size_t i = 0; i < n_labels; i++)
        buffer_print(out, "%s%s=\"%s\"", i > 0 ? "," : "", labels[i].name, labels[i].value);
    buffer_text(out, "}");
}

static void print_value(struct buffer *out, struct decimal decimal)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    double value = decimal_value(decimal);
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    size_t n = decimal_format(decimal, text);
    buffer_print(out, " = %.*s (%016" PRIx64 ")\n", (int)n, text, bits);
}

void mirror_print(const struct mirror *mirror, struct buffer *out)
{
    for (size_t i = 0; i < mirror->n_node_labels; i++)
        buffer_print(out, "node label %s=\"%s\"\n", mirror->node_labels[i].name,
                     mirror->node_labels[i].value);
    for (uint32_t i = 0; i < mirror->n_inputs; i++) {
        const struct mirror_input *input = &mirror->inputs[i];
        buffer_print(out, "input %s, job %s, instance \"%s\", interval %" PRIu32 " ms\n",
                     input->definition.name, input->definition.job, input->definition.instance,
                     input->definition.interval_ms);
        buffer_print(out, "  at %" PRId64 " ms%s%s\n", input->time_ms,
                     input->is_repeat ? ", a repeat" : "", input->is_partial ? ", to go on" : "");
        for (uint32_t j = 0; j < input->n_series; j++) {
            const struct mirror_series *series = &input->series[j];
            if (series->is_gone)
                continue;
            buffer_text(out, "  ");
            mirror_print_series(out, &input->families[series->family], series->suffix,
                                series->labels, series->n_labels);
            print_value(out, series->value);
        }
    }
}
