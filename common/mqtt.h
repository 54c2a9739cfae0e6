/*
 * An MQTT 5 session over libmosquitto: one thread owns it and turns it. Clean start, session
 * expiry 0, a fresh libmosquitto instance for each connection (an old one would resend by itself),
 * reconnects with back-off and full jitter. Knows nothing of frames.
 *
 * `struct mqtt` is an interface: mqtt_open gives the real one, or what the options' provider makes
 * (a test's, a simulation's).
 */
#ifndef SHOAL_COMMON_MQTT_H
#define SHOAL_COMMON_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/series.h"

#define MQTT_PACKET_BYTES_MAX (256 * 1024) /* announced as Maximum Packet Size */
#define MQTT_BACKOFF_MS_MIN 500
#define MQTT_BACKOFF_MS_MAX 60000
#define MQTT_SUBSCRIPTIONS_MAX 4
#define MQTT_NO_SUBSCRIBERS 0x10 /* PUBACK reason: nobody listens */
#define MQTT_ERROR_TEXT_MAX 256

struct mqtt_provider;

struct mqtt_options {
    struct mqtt_provider *provider; /* NULL: the real thing */
    const char *host;
    uint16_t port;
    const char *client_id;
    const char *username; /* "": none */
    const char *password;
    bool use_tls;
    const char *ca_file;              /* "": the system's */
    const char *cert_file, *key_file; /* "": none */
    bool skip_host_check; /* for tests and odd certificates; said loudly by the caller */
    int64_t keepalive_ms;
    uint16_t receive_maximum;
    struct clock *clock;
    const char *const *subscriptions; /* NULL-terminated, at most MQTT_SUBSCRIPTIONS_MAX, QoS 1 */
    const char *will_topic;           /* NULL: none; retained, QoS 1 */
    const void *will_payload;
    size_t will_bytes;
};

/* Called from mqtt_turn, on its thread. Any may be NULL. Pointers are valid during the call. */
struct mqtt_events {
    /* Connected and every subscription granted. `receive_maximum` and `packet_bytes_max` are the
     * broker's (65535 and UINT32_MAX if it named none). */
    void (*ready)(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max);
    /* Not or no longer ready; `reason` is for people and names host, port and step:
     * "localhost:8883: TLS: certificate verify failed". Called once per failed attempt. */
    void (*lost)(void *context, const char *reason);
    void (*received)(void *context, const char *topic, const uint8_t *payload, size_t size,
                     bool is_retained);
    /* PUBACK: reason below 0x80 is success. */
    void (*published)(void *context, int id, uint8_t reason);
};

struct mqtt_message {
    const char *topic;
    const void *payload;
    size_t size;
    bool is_retained;
};

/* What an implementation does; the functions below say what each means. */
struct mqtt;
struct mqtt_driver {
    void (*close)(struct mqtt *mqtt);
    int64_t (*turn)(struct mqtt *mqtt, int64_t timeout_ms);
    void (*wake)(struct mqtt *mqtt);
    int (*publish)(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out);
    bool (*is_ready)(const struct mqtt *mqtt);
    int (*set_will)(struct mqtt *mqtt, const void *payload, size_t size);
    void (*drop)(struct mqtt *mqtt, int64_t delay_ms);
};

/* The first member of each implementation. */
struct mqtt {
    const struct mqtt_driver *driver;
};

/* Makes sessions of another kind; embedded in a struct of the test's. */
struct mqtt_provider {
    int (*open)(struct mqtt_provider *provider, const struct mqtt_options *options,
                const struct mqtt_events *events, void *context, struct mqtt **mqtt_out);
};

/* Copies the options and connects at the first turn. 0, -ENOMEM, -EINVAL. */
WARN_UNUSED int mqtt_open(const struct mqtt_options *options, const struct mqtt_events *events,
                          void *context, struct mqtt **mqtt_out);

/* Says goodbye to the broker where it is connected (no will), and frees. May be NULL. */
void mqtt_close(struct mqtt *mqtt);

/* Works for at most timeout_ms (until an event, mqtt_wake, or the time is over). Returns the
 * milliseconds until it wants to be called at the latest. */
int64_t mqtt_turn(struct mqtt *mqtt, int64_t timeout_ms);

/* From any thread or a signal handler: ends the current or next wait of mqtt_turn. */
void mqtt_wake(struct mqtt *mqtt);

/*
 * QoS 1. Only on the owner's thread and only while ready: 0 with *id_out for `published`,
 * -ENOTCONN, -EMSGSIZE (over the broker's Maximum Packet Size), -ENOMEM.
 */
WARN_UNUSED int mqtt_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out);

bool mqtt_is_ready(const struct mqtt *mqtt);

/* A new last will for the connections after this one. */
WARN_UNUSED int mqtt_set_will(struct mqtt *mqtt, const void *payload, size_t size);

/* Drops the connection now (for tests and for takeover); it comes back by itself after delay_ms. */
void mqtt_drop(struct mqtt *mqtt, int64_t delay_ms);

#endif
