/*
 * One thread per question to a mount that can hang. Its probe belongs to both sides; the last one
 * to let go of it frees it.
 */
#include "agent/inputs/mount_stat.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK_BYTES ((size_t)64 * 1024)

struct probe {
    pthread_mutex_t lock; /* of all below but the path */
    pthread_cond_t is_answered;
    unsigned owners;
    bool is_done;
    int result;
    struct statfs answer;
    char path[];
};

struct mount_stat {
    struct probe *stuck[MOUNT_STUCK_MAX];
    size_t n_stuck;
};

/* Those that answer from memory. Any other may be on a network, or in a process (FUSE). */
static const char *const prompt_types[] = {
    "bcachefs", "btrfs", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs",
    "ntfs3",    "ramfs", "reiserfs", "tmpfs", "ubifs", "udf",  "vfat", "xfs",  "zfs",  NULL,
};

static bool is_prompt(const char *type)
{
    for (const char *const *prompt = prompt_types; *prompt != NULL; prompt++)
        if (strcmp(*prompt, type) == 0)
            return true;
    return false;
}

static int ask(const char *path, struct statfs *out)
{
    int r;
    do
        r = statfs(path, out);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static struct probe *probe_new(const char *path)
{
    pthread_condattr_t attributes;
    struct probe *probe = calloc(1, sizeof(*probe) + strlen(path) + 1);
    if (probe == NULL)
        return NULL;
    (void)stpcpy(probe->path, path);
    probe->owners = 1;
    (void)pthread_mutex_init(&probe->lock, NULL); /* cannot fail on Linux, nor the rest */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&probe->is_answered, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return probe;
}

static void probe_release(struct probe *probe)
{
    pthread_mutex_lock(&probe->lock);
    unsigned owners = --probe->owners;
    pthread_mutex_unlock(&probe->lock);
    if (owners > 0)
        return;
    (void)pthread_cond_destroy(&probe->is_answered);
    (void)pthread_mutex_destroy(&probe->lock);
    free(probe);
}

static void *probe_run(void *opaque)
{
    struct probe *probe = opaque;
    struct statfs answer;
    int result = ask(probe->path, &answer);
    pthread_mutex_lock(&probe->lock);
    probe->result = result;
    if (result == 0)
        probe->answer = answer;
    probe->is_done = true;
    pthread_cond_signal(&probe->is_answered);
    pthread_mutex_unlock(&probe->lock);
    probe_release(probe);
    return NULL;
}

/* Detached, with a small stack, and deaf to the daemon's signals. */
static int probe_start(struct probe *probe)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t signals;
    sigfillset(&signals);
    if (pthread_attr_init(&attributes) != 0)
        return -ENOMEM;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)pthread_attr_setsigmask_np(&attributes, &signals);
    probe->owners = 2;
    int r = pthread_create(&thread, &attributes, probe_run, probe);
    (void)pthread_attr_destroy(&attributes);
    if (r != 0)
        probe->owners = 1;
    return -r;
}

static struct timespec deadline_after(int64_t timeout_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at); /* cannot fail for this clock */
    at.tv_sec += (time_t)(timeout_ms / 1000);
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

/* 0 with *result_out and *out filled, or MOUNT_STUCK. */
static int probe_wait(struct probe *probe, int64_t timeout_ms, int *result_out, struct statfs *out)
{
    struct timespec deadline = deadline_after(timeout_ms);
    int r = 0;
    pthread_mutex_lock(&probe->lock);
    while (!probe->is_done && r == 0)
        r = pthread_cond_timedwait(&probe->is_answered, &probe->lock, &deadline);
    bool is_done = probe->is_done;
    if (is_done) {
        *result_out = probe->result;
        *out = probe->answer;
    }
    pthread_mutex_unlock(&probe->lock);
    return is_done ? 0 : MOUNT_STUCK;
}

static bool probe_is_done(struct probe *probe)
{
    pthread_mutex_lock(&probe->lock);
    bool is_done = probe->is_done;
    pthread_mutex_unlock(&probe->lock);
    return is_done;
}

struct mount_stat *mount_stat_new(void)
{
    return calloc(1, sizeof(struct mount_stat));
}

void mount_stat_free(struct mount_stat *mounts)
{
    if (mounts == NULL)
        return;
    for (size_t i = 0; i < mounts->n_stuck; i++)
        probe_release(mounts->stuck[i]);
    free(mounts);
}

/* Lets go of the probes that have returned since; true if the path's has not. */
static bool is_stuck(struct mount_stat *mounts, const char *path)
{
    size_t n = 0;
    bool is_path_stuck = false;
    for (size_t i = 0; i < mounts->n_stuck; i++) {
        struct probe *probe = mounts->stuck[i];
        if (probe_is_done(probe)) {
            probe_release(probe);
            continue;
        }
        is_path_stuck = is_path_stuck || strcmp(probe->path, path) == 0;
        mounts->stuck[n++] = probe;
    }
    mounts->n_stuck = n;
    return is_path_stuck || n == MOUNT_STUCK_MAX;
}

int mount_stat_read(struct mount_stat *mounts, const char *path, const char *type,
                    int64_t timeout_ms, struct statfs *out)
{
    if (is_prompt(type))
        return ask(path, out);
    if (is_stuck(mounts, path))
        return MOUNT_STUCK;
    struct probe *probe = probe_new(path);
    if (probe == NULL)
        return -ENOMEM;
    int result = 0;
    int r = probe_start(probe);
    if (r == 0)
        r = probe_wait(probe, timeout_ms, &result, out);
    if (r == MOUNT_STUCK)
        mounts->stuck[mounts->n_stuck++] = probe;
    else
        probe_release(probe);
    return r == 0 ? result : r;
}
