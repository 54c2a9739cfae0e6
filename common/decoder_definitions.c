/* Definitions: inputs, families, series and labels, each text checked before it is handed on. */
#include <errno.h>
#include <inttypes.h>

#include "common/decoder_body.h"

/* --- texts --- */

enum text_rule {
    TEXT_ANY,       /* any UTF-8 */
    TEXT_PRINTABLE, /* no control characters: it stands in lines and URLs */
    TEXT_METRIC_NAME,
    TEXT_LABEL_NAME
};

struct text_kind {
    const char *what;
    size_t bytes_max;
    enum text_rule rule;
};

static const struct text_kind text_input_name = {"input name", INPUT_NAME_BYTES_MAX,
                                                 TEXT_PRINTABLE};
static const struct text_kind text_job = {"job", JOB_BYTES_MAX, TEXT_PRINTABLE};
static const struct text_kind text_instance = {"instance", INSTANCE_BYTES_MAX, TEXT_PRINTABLE};
static const struct text_kind text_family_name = {"metric name", METRIC_NAME_BYTES_MAX,
                                                  TEXT_METRIC_NAME};
static const struct text_kind text_help = {"help", HELP_BYTES_MAX, TEXT_ANY};
static const struct text_kind text_unit = {"unit", UNIT_BYTES_MAX, TEXT_PRINTABLE};
static const struct text_kind text_label_name = {"label name", LABEL_NAME_BYTES_MAX,
                                                 TEXT_LABEL_NAME};
static const struct text_kind text_label_value = {"label value", LABEL_VALUE_BYTES_MAX, TEXT_ANY};

static bool is_printable(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

static bool follows_rule(const char *text, enum text_rule rule)
{
    switch (rule) {
    case TEXT_PRINTABLE:
        return is_printable(text);
    case TEXT_METRIC_NAME:
        return metric_name_is_valid(text);
    case TEXT_LABEL_NAME:
        return label_name_is_valid(text);
    case TEXT_ANY:
    default:
        return true;
    }
}

#define QUOTED_BYTES 48

/* A name for a message: what is printable of it, so that a lying frame cannot write to a log. */
static const char *quotable(const char *text, char out[QUOTED_BYTES])
{
    size_t n = 0;
    for (; text[n] != '\0' && n + 1 < QUOTED_BYTES; n++)
        out[n] = text[n];
    out[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 0x20 || (unsigned char)out[i] >= 0x7f)
            out[i] = '?';
    return out;
}

/* A text field into *text_out; an empty one is as good as none. */
static int read_text(struct body_decoder *body, const struct text_kind *kind,
                     const struct wire_field *field, const char **text_out)
{
    if (field->type != WIRE_BYTES)
        return body_wrong_type(body, kind->what, field);
    const char *bytes = (const char *)field->bytes;
    if (field->size > kind->bytes_max)
        return body_refuse(body, REJECT_BAD_NAME, "%s of %zu bytes, over %zu", kind->what,
                           field->size, kind->bytes_max);
    if (!utf8_is_valid(bytes, field->size))
        return body_refuse(body, REJECT_BAD_NAME, "%s is not UTF-8", kind->what);
    char *text = arena_copy_text(body->arena, bytes, field->size);
    if (text == NULL)
        return body_no_memory(body);
    char quoted[QUOTED_BYTES];
    if (field->size > 0 && !follows_rule(text, kind->rule))
        return body_refuse(body, REJECT_BAD_NAME, "%s \"%s\" is not allowed", kind->what,
                           quotable(text, quoted));
    *text_out = text;
    return 0;
}

/* --- labels --- */

/* An array being filled; it has room for all that was counted. */
struct label_array {
    struct label *labels;
    size_t n;
};

static int take_label_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct label *label = out;
    switch (field->number) {
    case LABEL_FIELD_NAME:
        return read_text(body, &text_label_name, field, &label->name);
    case LABEL_FIELD_VALUE:
        return read_text(body, &text_label_value, field, &label->value);
    default:
        return 0;
    }
}

/* Labels ascend by name, and each has a value. */
static int check_label(struct body_decoder *body, const struct label_array *array)
{
    char quoted[QUOTED_BYTES];
    const struct label *label = &array->labels[array->n];
    if (label->name[0] == '\0')
        return body_refuse(body, REJECT_BAD_NAME, "a label without a name");
    if (label->value[0] == '\0')
        return body_refuse(body, REJECT_BAD_NAME, "label %s without a value",
                           quotable(label->name, quoted));
    if (array->n > 0 && strcmp(label[-1].name, label->name) >= 0)
        return body_refuse(body, REJECT_BAD_NAME, "label %s is not in order",
                           quotable(label->name, quoted));
    return 0;
}

static int read_label(struct body_decoder *body, const struct wire_field *field,
                      struct label_array *array)
{
    struct label *label = &array->labels[array->n];
    *label = (struct label){.name = "", .value = ""};
    int r = body_read_message(body, field, "label", take_label_field, label);
    if (r == 0)
        r = check_label(body, array);
    array->n++;
    return r;
}

static int take_node_label(struct body_decoder *body, const struct wire_field *field, void *out)
{
    return field->number == BODY_NODE_LABEL ? read_label(body, field, out) : 0;
}

