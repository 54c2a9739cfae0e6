#include "common/encoder_body.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/encoder_definitions.h"
#include "common/wire.h"

/* Bodies are split by their size before compression: a frame then fits whatever zstd makes of it,
 * and decoding one takes little memory. */
#define BODY_BYTES_LIMIT (FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES_MAX)
#define BODY_HEAD_BYTES_MAX 128     /* time, heads of the plain readings' fields */
#define READING_HEAD_BYTES_MAX 1024 /* tags, lengths, the input's definition */
/* What zstd cannot help: deltas of some hundred series come out as long as they went in, and trying
 * takes longer than all the rest. */
#define COMPRESS_BYTES_MIN 1024
/* What a message of its own costs a reading: the tags and lengths of the message and two lists. */
#define PLAIN_GAIN_BYTES 6
/* Of the plain readings' three fields. */
#define PLAIN_HEAD_BYTES_MAX (3 * (1 + VARINT_BYTES_MAX) + INPUTS_PER_NODE_MAX / 8)

static_assert(BODY_HEAD_BYTES_MAX + READING_HEAD_BYTES_MAX +
                      NODE_LABELS_MAX * DEFINITION_LABEL_BYTES_MAX + DEFINITION_FAMILY_BYTES_MAX +
                      DEFINITION_SERIES_BYTES_MAX + ENCODER_ITEM_BYTES_MAX <
                  BODY_BYTES_LIMIT,
              "any series fits into a frame");
static_assert(1 + VARINT_BYTES_MAX + PLAIN_HEAD_BYTES_MAX <= BODY_HEAD_BYTES_MAX,
              "a body's head fits its bound");
static_assert(3 * VARINT_BYTES_MAX <= ENCODER_ITEM_BYTES_MAX, "an id and two numbers");
static_assert(DEFINITION_INPUT_BYTES_MAX + READING_LISTS * (1 + VARINT_BYTES_MAX) +
                      5 * VARINT_BYTES_MAX + PLAIN_GAIN_BYTES <
                  READING_HEAD_BYTES_MAX,
              "a reading's head fits its bound");

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static int pack_node_labels(struct buffer *out, const struct label *labels, size_t n)
{
    struct label sorted[NODE_LABELS_MAX];
    n = n < NODE_LABELS_MAX ? n : NODE_LABELS_MAX;
    if (n > 0)
        memcpy(sorted, labels, n * sizeof(*labels));
    qsort(sorted, n, sizeof(*sorted), compare_labels);
    for (size_t i = 0; i < n; i++) {
        size_t size = definition_label_bytes(&sorted[i]);
        uint8_t *at = (uint8_t *)buffer_reserve(out, size);
        if (at == NULL)
            return -ENOMEM;
        (void)definition_put_label(at, BODY_NODE_LABEL, &sorted[i]); /* its end is known */
        buffer_wrote(out, size);
    }
    return 0;
}

/* --- lifetime --- */

int encoder_body_init(struct encoder_body *body, const struct encoder_options *options)
{
    *body = (struct encoder_body){.is_key = true};
    if (options->compression_level != 0) {
        body->zstd = ZSTD_createCCtx();
        if (body->zstd == NULL)
            return -ENOMEM;
        size_t r =
            ZSTD_CCtx_setParameter(body->zstd, ZSTD_c_compressionLevel, options->compression_level);
        if (ZSTD_isError(r))
            return -ENOMEM;
    }
    return pack_node_labels(&body->node_labels, options->node_labels, options->n_node_labels);
}

void encoder_body_deinit(struct encoder_body *body)
{
    (void)ZSTD_freeCCtx(body->zstd); /* takes NULL and cannot fail */
    buffer_deinit(&body->node_labels);
    buffer_deinit(&body->open);
    buffer_deinit(&body->plain_changed);
    buffer_deinit(&body->plain_deltas);
    encoder_lists_deinit(&body->lists);
    buffer_deinit(&body->sealed);
    free(body->bodies);
}

static void clear_open(struct encoder_body *body)
{
    buffer_clear(&body->open);
    buffer_clear(&body->plain_changed);
    buffer_clear(&body->plain_deltas);
    memset(body->plain_inputs, 0, sizeof(body->plain_inputs));
    memset(body->written_inputs, 0, sizeof(body->written_inputs));
    body->plain_next = 0;
}

void encoder_body_taken(struct encoder_body *body)
{
    buffer_clear(&body->sealed);
    body->n_bodies = 0;
}

void encoder_body_clear(struct encoder_body *body)
{
    clear_open(body);
    encoder_lists_clear(&body->lists);
    encoder_body_taken(body);
    body->is_key = true;
    body->has_failed = false;
}

/* --- sealing --- */

static struct sealed_body *add_body(struct encoder_body *body)
{
    if (body->n_bodies == body->bodies_capacity) {
        size_t capacity = body->bodies_capacity == 0 ? 4 : 2 * body->bodies_capacity;
        struct sealed_body *bodies = realloc(body->bodies, capacity * sizeof(*bodies));
        if (bodies == NULL)
            return NULL;
        body->bodies = bodies;
        body->bodies_capacity = capacity;
    }
    return &body->bodies[body->n_bodies++];
}

