#include "common/mqtt_connection.h"

#include <errno.h>
#include <limits.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/mqtt_instance.h"

/* The keep-alive is looked at this often within its time, and at least every WORK_MS_MAX. */
#define KEEPALIVE_LOOKS 8
#define WORK_MS_MAX 5000

/* What the broker said in CONNACK. */
struct limits {
    uint16_t receive_maximum;
    uint32_t packet_bytes_max;
};

struct mqtt_connection {
    struct mqtt_instance *instance;
    struct mosquitto *mosquitto; /* the instance's */
    const struct mqtt_options *options;
    const struct mqtt_events *events;
    void *context;
    enum mqtt_phase phase;
    bool has_subscribed;
    int64_t deadline_ms; /* boot time; until ready */
    int64_t work_ms;
    unsigned unconfirmed; /* published, no PUBACK yet */
    struct limits limits;
    struct mqtt_reason reason;
};

static struct mqtt_connection *connection_of(void *context)
{
    const struct mqtt_instance *instance = context;

    return instance->owner;
}

static void free_local(struct mqtt_connection **connection)
{
    mqtt_connection_free(*connection);
}

/* The first reason is the cause. "HOST:PORT: " goes in front, with brackets around IPv6. */
__attribute__((format(printf, 3, 4))) static void lose(struct mqtt_connection *connection,
                                                       uint8_t code, const char *format, ...)
{
    struct mqtt_reason *reason = &connection->reason;
    bool is_ipv6 = strchr(connection->options->host, ':') != NULL;
    va_list args;

    if (connection->phase == MQTT_LOST)
        return;
    connection->phase = MQTT_LOST;
    reason->code = code;
    int n = snprintf(reason->text, sizeof reason->text,
                     is_ipv6 ? "[%s]:%u: " : "%s:%u: ", connection->options->host,
                     connection->options->port);
    size_t used = n < 0 || (size_t)n >= sizeof reason->text ? 0 : (size_t)n;
    va_start(args, format);
    (void)vsnprintf(reason->text + used, sizeof reason->text - used, format, args);
    va_end(args);
}

/* --- callbacks of libmosquitto --- */

static void become_ready(struct mqtt_connection *connection)
{
    const struct limits *limits = &connection->limits;

    connection->phase = MQTT_READY;
    connection->events->ready(connection->context, limits->receive_maximum,
                              limits->packet_bytes_max);
}

static void take_limits(struct mqtt_connection *connection, const mosquitto_property *properties)
{
    struct limits *limits = &connection->limits;
    uint16_t keepalive_s = (uint16_t)(connection->options->keepalive_ms / 1000);

    (void)mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM,
                                        &limits->receive_maximum, false);
    (void)mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
                                        &limits->packet_bytes_max, false);
    (void)mosquitto_property_read_int16(properties, MQTT_PROP_SERVER_KEEP_ALIVE, &keepalive_s,
                                        false);
    int64_t work_ms = keepalive_s * INT64_C(1000) / KEEPALIVE_LOOKS;
    if (keepalive_s != 0 && work_ms < connection->work_ms)
        connection->work_ms = work_ms;
}

static void on_connect(struct mosquitto *mosquitto, void *context, int code, int flags,
                       const mosquitto_property *properties)
{
    struct mqtt_connection *connection = connection_of(context);

    (void)mosquitto;
    (void)flags;
    if (code != MQTT_RC_SUCCESS) {
        lose(connection, (uint8_t)code, "refused by the broker: %s (0x%02x)",
             mosquitto_reason_string(code), (unsigned)code);
        return;
    }
    take_limits(connection, properties);
    connection->phase = MQTT_SUBSCRIBING;
}

static void on_subscribe(struct mosquitto *mosquitto, void *context, int id, int n,
                         const int *codes, const mosquitto_property *properties)
{
    struct mqtt_connection *connection = connection_of(context);
    const char *const *topic = connection->options->subscriptions;

    (void)mosquitto;
    (void)id;
    (void)properties;
    if (connection->phase != MQTT_SUBSCRIBING)
        return;
    for (int i = 0; i < n && *topic != NULL; i++, topic++) {
        if (codes[i] >= MQTT_RC_UNSPECIFIED) {
            lose(connection, (uint8_t)codes[i], "subscription to %s refused: %s (0x%02x)", *topic,
                 mosquitto_reason_string(codes[i]), (unsigned)codes[i]);
            return;
        }
    }
    if (*topic != NULL)
        lose(connection, 0, "subscription to %s: no answer in SUBACK", *topic);
    else
        become_ready(connection);
}

