/*
 * Workers: jobs that may block, each run again and again when told to, on threads that they share.
 * One thread does all that is started, one after the other; a job that waited behind others in
 * vain gets another thread, so that a job that hangs holds up none but itself, and only once. A
 * job that hangs for ever is left to itself: its thread and what it works on live on.
 */
#ifndef SHOAL_AGENT_WORKER_H
#define SHOAL_AGENT_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/series.h"

#define WORKER_FREE_MS 100 /* what worker_free waits for a running job */
#define WORKER_STACK_BYTES ((size_t)256 * 1024)

struct worker_pool;
struct worker;

/* All are called with the context. */
struct worker_job {
    void (*run)(void *context);     /* on a thread of the pool */
    void (*done)(void *context);    /* there too, after a run that worker_wait did not see end */
    void (*release)(void *context); /* once, after everything else, on any thread */
};

/* Without threads as yet. NULL when out of memory. */
struct worker_pool *worker_pool_new(void);

/* After its workers. Threads that are free end first; one that hangs ends when it comes back. May
 * be NULL. */
void worker_pool_free(struct worker_pool *pool);

/* NULL when out of memory (then `release` is not called). */
struct worker *worker_new(struct worker_pool *pool, const struct worker_job *job, void *context);

/* Releases the context: at once if the job does not run or ends in time, else when it comes back.
 * Whether it was released. May be NULL. */
bool worker_free(struct worker *worker);

/* Runs the job once; not while it is started. If no thread can be had it waits for one. */
void worker_start(struct worker *worker);

/* Waits until the job is over, at most timeout_ms: whether it is. */
bool worker_wait(struct worker *worker, int64_t timeout_ms);

#endif
