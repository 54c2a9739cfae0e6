/* The session against the real mosquitto. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/mqtt.h"
#include "tests/unit/broker.h"
#include "tests/unit/fault_alloc.h"

#define CLIENTS 3
#define WAIT_MS 30000
#define OPEN_TO_ALL "allow_anonymous true"

/* --- a clock that can be put forward --- */

struct test_clock {
    struct clock clock;
    int64_t ahead_us;
};

static int64_t test_boot_us(struct clock *clock)
{
    return clock_system()->boot_us(clock_system()) + ((struct test_clock *)clock)->ahead_us;
}

/* --- clients --- */

#define PUBLISHED_MAX 64

struct client {
    struct mqtt *mqtt;
    int ready, lost;
    uint16_t receive_maximum;
    uint32_t packet_bytes_max;
    uint8_t code;
    char reason[MQTT_ERROR_TEXT_MAX];
    int received;
    char topic[64];
    char payload[64]; /* as text */
    size_t size;
    bool is_retained;
    int published;
    int ids[PUBLISHED_MAX];
    uint8_t reasons[PUBLISHED_MAX];
    /* Done within the events. */
    const char *publish_when_ready;
    int64_t delay_when_lost_ms; /* -1: none */
    bool drop_when_received;
};

struct fixture {
    struct broker broker;
    struct test_clock clock;
    struct client clients[CLIENTS];
};

static int64_t now_ms(void)
{
    return clock_boot_ms(clock_system());
}

static int publish(struct client *client, const char *topic, const char *text, bool is_retained)
{
    int id = 0;
    const struct mqtt_message message = {
        .topic = topic, .payload = text, .size = strlen(text), .is_retained = is_retained};

    assert_int_equal(mqtt_publish(client->mqtt, &message, &id), 0);
    assert_true(id > 0);
    return id;
}

static void on_ready(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max)
{
    struct client *client = context;

    client->ready++;
    client->receive_maximum = receive_maximum;
    client->packet_bytes_max = packet_bytes_max;
    assert_true(mqtt_is_ready(client->mqtt));
    if (client->publish_when_ready != NULL)
        (void)publish(client, client->publish_when_ready, "hello", false);
}

static void on_lost(void *context, uint8_t code, const char *reason)
{
    struct client *client = context;

    client->lost++;
    client->code = code;
    (void)snprintf(client->reason, sizeof client->reason, "%s", reason);
    assert_false(mqtt_is_ready(client->mqtt));
    if (client->delay_when_lost_ms >= 0)
        mqtt_drop(client->mqtt, client->delay_when_lost_ms);
}

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size,
                        bool is_retained)
{
    struct client *client = context;
    size_t shown = size < sizeof client->payload ? size : sizeof client->payload - 1;

    client->received++;
    (void)snprintf(client->topic, sizeof client->topic, "%s", topic);
    if (shown > 0)
        memcpy(client->payload, payload, shown);
    client->payload[shown] = '\0';
    client->size = size;
    client->is_retained = is_retained;
    if (client->drop_when_received) {
        mqtt_drop(client->mqtt, 0);
        assert_false(mqtt_is_ready(client->mqtt));
    }
}

static void on_published(void *context, int id, uint8_t reason)
{
    struct client *client = context;

    assert_true(client->published < PUBLISHED_MAX);
    client->ids[client->published] = id;
    client->reasons[client->published++] = reason;
}

static const struct mqtt_events events = {
    .ready = on_ready, .lost = on_lost, .received = on_received, .published = on_published};

static const char *const everything[] = {"t/#", NULL};

/* Good for OPEN_TO_ALL; the client's number makes its id. */
static struct mqtt_options options_for(struct fixture *fixture, int number)
{
    static const char *const ids[CLIENTS] = {"client-0", "client-1", "client-2"};

    return (struct mqtt_options){.host = "127.0.0.1",
                                 .port = fixture->broker.port,
                                 .client_id = ids[number],
                                 .username = "",
                                 .password = "",
                                 .ca_file = "",
                                 .cert_file = "",
                                 .key_file = "",
                                 .keepalive_ms = 60000,
                                 .receive_maximum = 100,
                                 .clock = &fixture->clock.clock};
}

