/* The session over TLS, against the real mosquitto with certificates of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/mqtt.h"
#include "common/mqtt_tls.h"
#include "tests/unit/broker.h"
#include "tests/unit/certificates.h"

#define WAIT_MS 30000
#define DAY_S 86400L

/* --- one session --- */

struct fixture {
    struct broker broker;
    struct mqtt *mqtt;
    int ready, lost, received;
    char reason[MQTT_ERROR_TEXT_MAX];
    char ca[BROKER_PATH_BYTES_MAX];
    size_t size;
};

static void on_ready(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max)
{
    struct fixture *fixture = context;

    (void)receive_maximum;
    (void)packet_bytes_max;
    fixture->ready++;
}

static void on_lost(void *context, uint8_t code, const char *reason)
{
    struct fixture *fixture = context;

    (void)code;
    fixture->lost++;
    (void)snprintf(fixture->reason, sizeof fixture->reason, "%s", reason);
}

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size,
                        bool is_retained)
{
    struct fixture *fixture = context;

    (void)topic;
    (void)payload;
    (void)is_retained;
    fixture->received++;
    fixture->size += size;
}

static const struct mqtt_events events = {
    .ready = on_ready, .lost = on_lost, .received = on_received};

static struct mqtt_options options_for(const struct fixture *fixture)
{
    return (struct mqtt_options){.host = "localhost",
                                 .port = fixture->broker.port,
                                 .client_id = "tls",
                                 .use_tls = true,
                                 .ca_file = fixture->ca,
                                 .keepalive_ms = 60000,
                                 .receive_maximum = 100,
                                 .clock = clock_system()};
}

static bool turn_until(struct fixture *fixture, const int *count, int wanted)
{
    int64_t deadline_ms = clock_boot_ms(clock_system()) + WAIT_MS;

    while (*count < wanted && clock_boot_ms(clock_system()) < deadline_ms)
        (void)mqtt_turn(fixture->mqtt, 20);
    return *count >= wanted;
}

static void open_session(struct fixture *fixture, const struct mqtt_options *options)
{
    fixture->ready = fixture->lost = fixture->received = 0;
    fixture->size = 0;
    assert_int_equal(mqtt_open(options, &events, fixture, &fixture->mqtt), 0);
}

static void close_session(struct fixture *fixture)
{
    mqtt_close(fixture->mqtt);
    fixture->mqtt = NULL;
}

static void expect_ready(struct fixture *fixture, const struct mqtt_options *options)
{
    open_session(fixture, options);
    if (!turn_until(fixture, &fixture->ready, 1))
        fail_msg("not ready: %s", fixture->reason);
    assert_int_equal(fixture->lost, 0);
    close_session(fixture);
}

static bool is_reason(const struct fixture *fixture, const struct mqtt_options *options,
                      const char *reason)
{
    char want[MQTT_ERROR_TEXT_MAX];

    (void)snprintf(want, sizeof want, "%s:%u: %s", options->host, options->port, reason);
    return strcmp(fixture->reason, want) == 0;
}

/* The first attempt fails with one of these behind "HOST:PORT: "; the second may be NULL. */
static void expect_lost_or(struct fixture *fixture, const struct mqtt_options *options,
                           const char *reason, const char *other)
{
    open_session(fixture, options);
    assert_true(turn_until(fixture, &fixture->lost, 1));
    assert_int_equal(fixture->ready, 0);
    if (!is_reason(fixture, options, reason) &&
        (other == NULL || !is_reason(fixture, options, other)))
        fail_msg("\"%s\" is not \"%s\"", fixture->reason, reason);
    close_session(fixture);
}

static void expect_lost(struct fixture *fixture, const struct mqtt_options *options,
                        const char *reason)
{
    expect_lost_or(fixture, options, reason, NULL);
}

/* --- certificates and brokers --- */

