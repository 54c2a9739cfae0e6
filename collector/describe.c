#include "collector/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "collector/values.h"
#include "common/exposition.h"

#define RECORD_HEAD_BYTES 4

struct describe {
    struct decoder *decoder;
    struct graveyard graveyard;
    struct identities *identities;
    struct values values; /* for the names of series */
};

struct describe *describe_new(void)
{
    struct describe *describe = calloc(1, sizeof(*describe));
    if (describe == NULL)
        return NULL;
    describe->decoder = decoder_new(NULL);
    describe->identities = identities_new(&describe->graveyard);
    values_init(&describe->values, describe->identities, &describe->graveyard, "");
    if (describe->decoder != NULL && describe->identities != NULL)
        return describe;
    describe_free(describe);
    return NULL;
}

void describe_free(struct describe *describe)
{
    if (describe == NULL)
        return;
    decoder_free(describe->decoder);
    values_deinit(&describe->values);
    identities_free(describe->identities);
    free(describe);
}

/* Foreign text must not steer a terminal. */
static void append_safe(struct buffer *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            buffer_print(out, "\\x%02x", c);
        else
            buffer_append(out, text + i, 1);
    }
}

static void append_text(struct buffer *out, const char *text)
{
    append_safe(out, text, strlen(text));
}

static void append_series(struct buffer *out, const struct describe *describe,
                          const struct values_input *input, uint32_t series)
{
    if (input == NULL || series >= input->n_values ||
        input->values[series].identity == IDENTITY_NONE) {
        buffer_print(out, "series %" PRIu32, series);
        return;
    }
    const struct identity *identity =
        identities_get(describe->identities, input->values[series].identity);
    append_safe(out, identity->text, identity->text_bytes);
    if (identity->has_labels)
        buffer_append(out, "}", 1);
}

/* --- what a reading says --- */

static void append_definition(struct buffer *out, const struct frame_reading *reading)
{
    const struct frame_input *definition = reading->definition;
    buffer_text(out, " `");
    append_text(out, definition->name);
    buffer_text(out, "` (job ");
    append_text(out, definition->job);
    buffer_text(out, ", instance ");
    append_text(out, definition->instance[0] != '\0' ? definition->instance : "of the node");
    buffer_print(out, ", every %" PRIu32 " ms)", definition->interval_ms);
}

static void append_family(struct buffer *out, uint32_t id, const struct family *family)
{
    buffer_print(out, "    family %" PRIu32 ": ", id);
    append_text(out, family->name);
    buffer_print(out, ", %s", family_type_name(family->type));
    if (family->unit[0] != '\0') {
        buffer_text(out, ", in ");
        append_text(out, family->unit);
    }
    buffer_text(out, ": ");
    append_text(out, family->help);
    buffer_text(out, "\n");
}

static void append_head(struct buffer *out, const struct describe *describe,
                        const struct frame_reading *reading)
{
    buffer_print(out, "  reading of input %" PRIu32, reading->input);
    const struct values_input *input = values_find_input(&describe->values, reading->input);
    if (reading->definition != NULL) {
        append_definition(out, reading);
    } else if (input != NULL) {
        buffer_text(out, " `");
        append_text(out, input->name);
        buffer_text(out, "`");
    }
    buffer_print(out,
                 " at %" PRId64 " ms of boot time%s%s: %zu changes, %zu new series, %zu gone\n",
                 reading->time_ms, reading->is_repeat ? ", a repeat" : "",
                 reading->has_more ? ", goes on in the next frame" : "", reading->n_changes,
                 reading->n_series, reading->n_gone);
    for (size_t i = 0; i < reading->n_families; i++)
        append_family(out, reading->first_family + (uint32_t)i, &reading->families[i]);
}

/* What is gone has its name for the last time before the frame is applied. */
static void append_gone(struct buffer *out, const struct describe *describe,
                        const struct frame_reading *reading)
{
    const struct values_input *input = values_find_input(&describe->values, reading->input);
    for (size_t i = 0; i < reading->n_gone; i++) {
        buffer_print(out, "  input %" PRIu32 " no longer has ", reading->input);
        append_series(out, describe, input, reading->gone[i]);
        buffer_text(out, "\n");
    }
}

static void append_changes(struct buffer *out, const struct describe *describe,
                           const struct frame_reading *reading)
{
    const struct values_input *input = values_find_input(&describe->values, reading->input);
    for (size_t i = 0; i < reading->n_changes; i++) {
        const struct frame_change *change = &reading->changes[i];
        char value[DECIMAL_TEXT_BYTES_MAX];
        size_t n = decimal_format(change->value, value);
        buffer_text(out, "    ");
        append_series(out, describe, input, change->series);
        buffer_text(out, " = ");
        buffer_append(out, value, n);
        buffer_text(out, change->value.exponent == DECIMAL_RAW ? " (raw)\n" : "\n");
    }
}

/* --- frames --- */

static void append_header(struct buffer *out, const struct frame_header *header, size_t size)
{
    buffer_print(out,
                 "frame of stream %016" PRIx64 ", sequence %" PRIu64 ", key %" PRIu64
                 "%s, crc %08" PRIx32 ", %zu bytes\n",
                 header->stream, header->sequence, header->key,
                 header->key == header->sequence ? " (a key frame)" : "", header->crc, size);
}

