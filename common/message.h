/*
 * Protobuf messages as tables of their members: number and kind on the wire, and place in a struct.
 * One packer and one unpacker walk the tables, so that the two directions cannot disagree. Takes
 * untrusted bytes and allocates nothing for them. Knows no message.
 */
#ifndef SHOAL_COMMON_MESSAGE_H
#define SHOAL_COMMON_MESSAGE_H

#include "common/buffer.h"
#include "common/wire.h"

enum message_kind {
    MESSAGE_U32, /* uint32_t */
    MESSAGE_U64,
    MESSAGE_ZIGZAG, /* sint64: int64_t */
    MESSAGE_BOOL,
    MESSAGE_ENUM,    /* numbers from `limit` on become 0, which is "unknown" everywhere */
    MESSAGE_FIXED64, /* uint64_t */
    MESSAGE_TEXT,    /* char[limit] with a NUL; what is longer is cut */
    MESSAGE_BYTES,   /* const uint8_t *, and at `limit` its size_t; not copied, NULL if empty */
    MESSAGE_INNER,   /* a message that fills fields of the same struct */
    MESSAGE_CUSTOM   /* by functions, for what repeats */
};

struct message_member {
    uint32_t number;
    enum message_kind kind;
    size_t offset;
    size_t limit;
    bool has_flag; /* INNER: `offset` is of a bool that says that it is there */
    const struct message_member *inner; /* a table up to MESSAGE_END */
    void (*pack)(struct buffer *out, uint32_t number, const void *base);
    bool (*unpack)(struct wire_reader content, void *base); /* false: malformed */
};

#define MESSAGE_END                                                                                \
    {                                                                                              \
        .number = 0                                                                                \
    }

/* Appends the members of the struct at `base`, zeros and empty texts left out; the buffer keeps an
 * error. */
void message_pack(struct buffer *out, const struct message_member *members, const void *base);

/* The same as a field of an outer message; an empty one only if `always`. */
void message_pack_inner(struct buffer *out, uint32_t number, const struct message_member *members,
                        const void *base, bool always);

/* Fills the struct at `base`, all zeros before. Fields that are not in the table are passed over.
 * False where the bytes are malformed; the struct then holds some of them. */
bool message_unpack(const struct message_member *members, struct wire_reader content, void *base);

#endif
