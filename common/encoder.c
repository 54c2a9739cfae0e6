/*
 * Groups, inputs and sequence numbers. A reading is written into a body at once (encoder_series.c
 * finds what differs, encoder_body.c writes it), so that nothing of it is kept; the cut wraps the
 * bodies into frames. Sequence and CRC advance only with frames that were taken.
 */
#include "common/encoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/encoder_series.h"

#define NO_GROUP 0 /* groups count from 1 */

struct known_input {
    struct encoder_input definition; /* its strings are owned */
    uint64_t group;                  /* in which it was last read */
    bool is_defined;                 /* in that group: it has an id */
    uint32_t id;
    int64_t last_ms; /* time of its last reading in that group */
    struct encoder_series series;
};

struct encoder {
    uint64_t stream;
    uint64_t random;
    uint64_t group_bytes_max;

    /* As of the last frame that was taken. */
    uint64_t sequence;
    uint64_t key;
    uint32_t crc;

    uint64_t group; /* counts groups; those of the inputs that are in it have the same */
    bool must_begin;
    int64_t group_start_ms;
    int64_t group_length_ms;
    uint64_t group_bytes;
    uint64_t key_bytes; /* of the group's first cut */
    uint32_t n_defined; /* inputs in the group */
    uint32_t n_ids;     /* series ids given out in it */

    struct known_input *inputs[INPUTS_PER_NODE_MAX];
    size_t n_inputs;
    size_t next_input; /* where the next one is most likely found */
    struct encoder_differences differences;
    struct encoder_body body;
    struct buffer frame;
};

/* --- lifetime --- */

