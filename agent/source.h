/*
 * A source: one input at work, with its state, its reading, and a worker if it may block. Opens
 * the input when it is first read, and again from time to time where that failed. Knows nothing
 * of ticks and frames.
 */
#ifndef SHOAL_AGENT_SOURCE_H
#define SHOAL_AGENT_SOURCE_H

#include "agent/input.h"
#include "agent/worker.h"

#define SOURCE_REOPEN_MS 60000 /* between two attempts to open */

struct source;

struct source_options {
    const struct input *input;
    const void *config;
    const struct input_host *host; /* these three outlive the source */
    struct worker_pool *pool;      /* reads an input that may block; not freed before the source */
    int done_fd; /* an eventfd that a worker adds to when a read ends that was not waited for */
};

/* What became of one read. */
struct source_result {
    int status;       /* as of struct input's read */
    int64_t begun_us; /* boot time */
    int64_t duration_us;
    struct input_error error;
};

/* 0 or -ENOMEM. */
WARN_UNUSED int source_new(const struct source_options *options, struct source **source_out);

/* Whether everything is freed: false where a hung read goes on using input, config and host.
 * May be NULL. */
bool source_free(struct source *source);

/* Reads the input: at once, or on the worker. Not before the last result was taken. */
void source_start(struct source *source);

/* Whether a read was started whose result was not yet taken. */
bool source_is_started(const struct source *source);

/* Boot time at which that read was started. */
int64_t source_started_us(const struct source *source);

/* Waits at most timeout_ms for that read to end: whether it has. */
bool source_wait(struct source *source, int64_t timeout_ms);

/* The result of a read that has ended, valid until the next start. */
const struct source_result *source_take(struct source *source);

/* Its samples, if the result taken last was good. */
const struct reading *source_reading(const struct source *source);

#endif
