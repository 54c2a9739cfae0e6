#include "common/config_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_error.h"

#define READ_BYTES 4096

static void close_local(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int fail_errno(struct config_error *error, const char *path)
{
    if (errno == ENOMEM)
        return -ENOMEM;
    return config_fail(error, "%s: %s", path, strerror(errno));
}

/* Not by its size: a pipe and a file under /proc have none. */
int config_file_read(const char *path, size_t max_bytes, struct buffer *out,
                     struct config_error *error)
{
    __attribute__((cleanup(close_local))) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail_errno(error, path);
    for (;;) {
        char *to = buffer_reserve(out, READ_BYTES);
        if (to == NULL)
            return -ENOMEM;
        ssize_t n = read(fd, to, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(error, path);
        if (n == 0)
            return 0;
        buffer_wrote(out, (size_t)n);
        if (out->size > max_bytes)
            return config_fail(error, "%s: longer than %zu bytes", path, max_bytes);
    }
}

static int is_yaml(const struct dirent *entry)
{
    const char *suffix = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && suffix != NULL && strcmp(suffix, ".yaml") == 0;
}

/* By bytes: the order must not change with the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

struct entries {
    struct dirent **all;
    int n;
};

static void free_entries(const struct entries *entries)
{
    for (int i = 0; i < entries->n; i++)
        free(entries->all[i]);
    free(entries->all);
}

static int visit_directory(const char *path, config_file_visit visit, void *context,
                           struct config_error *error)
{
    __attribute__((cleanup(free_entries))) struct entries entries = {0};
    bool has_slash = path[strlen(path) - 1] == '/';

    errno = 0;
    entries.n = scandir(path, &entries.all, is_yaml, by_name);
    if (entries.n < 0)
        return fail_errno(error, path);
    for (int i = 0; i < entries.n; i++) {
        BUFFER_AUTO struct buffer file = {0};
        buffer_print(&file, has_slash ? "%s%s" : "%s/%s", path, entries.all[i]->d_name);
        const char *name = buffer_string(&file);
        int r = buffer_failed(&file) ? -ENOMEM : visit(context, name);
        if (r != 0)
            return r;
    }
    return 0;
}

int config_file_each(const char *path, config_file_visit visit, void *context,
                     struct config_error *error)
{
    struct stat status;

    if (*path != '\0' && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return visit_directory(path, visit, context, error);
    return visit(context, path);
}
