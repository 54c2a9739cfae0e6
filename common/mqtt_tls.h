/*
 * TLS for a connection to the broker. libmosquitto takes our SSL_CTX, so that OpenSSL itself checks
 * the host's name and the reason for a failure can be told. Knows nothing of MQTT.
 */
#ifndef SHOAL_COMMON_MQTT_TLS_H
#define SHOAL_COMMON_MQTT_TLS_H

#include <openssl/ssl.h>

#include "common/mqtt.h"

enum { MQTT_TLS_BAD = 1 };

/* What is wrong, for people: "/etc/shoal/ca.pem: No such file or directory",
 * "certificate verify failed: certificate has expired". */
struct mqtt_tls_error {
    char text[MQTT_ERROR_TEXT_MAX];
};

/*
 * A context by the options: TLS 1.2 at least, the peer checked against ca_file or the system's
 * authorities and, unless skip_host_check, against the host's name or address. The time by which
 * it is checked is that of now, as the options' `time` has it. Reads the files, so
 * that a renewed certificate is taken by the next connection. Free it with SSL_CTX_free.
 *
 * *error has to outlive the context: it is filled, too, when the peer's certificate is refused.
 * libmosquitto may have thrown its SSL away by the time that it tells of the failure.
 *
 * 0, MQTT_TLS_BAD with *error filled, -ENOMEM.
 */
WARN_UNUSED int mqtt_tls_context(const struct mqtt_options *options, SSL_CTX **context_out,
                                 struct mqtt_tls_error *error);

/* The last part of an OpenSSL error line, "error:0A000086:SSL routines::certificate verify failed".
 */
const char *mqtt_tls_error_reason(const char *line);

#endif
