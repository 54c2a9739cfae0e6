/* Workers: jobs that end, jobs that are late, and jobs that never come back in time. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "agent/worker.h"

#define DEADLINE_MS 10000

/* A job that waits at a gate. */
struct task {
    pthread_mutex_t gate;
    atomic_int begun, runs, done, released;
};

static void run(void *context)
{
    struct task *task = context;
    task->begun++;
    pthread_mutex_lock(&task->gate);
    pthread_mutex_unlock(&task->gate);
    task->runs++;
}

static void done(void *context)
{
    struct task *task = context;
    task->done++;
}

static void release(void *context)
{
    struct task *task = context;
    task->released++;
}

static const struct worker_job job = {.run = run, .done = done, .release = release};

static bool becomes(atomic_int *number, int want)
{
    for (int i = 0; i < DEADLINE_MS; i++) {
        if (*number == want)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return false;
}

static struct task new_task(void)
{
    return (struct task){.gate = PTHREAD_MUTEX_INITIALIZER};
}

static struct worker *new_worker(struct worker_pool *pool, struct task *task)
{
    struct worker *worker = worker_new(pool, &job, task);
    assert_non_null(worker);
    return worker;
}

static void test_runs_each_time_it_is_told(void **unused)
{
    (void)unused;
    struct worker_pool *pool = worker_pool_new();
    struct task tasks[3] = {new_task(), new_task(), new_task()};
    struct worker *workers[3];
    for (int i = 0; i < 3; i++)
        workers[i] = new_worker(pool, &tasks[i]);
    for (int round = 1; round <= 100; round++) {
        for (int i = 0; i < 3; i++)
            worker_start(workers[i]);
        for (int i = 0; i < 3; i++) {
            assert_true(worker_wait(workers[i], DEADLINE_MS));
            assert_int_equal(tasks[i].runs, round);
        }
    }
    for (int i = 0; i < 3; i++) {
        assert_true(worker_free(workers[i]));
        assert_int_equal(tasks[i].done, 0); /* each was seen to end */
        assert_int_equal(tasks[i].released, 1);
    }
    worker_pool_free(pool);
}

static void test_wait_ends_without_the_job(void **unused)
{
    (void)unused;
    struct worker_pool *pool = worker_pool_new();
    struct task task = new_task();
    struct worker *worker = new_worker(pool, &task);
    pthread_mutex_lock(&task.gate);
    worker_start(worker);
    assert_false(worker_wait(worker, 20));
    assert_false(worker_wait(worker, 0));
    assert_int_equal(task.done, 0);
    pthread_mutex_unlock(&task.gate);
    assert_true(becomes(&task.done, 1));
    assert_true(worker_wait(worker, 0));
    worker_start(worker);
    assert_true(worker_wait(worker, DEADLINE_MS));
    assert_int_equal(task.done, 1);
    assert_true(worker_free(worker));
    worker_pool_free(pool);
}

static void test_hung_job_holds_up_no_other(void **unused)
{
    (void)unused;
    struct worker_pool *pool = worker_pool_new();
    struct task hung = new_task(), other = new_task(), third = new_task();
    struct worker *workers[] = {new_worker(pool, &hung), new_worker(pool, &other),
                                new_worker(pool, &third)};
    pthread_mutex_lock(&hung.gate);
    for (int i = 0; i < 3; i++)
        worker_start(workers[i]);
    assert_false(worker_wait(workers[0], 20));
    (void)worker_wait(workers[1], 0); /* in vain: another thread comes */
    assert_true(worker_wait(workers[1], DEADLINE_MS));
    assert_true(worker_wait(workers[2], DEADLINE_MS));
    worker_start(workers[1]);
    assert_true(worker_wait(workers[1], DEADLINE_MS));
    pthread_mutex_unlock(&hung.gate);
    assert_true(becomes(&hung.done, 1));
    for (int i = 0; i < 3; i++)
        assert_true(worker_free(workers[i]));
    worker_pool_free(pool);
}

static void test_hung_job_is_left_behind(void **unused)
{
    (void)unused;
    struct worker_pool *pool = worker_pool_new();
    struct task task = new_task();
    struct worker *worker = new_worker(pool, &task);
    pthread_mutex_lock(&task.gate);
    worker_start(worker);
    assert_true(becomes(&task.begun, 1));
    assert_false(worker_wait(worker, 20));
    assert_false(worker_free(worker));
    worker_pool_free(pool); /* does not wait for it either */
    assert_int_equal(task.released, 0);
    pthread_mutex_unlock(&task.gate);
    assert_true(becomes(&task.released, 1));
    assert_int_equal(task.runs, 1);
    assert_int_equal(task.done, 0); /* nobody is there to be told */
}

static void test_queued_job_is_released_at_once(void **unused)
{
    (void)unused;
    struct worker_pool *pool = worker_pool_new();
    struct task hung = new_task(), queued = new_task(), last = new_task();
    struct worker *workers[] = {new_worker(pool, &hung), new_worker(pool, &queued),
                                new_worker(pool, &last)};
    pthread_mutex_lock(&hung.gate);
    worker_start(workers[0]);
    assert_true(becomes(&hung.begun, 1));
    assert_false(worker_wait(workers[0], 20));
    worker_start(workers[1]);
    worker_start(workers[2]);
    assert_true(worker_free(workers[1]));
    assert_int_equal(queued.released, 1);
    assert_int_equal(queued.runs, 0);
    pthread_mutex_unlock(&hung.gate);
    assert_true(worker_wait(workers[2], DEADLINE_MS)); /* the queue is still whole */
    assert_true(worker_free(workers[0]));
    assert_true(worker_free(workers[2]));
    worker_pool_free(pool);
}

static void test_free_without_a_job(void **unused)
{
    (void)unused;
    struct worker_pool *pool = worker_pool_new();
    struct task task = new_task();
    assert_true(worker_free(new_worker(pool, &task)));
    assert_int_equal(task.runs, 0);
    assert_int_equal(task.released, 1);
    assert_true(worker_free(NULL));
    worker_pool_free(pool);
    worker_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_each_time_it_is_told),
        cmocka_unit_test(test_wait_ends_without_the_job),
        cmocka_unit_test(test_hung_job_holds_up_no_other),
        cmocka_unit_test(test_hung_job_is_left_behind),
        cmocka_unit_test(test_queued_job_is_released_at_once),
        cmocka_unit_test(test_free_without_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