static struct client *open_client(struct fixture *fixture, int number,
                                  const struct mqtt_options *options)
{
    struct client *client = &fixture->clients[number];

    *client = (struct client){.delay_when_lost_ms = -1};
    assert_int_equal(mqtt_open(options, &events, client, &client->mqtt), 0);
    return client;
}

static void close_client(struct client *client)
{
    mqtt_close(client->mqtt);
    client->mqtt = NULL;
}

static void turn_all(struct fixture *fixture)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (fixture->clients[i].mqtt != NULL)
            (void)mqtt_turn(fixture->clients[i].mqtt, 5);
    }
}

/* Turns all clients until the condition holds; fails after WAIT_MS. */
#define TURN_UNTIL(fixture_, condition_)                                                           \
    do {                                                                                           \
        int64_t deadline_ = now_ms() + WAIT_MS;                                                    \
        while (!(condition_)) {                                                                    \
            if (now_ms() > deadline_)                                                              \
                fail_msg("waited for: %s", #condition_);                                           \
            turn_all(fixture_);                                                                    \
        }                                                                                          \
    } while (0)

/* A client that is ready. */
static struct client *connect_client(struct fixture *fixture, int number,
                                     const char *const *subscriptions)
{
    struct mqtt_options options = options_for(fixture, number);

    options.subscriptions = subscriptions;
    struct client *client = open_client(fixture, number, &options);
    TURN_UNTIL(fixture, client->ready == 1 || client->lost > 0);
    if (client->lost > 0)
        fail_msg("%s", client->reason);
    return client;
}

static void assert_reason(const struct fixture *fixture, const struct client *client,
                          const char *host, const char *reason)
{
    char want[MQTT_ERROR_TEXT_MAX];

    (void)snprintf(want, sizeof want, "%s:%u: %s", host, fixture->broker.port, reason);
    assert_string_equal(client->reason, want);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->clock.clock = *clock_system();
    fixture->clock.clock.boot_us = test_boot_us;
    broker_init(&fixture->broker);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < CLIENTS; i++)
        mqtt_close(fixture->clients[i].mqtt);
    broker_deinit(&fixture->broker);
    free(fixture);
    return 0;
}

/* --- what works --- */

static void test_publish_and_receive(void **state)
{
    struct fixture *fixture = *state;
    char binary[] = {'a', 0, 'b'};
    int id = 0;

    broker_start(&fixture->broker, OPEN_TO_ALL "\nmax_inflight_messages 33");
    struct client *client = connect_client(fixture, 0, everything);
    assert_int_equal(client->receive_maximum, 33);
    assert_int_equal(client->packet_bytes_max, UINT32_MAX);

    int first = publish(client, "t/one", "hello", false);
    TURN_UNTIL(fixture, client->published == 1 && client->received == 1);
    assert_int_equal(client->ids[0], first);
    assert_int_equal(client->reasons[0], 0);
    assert_string_equal(client->topic, "t/one");
    assert_string_equal(client->payload, "hello");
    assert_false(client->is_retained);

    const struct mqtt_message empty = {.topic = "t/two"};
    assert_int_equal(mqtt_publish(client->mqtt, &empty, &id), 0);
    TURN_UNTIL(fixture, client->received == 2 && client->published == 2);
    assert_int_equal(client->size, 0);
    const struct mqtt_message nul = {.topic = "t/three", .payload = binary, .size = 3};
    assert_int_equal(mqtt_publish(client->mqtt, &nul, &id), 0);
    TURN_UNTIL(fixture, client->received == 3);
    assert_int_equal(client->size, 3);

    (void)publish(client, "nobody/listens", "x", false);
    TURN_UNTIL(fixture, client->published == 4);
    assert_int_equal(client->reasons[3], MQTT_NO_SUBSCRIBERS);
    assert_int_equal(client->lost, 0);
}

static void test_no_subscriptions(void **state)
{
    struct fixture *fixture = *state;

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *client = connect_client(fixture, 0, NULL);
    (void)publish(client, "t", "x", false);
    TURN_UNTIL(fixture, client->published == 1);
    assert_int_equal(client->reasons[0], MQTT_NO_SUBSCRIBERS);
}

