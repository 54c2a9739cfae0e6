#include "collector/pages.h"

#include <stdlib.h>

#include "collector/node_metrics.h"
#include "collector/sd.h"
#include "collector/table.h"
#include "collector/url.h"

/* Job and instance are label values. */
#define SEGMENT_BYTES_MAX (LABEL_VALUE_BYTES_MAX + 1)

enum { STATUS_OK = 200, STATUS_NOT_FOUND = 404, STATUS_BROKEN = 500, STATUS_UNAVAILABLE = 503 };

struct exchange {
    const struct pages *pages;
    const struct http_request *request;
    struct http_response *response;
};

static void fail(const struct exchange *exchange)
{
    http_say(exchange->response, STATUS_BROKEN, "out of memory");
}

static void free_reading(struct reading **reading)
{
    reading_free(*reading);
}

static void free_nodes(struct live_node **nodes)
{
    free(*nodes);
}

#define READING_AUTO __attribute__((cleanup(free_reading)))
#define NODES_AUTO __attribute__((cleanup(free_nodes)))

/* A reading of the collector itself; NULL when out of memory. */
static struct reading *read_own(const struct pages *pages)
{
    struct reading *reading = reading_new();
    if (reading == NULL)
        return NULL;
    reading_begin(reading);
    own_read(pages->own, reading);
    if (reading_end(reading) == 0)
        return reading;
    reading_free(reading);
    return NULL;
}

static enum exposition_format begin_exposition(const struct exchange *exchange)
{
    enum exposition_format format = exposition_negotiate(exchange->request->accept);
    exchange->response->content_type = exposition_content_type(format);
    return format;
}

static void serve_collector(const struct exchange *exchange)
{
    const struct pages *pages = exchange->pages;
    struct buffer *out = &exchange->response->body;
    enum exposition_format format = begin_exposition(exchange);
    READING_AUTO struct reading *own = read_own(pages);
    NODES_AUTO struct live_node *nodes = NULL;
    size_t n;
    if (own == NULL || live_nodes(pages->live, &nodes, &n) != 0) {
        fail(exchange);
        return;
    }
    const struct reading *const readings[] = {own};
    exposition_readings(out, format, readings, 1, EXPOSITION_NO_TIME);
    node_metrics_write(nodes, n, format, out);
    exposition_end(out, format);
}

static void serve_fleet(const struct exchange *exchange)
{
    const struct pages *pages = exchange->pages;
    struct buffer *out = &exchange->response->body;
    enum exposition_format format = begin_exposition(exchange);
    READING_AUTO struct reading *own = read_own(pages);
    NODES_AUTO struct live_node *nodes = NULL;
    size_t n;
    if (own == NULL || live_nodes(pages->live, &nodes, &n) != 0 ||
        live_write_fleet(pages->live, format, own, out) != 0) {
        fail(exchange);
        return;
    }
    node_metrics_write(nodes, n, format, out);
    exposition_end(out, format);
}

static void serve_sd(const struct exchange *exchange)
{
    struct live_totals totals;
    struct sd_address address;
    live_totals(exchange->pages->live, &totals);
    if (!totals.is_rebuilt) {
        /* A list that lacks targets would make Prometheus drop them. */
        http_say(exchange->response, STATUS_UNAVAILABLE, "the store has not been read yet");
        return;
    }
    if (sd_address(exchange->pages->external_url, exchange->request->host, &address) != 0) {
        http_say(exchange->response, 400, "the request names no host; see web.external_url");
        return;
    }
    exchange->response->content_type = "application/json";
    sd_write(exchange->pages->live, &address, &exchange->response->body);
}

static void serve_table(const struct exchange *exchange)
{
    const struct pages *pages = exchange->pages;
    NODES_AUTO struct live_node *nodes = NULL;
    size_t n;
    if (live_nodes(pages->live, &nodes, &n) != 0) {
        fail(exchange);
        return;
    }
    struct own_state state;
    own_state(pages->own, &state);
    exchange->response->content_type = TABLE_TYPE;
    table_write(&(struct table_page){.live = pages->live,
                                     .nodes = nodes,
                                     .n_nodes = n,
                                     .now_utc_ms = clock_utc_ms(pages->clock),
                                     .has_broker = state.has_broker,
                                     .is_storing = state.is_storing},
                &exchange->response->body);
}

static void serve_healthy(const struct exchange *exchange)
{
    http_say(exchange->response, STATUS_OK, "shoal-collector is healthy.");
}

static void serve_ready(const struct exchange *exchange)
{
    struct live_totals totals;
    live_totals(exchange->pages->live, &totals);
    if (totals.is_rebuilt)
        http_say(exchange->response, STATUS_OK, "shoal-collector is ready.");
    else
        http_say(exchange->response, STATUS_UNAVAILABLE, "the store has not been read yet");
}

/* --- /nodes/NODE/JOB/INSTANCE/metrics --- */

struct target_path {
    char node[NODE_ID_BYTES_MAX + 1];
    char job[SEGMENT_BYTES_MAX], instance[SEGMENT_BYTES_MAX];
};

static bool parse_target(const char *path, struct target_path *out)
{
    return url_take_segment(&path, out->node, sizeof(out->node)) == 0 &&
           url_take_segment(&path, out->job, sizeof(out->job)) == 0 &&
           url_take_segment(&path, out->instance, sizeof(out->instance)) == 0 &&
           strcmp(path, "/metrics") == 0;
}

static void refuse_target(const struct exchange *exchange, const struct target_path *path,
                          bool is_known)
{
    BUFFER_AUTO struct buffer text = {0};
    buffer_print(&text,
                 is_known ? "target %s of node %s: no young reading, or no broker"
                          : "no target %s of node %s",
                 path->job, path->node);
    http_say(exchange->response, is_known ? STATUS_UNAVAILABLE : STATUS_NOT_FOUND,
             buffer_string(&text));
}

static void serve_target(const struct exchange *exchange, const char *rest)
{
    struct target_path path;
    if (!parse_target(rest, &path)) {
        http_say(exchange->response, STATUS_NOT_FOUND, "not /nodes/NODE/JOB/INSTANCE/metrics");
        return;
    }
    struct buffer *out = &exchange->response->body;
    enum exposition_format format = begin_exposition(exchange);
    int r =
        live_write_target(exchange->pages->live, path.node, path.job, path.instance, format, out);
    if (r < 0)
        fail(exchange);
    else if (r > 0)
        refuse_target(exchange, &path, r == LIVE_DOWN);
    else
        exposition_end(out, format);
}

/* --- routes --- */

struct route {
    const char *path;
    void (*serve)(const struct exchange *exchange);
};

static const struct route routes[] = {
    {"/", serve_table}, {"/metrics", serve_fleet},     {"/collector/metrics", serve_collector},
    {"/sd", serve_sd},  {"/-/healthy", serve_healthy}, {"/-/ready", serve_ready},
};

void pages_handle(void *context, const struct http_request *request, struct http_response *response)
{
    static const char nodes[] = "/nodes";
    const struct exchange exchange = {context, request, response};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(request->path, routes[i].path) == 0) {
            routes[i].serve(&exchange);
            return;
        }
    }
    if (strncmp(request->path, nodes, sizeof(nodes) - 1) == 0)
        serve_target(&exchange, request->path + sizeof(nodes) - 1);
    else
        http_say(response, STATUS_NOT_FOUND, "no such page; see /");
}
