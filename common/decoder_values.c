/* Values: the lists of a reading applied to what is known of an input's series. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/decoder_body.h"
#include "common/wire.h"

/* One pass over a list of ids, sent as gaps. */
struct id_cursor {
    const uint8_t *at, *end;
    uint64_t next; /* that a gap of 0 would mean */
};

static const struct packed_list *list_of(const struct packed_list *lists, uint32_t field)
{
    return &lists[field - READING_DELTA_SERIES];
}

/* An element ends with each byte whose top bit is clear. */
static size_t count_varints(const struct packed_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->size; i++)
        n += list->bytes[i] < 0x80;
    return n;
}

static struct id_cursor id_cursor(const struct packed_list *list)
{
    return (struct id_cursor){.at = list->bytes, .end = list->bytes + list->size};
}

/* The next id: that of a series which is there and has had no value in this reading. */
static int next_series(struct body_decoder *body, struct decoder_input *input,
                       struct id_cursor *cursor, uint32_t *id_out)
{
    uint64_t gap = 0;
    cursor->at = wire_get_varint(cursor->at, cursor->end, &gap);
    if (cursor->at == NULL)
        return body_refuse(body, REJECT_MALFORMED, "a list of ids ends within an id");
    if (gap >= input->n_series || cursor->next + gap >= input->n_series)
        return body_refuse(body, REJECT_MALFORMED, "series id %" PRIu64 "+%" PRIu64 " of %" PRIu32,
                           cursor->next, gap, input->n_series);
    uint32_t id = (uint32_t)(cursor->next + gap);
    struct decoder_mark *mark = &input->marks[id];
    if (mark->is_gone)
        return body_refuse(body, REJECT_MALFORMED, "series id %" PRIu32 " is gone", id);
    if (mark->is_touched)
        return body_refuse(body, REJECT_MALFORMED, "series id %" PRIu32 " comes twice", id);
    mark->is_touched = true;
    cursor->next = (uint64_t)id + 1;
    *id_out = id;
    return 0;
}

static void add_change(struct frame_reading *reading, struct frame_change *changes, uint32_t id,
                       struct decimal value)
{
    changes[reading->n_changes++] = (struct frame_change){.series = id, .value = value};
}

static int read_deltas(struct body_decoder *body, struct decoder_input *input,
                       const struct packed_list *lists, struct frame_reading *reading,
                       struct frame_change *changes)
{
    struct id_cursor ids = id_cursor(list_of(lists, READING_DELTA_SERIES));
    const struct packed_list *deltas = list_of(lists, READING_DELTA);
    const uint8_t *at = deltas->bytes;
    const uint8_t *end = at + deltas->size;
    while (ids.at < ids.end) {
        uint32_t id = 0;
        int r = next_series(body, input, &ids, &id);
        if (r != 0)
            return r;
        uint64_t zigzag = 0;
        at = wire_get_varint(at, end, &zigzag);
        if (at == NULL)
            return body_refuse(body, REJECT_MALFORMED, "no delta for series id %" PRIu32, id);
        const struct decoder_mark *mark = &input->marks[id];
        struct decoder_prediction *known = &input->predictions[id];
        if (mark->exponent == DECIMAL_RAW)
            return body_refuse(body, REJECT_MALFORMED, "a delta to raw series id %" PRIu32, id);
        uint64_t prediction = (uint64_t)known->mantissa + (uint64_t)known->step;
        int64_t mantissa = (int64_t)(prediction + (uint64_t)wire_from_zigzag(zigzag));
        if (!decimal_is_valid(mantissa, 0))
            return body_refuse(body, REJECT_MALFORMED,
                               "mantissa of series id %" PRIu32 " too large", id);
        known->step = mark->is_counter ? mantissa - known->mantissa : 0;
        known->mantissa = mantissa;
        add_change(reading, changes, id,
                   (struct decimal){.mantissa = mantissa, .exponent = mark->exponent});
    }
    return at == end ? 0 : body_refuse(body, REJECT_MALFORMED, "more deltas than series");
}