/* Codes below 0x80 are libmosquitto's own, which its loop functions return as well. */
static void on_disconnect(struct mosquitto *mosquitto, void *context, int code,
                          const mosquitto_property *properties)
{
    (void)mosquitto;
    (void)properties;
    if (code >= MQTT_RC_UNSPECIFIED)
        lose(connection_of(context), (uint8_t)code, "disconnected by the broker: %s (0x%02x)",
             mosquitto_reason_string(code), (unsigned)code);
}

static void on_message(struct mosquitto *mosquitto, void *context,
                       const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    struct mqtt_connection *connection = connection_of(context);

    (void)mosquitto;
    (void)properties;
    if (message->payloadlen >= 0)
        connection->events->received(connection->context, message->topic, message->payload,
                                     (size_t)message->payloadlen, message->retain);
}

static void on_publish(struct mosquitto *mosquitto, void *context, int id, int code,
                       const mosquitto_property *properties)
{
    struct mqtt_connection *connection = connection_of(context);

    (void)mosquitto;
    (void)properties;
    if (connection->unconfirmed > 0)
        connection->unconfirmed--;
    connection->events->published(connection->context, id, (uint8_t)code);
}

/* --- state --- */

static void set_callbacks(struct mosquitto *mosquitto)
{
    mosquitto_connect_v5_callback_set(mosquitto, on_connect);
    mosquitto_subscribe_v5_callback_set(mosquitto, on_subscribe);
    mosquitto_disconnect_v5_callback_set(mosquitto, on_disconnect);
    mosquitto_message_v5_callback_set(mosquitto, on_message);
    mosquitto_publish_v5_callback_set(mosquitto, on_publish);
}

static int open_instance(struct mqtt_connection *connection)
{
    struct mqtt_tls_error error;

    int r = mqtt_instance_new(connection->options, connection, &connection->instance, &error);
    if (r == MQTT_INSTANCE_BAD) {
        lose(connection, 0, "TLS: %s", error.text);
        return MQTT_CONNECTION_BAD;
    }
    if (r != 0)
        return r;
    connection->mosquitto = connection->instance->mosquitto;
    set_callbacks(connection->mosquitto);
    return mqtt_instance_open(connection->instance);
}

int mqtt_connection_new(const struct mqtt_options *options, const struct mqtt_events *events,
                        void *context, struct mqtt_connection **connection_out,
                        struct mqtt_reason *reason)
{
    __attribute__((cleanup(free_local))) struct mqtt_connection *connection =
        calloc(1, sizeof *connection);

    if (connection == NULL)
        return -ENOMEM;
    connection->options = options;
    connection->events = events;
    connection->context = context;
    connection->deadline_ms = clock_boot_ms(options->clock) + MQTT_OPEN_MS_MAX;
    connection->work_ms = WORK_MS_MAX;
    connection->limits =
        (struct limits){.receive_maximum = UINT16_MAX, .packet_bytes_max = UINT32_MAX};
    int r = open_instance(connection);
    if (r == MQTT_CONNECTION_BAD)
        *reason = connection->reason;
    if (r != 0)
        return r;
    *connection_out = connection;
    connection = NULL;
    return 0;
}

void mqtt_connection_free(struct mqtt_connection *connection)
{
    if (connection == NULL)
        return;
    mqtt_instance_free(connection->instance);
    free(connection);
}

enum mqtt_phase mqtt_connection_phase(const struct mqtt_connection *connection)
{
    return connection->phase;
}

const struct mqtt_reason *mqtt_connection_reason(const struct mqtt_connection *connection)
{
    return &connection->reason;
}

int mqtt_connection_fd(const struct mqtt_connection *connection, short *poll_events_out)
{
    *poll_events_out = POLLIN;
    if (connection->phase == MQTT_OPENING)
        return mqtt_instance_opened_fd(connection->instance);
    if (connection->phase == MQTT_LOST)
        return -1;
    if (mosquitto_want_write(connection->mosquitto))
        *poll_events_out |= POLLOUT;
    return mosquitto_socket(connection->mosquitto);
}

int64_t mqtt_connection_wait_ms(const struct mqtt_connection *connection)
{
    int64_t left_ms = connection->deadline_ms - clock_boot_ms(connection->options->clock);

    if (connection->phase == MQTT_LOST)
        return 0;
    if (connection->phase == MQTT_READY || left_ms > connection->work_ms)
        return connection->work_ms;
    return left_ms > 0 ? left_ms : 0;
}

/* --- work --- */

static bool is_in_handshake(const struct mqtt_connection *connection)
{
    const SSL *ssl = mosquitto_ssl_get(connection->mosquitto);

    return ssl != NULL && !SSL_is_init_finished(ssl);
}

