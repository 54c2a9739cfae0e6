/*
 * Series that a target has twice: by two of its inputs, by one of them, or under two families of
 * one name. A page shows one line of a series: Prometheus keeps the first or drops it, as its
 * version has it. The first input, in the order of definition, has its way.
 */
#ifndef SHOAL_COLLECTOR_VALUES_DUPLICATES_H
#define SHOAL_COLLECTOR_VALUES_DUPLICATES_H

#include "collector/values.h"

/* Marks the values that are not to be shown, where anything changed since the last time. Inputs
 * that are not shown count for nothing; `taken` is a series that the page adds to each target. 0,
 * or -ENOMEM with the marks as they were. */
WARN_UNUSED int values_mark_duplicates(struct values *values, uint32_t taken);

#endif
