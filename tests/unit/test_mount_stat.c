/* statfs(2) with a deadline. The call is this program's own: a path that begins with /hang answers
 * when the test lets it. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include <cmocka.h>

#include "agent/inputs/mount_stat.h"

#define SHORT_MS 20
#define LONG_MS 20000

/* What the made-up system call waits for. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned waiting;
    bool is_open;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void wait_at_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.waiting++;
    while (!gate.is_open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.waiting--;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/* Opens the gate, and returns when nothing waits at it. */
static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.changed);
    while (gate.waiting > 0)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void close_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_open = false;
    pthread_mutex_unlock(&gate.lock);
}

int statfs(const char *path, struct statfs *out)
{
    if (strncmp(path, "/hang", 5) == 0)
        wait_at_gate();
    if (strncmp(path, "/bad", 4) == 0) {
        errno = ESTALE;
        return -1;
    }
    *out = (struct statfs){.f_blocks = strlen(path)};
    return 0;
}

static void test_answers(void **state)
{
    (void)state;
    static const char *const types[] = {"ext4", "nfs4", "fuse.sshfs"};
    struct mount_stat *mounts = mount_stat_new();
    struct statfs stat;
    assert_non_null(mounts);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mount_stat_read(mounts, "/four", types[i], LONG_MS, &stat), 0);
        assert_int_equal(stat.f_blocks, 5);
        assert_int_equal(mount_stat_read(mounts, "/bad", types[i], LONG_MS, &stat), -ESTALE);
    }
    mount_stat_free(mounts);
    mount_stat_free(NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_is_stuck_until_it_answers(void **state)
{
    (void)state;
    struct mount_stat *mounts = mount_stat_new();
    struct statfs stat;
    close_gate();
    assert_int_equal(mount_stat_read(mounts, "/hang", "nfs", SHORT_MS, &stat), MOUNT_STUCK);
    /* Known to be stuck: no wait. And it holds up no other mount. */
    int64_t before_ms = now_ms();
    assert_int_equal(mount_stat_read(mounts, "/hang", "nfs", LONG_MS, &stat), MOUNT_STUCK);
    assert_true(now_ms() - before_ms < LONG_MS);
    assert_int_equal(mount_stat_read(mounts, "/fine", "nfs", LONG_MS, &stat), 0);
    open_gate();
    int r;
    do /* the thread may not have said so yet */
        r = mount_stat_read(mounts, "/hang", "nfs", LONG_MS, &stat);
    while (r == MOUNT_STUCK && now_ms() - before_ms < LONG_MS);
    assert_int_equal(r, 0);
    assert_int_equal(stat.f_blocks, 5);
    mount_stat_free(mounts);
}

static void test_stuck_threads_are_bounded(void **state)
{
    (void)state;
    struct mount_stat *mounts = mount_stat_new();
    struct statfs stat;
    char path[16] = "/hang_";
    close_gate();
    for (int i = 0; i < MOUNT_STUCK_MAX; i++) {
        path[6] = (char)('0' + i);
        assert_int_equal(mount_stat_read(mounts, path, "nfs", 1, &stat), MOUNT_STUCK);
    }
    assert_int_equal(mount_stat_read(mounts, "/fine", "nfs", LONG_MS, &stat), MOUNT_STUCK);
    assert_int_equal(mount_stat_read(mounts, "/fine", "ext4", LONG_MS, &stat), 0);
    mount_stat_free(mounts); /* does not wait for them */
    open_gate();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_is_stuck_until_it_answers),
        cmocka_unit_test(test_stuck_threads_are_bounded),
    };
    return cmocka_run_group_tests_name("mount_stat", tests, NULL, NULL);
}
