/*
 * The uplink against a session that the test plays, in virtual time: first single events, then a
 * collector behind a line that loses, repeats and breaks, in random order with a printed seed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/uplink.h"
#include "agent/window.h"
#include "common/log.h"
#include "common/topic.h"

#define STREAM 4711
#define COLLECTOR 99
#define NODE "node1"
#define PREFIX "shoal/v1"
#define SENT_MAX 1024
#define GROUP 5
#define PLAYED 300
#define UTC_LESS_BOOT_US INT64_C(1700000000000000)

struct sent {
    char topic[TOPIC_BYTES_MAX];
    uint8_t payload[2048];
    size_t size;
    bool is_retained;
    int id;
};

struct fake {
    struct mqtt base;
    struct mqtt_provider provider;
    struct clock clock;
    int64_t now_us;
    int64_t utc_step_us; /* what somebody did to the system clock */
    bool is_synchronised;
    const struct mqtt_events *events;
    void *context;
    bool is_open, is_ready;
    int next_id;
    int publish_result;
    int64_t dropped_for_ms;
    struct status will;
    struct sent sent[SENT_MAX];
    size_t n_sent;
    size_t n_seen; /* of them, those that the test has looked at */
    struct spool *spool;
    uint64_t last; /* appended */
    size_t n_probes;
    uint64_t probe_id; /* of one that waits for its answer; 0: none does */
    int probe_message; /* its MQTT id */
    bool is_mute;      /* the collector does not answer probes */
    bool is_lost;      /* the collector does not know the time */
    struct utc *utc;
    struct uplink *uplink;
};

static struct fake *of_mqtt(const struct mqtt *mqtt)
{
    return (struct fake *)mqtt;
}

static struct fake *of_clock(struct clock *clock)
{
    return (struct fake *)((char *)clock - offsetof(struct fake, clock));
}

static int64_t fake_boot_us(struct clock *clock)
{
    return of_clock(clock)->now_us;
}

static int64_t fake_utc_us(struct clock *clock)
{
    return of_clock(clock)->now_us + UTC_LESS_BOOT_US + of_clock(clock)->utc_step_us;
}

static bool fake_is_synchronised(struct clock *clock, int64_t *error_us_out)
{
    *error_us_out = 1500;
    return of_clock(clock)->is_synchronised;
}

static void fake_close(struct mqtt *mqtt)
{
    of_mqtt(mqtt)->is_open = false;
}

static int64_t fake_turn(struct mqtt *mqtt, int64_t timeout_ms)
{
    of_mqtt(mqtt)->now_us += timeout_ms * 1000;
    return timeout_ms;
}

static void fake_wake(struct mqtt *mqtt)
{
    (void)mqtt;
}

/* Probes are answered apart from what the tests are about. */
static bool take_probe(struct fake *fake, const struct mqtt_message *message)
{
    struct envelope envelope;
    if (strcmp(message->topic, PREFIX "/" NODE "/frames") != 0 ||
        envelope_unpack(message->payload, message->size, &envelope) != 0 || !envelope.has_probe)
        return false;
    assert_null(envelope.frame);
    assert_int_not_equal(envelope.probe_id, 0);
    fake->probe_id = envelope.probe_id;
    fake->n_probes++;
    return true;
}

static int fake_publish(struct mqtt *mqtt, const struct mqtt_message *message, int *id_out)
{
    struct fake *fake = of_mqtt(mqtt);
    if (!fake->is_ready)
        return -ENOTCONN;
    if (fake->publish_result != 0)
        return fake->publish_result;
    if (take_probe(fake, message)) {
        *id_out = fake->probe_message = ++fake->next_id;
        return 0;
    }
    assert_true(fake->n_sent < SENT_MAX);
    struct sent *sent = &fake->sent[fake->n_sent++];
    assert_true(message->size <= sizeof(sent->payload));
    (void)snprintf(sent->topic, sizeof(sent->topic), "%s", message->topic);
    memcpy(sent->payload, message->payload, message->size);
    sent->size = message->size;
    sent->is_retained = message->is_retained;
    *id_out = sent->id = ++fake->next_id;
    return 0;
}

static bool fake_ready(const struct mqtt *mqtt)
{
    return of_mqtt(mqtt)->is_ready;
}

static int fake_set_will(struct mqtt *mqtt, const void *payload, size_t size)
{
    assert_int_equal(status_unpack(payload, size, &of_mqtt(mqtt)->will), 0);
    return 0;
}

static void fake_drop(struct mqtt *mqtt, int64_t delay_ms)
{
    of_mqtt(mqtt)->dropped_for_ms = delay_ms;
}

static const struct mqtt_driver driver = {.close = fake_close,
                                          .turn = fake_turn,
                                          .wake = fake_wake,
                                          .publish = fake_publish,
                                          .is_ready = fake_ready,
                                          .set_will = fake_set_will,
                                          .drop = fake_drop};

