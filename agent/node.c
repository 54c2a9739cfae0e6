#include "agent/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/state_file.h"

/* Host names that come with images and installers: any number of machines have them. */
static const char *const shared_names[] = {
    "",         "armbian",   "debian",
    "dietpi",   "fedora",    "jetson",
    "linux",    "localhost", "localhost.localdomain",
    "nano",     "nvidia",    "orangepi",
    "pi",       "radxa",     "raspberrypi",
    "raspbian", "rock",      "ubuntu",
    "unknown",
};

static bool name_is_shared(const char *name)
{
    for (size_t i = 0; i < sizeof(shared_names) / sizeof(shared_names[0]); i++)
        if (strcasecmp(name, shared_names[i]) == 0)
            return true;
    return false;
}

static bool is_allowed_first(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_allowed(char c)
{
    return is_allowed_first(c) || c == '.' || c == '_' || c == '-';
}

void node_id_from_host(char id_out[NODE_ID_BYTES_MAX + 1], const char *host_name,
                       const char *machine_id)
{
    size_t digits = strlen(machine_id);
    bool has_suffix = name_is_shared(host_name) && digits >= NODE_MACHINE_DIGITS;
    size_t room = NODE_ID_BYTES_MAX - (has_suffix ? NODE_MACHINE_DIGITS + 1 : 0);
    const char *name = host_name[0] == '\0' ? "node" : host_name;
    size_t n = 0;
    for (; name[n] != '\0' && n < room; n++) {
        bool is_good = n == 0 ? is_allowed_first(name[n]) : is_allowed(name[n]);
        id_out[n] = is_good ? name[n] : (n == 0 ? 'x' : '-');
    }
    id_out[n] = '\0';
    if (has_suffix)
        (void)snprintf(id_out + n, NODE_ID_BYTES_MAX + 1 - n, "-%s",
                       machine_id + digits - NODE_MACHINE_DIGITS);
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* of a directory: nothing can be lost */
}
#define FD_AUTO __attribute__((cleanup(close_fd)))

/* The kept id: 0, -ENOENT (also for a file that holds none), or another negative errno. */
static int read_kept(int directory, char id_out[NODE_ID_BYTES_MAX + 1])
{
    char text[NODE_ID_BYTES_MAX + 3];
    int r = state_file_read(directory, NODE_ID_FILE, text, sizeof(text));
    if (r != 0)
        return r;
    if (!node_id_is_valid(text))
        return -ENOENT;
    memcpy(id_out, text, strlen(text) + 1);
    return 0;
}

static int not_kept(struct node_trouble *trouble, int error, const char *directory,
                    const char *file)
{
    trouble->error = error;
    (void)snprintf(trouble->path, sizeof(trouble->path), "%s%s", directory, file);
    return NODE_NOT_KEPT;
}

static void make_id(const struct node_sources *sources, char id_out[NODE_ID_BYTES_MAX + 1])
{
    if (sources->configured[0] == '\0')
        node_id_from_host(id_out, sources->host_name, sources->machine_id);
    else
        (void)snprintf(id_out, NODE_ID_BYTES_MAX + 1, "%s", sources->configured);
}

int node_id(const struct node_sources *sources, char id_out[NODE_ID_BYTES_MAX + 1],
            struct node_trouble *trouble)
{
    const char *path = sources->state_directory;
    make_id(sources, id_out);
    FD_AUTO int directory = state_file_directory(path);
    if (directory < 0)
        return not_kept(trouble, directory, path, "");
    int r = read_kept(directory, id_out);
    if (r == 0) {
        bool differs = sources->configured[0] != '\0' && strcmp(sources->configured, id_out) != 0;
        return differs ? NODE_DIFFERS : 0;
    }
    if (r == -ENOENT)
        r = state_file_write(directory, NODE_ID_FILE, id_out);
    return r == 0 ? 0 : not_kept(trouble, r, path, "/" NODE_ID_FILE);
}
