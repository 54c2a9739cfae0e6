/*
 * Between spool and session: makes envelopes, and does what acks, PUBACKs and Hellos say. When and
 * how much to send is the window's. The session may bring a stranger's bytes: what does not unpack
 * or is about a stream that is not being sent is passed over.
 */
#include "agent/uplink.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/spooled_time.h"
#include "agent/window.h"
#include "common/log.h"
#include "common/topic.h"

#define REASON_FAILED 0x80 /* PUBACK reasons from here on are failures */
#define REASON_NOT_AUTHORIZED 0x87
#define REASON_TOO_LARGE 0x95
#define REASON_QUOTA 0x97

/* What was last logged of the way to the collector; said when it changes. */
enum mood { MOOD_NEW, MOOD_LOST, MOOD_NOBODY, MOOD_FAILED, MOOD_SERVED };

struct uplink {
    struct spool *spool;
    uint64_t stream; /* that is being sent; 0: to be chosen */
    struct clock *clock;
    struct mqtt *mqtt;
    char where[NODE_ID_BYTES_MAX + 300]; /* "HOST:PORT as NODE", for the log */
    char version[VERSION_BYTES_MAX + 1];
    char prefix[TOPIC_BYTES_MAX];
    char frames_topic[TOPIC_BYTES_MAX];
    char status_topic[TOPIC_BYTES_MAX];
    char acks_topic[TOPIC_BYTES_MAX];
    uint64_t random; /* state, for jitter and connection ids */
    uint64_t connection;
    struct window window;
    struct utc *utc;
    struct spooled_time spooled_time;
    int probe;                /* MQTT id of the last probe, -1: none waits for PUBACK */
    struct spool_frame frame; /* their buffers are used again */
    struct buffer payload;
    bool is_estimated; /* the time of the frame in the payload */
    int status_id;     /* of the last status that was published */
    enum mood mood;
    bool has_refusal; /* said, and no frame was taken since */
    char lost_reason[MQTT_ERROR_TEXT_MAX];

    pthread_mutex_t lock; /* guards the rest */
    struct uplink_state state;
};

