#include "collector/ingest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest_private.h"
#include "common/log.h"

#define RETAIN_MS 1000 /* between turns of retention that had nothing to do */
#define GREETINGS_PER_TURN 256
#define OVERLOAD_CALM_MS 60000 /* without a drop, then an overload is over */

/* --- life --- */

static int open_parts(struct ingest *ingest, const struct ingest_options *options)
{
    struct store_error error = {"out of memory"};
    struct ingest_batch *batch = &ingest->batch;
    ingest->topic_prefix = strdup(options->topic_prefix);
    ingest->workspace = decoder_workspace_new();
    ingest->queue =
        ingest_queue_new(INGEST_QUEUE_FRAMES_MAX, INGEST_QUEUE_BYTES_MAX, INGEST_NODE_SHARE);
    batch->outcomes = calloc(INGEST_BATCH_FRAMES_MAX, sizeof(*batch->outcomes));
    batch->answers = calloc(INGEST_BATCH_FRAMES_MAX, sizeof(*batch->answers));
    if (ingest->topic_prefix == NULL || ingest->workspace == NULL || ingest->queue == NULL ||
        batch->outcomes == NULL || batch->answers == NULL || node_map_init(&ingest->nodes) != 0)
        return -ENOMEM;
    int r = store_reader_open(store_directory(ingest->store), &ingest->reader, &error);
    if (r == 0)
        r = ingest_rebuild_begin(ingest, &error);
    if (r != 0)
        log_error("the store cannot be read: %s", error.text);
    return r > 0 ? -EIO : r;
}

int ingest_new(const struct ingest_options *options, struct ingest **ingest_out)
{
    struct ingest *ingest = calloc(1, sizeof(*ingest));
    if (ingest == NULL)
        return -ENOMEM;
    ingest->store = options->store;
    ingest->live = options->live;
    ingest->clock = options->clock;
    ingest->is_clock_trusted = options->is_clock_trusted;
    ingest->send = options->send;
    ingest->context = options->context;
    ingest->totals.is_storing = true;
    ingest->has_more_to_retain = true;
    (void)pthread_mutex_init(&ingest->totals_lock, NULL); /* cannot fail with these attributes */
    ingest_credit_init(&ingest->credit, INGEST_QUEUE_FRAMES_MAX, INGEST_NODE_SHARE);
    int r = open_parts(ingest, options);
    if (r != 0) {
        ingest_free(ingest);
        return r;
    }
    *ingest_out = ingest;
    return 0;
}

void ingest_free(struct ingest *ingest)
{
    if (ingest == NULL)
        return;
    for (struct ingest_node *node = ingest->first_node, *next; node != NULL; node = next) {
        next = node->next;
        ingest_node_free(node);
    }
    node_map_deinit(&ingest->nodes);
    decoder_workspace_free(ingest->workspace);
    if (ingest->queue != NULL)
        ingest_queue_done(ingest->queue, ingest->pending);
    ingest_queue_free(ingest->queue);
    store_reader_close(ingest->reader);
    (void)pthread_mutex_destroy(&ingest->totals_lock);
    free(ingest->batch.outcomes);
    free(ingest->batch.answers);
    free(ingest->topic_prefix);
    free(ingest);
}

bool ingest_has_clock(const struct ingest *ingest)
{
    int64_t error_us;
    return ingest->is_clock_trusted || ingest->clock->is_synchronised(ingest->clock, &error_us);
}

int ingest_get_node(struct ingest *ingest, const char *id, struct ingest_node **node_out)
{
    struct ingest_node *node = (struct ingest_node *)node_map_find(&ingest->nodes, id);
    if (node != NULL) {
        *node_out = node;
        return 0;
    }
    int r = live_add_node(ingest->live, id);
    if (r != 0)
        return r;
    node = ingest_node_new();
    if (node == NULL)
        return -ENOMEM;
    node_map_add(&ingest->nodes, &node->entry, id);
    if (ingest->last_node != NULL)
        ingest->last_node->next = node;
    else
        ingest->first_node = node;
    ingest->last_node = node;
    /* Also one whose first frame cannot be read: service discovery waits for all nodes. */
    ingest_rebuild_later(ingest, node);
    *node_out = node;
    return 0;
}

