/* Frames made by hand, for tests of what takes decoded frames. */
#ifndef SHOAL_TESTS_FRAME_HELP_H
#define SHOAL_TESTS_FRAME_HELP_H

#include "common/decoder.h"

#define HELP_SERIES_MAX 64

/* A frame of one reading, with the storage for what it points to. Fill, then frame_help_of(). */
struct frame_help {
    struct frame frame;
    struct frame_reading reading;
    struct frame_input definition;
    struct family families[HELP_SERIES_MAX];
    struct frame_series series[HELP_SERIES_MAX];
    struct frame_change changes[HELP_SERIES_MAX];
    uint32_t gone[HELP_SERIES_MAX];
    struct label labels[HELP_SERIES_MAX];
};

/* A key frame of a stream at a boot time; further frames by setting header.sequence. */
static inline void help_begin(struct frame_help *help, uint64_t stream, int64_t time_ms)
{
    *help = (struct frame_help){0};
    help->frame.header = (struct frame_header){.stream = stream, .sequence = 1, .key = 1};
    help->reading.time_ms = time_ms;
    help->frame.n_readings = 1;
    help->frame.readings = &help->reading;
    help->reading.families = help->families;
    help->reading.series = help->series;
    help->reading.changes = help->changes;
    help->reading.gone = help->gone;
}

/* The next frame of the group: nothing defined, nothing changed so far. */
static inline void help_next(struct frame_help *help, int64_t time_ms)
{
    uint64_t sequence = help->frame.header.sequence + 1;
    uint64_t key = help->frame.header.key;
    uint32_t input = help->reading.input;
    help_begin(help, help->frame.header.stream, time_ms);
    help->frame.header.sequence = sequence;
    help->frame.header.key = key;
    help->reading.input = input;
}

static inline void help_define(struct frame_help *help, const char *name, const char *job,
                               const char *instance, uint32_t interval_ms)
{
    help->definition = (struct frame_input){
        .name = name, .job = job, .instance = instance, .interval_ms = interval_ms};
    help->reading.definition = &help->definition;
}

static inline uint32_t help_family(struct frame_help *help, enum family_type type, const char *name)
{
    help->families[help->reading.n_families] =
        (struct family){.name = name, .help = "Help.", .unit = "", .type = type};
    return help->reading.first_family + (uint32_t)help->reading.n_families++;
}

static inline void help_change(struct frame_help *help, uint32_t series, int64_t mantissa)
{
    help->changes[help->reading.n_changes++] =
        (struct frame_change){.series = series, .value = {.mantissa = mantissa, .exponent = 0}};
}

/* A series with one label, or with none for a NULL name, and its value; its id. */
static inline uint32_t help_series(struct frame_help *help, uint32_t family, const char *name,
                                   const char *value, int64_t mantissa)
{
    size_t n = help->reading.n_series++;
    uint32_t id = help->reading.first_series + (uint32_t)n;
    help->labels[n] = (struct label){name, value};
    help->series[n] = (struct frame_series){
        .family = family, .n_labels = name != NULL, .labels = &help->labels[n]};
    help_change(help, id, mantissa);
    return id;
}

#endif