static void make_certificates(const char *dir)
{
    static const char hosts[] = "DNS:localhost,IP:127.0.0.1";
    static const struct certificate all[] = {
        {"ca", NULL, NULL, true, -DAY_S, DAY_S},
        {"other-ca", NULL, NULL, true, -DAY_S, DAY_S},
        {"server", "ca", hosts, false, -DAY_S, DAY_S},
        {"expired", "ca", hosts, false, -2 * DAY_S, -DAY_S},
        {"early", "ca", hosts, false, DAY_S, 2 * DAY_S},
        {"elsewhere", "ca", "DNS:broker.example,IP:192.0.2.1", false, -DAY_S, DAY_S},
        {"partial", "ca", "DNS:local*", false, -DAY_S, DAY_S},
        {"client", "ca", NULL, false, -DAY_S, DAY_S},
        {"stranger", "other-ca", NULL, false, -DAY_S, DAY_S},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        certificate_make(dir, &all[i]);
}

static void start_broker(struct fixture *fixture, const char *server, const char *more)
{
    const char *dir = fixture->broker.files.root;
    char lines[800];

    broker_stop(&fixture->broker);
    (void)snprintf(lines, sizeof lines,
                   "allow_anonymous true\ncafile %s/ca.pem\ncertfile %s/%s.pem\n"
                   "keyfile %s/%s.key\n%s",
                   dir, dir, server, dir, server, more);
    broker_start(&fixture->broker, lines);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    broker_init(&fixture->broker);
    make_certificates(fixture->broker.files.root);
    broker_path(&fixture->broker, "ca.pem", fixture->ca);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    mqtt_close(fixture->mqtt);
    broker_deinit(&fixture->broker);
    free(fixture);
    return 0;
}

/* --- tests --- */

static void test_good(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);

    start_broker(fixture, "server", "");
    expect_ready(fixture, &options);
    options.host = "127.0.0.1"; /* an address is checked as one */
    expect_ready(fixture, &options);
}

/* Large messages that come in one burst end within OpenSSL's records. */
static void test_data(void **state)
{
    struct fixture *fixture = *state;
    static const char *const everything[] = {"t/#", NULL};
    struct mqtt_options options = options_for(fixture);
    const int n = 40;
    const size_t size = 70001;
    char *payload = calloc(1, size);
    int id;

    assert_non_null(payload);
    start_broker(fixture, "server", "max_queued_messages 0");
    options.subscriptions = everything;
    open_session(fixture, &options);
    assert_true(turn_until(fixture, &fixture->ready, 1));
    for (int i = 0; i < n; i++) {
        const struct mqtt_message message = {
            .topic = "t/x", .payload = payload, .size = i % 2 == 0 ? size : 1};
        assert_int_equal(mqtt_publish(fixture->mqtt, &message, &id), 0);
    }
    free(payload);
    assert_true(turn_until(fixture, &fixture->received, n));
    assert_int_equal(fixture->size, (size + 1) * (size_t)n / 2);
    assert_int_equal(fixture->lost, 0);
}

static void test_refused_certificates(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *server, *host, *reason;
    } cases[] = {
        {"expired", "localhost", "TLS: certificate verify failed: certificate has expired"},
        {"early", "localhost", "TLS: certificate verify failed: certificate is not yet valid"},
        {"elsewhere", "localhost", "TLS: certificate verify failed: hostname mismatch"},
        {"elsewhere", "127.0.0.1", "TLS: certificate verify failed: IP address mismatch"},
        {"partial", "localhost", "TLS: certificate verify failed: hostname mismatch"},
    };
    struct mqtt_options options = options_for(fixture);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start_broker(fixture, cases[i].server, "");
        options.host = cases[i].host;
        expect_lost(fixture, &options, cases[i].reason);
    }
    start_broker(fixture, "elsewhere", "");
    options.skip_host_check = true;
    expect_ready(fixture, &options);
    start_broker(fixture, "expired", ""); /* it is the host alone that is not checked */
    expect_lost(fixture, &options, cases[0].reason);
}

/* Validity by the options' time: in 1970, then, and in a hundred years. */
static struct mqtt_time early_time(void *context)
{
    return (struct mqtt_time){.is_right = *(const bool *)context, .utc_ms = 0};
}

static struct mqtt_time late_time(void *context)
{
    const int64_t century_ms = INT64_C(100) * 365 * 86400 * 1000;
    return (struct mqtt_time){.is_right = *(const bool *)context,
                              .utc_ms = (int64_t)time(NULL) * 1000 + century_ms};
}

static struct mqtt_time week_ago(void *context)
{
    return (struct mqtt_time){.is_right = *(const bool *)context,
                              .utc_ms = ((int64_t)time(NULL) - 7 * DAY_S) * 1000};
}

static void test_time_is_right(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);
    bool is_right = true;

    options.time_context = &is_right;
    start_broker(fixture, "server", "");
    options.time = early_time;
    expect_lost(fixture, &options, "TLS: certificate verify failed: certificate is not yet valid");
    options.time = late_time;
    expect_lost(fixture, &options, "TLS: certificate verify failed: certificate has expired");
}