static void test_several_subscriptions(void **state)
{
    struct fixture *fixture = *state;
    static const char *const four[] = {"a", "b", "c/+", "d/#", NULL};

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *client = connect_client(fixture, 0, four);
    (void)publish(client, "b", "1", false);
    (void)publish(client, "d/e/f", "2", false);
    TURN_UNTIL(fixture, client->received == 2);
    assert_string_equal(client->topic, "d/e/f");
}

/* More than fits the socket, far more in flight than libmosquitto's own limit of 20, and more than
 * the broker allows at once. */
static void test_many_large(void **state)
{
    struct fixture *fixture = *state;
    const size_t size = 150000;
    char *payload = malloc(size);
    int id;

    assert_non_null(payload);
    memset(payload, 'x', size);
    broker_start(&fixture->broker, OPEN_TO_ALL "\nmax_inflight_messages 30\n"
                                               "max_queued_messages 0");
    struct client *client = connect_client(fixture, 0, everything);
    for (int i = 0; i < PUBLISHED_MAX; i++) {
        const struct mqtt_message message = {.topic = "t/x", .payload = payload, .size = size};
        assert_int_equal(mqtt_publish(client->mqtt, &message, &id), 0);
    }
    free(payload);
    TURN_UNTIL(fixture, client->published == PUBLISHED_MAX && client->received == PUBLISHED_MAX);
    assert_int_equal(client->size, size);
}

static void test_within_events(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);

    broker_start(&fixture->broker, OPEN_TO_ALL);
    options.subscriptions = everything;
    struct client *client = open_client(fixture, 0, &options);
    client->publish_when_ready = "t/ready";
    TURN_UNTIL(fixture, client->received == 1);
    assert_string_equal(client->topic, "t/ready");

    client->drop_when_received = true; /* libmosquitto is on the stack then */
    (void)publish(client, "t/drop", "x", false);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_reason(fixture, client, "127.0.0.1", "dropped");
    client->drop_when_received = false;
    TURN_UNTIL(fixture, client->ready == 2); /* at once, not after a back-off */
}

/* --- the last will, and goodbye --- */

static struct client *connect_with_will(struct fixture *fixture, int number)
{
    struct mqtt_options options = options_for(fixture, number);

    options.will_topic = "t/will";
    options.will_payload = "offline";
    options.will_bytes = 7;
    struct client *client = open_client(fixture, number, &options);
    TURN_UNTIL(fixture, client->ready == 1);
    return client;
}

static void test_will(void **state)
{
    struct fixture *fixture = *state;

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *watcher = connect_client(fixture, 1, everything);
    struct client *client = connect_with_will(fixture, 0);
    assert_int_equal(mqtt_set_will(client->mqtt, "gone again", 10), 0);
    mqtt_drop(client->mqtt, 0);
    assert_false(mqtt_is_ready(client->mqtt));
    TURN_UNTIL(fixture, client->ready == 2 && watcher->received == 1);
    assert_string_equal(watcher->payload, "offline");
    assert_false(watcher->is_retained);
    assert_int_equal(client->lost, 1);

    mqtt_drop(client->mqtt, 3600000);
    TURN_UNTIL(fixture, watcher->received == 2);
    assert_string_equal(watcher->payload, "gone again");
    const struct client *late = connect_client(fixture, 2, everything);
    TURN_UNTIL(fixture, late->received == 1);
    assert_string_equal(late->payload, "gone again");
    assert_true(late->is_retained);
    assert_int_equal(client->ready, 2); /* still waiting */
}

static void test_goodbye(void **state)
{
    struct fixture *fixture = *state;

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *watcher = connect_client(fixture, 1, everything);
    struct client *client = connect_with_will(fixture, 0);
    for (int i = 0; i < 5; i++)
        (void)publish(client, "t/last", "words", false);
    close_client(client);
    TURN_UNTIL(fixture, watcher->received == 5);
    /* A will would have come before this. */
    (void)publish(watcher, "t/marker", "x", false);
    TURN_UNTIL(fixture, watcher->received == 6);
    assert_string_equal(watcher->topic, "t/marker");
}