/*
 * Whether TLS is to blame, and then why. EPROTO is libmosquitto's word for an error of TLS that has
 * no text: with TLS 1.3 a broker judges our certificate after the handshake, and when our CONNECT
 * meets its closed socket before its alert is read, the alert is lost.
 */
static bool lose_by_tls(struct mqtt_connection *connection, int result, int error)
{
    const char *text = connection->instance->tls_error.text;
    const char *cert_file = connection->options->cert_file;
    bool has_certificate = cert_file != NULL && cert_file[0] != '\0';

    if (text[0] != '\0')
        lose(connection, 0, "TLS: %s", text);
    else if (is_in_handshake(connection))
        lose(connection, 0, "TLS: the connection was closed in the handshake");
    else if (connection->options->use_tls && connection->phase <= MQTT_GREETING &&
             result == MOSQ_ERR_ERRNO && error == EPROTO)
        lose(connection, 0, "TLS: closed by the broker after the handshake (%s)",
             has_certificate ? "does it refuse our certificate?"
                             : "does it want a client certificate?");
    return connection->phase == MQTT_LOST;
}

/* What a function of libmosquitto returned, with its errno. */
static void lose_by_result(struct mqtt_connection *connection, int result, int error)
{
    bool is_closed = result == MOSQ_ERR_CONN_LOST || result == MOSQ_ERR_SUCCESS;

    if (lose_by_tls(connection, result, error))
        return;
    if (result == MOSQ_ERR_KEEPALIVE)
        lose(connection, 0, "no answer from the broker within the keep-alive time");
    else if (is_closed && connection->phase == MQTT_GREETING)
        lose(connection, 0, "closed by the broker before it answered CONNECT%s",
             connection->options->use_tls ? "" : " (does this port expect TLS?)");
    else if (is_closed)
        lose(connection, 0, "connection lost: closed by the broker");
    else if (result == MOSQ_ERR_EAI) /* libmosquitto puts the resolver's code into errno */
        lose(connection, 0, "name lookup: %s", gai_strerror(error));
    else if (result == MOSQ_ERR_ERRNO)
        lose(connection, 0, "%s: %s", connection->phase == MQTT_OPENING ? "TCP" : "connection lost",
             strerror(error));
    else
        lose(connection, 0, "MQTT: %s", mosquitto_strerror(result));
}

static void finish_opening(struct mqtt_connection *connection)
{
    int result, error;

    if (!mqtt_instance_is_opened(connection->instance, &result, &error))
        return;
    if (result == MOSQ_ERR_SUCCESS)
        connection->phase = MQTT_GREETING;
    else
        lose_by_result(connection, result, error);
}

static void give_up(struct mqtt_connection *connection)
{
    const char *step = "SUBSCRIBE";

    if (connection->phase == MQTT_READY ||
        clock_boot_ms(connection->options->clock) < connection->deadline_ms)
        return;
    if (connection->phase == MQTT_OPENING)
        step = "name lookup or TCP";
    else if (is_in_handshake(connection))
        step = "TLS handshake";
    else if (connection->phase == MQTT_GREETING)
        step = "CONNECT";
    lose(connection, 0, "%s: no answer within %d s", step, MQTT_OPEN_MS_MAX / 1000);
}

/* mosquitto_loop_read stops early where errno happens to say EAGAIN, which may leave data in
 * OpenSSL that poll(2) knows nothing of. */
static void read_socket(struct mqtt_connection *connection)
{
    const SSL *ssl;

    do {
        errno = 0;
        int result = mosquitto_loop_read(connection->mosquitto, 1);
        if (result != MOSQ_ERR_SUCCESS || mosquitto_socket(connection->mosquitto) < 0)
            lose_by_result(connection, result, errno);
        ssl = mosquitto_ssl_get(connection->mosquitto);
    } while (connection->phase != MQTT_LOST && ssl != NULL && SSL_pending(ssl) > 0);
}

/* libmosquitto takes a reset within the handshake for "not yet" and would be called for ever. */
static void check_handshake(struct mqtt_connection *connection, short poll_events)
{
    int error = 0;
    socklen_t size = sizeof error;

    if ((poll_events & (POLLERR | POLLHUP)) == 0 || !is_in_handshake(connection))
        return;
    (void)getsockopt(mosquitto_socket(connection->mosquitto), SOL_SOCKET, SO_ERROR, &error, &size);
    lose(connection, 0, "TLS: %s",
         error == 0 ? "the connection was closed in the handshake" : strerror(error));
}

