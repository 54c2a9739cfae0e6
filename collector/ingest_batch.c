/*
 * One transaction: what waits is looked at in order, committed together, and only then counted,
 * shown and acked. Where the commit fails nothing of it happened, and what the streams had advanced
 * is read from the store again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest_private.h"
#include "common/log.h"

/* --- items --- */

static int reject_as(struct ingest_outcome *outcome, enum reject_reason reason, const char *text)
{
    struct rejection rejection = {.reason = reason};
    strncpy(rejection.text, text, sizeof(rejection.text) - 1);
    return ingest_reject(outcome, &rejection);
}

/* A bound of the collector's is no fault of the frame's: the node is not known, and that is all. */
static int find_node(struct ingest *ingest, struct ingest_outcome *outcome)
{
    int r = ingest_get_node(ingest, outcome->item->node, &outcome->node);
    if (r == -E2BIG)
        return reject_as(outcome, REJECT_LIMIT, "the collector knows as many nodes as it may");
    return r;
}

static int note_drops(struct ingest *ingest, const struct ingest_outcome *outcome,
                      struct store_error *error)
{
    const struct envelope *envelope = &outcome->item->envelope;
    struct ingest_node *node = outcome->node;
    static const struct drop_total none[DROP_REASONS];
    if (memcmp(envelope->drops, node->drops, sizeof(node->drops)) == 0 ||
        memcmp(envelope->drops, none, sizeof(none)) == 0)
        return 0;
    int r = ingest_begin(ingest, error);
    if (r == 0)
        r = store_set_drops(ingest->store, node->entry.node, envelope->drops, error);
    if (r == 0)
        memcpy(node->drops, envelope->drops, sizeof(node->drops));
    return r;
}

static int look_at_envelope(struct ingest *ingest, struct ingest_outcome *outcome,
                            struct store_error *error)
{
    struct ingest_node *node = outcome->node;
    int r = node->is_rebuilt ? 0 : ingest_rebuild_node(ingest, node, error);
    if (r == 0)
        r = note_drops(ingest, outcome, error);
    if (r != 0)
        return r;
    node->backlog_frames = outcome->item->envelope.backlog_frames;
    if (outcome->item->envelope.frame == NULL) {
        ingest->batch.n_outcomes--; /* a notice: nothing is left to say */
        return 0;
    }
    return ingest_frame(ingest, outcome, error);
}

static int look_at_status(struct ingest *ingest, struct ingest_outcome *outcome)
{
    live_status(ingest->live, outcome->item->node, &outcome->item->status);
    ingest->batch.n_outcomes--;
    return 0;
}

static int look_at(struct ingest *ingest, const struct ingest_item *item, struct store_error *error)
{
    struct ingest_outcome *outcome = &ingest->batch.outcomes[ingest->batch.n_outcomes++];
    *outcome = (struct ingest_outcome){.item = item};
    if (item->kind == INGEST_STATUS)
        return look_at_status(ingest, outcome);
    int r = find_node(ingest, outcome);
    if (r != 0 || outcome->rejection != NULL)
        return r;
    if (item->kind == INGEST_REFUSED)
        return reject_as(outcome, item->refused,
                         item->refused == REJECT_TOO_LARGE ? "payload over its bound"
                                                           : "payload is no envelope");
    return look_at_envelope(ingest, outcome, error);
}

/* --- after the commit --- */

static void log_rejection(struct ingest_node *node, const struct ingest_outcome *outcome)
{
    uint32_t bit = UINT32_C(1) << outcome->rejection->reason;
    if (node->logged & bit)
        return;
    node->logged |= bit;
    log_warning("node %s: frame %llu of stream %016llx refused: %s: %s; further ones are counted",
                node->entry.node, (unsigned long long)outcome->header.sequence,
                (unsigned long long)outcome->header.stream,
                reject_reason_name(outcome->rejection->reason), outcome->rejection->text);
}

