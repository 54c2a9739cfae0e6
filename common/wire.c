/* The parts of wire.h that are not short. */
#include "common/wire.h"

const uint8_t *wire_long_varint(const uint8_t *at, const uint8_t *end, uint64_t *number_out)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
        uint8_t byte = *at++;
        /* The tenth byte holds the last bit. */
        if (shift == 63 && byte > 1)
            return NULL;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *number_out = number;
            return at;
        }
    }
    return NULL;
}

static const uint8_t *get_fixed(struct wire_reader *reader, struct wire_field *field, size_t size)
{
    if ((size_t)(reader->end - reader->at) < size)
        return NULL;
    field->bytes = reader->at;
    field->size = size;
    field->value = wire_get_fixed(reader->at, size);
    return reader->at + size;
}

static const uint8_t *get_varint(struct wire_reader *reader, struct wire_field *field)
{
    const uint8_t *after = wire_get_varint(reader->at, reader->end, &field->value);
    field->bytes = reader->at;
    field->size = after == NULL ? 0 : (size_t)(after - reader->at);
    return after;
}

static const uint8_t *get_bytes(struct wire_reader *reader, struct wire_field *field)
{
    const uint8_t *start = wire_get_varint(reader->at, reader->end, &field->value);
    if (start == NULL || field->value > (uint64_t)(reader->end - start))
        return NULL;
    field->bytes = start;
    field->size = (size_t)field->value;
    return start + field->size;
}

/* NULL for the group types, which no proto3 message has, and for those that do not exist. */
static const uint8_t *get_value(struct wire_reader *reader, struct wire_field *field)
{
    switch (field->type) {
    case WIRE_VARINT:
        return get_varint(reader, field);
    case WIRE_FIXED64:
        return get_fixed(reader, field, 8);
    case WIRE_BYTES:
        return get_bytes(reader, field);
    case WIRE_FIXED32:
        return get_fixed(reader, field, 4);
    default:
        return NULL;
    }
}

int wire_next(struct wire_reader *reader, struct wire_field *field_out)
{
    if (reader->at == reader->end)
        return WIRE_END;
    uint64_t tag = 0;
    const uint8_t *value = wire_get_varint(reader->at, reader->end, &tag);
    if (value == NULL || tag >> 3 == 0 || tag >> 3 > WIRE_FIELD_NUMBER_MAX)
        return WIRE_MALFORMED;
    reader->at = value;
    struct wire_field field = {.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
    const uint8_t *after = get_value(reader, &field);
    if (after == NULL)
        return WIRE_MALFORMED;
    reader->at = after;
    *field_out = field;
    return 0;
}
