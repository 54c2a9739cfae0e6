/*
 * Each message is a table of its members: number and kind on the wire, and place in the struct. One
 * packer and one unpacker walk all tables. Messages within a message fill fields of the same
 * struct.
 */
#include "common/envelope.h"

#include <errno.h>

#include "common/wire.h"

enum kind {
    KIND_U32,
    KIND_U64,
    KIND_ZIGZAG, /* sint64 */
    KIND_BOOL,
    KIND_ENUM, /* numbers from `limit` on become 0, which is "unknown" everywhere */
    KIND_FIXED64,
    KIND_TEXT,  /* char[limit] with a NUL; cut to it */
    KIND_FRAME, /* the envelope's frame */
    KIND_MESSAGE,
    KIND_DROPS
};

struct member {
    uint32_t number;
    enum kind kind;
    size_t offset; /* of a message: of the bool that says it is there, or NO_FLAG */
    size_t limit;
    const struct member *members; /* of a message, up to number 0 */
};

#define NO_FLAG SIZE_MAX
#define END                                                                                        \
    {                                                                                              \
        .number = 0                                                                                \
    }

static const struct member clock_members[] = {
    {1, KIND_ZIGZAG, offsetof(struct envelope, utc_offset_ms), 0, NULL},
    {2, KIND_U32, offsetof(struct envelope, uncertainty_ms), 0, NULL},
    {3, KIND_ENUM, offsetof(struct envelope, source), CLOCK_SOURCE_FREE + 1, NULL},
    {4, KIND_BOOL, offsetof(struct envelope, is_estimate), 0, NULL},
    END,
};

static const struct member backlog_members[] = {
    {1, KIND_U64, offsetof(struct envelope, backlog_frames), 0, NULL},
    {2, KIND_U64, offsetof(struct envelope, backlog_bytes), 0, NULL},
    {3, KIND_U64, offsetof(struct envelope, backlog_oldest_age_ms), 0, NULL},
    END,
};

static const struct member probe_members[] = {
    {1, KIND_U64, offsetof(struct envelope, probe_id), 0, NULL},
    END,
};

static const struct member envelope_members[] = {
    {1, KIND_FRAME, 0, 0, NULL},
    {2, KIND_MESSAGE, NO_FLAG, 0, clock_members},
    {3, KIND_U64, offsetof(struct envelope, first), 0, NULL},
    {4, KIND_MESSAGE, NO_FLAG, 0, backlog_members},
    {5, KIND_DROPS, 0, 0, NULL},
    {6, KIND_MESSAGE, offsetof(struct envelope, has_probe), 0, probe_members},
    END,
};

/* One entry of the repeated field. */
struct drop {
    enum drop_reason reason;
    struct drop_total total;
};

static const struct member drop_members[] = {
    {1, KIND_ENUM, offsetof(struct drop, reason), DROP_REASONS, NULL},
    {2, KIND_U64, offsetof(struct drop, total.frames), 0, NULL},
    {3, KIND_U64, offsetof(struct drop, total.samples), 0, NULL},
    END,
};

static const struct member rejected_members[] = {
    {1, KIND_U64, offsetof(struct ack, rejected_sequence), 0, NULL},
    {2, KIND_ENUM, offsetof(struct ack, rejection.reason), REJECT_REASONS, NULL},
    {3, KIND_TEXT, offsetof(struct ack, rejection.text), sizeof(((struct rejection *)0)->text),
     NULL},
    END,
};

static const struct member credit_members[] = {
    {1, KIND_U32, offsetof(struct ack, credit_frames), 0, NULL},
    {2, KIND_U64, offsetof(struct ack, credit_bytes), 0, NULL},
    END,
};

static const struct member answer_members[] = {
    {1, KIND_U64, offsetof(struct ack, answer_id), 0, NULL},
    {2, KIND_ZIGZAG, offsetof(struct ack, answer_received_utc_us), 0, NULL},
    {3, KIND_ZIGZAG, offsetof(struct ack, answer_sent_utc_us), 0, NULL},
    {4, KIND_BOOL, offsetof(struct ack, answer_is_synchronised), 0, NULL},
    END,
};

static const struct member ack_members[] = {
    {1, KIND_FIXED64, offsetof(struct ack, collector), 0, NULL},
    {2, KIND_FIXED64, offsetof(struct ack, stream), 0, NULL},
    {3, KIND_U64, offsetof(struct ack, committed), 0, NULL},
    {4, KIND_U64, offsetof(struct ack, resend_from), 0, NULL},
    {5, KIND_MESSAGE, offsetof(struct ack, has_rejection), 0, rejected_members},
    {6, KIND_MESSAGE, offsetof(struct ack, has_credit), 0, credit_members},
    {7, KIND_MESSAGE, offsetof(struct ack, has_answer), 0, answer_members},
    END,
};

