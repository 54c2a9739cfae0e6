/* Values: the lists of a reading applied to what is known of an input's series. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/decoder_body.h"
#include "common/scaled.h"

/* The lists of one reading on their way to its changes. */
struct values {
    struct body_decoder *body;
    struct decoder_input *input;
    const struct packed_list *lists; /* by field number less READING_DELTA_SERIES */
    struct frame_reading *reading;
    struct frame_change *changes; /* those of the reading; there is room for all */
};

/* One pass over a list of ids, sent as gaps. */
struct id_cursor {
    const uint8_t *at, *end;
    uint64_t next; /* that a gap of 0 would mean */
};

static const struct packed_list *list_of(const struct values *values, uint32_t field)
{
    return &values->lists[field - READING_DELTA_SERIES];
}

static struct wire_reader reader_of(const struct values *values, uint32_t field)
{
    const struct packed_list *list = list_of(values, field);
    return (struct wire_reader){.at = list->bytes, .end = list->bytes + list->size};
}

static struct id_cursor ids_of(const struct values *values, uint32_t field)
{
    const struct packed_list *list = list_of(values, field);
    return (struct id_cursor){.at = list->bytes, .end = list->bytes + list->size};
}

/* An element ends with each byte whose top bit is clear. */
static size_t count_varints(const struct packed_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->size; i++)
        n += list->bytes[i] < 0x80;
    return n;
}

size_t packed_list_bits(const struct packed_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->size; i++)
        n += (size_t)__builtin_popcount(list->bytes[i]);
    return n;
}

/* Marks a series that is there and has had no value in this reading. */
static int touch(struct values *values, uint64_t id)
{
    struct decoder_input *input = values->input;
    if (id >= input->n_series)
        return body_refuse(values->body, REJECT_MALFORMED, "series id %" PRIu64 " of %" PRIu32, id,
                           input->n_series);
    struct decoder_mark *mark = &input->marks[id];
    if (mark->is_gone)
        return body_refuse(values->body, REJECT_MALFORMED, "series id %" PRIu64 " is gone", id);
    if (mark->is_touched)
        return body_refuse(values->body, REJECT_MALFORMED, "series id %" PRIu64 " comes twice", id);
    mark->is_touched = true;
    return 0;
}

static int next_series(struct values *values, struct id_cursor *cursor, uint32_t *id_out)
{
    uint64_t gap = 0;
    cursor->at = wire_get_varint(cursor->at, cursor->end, &gap);
    if (cursor->at == NULL)
        return body_refuse(values->body, REJECT_MALFORMED, "a list of ids ends within an id");
    uint64_t id = gap > UINT32_MAX ? gap : cursor->next + gap;
    int r = touch(values, id);
    if (r != 0)
        return r;
    cursor->next = id + 1;
    *id_out = (uint32_t)id;
    return 0;
}

static void add_change(struct values *values, uint32_t id, struct decimal value)
{
    values->changes[values->reading->n_changes++] =
        (struct frame_change){.series = id, .value = value};
}

/* --- deltas --- */

/* The next delta, for a series that was touched. */
static int read_delta(struct values *values, uint32_t id, struct wire_reader *deltas)
{
    const struct decoder_mark *mark = &values->input->marks[id];
    struct decoder_prediction *known = &values->input->predictions[id];
    uint64_t zigzag = 0;
    deltas->at = wire_get_varint(deltas->at, deltas->end, &zigzag);
    if (deltas->at == NULL)
        return body_refuse(values->body, REJECT_MALFORMED, "no delta for series id %" PRIu32, id);
    if (mark->exponent == DECIMAL_RAW)
        return body_refuse(values->body, REJECT_MALFORMED, "a delta to raw series id %" PRIu32, id);
    uint64_t prediction = (uint64_t)known->mantissa + (uint64_t)known->step;
    int64_t mantissa = (int64_t)(prediction + (uint64_t)wire_from_zigzag(zigzag));
    struct decimal value;
    if (!scaled_expand(mantissa, mark->exponent, &value))
        return body_refuse(values->body, REJECT_MALFORMED,
                           "mantissa of series id %" PRIu32 " too large", id);
    known->step = mark->is_counter ? mantissa - known->mantissa : 0;
    known->mantissa = mantissa;
    add_change(values, id, value);
    return 0;
}

static int read_deltas_by_gaps(struct values *values, struct wire_reader *deltas)
{
    struct id_cursor ids = ids_of(values, READING_DELTA_SERIES);
    while (ids.at < ids.end) {
        uint32_t id = 0;
        int r = next_series(values, &ids, &id);
        if (r == 0)
            r = read_delta(values, id, deltas);
        if (r != 0)
            return r;
    }
    return 0;
}

