/*
 * How to reach the broker: the options of the section `broker`, which both daemons have, and from
 * them what a session needs. Knows nothing of who connects or why.
 */
#ifndef SHOAL_COMMON_BROKER_H
#define SHOAL_COMMON_BROKER_H

#include "common/config.h"
#include "common/mqtt.h"

#define BROKER_SECTION "broker"
#define BROKER_PORT 1883
#define BROKER_PORT_TLS 8883
#define BROKER_PASSWORD_BYTES_MAX 1024
#define BROKER_RECEIVE_MAXIMUM 1024

/* As configured; all zeros before config_load. */
struct broker_settings {
    char *host;
    int64_t port; /* 0: by use_tls */
    char *username;
    char *password_file;
    bool use_tls;
    bool skip_host_check;
    char *ca_file, *cert_file, *key_file;
    int64_t keepalive_ms;
    char *topic_prefix;
    char password[BROKER_PASSWORD_BYTES_MAX]; /* filled by broker_settings_check */
};

extern const struct option broker_options[];

/* What no single option can tell: which go together. Reads the password. 0, or CONFIG_BAD with
 * *error filled. */
WARN_UNUSED int broker_settings_check(struct broker_settings *settings, struct config_error *error);

/* The session's options, pointing into the settings. A password without a user name goes with the
 * client id as name. The caller fills in subscriptions, will and provider. */
struct mqtt_options broker_session(const struct broker_settings *settings, const char *client_id,
                                   struct clock *clock);

#endif
