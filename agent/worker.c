/*
 * One mutex guards pool and workers; threads hold it only between jobs. Threads are detached, and
 * whoever comes last, the owner or a thread that was left behind, frees: a worker when its job is
 * over, the pool when its threads are gone.
 */
#include "agent/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum state { STATE_IDLE, STATE_QUEUED, STATE_RUNNING };

struct worker {
    struct worker_pool *pool;
    struct worker *next; /* in the queue */
    struct worker_job job;
    void *context;
    enum state state;
    bool is_news; /* a worker_wait gave up: the end has to be told */
    bool is_left; /* the thread has to clean up */
};

struct worker_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* for threads: a job is queued, or it ends */
    pthread_cond_t ended; /* for owners: a job or a thread has ended */
    struct worker *first, **last;
    unsigned threads, idle;
    unsigned left; /* threads whose job was left behind */
    bool is_ending, is_freed;
};

static void destroy(struct worker_pool *pool)
{
    (void)pthread_cond_destroy(&pool->ended); /* these cannot fail: nobody waits any more */
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static void release(struct worker *worker)
{
    worker->job.release(worker->context);
    free(worker);
}

/* A condition that counts by the monotonic clock: a step of the system clock ends no wait. */
static int init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int r = pthread_condattr_init(&attributes);
    if (r != 0)
        return r;
    r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (r == 0)
        r = pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return r;
}

struct worker_pool *worker_pool_new(void)
{
    struct worker_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return NULL;
    pool->last = &pool->first;
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        goto no_lock;
    if (init_condition(&pool->work) != 0)
        goto no_work;
    if (init_condition(&pool->ended) != 0)
        goto no_ended;
    return pool;
no_ended:
    (void)pthread_cond_destroy(&pool->work);
no_work:
    (void)pthread_mutex_destroy(&pool->lock);
no_lock:
    free(pool);
    return NULL;
}

/* The next job, taken from the queue; NULL when the pool ends. With the lock held. */
static struct worker *next_job(struct worker_pool *pool)
{
    pool->idle++;
    while (pool->first == NULL && !pool->is_ending)
        (void)pthread_cond_wait(&pool->work, &pool->lock);
    pool->idle--;
    struct worker *worker = pool->first;
    if (worker == NULL)
        return NULL;
    pool->first = worker->next;
    if (pool->first == NULL)
        pool->last = &pool->first;
    worker->state = STATE_RUNNING;
    return worker;
}

/* Runs a job. With the lock held, but for the job itself and what its end brings. */
static void run_job(struct worker_pool *pool, struct worker *worker)
{
    (void)pthread_mutex_unlock(&pool->lock);
    worker->job.run(worker->context);
    (void)pthread_mutex_lock(&pool->lock);
    if (worker->is_left) {
        pool->left--;
        (void)pthread_mutex_unlock(&pool->lock);
        release(worker);
        (void)pthread_mutex_lock(&pool->lock);
        return;
    }
    worker->state = STATE_IDLE;
    if (worker->is_news)
        worker->job.done(worker->context);
    worker->is_news = false;
    (void)pthread_cond_broadcast(&pool->ended);
}

static void *work(void *argument)
{
    struct worker_pool *pool = argument;
    (void)pthread_mutex_lock(&pool->lock);
    for (struct worker *worker; (worker = next_job(pool)) != NULL;)
        run_job(pool, worker);
    pool->threads--;
    bool is_last = pool->is_freed && pool->threads == 0;
    (void)pthread_cond_broadcast(&pool->ended);
    (void)pthread_mutex_unlock(&pool->lock);
    if (is_last)
        destroy(pool);
    return NULL;
}

/* Adds a thread; without one the jobs wait. With the lock held. */
static void add_thread(struct worker_pool *pool)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return;
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before); /* the thread inherits the mask */
    if (pthread_attr_setstacksize(&attributes, WORKER_STACK_BYTES) == 0 &&
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
        pthread_create(&thread, &attributes, work, pool) == 0)
        pool->threads++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
}

static struct timespec time_after(int64_t ms)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end); /* cannot fail */
    int64_t ns = end.tv_nsec + ms % 1000 * 1000000;
    end.tv_sec += ms / 1000 + ns / 1000000000;
    end.tv_nsec = ns % 1000000000;
    return end;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_ending = true;
    (void)pthread_cond_broadcast(&pool->work);
    while (pool->threads > pool->left)
        (void)pthread_cond_wait(&pool->ended, &pool->lock);
    pool->is_freed = true;
    bool is_last = pool->threads == 0;
    (void)pthread_mutex_unlock(&pool->lock);
    if (is_last)
        destroy(pool);
}

struct worker *worker_new(struct worker_pool *pool, const struct worker_job *job, void *context)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return NULL;
    worker->pool = pool;
    worker->job = *job;
    worker->context = context;
    return worker;
}

void worker_start(struct worker *worker)
{
    struct worker_pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    worker->state = STATE_QUEUED;
    worker->next = NULL;
    *pool->last = worker;
    pool->last = &worker->next;
    if (pool->threads == 0)
        add_thread(pool);
    bool has_idle = pool->idle > 0;
    (void)pthread_mutex_unlock(&pool->lock);
    if (has_idle)
        (void)pthread_cond_signal(&pool->work);
}

/* With the lock held. */
static bool wait_until_over(struct worker *worker, int64_t timeout_ms)
{
    if (worker->state == STATE_IDLE)
        return true;
    struct timespec end = time_after(timeout_ms);
    while (timeout_ms > 0 && worker->state != STATE_IDLE)
        if (pthread_cond_timedwait(&worker->pool->ended, &worker->pool->lock, &end) != 0)
            break;
    return worker->state == STATE_IDLE;
}

bool worker_wait(struct worker *worker, int64_t timeout_ms)
{
    struct worker_pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    bool is_over = wait_until_over(worker, timeout_ms);
    worker->is_news = !is_over;
    if (worker->state == STATE_QUEUED && pool->idle == 0)
        add_thread(pool); /* those before it take too long */
    (void)pthread_mutex_unlock(&pool->lock);
    return is_over;
}

static void take_from_queue(struct worker_pool *pool, struct worker *worker)
{
    struct worker **at = &pool->first;
    while (*at != worker)
        at = &(*at)->next;
    *at = worker->next;
    if (pool->last == &worker->next)
        pool->last = at;
    worker->state = STATE_IDLE;
}

bool worker_free(struct worker *worker)
{
    if (worker == NULL)
        return true;
    struct worker_pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    if (worker->state == STATE_QUEUED)
        take_from_queue(pool, worker);
    worker->is_news = false;
    bool is_over = wait_until_over(worker, WORKER_FREE_MS);
    worker->is_left = !is_over;
    pool->left += !is_over;
    (void)pthread_mutex_unlock(&pool->lock);
    if (is_over)
        release(worker);
    return is_over;
}