static int read_deltas_by_bits(struct values *values, const struct packed_list *list,
                               struct wire_reader *deltas)
{
    for (size_t i = 0; i < list->size; i++) {
        for (unsigned bits = list->bytes[i]; bits != 0; bits &= bits - 1) {
            uint64_t id = 8 * (uint64_t)i + (unsigned)__builtin_ctz(bits);
            int r = touch(values, id);
            if (r == 0)
                r = read_delta(values, (uint32_t)id, deltas);
            if (r != 0)
                return r;
        }
    }
    return 0;
}

static int read_deltas(struct values *values)
{
    size_t pieces = list_of(values, READING_DELTA_BITS)->pieces;
    if (pieces > 1 || (pieces == 1 && list_of(values, READING_DELTA_SERIES)->pieces > 0))
        return body_refuse(values->body, REJECT_MALFORMED, "bits of deltas with another list");
    struct wire_reader deltas = reader_of(values, READING_DELTA);
    int r = pieces == 1 ? read_deltas_by_bits(values, list_of(values, READING_DELTA_BITS), &deltas)
                        : read_deltas_by_gaps(values, &deltas);
    if (r == 0 && deltas.at != deltas.end)
        return body_refuse(values->body, REJECT_MALFORMED, "more deltas than series");
    return r;
}

/* --- the other lists --- */

static int read_one_scaled(struct values *values, uint32_t id, struct wire_reader *mantissas,
                           struct wire_reader *exponents)
{
    uint64_t mantissa_zigzag = 0;
    uint64_t exponent_zigzag = 0;
    mantissas->at = wire_get_varint(mantissas->at, mantissas->end, &mantissa_zigzag);
    exponents->at = wire_get_varint(exponents->at, exponents->end, &exponent_zigzag);
    if (mantissas->at == NULL || exponents->at == NULL)
        return body_refuse(values->body, REJECT_MALFORMED, "no value for series id %" PRIu32, id);
    int64_t mantissa = wire_from_zigzag(mantissa_zigzag);
    int64_t exponent = wire_from_zigzag(exponent_zigzag);
    struct decimal value;
    if (!scaled_expand(mantissa, exponent, &value))
        return body_refuse(values->body, REJECT_MALFORMED,
                           "series id %" PRIu32 ": mantissa %" PRId64 ", exponent %" PRId64, id,
                           mantissa, exponent);
    values->input->predictions[id] = (struct decoder_prediction){.mantissa = mantissa};
    values->input->marks[id].exponent = (int8_t)exponent;
    add_change(values, id, value);
    return 0;
}

static int read_scaled(struct values *values)
{
    struct id_cursor ids = ids_of(values, READING_SCALED_SERIES);
    struct wire_reader mantissas = reader_of(values, READING_MANTISSA);
    struct wire_reader exponents = reader_of(values, READING_EXPONENT);
    while (ids.at < ids.end) {
        uint32_t id = 0;
        int r = next_series(values, &ids, &id);
        if (r == 0)
            r = read_one_scaled(values, id, &mantissas, &exponents);
        if (r != 0)
            return r;
    }
    if (mantissas.at != mantissas.end || exponents.at != exponents.end)
        return body_refuse(values->body, REJECT_MALFORMED,
                           "more mantissas or exponents than series");
    return 0;
}

static int read_raw(struct values *values)
{
    struct id_cursor ids = ids_of(values, READING_RAW_SERIES);
    const struct packed_list *raw = list_of(values, READING_RAW);
    size_t n = count_varints(list_of(values, READING_RAW_SERIES));
    if (raw->size % sizeof(double) != 0 || raw->size / sizeof(double) != n)
        return body_refuse(values->body, REJECT_MALFORMED, "%zu raw bytes for %zu series",
                           raw->size, n);
    const uint8_t *at = raw->bytes;
    while (ids.at < ids.end) {
        uint32_t id = 0;
        int r = next_series(values, &ids, &id);
        if (r != 0)
            return r;
        int64_t bits = (int64_t)wire_get_fixed(at, sizeof(double));
        at += sizeof(double);
        values->input->marks[id].exponent = DECIMAL_RAW;
        add_change(values, id, (struct decimal){.mantissa = bits, .exponent = DECIMAL_RAW});
    }
    return 0;
}

