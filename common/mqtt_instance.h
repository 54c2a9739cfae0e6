/*
 * A libmosquitto instance: set up by the options, and connected by a thread of its own, because
 * libmosquitto offers name lookup and TCP only blocking. The thread and the owner share the
 * instance, and whoever is done last frees it, so that the owner never waits for the resolver.
 */
#ifndef SHOAL_COMMON_MQTT_INSTANCE_H
#define SHOAL_COMMON_MQTT_INSTANCE_H

#include <mosquitto.h>

#include "common/mqtt_tls.h"

struct mqtt_instance {
    /* The thread's until mqtt_instance_is_opened. The instance is the callbacks' context. */
    struct mosquitto *mosquitto;
    struct mqtt_tls_error tls_error; /* the first, or "" */
    void *owner;                     /* for the owner's callbacks */
};

enum { MQTT_INSTANCE_BAD = 1 };

/*
 * Sets up everything but the owner's callbacks: MQTT 5, clean start, limits, user, will, TLS.
 * 0, MQTT_INSTANCE_BAD with *error filled (a certificate file that cannot be used), or a negative
 * errno.
 */
WARN_UNUSED int mqtt_instance_new(const struct mqtt_options *options, void *owner,
                                  struct mqtt_instance **instance_out,
                                  struct mqtt_tls_error *error);

/* The owner is done with it: closes without goodbye. May be NULL. */
void mqtt_instance_free(struct mqtt_instance *instance);

/* Starts the thread that connects, as long as it may take. 0 or a negative errno. */
WARN_UNUSED int mqtt_instance_open(struct mqtt_instance *instance);

/* Becomes readable when the thread is done. */
int mqtt_instance_opened_fd(const struct mqtt_instance *instance);

/* Whether the thread is done; then what mosquitto_connect_bind_v5 returned, and its errno. */
bool mqtt_instance_is_opened(struct mqtt_instance *instance, int *result_out, int *errno_out);

#endif