void ingest_send_ack(struct ingest *ingest, struct ingest_node *node, struct ack *ack)
{
    const size_t frame_bytes = INGEST_QUEUE_BYTES_MAX / INGEST_QUEUE_FRAMES_MAX;
    ack->has_credit = true;
    ack->credit_frames = ingest_credit_grant(&ingest->credit, &node->grant, node->backlog_frames,
                                             clock_boot_ms(ingest->clock));
    /* The one frame that is always allowed may be of any size. */
    ack->credit_bytes =
        (uint64_t)ENVELOPE_BYTES_MAX + (uint64_t)(ack->credit_frames - 1) * frame_bytes;
    ingest->send(ingest->context, node->entry.node, ack);
}

/* --- on the MQTT thread --- */

static void answer_probe(struct ingest *ingest, const char *node, uint64_t id,
                         int64_t received_utc_us)
{
    struct ack ack = {
        .collector = store_id(ingest->store),
        .has_answer = true,
        .answer_id = id,
        .answer_received_utc_us = received_utc_us,
        .answer_is_synchronised = ingest_has_clock(ingest),
    };
    ack.answer_sent_utc_us = ingest->clock->utc_us(ingest->clock);
    ingest->send(ingest->context, node, &ack);
}

/* Puts an item into the queue; NULL is one that there was no memory for. */
static void put(struct ingest *ingest, struct ingest_item *item, int64_t received_utc_us)
{
    if (item == NULL) {
        ingest_queue_count_lost(ingest->queue);
        return;
    }
    item->received_utc_ms = received_utc_us / 1000;
    ingest_queue_put(ingest->queue, item);
}

static void put_refused(struct ingest *ingest, const char *node, enum reject_reason reason,
                        int64_t received_utc_us)
{
    struct ingest_item *item = ingest_item_new(INGEST_REFUSED, node, 0);
    if (item != NULL)
        item->refused = reason;
    put(ingest, item, received_utc_us);
}

static void put_envelope(struct ingest *ingest, const char *node, const struct envelope *envelope,
                         int64_t received_utc_us)
{
    size_t size = envelope->frame != NULL ? envelope->frame_bytes : 0;
    struct ingest_item *item = ingest_item_new(INGEST_FRAME, node, size);
    if (item != NULL) {
        item->envelope = *envelope;
        if (envelope->frame != NULL) {
            if (size > 0)
                memcpy(item->bytes, envelope->frame, size);
            item->envelope.frame = item->bytes;
        }
    }
    put(ingest, item, received_utc_us);
}

static void offer_envelope(struct ingest *ingest, const char *node, const uint8_t *payload,
                           size_t size)
{
    int64_t received_utc_us = ingest->clock->utc_us(ingest->clock);
    struct envelope envelope;
    if (size > (size_t)ENVELOPE_BYTES_MAX) {
        put_refused(ingest, node, REJECT_TOO_LARGE, received_utc_us);
        return;
    }
    int r = envelope_unpack(payload, size, &envelope);
    if (r == -ENOMEM) {
        put(ingest, NULL, received_utc_us);
        return;
    }
    if (r != 0) {
        put_refused(ingest, node, REJECT_MALFORMED, received_utc_us);
        return;
    }
    if (envelope.has_probe)
        answer_probe(ingest, node, envelope.probe_id, received_utc_us);
    if (envelope.frame != NULL || !envelope.has_probe)
        put_envelope(ingest, node, &envelope, received_utc_us);
}

static void offer_status(struct ingest *ingest, const char *node, const uint8_t *payload,
                         size_t size)
{
    int64_t received_utc_us = ingest->clock->utc_us(ingest->clock);
    struct status status;
    if (size == 0)
        return; /* a retained status that somebody cleared */
    if (status_unpack(payload, size, &status) != 0) {
        put_refused(ingest, node, REJECT_MALFORMED, received_utc_us);
        return;
    }
    struct ingest_item *item = ingest_item_new(INGEST_STATUS, node, 0);
    if (item != NULL)
        item->status = status;
    put(ingest, item, received_utc_us);
}

static void note_bad_topic(struct ingest *ingest, const char *topic)
{
    atomic_fetch_add(&ingest->bad_topics, 1);
    if (!atomic_exchange(&ingest->has_logged_topic, true))
        log_warning("topic \"%.200s\" fits nothing under \"%s\"; further ones are counted", topic,
                    ingest->topic_prefix);
}

