/* The receiver on a session that the test plays: hello and will, acks, the outbox. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/receiver.h"
#include "common/log.h"

#define COLLECTOR UINT64_C(0xabc)
#define HELLO_TOPIC "shoal/v1/_collectors/0000000000000abc"

/* What is given to mqtt_publish, the last one. */
struct sent {
    char topic[TOPIC_BYTES_MAX];
    struct buffer payload;
    bool is_retained;
    int n;
};

struct fake {
    struct mqtt mqtt;
    struct mqtt_provider provider;
    struct mqtt_events events;
    void *context;
    char subscriptions[2][TOPIC_BYTES_MAX];
    char will_topic[TOPIC_BYTES_MAX];
    struct buffer will;
    bool is_ready, is_deaf;
    int publish_result, wakes;
    struct sent sent;
};

static struct fake *fake_of(struct mqtt *mqtt)
{
    return (struct fake *)((char *)mqtt - offsetof(struct fake, mqtt));
}

static void fake_close(struct mqtt *mqtt)
{
    fake_of(mqtt)->is_ready = false;
}

/* Confirms what was published. */
static int64_t fake_turn(struct mqtt *mqtt, int64_t timeout_ms)
{
    struct fake *fake = fake_of(mqtt);
    if (fake->is_ready && fake->sent.n > 0 && !fake->is_deaf)
        fake->events.published(fake->context, fake->sent.n, 0);
    return timeout_ms;
}

static void fake_wake(struct mqtt *mqtt)
{
    fake_of(mqtt)->wakes++;
}

static int fake_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out)
{
    struct fake *fake = fake_of(mqtt);
    if (!fake->is_ready)
        return -ENOTCONN;
    if (fake->publish_result != 0)
        return fake->publish_result;
    (void)snprintf(fake->sent.topic, sizeof(fake->sent.topic), "%s", message->topic);
    buffer_clear(&fake->sent.payload);
    buffer_append(&fake->sent.payload, message->payload, message->size);
    fake->sent.is_retained = message->is_retained;
    *id_out = ++fake->sent.n;
    return 0;
}

static bool fake_is_ready(const struct mqtt *mqtt)
{
    return ((const struct fake *)((const char *)mqtt - offsetof(struct fake, mqtt)))->is_ready;
}

static int fake_set_will(struct mqtt *mqtt, const void *payload, size_t size)
{
    struct fake *fake = fake_of(mqtt);
    buffer_clear(&fake->will);
    buffer_append(&fake->will, payload, size);
    return 0;
}

static void fake_drop(struct mqtt *mqtt, int64_t delay_ms)
{
    (void)mqtt, (void)delay_ms;
}

static const struct mqtt_driver fake_driver = {
    fake_close, fake_turn, fake_wake, fake_publish, fake_is_ready, fake_set_will, fake_drop};

static int fake_open(struct mqtt_provider *provider, const struct mqtt_options *options,
                     const struct mqtt_events *events, void *context, struct mqtt **mqtt_out)
{
    struct fake *fake = (struct fake *)((char *)provider - offsetof(struct fake, provider));
    fake->events = *events;
    fake->context = context;
    for (int i = 0; i < 2; i++)
        (void)snprintf(fake->subscriptions[i], TOPIC_BYTES_MAX, "%s", options->subscriptions[i]);
    assert_null(options->subscriptions[2]);
    (void)snprintf(fake->will_topic, TOPIC_BYTES_MAX, "%s", options->will_topic);
    *mqtt_out = &fake->mqtt;
    return fake_set_will(&fake->mqtt, options->will_payload, options->will_bytes);
}

struct scene {
    struct fake fake;
    struct receiver *receiver;
    bool is_connected;
    int received;
};

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size)
{
    struct scene *scene = context;
    assert_string_equal(topic, "shoal/v1/pi1/frames");
    assert_int_equal(size, 3);
    assert_memory_equal(payload, "abc", 3);
    scene->received++;
}

static void on_connected(void *context, bool is_connected)
{
    ((struct scene *)context)->is_connected = is_connected;
}

static const struct receiver_events events = {on_received, on_connected};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    scene->fake.mqtt.driver = &fake_driver;
    scene->fake.provider.open = fake_open;
    const struct receiver_options options = {
        .session = {.provider = &scene->fake.provider, .host = "broker", .port = 1883},
        .topic_prefix = "shoal/v1",
        .collector = COLLECTOR,
        .version = "1.2",
        .events = &events,
        .context = scene,
        .clock = clock_system(),
    };
    log_set_level(LOG_LEVEL_ERROR);
    *state = scene;
    return receiver_open(&options, &scene->receiver);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    receiver_close(scene->receiver);
    buffer_deinit(&scene->fake.will);
    buffer_deinit(&scene->fake.sent.payload);
    free(scene);
    return 0;
}

static void connect_it(struct scene *scene)
{
    scene->fake.is_ready = true;
    scene->fake.events.ready(scene->fake.context, 20, UINT32_MAX);
}

static struct hello hello_in(const struct buffer *buffer)
{
    struct hello hello;
    assert_int_equal(hello_unpack((const uint8_t *)buffer->data, buffer->size, &hello), 0);
    return hello;
}

static struct receiver_totals totals_of(struct scene *scene)
{
    struct receiver_totals totals;
    receiver_totals(scene->receiver, &totals);
    return totals;
}

