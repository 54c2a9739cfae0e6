#include "common/envelope.h"

#include <errno.h>

#include "common/message.h"

/* A plain member: its number, kind, and the field that it fills. */
#define MEMBER(number_, kind_, type_, field_)                                                      \
    {                                                                                              \
        .number = (number_), .kind = MESSAGE_##kind_, .offset = offsetof(struct type_, field_)     \
    }
#define ENUM(number_, type_, field_, limit_)                                                       \
    {                                                                                              \
        .number = (number_), .kind = MESSAGE_ENUM, .offset = offsetof(struct type_, field_),       \
        .limit = (limit_)                                                                          \
    }
#define TEXT(number_, type_, field_)                                                               \
    {                                                                                              \
        .number = (number_), .kind = MESSAGE_TEXT, .offset = offsetof(struct type_, field_),       \
        .limit = sizeof(((struct type_ *)0)->field_)                                               \
    }
#define INNER(number_, members_)                                                                   \
    {                                                                                              \
        .number = (number_), .kind = MESSAGE_INNER, .inner = (members_)                            \
    }
/* A message whose presence is a field of its own. */
#define INNER_IF(number_, type_, field_, members_)                                                 \
    {                                                                                              \
        .number = (number_), .kind = MESSAGE_INNER, .offset = offsetof(struct type_, field_),      \
        .has_flag = true, .inner = (members_)                                                      \
    }

static const struct message_member clock_members[] = {
    MEMBER(1, ZIGZAG, envelope, utc_offset_ms),       MEMBER(2, U32, envelope, uncertainty_ms),
    ENUM(3, envelope, source, CLOCK_SOURCE_FREE + 1), MEMBER(4, BOOL, envelope, is_estimate),
    MEMBER(5, ZIGZAG, envelope, system_off_ms),       MESSAGE_END,
};

static const struct message_member backlog_members[] = {
    MEMBER(1, U64, envelope, backlog_frames),
    MEMBER(2, U64, envelope, backlog_bytes),
    MEMBER(3, U64, envelope, backlog_oldest_age_ms),
    MESSAGE_END,
};

static const struct message_member probe_members[] = {
    MEMBER(1, U64, envelope, probe_id),
    MESSAGE_END,
};

/* One entry of the envelope's repeated field. */
struct drop {
    enum drop_reason reason;
    struct drop_total total;
};

static const struct message_member drop_members[] = {
    ENUM(1, drop, reason, DROP_REASONS),
    MEMBER(2, U64, drop, total.frames),
    MEMBER(3, U64, drop, total.samples),
    MESSAGE_END,
};

static void pack_drops(struct buffer *out, uint32_t number, const void *base)
{
    const struct envelope *envelope = base;
    for (unsigned reason = 0; reason < DROP_REASONS; reason++) {
        const struct drop drop = {(enum drop_reason)reason, envelope->drops[reason]};
        if (drop.total.frames != 0 || drop.total.samples != 0)
            message_pack_inner(out, number, drop_members, &drop, true);
    }
}

/* Reasons that this version does not know add up under "unknown". */
static bool unpack_drop(struct wire_reader content, void *base)
{
    struct envelope *envelope = base;
    struct drop drop = {.reason = DROP_UNKNOWN};
    if (!message_unpack(drop_members, content, &drop))
        return false;
    struct drop_total *total = &envelope->drops[drop.reason];
    total->frames += drop.total.frames;
    total->samples += drop.total.samples;
    return true;
}

static const struct message_member envelope_members[] = {
    {.number = 1,
     .kind = MESSAGE_BYTES,
     .offset = offsetof(struct envelope, frame),
     .limit = offsetof(struct envelope, frame_bytes)},
    INNER(2, clock_members),
    MEMBER(3, U64, envelope, first),
    INNER(4, backlog_members),
    {.number = 5, .kind = MESSAGE_CUSTOM, .pack = pack_drops, .unpack = unpack_drop},
    INNER_IF(6, envelope, has_probe, probe_members),
    MESSAGE_END,
};

static const struct message_member rejected_members[] = {
    MEMBER(1, U64, ack, rejected_sequence),
    ENUM(2, ack, rejection.reason, REJECT_REASONS),
    TEXT(3, ack, rejection.text),
    MESSAGE_END,
};

static const struct message_member credit_members[] = {
    MEMBER(1, U32, ack, credit_frames),
    MEMBER(2, U64, ack, credit_bytes),
    MESSAGE_END,
};

static const struct message_member answer_members[] = {
    MEMBER(1, U64, ack, answer_id),
    MEMBER(2, ZIGZAG, ack, answer_received_utc_us),
    MEMBER(3, ZIGZAG, ack, answer_sent_utc_us),
    MEMBER(4, BOOL, ack, answer_is_synchronised),
    MESSAGE_END,
};

static const struct message_member ack_members[] = {
    MEMBER(1, FIXED64, ack, collector),
    MEMBER(2, FIXED64, ack, stream),
    MEMBER(3, U64, ack, committed),
    MEMBER(4, U64, ack, resend_from),
    INNER_IF(5, ack, has_rejection, rejected_members),
    INNER_IF(6, ack, has_credit, credit_members),
    INNER_IF(7, ack, has_answer, answer_members),
    MESSAGE_END,
};

static const struct message_member hello_members[] = {
    TEXT(1, hello, version),
    MEMBER(2, FIXED64, hello, collector),
    MEMBER(3, FIXED64, hello, connection),
    MEMBER(4, ZIGZAG, hello, up_since_utc_ms),
    MEMBER(5, BOOL, hello, is_online),
    MESSAGE_END,
};

static const struct message_member status_members[] = {
    MEMBER(1, BOOL, status, is_online),
    TEXT(2, status, version),
    MEMBER(3, FIXED64, status, connection),
    MESSAGE_END,
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

static int pack(struct buffer *out, const struct message_member *members, const void *base)
{
    message_pack(out, members, base);
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

static int unpack(const struct message_member *members, const uint8_t *bytes, size_t size,
                  void *base)
{
    if (size > (size_t)ENVELOPE_BYTES_MAX)
        return ENVELOPE_MALFORMED;
    /* An empty payload may come as NULL. */
    const struct wire_reader content = {bytes, size == 0 ? bytes : bytes + size};
    return message_unpack(members, content, base) ? 0 : ENVELOPE_MALFORMED;
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
