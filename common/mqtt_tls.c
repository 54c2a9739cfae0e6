#include "common/mqtt_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS_PER_S 1000

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* OpenSSL's first error is the cause, what follows it says where it was noticed. */
static int fail(struct mqtt_tls_error *error, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    snprintf(error->text, sizeof error->text, "%s: %s", what,
             reason == NULL ? "not usable" : reason);
    return MQTT_TLS_BAD;
}

/* OpenSSL calls a file that is not there a "system lib" error; errno says it better. */
static int check_file(const char *path, struct mqtt_tls_error *error)
{
    if (access(path, R_OK) == 0)
        return 0;
    snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(errno));
    return MQTT_TLS_BAD;
}

static int load_authorities(SSL_CTX *context, const char *ca_file, struct mqtt_tls_error *error)
{
    if (!has_text(ca_file)) {
        if (SSL_CTX_set_default_verify_paths(context) != 1)
            return fail(error, "the system's certificate authorities");
        return 0;
    }
    int r = check_file(ca_file, error);
    if (r != 0)
        return r;
    if (SSL_CTX_load_verify_file(context, ca_file) != 1)
        return fail(error, ca_file);
    return 0;
}

static int load_certificate(SSL_CTX *context, const struct mqtt_options *options,
                            struct mqtt_tls_error *error)
{
    if (!has_text(options->cert_file))
        return 0;
    const char *key_file = has_text(options->key_file) ? options->key_file : options->cert_file;
    int r = check_file(options->cert_file, error);
    if (r == 0)
        r = check_file(key_file, error);
    if (r != 0)
        return r;
    if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1)
        return fail(error, options->cert_file);
    /* Compares the key with the certificate, too. */
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return fail(error, key_file);
    return 0;
}

/* RFC 6125: the name as configured, never what it resolves to. */
static int expect_host(SSL_CTX *context, const char *host, struct mqtt_tls_error *error)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    unsigned char address[sizeof(struct in6_addr)];
    bool is_address =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    int ok;

    if (is_address) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, host);
    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = X509_VERIFY_PARAM_set1_host(param, host, 0);
    }
    return ok == 1 ? 0 : fail(error, host);
}

/* OpenSSL's callback for each certificate of the chain; goes by what OpenSSL found. */
static int on_verify(int is_good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mqtt_tls_error *error = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (is_good == 0 && error->text[0] == '\0')
        (void)snprintf(error->text, sizeof error->text, "certificate verify failed: %s",
                       X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    return is_good;
}

/* The same, but for a certificate that begins only later: nobody knows how late it is. The time
 * that is checked against is the earliest that it can be, so one that is over is really over. */
static int on_verify_without_start(int is_good, X509_STORE_CTX *store)
{
    if (is_good == 0 && X509_STORE_CTX_get_error(store) == X509_V_ERR_CERT_NOT_YET_VALID) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    return on_verify(is_good, store);
}

static void set_verify(SSL_CTX *context, const struct mqtt_options *options)
{
    struct mqtt_time time = {.is_right = true};
    if (options->time != NULL) {
        time = options->time(options->time_context);
        X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(context), (time_t)(time.utc_ms / MS_PER_S));
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER,
                       time.is_right ? on_verify : on_verify_without_start);
}

static int set_up(SSL_CTX *context, const struct mqtt_options *options,
                  struct mqtt_tls_error *error)
{
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        return fail(error, "TLS 1.2");
    /* Buffers of an idle connection are given back: tens of kilobytes on a small machine. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_app_data(context, error);
    set_verify(context, options);
    int r = load_authorities(context, options->ca_file, error);
    if (r == 0)
        r = load_certificate(context, options, error);
    if (r == 0 && !options->skip_host_check)
        r = expect_host(context, options->host, error);
    return r;
}

int mqtt_tls_context(const struct mqtt_options *options, SSL_CTX **context_out,
                     struct mqtt_tls_error *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        return -ENOMEM;
    int r = set_up(context, options, error);
    if (r != 0) {
        SSL_CTX_free(context);
        return r;
    }
    *context_out = context;
    return 0;
}

const char *mqtt_tls_error_reason(const char *line)
{
    const char *last = strrchr(line, ':');

    return last == NULL ? line : last + 1;
}
