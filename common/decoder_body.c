/*
 * Bodies, and what all of the decoder's parts need. A message is looked through twice, first to
 * count its parts and then to fill arrays of that size, so that nothing is allocated on a sender's
 * word alone.
 */
#include "common/decoder_body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire.h"

/* A body's fields before they mean anything. */
struct body_fields {
    uint64_t time_ms;
    size_t n_readings, n_node_labels;
    struct packed_list plain, changed, deltas;
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

int body_take_piece(struct body_decoder *body, const struct wire_field *field,
                    enum wire_type unpacked, struct packed_list *list)
{
    if (field->type != WIRE_BYTES && field->type != unpacked)
        return body_wrong_type(body, "list", field);
    list->bytes = field->bytes;
    list->size += field->size;
    list->pieces++;
    return 0;
}

struct list_joint {
    uint32_t number;
    uint8_t *at;
};

static int join_piece(struct body_decoder *body, const struct wire_field *field, void *out)
{
    (void)body; /* not wanted by this taker of fields */
    struct list_joint *joint = out;
    if (field->number == joint->number && field->size > 0) {
        memcpy(joint->at, field->bytes, field->size);
        joint->at += field->size;
    }
    return 0;
}

int body_join_list(struct body_decoder *body, const struct wire_field *message, uint32_t number,
                   struct packed_list *list)
{
    if (list->pieces < 2)
        return 0;
    void *bytes = NULL;
    int r = body_alloc(body, list->size, 1, &bytes);
    if (r != 0)
        return r;
    struct list_joint joint = {.number = number, .at = bytes};
    list->bytes = bytes;
    return body_read_message(body, message, "list", join_piece, &joint);
}

/* --- a body --- */

static int count_body_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct body_fields *fields = out;
    if (field->number == BODY_DELTA)
        return body_take_piece(body, field, WIRE_VARINT, &fields->deltas);
    if (field->number > BODY_DELTA)
        return 0;
    if (field->type != (field->number == BODY_TIME ? WIRE_VARINT : WIRE_BYTES))
        return body_wrong_type(body, "body", field);
    if (field->number == BODY_TIME)
        fields->time_ms = field->value;
    if (field->number == BODY_PLAIN || field->number == BODY_CHANGED)
        *(field->number == BODY_PLAIN ? &fields->plain : &fields->changed) =
            (struct packed_list){.bytes = field->bytes, .size = field->size};
    fields->n_readings += field->number == BODY_READING;
    fields->n_node_labels += field->number == BODY_NODE_LABEL;
    return 0;
}

static int check_body(struct body_decoder *body, const struct body_fields *fields)
{
    if (fields->n_readings > READINGS_PER_FRAME_MAX)
        return body_refuse(body, REJECT_LIMIT, "%zu readings, over %d", fields->n_readings,
                           READINGS_PER_FRAME_MAX);
    if (fields->plain.size > INPUTS_PER_NODE_MAX / 8)
        return body_refuse(body, REJECT_LIMIT, "%zu bytes of bits for at most %d inputs",
                           fields->plain.size, INPUTS_PER_NODE_MAX);
    if (fields->time_ms > READING_MS_MAX)
        return body_refuse(body, REJECT_BAD_TIME, "boot time %" PRIu64 " ms", fields->time_ms);
    if (fields->n_readings == 0 && body->group->has_more)
        return body_refuse(body, REJECT_MALFORMED, "the last frame's reading does not go on");
    return 0;
}

struct reading_array {
    struct frame_reading *readings;
    size_t n, n_all;
};

static int read_plain_readings(struct body_decoder *body, const struct body_fields *fields,
                               struct reading_array *array)
{
    const struct packed_list *plain = &fields->plain;
    struct wire_reader changed = {.at = fields->changed.bytes};
    struct wire_reader deltas = {.at = fields->deltas.bytes};
    changed.end = changed.at + fields->changed.size;
    deltas.end = deltas.at + fields->deltas.size;
    body->is_in_reading = true;
    for (uint32_t i = 0; i < 8 * plain->size; i++) {
        if ((plain->bytes[i / 8] >> (i % 8) & 1) == 0)
            continue;
        body->reading = array->n;
        body->input = i;
        int r = decoder_read_plain(body, &changed, &deltas, &array->readings[array->n++]);
        if (r != 0)
            return r;
    }
    body->is_in_reading = false;
    if (changed.at != changed.end || deltas.at != deltas.end)
        return body_refuse(body, REJECT_MALFORMED, "bits or deltas that belong to no reading");
    return 0;
}

static int take_reading(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct reading_array *array = out;
    if (field->number != BODY_READING)
        return 0;
    body->reading = array->n;
    body->input = body->next_input;
    body->is_in_reading = true;
    struct frame_reading *reading = &array->readings[array->n++];
    int r = decoder_read_reading(body, field, array->n == array->n_all, reading);
    body->is_in_reading = false;
    return r;
}

static int read_readings(struct body_decoder *body, const struct wire_field *message,
                         struct body_fields *fields)
{
    struct reading_array array = {.n_all = fields->n_readings + packed_list_bits(&fields->plain)};
    void *memory = NULL;
    int r = body_alloc(body, array.n_all, sizeof(struct frame_reading), &memory);
    if (r != 0)
        return r;
    array.readings = memory;
    body->frame->readings = array.readings;
    body->frame->n_readings = array.n_all;
    r = body_join_list(body, message, BODY_DELTA, &fields->deltas);
    if (r == 0)
        r = read_plain_readings(body, fields, &array);
    return r == 0 ? body_read_message(body, message, "body", take_reading, &array) : r;
}

int decoder_read_body(struct body_decoder *body, const uint8_t *bytes, size_t size)
{
    struct wire_field message = {.type = WIRE_BYTES, .bytes = bytes, .size = size};
    /* Lists that are absent are nothing of something: pointers of them may be compared. */
    struct packed_list nothing = {.bytes = bytes};
    struct body_fields fields = {.plain = nothing, .changed = nothing, .deltas = nothing};
    int r = body_read_message(body, &message, "body", count_body_field, &fields);
    if (r == 0)
        r = check_body(body, &fields);
    body->time_ms = (int64_t)fields.time_ms;
    if (r == 0)
        r = decoder_read_node_labels(body, &message, fields.n_node_labels);
    return r == 0 ? read_readings(body, &message, &fields) : r;
}
