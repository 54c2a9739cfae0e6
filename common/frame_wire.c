#include "common/frame_wire.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/crc32c.h"
#include "common/wire.h"

int frame_refuse(struct rejection *rejection, enum reject_reason reason, const char *format, ...)
{
    rejection->reason = reason;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(rejection->text, sizeof(rejection->text), format, args); /* cut where long */
    va_end(args);
    return DECODER_REJECTED;
}

uint32_t frame_crc(uint32_t predecessor, const uint8_t *bytes, size_t size)
{
    uint8_t before[4];
    wire_put_fixed32(before, predecessor);
    return crc32c(crc32c(0, before, sizeof(before)), bytes, size);
}

static enum wire_type frame_field_type(uint32_t number)
{
    switch (number) {
    case FRAME_STREAM:
        return WIRE_FIXED64;
    case FRAME_BODY:
    case FRAME_ZSTD:
        return WIRE_BYTES;
    case FRAME_CRC:
        return WIRE_FIXED32;
    default:
        return WIRE_VARINT;
    }
}

/* Fields not known here come from a newer sender and are passed over. */
static void take_field(struct frame_parts *parts, const struct wire_field *field)
{
    switch (field->number) {
    case FRAME_STREAM:
        parts->header.stream = field->value;
        break;
    case FRAME_SEQUENCE:
        parts->header.sequence = field->value;
        break;
    case FRAME_KEY:
        parts->header.key = field->value;
        break;
    case FRAME_BODY:
    case FRAME_ZSTD:
        parts->content = field->bytes;
        parts->content_bytes = field->size;
        parts->is_compressed = field->number == FRAME_ZSTD;
        break;
    case FRAME_CRC:
        parts->header.crc = (uint32_t)field->value;
        break;
    default:
        break;
    }
}

static int read_fields(const uint8_t *bytes, size_t size, struct frame_parts *parts,
                       struct rejection *rejection)
{
    struct wire_reader reader = {.at = bytes, .end = bytes + size};
    parts->covered_bytes = size;
    for (;;) {
        size_t offset = (size_t)(reader.at - bytes);
        struct wire_field field;
        int r = wire_next(&reader, &field);
        if (r == WIRE_END)
            return 0;
        if (r != 0)
            return frame_refuse(rejection, REJECT_MALFORMED, "frame: not protobuf at byte %zu",
                                offset);
        bool is_known = field.number <= FRAME_ZSTD || field.number == FRAME_CRC;
        if (is_known && field.type != frame_field_type(field.number))
            return frame_refuse(rejection, REJECT_MALFORMED,
                                "frame: field %" PRIu32 " has a wrong type", field.number);
        take_field(parts, &field);
        if (field.number != FRAME_CRC)
            continue;
        parts->covered_bytes = offset;
        if (reader.at != reader.end)
            return frame_refuse(rejection, REJECT_MALFORMED,
                                "frame: its CRC is not its last field");
    }
}

static int check_header(const struct frame_parts *parts, struct rejection *rejection)
{
    const struct frame_header *header = &parts->header;
    if (header->stream == 0)
        return frame_refuse(rejection, REJECT_MALFORMED, "frame: no stream");
    if (header->sequence == 0)
        return frame_refuse(rejection, REJECT_MALFORMED, "frame: no sequence");
    if (header->key == 0 || header->key > header->sequence)
        return frame_refuse(rejection, REJECT_MALFORMED,
                            "frame: key %" PRIu64 " does not fit sequence %" PRIu64, header->key,
                            header->sequence);
    if (parts->content == NULL)
        return frame_refuse(rejection, REJECT_MALFORMED, "frame: no body");
    return 0;
}

int frame_split(const uint8_t *bytes, size_t size, struct frame_parts *parts_out,
                struct rejection *rejection)
{
    if (size > FRAME_WIRE_BYTES_MAX)
        return frame_refuse(rejection, REJECT_TOO_LARGE, "frame: %zu bytes, over %d", size,
                            FRAME_WIRE_BYTES_MAX);
    struct frame_parts parts = {0};
    int r = read_fields(bytes, size, &parts, rejection);
    if (r == 0)
        r = check_header(&parts, rejection);
    if (r == 0)
        *parts_out = parts;
    return r;
}

uint32_t frame_join(struct buffer *out, const struct frame_parts *parts, uint32_t predecessor)
{
    char *start = buffer_reserve(out, FRAME_OVERHEAD_BYTES_MAX + parts->content_bytes);
    if (start == NULL)
        return 0;
    uint8_t *at = (uint8_t *)start;
    at = wire_put_fixed64(wire_put_tag(at, FRAME_STREAM, WIRE_FIXED64), parts->header.stream);
    at = wire_put_number(at, FRAME_SEQUENCE, parts->header.sequence);
    at = wire_put_number(at, FRAME_KEY, parts->header.key);
    at = wire_put_bytes(at, parts->is_compressed ? FRAME_ZSTD : FRAME_BODY, parts->content,
                        parts->content_bytes);
    uint32_t crc = frame_crc(predecessor, (uint8_t *)start, (size_t)(at - (uint8_t *)start));
    if (crc != 0)
        at = wire_put_fixed32(wire_put_tag(at, FRAME_CRC, WIRE_FIXED32), crc);
    buffer_wrote(out, (size_t)(at - (uint8_t *)start));
    return crc;
}