/* A broker that takes nothing must not keep the program from ending. */
static void test_goodbye_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    const size_t size = 4 << 20;
    char *payload = calloc(1, size);
    int id;

    assert_non_null(payload);
    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *client = connect_client(fixture, 0, NULL);
    broker_freeze(&fixture->broker);
    for (int i = 0; i < 4; i++) {
        const struct mqtt_message message = {.topic = "t", .payload = payload, .size = size};
        assert_int_equal(mqtt_publish(client->mqtt, &message, &id), 0);
    }
    free(payload);
    int64_t start_ms = now_ms();
    close_client(client);
    int64_t took_ms = now_ms() - start_ms;
    assert_true(took_ms >= MQTT_CLOSE_MS_MAX / 2 && took_ms < 5 * INT64_C(1000));
}

/* --- refusals --- */

static void test_before_ready(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    const struct mqtt_message message = {.topic = "t"};
    struct client *client = open_client(fixture, 0, &options);
    int id = 7;

    assert_false(mqtt_is_ready(client->mqtt));
    assert_int_equal(mqtt_publish(client->mqtt, &message, &id), -ENOTCONN);
    assert_int_equal(id, 7);
}

static void test_too_large(void **state)
{
    struct fixture *fixture = *state;
    char payload[2100] = {0};
    int id;

    broker_start(&fixture->broker, OPEN_TO_ALL "\nmax_packet_size 2000");
    struct client *client = connect_client(fixture, 0, everything);
    assert_int_equal(client->packet_bytes_max, 2000);
    /* Fixed header 3, topic 2 + 3, id 2, properties 1. */
    struct mqtt_message message = {.topic = "t/x", .payload = payload, .size = 2000 - 11 + 1};
    assert_int_equal(mqtt_publish(client->mqtt, &message, &id), -EMSGSIZE);
    message.size--;
    assert_int_equal(mqtt_publish(client->mqtt, &message, &id), 0);
    TURN_UNTIL(fixture, client->published == 1);
    assert_int_equal(client->lost, 0);
}

static void test_bad_topics(void **state)
{
    struct fixture *fixture = *state;
    static const char *const topics[] = {"", "t/#", "t/+/x", "\xff\xfe"};
    int id;

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *client = connect_client(fixture, 0, NULL);
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        const struct mqtt_message message = {.topic = topics[i]};
        assert_int_equal(mqtt_publish(client->mqtt, &message, &id), -EINVAL);
    }
    (void)publish(client, "t", "x", false);
    TURN_UNTIL(fixture, client->published == 1);
    assert_int_equal(client->lost, 0);
}

static void test_bad_options(void **state)
{
    struct fixture *fixture = *state;
    static const char *const five[] = {"1", "2", "3", "4", "5", NULL};
    struct mqtt_options bad[8];
    struct mqtt *mqtt = NULL;

    for (size_t i = 0; i < 8; i++)
        bad[i] = options_for(fixture, 0);
    bad[0].host = "";
    bad[1].host = NULL;
    bad[2].port = 0; /* to libmosquitto it means a Unix socket */
    bad[3].client_id = "";
    bad[4].keepalive_ms = MQTT_KEEPALIVE_MS_MIN - 1;
    bad[5].keepalive_ms = MQTT_KEEPALIVE_MS_MAX + 1;
    bad[6].subscriptions = five;
    bad[7].will_topic = "t";
    bad[7].will_payload = "";
    bad[7].will_bytes = 65536;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(mqtt_open(&bad[i], &events, NULL, &mqtt), -EINVAL);
    assert_null(mqtt);

    struct mqtt_options no_will = options_for(fixture, 0);
    const struct client *client = open_client(fixture, 0, &no_will);
    assert_int_equal(mqtt_set_will(client->mqtt, "x", 1), -EINVAL);
    mqtt_close(NULL);
}

/* What mosquitto_passwd writes for user pi and password secret. */
static const char pi_secret[] =
    "pi:$7$101$Fb5ciHlQ8an4vF7S$tkQnej8RDRZzlClNeZBVB8m+reVCS1A6dud94qVYacydWiTuwvlnL"
    "ybG7d57duGgtGEhb3E+NYIWetSDanJ0tQ==\n";

static void start_with_users(struct fixture *fixture)
{
    char lines[600], passwords[BROKER_PATH_BYTES_MAX], acl[BROKER_PATH_BYTES_MAX];

    broker_write(&fixture->broker, "passwords", pi_secret);
    broker_write(&fixture->broker, "acl", "user pi\ntopic write t/mine\ntopic read t/#\n");
    broker_path(&fixture->broker, "passwords", passwords);
    broker_path(&fixture->broker, "acl", acl);
    (void)snprintf(lines, sizeof lines, "password_file %s\nacl_file %s\n", passwords, acl);
    broker_start(&fixture->broker, lines);
}