static const struct member hello_members[] = {
    {1, KIND_TEXT, offsetof(struct hello, version), VERSION_BYTES_MAX + 1, NULL},
    {2, KIND_FIXED64, offsetof(struct hello, collector), 0, NULL},
    {3, KIND_FIXED64, offsetof(struct hello, connection), 0, NULL},
    {4, KIND_ZIGZAG, offsetof(struct hello, up_since_utc_ms), 0, NULL},
    {5, KIND_BOOL, offsetof(struct hello, is_online), 0, NULL},
    END,
};

static const struct member status_members[] = {
    {1, KIND_BOOL, offsetof(struct status, is_online), 0, NULL},
    {2, KIND_TEXT, offsetof(struct status, version), VERSION_BYTES_MAX + 1, NULL},
    {3, KIND_FIXED64, offsetof(struct status, connection), 0, NULL},
    END,
};

const char *drop_reason_name(enum drop_reason reason)
{
    static const char *const names[DROP_REASONS] = {
        [DROP_UNKNOWN] = "unknown",
        [DROP_SPOOL_FULL] = "spool_full",
        [DROP_SPOOL_DAMAGED] = "spool_damaged",
        [DROP_TOO_LARGE] = "too_large",
        [DROP_REJECTED] = "rejected",
        [DROP_ENCODING] = "encoding",
    };
    return (unsigned)reason < DROP_REASONS ? names[reason] : names[DROP_UNKNOWN];
}

/* --- packing --- */

static void pack_members(struct buffer *out, const struct member *members, const void *base);

/* Key, length and content; nothing for no bytes unless `always`. */
static void pack_bytes(struct buffer *out, uint32_t number, const void *bytes, size_t size,
                       bool always)
{
    if (size == 0 && !always)
        return;
    char *to = buffer_reserve(out, size + 2 * VARINT_BYTES_MAX);
    if (to == NULL)
        return;
    uint8_t *begin = (uint8_t *)to;
    buffer_wrote(out, (size_t)(wire_put_bytes(begin, number, bytes, size) - begin));
}

static void pack_message(struct buffer *out, uint32_t number, const struct member *members,
                         const void *base, bool always)
{
    BUFFER_AUTO struct buffer content = {0};
    pack_members(&content, members, base);
    if (buffer_failed(&content))
        out->has_failed = true;
    pack_bytes(out, number, content.data, content.size, always);
}

static void pack_drops(struct buffer *out, uint32_t number, const struct envelope *envelope)
{
    for (unsigned reason = 0; reason < DROP_REASONS; reason++) {
        const struct drop drop = {(enum drop_reason)reason, envelope->drops[reason]};
        if (drop.total.frames != 0 || drop.total.samples != 0)
            pack_message(out, number, drop_members, &drop, true);
    }
}

/* The number of a varint member as it travels. */
static uint64_t get_number(const struct member *member, const void *place)
{
    switch (member->kind) {
    case KIND_BOOL:
        return *(const bool *)place;
    case KIND_U32:
        return *(const uint32_t *)place;
    case KIND_ENUM:
        return *(const unsigned *)place;
    case KIND_ZIGZAG:
        return wire_to_zigzag(*(const int64_t *)place);
    default:
        return *(const uint64_t *)place;
    }
}

static void pack_number(struct buffer *out, const struct member *member, const void *place)
{
    uint64_t number = get_number(member, place);
    char *to = number == 0 ? NULL : buffer_reserve(out, 2 * VARINT_BYTES_MAX);
    if (to == NULL)
        return;
    uint8_t *begin = (uint8_t *)to;
    uint8_t *end = member->kind == KIND_FIXED64
                       ? wire_put_fixed64(wire_put_tag(begin, member->number, WIRE_FIXED64), number)
                       : wire_put_number(begin, member->number, number);
    buffer_wrote(out, (size_t)(end - begin));
}

static void pack_member(struct buffer *out, const struct member *member, const void *base)
{
    const char *bytes = base;
    switch (member->kind) {
    case KIND_FRAME: {
        const struct envelope *envelope = base;
        pack_bytes(out, member->number, envelope->frame, envelope->frame_bytes, false);
        return;
    }
    case KIND_DROPS:
        pack_drops(out, member->number, base);
        return;
    case KIND_TEXT:
        pack_bytes(out, member->number, bytes + member->offset,
                   strnlen(bytes + member->offset, member->limit - 1), false);
        return;
    case KIND_MESSAGE: {
        bool has_flag = member->offset != NO_FLAG;
        if (!has_flag || *(const bool *)(bytes + member->offset))
            pack_message(out, member->number, member->members, base, has_flag);
        return;
    }
    default:
        pack_number(out, member, bytes + member->offset);
    }
}

static void pack_members(struct buffer *out, const struct member *members, const void *base)
{
    for (const struct member *member = members; member->number != 0; member++)
        pack_member(out, member, base);
}

