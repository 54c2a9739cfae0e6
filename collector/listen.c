#include "collector/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_BYTES_MAX 255
#define PORT_BYTES_MAX 8

struct address {
    char host[HOST_BYTES_MAX + 1]; /* empty: all */
    char port[PORT_BYTES_MAX];
};

static bool port_is_valid(const char *port)
{
    if (port[0] == '\0' || strlen(port) > 5)
        return false;
    unsigned number = 0;
    for (; *port != '\0'; port++) {
        if (*port < '0' || *port > '9')
            return false;
        number = number * 10 + (unsigned)(*port - '0');
    }
    return number <= 65535;
}

static const char *parse(const char *text, struct address *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return "not of the form host:port";
    if (!port_is_valid(colon + 1))
        return "the port is not a number from 0 to 65535";
    const char *host = text;
    size_t n = (size_t)(colon - text);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    } else if (memchr(host, ':', n) != NULL) {
        return "an IPv6 address is written in brackets: [::1]:9734";
    }
    if (n > HOST_BYTES_MAX)
        return "the host is too long";
    memcpy(out->host, host, n);
    out->host[n] = '\0';
    memcpy(out->port, colon + 1, strlen(colon + 1) + 1);
    return NULL;
}

const char *listen_check(const char *address)
{
    struct address parsed;
    return parse(address, &parsed);
}

static int fail(struct listen_error *error, int result, const char *address, const char *why)
{
    (void)snprintf(error->text, sizeof(error->text), "cannot listen on %.*s: %s",
                   LISTEN_NAME_BYTES_MAX, address, why);
    return result;
}

static int open_one(const struct addrinfo *info, bool is_for_all)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1, off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* restart without a wait */
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_for_all ? &off : &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    return -error;
}

/* For all addresses an IPv6 socket that takes both families, where the machine has IPv6. */
static int open_first(const struct addrinfo *list, bool is_for_all)
{
    int fd = -EADDRNOTAVAIL;
    for (int pass = 0; pass < 2; pass++) {
        for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
            if (is_for_all && (info->ai_family == AF_INET6) != (pass == 0))
                continue;
            fd = open_one(info, is_for_all);
            if (fd >= 0 || fd == -EADDRINUSE)
                return fd;
        }
    }
    return fd;
}

static void name_socket(int fd, char name_out[LISTEN_NAME_BYTES_MAX])
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char host[HOST_BYTES_MAX + 1] = "?", port[PORT_BYTES_MAX] = "?";
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        (void)getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_ipv6 = strchr(host, ':') != NULL;
    (void)snprintf(name_out, LISTEN_NAME_BYTES_MAX, "%s%s%s:%s", is_ipv6 ? "[" : "", host,
                   is_ipv6 ? "]" : "", port);
}

int listen_open(const char *address, int *fd_out, char name_out[LISTEN_NAME_BYTES_MAX],
                struct listen_error *error)
{
    struct address parsed;
    const char *why = parse(address, &parsed);
    if (why != NULL)
        return fail(error, -EINVAL, address, why);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    bool is_for_all = parsed.host[0] == '\0';
    int r = getaddrinfo(is_for_all ? NULL : parsed.host, parsed.port, &hints, &list);
    if (r != 0)
        return fail(error, -EINVAL, address, gai_strerror(r));
    int fd = open_first(list, is_for_all);
    freeaddrinfo(list);
    if (fd < 0)
        return fail(error, fd, address, strerror(-fd));
    name_socket(fd, name_out);
    *fd_out = fd;
    return 0;
}