static void test_users(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);

    start_with_users(fixture);
    struct client *client = open_client(fixture, 0, &options);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_reason(fixture, client, "127.0.0.1", "refused by the broker: Not authorized (0x87)");
    assert_int_equal(client->code, 0x87);
    assert_int_equal(client->ready, 0);
    close_client(client);

    options.username = "pi";
    options.password = "wrong";
    client = open_client(fixture, 0, &options);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_int_equal(client->code, 0x87);
    close_client(client);

    options.password = "secret";
    options.subscriptions = everything;
    client = open_client(fixture, 0, &options);
    TURN_UNTIL(fixture, client->ready == 1);
    (void)publish(client, "t/others", "x", false);
    (void)publish(client, "t/mine", "x", false);
    TURN_UNTIL(fixture, client->published == 2);
    assert_int_equal(client->reasons[0], 0x87);
    assert_int_equal(client->reasons[1], 0);
    assert_int_equal(client->lost, 0);
}

/* mosquitto's ACL files know no subscriptions; its plugin does. */
static void test_refused_subscription(void **state)
{
    static const char policy[] =
        "{\"defaultACLAccess\":{\"publishClientSend\":true,\"publishClientReceive\":true,"
        "\"subscribe\":false,\"unsubscribe\":true},\"clients\":[],"
        "\"groups\":[{\"groupname\":\"all\",\"roles\":[{\"rolename\":\"some\"}]}],"
        "\"roles\":[{\"rolename\":\"some\",\"acls\":[{\"acltype\":\"subscribePattern\","
        "\"topic\":\"t/#\",\"priority\":0,\"allow\":true}]}],\"anonymousGroup\":\"all\"}";
    struct fixture *fixture = *state;
    static const char *const topics[] = {"t/#", "other/#", NULL};
    struct mqtt_options options = options_for(fixture, 0);
    char lines[600], path[BROKER_PATH_BYTES_MAX];

    broker_write(&fixture->broker, "policy.json", policy);
    broker_path(&fixture->broker, "policy.json", path);
    (void)snprintf(lines, sizeof lines,
                   OPEN_TO_ALL "\nplugin mosquitto_dynamic_security.so\nplugin_opt_config_file %s",
                   path);
    broker_start(&fixture->broker, lines);
    options.subscriptions = topics;
    struct client *client = open_client(fixture, 0, &options);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_reason(fixture, client, "127.0.0.1",
                  "subscription to other/# refused: Not authorized (0x87)");
    assert_int_equal(client->code, 0x87);
    assert_int_equal(client->ready, 0);
    close_client(client);
    (void)connect_client(fixture, 0, everything);
}

/* --- what goes wrong with connections --- */

static void test_broker_comes_back(void **state)
{
    struct fixture *fixture = *state;

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *client = connect_client(fixture, 0, NULL);
    broker_freeze(&fixture->broker);
    (void)publish(client, "t/before", "never acknowledged", false);
    (void)mqtt_turn(client->mqtt, 0);
    broker_kill(&fixture->broker);
    TURN_UNTIL(fixture, client->lost >= 4);
    assert_reason(fixture, client, "127.0.0.1", "TCP: Connection refused");

    broker_start(&fixture->broker, OPEN_TO_ALL);
    /* The one that publishes comes back when it will; the watcher is there before its next
     * attempt. */
    int64_t wait_ms = mqtt_turn(client->mqtt, 0);
    assert_true(wait_ms <= MQTT_BACKOFF_MS_MIN << 4);
    mqtt_drop(client->mqtt, 3600000);
    TURN_UNTIL(fixture, mqtt_turn(client->mqtt, 0) > 10000);
    const struct client *watcher = connect_client(fixture, 1, everything);
    mqtt_drop(client->mqtt, 0);
    TURN_UNTIL(fixture, client->ready == 2);
    assert_int_equal(client->published, 0);
    (void)publish(client, "t/after", "x", false);
    TURN_UNTIL(fixture, watcher->received == 1);
    assert_string_equal(watcher->topic, "t/after"); /* nothing was sent again by itself */
}

