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
#define MQTT_KEEPALIVE_MS_MIN 5000
#define MQTT_KEEPALIVE_MS_MAX 65535000
#define MQTT_BACKOFF_MS_MIN 500
#define MQTT_BACKOFF_MS_MAX 60000
#define MQTT_SUBSCRIPTIONS_MAX 4
#define MQTT_NO_SUBSCRIBERS 0x10 /* PUBACK reason: nobody listens */
#define MQTT_TAKEN_OVER 0x8E     /* DISCONNECT reason: another client came with the same id */
#define MQTT_ERROR_TEXT_MAX 256
#define MQTT_OPEN_MS_MAX 30000 /* from name lookup to SUBACK, then the attempt is given up */
#define MQTT_CLOSE_MS_MAX 1000

struct mqtt_provider;

/* What is known of the time. */
struct mqtt_time {
    bool is_right; /* else it is at least what utc_ms says, and nobody knows how much more */
    int64_t utc_ms;
};

struct mqtt_options {
    struct mqtt_provider *provider; /* NULL: the real thing */
    const char *host;
    uint16_t port;
    uint16_t receive_maximum; /* announced: what the broker may have in flight to us */
    bool use_tls;
    bool skip_host_check; /* for tests and odd certificates; said loudly by the caller */
    const char *client_id;
    const char *username; /* "": none */
    const char *password;
    const char *ca_file;              /* "": the system's */
    const char *cert_file, *key_file; /* "": none */
    int64_t keepalive_ms;             /* MQTT_KEEPALIVE_MS_MIN to _MAX */
    struct clock *clock;
    /* For the validity of the broker's certificate, asked on the owner's thread for each
     * connection. Where the time is not known to be right, a certificate's beginning is not
     * checked. NULL: the system clock is right. */
    struct mqtt_time (*time)(void *context);
    void *time_context;
    const char *const *subscriptions; /* NULL-terminated, at most MQTT_SUBSCRIPTIONS_MAX, QoS 1 */
    const char *will_topic;           /* NULL: none; retained, QoS 1 */
    const void *will_payload;
    size_t will_bytes;
};

/* Called from mqtt_turn, on its thread. Any may be NULL. Pointers are valid during the call. All
 * functions below but mqtt_turn and mqtt_close may be called from within. */
struct mqtt_events {
    /* Connected and every subscription granted. `receive_maximum` and `packet_bytes_max` are the
     * broker's (65535 and UINT32_MAX if it named none). */
    void (*ready)(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max);
    /* Not or no longer ready, and nothing published before will be confirmed; called once for each
     * failed attempt and each connection that ends. `reason` is for people and names host, port
     * and step: "localhost:8883: TLS: certificate verify failed: certificate has expired". `code`
     * is the broker's reason code in CONNACK, SUBACK or DISCONNECT, 0 if it gave none. The next
     * attempt is set already; mqtt_drop within the call moves it. */
    void (*lost)(void *context, uint8_t code, const char *reason);
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

/*
 * Copies the options and connects at the first turn. Name lookup and TCP run on a short-lived
 * thread, since libmosquitto offers them only blocking. 0, -ENOMEM, -EINVAL (an option that can
 * never work), or a negative errno of eventfd(2).
 *
 * Initialises libmosquitto, which counts that without a lock: the first open of a process must not
 * run beside another. It is never cleaned up, as a thread may still be in a name lookup at exit.
 */
WARN_UNUSED int mqtt_open(const struct mqtt_options *options, const struct mqtt_events *events,
                          void *context, struct mqtt **mqtt_out);

/* Says goodbye to the broker where it is connected (no will), after what was published is
 * confirmed: waits at most MQTT_CLOSE_MS_MAX for that. Frees; calls no event. May be NULL. */
void mqtt_close(struct mqtt *mqtt);

/* Works for at most timeout_ms: until an event, mqtt_wake, or the time is over. Waits for nothing
 * else. Returns the milliseconds until it wants to be called at the latest. */
int64_t mqtt_turn(struct mqtt *mqtt, int64_t timeout_ms);

/* From any thread or a signal handler: ends the current or next wait of mqtt_turn. */
void mqtt_wake(struct mqtt *mqtt);

/*
 * QoS 1. Only on the owner's thread and only while ready: 0 with *id_out for `published`,
 * -ENOTCONN, -EMSGSIZE (over the broker's Maximum Packet Size), -EINVAL (a topic that cannot be
 * published to), -EPROTO (the broker takes no QoS 1), -ENOMEM. The payload is copied. Beyond the
 * broker's Receive Maximum it waits in memory without a bound: the caller's to respect.
 */
WARN_UNUSED int mqtt_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out);

bool mqtt_is_ready(const struct mqtt *mqtt);

/* A new last will for the connections after this one. 0 or -ENOMEM, -EINVAL (no will_topic). */
WARN_UNUSED int mqtt_set_will(struct mqtt *mqtt, const void *payload, size_t size);

/* Drops the connection without goodbye (for tests and for takeover): `lost` comes with the next
 * turn. Connected or not, the next attempt is delay_ms from now. */
void mqtt_drop(struct mqtt *mqtt, int64_t delay_ms);

#endif