static int fake_open(struct mqtt_provider *provider, const struct mqtt_options *options,
                     const struct mqtt_events *events, void *context, struct mqtt **mqtt_out)
{
    struct fake *fake = (struct fake *)((char *)provider - offsetof(struct fake, provider));
    assert_string_equal(options->subscriptions[0], PREFIX "/" NODE "/acks");
    assert_string_equal(options->subscriptions[1], PREFIX "/_collectors/+");
    assert_null(options->subscriptions[2]);
    assert_string_equal(options->will_topic, PREFIX "/" NODE "/status");
    assert_int_equal(status_unpack(options->will_payload, options->will_bytes, &fake->will), 0);
    fake->events = events;
    fake->context = context;
    fake->is_open = true;
    *mqtt_out = &fake->base;
    return 0;
}

/* Without directories: in memory. */
static struct spool *open_spool(struct fake *fake)
{
    const struct spool_options options = {
        .stream = STREAM,
        .boot = "this",
        .bounds = {.max_bytes = SPOOL_BYTES_MIN, .memory_bytes = 1000000, .flush_after_ms = 60000},
        .clock = &fake->clock};
    struct spool *spool = NULL;
    assert_int_equal(spool_open(&options, &spool), 0);
    return spool;
}

static struct fake *fake_new(uint64_t seed)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    assert_non_null(fake);
    fake->base.driver = &driver;
    fake->provider.open = fake_open;
    fake->clock = (struct clock){
        .boot_us = fake_boot_us, .utc_us = fake_utc_us, .is_synchronised = fake_is_synchronised};
    fake->now_us = 1000000;
    fake->spool = open_spool(fake);
    fake->is_synchronised = true;
    const struct utc_options utc_options = {
        .clock = &fake->clock, .proc = "/nonexistent", .seed = seed};
    fake->utc = utc_new(&utc_options);
    assert_non_null(fake->utc);
    const struct uplink_options options = {
        .mqtt = {.provider = &fake->provider, .host = "h", .port = 1883, .client_id = NODE},
        .topic_prefix = PREFIX,
        .node = NODE,
        .spool = fake->spool,
        .clock = &fake->clock,
        .utc = fake->utc,
        .version = "1.2.3",
        .seed = seed,
    };
    assert_int_equal(uplink_new(&options, &fake->uplink), 0);
    return fake;
}

static void fake_free(struct fake *fake)
{
    uplink_free(fake->uplink);
    assert_false(fake->is_open);
    spool_close(fake->spool);
    utc_free(fake->utc);
    free(fake);
}

static int set_up(void **state)
{
    log_set_level(LOG_LEVEL_ERROR);
    *state = fake_new(1);
    return 0;
}

static int tear_down(void **state)
{
    fake_free(*state);
    return 0;
}

static void give(struct fake *fake, const struct ack *ack)
{
    BUFFER_AUTO struct buffer payload = {0};
    assert_int_equal(ack_pack(ack, &payload), 0);
    fake->events->received(fake->context, PREFIX "/" NODE "/acks", (const uint8_t *)payload.data,
                           payload.size, false);
}

static void answer_probe(struct fake *fake)
{
    const struct ack ack = {.collector = COLLECTOR,
                            .has_answer = true,
                            .answer_id = fake->probe_id,
                            .answer_received_utc_us = fake->now_us + UTC_LESS_BOOT_US,
                            .answer_sent_utc_us = fake->now_us + UTC_LESS_BOOT_US,
                            .answer_is_synchronised = !fake->is_lost};
    if (fake->probe_id == 0 || fake->is_mute)
        return;
    fake->probe_id = 0;
    fake->events->published(fake->context, fake->probe_message, 0);
    give(fake, &ack);
}

static void connect_with(struct fake *fake, uint16_t receive_maximum)
{
    fake->is_ready = true;
    fake->events->ready(fake->context, receive_maximum, 100000);
    answer_probe(fake);
}

static void lose(struct fake *fake, uint8_t code)
{
    fake->is_ready = false;
    fake->events->lost(fake->context, code, "h:1883: gone");
}

/* A frame whose bytes are its numbers. */
static void append(struct fake *fake, uint64_t sequence)
{
    uint64_t key = (sequence - 1) / GROUP * GROUP + 1;
    const uint64_t numbers[2] = {sequence, key};
    const struct encoded_frame frame = {.stream = STREAM,
                                        .sequence = sequence,
                                        .key = key,
                                        .samples = 3,
                                        .time_ms = fake->now_us / 1000,
                                        .bytes = (const uint8_t *)numbers,
                                        .size = sizeof(numbers)};
    int r = spool_append(fake->spool, &frame);
    assert_true(r == 0 || r == SPOOL_CUT);
    fake->last = sequence;
}

