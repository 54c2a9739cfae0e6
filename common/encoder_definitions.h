/*
 * Definitions as they stand on the wire: labels, inputs, families, series. The writers return the
 * place after what they wrote; the caller has made room for as many bytes as the sizes say.
 */
#ifndef SHOAL_COMMON_ENCODER_DEFINITIONS_H
#define SHOAL_COMMON_ENCODER_DEFINITIONS_H

#include "common/encoder.h"
#include "common/frame_wire.h"

/* Upper bounds, by those of the texts in them. */
#define DEFINITION_LABEL_BYTES_MAX (LABEL_NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX + 16)
#define DEFINITION_FAMILY_BYTES_MAX (METRIC_NAME_BYTES_MAX + HELP_BYTES_MAX + UNIT_BYTES_MAX + 32)
#define DEFINITION_SERIES_BYTES_MAX (LABELS_PER_SERIES_MAX * DEFINITION_LABEL_BYTES_MAX + 32)
#define DEFINITION_INPUT_BYTES_MAX (INPUT_NAME_BYTES_MAX + JOB_BYTES_MAX + INSTANCE_BYTES_MAX + 32)

size_t definition_label_bytes(const struct label *label);
size_t definition_family_bytes(const struct family *family);
size_t definition_series_bytes(const struct series *series, uint32_t family);

uint8_t *definition_put_label(uint8_t *at, uint32_t field, const struct label *label);
uint8_t *definition_put_family(uint8_t *at, const struct family *family);

/* `family` is the id of its family. */
uint8_t *definition_put_series(uint8_t *at, const struct series *series, uint32_t family);
uint8_t *definition_put_input(uint8_t *at, const struct encoder_input *input);

#endif
