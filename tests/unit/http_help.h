/* A client for tests of the pages: sends bytes, reads the answer to its end. */
#ifndef SHOAL_TESTS_HTTP_HELP_H
#define SHOAL_TESTS_HTTP_HELP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/buffer.h"

#define HELP_SECONDS_MAX 20

/* A connection to "127.0.0.1:PORT", or -1. */
static inline int help_connect(const char *name)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(strrchr(name, ':') + 1))};
    const struct timeval wait = {.tv_sec = HELP_SECONDS_MAX};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* The whole answer to a request that asks for the connection's end. Empty if there is none. */
static inline void help_exchange(const char *name, const char *request, struct buffer *answer)
{
    int fd = help_connect(name);
    ssize_t n = fd < 0 ? -1 : send(fd, request, strlen(request), MSG_NOSIGNAL);
    while (n > 0) {
        char *to = buffer_reserve(answer, 65536);
        n = to == NULL ? -1 : recv(fd, to, 65536, 0);
        if (n > 0)
            buffer_wrote(answer, (size_t)n);
    }
    if (fd >= 0)
        (void)close(fd);
    (void)buffer_string(answer);
}

/* GET with further headers ("A: b\r\n" or ""). */
static inline void help_get(const char *name, const char *path, const char *headers,
                            struct buffer *answer)
{
    BUFFER_AUTO struct buffer request = {0};
    buffer_print(&request, "GET %s HTTP/1.1\r\nHost: test:1\r\nConnection: close\r\n%s\r\n", path,
                 headers);
    help_exchange(name, buffer_string(&request), answer);
}

static inline int help_status(const struct buffer *answer)
{
    return answer->size > 12 ? atoi(answer->data + 9) : 0;
}

static inline const char *help_body(const struct buffer *answer)
{
    const char *end = answer->size == 0 ? NULL : strstr(answer->data, "\r\n\r\n");
    return end == NULL ? "" : end + 4;
}

#endif
