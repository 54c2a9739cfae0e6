#include "common/mqtt_session.h"

#include <errno.h>
#include <limits.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/mqtt_connection.h"

#define WILL_BYTES_MAX 65535 /* MQTT 5, 3.1.3.3: binary data with a length of two bytes */
#define IDLE_MS_MAX 60000

struct session {
    struct mqtt mqtt;
    struct mqtt_options options; /* its texts, subscriptions and will are ours */
    char *subscriptions[MQTT_SUBSCRIPTIONS_MAX + 1];
    void *will;
    struct mqtt_events events;
    void *context;
    struct mqtt_connection *connection; /* NULL between two */
    struct backoff backoff;
    int64_t next_attempt_ms; /* boot time */
    int64_t ready_since_ms;
    bool is_ready;       /* `ready` has come and `lost` not yet */
    bool is_drop_wanted; /* acted upon where libmosquitto is not on the stack */
    bool is_delayed;     /* the next attempt was set by mqtt_drop */
    int wake_fd;
};

static const struct mqtt_driver driver;

static struct session *session_of(struct mqtt *mqtt)
{
    return (struct session *)mqtt;
}

/* --- options --- */

static bool are_valid(const struct mqtt_options *options)
{
    size_t n = 0;

    while (options->subscriptions != NULL && options->subscriptions[n] != NULL)
        n++;
    return options->host != NULL && options->host[0] != '\0' && options->port != 0 &&
           options->client_id != NULL && options->client_id[0] != '\0' && options->clock != NULL &&
           options->keepalive_ms >= MQTT_KEEPALIVE_MS_MIN &&
           options->keepalive_ms <= MQTT_KEEPALIVE_MS_MAX && n <= MQTT_SUBSCRIPTIONS_MAX &&
           options->will_bytes <= WILL_BYTES_MAX;
}

/* Makes the text a copy of its own; on failure NULL, so that freeing is always right. */
static bool own_text(const char **text)
{
    if (*text == NULL)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

static void free_text(const char *text)
{
    free((void *)text);
}

static int own_texts(struct mqtt_options *options)
{
    const char **texts[] = {&options->host,     &options->client_id, &options->username,
                            &options->password, &options->ca_file,   &options->cert_file,
                            &options->key_file, &options->will_topic};
    bool is_good = true;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        is_good &= own_text(texts[i]);
    return is_good ? 0 : -ENOMEM;
}

static int own_subscriptions(struct session *session, const char *const *topics)
{
    for (size_t i = 0; topics != NULL && topics[i] != NULL; i++) {
        session->subscriptions[i] = strdup(topics[i]);
        if (session->subscriptions[i] == NULL)
            return -ENOMEM;
    }
    session->options.subscriptions = (const char *const *)session->subscriptions;
    return 0;
}

static int own_will(struct session *session, const void *payload, size_t size)
{
    void *will = malloc(size == 0 ? 1 : size);

    if (will == NULL)
        return -ENOMEM;
    if (size > 0)
        memcpy(will, payload, size);
    free(session->will);
    session->will = will;
    session->options.will_payload = will;
    session->options.will_bytes = size;
    return 0;
}

static void free_options(struct session *session)
{
    struct mqtt_options *options = &session->options;

    free_text(options->host);
    free_text(options->client_id);
    free_text(options->username);
    free_text(options->password);
    free_text(options->ca_file);
    free_text(options->cert_file);
    free_text(options->key_file);
    free_text(options->will_topic);
    for (size_t i = 0; i < MQTT_SUBSCRIPTIONS_MAX; i++)
        free(session->subscriptions[i]);
    free(session->will);
}

/* --- open and close --- */

static void session_free(struct session *session)
{
    mqtt_connection_free(session->connection);
    if (session->wake_fd >= 0)
        close(session->wake_fd);
    free_options(session);
    free(session);
}

static int session_init(struct session *session, const struct mqtt_options *options)
{
    session->options = *options;
    int r = own_texts(&session->options);
    if (r == 0)
        r = own_subscriptions(session, options->subscriptions);
    if (r == 0 && options->will_topic != NULL)
        r = own_will(session, options->will_payload, options->will_bytes);
    if (r != 0)
        return r;
    session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->wake_fd < 0)
        return -errno;
    session->backoff =
        (struct backoff){.min_ms = MQTT_BACKOFF_MS_MIN, .max_ms = MQTT_BACKOFF_MS_MAX};
    if (getrandom(&session->backoff.random, sizeof session->backoff.random, 0) < 0)
        return -errno;
    return mosquitto_lib_init() == MOSQ_ERR_SUCCESS ? 0 : -ENOMEM;
}

int mqtt_session_open(const struct mqtt_options *options, const struct mqtt_events *events,
                      void *context, struct mqtt **mqtt_out)
{
    if (!are_valid(options))
        return -EINVAL;
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return -ENOMEM;
    session->mqtt.driver = &driver;
    session->events = *events;
    session->context = context;
    session->wake_fd = -1;
    int r = session_init(session, options);
    if (r != 0) {
        session_free(session);
        return r;
    }
    session->next_attempt_ms = clock_boot_ms(options->clock);
    *mqtt_out = &session->mqtt;
    return 0;
}

static void session_close(struct mqtt *mqtt)
{
    struct session *session = session_of(mqtt);

    session->events = (struct mqtt_events){0};
    if (session->connection != NULL && !session->is_drop_wanted)
        mqtt_connection_say_goodbye(session->connection, MQTT_CLOSE_MS_MAX);
    session_free(session);
}

/* --- turning --- */

static int64_t now_ms(const struct session *session)
{
    return clock_boot_ms(session->options.clock);
}

