#include "common/mqtt_instance.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct instance {
    struct mqtt_instance public;
    mosquitto_property *properties;
    char *host;
    uint16_t port;
    int keepalive_s;
    int result, error;  /* of the connect */
    atomic_int holders; /* the owner, and the thread while it runs */
    atomic_bool is_opened;
    int opened_fd;
};

static bool has_text(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void release(struct instance *instance)
{
    if (atomic_fetch_sub(&instance->holders, 1) != 1)
        return;
    mosquitto_destroy(instance->public.mosquitto);
    mosquitto_property_free_all(&instance->properties);
    if (instance->opened_fd >= 0)
        close(instance->opened_fd);
    free(instance->host);
    free(instance);
}

static void release_local(struct instance **instance)
{
    if (*instance != NULL)
        release(*instance);
}

static void on_log(struct mosquitto *mosquitto, void *context, int level, const char *text)
{
    struct mqtt_instance *instance = context;

    (void)mosquitto;
    struct mqtt_tls_error *error = &instance->tls_error;
    if (level == MOSQ_LOG_ERR && error->text[0] == '\0' && strstr(text, "OpenSSL") != NULL)
        (void)snprintf(error->text, sizeof error->text, "%s", mqtt_tls_error_reason(text));
}

static int from_mosquitto(int result)
{
    switch (result) {
    case MOSQ_ERR_SUCCESS:
        return 0;
    case MOSQ_ERR_NOMEM:
        return -ENOMEM;
    default:
        return -EINVAL;
    }
}

static int set_tls(struct mqtt_instance *instance, const struct mqtt_options *options)
{
    SSL_CTX *context;

    if (!options->use_tls)
        return 0;
    int r = mqtt_tls_context(options, &context, &instance->tls_error);
    if (r != 0)
        return r == MQTT_TLS_BAD ? MQTT_INSTANCE_BAD : r;
    int result = mosquitto_void_option(instance->mosquitto, MOSQ_OPT_SSL_CTX, context);
    SSL_CTX_free(context);          /* libmosquitto has its own reference */
    if (result == MOSQ_ERR_SUCCESS) /* it is to leave ours as it is */
        result = mosquitto_int_option(instance->mosquitto, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    return from_mosquitto(result);
}

/* Without MOSQ_OPT_SEND_MAXIMUM libmosquitto would keep to 20 where the broker names no number. */
static int set_protocol(struct instance *instance, uint16_t receive_maximum)
{
    struct mosquitto *mosquitto = instance->public.mosquitto;

    int r = mosquitto_int_option(mosquitto, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    if (r == MOSQ_ERR_SUCCESS)
        r = mosquitto_int_option(mosquitto, MOSQ_OPT_RECEIVE_MAXIMUM, receive_maximum);
    if (r == MOSQ_ERR_SUCCESS)
        r = mosquitto_int_option(mosquitto, MOSQ_OPT_SEND_MAXIMUM, UINT16_MAX);
    if (r == MOSQ_ERR_SUCCESS)
        r = mosquitto_int_option(mosquitto, MOSQ_OPT_TCP_NODELAY, 1);
    if (r == MOSQ_ERR_SUCCESS)
        r = mosquitto_property_add_int32(&instance->properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
                                         MQTT_PACKET_BYTES_MAX);
    return from_mosquitto(r);
}

static int set_identity(struct mosquitto *mosquitto, const struct mqtt_options *options)
{
    int r = MOSQ_ERR_SUCCESS;

    if (has_text(options->username))
        r = mosquitto_username_pw_set(mosquitto, options->username,
                                      has_text(options->password) ? options->password : NULL);
    if (r == MOSQ_ERR_SUCCESS && options->will_topic != NULL)
        r = mosquitto_will_set_v5(mosquitto, options->will_topic, (int)options->will_bytes,
                                  options->will_payload, 1, true, NULL);
    return from_mosquitto(r);
}

/* The thread. connect(2) is libmosquitto's, and may take as long as the kernel tries. */
static void *open_thread(void *context)
{
    struct instance *instance = context;
    const uint64_t one = 1;

    errno = 0;
    instance->result =
        mosquitto_connect_bind_v5(instance->public.mosquitto, instance->host, instance->port,
                                  instance->keepalive_s, NULL, instance->properties);
    instance->error = errno;
    atomic_store(&instance->is_opened, true);
    (void)!write(instance->opened_fd, &one, sizeof one); /* cannot fail at the first count */
    release(instance);
    return NULL;
}

/* Signals are the owner's. */
static int start_thread(struct instance *instance)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    sigfillset(&all);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&instance->holders, 1);
    r = pthread_create(&thread, &attributes, open_thread, instance);
    if (r != 0)
        atomic_fetch_sub(&instance->holders, 1);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

static int set_up(struct instance *instance, const struct mqtt_options *options)
{
    instance->opened_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (instance->opened_fd < 0)
        return -errno;
    instance->host = strdup(options->host);
    instance->public.mosquitto = mosquitto_new(options->client_id, true, instance);
    if (instance->host == NULL || instance->public.mosquitto == NULL)
        return -ENOMEM;
    mosquitto_log_callback_set(instance->public.mosquitto, on_log);
    int r = set_protocol(instance, options->receive_maximum);
    if (r == 0)
        r = set_identity(instance->public.mosquitto, options);
    if (r == 0)
        r = set_tls(&instance->public, options);
    return r;
}

int mqtt_instance_new(const struct mqtt_options *options, void *owner,
                      struct mqtt_instance **instance_out, struct mqtt_tls_error *error)
{
    __attribute__((cleanup(release_local))) struct instance *instance = calloc(1, sizeof *instance);

    if (instance == NULL)
        return -ENOMEM;
    atomic_init(&instance->holders, 1);
    atomic_init(&instance->is_opened, false);
    instance->opened_fd = -1;
    instance->port = options->port;
    instance->keepalive_s = (int)(options->keepalive_ms / 1000);
    instance->public.owner = owner;
    int r = set_up(instance, options);
    if (r == MQTT_INSTANCE_BAD)
        *error = instance->public.tls_error;
    if (r != 0)
        return r;
    *instance_out = &instance->public;
    instance = NULL;
    return 0;
}

static struct instance *private_of(struct mqtt_instance *instance)
{
    return (struct instance *)instance;
}

void mqtt_instance_free(struct mqtt_instance *instance)
{
    if (instance != NULL)
        release(private_of(instance));
}

int mqtt_instance_open(struct mqtt_instance *instance)
{
    return start_thread(private_of(instance));
}

int mqtt_instance_opened_fd(const struct mqtt_instance *instance)
{
    return ((const struct instance *)instance)->opened_fd;
}

bool mqtt_instance_is_opened(struct mqtt_instance *instance, int *result_out, int *errno_out)
{
    const struct instance *private = private_of(instance);

    if (!atomic_load(&private->is_opened))
        return false;
    *result_out = private->result;
    *errno_out = private->error;
    return true;
}
