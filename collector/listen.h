/* A listening TCP socket from text: "127.0.0.1:9734", "[::1]:9734", "name:9734", ":9734" for all
 * addresses of both families. Port 0 lets the kernel choose. */
#ifndef SHOAL_COLLECTOR_LISTEN_H
#define SHOAL_COLLECTOR_LISTEN_H

#include "common/series.h"

#define LISTEN_NAME_BYTES_MAX 300

struct listen_error {
    char text[LISTEN_NAME_BYTES_MAX +
              100]; /* "cannot listen on 127.0.0.1:9734: Address already in use" */
};

/* NULL, or what is wrong with the text: a check for the configuration. */
const char *listen_check(const char *address);

/* A non-blocking socket, the caller's to close, and its own name. 0 or a negative errno with
 * *error filled. May block to look up a name. */
WARN_UNUSED int listen_open(const char *address, int *fd_out, char name_out[LISTEN_NAME_BYTES_MAX],
                            struct listen_error *error);

#endif
