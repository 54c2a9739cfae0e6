/*
 * The inside of the decoder: decoder.c knows frames and their order, decoder_body.c takes bodies
 * apart and decoder_reading.c readings, decoder_definitions.c checks what is defined in them,
 * decoder_values.c applies values to what is known of series.
 *
 * Functions that return int give 0, DECODER_REJECTED with the rejection filled in, or -ENOMEM.
 */
#ifndef SHOAL_COMMON_DECODER_BODY_H
#define SHOAL_COMMON_DECODER_BODY_H

#include "common/arena.h"
#include "common/frame_wire.h"
#include "common/wire.h"

/* What is known of a series, in two arrays for the sake of size: a collector holds this for each
 * live series. */
struct decoder_prediction {
    int64_t mantissa;
    int64_t step; /* last difference of a counter's mantissas */
};

struct decoder_mark {
    int8_t exponent; /* as in struct scaled; DECIMAL_RAW: there is no prediction */
    bool is_counter : 1;
    bool is_gone : 1;
    bool is_touched : 1; /* has its value of the reading that is being decoded */
};

struct decoder_input {
    struct decoder_prediction *predictions;
    struct decoder_mark *marks;
    uint8_t *family_types;
    uint32_t n_series, series_capacity;
    uint32_t n_families, families_capacity;
    uint32_t n_live; /* series that are not gone */
    int64_t last_ms; /* time of its last reading */
};

/* A group's state. All zeros is an empty one. */
struct decoder_group {
    struct decoder_input *inputs;
    uint32_t n_inputs;
    uint32_t n_series, n_families; /* ids given out, over all inputs */
    uint32_t n_live;
    /* The last reading goes on in the next frame. */
    bool has_more;
    uint32_t more_input;
    int64_t more_ms;
};

/* A run of packed elements. */
struct packed_list {
    const uint8_t *bytes;
    size_t size;
    size_t pieces; /* that it came in */
};

/* The fields of a reading that are lists, by field number less READING_DELTA_SERIES. */
#define PACKED_LISTS (READING_DELTA_BITS - READING_DELTA_SERIES + 1)

/* A body being decoded. */
struct body_decoder {
    struct decoder_group *group;
    struct arena *arena;
    struct frame *frame;
    struct rejection *rejection;
    bool is_key;
    int64_t time_ms;     /* that readings count from */
    size_t reading;      /* position of the one at work */
    uint32_t input;      /* of that one */
    uint32_t next_input; /* that an input gap of 0 means */
    bool is_in_reading;
};

void decoder_group_clear(struct decoder_group *group);

/* Decodes a body into body->frame. */
WARN_UNUSED int decoder_read_body(struct body_decoder *body, const uint8_t *bytes, size_t size);

/* A reading from its message, the last of its frame or not. */
WARN_UNUSED int decoder_read_reading(struct body_decoder *body, const struct wire_field *message,
                                     bool is_last, struct frame_reading *reading);

/* A plain reading of body->input: takes its bits and deltas from what is left of them. */
WARN_UNUSED int decoder_read_plain(struct body_decoder *body, struct wire_reader *changed,
                                   struct wire_reader *deltas, struct frame_reading *reading);

/* Definitions, from the fields that hold them. Texts are copied into the arena. */
WARN_UNUSED int decoder_read_input(struct body_decoder *body, const struct wire_field *message,
                                   struct frame_input *input_out);
WARN_UNUSED int decoder_read_family(struct body_decoder *body, const struct wire_field *message,
                                    struct family *family_out);
WARN_UNUSED int decoder_read_series(struct body_decoder *body, const struct wire_field *message,
                                    uint32_t n_families, struct frame_series *series_out);

/* The n node labels of a body, into body->frame. */
WARN_UNUSED int decoder_read_node_labels(struct body_decoder *body,
                                         const struct wire_field *message, size_t n);

/* Makes room for n further series or families: 0 or -ENOMEM. */
WARN_UNUSED int decoder_input_hold(struct decoder_input *input, uint32_t n_series,
                                   uint32_t n_families);

/* Applies a reading's lists to its input, whose new series are in place, and fills in changes and
 * gone. */
WARN_UNUSED int decoder_read_values(struct body_decoder *body, struct decoder_input *input,
                                    const struct packed_list lists[PACKED_LISTS],
                                    struct frame_reading *reading);

/* The same for a plain reading: bits, and deltas from what is left of them. */
WARN_UNUSED int decoder_read_deltas(struct body_decoder *body, struct decoder_input *input,
                                    const struct packed_list *bits, struct wire_reader *deltas,
                                    struct frame_reading *reading);

/* How many bits are set. */
size_t packed_list_bits(const struct packed_list *list);

/* --- shared by these --- */

/* Takes one field of a message. */
typedef int (*body_take_field)(struct body_decoder *body, const struct wire_field *field,
                               void *out);

/* Hands all fields of a message to `take`, until one is refused. `name` is for messages. */
WARN_UNUSED int body_read_message(struct body_decoder *body, const struct wire_field *message,
                                  const char *name, body_take_field take, void *out);

/* Refuses with the place put in front. */
__attribute__((format(printf, 3, 4))) int
body_refuse(struct body_decoder *body, enum reject_reason reason, const char *format, ...);
int body_wrong_type(struct body_decoder *body, const char *message, const struct wire_field *field);

/* A list comes packed in one field, as every usual encoder writes it; or in several, or element by
 * element (a callback of nanopb may). Each piece is taken first, then they are joined. */
WARN_UNUSED int body_take_piece(struct body_decoder *body, const struct wire_field *field,
                                enum wire_type unpacked, struct packed_list *list);
WARN_UNUSED int body_join_list(struct body_decoder *body, const struct wire_field *message,
                               uint32_t number, struct packed_list *list);

/* After the arena gave nothing: DECODER_REJECTED if that was for its bound, else -ENOMEM. */
int body_no_memory(struct body_decoder *body);

/* An array of n elements in the arena, not cleared. */
WARN_UNUSED int body_alloc(struct body_decoder *body, size_t n, size_t size, void **out);

#endif
