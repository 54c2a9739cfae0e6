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
    atomic_int runs, done, released;
};

static void run(void *context)
{
    struct task *task = context;
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

static void test_runs_each_time_it_is_told(void **unused)
{
    (void)unused;
    struct task task = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct worker *worker;
    assert_int_equal(worker_new(&job, &task, &worker), 0);
    assert_false(worker_is_busy(worker));
    for (int i = 1; i <= 100; i++) {
        worker_start(worker);
        assert_true(worker_wait(worker, DEADLINE_MS));
        assert_int_equal(task.runs, i);
    }
    assert_true(worker_free(worker));
    assert_int_equal(task.done, 0); /* each was seen to end */
    assert_int_equal(task.released, 1);
}

static void test_wait_ends_without_the_job(void **unused)
{
    (void)unused;
    struct task task = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct worker *worker;
    assert_int_equal(worker_new(&job, &task, &worker), 0);
    pthread_mutex_lock(&task.gate);
    worker_start(worker);
    assert_false(worker_wait(worker, 20));
    assert_true(worker_is_busy(worker));
    assert_int_equal(task.done, 0);
    pthread_mutex_unlock(&task.gate);
    assert_true(worker_wait(worker, DEADLINE_MS));
    assert_true(becomes(&task.done, 1));
    assert_true(worker_free(worker));
}

static void test_hung_job_is_left_behind(void **unused)
{
    (void)unused;
    struct task task = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct worker *worker;
    assert_int_equal(worker_new(&job, &task, &worker), 0);
    pthread_mutex_lock(&task.gate);
    worker_start(worker);
    assert_false(worker_free(worker));
    assert_int_equal(task.released, 0); /* the job still works on it */
    pthread_mutex_unlock(&task.gate);
    assert_true(becomes(&task.released, 1));
    assert_int_equal(task.runs, 1);
    assert_int_equal(task.done, 0); /* nobody is there to be told */
}

static void test_free_without_a_job(void **unused)
{
    (void)unused;
    struct task task = {.gate = PTHREAD_MUTEX_INITIALIZER};
    struct worker *worker;
    assert_int_equal(worker_new(&job, &task, &worker), 0);
    assert_true(worker_free(worker));
    assert_int_equal(task.runs, 0);
    assert_int_equal(task.released, 1);
    assert_true(worker_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_each_time_it_is_told),
        cmocka_unit_test(test_wait_ends_without_the_job),
        cmocka_unit_test(test_hung_job_is_left_behind),
        cmocka_unit_test(test_free_without_a_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
