/* One reading: its message taken apart, its definitions put to those of its input. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/decoder_body.h"

/* Its fields before they mean anything. */
struct reading_fields {
    int64_t input_gap;
    int64_t time_offset_ms;
    struct wire_field definition; /* bytes NULL: absent */
    size_t n_families, n_series;
    struct packed_list lists[PACKED_LISTS];
    bool has_more, is_repeat;
};

static bool is_list(uint32_t number)
{
    return (number >= READING_DELTA_SERIES && number <= READING_GONE) ||
           number == READING_DELTA_BITS;
}

/* The type of an element that stands alone. */
static enum wire_type element_type(uint32_t number)
{
    if (number == READING_DELTA_BITS)
        return WIRE_BYTES;
    return number == READING_RAW ? WIRE_FIXED64 : WIRE_VARINT;
}

static int join_lists(struct body_decoder *body, const struct wire_field *message,
                      struct packed_list *lists)
{
    int r = 0;
    for (uint32_t i = 0; i < PACKED_LISTS && r == 0; i++)
        r = body_join_list(body, message, READING_DELTA_SERIES + i, &lists[i]);
    return r;
}

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
        return body_take_piece(body, field, element_type(field->number),
                               &fields->lists[field->number - READING_DELTA_SERIES]);
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

static int set_time(struct body_decoder *body, int64_t offset_ms, struct decoder_input *input,
                    struct frame_reading *reading)
{
    if (offset_ms < -READING_MS_MAX || offset_ms > READING_MS_MAX)
        return body_refuse(body, REJECT_BAD_TIME, "time offset %" PRId64 " ms", offset_ms);
    int64_t time_ms = body->time_ms + offset_ms;
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

/* --- as a whole --- */

/* The input that a message is about. */
static int take_input(struct body_decoder *body, const struct reading_fields *fields)
{
    if (fields->input_gap < -(int64_t)body->next_input || fields->input_gap > INPUTS_PER_NODE_MAX)
        return body_refuse(body, REJECT_MALFORMED, "an input gap of %" PRId64, fields->input_gap);
    body->input = (uint32_t)(body->next_input + fields->input_gap);
    body->next_input = body->input + 1;
    return 0;
}

static int count_samples(struct body_decoder *body, const struct decoder_input *input,
                         const struct frame_reading *reading)
{
    if (input->n_live > SERIES_PER_INPUT_MAX || body->group->n_live > SERIES_PER_NODE_MAX)
        return body_refuse(body, REJECT_LIMIT, "%" PRIu32 " series, %" PRIu32 " of the node",
                           input->n_live, body->group->n_live);
    if (!reading->has_more)
        body->frame->samples += input->n_live;
    return 0;
}

int decoder_read_reading(struct body_decoder *body, const struct wire_field *message, bool is_last,
                         struct frame_reading *reading)
{
    struct reading_fields fields = {0};
    for (size_t i = 0; i < PACKED_LISTS; i++)
        fields.lists[i].bytes = message->bytes; /* nothing of something, until it is found */
    int r = body_read_message(body, message, "reading", take_reading_field, &fields);
    if (r == 0)
        r = take_input(body, &fields);
    if (r != 0)
        return r;
    *reading = (struct frame_reading){
        .input = body->input, .is_repeat = fields.is_repeat, .has_more = fields.has_more};
    r = find_input(body, &fields, reading);
    if (r != 0)
        return r;
    struct decoder_input *input = &body->group->inputs[reading->input];
    r = set_time(body, fields.time_offset_ms, input, reading);
    if (r == 0)
        r = check_more(body, reading, is_last);
    if (r == 0)
        r = read_definitions(body, message, &fields, input, reading);
    if (r == 0)
        r = join_lists(body, message, fields.lists);
    if (r == 0)
        r = decoder_read_values(body, input, fields.lists, reading);
    return r == 0 ? count_samples(body, input, reading) : r;
}

int decoder_read_plain(struct body_decoder *body, struct wire_reader *changed,
                       struct wire_reader *deltas, struct frame_reading *reading)
{
    struct decoder_group *group = body->group;
    if (body->input >= group->n_inputs)
        return body_refuse(body, REJECT_MALFORMED, "%" PRIu32 " inputs are known", group->n_inputs);
    if (group->has_more && group->more_input == body->input)
        return body_refuse(body, REJECT_MALFORMED, "another one of it was to go on");
    struct decoder_input *input = &group->inputs[body->input];
    size_t size = (input->n_series + (size_t)7) / 8;
    if ((size_t)(changed->end - changed->at) < size)
        return body_refuse(body, REJECT_MALFORMED, "no bits for its %" PRIu32 " series",
                           input->n_series);
    *reading = (struct frame_reading){
        .input = body->input,
        .first_family = input->n_families,
        .first_series = input->n_series,
    };
    struct packed_list bits = {.bytes = changed->at, .size = size, .pieces = 1};
    changed->at += size;
    int r = set_time(body, 0, input, reading);
    if (r == 0)
        r = decoder_read_deltas(body, input, &bits, deltas, reading);
    return r == 0 ? count_samples(body, input, reading) : r;
}