static int64_t now_ms(const struct uplink *uplink)
{
    return clock_boot_ms(uplink->clock);
}

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t random_64(struct uplink *uplink)
{
    uint64_t z = uplink->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void count(struct uplink *uplink, uint64_t *counter, uint64_t n)
{
    (void)pthread_mutex_lock(&uplink->lock); /* cannot fail on a mutex of the default kind */
    *counter += n;
    (void)pthread_mutex_unlock(&uplink->lock);
}

static void set_connected(struct uplink *uplink, bool is_connected)
{
    (void)pthread_mutex_lock(&uplink->lock);
    uplink->state.is_connected = is_connected;
    uplink->state.has_collector = false;
    uplink->state.connects += is_connected;
    uplink->state.failures += !is_connected;
    (void)pthread_mutex_unlock(&uplink->lock);
}

/* Whether this is news. */
static bool enter(struct uplink *uplink, enum mood mood)
{
    bool is_new = uplink->mood != mood;
    uplink->mood = mood;
    return is_new;
}

/* Packs a status into the payload buffer. */
static int pack_status(struct uplink *uplink, bool is_online)
{
    struct status status = {.is_online = is_online, .connection = uplink->connection};
    (void)snprintf(status.version, sizeof(status.version), "%s", uplink->version);
    buffer_clear(&uplink->payload);
    return status_pack(&status, &uplink->payload);
}

/* A status is a hint: without it the collector learns the same a little later, from frames. */
static void publish_status(struct uplink *uplink, bool is_online)
{
    if (pack_status(uplink, is_online) != 0)
        return;
    const struct mqtt_message message = {.topic = uplink->status_topic,
                                         .payload = uplink->payload.data,
                                         .size = uplink->payload.size,
                                         .is_retained = true};
    if (mqtt_publish(uplink->mqtt, &message, &uplink->status_id) == 0)
        window_sent_other(&uplink->window);
}

static int pack_probe(struct uplink *uplink)
{
    const struct envelope probe = {.has_probe = true, .probe_id = utc_send_probe(uplink->utc)};
    buffer_clear(&uplink->payload);
    return envelope_pack(&probe, &uplink->payload);
}

/* Out of memory or refused: another one is due soon. */
static void publish_probe(struct uplink *uplink)
{
    if (pack_probe(uplink) != 0)
        return;
    const struct mqtt_message message = {.topic = uplink->frames_topic,
                                         .payload = uplink->payload.data,
                                         .size = uplink->payload.size};
    if (mqtt_publish(uplink->mqtt, &message, &uplink->probe) == 0)
        window_sent_other(&uplink->window);
}

static void on_ready(void *context, uint16_t receive_maximum, uint32_t packet_bytes_max)
{
    struct uplink *uplink = context;
    (void)packet_bytes_max; /* the session refuses what is larger */
    log_info("connected to %s", uplink->where);
    uplink->mood = MOOD_NEW;
    uplink->lost_reason[0] = '\0';
    set_connected(uplink, true);
    window_connect(&uplink->window, receive_maximum);
    publish_status(uplink, true);
    utc_connected(uplink->utc);
    uplink->probe = -1;
    publish_probe(uplink);
}

/* Another connection gets another id, so that this one's last will can be told from it. */
static void renew_connection(struct uplink *uplink)
{
    uplink->connection = random_64(uplink);
    /* Out of memory the old will stays: a hint that is out of date, no more. */
    if (pack_status(uplink, false) == 0 &&
        mqtt_set_will(uplink->mqtt, uplink->payload.data, uplink->payload.size) != 0)
        log_debug("the last will keeps its old connection id");
}

static void on_lost(void *context, uint8_t code, const char *reason)
{
    struct uplink *uplink = context;
    bool is_other = strncmp(uplink->lost_reason, reason, sizeof(uplink->lost_reason) - 1) != 0;
    if (enter(uplink, MOOD_LOST) || is_other)
        log_warning("%s; trying again", reason);
    (void)snprintf(uplink->lost_reason, sizeof(uplink->lost_reason), "%s", reason);
    set_connected(uplink, false);
    renew_connection(uplink);
    if (code == MQTT_TAKEN_OVER) {
        log_error("another client is connected as the same node: two machines with one id?");
        mqtt_drop(uplink->mqtt, UPLINK_TAKEN_OVER_MS);
    }
}

static const char *reason_name(uint8_t reason)
{
    switch (reason) {
    case REASON_NOT_AUTHORIZED:
        return "Not authorized";
    case REASON_TOO_LARGE:
        return "Packet too large";
    case REASON_QUOTA:
        return "Quota exceeded";
    default:
        return "Failed";
    }
}

static void drop_too_large(struct uplink *uplink, uint64_t sequence)
{
    log_warning(
        "frame %llu is too large for the broker: it and the rest of its group are never sent",
        (unsigned long long)sequence);
    spool_drop_too_large(uplink->spool, uplink->stream, sequence);
    window_rewind(&uplink->window, sequence);
}

/* Said once, though it may come back with each connection: some brokers close it on a refusal. */
static void log_refusal(struct uplink *uplink, const char *topic, uint8_t reason)
{
    if (!uplink->has_refusal)
        log_warning("%s: the broker refuses %s: %s (0x%02x); frames are kept", uplink->where, topic,
                    reason_name(reason), reason);
    uplink->has_refusal = true;
}

/* What was published is not passed on: no use in sending more for a while. */
static void on_refused(struct uplink *uplink, uint8_t reason, int64_t now)
{
    window_pause(&uplink->window, now);
    if (reason >= REASON_FAILED)
        log_refusal(uplink, uplink->frames_topic, reason);
    else if (enter(uplink, MOOD_NOBODY))
        log_warning("%s: no collector listens; frames are kept for it", uplink->where);
}

static void on_published(void *context, int id, uint8_t reason)
{
    struct uplink *uplink = context;
    int64_t now = now_ms(uplink);
    uint64_t sequence;
    bool is_refused = reason == MQTT_NO_SUBSCRIBERS || reason >= REASON_FAILED;
    if (window_confirm(&uplink->window, id, now, &sequence)) {
        if (reason == REASON_TOO_LARGE)
            drop_too_large(uplink, sequence);
        else if (is_refused)
            on_refused(uplink, reason, now);
    } else if (id == uplink->probe && is_refused) {
        utc_probe_refused(uplink->utc);
        on_refused(uplink, reason, now);
    } else if (id == uplink->status_id && reason >= REASON_FAILED) {
        log_refusal(uplink, uplink->status_topic, reason);
    }
}

/* What cannot be read from its first group on is of a format that this collector does not know. */
static bool is_strange(const struct uplink *uplink, const struct ack *ack)
{
    return ack->rejection.reason == REJECT_MALFORMED && ack->committed == 0 &&
           ack->rejected_sequence == uplink->frame.first;
}

static void on_rejected(struct uplink *uplink, const struct ack *ack)
{
    const char *what = "the rest of its group is set aside";
    if (is_strange(uplink, ack) && spool_park(uplink->spool, ack->stream)) {
        what = "its stream waits for another collector";
        uplink->stream = 0;
    } else {
        spool_set_aside(uplink->spool, ack->stream, ack->rejected_sequence, ack->collector);
    }
    log_warning("the collector rejects frame %llu: %s: %s; %s",
                (unsigned long long)ack->rejected_sequence,
                reject_reason_name(ack->rejection.reason), ack->rejection.text, what);
    count(uplink, &uplink->state.rejected, 1);
    if (ack->rejected_sequence < uplink->window.next)
        window_rewind(&uplink->window, ack->rejected_sequence);
}

static void count_ack(struct uplink *uplink, const struct ack *ack)
{
    (void)pthread_mutex_lock(&uplink->lock);
    uplink->state.has_collector = true;
    uplink->state.acks++;
    uplink->state.acked_sequence = ack->committed;
    (void)pthread_mutex_unlock(&uplink->lock);
}

/* Another collector is offered what others refused, from where the spool now stands. */
static void meet(struct uplink *uplink, uint64_t collector, const char *version)
{
    if (!spool_meet(uplink->spool, collector, version))
        return;
    log_info("collector %016llx is another one or another version: what was refused is offered",
             (unsigned long long)collector);
    uplink->stream = 0;
}

static void on_ack(struct uplink *uplink, const uint8_t *payload, size_t size)
{
    struct ack ack;
    if (ack_unpack(payload, size, &ack) != 0)
        return;
    if (ack.has_answer)
        utc_answered(uplink->utc, &ack);
    if (ack.stream == 0 || ack.stream != uplink->stream)
        return;
    int64_t now = now_ms(uplink);
    meet(uplink, ack.collector, "");
    if (spool_ack(uplink->spool, ack.stream, ack.committed) != 0)
        return;
    if (enter(uplink, MOOD_SERVED))
        log_info("collector %016llx takes frames", (unsigned long long)ack.collector);
    uplink->has_refusal = false;
    count_ack(uplink, &ack);
    window_ack(&uplink->window, ack.committed, now);
    if (ack.has_credit)
        window_credit(&uplink->window, ack.credit_frames, ack.credit_bytes, now);
    if (ack.has_rejection)
        on_rejected(uplink, &ack);
    else if (ack.resend_from != 0 && window_ask(&uplink->window, ack.resend_from, now))
        log_debug("sending again from frame %llu, as asked", (unsigned long long)ack.resend_from);
}

/* A collector is there: no need to wait longer. A fleet hears it at once, so not all go at once. */
static void on_hello(struct uplink *uplink, const uint8_t *payload, size_t size)
{
    struct hello hello;
    if (hello_unpack(payload, size, &hello) != 0 || !hello.is_online)
        return;
    meet(uplink, hello.collector, hello.version);
    int64_t delay = (int64_t)(random_64(uplink) % UPLINK_HELLO_MS_MAX);
    window_resume(&uplink->window, now_ms(uplink), delay);
    utc_hello(uplink->utc, delay);
}

static void on_received(void *context, const char *topic, const uint8_t *payload, size_t size,
                        bool is_retained)
{
    struct uplink *uplink = context;
    enum topic_kind kind;
    char id[NODE_ID_BYTES_MAX + 1];
    if (strcmp(topic, uplink->acks_topic) == 0) {
        if (!is_retained) /* ours never are */
            on_ack(uplink, payload, size);
    } else if (topic_parse(topic, uplink->prefix, &kind, id) == 0 && kind == TOPIC_COLLECTOR) {
        on_hello(uplink, payload, size);
    }
}

/* Packs the frame that was read into the payload buffer, with the clock and backlog of now. */
static int pack_envelope(struct uplink *uplink, const struct spool_state *state)
{
    struct envelope envelope = {
        .frame = (const uint8_t *)uplink->frame.bytes.data,
        .frame_bytes = uplink->frame.bytes.size,
        .first = uplink->frame.first,
        .backlog_frames = state->unacked_frames,
        .backlog_bytes = state->unacked_bytes,
    };
    int64_t age = now_ms(uplink) - state->oldest_unacked_ms;
    envelope.backlog_oldest_age_ms = age > 0 ? (uint64_t)age : 0;
    memcpy(envelope.drops, state->drops, sizeof(envelope.drops));
    spooled_time_stamp(uplink->utc, &uplink->frame, &envelope);
    uplink->is_estimated = envelope.is_estimate;
    buffer_clear(&uplink->payload);
    return envelope_pack(&envelope, &uplink->payload);
}

static void count_sent(struct uplink *uplink, bool is_resent)
{
    (void)pthread_mutex_lock(&uplink->lock);
    uplink->state.frames_sent++;
    uplink->state.bytes_sent += uplink->payload.size;
    uplink->state.frames_resent += is_resent;
    uplink->state.frames_estimated += uplink->is_estimated;
    (void)pthread_mutex_unlock(&uplink->lock);
}

/* Sends the frame that was read. Whether to go on with the next one. */
static bool publish_frame(struct uplink *uplink, const struct spool_state *state, int64_t now)
{
    if (pack_envelope(uplink, state) != 0)
        return false; /* out of memory: the next turn tries again */
    const struct mqtt_message message = {.topic = uplink->frames_topic,
                                         .payload = uplink->payload.data,
                                         .size = uplink->payload.size};
    struct window_flight flight = {
        .sequence = uplink->frame.sequence, .bytes = uplink->frame.bytes.size, .sent_ms = now};
    int r = mqtt_publish(uplink->mqtt, &message, &flight.id);
    if (r == -EMSGSIZE) {
        drop_too_large(uplink, flight.sequence);
        return true;
    }
    if (r != 0) {
        if (r != -ENOTCONN && enter(uplink, MOOD_FAILED))
            log_warning("%s: cannot publish: %s", uplink->where, strerrordesc_np(-r));
        window_pause(&uplink->window, now);
        return false;
    }
    count_sent(uplink, window_sent(&uplink->window, &flight));
    return true;
}

/* The oldest stream with something to send. */
static void choose_stream(struct uplink *uplink)
{
    struct spool_position position;
    spool_position(uplink->spool, &position);
    if (position.stream == uplink->stream)
        return;
    uplink->stream = position.stream;
    window_move(&uplink->window, position.acked);
}

/* Whether a frame went out, or was dropped as one that cannot. */
static bool send_next(struct uplink *uplink, int64_t now)
{
    struct window *window = &uplink->window;
    struct spool_state state;
    choose_stream(uplink);
    if (!window_may_send(window, now, 0, true) ||
        spool_read(uplink->spool, uplink->stream, window->next, &uplink->frame) != 0)
        return false;
    /* Past a gap the collector takes a frame only where it is the first that is held: until then
     * what comes before it has to be acked. */
    if (uplink->frame.sequence != window->next && uplink->frame.sequence != uplink->frame.first)
        return false;
    spool_state(uplink->spool, &state);
    bool is_only = state.unacked_frames <= 1;
    return window_may_send(window, now, uplink->frame.bytes.size, is_only) &&
           publish_frame(uplink, &state, now);
}

static void tell_time(struct uplink *uplink)
{
    struct utc_state state;
    utc_state(uplink->utc, &state);
    (void)pthread_mutex_lock(&uplink->lock);
    uplink->state.time = state;
    (void)pthread_mutex_unlock(&uplink->lock);
}

/* The time first, as frames need it. */
static void turn_time(struct uplink *uplink)
{
    utc_turn(uplink->utc);
    if (mqtt_is_ready(uplink->mqtt) && utc_is_probe_due(uplink->utc))
        publish_probe(uplink);
    spooled_time_keep(&uplink->spooled_time, uplink->utc, uplink->spool);
    tell_time(uplink);
}

/* Until when there is nothing to do. */
static int64_t deadline_ms(const struct uplink *uplink, int64_t now)
{
    int64_t deadline = window_deadline(&uplink->window, now);
    int64_t time_ms = utc_deadline_ms(uplink->utc);
    return mqtt_is_ready(uplink->mqtt) && time_ms < deadline ? time_ms : deadline;
}

void uplink_turn(struct uplink *uplink, int64_t timeout_ms)
{
    int64_t now = now_ms(uplink);
    turn_time(uplink);
    if (window_expire(&uplink->window, now))
        log_debug("no ack in time: sending again from frame %llu",
                  (unsigned long long)uplink->window.next);
    while (mqtt_is_ready(uplink->mqtt) && utc_may_send(uplink->utc) && send_next(uplink, now))
        continue;
    int64_t deadline = deadline_ms(uplink, now);
    if (deadline - now < timeout_ms)
        timeout_ms = deadline > now ? deadline - now : 0;
    (void)mqtt_turn(uplink->mqtt, timeout_ms); /* it is turned again at once, so not asked when */
}

void uplink_wake(struct uplink *uplink)
{
    mqtt_wake(uplink->mqtt);
}

void uplink_state(struct uplink *uplink, struct uplink_state *state_out)
{
    (void)pthread_mutex_lock(&uplink->lock);
    *state_out = uplink->state;
    (void)pthread_mutex_unlock(&uplink->lock);
}

static int open_session(struct uplink *uplink, const struct uplink_options *options)
{
    static const struct mqtt_events events = {
        .ready = on_ready, .lost = on_lost, .received = on_received, .published = on_published};
    char collectors[TOPIC_BYTES_MAX];
    topic_format(collectors, options->topic_prefix, TOPIC_COLLECTOR, "+");
    const char *const subscriptions[] = {uplink->acks_topic, collectors, NULL};
    int r = pack_status(uplink, false);
    if (r != 0)
        return r;
    struct mqtt_options session = options->mqtt;
    session.subscriptions = subscriptions;
    session.time = utc_certificate_time;
    session.time_context = uplink->utc;
    session.will_topic = uplink->status_topic;
    session.will_payload = uplink->payload.data;
    session.will_bytes = uplink->payload.size;
    return mqtt_open(&session, &events, uplink, &uplink->mqtt);
}

static void init(struct uplink *uplink, const struct uplink_options *options)
{
    uplink->spool = options->spool;
    uplink->clock = options->clock;
    uplink->utc = options->utc;
    uplink->probe = -1;
    uplink->random = options->seed;
    uplink->connection = random_64(uplink);
    window_init(&uplink->window, 0, random_64(uplink));
    (void)snprintf(uplink->where, sizeof(uplink->where), "%s:%u as %s", options->mqtt.host,
                   (unsigned)options->mqtt.port, options->node);
    (void)snprintf(uplink->version, sizeof(uplink->version), "%s", options->version);
    (void)snprintf(uplink->prefix, sizeof(uplink->prefix), "%s", options->topic_prefix);
    topic_format(uplink->frames_topic, options->topic_prefix, TOPIC_FRAMES, options->node);
    topic_format(uplink->status_topic, options->topic_prefix, TOPIC_STATUS, options->node);
    topic_format(uplink->acks_topic, options->topic_prefix, TOPIC_ACKS, options->node);
}

static void destroy(struct uplink *uplink)
{
    (void)pthread_mutex_destroy(&uplink->lock); /* cannot fail: nobody holds it any more */
    buffer_deinit(&uplink->frame.bytes);
    buffer_deinit(&uplink->payload);
    spooled_time_deinit(&uplink->spooled_time);
    free(uplink);
}

int uplink_new(const struct uplink_options *options, struct uplink **uplink_out)
{
    struct uplink *uplink = calloc(1, sizeof(*uplink));
    if (uplink == NULL)
        return -ENOMEM;
    int r = -pthread_mutex_init(&uplink->lock, NULL);
    if (r != 0) {
        free(uplink);
        return r;
    }
    init(uplink, options);
    r = open_session(uplink, options);
    if (r != 0) {
        destroy(uplink);
        return r;
    }
    *uplink_out = uplink;
    return 0;
}

void uplink_free(struct uplink *uplink)
{
    if (uplink == NULL)
        return;
    if (mqtt_is_ready(uplink->mqtt))
        publish_status(uplink, false);
    mqtt_close(uplink->mqtt);
    destroy(uplink);
}
