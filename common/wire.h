/*
 * Protobuf's wire format: varints, fields, zigzag (protobuf.dev, "Encoding"). For the frame codec,
 * which reads and writes bytes in place; a reader never looks past its end and trusts no length.
 */
#ifndef SHOAL_COMMON_WIRE_H
#define SHOAL_COMMON_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/series.h"

#define VARINT_BYTES_MAX 10
#define WIRE_FIELD_NUMBER_MAX 536870911 /* 2^29 - 1 */

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* Results of reading. */
enum { WIRE_END = 1, WIRE_MALFORMED = 2 };

struct wire_reader {
    const uint8_t *at, *end;
};

/* A reader of `size` bytes, which may be NULL where there are none. */
static inline struct wire_reader wire_reader_of(const uint8_t *bytes, size_t size)
{
    return (struct wire_reader){bytes, size == 0 ? bytes : bytes + size};
}

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;       /* of a varint or fixed-size field */
    const uint8_t *bytes; /* the value as it stands; of WIRE_BYTES without its length */
    size_t size;
};

/* The next field: 0, WIRE_END, WIRE_MALFORMED. */
WARN_UNUSED int wire_next(struct wire_reader *reader, struct wire_field *field_out);

/* The place after the varint at `at`, or NULL where there is none before `end`. */
const uint8_t *wire_long_varint(const uint8_t *at, const uint8_t *end, uint64_t *number_out);

static inline const uint8_t *wire_get_varint(const uint8_t *at, const uint8_t *end,
                                             uint64_t *number_out)
{
    if (at < end && *at < 0x80) {
        *number_out = *at;
        return at + 1;
    }
    return wire_long_varint(at, end, number_out);
}

static inline int64_t wire_from_zigzag(uint64_t number)
{
    return (int64_t)(number >> 1 ^ -(number & 1));
}

static inline uint64_t wire_to_zigzag(int64_t number)
{
    return (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0);
}

static inline size_t wire_varint_bytes(uint64_t number)
{
    size_t n = 1;
    while (number >= 0x80) {
        number >>= 7;
        n++;
    }
    return n;
}

/* The writers return the place after what they wrote; the caller has made room. */
static inline uint8_t *wire_put_varint(uint8_t *at, uint64_t number)
{
    while (number >= 0x80) {
        *at++ = (uint8_t)(number | 0x80);
        number >>= 7;
    }
    *at++ = (uint8_t)number;
    return at;
}

static inline uint8_t *wire_put_tag(uint8_t *at, uint32_t number, enum wire_type type)
{
    return wire_put_varint(at, (uint64_t)number << 3 | type);
}

/* A varint field; nothing for 0, as proto3 has it. */
static inline uint8_t *wire_put_number(uint8_t *at, uint32_t field, uint64_t number)
{
    return number == 0 ? at : wire_put_varint(wire_put_tag(at, field, WIRE_VARINT), number);
}

static inline uint8_t *wire_put_fixed32(uint8_t *at, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(number >> (8 * i));
    return at;
}

static inline uint8_t *wire_put_fixed64(uint8_t *at, uint64_t number)
{
    for (unsigned i = 0; i < 8; i++)
        *at++ = (uint8_t)(number >> (8 * i));
    return at;
}

static inline uint64_t wire_get_fixed(const uint8_t *at, size_t n_bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < n_bytes; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static inline uint8_t *wire_put_bytes(uint8_t *at, uint32_t field, const void *bytes, size_t size)
{
    at = wire_put_varint(wire_put_tag(at, field, WIRE_BYTES), size);
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

/* A string field; nothing for an empty one. */
static inline uint8_t *wire_put_text(uint8_t *at, uint32_t field, const char *text, size_t size)
{
    return size == 0 ? at : wire_put_bytes(at, field, text, size);
}

/* What wire_put_bytes writes for a field number below 16. */
static inline size_t wire_bytes_size(size_t size)
{
    return 1 + wire_varint_bytes(size) + size;
}

/* What wire_put_text writes for a field number below 16. */
static inline size_t wire_text_size(size_t size)
{
    return size == 0 ? 0 : wire_bytes_size(size);
}

#endif