static void test_back_off(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    int64_t longest_ms = 0;

    const struct client *client = open_client(fixture, 0, &options);
    for (int attempt = 1; attempt <= 40; attempt++) {
        TURN_UNTIL(fixture, client->lost == attempt);
        int64_t wait_ms = mqtt_turn(client->mqtt, 0);
        int64_t most_ms = attempt > 7 ? MQTT_BACKOFF_MS_MAX : MQTT_BACKOFF_MS_MIN << (attempt - 1);
        assert_true(wait_ms >= 0 && wait_ms <= most_ms);
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
        fixture->clock.ahead_us += MQTT_BACKOFF_MS_MAX * INT64_C(1000);
    }
    assert_true(longest_ms > MQTT_BACKOFF_MS_MAX / 2); /* but for a chance of one in 10^10 */
}

/* mosquitto 2.0.11 just closes the older connection. */
static void test_same_client_id(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);

    broker_start(&fixture->broker, OPEN_TO_ALL);
    struct client *first = connect_client(fixture, 0, NULL);
    first->delay_when_lost_ms = 3600000;
    const struct client *second = open_client(fixture, 1, &options);
    TURN_UNTIL(fixture, first->lost == 1 && second->ready == 1);
    assert_reason(fixture, first, "127.0.0.1", "connection lost: closed by the broker");
    assert_true(mqtt_turn(first->mqtt, 0) > 50000);
    assert_int_equal(second->lost, 0);
}

static void test_keep_alive(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);

    broker_start(&fixture->broker, OPEN_TO_ALL);
    options.keepalive_ms = MQTT_KEEPALIVE_MS_MIN;
    struct client *client = open_client(fixture, 0, &options);
    TURN_UNTIL(fixture, client->ready == 1);
    broker_freeze(&fixture->broker);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_reason(fixture, client, "127.0.0.1",
                  "no answer from the broker within the keep-alive time");
}

static void test_no_such_host(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);

    options.host = "no-such-host.invalid";
    const struct client *client = open_client(fixture, 0, &options);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_non_null(strstr(client->reason, "no-such-host.invalid:"));
    assert_non_null(strstr(client->reason, ": name lookup: "));
}

/* --- listeners that are no broker --- */

static int listen_on(uint16_t port, int backlog)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int accept_client(struct fixture *fixture, int listener)
{
    struct pollfd fd = {.fd = listener, .events = POLLIN};

    TURN_UNTIL(fixture, poll(&fd, 1, 0) == 1);
    int accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    return accepted;
}

static void test_silence(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    int listener = listen_on(fixture->broker.port, 5);

    for (int use_tls = 0; use_tls < 2; use_tls++) {
        options.use_tls = use_tls == 1;
        struct client *client = open_client(fixture, 0, &options);
        int accepted = accept_client(fixture, listener);
        struct pollfd fd = {.fd = accepted, .events = POLLIN};
        TURN_UNTIL(fixture, poll(&fd, 1, 0) == 1); /* it has said something */
        fixture->clock.ahead_us += (MQTT_OPEN_MS_MAX - WAIT_MS / 6) * INT64_C(1000);
        turn_all(fixture);
        assert_int_equal(client->lost, 0);
        fixture->clock.ahead_us += WAIT_MS / 6 * INT64_C(1000);
        TURN_UNTIL(fixture, client->lost == 1);
        assert_reason(fixture, client, "127.0.0.1",
                      use_tls == 1 ? "TLS handshake: no answer within 30 s"
                                   : "CONNECT: no answer within 30 s");
        close(accepted);
        close_client(client);
    }
    close(listener);
}

/* A full queue of connections answers no SYN: connect(2) in the thread takes its time. */
static void test_no_answer_to_tcp(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    int listener = listen_on(fixture->broker.port, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(fixture->broker.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fill[4];

    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&address, sizeof address);
    }
    struct client *client = open_client(fixture, 0, &options);
    int64_t start_ms = now_ms();
    for (int i = 0; i < 20; i++)
        turn_all(fixture);
    assert_int_equal(client->lost, 0);
    fixture->clock.ahead_us += MQTT_OPEN_MS_MAX * INT64_C(1000);
    turn_all(fixture);
    assert_int_equal(client->lost, 1);
    assert_reason(fixture, client, "127.0.0.1", "name lookup or TCP: no answer within 30 s");
    fixture->clock.ahead_us += MQTT_BACKOFF_MS_MAX * INT64_C(1000);
    turn_all(fixture); /* once more, to be closed within */
    close_client(client);
    assert_true(now_ms() - start_ms < 3000);
    for (int i = 0; i < 4; i++)
        close(fill[i]);
    close(listener);
}