static void subscribe(struct mqtt_connection *connection)
{
    const char *const *topics = connection->options->subscriptions;
    int n = 0;

    if (connection->phase != MQTT_SUBSCRIBING || connection->has_subscribed)
        return;
    connection->has_subscribed = true;
    while (topics != NULL && topics[n] != NULL)
        n++;
    if (n == 0) {
        become_ready(connection);
        return;
    }
    int result = mosquitto_subscribe_multiple(connection->mosquitto, NULL, n, (char *const *)topics,
                                              1, 0, NULL);
    if (result != MOSQ_ERR_SUCCESS)
        lose_by_result(connection, result, errno);
}

static void write_socket(struct mqtt_connection *connection)
{
    if (connection->phase == MQTT_LOST || !mosquitto_want_write(connection->mosquitto))
        return;
    errno = 0;
    int result = mosquitto_loop_write(connection->mosquitto, 1);
    if (result != MOSQ_ERR_SUCCESS)
        lose_by_result(connection, result, errno);
}

/* Until CONNACK the deadline counts. */
static void keep_alive(struct mqtt_connection *connection)
{
    if (connection->phase != MQTT_SUBSCRIBING && connection->phase != MQTT_READY)
        return;
    int result = mosquitto_loop_misc(connection->mosquitto);
    if (result != MOSQ_ERR_SUCCESS)
        lose_by_result(connection, result, errno);
}

void mqtt_connection_work(struct mqtt_connection *connection, short poll_events)
{
    if (connection->phase == MQTT_OPENING) {
        finish_opening(connection);
    } else if (connection->phase != MQTT_LOST) {
        if (poll_events != 0)
            read_socket(connection);
        if (connection->phase != MQTT_LOST)
            check_handshake(connection, poll_events);
        subscribe(connection);
        write_socket(connection);
        keep_alive(connection);
    }
    if (connection->phase != MQTT_LOST)
        give_up(connection);
}

/* MQTT 5, 3.3: fixed header, topic, packet identifier, no properties. libmosquitto's own check is
 * off by a byte. */
static bool fits(const struct mqtt_connection *connection, const struct mqtt_message *message)
{
    const uint64_t remaining_max = 268435455;
    uint64_t remaining = 2 + strlen(message->topic) + 2 + 1 + message->size;
    uint64_t total = 1 + 1 + remaining;

    for (uint64_t rest = remaining; rest >= 128; rest /= 128)
        total++;
    return message->size <= INT_MAX && remaining <= remaining_max &&
           total <= connection->limits.packet_bytes_max;
}

int mqtt_connection_publish(struct mqtt_connection *connection, const struct mqtt_message *message,
                            int *id_out)
{
    if (connection->phase != MQTT_READY)
        return -ENOTCONN;
    if (!fits(connection, message))
        return -EMSGSIZE;
    int id;
    errno = 0;
    int result =
        mosquitto_publish_v5(connection->mosquitto, &id, message->topic, (int)message->size,
                             message->payload, 1, message->is_retained, NULL);
    switch (result) {
    case MOSQ_ERR_SUCCESS:
        connection->unconfirmed++;
        *id_out = id;
        return 0;
    case MOSQ_ERR_NOMEM:
        return -ENOMEM;
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MOSQ_ERR_PAYLOAD_SIZE:
        return -EMSGSIZE;
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
        return -EINVAL;
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return -EPROTO;
    default: /* a write that failed: the instance now holds a message that it would send again */
        lose_by_result(connection, result, errno);
        return -ENOTCONN;
    }
}

/* A PUBACK that comes in after we have closed resets the connection, and mosquitto then throws away
 * what it has not read yet. So what was published has to be confirmed first. */
static void finish(struct mqtt_connection *connection, int64_t deadline_ms)
{
    while (connection->phase == MQTT_READY &&
           (connection->unconfirmed > 0 || mosquitto_want_write(connection->mosquitto))) {
        struct pollfd socket = {.fd = mosquitto_socket(connection->mosquitto), .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_boot_ms(connection->options->clock);
        if (mosquitto_want_write(connection->mosquitto))
            socket.events |= POLLOUT;
        if (left_ms <= 0 || poll(&socket, 1, (int)left_ms) <= 0)
            return;
        if ((socket.revents & ~POLLOUT) != 0)
            read_socket(connection);
        write_socket(connection);
    }
}

void mqtt_connection_say_goodbye(struct mqtt_connection *connection, int timeout_ms)
{
    if (connection->phase != MQTT_READY)
        return;
    finish(connection, clock_boot_ms(connection->options->clock) + timeout_ms);
    if (connection->phase == MQTT_READY)
        (void)mosquitto_disconnect_v5(connection->mosquitto, MQTT_RC_NORMAL_DISCONNECTION, NULL);
    lose(connection, 0, "closed");
}