/* A stream's first rejection goes into its ack; what named no stream gets an ack of its own. */
static void tell_rejection(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    struct ingest_stream *stream = outcome->stream;
    if (stream == NULL) {
        struct ack ack = {
            .collector = store_id(ingest->store),
            .stream = outcome->header.stream,
            .has_rejection = true,
            .rejected_sequence = outcome->header.sequence,
            .rejection = *outcome->rejection,
        };
        ingest_send_ack(ingest, outcome->node, &ack);
    } else if (stream->rejection == NULL) {
        stream->rejection = outcome->rejection;
        stream->rejected_sequence = outcome->header.sequence;
    }
}

/* A node beyond the bound has no place to be counted in, and no credit. */
static void refuse_node(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    const struct ack ack = {
        .collector = store_id(ingest->store),
        .has_rejection = true,
        .rejection = *outcome->rejection,
    };
    ingest->send(ingest->context, outcome->item->node, &ack);
    if (!ingest->states.has_refused_node)
        log_warning("node %s is refused: %s; further ones are counted", outcome->item->node,
                    outcome->rejection->text);
    ingest->states.has_refused_node = true;
}

static void finish_rejected(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    struct ingest_node *node = outcome->node;
    ingest->batch.counted.rejected[outcome->rejection->reason]++;
    if (node == NULL) {
        refuse_node(ingest, outcome);
        return;
    }
    live_reject(ingest->live, node->entry.node, outcome->rejection->reason);
    log_rejection(node, outcome);
    tell_rejection(ingest, outcome);
}

static int apply(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    const struct envelope *envelope = &outcome->item->envelope;
    const struct live_envelope live_envelope = {
        .utc_offset_ms = outcome->time.utc_offset_ms,
        .uncertainty_ms = outcome->time.uncertainty_ms,
        .source = outcome->time.source,
        .is_estimate = outcome->time.is_estimate,
        .system_off_ms = envelope->system_off_ms,
        .backlog_frames = envelope->backlog_frames,
        .backlog_bytes = envelope->backlog_bytes,
        .backlog_oldest_age_ms = envelope->backlog_oldest_age_ms,
        .drops = outcome->node->drops,
        .received_utc_ms = outcome->item->received_utc_ms,
    };
    return live_apply(ingest->live, outcome->node->entry.node, outcome->frame, &live_envelope);
}

/* Rows advance here and only here. */
static int finish_taken(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    const char *id = outcome->node->entry.node;
    struct store_stream *row = &outcome->stream->row;
    size_t size = outcome->item->envelope.frame_bytes;
    row->committed = outcome->header.sequence;
    row->key = outcome->header.key;
    row->crc = outcome->frame->crc;
    row->frames++;
    row->gap_frames += outcome->gap_frames;
    row->last_commit_utc_ms = ingest->batch.now_utc_ms;
    outcome->stream->is_dirty = false;

    ingest_time_judge(outcome->node, &outcome->item->envelope, &outcome->time);
    int r = apply(ingest, outcome);
    ingest->batch.counted.frames++;
    ingest->batch.counted.bytes += size;
    live_count(ingest->live, id, LIVE_FRAMES, 1);
    live_count(ingest->live, id, LIVE_SAMPLES, outcome->frame->samples);
    live_count(ingest->live, id, LIVE_BYTES, size);
    if (outcome->gap_frames > 0)
        live_count(ingest->live, id, LIVE_GAP_FRAMES, outcome->gap_frames);
    return r;
}

static int finish_outcome(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    switch (outcome->verdict) {
    case INGEST_TAKEN:
        return finish_taken(ingest, outcome);
    case INGEST_DUPLICATE:
        live_count(ingest->live, outcome->node->entry.node, LIVE_DUPLICATES, 1);
        return 0;
    case INGEST_REJECTED:
        finish_rejected(ingest, outcome);
        return 0;
    case INGEST_LATER:
        live_count(ingest->live, outcome->node->entry.node, LIVE_OVERLOADED, 1);
        return 0;
    case INGEST_MISSING:
        return 0;
    }
    return 0;
}

