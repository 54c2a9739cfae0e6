/*
 * The bodies of the frames that the next cut will give: readings are written into the open body
 * item by item, in the form that is shortest; a full one is sealed (compressed where that makes it
 * smaller), and a reading that does not fit goes on in the next with `more`. Knows the wire format
 * of a body, not what the encoder remembers between readings.
 *
 * Errors stick: after a failed allocation the writers do nothing and encoder_body_end_reading()
 * and encoder_body_seal() tell.
 */
#ifndef SHOAL_COMMON_ENCODER_BODY_H
#define SHOAL_COMMON_ENCODER_BODY_H

#include <zstd.h>

#include "common/encoder.h"
#include "common/encoder_lists.h"

struct sealed_body {
    size_t offset, size; /* in encoder_body.sealed */
    bool is_compressed;
    bool is_key;
    uint32_t samples;
    int64_t time_ms; /* of its oldest reading */
};

/* What stands at a reading's head. */
struct reading_head {
    uint32_t input;
    int64_t time_ms;
    bool is_repeat;
    bool is_rest;   /* of a reading that began in another frame: set here, not by the caller */
    uint32_t n_ids; /* that the input's series have been given before this reading */
    const struct encoder_input *definition; /* at the input's first reading in the group, or NULL */
};

struct encoder_body {
    ZSTD_CCtx *zstd;           /* NULL: never compress */
    struct buffer node_labels; /* as they stand in a key frame's body */

    struct buffer open; /* the body being written; empty: none is */
    bool is_key;        /* the next body to be opened begins a group */
    bool open_is_key;
    int64_t open_time_ms; /* that readings count from */
    int64_t open_oldest_ms;
    uint32_t open_next_input; /* that an input gap of 0 would mean */
    uint32_t open_samples;
    uint32_t open_readings;
    uint8_t written_inputs[INPUTS_PER_NODE_MAX / 8]; /* bits: they have a reading in it */

    /* The open body's plain readings. */
    uint8_t plain_inputs[INPUTS_PER_NODE_MAX / 8]; /* bits */
    uint32_t plain_next;                           /* lowest id that may follow; 0: there is none */
    struct buffer plain_changed;                   /* bits of their series */
    struct buffer plain_deltas;

    /* The reading being written. */
    struct reading_head head;
    struct encoder_lists lists;

    struct buffer sealed;
    struct sealed_body *bodies;
    size_t n_bodies, bodies_capacity;
    bool has_failed;
};

/* 0 or -ENOMEM; deinit is needed in any case. */
WARN_UNUSED int encoder_body_init(struct encoder_body *body, const struct encoder_options *options);
void encoder_body_deinit(struct encoder_body *body);

/* Throws away all that is open or sealed; what comes next begins a group. */
void encoder_body_clear(struct encoder_body *body);

/* Seals what is open; what comes next begins a group. */
void encoder_body_begin_group(struct encoder_body *body);

static inline bool encoder_body_is_empty(const struct encoder_body *body)
{
    return body->open.size == 0 && body->n_bodies == 0;
}

/* One reading: begin, then the items, ids ascending within each kind, then end. A new series is
 * defined before it gets its value; its family before it. */
void encoder_body_begin_reading(struct encoder_body *body, const struct reading_head *head);
void encoder_body_gone(struct encoder_body *body, uint32_t series);
void encoder_body_delta(struct encoder_body *body, uint32_t series, int64_t delta);
/* Under `scaled`, or `raw` where the exponent says so. */
void encoder_body_value(struct encoder_body *body, uint32_t series, struct scaled value);
/* A series' definition and its family's (NULL: known) are kept together with the series' value. */
void encoder_body_series(struct encoder_body *body, const struct series *series, uint32_t family,
                         const struct family *new_family);
WARN_UNUSED int encoder_body_end_reading(struct encoder_body *body, uint32_t samples);

/* Ends the open body, if there is one: 0 or -ENOMEM. */
WARN_UNUSED int encoder_body_seal(struct encoder_body *body);

/* After a cut: nothing is sealed any more. */
void encoder_body_taken(struct encoder_body *body);

#endif