static void append_up_to(struct fake *fake, uint64_t last)
{
    for (uint64_t sequence = fake->last + 1; sequence <= last; sequence++)
        append(fake, sequence);
}

static void turn(struct fake *fake, int64_t ms)
{
    uplink_turn(fake->uplink, ms);
    if (fake->is_ready)
        answer_probe(fake);
}

/* Turns until that much virtual time has gone by. */
static void pass(struct fake *fake, int64_t ms)
{
    int64_t end = fake->now_us + ms * 1000;
    while (fake->now_us < end)
        turn(fake, (end - fake->now_us + 999) / 1000);
}

/* The next message that was sent, or NULL. */
static const struct sent *next_sent(struct fake *fake)
{
    return fake->n_seen < fake->n_sent ? &fake->sent[fake->n_seen++] : NULL;
}

static uint64_t frame_sequence(const struct sent *sent, struct envelope *envelope)
{
    uint64_t numbers[2];
    assert_string_equal(sent->topic, PREFIX "/" NODE "/frames");
    assert_false(sent->is_retained);
    assert_int_equal(envelope_unpack(sent->payload, sent->size, envelope), 0);
    assert_int_equal(envelope->frame_bytes, sizeof(numbers));
    memcpy(numbers, envelope->frame, sizeof(numbers));
    return numbers[0];
}

/* The next message is that frame; returns its MQTT id. */
static int expect_frame(struct fake *fake, uint64_t sequence)
{
    struct envelope envelope;
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_int_equal(frame_sequence(sent, &envelope), sequence);
    return sent->id;
}

static struct status expect_status(struct fake *fake)
{
    struct status status;
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_string_equal(sent->topic, PREFIX "/" NODE "/status");
    assert_true(sent->is_retained);
    assert_int_equal(status_unpack(sent->payload, sent->size, &status), 0);
    return status;
}

static void expect_nothing(struct fake *fake)
{
    assert_null(next_sent(fake));
}

static void confirm(struct fake *fake, int id, uint8_t reason)
{
    fake->events->published(fake->context, id, reason);
}

static struct ack ack_of(uint64_t committed, uint32_t credit)
{
    return (struct ack){.collector = COLLECTOR,
                        .stream = STREAM,
                        .committed = committed,
                        .has_credit = true,
                        .credit_frames = credit,
                        .credit_bytes = 100000};
}

static void give_ack(struct fake *fake, uint64_t committed, uint32_t credit)
{
    struct ack ack = ack_of(committed, credit);
    give(fake, &ack);
}

static void give_hello(struct fake *fake, bool is_online)
{
    BUFFER_AUTO struct buffer payload = {0};
    const struct hello hello = {.version = "1", .collector = COLLECTOR, .is_online = is_online};
    assert_int_equal(hello_pack(&hello, &payload), 0);
    fake->events->received(fake->context, PREFIX "/_collectors/c1", (const uint8_t *)payload.data,
                           payload.size, true);
}

static struct uplink_state state_of(struct fake *fake)
{
    struct uplink_state state;
    uplink_state(fake->uplink, &state);
    return state;
}

/* Connected, first frame acked, a credit of `credit`: nothing in flight. */
static void serve(struct fake *fake, uint32_t credit)
{
    append_up_to(fake, 1);
    connect_with(fake, 100);
    (void)expect_status(fake);
    turn(fake, 0);
    confirm(fake, expect_frame(fake, 1), 0);
    give_ack(fake, 1, credit);
    turn(fake, 0);
    expect_nothing(fake);
}

static void test_nothing_before_ready(void **state)
{
    struct fake *fake = *state;
    append_up_to(fake, 3);
    pass(fake, 10000);
    expect_nothing(fake);
    assert_false(state_of(fake).is_connected);
}

static void test_says_online_and_offline(void **state)
{
    struct fake *fake = fake_new(7);
    (void)state;
    assert_false(fake->will.is_online);
    connect_with(fake, 100);
    struct status online = expect_status(fake);
    assert_true(online.is_online);
    assert_string_equal(online.version, "1.2.3");
    assert_int_equal(online.connection, fake->will.connection);
    lose(fake, 0);
    assert_int_not_equal(fake->will.connection, online.connection);
    connect_with(fake, 100);
    assert_int_equal(expect_status(fake).connection, fake->will.connection);
    uint64_t connection = fake->will.connection;
    struct sent *goodbye = &fake->sent[fake->n_seen];
    uplink_free(fake->uplink);
    struct status offline;
    assert_int_equal(status_unpack(goodbye->payload, goodbye->size, &offline), 0);
    assert_false(offline.is_online);
    assert_int_equal(offline.connection, connection);
    spool_close(fake->spool);
    utc_free(fake->utc);
    free(fake);
}

