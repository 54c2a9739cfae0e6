#include "common/encoder_lists.h"

#include "common/encoder_definitions.h"

static const uint8_t list_fields[READING_LISTS] = {
    [LIST_DELTA_SERIES] = READING_DELTA_SERIES,
    [LIST_DELTA] = READING_DELTA,
    [LIST_SCALED_SERIES] = READING_SCALED_SERIES,
    [LIST_MANTISSA] = READING_MANTISSA,
    [LIST_EXPONENT] = READING_EXPONENT,
    [LIST_RAW_SERIES] = READING_RAW_SERIES,
    [LIST_RAW] = READING_RAW,
    [LIST_GONE] = READING_GONE,
};

void encoder_lists_deinit(struct encoder_lists *lists)
{
    buffer_deinit(&lists->definitions);
    for (size_t i = 0; i < READING_LISTS; i++)
        buffer_deinit(&lists->lists[i]);
    buffer_deinit(&lists->bits);
}

void encoder_lists_clear(struct encoder_lists *lists)
{
    buffer_clear(&lists->definitions);
    for (size_t i = 0; i < READING_LISTS; i++) {
        buffer_clear(&lists->lists[i]);
        lists->next_ids[i] = 0;
    }
    buffer_clear(&lists->bits);
    lists->size = 0;
}

bool encoder_lists_failed(const struct encoder_lists *lists)
{
    bool has_failed = buffer_failed(&lists->definitions) || buffer_failed(&lists->bits);
    for (size_t i = 0; i < READING_LISTS; i++)
        has_failed = has_failed || buffer_failed(&lists->lists[i]);
    return has_failed;
}

/* --- items --- */

static void put_number(struct encoder_lists *lists, enum reading_list list, uint64_t number)
{
    uint8_t *start = (uint8_t *)buffer_reserve(&lists->lists[list], VARINT_BYTES_MAX);
    if (start == NULL)
        return;
    size_t size = (size_t)(wire_put_varint(start, number) - start);
    buffer_wrote(&lists->lists[list], size);
    lists->size += size;
}

static void put_id(struct encoder_lists *lists, enum reading_list list, uint32_t id)
{
    put_number(lists, list, id - lists->next_ids[list]);
    lists->next_ids[list] = id + 1;
}

void encoder_lists_gone(struct encoder_lists *lists, uint32_t series)
{
    put_id(lists, LIST_GONE, series);
}

void encoder_lists_delta(struct encoder_lists *lists, uint32_t series, int64_t delta)
{
    put_id(lists, LIST_DELTA_SERIES, series);
    put_number(lists, LIST_DELTA, wire_to_zigzag(delta));
}

static void put_raw(struct encoder_lists *lists, uint32_t series, int64_t bits)
{
    put_id(lists, LIST_RAW_SERIES, series);
    uint8_t *at = (uint8_t *)buffer_reserve(&lists->lists[LIST_RAW], sizeof(double));
    if (at == NULL)
        return;
    (void)wire_put_fixed64(at, (uint64_t)bits); /* its end is known */
    buffer_wrote(&lists->lists[LIST_RAW], sizeof(double));
    lists->size += sizeof(double);
}

void encoder_lists_value(struct encoder_lists *lists, uint32_t series, struct scaled value)
{
    if (value.exponent == DECIMAL_RAW) {
        put_raw(lists, series, value.mantissa);
        return;
    }
    put_id(lists, LIST_SCALED_SERIES, series);
    put_number(lists, LIST_MANTISSA, wire_to_zigzag(value.mantissa));
    put_number(lists, LIST_EXPONENT, wire_to_zigzag(value.exponent));
}

void encoder_lists_series(struct encoder_lists *lists, const struct series *series, uint32_t family,
                          const struct family *new_family)
{
    size_t size = encoder_lists_series_bytes(series, family, new_family);
    uint8_t *at = (uint8_t *)buffer_reserve(&lists->definitions, size);
    if (at == NULL)
        return;
    if (new_family != NULL)
        at = definition_put_family(at, new_family);
    (void)definition_put_series(at, series, family); /* its end is known */
    buffer_wrote(&lists->definitions, size);
    lists->size += size;
}

size_t encoder_lists_series_bytes(const struct series *series, uint32_t family,
                                  const struct family *new_family)
{
    size_t size = definition_series_bytes(series, family);
    return new_family == NULL ? size : size + definition_family_bytes(new_family);
}

/* --- bits --- */

bool encoder_lists_has_only_deltas(const struct encoder_lists *lists)
{
    return lists->size == lists->lists[LIST_DELTA_SERIES].size + lists->lists[LIST_DELTA].size;
}

void encoder_lists_put_bits(const struct encoder_lists *lists, uint8_t *bits, size_t size)
{
    const struct buffer *gaps = &lists->lists[LIST_DELTA_SERIES];
    if (size > 0)
        memset(bits, 0, size);
    if (gaps->size == 0)
        return;
    const uint8_t *at = (const uint8_t *)gaps->data;
    const uint8_t *end = at + gaps->size;
    for (uint64_t id = 0; at < end; id++) {
        uint64_t gap = 0;
        at = wire_get_varint(at, end, &gap);
        id += gap;
        bits[id / 8] |= (uint8_t)(1U << (id % 8));
    }
}

void encoder_lists_choose_bits(struct encoder_lists *lists)
{
    struct buffer *gaps = &lists->lists[LIST_DELTA_SERIES];
    size_t size = (lists->next_ids[LIST_DELTA_SERIES] + (size_t)7) / 8;
    if (size >= gaps->size)
        return;
    uint8_t *bits = (uint8_t *)buffer_reserve(&lists->bits, size);
    if (bits == NULL)
        return;
    encoder_lists_put_bits(lists, bits, size);
    buffer_wrote(&lists->bits, size);
    buffer_clear(gaps);
}

/* --- as fields --- */

size_t encoder_lists_packed_size(const struct encoder_lists *lists)
{
    size_t size = lists->definitions.size + wire_text_size(lists->bits.size);
    for (size_t i = 0; i < READING_LISTS; i++)
        size += wire_text_size(lists->lists[i].size);
    return size;
}

uint8_t *encoder_lists_put(const struct encoder_lists *lists, uint8_t *at)
{
    const struct buffer *definitions = &lists->definitions;
    if (definitions->size > 0)
        memcpy(at, definitions->data, definitions->size);
    at = wire_put_text(at + definitions->size, READING_DELTA_BITS, lists->bits.data,
                       lists->bits.size);
    for (size_t i = 0; i < READING_LISTS; i++)
        at = wire_put_text(at, list_fields[i], lists->lists[i].data, lists->lists[i].size);
    return at;
}
