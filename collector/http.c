#include "collector/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

#define TYPE_TEXT "text/plain; charset=utf-8"
#define GZIP_LEVEL 1
#define GZIP_WINDOW_BITS (15 + 16) /* zlib's way to ask for gzip's header */
#define GZIP_MEMORY_LEVEL 8

struct http {
    struct MHD_Daemon *daemon;
    http_handle handle;
    void *context;
    size_t held_bytes_max;
    _Atomic size_t held_bytes;
    _Atomic uint64_t overloaded;
    char name[LISTEN_NAME_BYTES_MAX];
};

void http_say(struct http_response *response, unsigned status, const char *text)
{
    response->status = status;
    response->content_type = TYPE_TEXT;
    buffer_clear(&response->body);
    buffer_text(&response->body, text);
    buffer_append(&response->body, "\n", 1);
}

/* Whether a list of codings (RFC 9110, 12.5.3) has gzip, not refused by q=0. */
static bool takes_gzip(const char *codings)
{
    while (codings != NULL && *codings != '\0') {
        codings += strspn(codings, " \t,");
        size_t n = strcspn(codings, ",");
        size_t name = strcspn(codings, " \t,;");
        if (name == 4 && strncasecmp(codings, "gzip", 4) == 0) {
            const char *q = memchr(codings, '=', n);
            return q == NULL || strtod(q + 1, NULL) > 0;
        }
        codings += n;
    }
    return false;
}

/* Replaces the bytes by their gzip; leaves them where that fails. */
static bool compress_body(struct buffer *body)
{
    z_stream stream = {0};
    if (body->size > UINT32_MAX || deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS,
                                                GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    struct buffer packed = {0};
    size_t bound = deflateBound(&stream, body->size);
    stream.next_in = (Bytef *)body->data;
    stream.avail_in = (uInt)body->size;
    stream.next_out = (Bytef *)buffer_reserve(&packed, bound);
    stream.avail_out = (uInt)bound;
    bool is_done = stream.next_out != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    buffer_wrote(&packed, stream.total_out);
    (void)deflateEnd(&stream); /* only frees */
    if (!is_done) {
        buffer_deinit(&packed);
        return false;
    }
    buffer_deinit(body);
    *body = packed;
    return true;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value); /* without memory: the answer goes bare */
}

/* A body on its way to a client, which may be slow to take it. */
struct held {
    struct http *http;
    char *data;
    size_t size;
};

static void free_held(void *context)
{
    struct held *held = context;
    atomic_fetch_sub(&held->http->held_bytes, held->size);
    free(held->data);
    free(held);
}

/* Takes the body over; NULL when out of memory. */
static struct MHD_Response *hold(struct http *http, struct buffer *body)
{
    struct held *held = malloc(sizeof(*held));
    struct MHD_Response *reply = held == NULL
                                     ? NULL
                                     : MHD_create_response_from_buffer_with_free_callback_cls(
                                           body->size, body->data, free_held, held);
    if (reply == NULL) {
        free(held);
        buffer_deinit(body);
        return NULL;
    }
    *held = (struct held){.http = http, .data = body->data, .size = body->size};
    atomic_fetch_add(&http->held_bytes, held->size);
    return reply;
}

static bool has_room(struct http *http, size_t size)
{
    return size < HTTP_LARGE_BYTES_MIN ||
           atomic_load(&http->held_bytes) + size <= http->held_bytes_max;
}

static enum MHD_Result send_response(struct http *http, struct MHD_Connection *connection,
                                     struct http_response *response, bool may_gzip)
{
    if (buffer_failed(&response->body))
        http_say(response, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
    bool is_gzip =
        may_gzip && response->body.size >= HTTP_GZIP_BYTES_MIN && compress_body(&response->body);
    if (!has_room(http, response->body.size)) {
        atomic_fetch_add(&http->overloaded, 1);
        is_gzip = false;
        buffer_deinit(&response->body);
        http_say(response, MHD_HTTP_SERVICE_UNAVAILABLE, "too many large pages are on their way");
    }
    struct MHD_Response *reply = hold(http, &response->body);
    if (reply == NULL)
        return MHD_NO;
    add_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    add_header(reply, MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
    add_header(reply, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add_header(reply, "X-Content-Type-Options", "nosniff");
    if (is_gzip)
        add_header(reply, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (response->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add_header(reply, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, response->status, reply);
    MHD_destroy_response(reply);
    return result;
}

static const char *find_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **request_state)
{
    (void)version, (void)upload, (void)upload_bytes, (void)request_state;
    struct http *http = context;
    struct http_response response = {.status = MHD_HTTP_OK, .content_type = TYPE_TEXT};
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        http_say(&response, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
        return send_response(http, connection, &response, false);
    }
    struct http_request request = {
        .path = url,
        .host = find_header(connection, MHD_HTTP_HEADER_HOST),
        .accept = find_header(connection, MHD_HTTP_HEADER_ACCEPT),
    };
    http->handle(http->context, &request, &response);
    return send_response(http, connection, &response,
                         takes_gzip(find_header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING)));
}

/* Leaves the path as it came: a segment may hold an encoded slash. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start(struct http *http, const struct http_options *options, int fd)
{
    unsigned per_ip = options->connections_max - options->connections_max / 4;
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request,
                            http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
                            (unsigned)HTTP_THREADS, MHD_OPTION_CONNECTION_LIMIT,
                            options->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_ip,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_SECONDS_MAX,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_BYTES_MAX,
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
}

int http_open(const struct http_options *options, struct http **http_out,
              struct listen_error *error)
{
    struct http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return -ENOMEM;
    http->handle = options->handle;
    http->context = options->context;
    http->held_bytes_max = options->held_bytes_max;
    int fd;
    int r = listen_open(options->listen, &fd, http->name, error);
    if (r < 0) {
        free(http);
        return r;
    }
    http->daemon = start(http, options, fd); /* owns the socket from here on, unless it fails */
    if (http->daemon == NULL) {
        (void)snprintf(error->text, sizeof(error->text), "cannot serve on %s", http->name);
        (void)close(fd);
        free(http);
        return -EIO;
    }
    *http_out = http;
    return 0;
}

void http_close(struct http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon);
    free(http);
}

const char *http_name(const struct http *http)
{
    return http->name;
}

uint64_t http_overloaded(struct http *http)
{
    return atomic_load(&http->overloaded);
}
