/*
 * Bodies: readings and definitions. A message is looked through twice, first to count its parts
 * and then to fill arrays of that size, so that nothing is allocated on a sender's word alone.
 */
#include "common/decoder_body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire.h"

/* A body's and a reading's fields before they mean anything. */
struct body_fields {
    uint64_t time_ms;
    size_t n_readings, n_node_labels;
};

struct reading_fields {
    int64_t input_gap;
    int64_t time_offset_ms;
    struct wire_field definition; /* bytes NULL: absent */
    size_t n_families, n_series;
    struct packed_list lists[PACKED_LISTS];
    bool has_more, is_repeat;
};

void decoder_group_clear(struct decoder_group *group)
{
    for (uint32_t i = 0; i < group->n_inputs; i++) {
        free(group->inputs[i].predictions);
        free(group->inputs[i].marks);
        free(group->inputs[i].family_types);
    }
    free(group->inputs);
    *group = (struct decoder_group){0};
}

size_t decoder_group_bytes(const struct decoder_group *group)
{
    size_t size = group->n_inputs * sizeof(struct decoder_input);
    for (uint32_t i = 0; i < group->n_inputs; i++)
        size += group->inputs[i].series_capacity *
                    (sizeof(struct decoder_prediction) + sizeof(struct decoder_mark)) +
                group->inputs[i].families_capacity;
    return size;
}

int body_refuse(struct body_decoder *body, enum reject_reason reason, const char *format, ...)
{
    char what[128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args); /* cut where long */
    va_end(args);
    if (body->is_in_reading)
        return frame_refuse(body->rejection, reason, "reading %zu of input %" PRIu32 ": %s",
                            body->reading, body->input, what);
    return frame_refuse(body->rejection, reason, "body: %s", what);
}

int body_no_memory(struct body_decoder *body)
{
    if (!body->arena->is_exhausted)
        return -ENOMEM;
    return body_refuse(body, REJECT_TOO_LARGE, "takes over %d bytes to decode", DECODED_BYTES_MAX);
}

int body_alloc(struct body_decoder *body, size_t n, size_t size, void **out)
{
    /* n counts parts of a body, so the product is far from overflow. */
    void *array = arena_alloc(body->arena, n * size);
    if (array == NULL)
        return body_no_memory(body);
    *out = array;
    return 0;
}

int body_wrong_type(struct body_decoder *body, const char *message, const struct wire_field *field)
{
    return body_refuse(body, REJECT_MALFORMED, "%s: field %" PRIu32 " has a wrong type", message,
                       field->number);
}

int body_read_message(struct body_decoder *body, const struct wire_field *message, const char *name,
                      body_take_field take, void *out)
{
    if (message->type != WIRE_BYTES)
        return body_wrong_type(body, name, message);
    struct wire_reader reader = {.at = message->bytes, .end = message->bytes + message->size};
    for (;;) {
        struct wire_field field;
        int r = wire_next(&reader, &field);
        if (r == WIRE_END)
            return 0;
        if (r != 0)
            return body_refuse(body, REJECT_MALFORMED, "%s: not protobuf", name);
        r = take(body, &field, out);
        if (r != 0)
            return r;
    }
}

/* --- lists --- */

static bool is_list(uint32_t number)
{
    return (number >= READING_DELTA_SERIES && number <= READING_GONE) ||
           number == READING_DELTA_BITS;
}

/* A list comes packed in one field, as every usual encoder writes it; or in several, or element by
 * element (a callback of nanopb may): then its pieces have to be put together. */
static int count_piece(struct body_decoder *body, const struct wire_field *field,
                       struct packed_list *list)
{
    enum wire_type unpacked = field->number == READING_RAW          ? WIRE_FIXED64
                              : field->number == READING_DELTA_BITS ? WIRE_BYTES
                                                                    : WIRE_VARINT;
    if (field->type != WIRE_BYTES && field->type != unpacked)
        return body_wrong_type(body, "reading", field);
    list->bytes = field->bytes;
    list->size += field->size;
    list->pieces++;
    return 0;
}

struct list_joint {
    uint32_t number;
    uint8_t *at;
};

