/*
 * What one reading has to say, item by item: definitions and lists as they will stand in its
 * message. Knows nothing of bodies or bounds. Ids ascend within each kind of item.
 *
 * Errors stick: after a failed allocation encoder_lists_failed() tells.
 */
#ifndef SHOAL_COMMON_ENCODER_LISTS_H
#define SHOAL_COMMON_ENCODER_LISTS_H

#include "common/buffer.h"
#include "common/frame_wire.h"
#include "common/reading.h"
#include "common/scaled.h"
#include "common/wire.h"

/* The lists of a reading, in the order in which they are written. */
enum reading_list {
    LIST_DELTA_SERIES,
    LIST_DELTA,
    LIST_SCALED_SERIES,
    LIST_MANTISSA,
    LIST_EXPONENT,
    LIST_RAW_SERIES,
    LIST_RAW,
    LIST_GONE,
    READING_LISTS
};

/* Caller's storage; all zeros is empty. */
struct encoder_lists {
    struct buffer definitions; /* families and series, each a field */
    struct buffer lists[READING_LISTS];
    uint32_t next_ids[READING_LISTS]; /* that a gap of 0 would mean */
    struct buffer bits;               /* the deltas' ids, once they are chosen as bits */
    size_t size;                      /* of definitions and lists */
};

void encoder_lists_deinit(struct encoder_lists *lists);
void encoder_lists_clear(struct encoder_lists *lists);
bool encoder_lists_failed(const struct encoder_lists *lists);

#define ENCODER_ITEM_BYTES_MAX 30 /* an id and two numbers; a series' definition comes on top */

void encoder_lists_gone(struct encoder_lists *lists, uint32_t series);
void encoder_lists_delta(struct encoder_lists *lists, uint32_t series, int64_t delta);

/* Under `scaled`, or `raw` where the exponent says so. */
void encoder_lists_value(struct encoder_lists *lists, uint32_t series, struct scaled value);

/* Defines a series, and its family where that is new (NULL: known), whose id is `family`. */
void encoder_lists_series(struct encoder_lists *lists, const struct series *series, uint32_t family,
                          const struct family *new_family);
size_t encoder_lists_series_bytes(const struct series *series, uint32_t family,
                                  const struct family *new_family);

bool encoder_lists_has_only_deltas(const struct encoder_lists *lists);

/* The deltas' ids as `size` bytes of bits, into room for them. */
void encoder_lists_put_bits(const struct encoder_lists *lists, uint8_t *bits, size_t size);

/* Makes bits of the deltas' ids where that is shorter: where over an eighth of the series changed.
 * Nothing may be added then. */
void encoder_lists_choose_bits(struct encoder_lists *lists);

/* All of it as fields of a message; returns the place after them. */
size_t encoder_lists_packed_size(const struct encoder_lists *lists);
uint8_t *encoder_lists_put(const struct encoder_lists *lists, uint8_t *at);

#endif