static void test_one_frame_until_the_first_ack(void **state)
{
    struct fake *fake = *state;
    append_up_to(fake, 4);
    connect_with(fake, 100);
    (void)expect_status(fake);
    turn(fake, 0);
    int id = expect_frame(fake, 1);
    turn(fake, 0);
    confirm(fake, id, 0);
    turn(fake, 0);
    expect_nothing(fake);
    assert_false(state_of(fake).has_collector);
    give_ack(fake, 1, 2);
    turn(fake, 0);
    (void)expect_frame(fake, 2);
    (void)expect_frame(fake, 3);
    expect_nothing(fake); /* the credit is 2 */
    assert_true(state_of(fake).has_collector);
    give_ack(fake, 2, 2);
    turn(fake, 0);
    (void)expect_frame(fake, 4);
    assert_int_equal(state_of(fake).frames_sent, 4);
    assert_int_equal(state_of(fake).frames_resent, 0);
}

static void test_credit_in_bytes(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 6);
    struct ack ack = ack_of(1, 10);
    ack.credit_bytes = 40; /* a frame has 16 */
    give(fake, &ack);
    turn(fake, 0);
    (void)expect_frame(fake, 2);
    (void)expect_frame(fake, 3);
    expect_nothing(fake);
    ack.committed = 3;
    ack.credit_bytes = 1; /* one may always go */
    give(fake, &ack);
    turn(fake, 0);
    (void)expect_frame(fake, 4);
    expect_nothing(fake);
}

static void test_credit_of_nothing(void **state)
{
    struct fake *fake = *state;
    serve(fake, 0);
    append_up_to(fake, 2);
    turn(fake, 0);
    (void)expect_frame(fake, 2); /* a node without backlog may always send one */
    append_up_to(fake, 5);
    give_ack(fake, 2, 0);
    pass(fake, WINDOW_PAUSE_MS_MIN - 1000);
    expect_nothing(fake);
    pass(fake, WINDOW_PAUSE_MS_MAX);
    (void)expect_frame(fake, 3); /* asks for more after a while */
    expect_nothing(fake);
}

static void test_receive_maximum(void **state)
{
    struct fake *fake = *state;
    append_up_to(fake, 10);
    connect_with(fake, 3);
    (void)expect_status(fake);
    turn(fake, 0);
    int id = expect_frame(fake, 1);
    give_ack(fake, 1, 50);
    turn(fake, 0);
    (void)expect_frame(fake, 2); /* with status and frame 1 that makes 3 */
    expect_nothing(fake);
    confirm(fake, id, 0);
    turn(fake, 0);
    (void)expect_frame(fake, 3);
    expect_nothing(fake);
}

static void test_window_is_bounded(void **state)
{
    struct fake *fake = *state;
    serve(fake, 100000);
    append_up_to(fake, 200);
    turn(fake, 0);
    size_t n = 0;
    while (next_sent(fake) != NULL)
        n++;
    assert_int_equal(n, WINDOW_FRAMES_MAX);
}

static void test_resends_what_is_not_acked(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 3);
    turn(fake, 0);
    int id = expect_frame(fake, 2);
    (void)expect_frame(fake, 3);
    pass(fake, 100000);
    expect_nothing(fake); /* without PUBACK no timer runs: the connection's keepalive watches */
    confirm(fake, id, 0);
    pass(fake, WINDOW_RESEND_MS_MIN - 1);
    expect_nothing(fake);
    pass(fake, WINDOW_RESEND_MS_MIN);
    (void)expect_frame(fake, 2);
    (void)expect_frame(fake, 3);
    expect_nothing(fake);
    assert_int_equal(state_of(fake).frames_resent, 2);
}

static void test_resend_backs_off(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 2);
    turn(fake, 0);
    int resent = 0;
    int64_t start = fake->now_us;
    while (fake->now_us < start + 600 * INT64_C(1000000)) {
        const struct sent *sent = next_sent(fake);
        if (sent != NULL) {
            confirm(fake, sent->id, 0);
            resent++;
        }
        turn(fake, 1000);
    }
    assert_in_range(resent, 10, 60); /* 300 without back-off */
}

static void test_resends_after_reconnect(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 4);
    turn(fake, 0);
    (void)expect_frame(fake, 2);
    (void)expect_frame(fake, 3);
    (void)expect_frame(fake, 4);
    give_ack(fake, 2, 10);
    lose(fake, 0);
    pass(fake, 5000);
    expect_nothing(fake);
    connect_with(fake, 100);
    (void)expect_status(fake);
    turn(fake, 0);
    (void)expect_frame(fake, 3);
    expect_nothing(fake); /* one, until this connection has an ack */
    assert_int_equal(state_of(fake).connects, 2);
    assert_int_equal(state_of(fake).failures, 1);
}

