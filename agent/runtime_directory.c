#include "agent/runtime_directory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_DIRECTORY "/run/shoal-agent"

static bool can_be_written(const char *directory)
{
    return (mkdir(directory, 0750) == 0 || errno == EEXIST) && access(directory, W_OK | X_OK) == 0;
}

void runtime_directory_find(const char *configured, char *out, size_t out_bytes)
{
    const char *given = getenv("RUNTIME_DIRECTORY"); /* several are separated by colons */
    const char *user = getenv("XDG_RUNTIME_DIR");
    if (configured[0] != '\0')
        (void)snprintf(out, out_bytes, "%s", configured);
    else if (given != NULL && given[0] == '/')
        (void)snprintf(out, out_bytes, "%.*s", (int)strcspn(given, ":"), given);
    else if (user != NULL && user[0] == '/' && !can_be_written(SYSTEM_DIRECTORY))
        (void)snprintf(out, out_bytes, "%s/shoal-agent", user);
    else
        (void)snprintf(out, out_bytes, SYSTEM_DIRECTORY);
}
