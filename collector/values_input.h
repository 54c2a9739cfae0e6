/*
 * One input's values within those of its node: its target, families, series. For values.c, which
 * knows which input a reading is of, and when pages may see it.
 */
#ifndef SHOAL_COLLECTOR_VALUES_INPUT_H
#define SHOAL_COLLECTOR_VALUES_INPUT_H

#include "collector/values.h"

/* From a reading that defines the input; in no list yet. NULL when out of memory. */
struct values_input *values_input_new(struct values *values, const struct frame_reading *reading);
void values_input_free(struct values *values, struct values_input *input);

/* Its families and values go; its target and times stay. */
void values_input_clear(struct values *values, struct values_input *input);

/* A copy that takes changes while pages go on to see the old one. NULL when out of memory. */
struct values_input *values_input_copy(struct values *values, const struct values_input *input);

/* The reading's definitions, changes and what is gone. 0, or -ENOMEM with part of them done. */
WARN_UNUSED int values_input_apply(struct values *values, struct values_input *input,
                                   const struct frame_reading *reading);

#endif
