#include "agent/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SUFFIX ".new"

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* what had to be durable was synced before */
}
#define FD_AUTO __attribute__((cleanup(close_fd)))

int state_file_directory(const char *path)
{
    if (mkdir(path, 0750) != 0 && errno != EEXIST)
        return -errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int state_file_read(int directory, const char *name, char *text_out, size_t text_bytes)
{
    FD_AUTO int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text_out, text_bytes - 1);
    if (n < 0)
        return -errno;
    text_out[n] = '\0';
    text_out[strcspn(text_out, "\n")] = '\0';
    return 0;
}

static int write_new(int directory, const char *name, const char *text)
{
    FD_AUTO int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int n = dprintf(fd, "%s\n", text);
    if (n < 0)
        return -errno;
    if ((size_t)n != strlen(text) + 1)
        return -ENOSPC;
    return fsync(fd) != 0 ? -errno : 0;
}

int state_file_write(int directory, const char *name, const char *text)
{
    char new_name[STATE_FILE_NAME_BYTES_MAX + sizeof(NEW_SUFFIX)];
    if (strlen(name) > STATE_FILE_NAME_BYTES_MAX)
        return -EINVAL;
    (void)snprintf(new_name, sizeof(new_name), "%s" NEW_SUFFIX, name);
    int r = write_new(directory, new_name, text);
    if (r != 0)
        return r;
    if (renameat(directory, new_name, directory, name) != 0)
        return -errno;
    return fsync(directory) != 0 ? -errno : 0;
}