/* Brokers that say why they disconnect, which mosquitto 2.0.11 does not. */
static void test_disconnected(void **state)
{
    static const unsigned char connack[] = {0x20, 3, 0, 0, 0};
    static const unsigned char disconnects[][4] = {{0xe0, 2, 0x8e, 0}, {0xe0, 2, 0x8b, 0}};
    static const char *const reasons[] = {
        "disconnected by the broker: Session taken over (0x8e)",
        "disconnected by the broker: Server shutting down (0x8b)"};
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    int listener = listen_on(fixture->broker.port, 5);

    for (size_t i = 0; i < 2; i++) {
        struct client *client = open_client(fixture, 0, &options);
        client->delay_when_lost_ms = 3600000; /* as the owner should */
        int accepted = accept_client(fixture, listener);
        assert_int_equal(write(accepted, connack, sizeof connack), sizeof connack);
        TURN_UNTIL(fixture, client->ready == 1);
        assert_int_equal(client->receive_maximum, 65535);
        assert_int_equal(write(accepted, disconnects[i], 4), 4);
        close(accepted);
        TURN_UNTIL(fixture, client->lost == 1);
        assert_reason(fixture, client, "127.0.0.1", reasons[i]);
        assert_int_equal(client->code, disconnects[i][2]);
        assert_true(mqtt_turn(client->mqtt, 0) > 50000);
        close_client(client);
    }
    close(listener);
}

static void reset(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static void test_closed_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    int listener = listen_on(fixture->broker.port, 5);

    struct client *client = open_client(fixture, 0, &options);
    int accepted = accept_client(fixture, listener);
    assert_int_equal(shutdown(accepted, SHUT_WR), 0);
    TURN_UNTIL(fixture, client->lost == 1);
    close(accepted);
    assert_reason(fixture, client, "127.0.0.1",
                  "closed by the broker before it answered CONNECT (does this port expect TLS?)");
    close_client(client);

    options.use_tls = true;
    client = open_client(fixture, 0, &options);
    reset(accept_client(fixture, listener));
    TURN_UNTIL(fixture, client->lost == 1);
    assert_non_null(strstr(client->reason, ": TLS: "));
    close(listener);
}

static void test_no_mqtt(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    int listener = listen_on(fixture->broker.port, 5);

    const struct client *client = open_client(fixture, 0, &options);
    int accepted = accept_client(fixture, listener);
    assert_int_equal(write(accepted, answer, sizeof answer), sizeof answer);
    shutdown(accepted, SHUT_WR);
    TURN_UNTIL(fixture, client->lost == 1);
    assert_int_equal(client->ready, 0);
    close(accepted);
    close(listener);
}

/* --- waking, driving, memory --- */

static void *wake_later(void *context)
{
    (void)poll(NULL, 0, 50);
    mqtt_wake(context);
    return NULL;
}

static void test_wake(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    struct client *client = open_client(fixture, 0, &options);
    int64_t start_ms = now_ms();
    pthread_t thread;

    mqtt_drop(client->mqtt, 3600000);
    mqtt_wake(client->mqtt); /* before the wait begins */
    (void)mqtt_turn(client->mqtt, 40000);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, client->mqtt), 0);
    (void)mqtt_turn(client->mqtt, 40000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(now_ms() - start_ms < 30000);

    start_ms = now_ms(); /* each wake ends one wait */
    (void)mqtt_turn(client->mqtt, 100);
    assert_true(now_ms() - start_ms >= 90);
}

struct fake {
    struct mqtt mqtt;
    struct mqtt_provider provider;
    const struct mqtt_options *options;
    int calls[7];
};

static struct fake *fake_of(const struct mqtt *mqtt)
{
    return (struct fake *)mqtt;
}

static void fake_close(struct mqtt *mqtt)
{
    fake_of(mqtt)->calls[0]++;
}

static int64_t fake_turn(struct mqtt *mqtt, int64_t timeout_ms)
{
    fake_of(mqtt)->calls[1]++;
    return timeout_ms + 1;
}