static void test_time_is_not_known(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);
    bool is_right = false;

    options.time_context = &is_right;
    start_broker(fixture, "server", "");
    options.time = early_time; /* nothing is known at all */
    expect_ready(fixture, &options);
    options.time = week_ago;
    expect_ready(fixture, &options);
    options.time = late_time; /* it is at least that late */
    expect_lost(fixture, &options, "TLS: certificate verify failed: certificate has expired");

    start_broker(fixture, "early", "");
    options.time = week_ago;
    expect_ready(fixture, &options);
    start_broker(fixture, "elsewhere", ""); /* nothing else is forgiven */
    expect_lost(fixture, &options, "TLS: certificate verify failed: hostname mismatch");
    char other[BROKER_PATH_BYTES_MAX];
    broker_path(&fixture->broker, "other-ca.pem", other);
    start_broker(fixture, "server", "");
    options.ca_file = other;
    expect_lost(fixture, &options,
                "TLS: certificate verify failed: self-signed certificate in certificate chain");
}

static void test_authorities(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);
    char path[BROKER_PATH_BYTES_MAX];

    start_broker(fixture, "server", "");
    broker_path(&fixture->broker, "other-ca.pem", path);
    options.ca_file = path;
    expect_lost(fixture, &options,
                "TLS: certificate verify failed: self-signed certificate in certificate chain");
    options.ca_file = ""; /* the system's, which do not know us either */
    expect_lost(fixture, &options,
                "TLS: certificate verify failed: self-signed certificate in certificate chain");
}

static void test_files(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);
    char text[BROKER_PATH_BYTES_MAX], key[BROKER_PATH_BYTES_MAX];
    char want[MQTT_ERROR_TEXT_MAX];

    options.ca_file = "/nonexistent/ca.pem";
    expect_lost(fixture, &options, "TLS: /nonexistent/ca.pem: No such file or directory");

    broker_write(&fixture->broker, "text.pem", "this is no certificate\n");
    broker_path(&fixture->broker, "text.pem", text);
    options.ca_file = text;
    (void)snprintf(want, sizeof want, "TLS: %s: no certificate or crl found", text);
    expect_lost(fixture, &options, want);

    options.ca_file = fixture->ca;
    options.cert_file = text;
    (void)snprintf(want, sizeof want, "TLS: %s: no start line", text);
    expect_lost(fixture, &options, want);

    options.cert_file = fixture->ca; /* a key, but that of another */
    broker_path(&fixture->broker, "client.key", key);
    options.key_file = key;
    (void)snprintf(want, sizeof want, "TLS: %s: key values mismatch", key);
    expect_lost(fixture, &options, want);

    options.key_file = "/nonexistent/client.key";
    expect_lost(fixture, &options, "TLS: /nonexistent/client.key: No such file or directory");
}

static void test_client_certificate(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);
    char certificate[BROKER_PATH_BYTES_MAX], key[BROKER_PATH_BYTES_MAX];

    start_broker(fixture, "server", "require_certificate true");
    /* Which of the two depends on who is faster. */
    expect_lost_or(fixture, &options, "TLS: tlsv13 alert certificate required",
                   "TLS: closed by the broker after the handshake (does it want a client "
                   "certificate?)");

    broker_path(&fixture->broker, "stranger.pem", certificate);
    broker_path(&fixture->broker, "stranger.key", key);
    options.cert_file = certificate;
    options.key_file = key;
    expect_lost_or(fixture, &options, "TLS: tlsv1 alert unknown ca",
                   "TLS: closed by the broker after the handshake (does it refuse our "
                   "certificate?)");

    broker_path(&fixture->broker, "client.pem", certificate);
    broker_path(&fixture->broker, "client.key", key);
    expect_ready(fixture, &options);
}

static void test_wrong_kind_of_port(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);

    start_broker(fixture, "server", "");
    options.use_tls = false;
    expect_lost(fixture, &options,
                "closed by the broker before it answered CONNECT (does this port expect TLS?)");
    broker_stop(&fixture->broker);
    broker_start(&fixture->broker, "allow_anonymous true");
    options.use_tls = true;
    open_session(fixture, &options);
    assert_true(turn_until(fixture, &fixture->lost, 1));
    assert_non_null(strstr(fixture->reason, ": TLS: ")); /* closed, or an answer that is not TLS */
}

static void test_old_protocol(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture);

    start_broker(fixture, "server", "tls_version tlsv1.2");
    expect_ready(fixture, &options);
}

static void test_error_reason(void **state)
{
    (void)state;
    assert_string_equal(mqtt_tls_error_reason("error:0A000086:SSL routines::certificate verify"),
                        "certificate verify");
    assert_string_equal(mqtt_tls_error_reason("plain"), "plain");
    assert_string_equal(mqtt_tls_error_reason(""), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
        TEST(test_good),
        TEST(test_data),
        TEST(test_refused_certificates),
        TEST(test_time_is_right),
        TEST(test_time_is_not_known),
        TEST(test_authorities),
        TEST(test_files),
        TEST(test_client_certificate),
        TEST(test_wrong_kind_of_port),
        TEST(test_old_protocol),
        cmocka_unit_test(test_error_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
