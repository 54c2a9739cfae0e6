/* An input at work over a made-up machine, reading after reading, without a sampler. */
#ifndef SHOAL_TESTS_UNIT_INPUT_RUN_H
#define SHOAL_TESTS_UNIT_INPUT_RUN_H

#include "agent/input.h"
#include "tests/unit/tree.h"

struct input_run {
    struct tree tree; /* proc, sys and rootfs below it */
    char proc[80], sys[80], rootfs[80];
    struct input_host host;
    const struct input *input;
    void *config;
    void *state;
    struct reading *reading;
    struct input_error error;
};

/* Makes the tree and the default configuration. */
void input_run_init(struct input_run *run, const char *input);
void input_run_deinit(struct input_run *run);

/* Opens the input if it is not open, and reads once. The input's result, or the reading's. */
int input_run_read(struct input_run *run);

/* The value in the last reading of the series that is written `name{label="value",...}` with its
 * labels in order of their names; NaN if there is none. */
double input_run_value(const struct input_run *run, const char *series);

/* The number of samples in the last reading. */
size_t input_run_samples(const struct input_run *run);

/* Moves the boot-time clock that inputs see. */
void input_run_advance(struct input_run *run, int64_t ms);

#endif