static int describe_decoded(struct describe *describe, const struct frame *frame,
                            struct buffer *out)
{
    if (out == NULL)
        return values_apply(&describe->values, frame, 0);
    buffer_print(out, "  stands for %" PRIu32 " samples\n", frame->samples);
    for (size_t i = 0; i < frame->n_node_labels; i++) {
        buffer_text(out, "  label of the node: ");
        append_text(out, frame->node_labels[i].name);
        buffer_text(out, "=\"");
        append_text(out, frame->node_labels[i].value);
        buffer_text(out, "\"\n");
    }
    for (size_t i = 0; i < frame->n_readings; i++)
        append_gone(out, describe, &frame->readings[i]);
    int r = values_apply(&describe->values, frame, 0);
    for (size_t i = 0; r == 0 && i < frame->n_readings; i++) {
        append_head(out, describe, &frame->readings[i]);
        append_changes(out, describe, &frame->readings[i]);
    }
    return r;
}

static int bad(struct describe_error *error, const char *what)
{
    (void)snprintf(error->text, sizeof(error->text), "%s", what);
    return DESCRIBE_BAD;
}

int describe_frame(struct describe *describe, const uint8_t *bytes, size_t size, struct buffer *out,
                   struct describe_error *error)
{
    struct frame_header header;
    struct rejection rejection;
    if (frame_peek(bytes, size, &header, &rejection) != 0)
        return bad(error, rejection.text);
    if (out != NULL)
        append_header(out, &header, size);
    struct frame *frame;
    int r = decoder_decode(describe->decoder, bytes, size, &frame, &rejection);
    if (r == DECODER_REJECTED)
        return bad(error, rejection.text);
    if (r == DECODER_NOT_NEXT) {
        if (out != NULL)
            buffer_text(out, "  what it says takes the frames of its group before it\n");
        return DESCRIBE_PARTIAL;
    }
    if (r < 0)
        return r;
    r = describe_decoded(describe, frame, out);
    frame_free(frame);
    return r;
}

/* --- files --- */

static const char *source_name(enum clock_source source)
{
    static const char *const names[] = {
        [CLOCK_SOURCE_UNKNOWN] = "unknown",
        [CLOCK_SOURCE_SYSTEM] = "the system clock, synchronised",
        [CLOCK_SOURCE_PROBE] = "a collector's answers",
        [CLOCK_SOURCE_FREE] = "the system clock, not known to be right",
    };
    return (size_t)source < sizeof(names) / sizeof(names[0]) ? names[source] : "unknown";
}

static int describe_envelope(struct describe *describe, const struct envelope *envelope,
                             struct buffer *out, struct describe_error *error)
{
    buffer_print(out,
                 "envelope: UTC less boot time %" PRId64 " ms, uncertain by %" PRIu32
                 " ms, from %s%s\n",
                 envelope->utc_offset_ms, envelope->uncertainty_ms, source_name(envelope->source),
                 envelope->is_estimate ? ", an estimate" : "");
    buffer_print(out,
                 "  holds frames from %" PRIu64 " on; unacked %" PRIu64 " frames, %" PRIu64
                 " bytes, the oldest %" PRIu64 " ms old\n",
                 envelope->first, envelope->backlog_frames, envelope->backlog_bytes,
                 envelope->backlog_oldest_age_ms);
    for (int i = 0; i < DROP_REASONS; i++) {
        const struct drop_total *drop = &envelope->drops[i];
        if (drop->frames > 0)
            buffer_print(out, "  dropped so far, %s: %" PRIu64 " frames, %" PRIu64 " samples\n",
                         drop_reason_name((enum drop_reason)i), drop->frames, drop->samples);
    }
    if (envelope->has_probe)
        buffer_print(out, "  probe %" PRIu64 "\n", envelope->probe_id);
    if (envelope->frame == NULL)
        return 0;
    return describe_frame(describe, envelope->frame, envelope->frame_bytes, out, error);
}

static size_t record_bytes(const uint8_t *head)
{
    return (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
}

/* Whether lengths lead from record to record to the very end. */
static bool is_records(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (size - at >= RECORD_HEAD_BYTES) {
        size_t n = record_bytes(bytes + at);
        at += RECORD_HEAD_BYTES;
        if (n == 0 || n > (size_t)FRAME_WIRE_BYTES_MAX || n > size - at)
            return false;
        at += n;
    }
    return size > 0 && at == size;
}

static int describe_records(struct describe *describe, const uint8_t *bytes, size_t size,
                            struct buffer *out, struct describe_error *error)
{
    int worst = 0;
    for (size_t at = 0; at < size;) {
        size_t n = record_bytes(bytes + at);
        at += RECORD_HEAD_BYTES;
        int r = describe_frame(describe, bytes + at, n, out, error);
        if (r < 0 || r == DESCRIBE_BAD)
            return r;
        worst = r > worst ? r : worst;
        at += n;
    }
    return worst;
}

int describe_bytes(struct describe *describe, const uint8_t *bytes, size_t size, struct buffer *out,
                   struct describe_error *error)
{
    if (is_records(bytes, size))
        return describe_records(describe, bytes, size, out, error);
    struct envelope envelope;
    int r = envelope_unpack(bytes, size, &envelope);
    if (r < 0)
        return r;
    if (r == 0 && (envelope.frame != NULL || envelope.has_probe))
        return describe_envelope(describe, &envelope, out, error);
    return describe_frame(describe, bytes, size, out, error);
}
