#include "collector/receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/log.h"

struct letter {
    struct letter *next;
    char node[NODE_ID_BYTES_MAX + 1];
    struct ack ack;
};

struct receiver {
    struct mqtt *mqtt;
    const char *prefix;
    const struct receiver_events *events;
    void *context;
    struct clock *clock;
    struct hello hello;
    char topic[TOPIC_BYTES_MAX]; /* of the hello */
    char place[MQTT_ERROR_TEXT_MAX];
    bool has_complained; /* of the broker, since it was last there */
    int goodbye;         /* id of the last hello while it is on its way */
    bool is_goodbye_said;
    struct buffer packed; /* scratch */

    pthread_mutex_t lock; /* for what follows */
    struct letter *first, **last;
    size_t n_letters;
    struct receiver_totals totals;
};

void receiver_client_id(char id_out[RECEIVER_CLIENT_BYTES_MAX], uint64_t collector)
{
    (void)snprintf(id_out, RECEIVER_CLIENT_BYTES_MAX, "_collector-%016" PRIx64, collector);
}

/* --- the outbox --- */

static struct letter *take_letters(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    struct letter *letters = receiver->first;
    receiver->first = NULL;
    receiver->last = &receiver->first;
    receiver->n_letters = 0;
    pthread_mutex_unlock(&receiver->lock);
    return letters;
}

static size_t free_letters(struct letter *letters)
{
    size_t n = 0;
    while (letters != NULL) {
        struct letter *letter = letters;
        letters = letter->next;
        free(letter);
        n++;
    }
    return n;
}

/* Under the lock. */
static void drop_oldest(struct receiver *receiver)
{
    struct letter *oldest = receiver->first;
    receiver->first = oldest->next;
    if (receiver->first == NULL)
        receiver->last = &receiver->first;
    receiver->n_letters--;
    receiver->totals.acks_dropped++;
    free(oldest);
}

void receiver_send(struct receiver *receiver, const char *node, const struct ack *ack)
{
    struct letter *letter = malloc(sizeof(*letter));
    if (letter != NULL) {
        letter->next = NULL;
        (void)snprintf(letter->node, sizeof(letter->node), "%s", node);
        letter->ack = *ack;
    }
    pthread_mutex_lock(&receiver->lock);
    if (letter == NULL || !receiver->totals.is_connected) {
        receiver->totals.acks_dropped++;
        free(letter);
        letter = NULL;
    } else {
        if (receiver->n_letters == RECEIVER_OUTBOX_MAX)
            drop_oldest(receiver);
        *receiver->last = letter;
        receiver->last = &letter->next;
        receiver->n_letters++;
    }
    pthread_mutex_unlock(&receiver->lock);
    if (letter != NULL)
        mqtt_wake(receiver->mqtt);
}

static void count_acks(struct receiver *receiver, uint64_t sent, uint64_t dropped)
{
    pthread_mutex_lock(&receiver->lock);
    receiver->totals.acks += sent;
    receiver->totals.acks_dropped += dropped;
    pthread_mutex_unlock(&receiver->lock);
}

/* What is packed. */
static int publish(struct receiver *receiver, const char *topic, bool is_retained, int *id_out)
{
    const struct mqtt_message message = {.topic = topic,
                                         .payload = receiver->packed.data,
                                         .size = receiver->packed.size,
                                         .is_retained = is_retained};
    return mqtt_publish(receiver->mqtt, &message, id_out);
}

static int publish_ack(struct receiver *receiver, struct letter *letter)
{
    char topic[TOPIC_BYTES_MAX];
    topic_format(topic, receiver->prefix, TOPIC_ACKS, letter->node);
    /* As late as can be: the node takes the time between for the network's. */
    if (letter->ack.has_answer)
        letter->ack.answer_sent_utc_us = receiver->clock->utc_us(receiver->clock);
    buffer_clear(&receiver->packed);
    int r = ack_pack(&letter->ack, &receiver->packed);
    int id;
    return r < 0 ? r : publish(receiver, topic, false, &id);
}

static void send_letters(struct receiver *receiver)
{
    struct letter *letters = take_letters(receiver);
    uint64_t sent = 0, dropped = 0;
    for (struct letter *letter = letters; letter != NULL; letter = letter->next) {
        if (publish_ack(receiver, letter) == 0)
            sent++;
        else
            dropped++;
    }
    free_letters(letters);
    if (sent + dropped > 0)
        count_acks(receiver, sent, dropped);
}

/* --- the connection --- */

static int pack_hello(struct receiver *receiver, bool is_online)
{
    receiver->hello.is_online = is_online;
    buffer_clear(&receiver->packed);
    return hello_pack(&receiver->hello, &receiver->packed);
}

/* Each connection has a number of its own, so that a last will which comes late is known as old. */
static int number_connection(struct receiver *receiver)
{
    uint64_t number;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return -EIO;
    receiver->hello.connection = number;
    return pack_hello(receiver, false);
}

static int publish_hello(struct receiver *receiver, bool is_online, int *id_out)
{
    int r = pack_hello(receiver, is_online);
    return r < 0 ? r : publish(receiver, receiver->topic, true, id_out);
}

static void set_connected(struct receiver *receiver, bool is_connected)
{
    pthread_mutex_lock(&receiver->lock);
    bool was_connected = receiver->totals.is_connected;
    receiver->totals.is_connected = is_connected;
    receiver->totals.connects += is_connected && !was_connected;
    receiver->totals.losses += !is_connected && was_connected;
    pthread_mutex_unlock(&receiver->lock);
    receiver->events->connected(receiver->context, is_connected);
}

