#include "collector/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/http.h"
#include "collector/ingest.h"
#include "collector/pages.h"
#include "collector/receiver.h"

#define TURN_MS 1000
#define NOTE_STORE_MS 1000
#define TIDY_MS 5000

struct daemon {
    const struct settings *settings;
    struct clock *clock;
    struct store *store;
    struct live *live;
    struct ingest *ingest;
    struct own *own;
    struct receiver *receiver;
    struct pages pages;
    struct http *http;
    pthread_t writer, network;
    bool has_writer, has_network;
    atomic_bool writer_ends, network_ends;
    int64_t noted_store_ms, tidied_ms;
};

static int fail(struct daemon_error *error, const char *what, const char *why)
{
    (void)snprintf(error->text, sizeof(error->text), "%s%s%s", what, why[0] != '\0' ? ": " : "",
                   why);
    return DAEMON_FAILED;
}

static int fail_errno(struct daemon_error *error, const char *what, int result)
{
    return fail(error, what, strerror(-result));
}

/* --- between the parts --- */

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size)
{
    struct daemon *daemon = context;
    ingest_offer(daemon->ingest, topic, payload, size);
}

static void on_connected(void *context, bool is_connected)
{
    struct daemon *daemon = context;
    live_set_broker(daemon->live, is_connected);
    if (is_connected)
        ingest_reconnected(daemon->ingest);
}

static void send_ack(void *context, const char *node, const struct ack *ack)
{
    struct daemon *daemon = context;
    receiver_send(daemon->receiver, node, ack);
}

/* --- the threads --- */

static void take_notes(struct daemon *daemon)
{
    struct ingest_totals ingest;
    struct receiver_totals receiver;
    ingest_totals(daemon->ingest, &ingest);
    own_note_ingest(daemon->own, &ingest);
    receiver_totals(daemon->receiver, &receiver);
    own_note_receiver(daemon->own, &receiver);
    own_note_pages(daemon->own, http_overloaded(daemon->http));
    int64_t now_ms = clock_boot_ms(daemon->clock);
    if (now_ms - daemon->noted_store_ms < NOTE_STORE_MS)
        return;
    daemon->noted_store_ms = now_ms;
    struct store_totals store;
    store_totals(daemon->store, &store);
    own_note_store(daemon->own, &store);
}

/* Batches of decoded frames come and go between values that stay: what is free among these goes
 * back to the system now and then, as it would not by itself. */
static void tidy(struct daemon *daemon)
{
    int64_t now_ms = clock_boot_ms(daemon->clock);
    if (now_ms - daemon->tidied_ms < TIDY_MS)
        return;
    daemon->tidied_ms = now_ms;
    (void)malloc_trim(0); /* whether there was anything does not matter */
}

static void *run_writer(void *context)
{
    struct daemon *daemon = context;
    bool is_failing = false;
    while (!atomic_load(&daemon->writer_ends)) {
        int r = ingest_turn(daemon->ingest, TURN_MS);
        if (r < 0 && !is_failing)
            log_error("ingest: %s; the nodes send again what was not stored", strerror(-r));
        is_failing = r < 0;
        take_notes(daemon);
        tidy(daemon);
    }
    return NULL;
}

static void *run_network(void *context)
{
    struct daemon *daemon = context;
    while (!atomic_load(&daemon->network_ends))
        receiver_turn(daemon->receiver, TURN_MS);
    return NULL;
}

static int start_threads(struct daemon *daemon, struct daemon_error *error)
{
    int r = pthread_create(&daemon->writer, NULL, run_writer, daemon);
    daemon->has_writer = r == 0;
    if (r == 0) {
        r = pthread_create(&daemon->network, NULL, run_network, daemon);
        daemon->has_network = r == 0;
    }
    return r == 0 ? 0 : fail(error, "cannot start a thread", strerror(r));
}

/* The writer first, so that the acks of its last commit go out. */
static void end_threads(struct daemon *daemon)
{
    atomic_store(&daemon->writer_ends, true);
    if (daemon->has_writer) {
        ingest_wake(daemon->ingest);
        (void)pthread_join(daemon->writer, NULL); /* it is there, and no one else joins it */
    }
    atomic_store(&daemon->network_ends, true);
    if (daemon->has_network) {
        receiver_wake(daemon->receiver);
        (void)pthread_join(daemon->network, NULL);
    }
}

/* --- start and stop --- */

