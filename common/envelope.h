/*
 * The messages around frames (proto/shoal/v1/session.proto) as plain structs, to and from bytes.
 * Unpacking takes untrusted bytes: bounded, strings checked. Texts longer than their field are cut.
 */
#ifndef SHOAL_COMMON_ENVELOPE_H
#define SHOAL_COMMON_ENVELOPE_H

#include "common/buffer.h"
#include "common/decoder.h"

#define ENVELOPE_BYTES_MAX (192 * 1024) /* an MQTT payload of ours is never larger */
#define VERSION_BYTES_MAX 31
enum { ENVELOPE_MALFORMED = 1 };

/* Same numbers as shoal.v1.Clock.Source. */
enum clock_source {
    CLOCK_SOURCE_UNKNOWN,
    CLOCK_SOURCE_SYSTEM,
    CLOCK_SOURCE_PROBE,
    CLOCK_SOURCE_FREE
};

/* Same numbers as shoal.v1.Drop.Reason. */
enum drop_reason {
    DROP_UNKNOWN,
    DROP_SPOOL_FULL,
    DROP_SPOOL_DAMAGED,
    DROP_TOO_LARGE,
    DROP_REJECTED,
    DROP_ENCODING,
    DROP_REASONS
};
const char *drop_reason_name(enum drop_reason reason); /* "spool_full", ... */

struct drop_total {
    uint64_t frames;
    uint64_t samples;
};

struct envelope {
    const uint8_t *frame; /* not owned; NULL in a probe. Unpacked: points into the payload */
    size_t frame_bytes;
    int64_t utc_offset_ms;
    uint32_t uncertainty_ms;
    enum clock_source source;
    bool is_estimate;
    int64_t system_off_ms; /* the node's system clock less this UTC, where it claims to be right */
    uint64_t first;
    uint64_t backlog_frames;
    uint64_t backlog_bytes;
    uint64_t backlog_oldest_age_ms;
    struct drop_total drops[DROP_REASONS];
    bool has_probe;
    uint64_t probe_id;
};

struct ack {
    uint64_t collector;
    uint64_t stream;
    uint64_t committed;
    uint64_t resend_from;
    bool has_rejection;
    uint64_t rejected_sequence;
    struct rejection rejection;
    bool has_credit;
    uint32_t credit_frames;
    uint64_t credit_bytes;
    bool has_answer;
    uint64_t answer_id;
    int64_t answer_received_utc_us;
    int64_t answer_sent_utc_us;
    bool answer_is_synchronised;
};

struct hello {
    char version[VERSION_BYTES_MAX + 1];
    uint64_t collector;
    uint64_t connection;
    int64_t up_since_utc_ms;
    bool is_online;
};

struct status {
    bool is_online;
    char version[VERSION_BYTES_MAX + 1];
    uint64_t connection;
};

/* Append the packed message to `out`; 0 or -ENOMEM. */
WARN_UNUSED int envelope_pack(const struct envelope *envelope, struct buffer *out);
WARN_UNUSED int ack_pack(const struct ack *ack, struct buffer *out);
WARN_UNUSED int hello_pack(const struct hello *hello, struct buffer *out);
WARN_UNUSED int status_pack(const struct status *status, struct buffer *out);

/* 0 or ENVELOPE_MALFORMED; *_out is untouched unless 0. Fields and reasons of a later version are
 * passed over: a reason counts as unknown. */
WARN_UNUSED int envelope_unpack(const uint8_t *bytes, size_t size, struct envelope *envelope_out);
WARN_UNUSED int ack_unpack(const uint8_t *bytes, size_t size, struct ack *ack_out);
WARN_UNUSED int hello_unpack(const uint8_t *bytes, size_t size, struct hello *hello_out);
WARN_UNUSED int status_unpack(const uint8_t *bytes, size_t size, struct status *status_out);

#endif