static void send_answer(struct ingest *ingest, const struct ingest_answer *answer)
{
    struct ingest_stream *stream = answer->stream;
    struct ack ack = {
        .collector = store_id(ingest->store),
        .stream = stream->row.stream,
        .committed = stream->row.committed,
        .resend_from = stream->resend_from,
    };
    if (stream->rejection != NULL) {
        ack.has_rejection = true;
        ack.rejected_sequence = stream->rejected_sequence;
        ack.rejection = *stream->rejection;
    }
    if (stream->resend_from != 0)
        live_count(ingest->live, answer->node->entry.node, LIVE_RESYNCS, 1);
    ingest_send_ack(ingest, answer->node, &ack);
}

/* At once, so that whoever reads the totals waits for no batch. */
static void add_totals(struct ingest *ingest)
{
    const struct ingest_totals *counted = &ingest->batch.counted;
    pthread_mutex_lock(&ingest->totals_lock);
    ingest->totals.frames += counted->frames;
    ingest->totals.bytes += counted->bytes;
    for (size_t i = 0; i < REJECT_REASONS; i++)
        ingest->totals.rejected[i] += counted->rejected[i];
    pthread_mutex_unlock(&ingest->totals_lock);
}

static int finish(struct ingest *ingest)
{
    struct ingest_batch *batch = &ingest->batch;
    int r = 0;
    for (size_t i = 0; i < batch->n_outcomes; i++) {
        int one = finish_outcome(ingest, &batch->outcomes[i]);
        if (one != 0)
            r = one; /* a node's view is poorer; what is committed is to be acked all the same */
    }
    add_totals(ingest);
    for (size_t i = 0; i < batch->n_answers; i++)
        send_answer(ingest, &batch->answers[i]);
    return r;
}

/* --- failure --- */

/* Whether the store stands where the stream's last commit left it. */
static bool is_unchanged(struct ingest *ingest, const struct ingest_answer *answer)
{
    const struct store_stream *row = &answer->stream->row;
    struct store_error error;
    struct store_stream now;
    int r = store_find_stream(ingest->store, answer->node->entry.node, row->stream, &now, &error);
    return r == STORE_NONE ? row->committed == 0 : r == 0 && now.committed == row->committed;
}

/* What was appended is not in the store, or may not be: to be read again. A commit whose outcome is
 * unknown may have moved the store past what live shows. */
static void forget_advances(struct ingest *ingest)
{
    struct ingest_batch *batch = &ingest->batch;
    for (size_t i = 0; i < batch->n_answers; i++) {
        struct ingest_stream *stream = batch->answers[i].stream;
        stream->is_stale = true;
        if (!batch->is_committing || !stream->is_dirty || is_unchanged(ingest, &batch->answers[i]))
            continue; /* live has what the store has */
        live_forget_values(ingest->live, batch->answers[i].node->entry.node);
        ingest_rebuild_later(ingest, batch->answers[i].node);
    }
}

static void forget_drops(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->batch.n_outcomes; i++)
        if (ingest->batch.outcomes[i].node != NULL)
            memset(ingest->batch.outcomes[i].node->drops, 0,
                   sizeof(ingest->batch.outcomes[i].node->drops));
}

static void note_storing(struct ingest *ingest, int r, const struct store_error *error)
{
    if (r != 0 && !ingest->states.is_not_storing)
        log_error("nothing can be stored: %s; the nodes keep their frames until it works again",
                  error->text);
    if (r == 0 && ingest->states.is_not_storing)
        log_info("%s: frames are stored again", store_directory(ingest->store));
    ingest->states.is_not_storing = r != 0;
    pthread_mutex_lock(&ingest->totals_lock);
    ingest->totals.is_storing = r == 0;
    if (r != 0)
        ingest->totals.commit_failures++;
    pthread_mutex_unlock(&ingest->totals_lock);
}

/* --- the batch --- */