static void test_resend_from(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 5);
    turn(fake, 0);
    for (uint64_t sequence = 2; sequence <= 5; sequence++)
        (void)expect_frame(fake, sequence);
    struct ack ack = ack_of(2, 10);
    ack.resend_from = 3;
    give(fake, &ack);
    give(fake, &ack); /* asked twice, answered once */
    turn(fake, 0);
    give(fake, &ack);
    turn(fake, 0);
    for (uint64_t sequence = 3; sequence <= 5; sequence++)
        (void)expect_frame(fake, sequence);
    expect_nothing(fake);
    ack.resend_from = 50; /* never sent: nothing to do */
    give(fake, &ack);
    turn(fake, 0);
    expect_nothing(fake);
}

static void test_older_store(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 4);
    turn(fake, 0);
    give_ack(fake, 4, 10);
    fake->n_seen = fake->n_sent;
    give_ack(fake, 2, 10);
    turn(fake, 0);
    (void)expect_frame(fake, 3);
    (void)expect_frame(fake, 4);
    expect_nothing(fake);
}

static void test_strange_acks_do_nothing(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 3);
    turn(fake, 0);
    fake->n_seen = fake->n_sent;
    struct ack other = ack_of(3, 10);
    other.stream = STREAM + 1;
    give(fake, &other);
    give_ack(fake, 4, 10); /* never appended */
    fake->events->received(fake->context, PREFIX "/" NODE "/acks", (const uint8_t *)"\xff\xff", 2,
                           false);
    fake->events->received(fake->context, PREFIX "/node2/acks", (const uint8_t *)"", 0, false);
    fake->events->received(fake->context, "x", (const uint8_t *)"", 0, false);
    struct spool_state spool;
    spool_state(fake->spool, &spool);
    assert_int_equal(spool.unacked_frames, 2);
    assert_int_equal(state_of(fake).acks, 1);
    give_ack(fake, 3, 10);
    give_ack(fake, 3, 10); /* a duplicate */
    spool_state(fake->spool, &spool);
    assert_int_equal(spool.unacked_frames, 0);
    turn(fake, 0);
    expect_nothing(fake);
}

static void test_rejection_sets_the_group_aside(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 3);
    turn(fake, 0);
    (void)expect_frame(fake, 2);
    (void)expect_frame(fake, 3);
    append_up_to(fake, 7); /* 6 begins the next group */
    struct ack ack = ack_of(1, 10);
    ack.has_rejection = true;
    ack.rejected_sequence = 3;
    ack.rejection = (struct rejection){.reason = REJECT_BAD_NAME, .text = "no"};
    give(fake, &ack);
    turn(fake, 0);
    expect_nothing(fake); /* 2 has to be acked before the gap may be */
    ack.committed = 2;
    give(fake, &ack);
    turn(fake, 0);
    struct envelope envelope;
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_int_equal(frame_sequence(sent, &envelope), 6);
    assert_int_equal(envelope.first, 6);
    assert_int_equal(envelope.drops[DROP_REJECTED].frames, 0); /* kept for another collector */
    assert_int_equal(envelope.backlog_frames, 2);
    struct spool_state spool;
    spool_state(fake->spool, &spool);
    assert_int_equal(spool.aside_frames, 3);
    (void)expect_frame(fake, 7);
    assert_int_equal(state_of(fake).rejected, 2); /* each time it was said */
}

static void test_too_large_for_the_broker(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 7);
    turn(fake, 0);
    confirm(fake, expect_frame(fake, 2), 0x95);
    struct spool_state spool;
    spool_state(fake->spool, &spool);
    assert_int_equal(spool.drops[DROP_TOO_LARGE].frames, 4); /* 2 to 5 */
    fake->n_seen = fake->n_sent;
    turn(fake, 0);
    (void)expect_frame(fake, 6);
}

static void test_too_large_for_the_session(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 5);
    fake->publish_result = -EMSGSIZE;
    turn(fake, 0);
    struct spool_state spool;
    spool_state(fake->spool, &spool);
    assert_int_equal(spool.drops[DROP_TOO_LARGE].frames, 4);
    fake->publish_result = 0;
    append_up_to(fake, 6);
    turn(fake, 0);
    (void)expect_frame(fake, 6);
}

static void test_nobody_listens(void **state)
{
    struct fake *fake = *state;
    append_up_to(fake, 3);
    connect_with(fake, 100);
    (void)expect_status(fake);
    turn(fake, 0);
    confirm(fake, expect_frame(fake, 1), MQTT_NO_SUBSCRIBERS);
    pass(fake, 900);
    expect_nothing(fake);
    pass(fake, WINDOW_PAUSE_MS_MAX);
    int id = expect_frame(fake, 1);
    expect_nothing(fake);
    confirm(fake, id, 0);
    give_ack(fake, 1, 5);
    turn(fake, 0);
    (void)expect_frame(fake, 2);
}