static int take_piece(struct body_decoder *body, const struct wire_field *field, void *out)
{
    (void)body; /* not wanted by this taker of fields */
    struct list_joint *joint = out;
    if (field->number == joint->number && field->size > 0) {
        memcpy(joint->at, field->bytes, field->size);
        joint->at += field->size;
    }
    return 0;
}

static int join_lists(struct body_decoder *body, const struct wire_field *message,
                      struct packed_list *lists)
{
    for (uint32_t i = 0; i < PACKED_LISTS; i++) {
        if (lists[i].pieces < 2)
            continue;
        void *bytes = NULL;
        int r = body_alloc(body, lists[i].size, 1, &bytes);
        if (r != 0)
            return r;
        struct list_joint joint = {.number = READING_DELTA_SERIES + i, .at = bytes};
        r = body_read_message(body, message, "reading", take_piece, &joint);
        if (r != 0)
            return r;
        lists[i].bytes = bytes;
    }
    return 0;
}

/* --- readings --- */

static int take_reading_number(const struct wire_field *field, struct reading_fields *fields)
{
    switch (field->number) {
    case READING_INPUT_GAP:
        fields->input_gap = wire_from_zigzag(field->value);
        break;
    case READING_TIME_OFFSET:
        fields->time_offset_ms = wire_from_zigzag(field->value);
        break;
    case READING_MORE:
        fields->has_more = field->value != 0;
        break;
    default: /* READING_REPEAT */
        fields->is_repeat = field->value != 0;
        break;
    }
    return 0;
}

static int take_reading_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct reading_fields *fields = out;
    if (is_list(field->number))
        return count_piece(body, field, &fields->lists[field->number - READING_DELTA_SERIES]);
    if (field->number > READING_REPEAT)
        return 0;
    bool is_message = field->number >= READING_DEFINITION && field->number <= READING_SERIES;
    if (field->type != (is_message ? WIRE_BYTES : WIRE_VARINT))
        return body_wrong_type(body, "reading", field);
    if (!is_message)
        return take_reading_number(field, fields);
    if (field->number == READING_DEFINITION)
        fields->definition = *field;
    fields->n_families += field->number == READING_FAMILY;
    fields->n_series += field->number == READING_SERIES;
    return 0;
}

/* The reading's input, made where it is defined here. */
static int find_input(struct body_decoder *body, const struct reading_fields *fields,
                      struct frame_reading *reading)
{
    struct decoder_group *group = body->group;
    bool is_new = body->input == group->n_inputs;
    if (body->input > group->n_inputs || is_new != (fields->definition.bytes != NULL))
        return body_refuse(body, REJECT_MALFORMED, "%s definition, %" PRIu32 " inputs are known",
                           fields->definition.bytes != NULL ? "a" : "no", group->n_inputs);
    if (!is_new)
        return 0;
    if (group->n_inputs == INPUTS_PER_NODE_MAX)
        return body_refuse(body, REJECT_LIMIT, "over %d inputs", INPUTS_PER_NODE_MAX);
    struct decoder_input *inputs = realloc(group->inputs, (group->n_inputs + 1) * sizeof(*inputs));
    if (inputs == NULL)
        return -ENOMEM;
    group->inputs = inputs;
    inputs[group->n_inputs++] = (struct decoder_input){0};
    void *memory = NULL;
    int r = body_alloc(body, 1, sizeof(struct frame_input), &memory);
    if (r != 0)
        return r;
    reading->definition = memory;
    return decoder_read_input(body, &fields->definition, memory);
}

static int set_time(struct body_decoder *body, const struct reading_fields *fields, int64_t body_ms,
                    struct decoder_input *input, struct frame_reading *reading)
{
    if (fields->time_offset_ms < -READING_MS_MAX || fields->time_offset_ms > READING_MS_MAX)
        return body_refuse(body, REJECT_BAD_TIME, "time offset %" PRId64 " ms",
                           fields->time_offset_ms);
    int64_t time_ms = body_ms + fields->time_offset_ms;
    if (time_ms < 0 || time_ms > READING_MS_MAX)
        return body_refuse(body, REJECT_BAD_TIME, "boot time %" PRId64 " ms", time_ms);
    if (time_ms < input->last_ms)
        return body_refuse(body, REJECT_BAD_TIME, "boot time %" PRId64 " ms after %" PRId64 " ms",
                           time_ms, input->last_ms);
    input->last_ms = time_ms;
    reading->time_ms = time_ms;
    return 0;
}

