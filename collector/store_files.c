#include "collector/store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/store_db.h"

char *store_files_path(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

int store_files_make_directory(const char *directory, struct store_error *error)
{
    char *path = strdup(directory);
    if (path == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", directory);
    int r = 0;
    for (char *slash = path; slash != NULL && r == 0;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(path, 0750) != 0 && errno != EEXIST && errno != EISDIR)
            r = store_error_set(error, -errno, "%s: cannot make the directory: %s", path,
                                strerrordesc_np(errno));
        if (slash != NULL)
            *slash = '/';
    }
    free(path);
    return r;
}

static int name_holder(int fd, const char *path, const char *directory, struct store_error *error)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return store_error_set(error, STORE_LOCKED,
                           "%s: another shoal-collector (process %s) has this store; %s is locked",
                           directory, pid[0] != '\0' ? pid : "unknown", path);
}

static int lock_file(int fd, const char *path, const char *directory, struct store_error *error)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return name_holder(fd, path, directory, error);
        return store_error_set(error, -errno, "%s: cannot lock: %s", path, strerrordesc_np(errno));
    }
    /* The pid is for people alone: on a full disk the lock holds without it. */
    if (ftruncate(fd, 0) == 0)
        (void)dprintf(fd, "%ld\n", (long)getpid());
    return 0;
}

int store_files_lock(const char *directory, int *fd_out, struct store_error *error)
{
    char *path = store_files_path(directory, STORE_LOCK_NAME);
    if (path == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", directory);
    int r;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        r = store_error_set(error, -errno, "%s: cannot open: %s", path, strerrordesc_np(errno));
    else
        r = lock_file(fd, path, directory, error);
    if (r == 0)
        *fd_out = fd;
    else if (fd >= 0)
        (void)close(fd); /* nothing was written that could be lost */
    free(path);
    return r;
}

static int fill_ballast(const char *path, struct store_error *error)
{
    struct stat status;
    if (stat(path, &status) == 0 && status.st_size == STORE_BALLAST_BYTES &&
        status.st_blocks * INT64_C(512) >= STORE_BALLAST_BYTES)
        return 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return store_error_set(error, errno == ENOSPC ? STORE_FULL : -errno, "%s: %s", path,
                               strerrordesc_np(errno));
    int failure = posix_fallocate(fd, 0, STORE_BALLAST_BYTES);
    (void)close(fd); /* its bytes mean nothing */
    if (failure == 0)
        return 0;
    (void)unlink(path); /* half of it would only take room */
    bool is_full = failure == ENOSPC || failure == EDQUOT || failure == EFBIG;
    return store_error_set(error, is_full ? STORE_FULL : -failure,
                           "%s: no room for the %lld MiB that are kept free for deleting: %s", path,
                           (long long)(STORE_BALLAST_BYTES >> 20), strerrordesc_np(failure));
}

int store_files_make_ballast(const char *directory, struct store_error *error)
{
    char *path = store_files_path(directory, STORE_BALLAST_NAME);
    if (path == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", directory);
    int r = fill_ballast(path, error);
    free(path);
    return r;
}

void store_files_drop_ballast(const char *directory)
{
    char *path = store_files_path(directory, STORE_BALLAST_NAME);
    if (path != NULL)
        (void)unlink(path); /* it may be gone already */
    free(path);
}

uint64_t store_files_size(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}