static int read_gone(struct values *values)
{
    struct frame_reading *reading = values->reading;
    void *memory = NULL;
    int r = body_alloc(values->body, count_varints(list_of(values, READING_GONE)), sizeof(uint32_t),
                       &memory);
    if (r != 0)
        return r;
    uint32_t *gone = memory;
    reading->gone = gone;
    struct id_cursor ids = ids_of(values, READING_GONE);
    while (ids.at < ids.end) {
        uint32_t id = 0;
        r = next_series(values, &ids, &id);
        if (r != 0)
            return r;
        values->input->marks[id].is_gone = true;
        gone[reading->n_gone++] = id;
    }
    values->input->n_live -= (uint32_t)reading->n_gone;
    values->body->group->n_live -= (uint32_t)reading->n_gone;
    return 0;
}

/* Each new series has to have a value, and is there with it. Takes the marks away. */
static int settle(struct values *values)
{
    const struct frame_reading *reading = values->reading;
    struct decoder_mark *marks = values->input->marks;
    size_t n_new = 0;
    for (size_t i = 0; i < reading->n_changes; i++) {
        uint32_t id = values->changes[i].series;
        marks[id].is_touched = false;
        n_new += id >= reading->first_series;
    }
    for (size_t i = 0; i < reading->n_gone; i++)
        marks[reading->gone[i]].is_touched = false;
    if (n_new != reading->n_series)
        return body_refuse(values->body, REJECT_MALFORMED,
                           "%zu new series, %zu of them with a value", reading->n_series, n_new);
    return 0;
}

int decoder_read_values(struct body_decoder *body, struct decoder_input *input,
                        const struct packed_list lists[PACKED_LISTS], struct frame_reading *reading)
{
    struct values values = {.body = body, .input = input, .lists = lists, .reading = reading};
    size_t n = count_varints(list_of(&values, READING_DELTA_SERIES)) +
               packed_list_bits(list_of(&values, READING_DELTA_BITS)) +
               count_varints(list_of(&values, READING_SCALED_SERIES)) +
               count_varints(list_of(&values, READING_RAW_SERIES));
    void *changes = NULL;
    int r = body_alloc(body, n, sizeof(struct frame_change), &changes);
    if (r != 0)
        return r;
    values.changes = changes;
    reading->changes = changes;
    r = read_deltas(&values);
    if (r == 0)
        r = read_scaled(&values);
    if (r == 0)
        r = read_raw(&values);
    if (r == 0)
        r = read_gone(&values);
    return r == 0 ? settle(&values) : r;
}

int decoder_read_deltas(struct body_decoder *body, struct decoder_input *input,
                        const struct packed_list *bits, struct wire_reader *deltas,
                        struct frame_reading *reading)
{
    struct values values = {.body = body, .input = input, .reading = reading};
    void *changes = NULL;
    int r = body_alloc(body, packed_list_bits(bits), sizeof(struct frame_change), &changes);
    if (r != 0)
        return r;
    values.changes = changes;
    reading->changes = changes;
    r = read_deltas_by_bits(&values, bits, deltas);
    return r == 0 ? settle(&values) : r;
}

/* --- memory --- */

/* The first reading gives the exact number; later ones add a few at a time. */
static uint32_t more_capacity(uint32_t want, uint32_t capacity)
{
    return want + capacity / 4;
}

static int hold_series(struct decoder_input *input, uint32_t want)
{
    uint32_t capacity = more_capacity(want, input->series_capacity);
    struct decoder_prediction *predictions =
        realloc(input->predictions, capacity * sizeof(*predictions));
    if (predictions == NULL)
        return -ENOMEM;
    input->predictions = predictions;
    struct decoder_mark *marks = realloc(input->marks, capacity * sizeof(*marks));
    if (marks == NULL)
        return -ENOMEM;
    input->marks = marks;
    input->series_capacity = capacity;
    return 0;
}

static int hold_families(struct decoder_input *input, uint32_t want)
{
    uint32_t capacity = more_capacity(want, input->families_capacity);
    uint8_t *types = realloc(input->family_types, capacity);
    if (types == NULL)
        return -ENOMEM;
    input->family_types = types;
    input->families_capacity = capacity;
    return 0;
}

int decoder_input_hold(struct decoder_input *input, uint32_t n_series, uint32_t n_families)
{
    int r = 0;
    if (n_series > input->series_capacity - input->n_series)
        r = hold_series(input, input->n_series + n_series);
    if (r == 0 && n_families > input->families_capacity - input->n_families)
        r = hold_families(input, input->n_families + n_families);
    return r;
}