/* A reading that goes on does so first thing in the next frame, and only the last one of a frame
 * may. */
static int check_more(struct body_decoder *body, const struct frame_reading *reading, bool is_last)
{
    struct decoder_group *group = body->group;
    if (group->has_more &&
        (reading->input != group->more_input || reading->time_ms != group->more_ms))
        return body_refuse(body, REJECT_MALFORMED,
                           "input %" PRIu32 " was to go on at %" PRId64 " ms", group->more_input,
                           group->more_ms);
    if (reading->has_more && !is_last)
        return body_refuse(body, REJECT_MALFORMED, "goes on, but is not the frame's last");
    group->has_more = reading->has_more;
    group->more_input = reading->input;
    group->more_ms = reading->time_ms;
    return 0;
}

/* --- a reading's definitions --- */

struct definitions {
    struct decoder_input *input;
    struct family *families;
    struct frame_series *series;
    size_t n_families, n_series;
};

static int take_family(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct definitions *definitions = out;
    struct decoder_input *input = definitions->input;
    if (field->number != READING_FAMILY)
        return 0;
    struct family *family = &definitions->families[definitions->n_families++];
    int r = decoder_read_family(body, field, family);
    if (r == 0)
        input->family_types[input->n_families++] = (uint8_t)family->type;
    return r;
}

static int take_series(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct definitions *definitions = out;
    struct decoder_input *input = definitions->input;
    if (field->number != READING_SERIES)
        return 0;
    struct frame_series *series = &definitions->series[definitions->n_series++];
    int r = decoder_read_series(body, field, input->n_families, series);
    if (r != 0)
        return r;
    enum family_type type = (enum family_type)input->family_types[series->family];
    if (!series_suffix_fits(series->suffix, type))
        return body_refuse(body, REJECT_MALFORMED, "a series \"%s\" of a %s",
                           series_suffix_text(series->suffix), family_type_name(type));
    input->predictions[input->n_series] = (struct decoder_prediction){0};
    input->marks[input->n_series++] =
        (struct decoder_mark){.exponent = DECIMAL_RAW, .is_counter = type == FAMILY_COUNTER};
    return 0;
}

static int check_room(struct body_decoder *body, const struct reading_fields *fields)
{
    const struct decoder_group *group = body->group;
    if (fields->n_series > IDS_PER_GROUP_MAX - group->n_series ||
        fields->n_families > IDS_PER_GROUP_MAX - group->n_families)
        return body_refuse(body, REJECT_LIMIT, "over %d ids in a group", IDS_PER_GROUP_MAX);
    return 0;
}

static int read_definitions(struct body_decoder *body, const struct wire_field *message,
                            const struct reading_fields *fields, struct decoder_input *input,
                            struct frame_reading *reading)
{
    reading->first_family = input->n_families;
    reading->first_series = input->n_series;
    reading->n_families = fields->n_families;
    reading->n_series = fields->n_series;
    if (fields->n_families + fields->n_series == 0)
        return 0;
    int r = check_room(body, fields);
    void *families = NULL;
    void *series = NULL;
    if (r == 0)
        r = body_alloc(body, fields->n_families, sizeof(struct family), &families);
    if (r == 0)
        r = body_alloc(body, fields->n_series, sizeof(struct frame_series), &series);
    if (r == 0)
        r = decoder_input_hold(input, (uint32_t)fields->n_series, (uint32_t)fields->n_families);
    struct definitions definitions = {.input = input, .families = families, .series = series};
    if (r == 0)
        r = body_read_message(body, message, "reading", take_family, &definitions);
    if (r == 0)
        r = body_read_message(body, message, "reading", take_series, &definitions);
    if (r != 0)
        return r;
    reading->families = families;
    reading->series = series;
    body->group->n_series += (uint32_t)fields->n_series;
    body->group->n_families += (uint32_t)fields->n_families;
    input->n_live += (uint32_t)fields->n_series;
    body->group->n_live += (uint32_t)fields->n_series;
    return 0;
}

/* --- a body --- */

