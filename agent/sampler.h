/*
 * The sampler: reads each input at its times and hands frames to a sink. It owns the inputs'
 * states and readings and the encoder; it never waits for the network, a disk or an input that
 * may block (those run on workers with a deadline; one that is late is left to itself).
 */
#ifndef SHOAL_AGENT_SAMPLER_H
#define SHOAL_AGENT_SAMPLER_H

#include "agent/input.h"
#include "common/encoder.h"

#define SAMPLER_SNAP_MS 20 /* a reading this near to its tick carries the tick's time */

/* One input as configured. */
struct sampler_input {
    const struct input *input;
    const void *config;
    int64_t interval_ms;
    int64_t timeout_ms; /* of a blocking read */
};

struct sampler_options {
    const struct sampler_input *inputs; /* copied */
    size_t n_inputs;
    struct input_host host;
    const char *node; /* its hash gives the phase of sampling */
    struct encoder_options encoder;
    encoder_emit emit; /* gets the frames, on the sampling thread; must not wait */
    void *context;
    /* Adds the agent's own metrics (uplink, queue) to each reading of the agent itself; may be NULL. */
    void (*add_own)(void *context, struct reading *reading);
};

struct sampler;

/* 0, -ENOMEM, or an error of starting a worker. An input that cannot open is tried again later and
 * reported by shoal_input_up. */
WARN_UNUSED int sampler_new(const struct sampler_options *options, struct sampler **sampler_out);
void sampler_free(struct sampler *sampler); /* leaves hung workers behind; may be NULL */

/* Boot time in milliseconds of the next tick. */
int64_t sampler_next_ms(const struct sampler *sampler);

/* Reads all that is due now and cuts a frame. 0, or an error of the encoder or of emit. */
WARN_UNUSED int sampler_turn(struct sampler *sampler);

/* One reading of every input, for --once and --print: fills `out` with Prometheus text. Waits for
 * each blocking input up to its timeout. 0 or -ENOMEM. */
WARN_UNUSED int sampler_once(struct sampler *sampler, struct buffer *out);

#endif
