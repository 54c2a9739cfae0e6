/*
 * One connection to a broker: one libmosquitto instance from its birth to its end, through name
 * lookup, TCP, TLS, CONNECT and SUBSCRIBE to ready, and then until it is lost. What is lost stays
 * lost: libmosquitto would send again by itself what an old connection had in flight.
 */
#ifndef SHOAL_COMMON_MQTT_CONNECTION_H
#define SHOAL_COMMON_MQTT_CONNECTION_H

#include "common/mqtt.h"

struct mqtt_connection;

enum mqtt_phase {
    MQTT_OPENING,     /* name lookup and TCP */
    MQTT_GREETING,    /* TLS handshake, CONNECT sent, no CONNACK yet */
    MQTT_SUBSCRIBING, /* no SUBACK yet */
    MQTT_READY,
    MQTT_LOST
};

/* Why it was lost; as for mqtt_events.lost. */
struct mqtt_reason {
    uint8_t code;
    char text[MQTT_ERROR_TEXT_MAX];
};

enum { MQTT_CONNECTION_BAD = 1 };

/*
 * Begins to connect. The events `ready`, `received` and `published` have to be there and are
 * called from within mqtt_connection_work, `lost` never. Options, events and context have to
 * outlive the connection.
 * 0, MQTT_CONNECTION_BAD with *reason filled (a certificate file), or a negative errno.
 */
WARN_UNUSED int mqtt_connection_new(const struct mqtt_options *options,
                                    const struct mqtt_events *events, void *context,
                                    struct mqtt_connection **connection_out,
                                    struct mqtt_reason *reason);

/* Closes without goodbye. May be NULL. */
void mqtt_connection_free(struct mqtt_connection *connection);

/* Waits for what was published to be confirmed, for at most timeout_ms, and sends DISCONNECT; then
 * it is lost. The events `received` and `published` go on until then. */
void mqtt_connection_say_goodbye(struct mqtt_connection *connection, int timeout_ms);

enum mqtt_phase mqtt_connection_phase(const struct mqtt_connection *connection);
const struct mqtt_reason *mqtt_connection_reason(const struct mqtt_connection *connection);

/* What to poll for; -1 if there is nothing any more. */
int mqtt_connection_fd(const struct mqtt_connection *connection, short *poll_events_out);

/* Milliseconds until work is to be called at the latest. */
int64_t mqtt_connection_wait_ms(const struct mqtt_connection *connection);

/* Reads, writes, pings, gives up after its time; `poll_events` is what poll(2) returned. */
void mqtt_connection_work(struct mqtt_connection *connection, short poll_events);

/* As mqtt_publish. */
WARN_UNUSED int mqtt_connection_publish(struct mqtt_connection *connection,
                                        const struct mqtt_message *message, int *id_out);

#endif