static int read_reading(struct body_decoder *body, const struct wire_field *message,
                        int64_t body_ms, struct frame_reading *reading, bool is_last)
{
    struct reading_fields fields = {0};
    for (size_t i = 0; i < PACKED_LISTS; i++)
        fields.lists[i].bytes = message->bytes; /* nothing of something, until it is found */
    int r = body_read_message(body, message, "reading", take_reading_field, &fields);
    if (r != 0)
        return r;
    if (fields.input_gap < -(int64_t)body->next_input || fields.input_gap > INPUTS_PER_NODE_MAX)
        return body_refuse(body, REJECT_MALFORMED, "an input gap of %" PRId64, fields.input_gap);
    body->input = (uint32_t)(body->next_input + fields.input_gap);
    body->next_input = body->input + 1;
    *reading = (struct frame_reading){
        .input = body->input, .is_repeat = fields.is_repeat, .has_more = fields.has_more};
    r = find_input(body, &fields, reading);
    if (r != 0)
        return r;
    struct decoder_input *input = &body->group->inputs[reading->input];
    r = set_time(body, &fields, body_ms, input, reading);
    if (r == 0)
        r = check_more(body, reading, is_last);
    if (r == 0)
        r = read_definitions(body, message, &fields, input, reading);
    if (r == 0)
        r = join_lists(body, message, fields.lists);
    if (r == 0)
        r = decoder_read_values(body, input, fields.lists, reading);
    if (r != 0)
        return r;
    if (input->n_live > SERIES_PER_INPUT_MAX || body->group->n_live > SERIES_PER_NODE_MAX)
        return body_refuse(body, REJECT_LIMIT, "%" PRIu32 " series, %" PRIu32 " of the node",
                           input->n_live, body->group->n_live);
    if (!reading->has_more)
        body->frame->samples += input->n_live;
    return 0;
}

static int count_body_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct body_fields *fields = out;
    if (field->number > BODY_NODE_LABEL)
        return 0;
    if (field->type != (field->number == BODY_TIME ? WIRE_VARINT : WIRE_BYTES))
        return body_wrong_type(body, "body", field);
    if (field->number == BODY_TIME)
        fields->time_ms = field->value;
    fields->n_readings += field->number == BODY_READING;
    fields->n_node_labels += field->number == BODY_NODE_LABEL;
    return 0;
}

static int check_body(struct body_decoder *body, const struct body_fields *fields)
{
    if (fields->n_readings > READINGS_PER_FRAME_MAX)
        return body_refuse(body, REJECT_LIMIT, "%zu readings, over %d", fields->n_readings,
                           READINGS_PER_FRAME_MAX);
    if (fields->time_ms > READING_MS_MAX)
        return body_refuse(body, REJECT_BAD_TIME, "boot time %" PRIu64 " ms", fields->time_ms);
    if (fields->n_readings == 0 && body->group->has_more)
        return body_refuse(body, REJECT_MALFORMED, "the last frame's reading does not go on");
    return 0;
}

struct reading_array {
    struct frame_reading *readings;
    size_t n, n_all;
    int64_t body_ms;
};

static int take_reading(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct reading_array *array = out;
    if (field->number != BODY_READING)
        return 0;
    body->reading = array->n;
    body->input = body->next_input;
    body->is_in_reading = true;
    struct frame_reading *reading = &array->readings[array->n++];
    int r = read_reading(body, field, array->body_ms, reading, array->n == array->n_all);
    body->is_in_reading = false;
    return r;
}

int decoder_read_body(struct body_decoder *body, const uint8_t *bytes, size_t size)
{
    struct wire_field message = {.type = WIRE_BYTES, .bytes = bytes, .size = size};
    struct body_fields fields = {0};
    int r = body_read_message(body, &message, "body", count_body_field, &fields);
    if (r == 0)
        r = check_body(body, &fields);
    if (r == 0)
        r = decoder_read_node_labels(body, &message, fields.n_node_labels);
    void *readings = NULL;
    if (r == 0)
        r = body_alloc(body, fields.n_readings, sizeof(struct frame_reading), &readings);
    if (r != 0)
        return r;
    struct reading_array array = {
        .readings = readings, .n_all = fields.n_readings, .body_ms = (int64_t)fields.time_ms};
    body->frame->readings = readings;
    body->frame->n_readings = fields.n_readings;
    return body_read_message(body, &message, "body", take_reading, &array);
}