/* Appends the open body to the sealed ones, whichever form is smaller. */
static bool seal_bytes(struct encoder_body *body, size_t *size_out)
{
    const struct buffer *open = &body->open;
    size_t room = ZSTD_compressBound(open->size);
    char *at = buffer_reserve(&body->sealed, room);
    if (at == NULL)
        return false;
    if (body->zstd != NULL && open->size >= COMPRESS_BYTES_MIN) {
        size_t size = ZSTD_compress2(body->zstd, at, room, open->data, open->size);
        if (!ZSTD_isError(size) && size < open->size) {
            *size_out = size;
            return true;
        }
    }
    memcpy(at, open->data, open->size);
    *size_out = open->size;
    return true;
}

/* The plain readings' fields, after all others. */
static void put_plain(struct encoder_body *body)
{
    if (body->plain_next == 0)
        return;
    const struct buffer *changed = &body->plain_changed;
    const struct buffer *deltas = &body->plain_deltas;
    char *start = buffer_reserve(&body->open, PLAIN_HEAD_BYTES_MAX + changed->size + deltas->size);
    if (start == NULL)
        return;
    uint8_t *at = (uint8_t *)start;
    at = wire_put_bytes(at, BODY_PLAIN, body->plain_inputs, (body->plain_next + 7) / 8);
    at = wire_put_text(at, BODY_CHANGED, changed->data, changed->size);
    at = wire_put_text(at, BODY_DELTA, deltas->data, deltas->size);
    buffer_wrote(&body->open, (size_t)(at - (uint8_t *)start));
}

int encoder_body_seal(struct encoder_body *body)
{
    if (body->has_failed)
        return -ENOMEM;
    if (body->open.size == 0)
        return 0;
    put_plain(body);
    if (buffer_failed(&body->open)) {
        body->has_failed = true;
        return -ENOMEM;
    }
    size_t size = 0;
    struct sealed_body *sealed = seal_bytes(body, &size) ? add_body(body) : NULL;
    if (sealed == NULL) {
        body->has_failed = true;
        return -ENOMEM;
    }
    *sealed = (struct sealed_body){
        .offset = body->sealed.size,
        .size = size,
        .is_compressed = size < body->open.size,
        .is_key = body->open_is_key,
        .samples = body->open_samples,
        .time_ms = body->open_oldest_ms,
    };
    buffer_wrote(&body->sealed, size);
    clear_open(body);
    return 0;
}

void encoder_body_begin_group(struct encoder_body *body)
{
    if (encoder_body_seal(body) == 0)
        body->is_key = true;
}

/* --- readings --- */

static void open_body(struct encoder_body *body, int64_t time_ms)
{
    char *start = buffer_reserve(&body->open, BODY_HEAD_BYTES_MAX + body->node_labels.size);
    if (start == NULL)
        return;
    uint8_t *at = (uint8_t *)start;
    /* Written even where it is 0, so that an open body is never empty. */
    at = wire_put_tag(at, BODY_TIME, WIRE_VARINT);
    at = wire_put_varint(at, (uint64_t)time_ms);
    buffer_wrote(&body->open, (size_t)(at - (uint8_t *)start));
    if (body->is_key)
        buffer_append(&body->open, body->node_labels.data, body->node_labels.size);
    body->open_is_key = body->is_key;
    body->is_key = false;
    body->open_time_ms = time_ms;
    body->open_oldest_ms = time_ms;
    body->open_next_input = 0;
    body->open_samples = 0;
    body->open_readings = 0;
}

static size_t put_head(uint8_t *start, const struct encoder_body *body, bool has_more)
{
    const struct reading_head *head = &body->head;
    int64_t input_gap = (int64_t)head->input - body->open_next_input;
    uint8_t *at = wire_put_number(start, READING_INPUT_GAP, wire_to_zigzag(input_gap));
    at = wire_put_number(at, READING_TIME_OFFSET,
                         wire_to_zigzag(head->time_ms - body->open_time_ms));
    at = wire_put_number(at, READING_MORE, has_more);
    at = wire_put_number(at, READING_REPEAT, head->is_repeat);
    if (head->definition != NULL)
        at = definition_put_input(at, head->definition);
    return (size_t)(at - start);
}

static size_t open_room(const struct encoder_body *body)
{
    size_t limit = BODY_BYTES_LIMIT - READING_HEAD_BYTES_MAX - BODY_HEAD_BYTES_MAX;
    size_t size = body->open.size + body->plain_changed.size + body->plain_deltas.size;
    return size < limit ? limit - size : 0;
}

/* --- plain readings --- */

static bool has_bit(const uint8_t *bits, uint32_t i)
{
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, uint32_t i)
{
    bits[i / 8] |= (uint8_t)(1U << (i % 8));
}

static size_t plain_bits_size(const struct encoder_body *body)
{
    return (body->head.n_ids + (size_t)7) / 8;
}