static void test_hello_ends_the_wait(void **state)
{
    struct fake *fake = *state;
    append_up_to(fake, 1);
    connect_with(fake, 100);
    (void)expect_status(fake);
    for (int i = 0; i < 8; i++) { /* until the waits are long */
        turn(fake, 0);
        const struct sent *sent = next_sent(fake);
        if (sent != NULL)
            confirm(fake, sent->id, MQTT_NO_SUBSCRIBERS);
        pass(fake, i < 7 ? WINDOW_PAUSE_MS_MAX : 0);
    }
    fake->n_seen = fake->n_sent;
    give_hello(fake, false);
    turn(fake, 0);
    give_hello(fake, true);
    pass(fake, UPLINK_HELLO_MS_MAX + 1);
    turn(fake, 0);
    (void)expect_frame(fake, 1);
}

static void test_refused_by_the_broker(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    append_up_to(fake, 4);
    turn(fake, 0);
    int id = expect_frame(fake, 2);
    confirm(fake, id, 0x87);
    fake->n_seen = fake->n_sent;
    turn(fake, 0);
    expect_nothing(fake);
    pass(fake, WINDOW_PAUSE_MS_MAX);
    (void)expect_frame(fake, 2);
    expect_nothing(fake);
    struct spool_state spool;
    spool_state(fake->spool, &spool);
    assert_int_equal(spool.unacked_frames, 3);
}

static void test_taken_over(void **state)
{
    struct fake *fake = *state;
    serve(fake, 10);
    lose(fake, MQTT_TAKEN_OVER);
    assert_int_equal(fake->dropped_for_ms, UPLINK_TAKEN_OVER_MS);
}

static struct envelope send_one(struct fake *fake, uint64_t sequence)
{
    struct envelope envelope;
    append_up_to(fake, sequence);
    turn(fake, 0);
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_int_equal(frame_sequence(sent, &envelope), sequence);
    give_ack(fake, sequence, 10);
    return envelope;
}

static void test_system_clock(void **state)
{
    struct fake *fake = *state;
    int64_t offset_ms = UTC_LESS_BOOT_US / 1000;
    serve(fake, 10);
    struct envelope envelope = send_one(fake, 2);
    assert_int_equal(envelope.utc_offset_ms, offset_ms);
    assert_int_equal(envelope.source, CLOCK_SOURCE_SYSTEM);
    assert_int_equal(envelope.uncertainty_ms, 2 + UTC_OFF_MS_MAX + UTC_STEP_MS);
    assert_int_equal(envelope.system_off_ms, 0);
    assert_false(envelope.is_estimate);
}

static void test_collector_counts(void **state)
{
    struct fake *fake = *state;
    fake->utc_step_us = -3600 * INT64_C(1000000);
    turn(fake, 0); /* what the clock says is believed while nobody contradicts it */
    assert_true(state_of(fake).time.is_known);
    assert_int_equal(state_of(fake).time.source, CLOCK_SOURCE_SYSTEM);
    serve(fake, 10);
    struct envelope envelope = send_one(fake, 2);
    assert_int_equal(envelope.utc_offset_ms, UTC_LESS_BOOT_US / 1000);
    assert_int_equal(envelope.source, CLOCK_SOURCE_PROBE);
    assert_int_equal(envelope.system_off_ms, -3600 * 1000);
    assert_true(state_of(fake).time.is_differing);
    fake->utc_step_us = 0;
    pass(fake, 2 * UTC_LOOK_MS);
    assert_int_equal(send_one(fake, 3).system_off_ms, 0);
    assert_false(state_of(fake).time.is_differing);
}

static void test_answer_before_frames(void **state)
{
    struct fake *fake = *state;
    fake->is_mute = true;
    append_up_to(fake, 1);
    connect_with(fake, 100);
    assert_int_equal(fake->n_probes, 1);
    (void)expect_status(fake);
    turn(fake, 0);
    pass(fake, UTC_ANSWER_MS - 1);
    expect_nothing(fake);
    assert_true(fake->n_probes > 1); /* asked again */
    pass(fake, 1);
    turn(fake, 0);
    (void)expect_frame(fake, 1);
    lose(fake, 0);
    fake->n_probes = 0;
    fake->is_mute = false;
    connect_with(fake, 100);
    assert_int_equal(fake->n_probes, 1);
    (void)expect_status(fake);
    turn(fake, 0);
    (void)expect_frame(fake, 1);
}

