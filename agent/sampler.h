/*
 * The sampler: reads each input at its times and hands frames to a sink. It owns the inputs'
 * states and readings and the encoder; it never waits for the network, a disk or an input that
 * may block (those run on workers with a deadline; one that is late is left to itself).
 */
#ifndef SHOAL_AGENT_SAMPLER_H
#define SHOAL_AGENT_SAMPLER_H

#include "agent/input.h"
#include "common/encoder.h"

#define SAMPLER_SNAP_MS 20       /* a reading this near to its tick carries the tick's time */
#define SAMPLER_WAIT_MS 50       /* what a turn waits for the workers that it started, together */
#define SAMPLER_REPEAT_MS 60000  /* inputs slower than this are said again */
#define SAMPLER_FIRST_MS 1000    /* everything is read once within this time of the start */
#define SAMPLER_OWN_NAME "agent" /* the agent's own metrics, as an input on the wire */

/* One input as configured. */
struct sampler_input {
    const struct input *input;
    const void *config;
    int64_t interval_ms;
    int64_t timeout_ms; /* a blocking read that takes longer counts as failed until it ends */
};

struct sampler_options {
    const struct sampler_input *inputs; /* copied */
    size_t n_inputs;
    int64_t own_interval_ms;       /* of the agent's own metrics */
    const struct input_host *host; /* outlives the sampler, as the inputs' configurations do */
    const char *node;              /* its hash gives the phase of sampling */
    struct encoder_options encoder;
    encoder_emit emit; /* gets the frames, on the sampling thread; must not wait */
    void *context;
    /* Adds what else the agent knows of itself (uplink, queue) to its own metrics; may be NULL. */
    void (*add_own)(void *context, struct reading *reading);
};

struct sampler;

/* 0, -ENOMEM, or a negative errno of eventfd(2). An input that cannot open is tried again later and
 * reported by shoal_input_up. */
WARN_UNUSED int sampler_new(const struct sampler_options *options, struct sampler **sampler_out);

/* Whether everything is freed: false where a hung read was left behind, which goes on using its
 * input's configuration and the host. May be NULL. */
bool sampler_free(struct sampler *sampler);

/* Boot time in milliseconds of the next tick. */
int64_t sampler_next_ms(const struct sampler *sampler);

/* Becomes readable when a blocking read has ended: sampler_turn takes it before the next tick. */
int sampler_fd(const struct sampler *sampler);

/* Reads all that is due now and cuts a frame. A tick that is over by more than half its interval
 * is skipped. 0, or an error of the encoder or of emit. */
WARN_UNUSED int sampler_turn(struct sampler *sampler);

/* The next frame begins a group. */
void sampler_end_group(struct sampler *sampler);

/* One reading of every input, for --once: appends Prometheus text to `out`. Waits for each
 * blocking input up to its timeout. 0 or -ENOMEM. */
WARN_UNUSED int sampler_once(struct sampler *sampler, struct buffer *out);

#endif