static void fake_wake(struct mqtt *mqtt)
{
    fake_of(mqtt)->calls[2]++;
}

static int fake_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out)
{
    fake_of(mqtt)->calls[3]++;
    *id_out = (int)message->size;
    return 0;
}

static bool fake_is_ready(const struct mqtt *mqtt)
{
    fake_of(mqtt)->calls[4]++;
    return true;
}

static int fake_set_will(struct mqtt *mqtt, const void *payload, size_t size)
{
    (void)payload;
    fake_of(mqtt)->calls[5]++;
    return (int)size;
}

static void fake_drop(struct mqtt *mqtt, int64_t delay_ms)
{
    fake_of(mqtt)->calls[6] += (int)delay_ms;
}

static int fake_open(struct mqtt_provider *provider, const struct mqtt_options *options,
                     const struct mqtt_events *events_, void *context, struct mqtt **mqtt_out)
{
    struct fake *fake = context;
    static const struct mqtt_driver driver = {.close = fake_close,
                                              .turn = fake_turn,
                                              .wake = fake_wake,
                                              .publish = fake_publish,
                                              .is_ready = fake_is_ready,
                                              .set_will = fake_set_will,
                                              .drop = fake_drop};

    assert_ptr_equal(provider, &fake->provider);
    assert_ptr_equal(events_, &events);
    fake->options = options;
    fake->mqtt.driver = &driver;
    *mqtt_out = &fake->mqtt;
    return 0;
}

static void test_provider(void **state)
{
    struct fake fake = {.provider = {.open = fake_open}};
    const struct mqtt_options options = {.provider = &fake.provider};
    const struct mqtt_message message = {.topic = "t", .size = 17};
    struct mqtt *mqtt;
    int id = 0;

    (void)state;
    assert_int_equal(mqtt_open(&options, &events, &fake, &mqtt), 0);
    assert_ptr_equal(fake.options, &options);
    assert_int_equal(mqtt_turn(mqtt, 4), 5);
    mqtt_wake(mqtt);
    assert_int_equal(mqtt_publish(mqtt, &message, &id), 0);
    assert_int_equal(id, 17);
    assert_true(mqtt_is_ready(mqtt));
    assert_int_equal(mqtt_set_will(mqtt, NULL, 3), 3);
    mqtt_drop(mqtt, 1);
    mqtt_close(mqtt);
    for (size_t i = 0; i < sizeof fake.calls / sizeof fake.calls[0]; i++)
        assert_int_equal(fake.calls[i], 1);
}

static void test_allocation_failures(void **state)
{
    struct fixture *fixture = *state;
    struct mqtt_options options = options_for(fixture, 0);
    size_t failures = 0;

    if (!fault_alloc_is_available())
        skip();
    options.subscriptions = everything;
    options.will_topic = "t/will";
    options.will_payload = "x";
    options.will_bytes = 1;
    for (size_t n = 1;; n++, failures++) {
        struct mqtt *mqtt = NULL;
        long before = fault_alloc_live();
        fault_alloc_arm(n);
        int r = mqtt_open(&options, &events, NULL, &mqtt);
        bool has_failed = fault_alloc_disarm();
        mqtt_close(mqtt);
        assert_int_equal(fault_alloc_live(), before);
        if (!has_failed) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
    }
    assert_true(failures >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
        TEST(test_publish_and_receive),
        TEST(test_no_subscriptions),
        TEST(test_several_subscriptions),
        TEST(test_many_large),
        TEST(test_within_events),
        TEST(test_will),
        TEST(test_goodbye),
        TEST(test_goodbye_is_bounded),
        TEST(test_before_ready),
        TEST(test_too_large),
        TEST(test_bad_topics),
        TEST(test_bad_options),
        TEST(test_users),
        TEST(test_refused_subscription),
        TEST(test_broker_comes_back),
        TEST(test_disconnected),
        TEST(test_back_off),
        TEST(test_same_client_id),
        TEST(test_keep_alive),
        TEST(test_no_such_host),
        TEST(test_silence),
        TEST(test_no_answer_to_tcp),
        TEST(test_closed_at_once),
        TEST(test_no_mqtt),
        TEST(test_wake),
        TEST(test_provider),
        TEST(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