static void test_frames_wait_for_the_time(void **state)
{
    struct fake *fake = *state;
    fake->is_synchronised = false;
    fake->is_lost = true;
    append_up_to(fake, 2);
    pass(fake, 2 * UTC_WAIT_MS); /* without a connection there is nobody to ask */
    connect_with(fake, 100);
    (void)expect_status(fake);
    pass(fake, UTC_WAIT_MS / 2);
    lose(fake, 0);
    connect_with(fake, 100); /* does not begin anew */
    (void)expect_status(fake);
    pass(fake, UTC_WAIT_MS / 2 - 1);
    expect_nothing(fake);
    pass(fake, 2);
    struct envelope envelope;
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_int_equal(frame_sequence(sent, &envelope), 1);
    assert_true(envelope.is_estimate);
    assert_int_equal(envelope.source, CLOCK_SOURCE_FREE);
    assert_int_equal(envelope.utc_offset_ms, UTC_LESS_BOOT_US / 1000);
    assert_int_equal(state_of(fake).frames_estimated, 1);
    assert_true(state_of(fake).time.unusable > 2);
    assert_false(state_of(fake).time.is_known);
    give_ack(fake, 1, 10);
    fake->is_lost = false; /* the collector learns the time, and so does the agent */
    pass(fake, UTC_UNUSABLE_MS + 1000);
    turn(fake, 0);
    assert_true(state_of(fake).time.is_known);
    assert_int_equal(state_of(fake).time.source, CLOCK_SOURCE_PROBE);
}

static void test_frames_go_with_the_answer(void **state)
{
    struct fake *fake = *state;
    fake->is_synchronised = false;
    fake->utc_step_us = -INT64_C(1600000000) * 1000000; /* woke up in the past */
    append_up_to(fake, 1);
    connect_with(fake, 100);
    (void)expect_status(fake);
    turn(fake, 0);
    struct envelope envelope;
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_int_equal(frame_sequence(sent, &envelope), 1);
    assert_int_equal(envelope.utc_offset_ms, UTC_LESS_BOOT_US / 1000);
    assert_int_equal(envelope.source, CLOCK_SOURCE_PROBE);
    assert_false(envelope.is_estimate);
    assert_int_equal(envelope.system_off_ms, 0); /* it does not claim to be right */
}

static void test_acks_give_no_time(void **state)
{
    struct fake *fake = *state;
    fake->is_synchronised = false;
    fake->is_mute = true;
    append_up_to(fake, 1);
    connect_with(fake, 100);
    struct ack ack = ack_of(0, 10);
    ack.answer_received_utc_us = ack.answer_sent_utc_us = UTC_LESS_BOOT_US;
    ack.answer_is_synchronised = true;
    ack.answer_id = fake->probe_id;
    give(fake, &ack); /* no answer */
    ack.has_answer = true;
    ack.answer_id++;
    give(fake, &ack); /* to nobody's question */
    turn(fake, 0);
    assert_false(state_of(fake).time.is_known);
}

static void test_nobody_to_answer(void **state)
{
    struct fake *fake = *state;
    fake->is_mute = true;
    append_up_to(fake, 1);
    connect_with(fake, 100);
    (void)expect_status(fake);
    confirm(fake, fake->probe_message, MQTT_NO_SUBSCRIBERS);
    pass(fake, UTC_ANSWER_MS - 1);
    expect_nothing(fake); /* a frame would not arrive either */
    fake->n_probes = 0;
    fake->probe_id = 0; /* the last one is gone for good */
    fake->is_mute = false;
    give_hello(fake, true);
    pass(fake, UPLINK_HELLO_MS_MAX);
    assert_int_equal(fake->n_probes, 1); /* again first */
    turn(fake, 0);
    (void)expect_frame(fake, 1);
}

static void test_backlog_is_told(void **state)
{
    struct fake *fake = *state;
    append_up_to(fake, 3);
    fake->now_us += INT64_C(90) * 1000000;
    connect_with(fake, 100);
    (void)expect_status(fake);
    turn(fake, 0);
    struct envelope envelope;
    const struct sent *sent = next_sent(fake);
    assert_non_null(sent);
    assert_int_equal(frame_sequence(sent, &envelope), 1);
    assert_int_equal(envelope.first, 1);
    assert_int_equal(envelope.backlog_frames, 3);
    assert_int_equal(envelope.backlog_bytes, 48);
    assert_int_equal(envelope.backlog_oldest_age_ms, 90000);
}

/* A collector as the wire format asks for one, and what it has seen. */
struct peer {
    uint64_t committed;
    uint64_t rejected; /* the frame that it refuses next; 0: none */
    bool has_poison;
    bool has[PLAYED + 1]; /* ever committed */
};