static int pack(struct buffer *out, const struct member *members, const void *base)
{
    pack_members(out, members, base);
    return buffer_failed(out) ? -ENOMEM : 0;
}

int envelope_pack(const struct envelope *envelope, struct buffer *out)
{
    return pack(out, envelope_members, envelope);
}

int ack_pack(const struct ack *ack, struct buffer *out)
{
    return pack(out, ack_members, ack);
}

int hello_pack(const struct hello *hello, struct buffer *out)
{
    return pack(out, hello_members, hello);
}

int status_pack(const struct status *status, struct buffer *out)
{
    return pack(out, status_members, status);
}

/* --- unpacking --- */

static bool unpack_members(const struct member *members, struct wire_reader reader, void *base);

static enum wire_type wire_type_of(enum kind kind)
{
    switch (kind) {
    case KIND_FIXED64:
        return WIRE_FIXED64;
    case KIND_TEXT:
    case KIND_FRAME:
    case KIND_MESSAGE:
    case KIND_DROPS:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

static struct wire_reader content_of(const struct wire_field *field)
{
    return (struct wire_reader){field->bytes, field->bytes + field->size};
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

/* Reasons that this version does not know add up under "unknown". */
static bool unpack_drop(const struct wire_field *field, struct envelope *envelope)
{
    struct drop drop = {.reason = DROP_UNKNOWN};
    if (!unpack_members(drop_members, content_of(field), &drop))
        return false;
    struct drop_total *total = &envelope->drops[drop.reason];
    total->frames += drop.total.frames;
    total->samples += drop.total.samples;
    return true;
}

static bool set_number(const struct member *member, uint64_t number, void *place)
{
    switch (member->kind) {
    case KIND_BOOL:
        *(bool *)place = number != 0;
        return true;
    case KIND_ENUM:
        *(unsigned *)place = number < member->limit ? (unsigned)number : 0;
        return true;
    case KIND_U32:
        *(uint32_t *)place = (uint32_t)number;
        return number <= UINT32_MAX;
    case KIND_ZIGZAG:
        *(int64_t *)place = wire_from_zigzag(number);
        return true;
    default:
        *(uint64_t *)place = number;
        return true;
    }
}

static bool unpack_member(const struct member *member, const struct wire_field *field, void *base)
{
    char *bytes = base;
    if (field->type != wire_type_of(member->kind))
        return false;
    switch (member->kind) {
    case KIND_FRAME: {
        struct envelope *envelope = base;
        envelope->frame = field->size == 0 ? NULL : field->bytes;
        envelope->frame_bytes = field->size;
        return true;
    }
    case KIND_DROPS:
        return unpack_drop(field, base);
    case KIND_TEXT:
        return unpack_text(field, bytes + member->offset, member->limit);
    case KIND_MESSAGE:
        if (member->offset != NO_FLAG)
            *(bool *)(bytes + member->offset) = true;
        return unpack_members(member->members, content_of(field), base);
    default:
        return set_number(member, field->value, bytes + member->offset);
    }
}

/* Fields that are not in the table are left out: a later version's. */
static bool unpack_members(const struct member *members, struct wire_reader reader, void *base)
{
    struct wire_field field;
    int r = wire_next(&reader, &field);
    for (; r == 0; r = wire_next(&reader, &field)) {
        const struct member *member = members;
        while (member->number != 0 && member->number != field.number)
            member++;
        if (member->number != 0 && !unpack_member(member, &field, base))
            return false;
    }
    return r == WIRE_END;
}

static int unpack(const struct member *members, const uint8_t *bytes, size_t size, void *base)
{
    if (size > ENVELOPE_BYTES_MAX)
        return ENVELOPE_MALFORMED;
    /* An empty payload may come as NULL. */
    const struct wire_reader reader = {bytes, size == 0 ? bytes : bytes + size};
    return unpack_members(members, reader, base) ? 0 : ENVELOPE_MALFORMED;
}

int envelope_unpack(const uint8_t *bytes, size_t size, struct envelope *envelope_out)
{
    struct envelope envelope = {0};
    int r = unpack(envelope_members, bytes, size, &envelope);
    if (r == 0)
        *envelope_out = envelope;
    return r;
}

int ack_unpack(const uint8_t *bytes, size_t size, struct ack *ack_out)
{
    struct ack ack = {0};
    int r = unpack(ack_members, bytes, size, &ack);
    if (r == 0)
        *ack_out = ack;
    return r;
}

int hello_unpack(const uint8_t *bytes, size_t size, struct hello *hello_out)
{
    struct hello hello = {0};
    int r = unpack(hello_members, bytes, size, &hello);
    if (r == 0)
        *hello_out = hello;
    return r;
}

int status_unpack(const uint8_t *bytes, size_t size, struct status *status_out)
{
    struct status status = {0};
    int r = unpack(status_members, bytes, size, &status);
    if (r == 0)
        *status_out = status;
    return r;
}