static void clear(struct ingest *ingest)
{
    struct ingest_batch *batch = &ingest->batch;
    for (size_t i = 0; i < batch->n_outcomes; i++) {
        frame_free(batch->outcomes[i].frame);
        free(batch->outcomes[i].rejection);
    }
    for (size_t i = 0; i < batch->n_answers; i++) {
        struct ingest_stream *stream = batch->answers[i].stream;
        stream->is_answered = stream->is_dirty = false;
        stream->rejection = NULL;
        stream->resend_from = 0;
    }
    batch->n_outcomes = batch->n_answers = batch->decoded_bytes = 0;
    batch->is_open = batch->is_committing = false;
    batch->counted = (struct ingest_totals){0};
}

static bool is_full(const struct ingest_batch *batch)
{
    return batch->n_outcomes == INGEST_BATCH_FRAMES_MAX ||
           batch->decoded_bytes >= INGEST_BATCH_BYTES_MAX;
}

/* Looks at items from the first pending one on; *rest_out is the first that the batch did not take.
 */
static int fill(struct ingest *ingest, struct ingest_item **rest_out, struct store_error *error)
{
    struct ingest_item *item = ingest->pending;
    int r = 0;
    while (r == 0 && item != NULL && !is_full(&ingest->batch)) {
        r = look_at(ingest, item, error);
        item = item->next;
    }
    *rest_out = item;
    return r;
}

static int commit(struct ingest *ingest, struct store_error *error)
{
    if (!ingest->batch.is_open)
        return 0; /* nothing but duplicates, refusals and statuses */
    int64_t begin_us = ingest->clock->boot_us(ingest->clock);
    ingest->batch.is_committing = true;
    int r = store_commit(ingest->store, error);
    int64_t end_us = ingest->clock->boot_us(ingest->clock);
    if (r != 0)
        return r;
    note_storing(ingest, 0, error);
    pthread_mutex_lock(&ingest->totals_lock);
    ingest->totals.commits++;
    ingest->totals.commit_seconds += (double)(end_us - begin_us) / 1e6;
    pthread_mutex_unlock(&ingest->totals_lock);
    return 0;
}

static int try_batch(struct ingest *ingest, bool is_careful, struct ingest_item **rest_out,
                     struct store_error *error)
{
    struct ingest_batch *batch = &ingest->batch;
    batch->is_careful = is_careful;
    batch->now_utc_ms = clock_utc_ms(ingest->clock);
    batch->now_boot_ms = clock_boot_ms(ingest->clock);
    batch->has_clock = ingest_has_clock(ingest);
    int r = fill(ingest, rest_out, error);
    if (r == 0)
        r = commit(ingest, error);
    if (r == 0)
        return 0;
    if (batch->is_open)
        store_rollback(ingest->store);
    forget_advances(ingest);
    forget_drops(ingest);
    clear(ingest);
    return r;
}

static bool is_one_frames_fault(int r)
{
    return r == -EINVAL || r == -EEXIST || r == STORE_CONFLICT;
}

/* Splits the list of pending items before `rest`. */
static struct ingest_item *cut_pending(struct ingest *ingest, struct ingest_item *rest)
{
    struct ingest_item **end = &ingest->pending;
    while (*end != rest)
        end = &(*end)->next;
    *end = NULL;
    struct ingest_item *items = ingest->pending;
    ingest->pending = rest;
    return items;
}

int ingest_run_batch(struct ingest *ingest)
{
    struct store_error error = {"out of memory"};
    struct ingest_item *rest = NULL;
    int r = try_batch(ingest, false, &rest, &error);
    if (is_one_frames_fault(r))
        r = try_batch(ingest, true, &rest, &error);
    if (r == 0)
        r = finish(ingest);
    else if (r != -ENOMEM) {
        note_storing(ingest, r, &error);
        r = 0;
    }
    clear(ingest);
    /* What failed is dropped unacked: its nodes have it, and send it again. */
    ingest_queue_done(ingest->queue, cut_pending(ingest, rest));
    return r;
}