static void peer_take(struct fake *fake, struct peer *peer, const struct sent *sent)
{
    struct envelope envelope;
    uint64_t sequence = frame_sequence(sent, &envelope);
    uint64_t key = (sequence - 1) / GROUP * GROUP + 1;
    struct ack ack = ack_of(peer->committed, (uint32_t)(random() % 20));
    bool is_next = sequence == peer->committed + 1;
    bool is_gap = sequence > peer->committed && sequence == key && sequence == envelope.first;
    if (is_next || is_gap) {
        if (peer->has_poison && random() % 10 == 0)
            peer->rejected = sequence;
        if (peer->rejected == sequence) {
            ack.has_rejection = true;
            ack.rejected_sequence = sequence;
        } else {
            peer->has[sequence] = true;
            peer->committed = ack.committed = sequence;
        }
    } else if (sequence > peer->committed) {
        ack.resend_from = peer->committed + 1;
    }
    if (random() % 8 != 0) /* else the ack is lost on the way */
        give(fake, &ack);
    if (random() % 16 == 0)
        give(fake, &ack);
}

/* A store that comes back older, by no more than the agent still holds. */
static void peer_go_back(struct fake *fake, struct peer *peer)
{
    struct spool_frame frame = {0};
    uint64_t older = peer->committed - (uint64_t)(random() % 4);
    if (spool_read(fake->spool, STREAM, 1, &frame) == 0 && older + 1 >= frame.first &&
        older <= peer->committed)
        peer->committed = older;
    buffer_deinit(&frame.bytes);
}

/* One step of the line between them. */
static void line_step(struct fake *fake, struct peer *peer)
{
    const struct sent *sent = next_sent(fake);
    if (sent == NULL) {
        turn(fake, random() % 500);
    } else if (strcmp(sent->topic, PREFIX "/" NODE "/frames") == 0) {
        long fate = random() % 12;
        confirm(fake, sent->id, fate == 0 ? MQTT_NO_SUBSCRIBERS : 0);
        if (fate > 1) /* 1: the broker lost it, though it said PUBACK */
            peer_take(fake, peer, sent);
    } else {
        confirm(fake, sent->id, 0);
    }
    if (fake->n_seen == fake->n_sent)
        fake->n_seen = fake->n_sent = 0;
    if (!fake->is_ready) {
        if (random() % 4 == 0)
            connect_with(fake, (uint16_t)(2 + random() % 20));
    } else if (random() % 40 == 0) {
        lose(fake, 0);
        fake->n_seen = fake->n_sent = 0; /* what was on the way is gone */
    }
    if (random() % 500 == 0)
        peer_go_back(fake, peer);
}

static void play(bool has_poison)
{
    struct fake *fake = fake_new((uint64_t)random());
    struct peer peer = {.has_poison = has_poison};
    struct spool_state state = {0};
    uint64_t next = 1;
    for (int step = 0; step < 200000; step++) {
        if (next <= PLAYED && random() % 3 == 0)
            append(fake, next++);
        line_step(fake, &peer);
        spool_state(fake->spool, &state);
        if (next > PLAYED && state.unacked_frames == 0)
            break;
        if (next > PLAYED)
            peer.has_poison = false;
    }
    assert_int_equal(state.unacked_frames, 0);
    /* Nothing is missing but what the agent has set aside. */
    uint64_t missing = 0;
    for (uint64_t sequence = 1; sequence <= PLAYED; sequence++)
        missing += !peer.has[sequence];
    assert_true(missing <= state.aside_frames);
    if (!has_poison) {
        assert_int_equal(peer.committed, PLAYED);
        assert_int_equal(missing, 0);
    }
    fake_free(fake);
}

static void test_everything_arrives(void **state)
{
    (void)state;
    unsigned seed = (unsigned)getpid();
    const char *fixed = getenv("SHOAL_TEST_SEED");
    if (fixed != NULL)
        seed = (unsigned)strtoul(fixed, NULL, 10);
    print_message("SHOAL_TEST_SEED=%u\n", seed);
    srandom(seed);
    for (int round = 0; round < 20; round++)
        play(round % 2 == 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_before_ready),
        TEST(test_says_online_and_offline),
        TEST(test_one_frame_until_the_first_ack),
        TEST(test_credit_in_bytes),
        TEST(test_credit_of_nothing),
        TEST(test_receive_maximum),
        TEST(test_window_is_bounded),
        TEST(test_resends_what_is_not_acked),
        TEST(test_resend_backs_off),
        TEST(test_resends_after_reconnect),
        TEST(test_resend_from),
        TEST(test_older_store),
        TEST(test_strange_acks_do_nothing),
        TEST(test_rejection_sets_the_group_aside),
        TEST(test_too_large_for_the_broker),
        TEST(test_too_large_for_the_session),
        TEST(test_nobody_listens),
        TEST(test_hello_ends_the_wait),
        TEST(test_refused_by_the_broker),
        TEST(test_taken_over),
        TEST(test_system_clock),
        TEST(test_collector_counts),
        TEST(test_answer_before_frames),
        TEST(test_frames_wait_for_the_time),
        TEST(test_frames_go_with_the_answer),
        TEST(test_acks_give_no_time),
        TEST(test_nobody_to_answer),
        TEST(test_backlog_is_told),
        TEST(test_everything_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