static void test_hello_and_will(void **state)
{
    struct scene *scene = *state;
    struct fake *fake = &scene->fake;
    assert_string_equal(fake->subscriptions[0], "shoal/v1/+/frames");
    assert_string_equal(fake->subscriptions[1], "shoal/v1/+/status");
    assert_string_equal(fake->will_topic, HELLO_TOPIC);
    struct hello will = hello_in(&fake->will);
    assert_false(will.is_online);
    connect_it(scene);
    assert_true(scene->is_connected);
    assert_string_equal(fake->sent.topic, HELLO_TOPIC);
    assert_true(fake->sent.is_retained);
    struct hello hello = hello_in(&fake->sent.payload);
    assert_true(hello.is_online);
    assert_int_equal(hello.collector, COLLECTOR);
    assert_int_equal(hello.connection, will.connection);
    assert_string_equal(hello.version, "1.2");

    fake->is_ready = false;
    fake->events.lost(fake->context, 0, "gone");
    assert_false(scene->is_connected);
    assert_int_not_equal(hello_in(&fake->will).connection, will.connection);
    struct receiver_totals totals = totals_of(scene);
    assert_int_equal(totals.connects, 1);
    assert_int_equal(totals.losses, 1);
    assert_false(totals.is_connected);
}

static void test_what_is_received_goes_on(void **state)
{
    struct scene *scene = *state;
    connect_it(scene);
    scene->fake.events.received(scene->fake.context, "shoal/v1/pi1/frames", (const uint8_t *)"abc",
                                3, false);
    assert_int_equal(scene->received, 1);
}

static void test_acks(void **state)
{
    struct scene *scene = *state;
    struct fake *fake = &scene->fake;
    struct ack ack = {.stream = 7, .committed = 5, .has_answer = true, .answer_id = 3};
    receiver_send(scene->receiver, "pi1", &ack); /* not connected: dropped */
    connect_it(scene);
    int64_t before_us = clock_utc_ms(clock_system()) * 1000;
    receiver_send(scene->receiver, "pi1", &ack);
    assert_int_equal(fake->wakes, 1);
    receiver_turn(scene->receiver, 0);
    assert_string_equal(fake->sent.topic, "shoal/v1/pi1/acks");
    assert_false(fake->sent.is_retained);
    struct ack sent;
    assert_int_equal(
        ack_unpack((const uint8_t *)fake->sent.payload.data, fake->sent.payload.size, &sent), 0);
    assert_int_equal(sent.committed, 5);
    assert_true(sent.answer_sent_utc_us >= before_us);
    struct receiver_totals totals = totals_of(scene);
    assert_int_equal(totals.acks, 1);
    assert_int_equal(totals.acks_dropped, 1);
}

static void test_the_outbox_is_bounded(void **state)
{
    struct scene *scene = *state;
    struct ack ack = {.stream = 7};
    connect_it(scene);
    int before = scene->fake.sent.n;
    for (uint64_t i = 1; i <= RECEIVER_OUTBOX_MAX + 3; i++) {
        ack.committed = i;
        receiver_send(scene->receiver, "pi1", &ack);
    }
    receiver_turn(scene->receiver, 0);
    assert_int_equal(scene->fake.sent.n - before, RECEIVER_OUTBOX_MAX);
    struct receiver_totals totals = totals_of(scene);
    assert_int_equal(totals.acks, RECEIVER_OUTBOX_MAX);
    assert_int_equal(totals.acks_dropped, 3);
}

static void test_acks_of_a_lost_connection_are_dropped(void **state)
{
    struct scene *scene = *state;
    struct fake *fake = &scene->fake;
    const struct ack ack = {.stream = 7};
    connect_it(scene);
    receiver_send(scene->receiver, "pi1", &ack);
    fake->events.lost(fake->context, 0, "gone");
    connect_it(scene);
    fake->publish_result = -EMSGSIZE;
    receiver_send(scene->receiver, "pi2", &ack);
    receiver_turn(scene->receiver, 0);
    fake->publish_result = 0;
    receiver_turn(scene->receiver, 0);
    struct receiver_totals totals = totals_of(scene);
    assert_int_equal(totals.acks, 0);
    assert_int_equal(totals.acks_dropped, 2);
    assert_string_equal(fake->sent.topic, HELLO_TOPIC);
}

static void test_goodbye(void **state)
{
    struct scene *scene = *state;
    const struct ack ack = {.stream = 7};
    connect_it(scene);
    receiver_send(scene->receiver, "pi1", &ack);
    int before = scene->fake.sent.n;
    receiver_close(scene->receiver);
    scene->receiver = NULL;
    assert_int_equal(scene->fake.sent.n - before, 2); /* the ack, then the hello */
    assert_string_equal(scene->fake.sent.topic, HELLO_TOPIC);
    assert_false(hello_in(&scene->fake.sent.payload).is_online);
}

static void test_goodbye_does_not_wait_for_ever(void **state)
{
    struct scene *scene = *state;
    connect_it(scene);
    scene->fake.is_deaf = true;
    int64_t begin_ms = clock_boot_ms(clock_system());
    receiver_close(scene->receiver);
    scene->receiver = NULL;
    int64_t took_ms = clock_boot_ms(clock_system()) - begin_ms;
    assert_in_range(took_ms, RECEIVER_GOODBYE_MS_MAX, 20 * RECEIVER_GOODBYE_MS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hello_and_will),
        TEST(test_what_is_received_goes_on),
        TEST(test_acks),
        TEST(test_the_outbox_is_bounded),
        TEST(test_acks_of_a_lost_connection_are_dropped),
        TEST(test_goodbye),
        TEST(test_goodbye_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
