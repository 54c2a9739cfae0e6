/*
 * A worker: one thread that runs one job again and again when told to, for what may block. A job
 * that hangs is left to itself: its thread and what it works on live until it comes back, if ever.
 */
#ifndef SHOAL_AGENT_WORKER_H
#define SHOAL_AGENT_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/series.h"

#define WORKER_FREE_MS 100 /* what worker_free waits for a running job */
#define WORKER_STACK_BYTES (256 * 1024)

/* All are called with the context. */
struct worker_job {
    void (*run)(void *context);     /* on the worker's thread */
    void (*done)(void *context);    /* there too, after a run that worker_wait did not see end */
    void (*release)(void *context); /* once, after everything else, on any thread */
};

struct worker;

/* Starts the thread, which waits. 0, or a negative errno of starting it (then `release` is not
 * called). Signals are blocked on it. */
WARN_UNUSED int worker_new(const struct worker_job *job, void *context, struct worker **worker_out);

/* Ends the thread and releases the context: at once if no job runs or it ends in time, else when
 * it comes back. Whether the context was released. May be NULL. */
bool worker_free(struct worker *worker);

/* Runs the job once; not while it runs. */
void worker_start(struct worker *worker);

bool worker_is_busy(struct worker *worker);

/* Waits until the job is over, at most timeout_ms: whether it is. */
bool worker_wait(struct worker *worker, int64_t timeout_ms);

#endif
