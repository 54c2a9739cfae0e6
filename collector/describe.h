/* Frames and envelopes in words, for people: one frame after the other, names of earlier frames of
 * the group remembered. */
#ifndef SHOAL_COLLECTOR_DESCRIBE_H
#define SHOAL_COLLECTOR_DESCRIBE_H

#include "common/envelope.h"

#define DESCRIBE_ERROR_BYTES_MAX 256

enum {
    DESCRIBE_BAD = 1,     /* nothing that a frame can be; *error says why */
    DESCRIBE_PARTIAL = 2, /* only the header was told: its group's earlier frames are missing */
};

struct describe;

struct describe_error {
    char text[DESCRIBE_ERROR_BYTES_MAX];
};

/* NULL when out of memory. */
struct describe *describe_new(void);
void describe_free(struct describe *describe); /* may be NULL */

/* A frame. With `out` NULL it is only remembered. 0, DESCRIBE_BAD, DESCRIBE_PARTIAL, -ENOMEM. */
WARN_UNUSED int describe_frame(struct describe *describe, const uint8_t *bytes, size_t size,
                               struct buffer *out, struct describe_error *error);

/* What a file holds: a bare frame, an envelope as it is published, or records of a length (u32,
 * little-endian) and a frame. Results as above, the worst of several. */
WARN_UNUSED int describe_bytes(struct describe *describe, const uint8_t *bytes, size_t size,
                               struct buffer *out, struct describe_error *error);

#endif