struct encoder *encoder_new(const struct encoder_options *options)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL)
        return NULL;
    encoder->stream = options->stream;
    encoder->sequence = options->last_sequence;
    encoder->random = options->seed;
    encoder->group_bytes_max = options->group_bytes_max;
    encoder->must_begin = true;
    if (encoder_body_init(&encoder->body, options) < 0) {
        encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

static void known_input_free(struct known_input *input)
{
    if (input == NULL)
        return;
    free((char *)input->definition.name);
    free((char *)input->definition.job);
    free((char *)input->definition.instance);
    encoder_series_deinit(&input->series);
    free(input);
}

void encoder_free(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    for (size_t i = 0; i < encoder->n_inputs; i++)
        known_input_free(encoder->inputs[i]);
    encoder_differences_deinit(&encoder->differences);
    encoder_body_deinit(&encoder->body);
    buffer_deinit(&encoder->frame);
    free(encoder);
}

/* --- inputs --- */

static struct known_input *known_input_new(const struct encoder_input *definition)
{
    struct known_input *input = calloc(1, sizeof(*input));
    if (input == NULL)
        return NULL;
    input->definition = (struct encoder_input){
        .name = strdup(definition->name),
        .job = strdup(definition->job),
        .instance = strdup(definition->instance),
        .interval_ms = definition->interval_ms,
    };
    if (input->definition.name == NULL || input->definition.job == NULL ||
        input->definition.instance == NULL) {
        known_input_free(input);
        return NULL;
    }
    return input;
}

/* Inputs come in the same order each time, so the one after the last is tried first. */
static struct known_input *find_input(struct encoder *encoder, const char *name)
{
    for (size_t i = 0; i < encoder->n_inputs; i++) {
        size_t at = (encoder->next_input + i) % encoder->n_inputs;
        if (strcmp(encoder->inputs[at]->definition.name, name) == 0) {
            encoder->next_input = at + 1;
            return encoder->inputs[at];
        }
    }
    return NULL;
}

/* Drops those that were not read in the group that ends: inputs come and go. */
static void forget_idle_inputs(struct encoder *encoder)
{
    size_t kept = 0;
    for (size_t i = 0; i < encoder->n_inputs; i++) {
        if (encoder->inputs[i]->group == encoder->group)
            encoder->inputs[kept++] = encoder->inputs[i];
        else
            known_input_free(encoder->inputs[i]);
    }
    encoder->n_inputs = kept;
    encoder->next_input = 0;
}

static int add_input(struct encoder *encoder, const struct encoder_input *definition,
                     struct known_input **input_out)
{
    if (encoder->n_inputs == INPUTS_PER_NODE_MAX)
        return -E2BIG;
    struct known_input *input = known_input_new(definition);
    if (input == NULL)
        return -ENOMEM;
    encoder->inputs[encoder->n_inputs++] = input;
    encoder->next_input = encoder->n_inputs;
    *input_out = input;
    return 0;
}

static bool is_same_definition(const struct encoder_input *a, const struct encoder_input *b)
{
    return a->interval_ms == b->interval_ms && strcmp(a->job, b->job) == 0 &&
           strcmp(a->instance, b->instance) == 0;
}

/* --- groups --- */

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool is_group_full(const struct encoder *encoder)
{
    uint64_t max = 4 * encoder->key_bytes;
    if (max < GROUP_BYTES_MIN)
        max = GROUP_BYTES_MIN;
    if (encoder->group_bytes_max > 0 && max > encoder->group_bytes_max)
        max = encoder->group_bytes_max;
    return encoder->group_bytes > max;
}

static void begin_group(struct encoder *encoder, int64_t time_ms)
{
    forget_idle_inputs(encoder);
    encoder_body_begin_group(&encoder->body);
    uint64_t span = GROUP_MS_MAX - GROUP_MS_MIN + 1;
    encoder->group_length_ms = GROUP_MS_MIN + (int64_t)(next_random(&encoder->random) % span);
    encoder->group_start_ms = time_ms;
    encoder->group++;
    encoder->must_begin = false;
    encoder->n_defined = 0;
    encoder->n_ids = 0;
}

/* A group ends of itself only between cuts. */
static bool is_group_over(const struct encoder *encoder, int64_t time_ms)
{
    if (encoder->must_begin)
        return true;
    return encoder_body_is_empty(&encoder->body) &&
           (time_ms - encoder->group_start_ms >= encoder->group_length_ms ||
            is_group_full(encoder));
}

void encoder_end_group(struct encoder *encoder)
{
    encoder->must_begin = true;
}

/* What the decoders know is uncertain now: nothing that was added goes out. */
static int fail(struct encoder *encoder, int result)
{
    encoder_body_clear(&encoder->body);
    encoder->must_begin = true;
    return result;
}

/* --- adding --- */

static uint32_t live_series(const struct encoder *encoder)
{
    uint32_t n = 0;
    for (size_t i = 0; i < encoder->n_inputs; i++)
        if (encoder->inputs[i]->group == encoder->group)
            n += encoder->inputs[i]->series.n_live;
    return n;
}

/* The input is in the group from now on. */
static void enter_group(struct encoder *encoder, struct known_input *input)
{
    encoder_series_clear(&input->series);
    input->group = encoder->group;
    input->is_defined = false;
}

static int write_reading(struct encoder *encoder, struct known_input *input,
                         const struct reading *reading, const struct reading_head *head)
{
    size_t n = 0;
    (void)reading_samples(reading, &n); /* only their number */
    encoder->n_ids += (uint32_t)encoder->differences.n_born;
    input->last_ms = head->time_ms;
    encoder_body_begin_reading(&encoder->body, head);
    int r = encoder_series_write(&input->series, reading, &encoder->differences, &encoder->body);
    if (r == 0)
        r = encoder_body_end_reading(&encoder->body, (uint32_t)n);
    return r;
}

/* Compares the reading; where the group has no ids left for it, in a new group. */
static int compare_reading(struct encoder *encoder, struct known_input *input,
                           const struct reading *reading, int64_t time_ms)
{
    int r = encoder_series_compare(&input->series, reading, &encoder->differences);
    if (r < 0 || encoder->n_ids + encoder->differences.n_born <= IDS_PER_GROUP_MAX)
        return r;
    begin_group(encoder, time_ms);
    enter_group(encoder, input);
    return encoder_series_compare(&input->series, reading, &encoder->differences);
}

/* The input as it is defined now, known and in the group. */
static int prepare_input(struct encoder *encoder, const struct encoder_input *definition,
                         int64_t time_ms, struct known_input **input_out)
{
    struct known_input *input = find_input(encoder, definition->name);
    bool is_changed = input != NULL && !is_same_definition(&input->definition, definition);
    bool goes_back = input != NULL && input->group == encoder->group && time_ms < input->last_ms;
    if (is_group_over(encoder, time_ms) || is_changed || goes_back) {
        if (is_changed)
            input->group = NO_GROUP; /* begin_group() drops it */
        begin_group(encoder, time_ms);
        input = find_input(encoder, definition->name);
    }
    int r = input == NULL ? add_input(encoder, definition, &input) : 0;
    if (r < 0)
        return r;
    if (input->group != encoder->group)
        enter_group(encoder, input);
    *input_out = input;
    return 0;
}

static int add_reading(struct encoder *encoder, const struct encoder_input *definition,
                       const struct reading *reading, struct reading_head *head)
{
    struct known_input *input = NULL;
    int r = prepare_input(encoder, definition, head->time_ms, &input);
    if (r < 0)
        return r;
    size_t n = 0;
    (void)reading_samples(reading, &n); /* only their number */
    if (live_series(encoder) - input->series.n_live + n > SERIES_PER_NODE_MAX)
        return -E2BIG;
    r = compare_reading(encoder, input, reading, head->time_ms);
    if (r < 0)
        return r;
    if (!input->is_defined) {
        head->definition = &input->definition;
        input->id = encoder->n_defined++;
        input->is_defined = true;
    }
    head->input = input->id;
    head->n_ids = input->series.n_ids;
    return write_reading(encoder, input, reading, head);
}

int encoder_add(struct encoder *encoder, const struct encoder_input *input,
                const struct reading *reading, int64_t time_ms, bool is_repeat)
{
    if (time_ms < 0 || time_ms > READING_MS_MAX)
        return -EINVAL;
    struct reading_head head = {.time_ms = time_ms, .is_repeat = is_repeat};
    int r = add_reading(encoder, input, reading, &head);
    return r == -ENOMEM ? fail(encoder, r) : r;
}

/* --- cutting --- */

static int emit_body(struct encoder *encoder, const struct sealed_body *sealed, encoder_emit emit,
                     void *context)
{
    uint64_t sequence = encoder->sequence + 1;
    struct frame_parts parts = {
        .header = {.stream = encoder->stream,
                   .sequence = sequence,
                   .key = sealed->is_key ? sequence : encoder->key},
        .content = (const uint8_t *)encoder->body.sealed.data + sealed->offset,
        .content_bytes = sealed->size,
        .is_compressed = sealed->is_compressed,
    };
    buffer_clear(&encoder->frame);
    uint32_t crc = frame_join(&encoder->frame, &parts, sealed->is_key ? 0 : encoder->crc);
    if (buffer_failed(&encoder->frame))
        return -ENOMEM;
    struct encoded_frame frame = {
        .stream = encoder->stream,
        .sequence = sequence,
        .key = parts.header.key,
        .crc = crc,
        .samples = sealed->samples,
        .time_ms = sealed->time_ms,
        .bytes = (const uint8_t *)encoder->frame.data,
        .size = encoder->frame.size,
    };
    int r = emit(context, &frame);
    if (r != 0)
        return r;
    encoder->sequence = sequence;
    encoder->key = frame.key;
    encoder->crc = crc;
    if (sealed->is_key) {
        encoder->group_bytes = 0;
        encoder->key_bytes = 0;
    }
    encoder->group_bytes += frame.size;
    return 0;
}

int encoder_cut(struct encoder *encoder, encoder_emit emit, void *context)
{
    int r = encoder_body_seal(&encoder->body);
    for (size_t i = 0; i < encoder->body.n_bodies && r == 0; i++)
        r = emit_body(encoder, &encoder->body.bodies[i], emit, context);
    if (r != 0)
        return fail(encoder, r);
    encoder_body_taken(&encoder->body);
    if (encoder->key_bytes == 0)
        encoder->key_bytes = encoder->group_bytes;
    return 0;
}
