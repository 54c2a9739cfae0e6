/*
 * The HTTP server, on libmicrohttpd: GET and HEAD alone, a pool of threads, bounds on connections
 * and requests, gzip for those who take it. Knows nothing of what is served.
 */
#ifndef SHOAL_COLLECTOR_HTTP_H
#define SHOAL_COLLECTOR_HTTP_H

#include "collector/listen.h"
#include "common/buffer.h"

#define HTTP_THREADS 4
#define HTTP_CONNECTIONS_MAX_DEFAULT 16384 /* a Prometheus keeps one for each of its targets */
#define HTTP_REQUEST_BYTES_MAX (16 * 1024) /* request line and headers */
#define HTTP_IDLE_SECONDS_MAX 120          /* longer than people's scrape intervals */
#define HTTP_GZIP_BYTES_MIN 1024
/* Of pages that clients have not taken yet; past it large ones are answered with 503. A target's
 * page is mostly smaller: slow readers of the fleet's page cost no target its scrape. */
#define HTTP_HELD_BYTES_MAX_DEFAULT ((size_t)256 * 1024 * 1024)
#define HTTP_LARGE_BYTES_MIN ((size_t)64 * 1024)

struct http_request {
    const char *path;   /* still percent-encoded, without the query */
    const char *host;   /* header Host, NULL: none */
    const char *accept; /* header Accept, NULL: none */
};

struct http_response {
    unsigned status;          /* 200 before the handler is called */
    const char *content_type; /* text/plain before; static */
    struct buffer body;       /* the handler's to fill; one that failed is sent as 500 */
};

/* Called from any of the server's threads, several at once. */
typedef void (*http_handle)(void *context, const struct http_request *request,
                            struct http_response *response);

struct http_options {
    const char *listen; /* see listen.h */
    unsigned connections_max;
    size_t held_bytes_max;
    http_handle handle;
    void *context;
};

struct http;

/* 0, or a negative errno with *error filled. */
WARN_UNUSED int http_open(const struct http_options *options, struct http **http_out,
                          struct listen_error *error);
void http_close(struct http *http); /* waits for requests in work; may be NULL */

/* Where it listens, "127.0.0.1:9734". */
const char *http_name(const struct http *http);

/* Large pages refused ever because clients hold too many bytes; from any thread. */
uint64_t http_overloaded(struct http *http);

/* An answer of a line of text. */
void http_say(struct http_response *response, unsigned status, const char *text);

#endif