/* The next attempt is set before the owner is told, so that mqtt_drop in the call can move it. */
static void lose(struct session *session, const struct mqtt_reason *reason)
{
    const struct mqtt_reason kept = *reason; /* it may be the connection's */
    int64_t now = now_ms(session);

    mqtt_connection_free(session->connection);
    session->connection = NULL;
    if (session->is_ready && now - session->ready_since_ms >= MQTT_STABLE_MS)
        backoff_reset(&session->backoff);
    session->is_ready = false;
    if (!session->is_delayed)
        session->next_attempt_ms = now + backoff_next(&session->backoff, 0);
    session->is_delayed = false;
    session->is_drop_wanted = false;
    if (session->events.lost != NULL)
        session->events.lost(session->context, kept.code, kept.text);
}

static void on_ready(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max)
{
    struct session *session = context;

    session->is_ready = true;
    session->ready_since_ms = now_ms(session);
    if (session->events.ready != NULL)
        session->events.ready(session->context, receive_maximum, packet_bytes_max);
}

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size,
                        bool is_retained)
{
    struct session *session = context;

    if (session->events.received != NULL)
        session->events.received(session->context, topic, payload, size, is_retained);
}

static void on_published(void *context, int id, uint8_t reason)
{
    struct session *session = context;

    if (session->events.published != NULL)
        session->events.published(session->context, id, reason);
}

static const struct mqtt_events connection_events = {
    .ready = on_ready, .received = on_received, .published = on_published};

static void start(struct session *session)
{
    struct mqtt_reason reason = {.code = 0};

    if (session->connection != NULL || now_ms(session) < session->next_attempt_ms)
        return;
    session->is_delayed = false;
    int r = mqtt_connection_new(&session->options, &connection_events, session,
                                &session->connection, &reason);
    if (r == 0)
        return;
    if (r < 0)
        (void)snprintf(reason.text, sizeof reason.text, "%s:%u: cannot begin: %s",
                       session->options.host, session->options.port, strerror(-r));
    lose(session, &reason);
}

static void drop(struct session *session)
{
    struct mqtt_reason reason = {.code = 0};

    (void)snprintf(reason.text, sizeof reason.text, "%s:%u: dropped", session->options.host,
                   session->options.port);
    lose(session, &reason);
}

static void follow(struct session *session)
{
    if (session->is_drop_wanted)
        drop(session);
    else if (mqtt_connection_phase(session->connection) == MQTT_LOST)
        lose(session, mqtt_connection_reason(session->connection));
}

static int64_t wait_ms(const struct session *session)
{
    int64_t left_ms = session->next_attempt_ms - now_ms(session);

    if (session->is_drop_wanted)
        return 0;
    if (session->connection != NULL)
        return mqtt_connection_wait_ms(session->connection);
    if (left_ms < 0)
        return 0;
    return left_ms < IDLE_MS_MAX ? left_ms : IDLE_MS_MAX;
}

/* What poll(2) says of the connection's descriptor. */
static short wait_for_events(struct session *session, int64_t timeout_ms)
{
    struct pollfd fds[2] = {{.fd = session->wake_fd, .events = POLLIN}, {.fd = -1}};
    int64_t most_ms = wait_ms(session);
    uint64_t count;

    if (session->connection != NULL)
        fds[1].fd = mqtt_connection_fd(session->connection, &fds[1].events);
    if (timeout_ms < most_ms)
        most_ms = timeout_ms < 0 ? 0 : timeout_ms;
    int n = poll(fds, 2, (int)most_ms);
    if (n <= 0)
        return 0;
    if ((fds[0].revents & POLLIN) != 0)
        (void)!read(session->wake_fd, &count, sizeof count); /* no one else reads it */
    return fds[1].revents;
}

static int64_t session_turn(struct mqtt *mqtt, int64_t timeout_ms)
{
    struct session *session = session_of(mqtt);

    start(session);
    short poll_events = wait_for_events(session, timeout_ms);
    if (session->connection != NULL) {
        if (!session->is_drop_wanted)
            mqtt_connection_work(session->connection, poll_events);
        follow(session);
    }
    return wait_ms(session);
}

/* --- the rest of the driver --- */

static void session_wake(struct mqtt *mqtt)
{
    const uint64_t one = 1;
    int before = errno; /* of the code that a signal has interrupted */

    /* Fails only where the count is at its end, and then it is readable already. */
    (void)!write(session_of(mqtt)->wake_fd, &one, sizeof one);
    errno = before;
}

static bool session_is_ready(const struct mqtt *mqtt)
{
    const struct session *session = (const struct session *)mqtt;

    return session->is_ready && !session->is_drop_wanted &&
           mqtt_connection_phase(session->connection) == MQTT_READY;
}

static int session_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out)
{
    if (!session_is_ready(mqtt))
        return -ENOTCONN;
    return mqtt_connection_publish(session_of(mqtt)->connection, message, id_out);
}

static int session_set_will(struct mqtt *mqtt, const void *payload, size_t size)
{
    struct session *session = session_of(mqtt);

    if (session->options.will_topic == NULL || size > WILL_BYTES_MAX)
        return -EINVAL;
    return own_will(session, payload, size);
}

static void session_drop(struct mqtt *mqtt, int64_t delay_ms)
{
    struct session *session = session_of(mqtt);

    session->next_attempt_ms = now_ms(session) + delay_ms;
    session->is_delayed = session->connection != NULL;
    session->is_drop_wanted = session->connection != NULL;
}

static const struct mqtt_driver driver = {
    .close = session_close,
    .turn = session_turn,
    .wake = session_wake,
    .publish = session_publish,
    .is_ready = session_is_ready,
    .set_will = session_set_will,
    .drop = session_drop,
};