int decoder_read_node_labels(struct body_decoder *body, const struct wire_field *message, size_t n)
{
    if (n > 0 && !body->is_key)
        return body_refuse(body, REJECT_MALFORMED, "node labels outside a key frame");
    if (n > NODE_LABELS_MAX)
        return body_refuse(body, REJECT_LIMIT, "%zu node labels, over %d", n, NODE_LABELS_MAX);
    void *memory = NULL;
    int r = body_alloc(body, n, sizeof(struct label), &memory);
    struct label_array array = {.labels = memory};
    if (r == 0 && n > 0)
        r = body_read_message(body, message, "body", take_node_label, &array);
    body->frame->node_labels = array.labels;
    body->frame->n_node_labels = array.n;
    return r;
}

/* --- series --- */

struct series_fields {
    uint64_t family, suffix;
    size_t n_labels;
    struct label_array labels; /* filled in the second pass */
};

static int count_series_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct series_fields *fields = out;
    if (field->number > SERIES_FIELD_LABEL)
        return 0;
    bool is_label = field->number == SERIES_FIELD_LABEL;
    if (field->type != (is_label ? WIRE_BYTES : WIRE_VARINT))
        return body_wrong_type(body, "series", field);
    if (is_label)
        fields->n_labels++;
    else if (field->number == SERIES_FIELD_FAMILY)
        fields->family = field->value;
    else
        fields->suffix = field->value;
    return 0;
}

static int take_series_label(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct series_fields *fields = out;
    return field->number == SERIES_FIELD_LABEL ? read_label(body, field, &fields->labels) : 0;
}

int decoder_read_series(struct body_decoder *body, const struct wire_field *message,
                        uint32_t n_families, struct frame_series *series_out)
{
    struct series_fields fields = {0};
    int r = body_read_message(body, message, "series", count_series_field, &fields);
    if (r != 0)
        return r;
    if (fields.family >= n_families)
        return body_refuse(body, REJECT_MALFORMED, "a series of family id %" PRIu64 " of %" PRIu32,
                           fields.family, n_families);
    if (fields.suffix >= SUFFIXES)
        return body_refuse(body, REJECT_MALFORMED, "a series with suffix %" PRIu64, fields.suffix);
    if (fields.n_labels > LABELS_PER_SERIES_MAX)
        return body_refuse(body, REJECT_LIMIT, "a series with %zu labels, over %d", fields.n_labels,
                           LABELS_PER_SERIES_MAX);
    void *memory = NULL;
    r = body_alloc(body, fields.n_labels, sizeof(struct label), &memory);
    if (r != 0)
        return r;
    fields.labels.labels = memory;
    if (fields.n_labels > 0)
        r = body_read_message(body, message, "series", take_series_label, &fields);
    *series_out = (struct frame_series){
        .family = (uint32_t)fields.family,
        .suffix = (enum series_suffix)fields.suffix,
        .n_labels = fields.labels.n,
        .labels = fields.labels.labels,
    };
    return r;
}

/* --- families and inputs --- */

static int take_family_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct family *family = out;
    switch (field->number) {
    case FAMILY_FIELD_NAME:
        return read_text(body, &text_family_name, field, &family->name);
    case FAMILY_FIELD_HELP:
        return read_text(body, &text_help, field, &family->help);
    case FAMILY_FIELD_UNIT:
        return read_text(body, &text_unit, field, &family->unit);
    case FAMILY_FIELD_TYPE:
        if (field->type != WIRE_VARINT || field->value >= FAMILY_TYPES)
            return body_refuse(body, REJECT_MALFORMED, "a family of an unknown type");
        family->type = (enum family_type)field->value;
        return 0;
    default:
        return 0;
    }
}

int decoder_read_family(struct body_decoder *body, const struct wire_field *message,
                        struct family *family_out)
{
    *family_out = (struct family){.name = "", .help = "", .unit = ""};
    int r = body_read_message(body, message, "family", take_family_field, family_out);
    if (r == 0 && family_out->name[0] == '\0')
        return body_refuse(body, REJECT_BAD_NAME, "a family without a name");
    return r;
}

static int take_input_field(struct body_decoder *body, const struct wire_field *field, void *out)
{
    struct frame_input *input = out;
    switch (field->number) {
    case INPUT_FIELD_NAME:
        return read_text(body, &text_input_name, field, &input->name);
    case INPUT_FIELD_JOB:
        return read_text(body, &text_job, field, &input->job);
    case INPUT_FIELD_INSTANCE:
        return read_text(body, &text_instance, field, &input->instance);
    case INPUT_FIELD_INTERVAL:
        if (field->type != WIRE_VARINT || field->value > UINT32_MAX)
            return body_refuse(body, REJECT_MALFORMED, "input: a bad interval");
        input->interval_ms = (uint32_t)field->value;
        return 0;
    default:
        return 0;
    }
}

int decoder_read_input(struct body_decoder *body, const struct wire_field *message,
                       struct frame_input *input_out)
{
    *input_out = (struct frame_input){.name = "", .job = "", .instance = ""};
    int r = body_read_message(body, message, "input", take_input_field, input_out);
    if (r == 0 && (input_out->name[0] == '\0' || input_out->job[0] == '\0'))
        return body_refuse(body, REJECT_BAD_NAME, "an input without a name or a job");
    return r;
}