/* Whether all there is to say of a reading is which series changed and by how much, and bits for
 * all of them are no longer than a message with gaps. */
static bool is_plain(const struct encoder_body *body, bool has_more)
{
    const struct reading_head *head = &body->head;
    const struct buffer *gaps = &body->lists.lists[LIST_DELTA_SERIES];
    return !has_more && !head->is_rest && !head->is_repeat && head->definition == NULL &&
           head->time_ms == body->open_time_ms && encoder_lists_has_only_deltas(&body->lists) &&
           head->input >= body->plain_next && !has_bit(body->written_inputs, head->input) &&
           plain_bits_size(body) <= gaps->size + PLAIN_GAIN_BYTES;
}

static void write_plain(struct encoder_body *body)
{
    const struct buffer *deltas = &body->lists.lists[LIST_DELTA];
    size_t size = plain_bits_size(body);
    uint8_t *bits = (uint8_t *)buffer_reserve(&body->plain_changed, size);
    if (bits == NULL)
        return;
    encoder_lists_put_bits(&body->lists, bits, size);
    buffer_wrote(&body->plain_changed, size);
    buffer_append(&body->plain_deltas, deltas->data, deltas->size);
    set_bit(body->plain_inputs, body->head.input);
    body->plain_next = body->head.input + 1;
}

/* --- readings as messages --- */

static void write_message(struct encoder_body *body, bool has_more)
{
    encoder_lists_choose_bits(&body->lists);
    uint8_t head[READING_HEAD_BYTES_MAX];
    size_t head_size = put_head(head, body, has_more);
    size_t size = head_size + encoder_lists_packed_size(&body->lists);
    uint8_t *start = (uint8_t *)buffer_reserve(&body->open, wire_bytes_size(size));
    if (start == NULL)
        return;
    uint8_t *at = wire_put_varint(wire_put_tag(start, BODY_READING, WIRE_BYTES), size);
    memcpy(at, head, head_size);
    at = encoder_lists_put(&body->lists, at + head_size);
    buffer_wrote(&body->open, (size_t)(at - start));
    body->open_next_input = body->head.input + 1;
}

/* Writes what there is of the reading into the open body, if it has room for it, or a new one. */
static void write_reading(struct encoder_body *body, bool has_more)
{
    if (body->has_failed || encoder_lists_failed(&body->lists)) {
        body->has_failed = true;
        return;
    }
    if (body->open.size > 0 &&
        (open_room(body) < body->lists.size || body->open_readings == READINGS_PER_FRAME_MAX) &&
        encoder_body_seal(body) < 0)
        return;
    if (body->open.size == 0)
        open_body(body, body->head.time_ms);
    if (is_plain(body, has_more))
        write_plain(body);
    else
        write_message(body, has_more);
    body->has_failed = buffer_failed(&body->open) || encoder_lists_failed(&body->lists) ||
                       buffer_failed(&body->plain_changed) || buffer_failed(&body->plain_deltas);
    set_bit(body->written_inputs, body->head.input);
    body->open_readings++;
    if (body->head.time_ms < body->open_oldest_ms)
        body->open_oldest_ms = body->head.time_ms;
}

/* Makes room for a further item of the reading: what it has so far goes into a frame of its own. */
static void make_room(struct encoder_body *body, size_t size)
{
    size_t limit =
        BODY_BYTES_LIMIT - READING_HEAD_BYTES_MAX - BODY_HEAD_BYTES_MAX - body->node_labels.size;
    if (body->lists.size + size <= limit)
        return;
    write_reading(body, true);
    if (encoder_body_seal(body) < 0)
        return;
    body->head.definition = NULL;
    body->head.is_rest = true;
    encoder_lists_clear(&body->lists);
}

void encoder_body_begin_reading(struct encoder_body *body, const struct reading_head *head)
{
    body->head = *head;
    encoder_lists_clear(&body->lists);
}

int encoder_body_end_reading(struct encoder_body *body, uint32_t samples)
{
    write_reading(body, false);
    body->open_samples += samples;
    return body->has_failed ? -ENOMEM : 0;
}

/* --- items --- */

void encoder_body_gone(struct encoder_body *body, uint32_t series)
{
    make_room(body, ENCODER_ITEM_BYTES_MAX);
    encoder_lists_gone(&body->lists, series);
}

void encoder_body_delta(struct encoder_body *body, uint32_t series, int64_t delta)
{
    make_room(body, ENCODER_ITEM_BYTES_MAX);
    encoder_lists_delta(&body->lists, series, delta);
}

void encoder_body_value(struct encoder_body *body, uint32_t series, struct scaled value)
{
    make_room(body, ENCODER_ITEM_BYTES_MAX);
    encoder_lists_value(&body->lists, series, value);
}

void encoder_body_series(struct encoder_body *body, const struct series *series, uint32_t family,
                         const struct family *new_family)
{
    size_t size = encoder_lists_series_bytes(series, family, new_family);
    make_room(body, size + ENCODER_ITEM_BYTES_MAX);
    encoder_lists_series(&body->lists, series, family, new_family);
}