static int open_store(struct daemon *daemon, struct daemon_error *error)
{
    const struct settings *settings = daemon->settings;
    struct store_error store_error;
    const struct store_options options = {.directory = settings->store.directory,
                                          .retention_ms = settings->store.retention_ms,
                                          .size_bytes_max = settings->store.max_bytes,
                                          .clock = daemon->clock,
                                          .is_clock_trusted = settings->clock.is_trusted};
    int r = store_open(&options, &daemon->store, &store_error);
    return r == 0 ? 0 : fail(error, "cannot open the store", store_error.text);
}

static int open_ingest(struct daemon *daemon, struct daemon_error *error)
{
    const struct settings *settings = daemon->settings;
    daemon->live = live_new(daemon->clock, (size_t)settings->top.nodes_max);
    daemon->own = daemon->live == NULL ? NULL : own_new(daemon->live);
    if (daemon->own == NULL)
        return fail(error, "out of memory", "");
    const struct ingest_options options = {.store = daemon->store,
                                           .live = daemon->live,
                                           .clock = daemon->clock,
                                           .is_clock_trusted = settings->clock.is_trusted,
                                           .topic_prefix = settings->broker.topic_prefix,
                                           .send = send_ack,
                                           .context = daemon};
    int r = ingest_new(&options, &daemon->ingest);
    if (r < 0)
        return fail_errno(error, "cannot read the store's streams", r);
    r = daemon_name_nodes(daemon, &settings->top.nodes);
    return r < 0 ? fail_errno(error, "nodes", r) : 0;
}

static int open_receiver(struct daemon *daemon, struct daemon_error *error)
{
    static const struct receiver_events events = {.received = on_received,
                                                  .connected = on_connected};
    char id[RECEIVER_CLIENT_BYTES_MAX];
    receiver_client_id(id, store_id(daemon->store));
    const struct receiver_options options = {
        .session = broker_session(&daemon->settings->broker, id, daemon->clock),
        .topic_prefix = daemon->settings->broker.topic_prefix,
        .collector = store_id(daemon->store),
        .version = SHOAL_VERSION,
        .events = &events,
        .context = daemon,
        .clock = daemon->clock,
    };
    int r = receiver_open(&options, &daemon->receiver);
    return r < 0 ? fail_errno(error, "broker", r) : 0;
}

static int open_pages(struct daemon *daemon, struct daemon_error *error)
{
    struct listen_error listen_error = {"out of memory"};
    daemon->pages = (struct pages){.live = daemon->live,
                                   .own = daemon->own,
                                   .clock = daemon->clock,
                                   .external_url = daemon->settings->web.external_url};
    const struct http_options options = {.listen = daemon->settings->web.listen,
                                         .connections_max =
                                             (unsigned)daemon->settings->web.connections_max,
                                         .held_bytes_max = HTTP_HELD_BYTES_MAX_DEFAULT,
                                         .handle = pages_handle,
                                         .context = &daemon->pages};
    int r = http_open(&options, &daemon->http, &listen_error);
    return r < 0 ? fail(error, "web.listen", listen_error.text) : 0;
}

static int open_all(struct daemon *daemon, struct daemon_error *error)
{
    int r = open_store(daemon, error);
    if (r == 0)
        r = open_ingest(daemon, error);
    if (r == 0)
        r = open_receiver(daemon, error);
    if (r == 0)
        r = open_pages(daemon, error);
    if (r == 0)
        r = start_threads(daemon, error);
    return r;
}

int daemon_start(const struct settings *settings, struct clock *clock, struct daemon **daemon_out,
                 struct daemon_error *error)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    if (daemon == NULL)
        return fail(error, "out of memory", "");
    daemon->settings = settings;
    daemon->clock = clock;
    daemon->noted_store_ms = -NOTE_STORE_MS;
    int r = open_all(daemon, error);
    if (r != 0) {
        daemon_stop(daemon);
        return r;
    }
    *daemon_out = daemon;
    return 0;
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon == NULL)
        return;
    end_threads(daemon);
    http_close(daemon->http);
    receiver_close(daemon->receiver);
    ingest_free(daemon->ingest);
    own_free(daemon->own);
    live_free(daemon->live);
    store_close(daemon->store);
    free(daemon);
}

int daemon_name_nodes(struct daemon *daemon, const struct config_list *nodes)
{
    live_begin_naming(daemon->live);
    for (size_t i = 0; i < nodes->n; i++) {
        int r = live_add_named(daemon->live, nodes->items[i]);
        if (r < 0)
            return r; /* those that follow are not to be forgotten */
    }
    live_end_naming(daemon->live);
    return 0;
}

const char *daemon_address(const struct daemon *daemon)
{
    return http_name(daemon->http);
}
