#include "common/message.h"

#define NUMBER_FIELD_BYTES_MAX ((size_t)2 * VARINT_BYTES_MAX) /* key and number */

/* --- packing --- */

/* Key, length and content; nothing for no bytes unless `always`. */
static void pack_bytes(struct buffer *out, uint32_t number, const void *bytes, size_t size,
                       bool always)
{
    if (size == 0 && !always)
        return;
    char *to = buffer_reserve(out, size + NUMBER_FIELD_BYTES_MAX);
    if (to == NULL)
        return;
    uint8_t *begin = (uint8_t *)to;
    buffer_wrote(out, (size_t)(wire_put_bytes(begin, number, bytes, size) - begin));
}

void message_pack_inner(struct buffer *out, uint32_t number, const struct message_member *members,
                        const void *base, bool always)
{
    BUFFER_AUTO struct buffer content = {0};
    message_pack(&content, members, base);
    if (buffer_failed(&content))
        out->has_failed = true;
    pack_bytes(out, number, content.data, content.size, always);
}

/* The number of a member as it travels. */
static uint64_t get_number(const struct message_member *member, const void *place)
{
    switch (member->kind) {
    case MESSAGE_BOOL:
        return *(const bool *)place;
    case MESSAGE_U32:
        return *(const uint32_t *)place;
    case MESSAGE_ENUM:
        return *(const unsigned *)place;
    case MESSAGE_ZIGZAG:
        return wire_to_zigzag(*(const int64_t *)place);
    default:
        return *(const uint64_t *)place;
    }
}

static void pack_number(struct buffer *out, const struct message_member *member, const void *place)
{
    uint64_t number = get_number(member, place);
    char *to = number == 0 ? NULL : buffer_reserve(out, NUMBER_FIELD_BYTES_MAX);
    if (to == NULL)
        return;
    uint8_t *begin = (uint8_t *)to;
    uint8_t *end = member->kind == MESSAGE_FIXED64
                       ? wire_put_fixed64(wire_put_tag(begin, member->number, WIRE_FIXED64), number)
                       : wire_put_number(begin, member->number, number);
    buffer_wrote(out, (size_t)(end - begin));
}

static void pack_member(struct buffer *out, const struct message_member *member, const void *base)
{
    const char *struct_bytes = base;
    const char *place = struct_bytes + member->offset;
    switch (member->kind) {
    case MESSAGE_BYTES:
        pack_bytes(out, member->number, *(const uint8_t *const *)place,
                   *(const size_t *)(struct_bytes + member->limit), false);
        return;
    case MESSAGE_TEXT:
        pack_bytes(out, member->number, place, strnlen(place, member->limit - 1), false);
        return;
    case MESSAGE_INNER:
        if (!member->has_flag || *(const bool *)place)
            message_pack_inner(out, member->number, member->inner, base, member->has_flag);
        return;
    case MESSAGE_CUSTOM:
        member->pack(out, member->number, base);
        return;
    default:
        pack_number(out, member, place);
    }
}

void message_pack(struct buffer *out, const struct message_member *members, const void *base)
{
    for (const struct message_member *member = members; member->number != 0; member++)
        pack_member(out, member, base);
}

/* --- unpacking --- */

static enum wire_type wire_type_of(enum message_kind kind)
{
    switch (kind) {
    case MESSAGE_FIXED64:
        return WIRE_FIXED64;
    case MESSAGE_TEXT:
    case MESSAGE_BYTES:
    case MESSAGE_INNER:
    case MESSAGE_CUSTOM:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* Cut where a character ends, so that what is left is UTF-8 as well. */
static bool unpack_text(const struct wire_field *field, char *to, size_t room)
{
    const char *text = (const char *)field->bytes;
    if (!utf8_is_valid(text, field->size))
        return false;
    size_t n = field->size;
    if (n >= room) {
        n = room - 1;
        while (n > 0 && (text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(to, text, n);
    to[n] = '\0';
    return true;
}

static bool set_number(const struct message_member *member, uint64_t number, void *place)
{
    switch (member->kind) {
    case MESSAGE_BOOL:
        *(bool *)place = number != 0;
        return true;
    case MESSAGE_ENUM:
        *(unsigned *)place = number < member->limit ? (unsigned)number : 0;
        return true;
    case MESSAGE_U32:
        *(uint32_t *)place = (uint32_t)number;
        return number <= UINT32_MAX;
    case MESSAGE_ZIGZAG:
        *(int64_t *)place = wire_from_zigzag(number);
        return true;
    default:
        *(uint64_t *)place = number;
        return true;
    }
}

static bool unpack_member(const struct message_member *member, const struct wire_field *field,
                          void *base)
{
    if (field->type != wire_type_of(member->kind))
        return false;
    const struct wire_reader content = {field->bytes, field->bytes + field->size};
    char *struct_bytes = base;
    char *place = struct_bytes + member->offset;
    switch (member->kind) {
    case MESSAGE_BYTES:
        *(const uint8_t **)place = field->size == 0 ? NULL : field->bytes;
        *(size_t *)(struct_bytes + member->limit) = field->size;
        return true;
    case MESSAGE_TEXT:
        return unpack_text(field, place, member->limit);
    case MESSAGE_INNER:
        if (member->has_flag)
            *(bool *)place = true;
        return message_unpack(member->inner, content, base);
    case MESSAGE_CUSTOM:
        return member->unpack(content, base);
    default:
        return set_number(member, field->value, place);
    }
}

bool message_unpack(const struct message_member *members, struct wire_reader content, void *base)
{
    struct wire_field field;
    int r = wire_next(&content, &field);
    for (; r == 0; r = wire_next(&content, &field)) {
        const struct message_member *member = members;
        while (member->number != 0 && member->number != field.number)
            member++;
        if (member->number != 0 && !unpack_member(member, &field, base))
            return false;
    }
    return r == WIRE_END;
}
