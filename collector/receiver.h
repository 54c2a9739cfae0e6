/*
 * The collector's side of MQTT: takes in what nodes publish, sends them acks, and says on
 * PREFIX/_collectors/ID that a collector is there. Knows nothing of what is in a frame.
 *
 * One thread turns it; acks are handed over from any thread through a bounded outbox.
 */
#ifndef SHOAL_COLLECTOR_RECEIVER_H
#define SHOAL_COLLECTOR_RECEIVER_H

#include "common/envelope.h"
#include "common/mqtt.h"
#include "common/topic.h"

#define RECEIVER_OUTBOX_MAX                                                                        \
    16384 /* acks; at the bound the oldest goes: its node will ask again                           \
           */
#define RECEIVER_GOODBYE_MS_MAX 1000
#define RECEIVER_CLIENT_BYTES_MAX 40

/* Called on the thread that turns. */
struct receiver_events {
    void (*received)(void *context, const char *topic, const uint8_t *payload, size_t size);
    void (*connected)(void *context, bool is_connected);
};

struct receiver_options {
    struct mqtt_options session; /* subscriptions and will are the receiver's to fill in */
    const char *topic_prefix;
    uint64_t collector; /* the store's id */
    const char *version;
    const struct receiver_events *events;
    void *context;
    struct clock *clock;
};

struct receiver_totals {
    bool is_connected;
    uint64_t connects, losses;
    uint64_t acks, acks_dropped;
};

struct receiver;

/* The MQTT client id of a collector. */
void receiver_client_id(char id_out[RECEIVER_CLIENT_BYTES_MAX], uint64_t collector);

/* Connects at the first turn. The texts in the options are copied, the prefix and the version stay
 * the caller's. 0 or a negative errno. */
WARN_UNUSED int receiver_open(const struct receiver_options *options,
                              struct receiver **receiver_out);
void receiver_close(struct receiver *receiver); /* says goodbye first; may be NULL */

/* Works for at most timeout_ms. */
void receiver_turn(struct receiver *receiver, int64_t timeout_ms);
void receiver_wake(struct receiver *receiver); /* from any thread or a signal handler */

/* From any thread, never waits. Without a connection the ack is dropped. */
void receiver_send(struct receiver *receiver, const char *node, const struct ack *ack);

void receiver_totals(struct receiver *receiver, struct receiver_totals *totals_out);

#endif