static int read_scaled(struct body_decoder *body, struct decoder_input *input,
                       const struct packed_list *lists, struct frame_reading *reading,
                       struct frame_change *changes)
{
    struct id_cursor ids = id_cursor(list_of(lists, READING_SCALED_SERIES));
    struct wire_reader mantissas = {.at = list_of(lists, READING_MANTISSA)->bytes};
    struct wire_reader exponents = {.at = list_of(lists, READING_EXPONENT)->bytes};
    mantissas.end = mantissas.at + list_of(lists, READING_MANTISSA)->size;
    exponents.end = exponents.at + list_of(lists, READING_EXPONENT)->size;
    while (ids.at < ids.end) {
        uint32_t id = 0;
        int r = next_series(body, input, &ids, &id);
        if (r != 0)
            return r;
        uint64_t mantissa_zigzag = 0;
        uint64_t exponent_zigzag = 0;
        mantissas.at = wire_get_varint(mantissas.at, mantissas.end, &mantissa_zigzag);
        exponents.at = wire_get_varint(exponents.at, exponents.end, &exponent_zigzag);
        if (mantissas.at == NULL || exponents.at == NULL)
            return body_refuse(body, REJECT_MALFORMED, "no value for series id %" PRIu32, id);
        int64_t mantissa = wire_from_zigzag(mantissa_zigzag);
        int64_t exponent = wire_from_zigzag(exponent_zigzag);
        if (!decimal_is_valid(mantissa, exponent))
            return body_refuse(body, REJECT_MALFORMED,
                               "series id %" PRIu32 ": %" PRId64 "e%" PRId64 " is out of bounds",
                               id, mantissa, exponent);
        input->predictions[id] = (struct decoder_prediction){.mantissa = mantissa};
        input->marks[id].exponent = (int8_t)exponent;
        add_change(reading, changes, id,
                   (struct decimal){.mantissa = mantissa, .exponent = (int8_t)exponent});
    }
    if (mantissas.at != mantissas.end || exponents.at != exponents.end)
        return body_refuse(body, REJECT_MALFORMED, "more mantissas or exponents than series");
    return 0;
}

static int read_raw(struct body_decoder *body, struct decoder_input *input,
                    const struct packed_list *lists, struct frame_reading *reading,
                    struct frame_change *changes)
{
    struct id_cursor ids = id_cursor(list_of(lists, READING_RAW_SERIES));
    const struct packed_list *raw = list_of(lists, READING_RAW);
    size_t n = count_varints(list_of(lists, READING_RAW_SERIES));
    if (raw->size % sizeof(double) != 0 || raw->size / sizeof(double) != n)
        return body_refuse(body, REJECT_MALFORMED, "%zu raw bytes for %zu series", raw->size, n);
    const uint8_t *at = raw->bytes;
    while (ids.at < ids.end) {
        uint32_t id = 0;
        int r = next_series(body, input, &ids, &id);
        if (r != 0)
            return r;
        int64_t bits = (int64_t)wire_get_fixed(at, sizeof(double));
        at += sizeof(double);
        input->marks[id].exponent = DECIMAL_RAW;
        add_change(reading, changes, id,
                   (struct decimal){.mantissa = bits, .exponent = DECIMAL_RAW});
    }
    return 0;
}

static int read_gone(struct body_decoder *body, struct decoder_input *input,
                     const struct packed_list *list, struct frame_reading *reading)
{
    void *gone = NULL;
    int r = body_alloc(body, count_varints(list), sizeof(uint32_t), &gone);
    if (r != 0)
        return r;
    reading->gone = gone;
    struct id_cursor ids = id_cursor(list);
    while (ids.at < ids.end) {
        uint32_t id = 0;
        r = next_series(body, input, &ids, &id);
        if (r != 0)
            return r;
        input->marks[id].is_gone = true;
        ((uint32_t *)gone)[reading->n_gone++] = id;
    }
    input->n_live -= (uint32_t)reading->n_gone;
    body->group->n_live -= (uint32_t)reading->n_gone;
    return 0;
}

/* Each new series has to have a value, and is there with it. Takes the marks away. */
static int settle(struct body_decoder *body, struct decoder_input *input,
                  const struct frame_reading *reading)
{
    size_t n_new = 0;
    for (size_t i = 0; i < reading->n_changes; i++) {
        uint32_t id = reading->changes[i].series;
        input->marks[id].is_touched = false;
        n_new += id >= reading->first_series;
    }
    for (size_t i = 0; i < reading->n_gone; i++)
        input->marks[reading->gone[i]].is_touched = false;
    if (n_new != reading->n_series)
        return body_refuse(body, REJECT_MALFORMED, "%zu new series, %zu of them with a value",
                           reading->n_series, n_new);
    return 0;
}

int decoder_read_values(struct body_decoder *body, struct decoder_input *input,
                        const struct packed_list lists[PACKED_LISTS], struct frame_reading *reading)
{
    size_t n = count_varints(list_of(lists, READING_DELTA_SERIES)) +
               count_varints(list_of(lists, READING_SCALED_SERIES)) +
               count_varints(list_of(lists, READING_RAW_SERIES));
    void *changes = NULL;
    int r = body_alloc(body, n, sizeof(struct frame_change), &changes);
    if (r != 0)
        return r;
    reading->changes = changes;
    r = read_deltas(body, input, lists, reading, changes);
    if (r == 0)
        r = read_scaled(body, input, lists, reading, changes);
    if (r == 0)
        r = read_raw(body, input, lists, reading, changes);
    if (r == 0)
        r = read_gone(body, input, list_of(lists, READING_GONE), reading);
    return r == 0 ? settle(body, input, reading) : r;
}

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
