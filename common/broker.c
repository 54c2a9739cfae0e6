#include "common/broker.h"

#include <stdio.h>

#include "common/topic.h"

static const char *check_host(const char *host)
{
    return host[0] == '\0' ? "a host name or address is needed" : NULL;
}

static const char *check_prefix(const char *prefix)
{
    return topic_prefix_is_valid(prefix) ? NULL : "not a topic: no wildcards and no empty levels";
}

const struct option broker_options[] = {
    {.name = "host",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, host),
     .default_text = "localhost",
     .check = check_host,
     .help = "Name or address of the MQTT broker."},
    {.name = "port",
     .type = OPTION_INTEGER,
     .offset = offsetof(struct broker_settings, port),
     .default_text = "0",
     .max = UINT16_MAX,
     .help = "Its TCP port; 0: 8883 with TLS, else 1883."},
    {.name = "username",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, username),
     .default_text = "",
     .help = "User at the broker. Empty: the own id where there is a password, else nobody."},
    {.name = "password_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, password_file),
     .default_text = "",
     .help = "File that holds the password."},
    {.name = "tls",
     .type = OPTION_BOOL,
     .offset = offsetof(struct broker_settings, use_tls),
     .default_text = "false",
     .help = "Encrypt, and check the broker's certificate."},
    {.name = "ca_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, ca_file),
     .default_text = "",
     .help = "Certificates (PEM) that vouch for the broker; empty: the system's."},
    {.name = "cert_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, cert_file),
     .default_text = "",
     .help = "Own certificate (PEM), for brokers that ask for one."},
    {.name = "key_file",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, key_file),
     .default_text = "",
     .help = "Private key (PEM) of the own certificate."},
    {.name = "skip_host_check",
     .type = OPTION_BOOL,
     .offset = offsetof(struct broker_settings, skip_host_check),
     .default_text = "false",
     .help = "Take a certificate that names another host. Anybody with one can then listen in."},
    {.name = "keepalive",
     .type = OPTION_DURATION,
     .offset = offsetof(struct broker_settings, keepalive_ms),
     .default_text = "60s",
     .min = MQTT_KEEPALIVE_MS_MIN,
     .max = MQTT_KEEPALIVE_MS_MAX,
     .help = "After this time without traffic the connection is tried."},
    {.name = "topic_prefix",
     .type = OPTION_TEXT,
     .offset = offsetof(struct broker_settings, topic_prefix),
     .default_text = TOPIC_PREFIX_DEFAULT,
     .check = check_prefix,
     .help = "What all topics begin with; the same for agents and collectors."},
    OPTIONS_END,
};

static int bad(struct config_error *error, const char *what)
{
    (void)snprintf(error->text, sizeof(error->text), BROKER_SECTION ".%s", what);
    return CONFIG_BAD;
}

int broker_settings_check(struct broker_settings *settings, struct config_error *error)
{
    bool has_cert = settings->cert_file[0] != '\0';
    bool has_key = settings->key_file[0] != '\0';
    if (has_cert && !has_key)
        return bad(error, "cert_file: key_file is missing");
    if (has_key && !has_cert)
        return bad(error, "key_file: cert_file is missing");
    if (!settings->use_tls && has_cert)
        return bad(error, "cert_file: needs tls: true");
    if (!settings->use_tls && settings->ca_file[0] != '\0')
        return bad(error, "ca_file: needs tls: true");
    return config_read_secret(settings->password_file, settings->password,
                              sizeof(settings->password), error);
}

struct mqtt_options broker_session(const struct broker_settings *settings, const char *client_id,
                                   struct clock *clock)
{
    int64_t port = settings->use_tls ? BROKER_PORT_TLS : BROKER_PORT;
    bool is_unnamed = settings->username[0] == '\0' && settings->password[0] != '\0';
    return (struct mqtt_options){
        .host = settings->host,
        .port = (uint16_t)(settings->port != 0 ? settings->port : port),
        .client_id = client_id,
        .username = is_unnamed ? client_id : settings->username,
        .password = settings->password,
        .use_tls = settings->use_tls,
        .ca_file = settings->ca_file,
        .cert_file = settings->cert_file,
        .key_file = settings->key_file,
        .skip_host_check = settings->skip_host_check,
        .keepalive_ms = settings->keepalive_ms,
        .receive_maximum = BROKER_RECEIVE_MAXIMUM,
        .clock = clock,
    };
}
