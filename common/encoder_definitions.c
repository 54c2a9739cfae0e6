#include "common/encoder_definitions.h"

#include "common/wire.h"

static size_t label_content_bytes(const struct label *label)
{
    return wire_text_size(strlen(label->name)) + wire_text_size(strlen(label->value));
}

uint8_t *definition_put_label(uint8_t *at, uint32_t field, const struct label *label)
{
    at = wire_put_tag(at, field, WIRE_BYTES);
    at = wire_put_varint(at, label_content_bytes(label));
    at = wire_put_text(at, LABEL_FIELD_NAME, label->name, strlen(label->name));
    return wire_put_text(at, LABEL_FIELD_VALUE, label->value, strlen(label->value));
}

uint8_t *definition_put_input(uint8_t *at, const struct encoder_input *input)
{
    size_t name = strlen(input->name);
    size_t job = strlen(input->job);
    size_t instance = strlen(input->instance);
    size_t size = wire_text_size(name) + wire_text_size(job) + wire_text_size(instance);
    if (input->interval_ms > 0)
        size += 1 + wire_varint_bytes(input->interval_ms);
    at = wire_put_varint(wire_put_tag(at, READING_DEFINITION, WIRE_BYTES), size);
    at = wire_put_text(at, INPUT_FIELD_NAME, input->name, name);
    at = wire_put_text(at, INPUT_FIELD_JOB, input->job, job);
    at = wire_put_text(at, INPUT_FIELD_INSTANCE, input->instance, instance);
    return wire_put_number(at, INPUT_FIELD_INTERVAL, input->interval_ms);
}

static size_t family_content_bytes(const struct family *family)
{
    return wire_text_size(strlen(family->name)) + (family->type == FAMILY_UNKNOWN ? 0 : 2) +
           wire_text_size(strlen(family->help)) + wire_text_size(strlen(family->unit));
}

uint8_t *definition_put_family(uint8_t *at, const struct family *family)
{
    at = wire_put_tag(at, READING_FAMILY, WIRE_BYTES);
    at = wire_put_varint(at, family_content_bytes(family));
    at = wire_put_text(at, FAMILY_FIELD_NAME, family->name, strlen(family->name));
    at = wire_put_number(at, FAMILY_FIELD_TYPE, family->type);
    at = wire_put_text(at, FAMILY_FIELD_HELP, family->help, strlen(family->help));
    return wire_put_text(at, FAMILY_FIELD_UNIT, family->unit, strlen(family->unit));
}

static size_t series_content_bytes(const struct series *series, uint32_t family)
{
    size_t size = series->suffix == SUFFIX_NONE ? 0 : 2;
    if (family > 0)
        size += 1 + wire_varint_bytes(family);
    for (size_t i = 0; i < series->n_labels; i++)
        size += wire_bytes_size(label_content_bytes(&series->labels[i]));
    return size;
}

uint8_t *definition_put_series(uint8_t *at, const struct series *series, uint32_t family)
{
    at = wire_put_tag(at, READING_SERIES, WIRE_BYTES);
    at = wire_put_varint(at, series_content_bytes(series, family));
    at = wire_put_number(at, SERIES_FIELD_FAMILY, family);
    at = wire_put_number(at, SERIES_FIELD_SUFFIX, series->suffix);
    for (size_t i = 0; i < series->n_labels; i++)
        at = definition_put_label(at, SERIES_FIELD_LABEL, &series->labels[i]);
    return at;
}

size_t definition_label_bytes(const struct label *label)
{
    return wire_bytes_size(label_content_bytes(label));
}

size_t definition_family_bytes(const struct family *family)
{
    return wire_bytes_size(family_content_bytes(family));
}

size_t definition_series_bytes(const struct series *series, uint32_t family)
{
    return wire_bytes_size(series_content_bytes(series, family));
}