static void on_ready(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max)
{
    (void)receive_maximum, (void)packet_bytes_max;
    struct receiver *receiver = context;
    log_info("broker %s: connected", receiver->place);
    receiver->has_complained = false;
    set_connected(receiver, true);
    int id;
    int r = publish_hello(receiver, true, &id);
    if (r < 0)
        log_warning("broker %s: nodes are not told that a collector is there: %s", receiver->place,
                    strerror(-r));
}

static void on_lost(void *context, uint8_t code, const char *reason)
{
    (void)code;
    struct receiver *receiver = context;
    if (!receiver->has_complained)
        log_warning("broker %s; trying again", reason);
    receiver->has_complained = true;
    set_connected(receiver, false);
    count_acks(receiver, 0, free_letters(take_letters(receiver)));
    if (number_connection(receiver) != 0 ||
        mqtt_set_will(receiver->mqtt, receiver->packed.data, receiver->packed.size) != 0)
        log_warning("broker: the last will of the next connection is that of the last one");
}

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size,
                        bool is_retained)
{
    (void)is_retained;
    struct receiver *receiver = context;
    receiver->events->received(receiver->context, topic, payload, size);
}

static void on_published(void *context, int id, uint8_t reason)
{
    (void)reason;
    struct receiver *receiver = context;
    if (id == receiver->goodbye)
        receiver->is_goodbye_said = true;
}

static int open_session(struct receiver *receiver, const struct receiver_options *options)
{
    static const struct mqtt_events events = {
        .ready = on_ready, .lost = on_lost, .received = on_received, .published = on_published};
    char frames[TOPIC_BYTES_MAX], status[TOPIC_BYTES_MAX], id[RECEIVER_CLIENT_BYTES_MAX];
    topic_format(frames, options->topic_prefix, TOPIC_FRAMES, "+");
    topic_format(status, options->topic_prefix, TOPIC_STATUS, "+");
    (void)snprintf(id, sizeof(id), "%016" PRIx64, options->collector);
    topic_format(receiver->topic, options->topic_prefix, TOPIC_COLLECTOR, id);
    const char *const subscriptions[] = {frames, status, NULL};
    int r = number_connection(receiver);
    if (r < 0)
        return r;
    struct mqtt_options session = options->session;
    session.subscriptions = subscriptions;
    session.will_topic = receiver->topic;
    session.will_payload = receiver->packed.data;
    session.will_bytes = receiver->packed.size;
    return mqtt_open(&session, &events, receiver, &receiver->mqtt);
}

int receiver_open(const struct receiver_options *options, struct receiver **receiver_out)
{
    struct receiver *receiver = calloc(1, sizeof(*receiver));
    if (receiver == NULL)
        return -ENOMEM;
    receiver->prefix = options->topic_prefix;
    receiver->events = options->events;
    receiver->context = options->context;
    receiver->clock = options->clock;
    receiver->last = &receiver->first;
    receiver->goodbye = -1;
    receiver->hello.collector = options->collector;
    receiver->hello.up_since_utc_ms = clock_utc_ms(options->clock);
    (void)snprintf(receiver->hello.version, sizeof(receiver->hello.version), "%s",
                   options->version);
    (void)snprintf(receiver->place, sizeof(receiver->place), "%s:%u", options->session.host,
                   options->session.port);
    int r = -pthread_mutex_init(&receiver->lock, NULL);
    if (r == 0) {
        r = open_session(receiver, options);
        if (r == 0) {
            *receiver_out = receiver;
            return 0;
        }
        (void)pthread_mutex_destroy(&receiver->lock); /* unlocked: cannot fail */
    }
    buffer_deinit(&receiver->packed);
    free(receiver);
    return r;
}

void receiver_turn(struct receiver *receiver, int64_t timeout_ms)
{
    if (mqtt_is_ready(receiver->mqtt))
        send_letters(receiver);
    (void)mqtt_turn(receiver->mqtt, timeout_ms); /* the caller comes back soon in any case */
}

void receiver_wake(struct receiver *receiver)
{
    mqtt_wake(receiver->mqtt);
}

/* Last acks and an offline hello, for which the will stays away. */
static void say_goodbye(struct receiver *receiver)
{
    send_letters(receiver);
    if (publish_hello(receiver, false, &receiver->goodbye) != 0)
        return;
    int64_t end_ms = clock_boot_ms(receiver->clock) + RECEIVER_GOODBYE_MS_MAX;
    while (!receiver->is_goodbye_said && mqtt_is_ready(receiver->mqtt)) {
        int64_t left_ms = end_ms - clock_boot_ms(receiver->clock);
        if (left_ms <= 0)
            return;
        (void)mqtt_turn(receiver->mqtt, left_ms); /* its own wish does not matter any more */
    }
}

void receiver_close(struct receiver *receiver)
{
    if (receiver == NULL)
        return;
    if (mqtt_is_ready(receiver->mqtt))
        say_goodbye(receiver);
    mqtt_close(receiver->mqtt);
    free_letters(receiver->first);
    (void)pthread_mutex_destroy(&receiver->lock); /* unlocked: cannot fail */
    buffer_deinit(&receiver->packed);
    free(receiver);
}

void receiver_totals(struct receiver *receiver, struct receiver_totals *totals_out)
{
    pthread_mutex_lock(&receiver->lock);
    *totals_out = receiver->totals;
    pthread_mutex_unlock(&receiver->lock);
}
