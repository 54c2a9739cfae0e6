/*
 * One mutex guards the flags; the thread holds it only between jobs. Whoever comes last, the owner
 * in worker_free or the thread that was left behind, releases the context and frees the worker.
 */
#include "agent/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct worker_job job;
    void *context;
    bool is_busy; /* from worker_start until the job is over */
    bool is_ending;
    bool is_news; /* a worker_wait gave up: its end has to be told */
    bool is_left; /* the thread has to clean up */
};

static void destroy(struct worker *worker)
{
    (void)pthread_cond_destroy(&worker->changed); /* cannot fail: nobody waits any more */
    (void)pthread_mutex_destroy(&worker->lock);
    free(worker);
}

static void release(struct worker *worker)
{
    worker->job.release(worker->context);
    destroy(worker);
}

/* Waits for the next job; false when there will be none. */
static bool next_job(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    while (!worker->is_busy && !worker->is_ending)
        (void)pthread_cond_wait(&worker->changed, &worker->lock);
    bool has_job = worker->is_busy;
    (void)pthread_mutex_unlock(&worker->lock);
    return has_job;
}

/* Says that the job is over; true where nobody waits for it any more. Whoever is woken needs the
 * lock, so it is given back first; the owner cannot free what it guards before this thread ended.
 */
static bool end_job(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->is_busy = false;
    bool is_left = worker->is_left;
    bool is_news = worker->is_news && !is_left;
    worker->is_news = false;
    (void)pthread_mutex_unlock(&worker->lock);
    if (!is_left)
        (void)pthread_cond_broadcast(&worker->changed);
    if (is_news)
        worker->job.done(worker->context);
    return is_left;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (next_job(worker)) {
        worker->job.run(worker->context);
        if (end_job(worker)) {
            release(worker);
            return NULL;
        }
    }
    return NULL;
}

/* A condition that counts by the monotonic clock: a step of the system clock ends no wait. */
static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int r = pthread_condattr_init(&attributes);
    if (r != 0)
        return -r;
    r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (r == 0)
        r = pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return -r;
}

static int start_thread(struct worker *worker)
{
    pthread_attr_t attributes;
    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before); /* the thread inherits the mask */
    r = pthread_attr_setstacksize(&attributes, WORKER_STACK_BYTES);
    if (r == 0)
        r = pthread_create(&worker->thread, &attributes, work, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return -r;
}

int worker_new(const struct worker_job *job, void *context, struct worker **worker_out)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return -ENOMEM;
    worker->job = *job;
    worker->context = context;
    int r = -pthread_mutex_init(&worker->lock, NULL);
    if (r == 0 && (r = init_condition(&worker->changed)) != 0)
        (void)pthread_mutex_destroy(&worker->lock);
    if (r != 0) {
        free(worker);
        return r;
    }
    r = start_thread(worker);
    if (r != 0) {
        destroy(worker);
        return r;
    }
    *worker_out = worker;
    return 0;
}

void worker_start(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    worker->is_busy = true;
    (void)pthread_mutex_unlock(&worker->lock);
    (void)pthread_cond_broadcast(&worker->changed);
}

bool worker_is_busy(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->lock);
    bool is_busy = worker->is_busy;
    (void)pthread_mutex_unlock(&worker->lock);
    return is_busy;
}

/* With the lock held. */
static bool wait_until_over(struct worker *worker, int64_t timeout_ms)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end); /* cannot fail */
    int64_t ns = end.tv_nsec + timeout_ms % 1000 * 1000000;
    end.tv_sec += timeout_ms / 1000 + ns / 1000000000;
    end.tv_nsec = ns % 1000000000;
    while (worker->is_busy)
        if (pthread_cond_timedwait(&worker->changed, &worker->lock, &end) != 0)
            break;
    return !worker->is_busy;
}

bool worker_wait(struct worker *worker, int64_t timeout_ms)
{
    (void)pthread_mutex_lock(&worker->lock);
    bool is_over = wait_until_over(worker, timeout_ms);
    worker->is_news = !is_over;
    (void)pthread_mutex_unlock(&worker->lock);
    return is_over;
}

bool worker_free(struct worker *worker)
{
    if (worker == NULL)
        return true;
    (void)pthread_mutex_lock(&worker->lock);
    worker->is_ending = true;
    bool is_over = wait_until_over(worker, WORKER_FREE_MS);
    worker->is_left = !is_over;
    (void)pthread_cond_broadcast(&worker->changed);
    pthread_t thread = worker->thread;
    (void)pthread_mutex_unlock(&worker->lock);
    if (!is_over) {
        (void)pthread_detach(thread);
        return false;
    }
    (void)pthread_join(thread, NULL);
    release(worker);
    return true;
}