void ingest_offer(struct ingest *ingest, const char *topic, const uint8_t *payload, size_t size)
{
    char node[NODE_ID_BYTES_MAX + 1];
    enum topic_kind kind;
    int r = topic_parse(topic, ingest->topic_prefix, &kind, node);
    if (r == 0 && kind == TOPIC_FRAMES)
        offer_envelope(ingest, node, payload, size);
    else if (r == 0 && kind == TOPIC_STATUS)
        offer_status(ingest, node, payload, size);
    else
        note_bad_topic(ingest, topic);
}

void ingest_wake(struct ingest *ingest)
{
    ingest_queue_wake(ingest->queue);
}

void ingest_reconnected(struct ingest *ingest)
{
    atomic_store(&ingest->is_reconnected, true);
    ingest_queue_wake(ingest->queue);
}

void ingest_totals(struct ingest *ingest, struct ingest_totals *totals_out)
{
    struct ingest_queue_totals queue;
    ingest_queue_totals(ingest->queue, &queue);
    pthread_mutex_lock(&ingest->totals_lock);
    *totals_out = ingest->totals;
    pthread_mutex_unlock(&ingest->totals_lock);
    totals_out->queue_frames = queue.frames;
    totals_out->queue_bytes = queue.bytes;
    totals_out->overloaded = queue.dropped;
    totals_out->bad_topics = atomic_load(&ingest->bad_topics);
}

/* --- on the writer's thread --- */

static void count_dropped(void *context, const char *node, uint64_t dropped)
{
    struct ingest *ingest = context;
    live_count(ingest->live, node, LIVE_OVERLOADED, dropped);
    ingest->states.overloaded_ms = clock_boot_ms(ingest->clock);
    if (!ingest->states.is_overloaded)
        log_warning("more frames arrive than can be stored: some are dropped, of node %s first;"
                    " they will be sent again",
                    node);
    ingest->states.is_overloaded = true;
}

static void note_overload(struct ingest *ingest)
{
    ingest_queue_dropped(ingest->queue, count_dropped, ingest);
    if (ingest->states.is_overloaded &&
        clock_boot_ms(ingest->clock) >= ingest->states.overloaded_ms + OVERLOAD_CALM_MS) {
        ingest->states.is_overloaded = false;
        log_info("no frames were dropped for a minute");
    }
}

/* Acks from what the store has, so that nodes which wait for one go on. */
static bool greet(struct ingest *ingest)
{
    if (atomic_exchange(&ingest->is_reconnected, false))
        ingest->greet_next = ingest->first_node;
    for (int i = 0; i < GREETINGS_PER_TURN && ingest->greet_next != NULL; i++) {
        struct ingest_node *node = ingest->greet_next;
        const struct ingest_stream *stream = node->streams[0];
        ingest->greet_next = node->next;
        if (stream == NULL || stream->is_stale || stream->row.row == 0)
            continue;
        struct ack ack = {.collector = store_id(ingest->store),
                          .stream = stream->row.stream,
                          .committed = stream->row.committed};
        ingest_send_ack(ingest, node, &ack);
    }
    return ingest->greet_next != NULL;
}

static bool retain(struct ingest *ingest)
{
    struct store_error error = {"out of memory"};
    int64_t now_ms = clock_boot_ms(ingest->clock);
    if (!ingest->has_more_to_retain && now_ms < ingest->retained_ms + RETAIN_MS)
        return false;
    ingest->retained_ms = now_ms;
    ingest->has_more_to_retain = false;
    int r = store_retain(ingest->store, &ingest->has_more_to_retain, &error);
    if (r != 0 && !ingest->states.is_not_retaining)
        log_error("old frames cannot be deleted: %s; it is tried again", error.text);
    if (r == 0 && ingest->states.is_not_retaining)
        log_info("%s: old frames are deleted again", store_directory(ingest->store));
    ingest->states.is_not_retaining = r != 0;
    return ingest->has_more_to_retain;
}

int ingest_turn(struct ingest *ingest, int64_t timeout_ms)
{
    bool is_busy = greet(ingest);
    is_busy = ingest_rebuild_some(ingest) || is_busy;
    is_busy = retain(ingest) || is_busy;
    if (ingest->pending == NULL)
        ingest->pending =
            ingest_queue_take(ingest->queue, INGEST_BATCH_FRAMES_MAX, is_busy ? 0 : timeout_ms);
    int r = ingest->pending != NULL ? ingest_run_batch(ingest) : 0;
    note_overload(ingest); /* after the batch, which makes the nodes known that are counted */
    return r;
}
