/*
 * Frames built with protobuf-c, to be spoilt: a draft holds the messages of one frame, which a test
 * changes before it is packed and decoded.
 */
#ifndef SHOAL_TESTS_FRAME_DRAFT_H
#define SHOAL_TESTS_FRAME_DRAFT_H

#include "common/buffer.h"
#include "common/decoder.h"
#include "shoal/v1/frame.pb-c.h"

/* A frame of one input with two series, whose parts can be changed before it is packed. */
struct draft {
    Shoal__V1__Frame frame;
    Shoal__V1__Body body;
    Shoal__V1__Reading reading;
    Shoal__V1__Reading *readings[2];
    Shoal__V1__Input input;
    Shoal__V1__Family family;
    Shoal__V1__Family *families[1];
    Shoal__V1__Series series[2];
    Shoal__V1__Series *series_list[2];
    Shoal__V1__Label labels[3];
    Shoal__V1__Label *label_list[40];
    uint32_t ids[4];
    double raw[4];
    int64_t numbers[4];
    int32_t exponents[4];
    uint32_t gone[4];
    uint8_t bits[4];
};

/* A good key frame without CRC: one input, a gauge, two series with raw values. */
void draft_init(struct draft *draft);

/* The frame after it, in the same group: two raw values. */
void draft_next(struct draft *draft);

struct buffer draft_pack(const struct draft *draft);

/* Decodes, and checks what was decoded of a key frame, or that a rejection has words. */
int draft_decode_bytes(struct decoder *decoder, const void *bytes, size_t size,
                       struct rejection *rejection);
int draft_decode(struct decoder *decoder, const struct draft *draft, struct rejection *rejection);

void draft_assert_says(const struct rejection *rejection, enum reject_reason reason,
                       const char *text);

/* The draft is refused, and the decoder then takes a good one. */
void draft_assert_refused(const struct draft *draft, enum reject_reason reason, const char *text);

#endif
