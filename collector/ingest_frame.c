/*
 * One frame: whether it follows, whether it can be decoded and may be stored. The order of the
 * checks is that of their cost; nothing is written before all of them have passed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ingest_private.h"
#include "common/frame_wire.h"

#define SEQUENCE_MAX ((uint64_t)INT64_MAX - 1) /* SQLite's integers; one more must be possible */

int ingest_reject(struct ingest_outcome *outcome, const struct rejection *rejection)
{
    struct rejection *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return -ENOMEM;
    *copy = *rejection;
    outcome->verdict = INGEST_REJECTED;
    outcome->rejection = copy;
    return 0;
}

int ingest_begin(struct ingest *ingest, struct store_error *error)
{
    if (ingest->batch.is_open)
        return 0;
    int r = store_begin(ingest->store, error);
    if (r == 0)
        ingest->batch.is_open = true;
    return r;
}

void ingest_answer(struct ingest *ingest, struct ingest_node *node, struct ingest_stream *stream)
{
    if (stream->is_answered)
        return;
    stream->is_answered = true;
    ingest->batch.answers[ingest->batch.n_answers++] =
        (struct ingest_answer){.node = node, .stream = stream};
}

/* --- the stream --- */

static int load_stream(struct ingest *ingest, const struct ingest_outcome *outcome,
                       struct ingest_stream **stream_out, struct store_error *error)
{
    struct store_stream row;
    const char *id = outcome->node->entry.node;
    int r = store_find_stream(ingest->store, id, outcome->header.stream, &row, error);
    if (r == STORE_NONE) {
        row = (struct store_stream){.stream = outcome->header.stream};
        (void)snprintf(row.node, sizeof(row.node), "%s", id);
    } else if (r != 0) {
        return r;
    }
    if (*stream_out == NULL)
        return ingest_node_add(outcome->node, &row, stream_out);
    ingest_stream_set(*stream_out, &row);
    return 0;
}

/* The stream as the store has it. -EBUSY: only after this batch. */
static int find_stream(struct ingest *ingest, struct ingest_outcome *outcome,
                       struct store_error *error)
{
    struct ingest_stream *stream = ingest_node_find(outcome->node, outcome->header.stream);
    int r = 0;
    if (stream == NULL || stream->is_stale)
        r = load_stream(ingest, outcome, &stream, error);
    if (r == 0)
        outcome->stream = stream;
    return r;
}

/* --- refusing --- */

/* Refuses the frame and with it the rest of its group. */
static int refuse_group(struct ingest *ingest, struct ingest_outcome *outcome,
                        const struct rejection *rejection)
{
    struct ingest_stream *stream = outcome->stream;
    stream->is_decoding = false;
    if (stream->decoder != NULL)
        decoder_reset(stream->decoder);
    int r = ingest_stream_refuse(stream, &outcome->header, rejection, ingest->batch.now_boot_ms);
    if (r != 0)
        return r;
    return ingest_reject(outcome, rejection);
}

/* Behind a frame that was refused: the node may not have heard so, and is told again. */
static bool is_of_refused_group(struct ingest *ingest, const struct ingest_outcome *outcome)
{
    const struct ingest_refusal *refusal = outcome->stream->refusal;
    const struct frame_header *header = &outcome->header;
    if (refusal == NULL || header->key != refusal->key || header->sequence == header->key)
        return false;
    /* The refused frame itself is looked at again after a while: it may have been damaged on its
     * way. Not sooner, since that means reading the group from the store. */
    return header->sequence != refusal->sequence ||
           ingest->batch.now_boot_ms < refusal->told_ms + INGEST_RESEND_MS;
}

static void tell_refusal(struct ingest *ingest, struct ingest_outcome *outcome)
{
    struct ingest_refusal *refusal = outcome->stream->refusal;
    outcome->verdict = INGEST_MISSING;
    if (ingest->batch.now_boot_ms < refusal->told_ms + INGEST_RESEND_MS)
        return;
    refusal->told_ms = ingest->batch.now_boot_ms;
    outcome->stream->rejection = &refusal->rejection;
    outcome->stream->rejected_sequence = refusal->sequence;
}

/* --- duplicates --- */

static int refuse_conflict(struct ingest_outcome *outcome, uint32_t crc, uint32_t stored)
{
    struct rejection rejection = {.reason = REJECT_CONFLICT};
    (void)snprintf(rejection.text, sizeof(rejection.text),
                   "frame %llu with CRC %08x: committed is one with %08x",
                   (unsigned long long)outcome->header.sequence, crc, stored);
    return ingest_reject(outcome, &rejection);
}

/* The CRC that the frame has if its predecessor is the one in the store. STORE_NONE: that is gone.
 */
static int chain_crc(struct ingest *ingest, const struct ingest_outcome *outcome, uint32_t *crc_out,
                     struct store_error *error)
{
    const struct envelope *envelope = &outcome->item->envelope;
    struct frame_parts parts;
    struct rejection rejection;
    uint32_t before = 0;
    int r = 0;
    if (outcome->header.sequence != outcome->header.key)
        r = store_frame_crc(ingest->store, outcome->stream->row.row, outcome->header.sequence - 1,
                            &before, error);
    if (r == 0)
        r = frame_split(envelope->frame, envelope->frame_bytes, &parts, &rejection);
    if (r == 0)
        *crc_out = frame_crc(before, envelope->frame, parts.covered_bytes);
    return r == DECODER_REJECTED ? STORE_NONE : r;
}

/* Committed, or passed over, or deleted since: acked again, unless it is another frame than the one
 * in the store. */
static int check_duplicate(struct ingest *ingest, struct ingest_outcome *outcome,
                           struct store_error *error)
{
    uint32_t stored;
    uint32_t crc;
    outcome->verdict = INGEST_DUPLICATE;
    int r = store_frame_crc(ingest->store, outcome->stream->row.row, outcome->header.sequence,
                            &stored, error);
    if (r == 0)
        r = chain_crc(ingest, outcome, &crc, error);
    if (r == STORE_NONE)
        return 0;
    if (r != 0)
        return r;
    if (crc == stored && outcome->header.crc != 0)
        crc = outcome->header.crc; /* the same bytes, but behind another predecessor */
    return crc == stored ? 0 : refuse_conflict(outcome, crc, stored);
}

/* --- decoding --- */

/* Before the group is read from the store for it: a frame that lies about its group, or that would
 * make it too long to be read again in a moment. */
static int check_group(struct ingest_outcome *outcome)
{
    const struct frame_header *header = &outcome->header;
    const struct ingest_stream *stream = outcome->stream;
    struct rejection rejection = {0};
    if (header->key != stream->key) {
        rejection.reason = REJECT_MALFORMED;
        (void)snprintf(rejection.text, sizeof(rejection.text),
                       "frame %llu names key %llu within the group of %llu",
                       (unsigned long long)header->sequence, (unsigned long long)header->key,
                       (unsigned long long)stream->key);
        return ingest_reject(outcome, &rejection);
    }
    if (header->sequence - header->key < INGEST_GROUP_FRAMES_MAX &&
        stream->group_bytes + outcome->item->envelope.frame_bytes <= INGEST_GROUP_BYTES_MAX)
        return 0;
    rejection.reason = REJECT_LIMIT;
    (void)snprintf(rejection.text, sizeof(rejection.text),
                   "group %llu is over %d frames or %zu bytes", (unsigned long long)header->key,
                   INGEST_GROUP_FRAMES_MAX, INGEST_GROUP_BYTES_MAX);
    return ingest_reject(outcome, &rejection);
}

static int make_ready(struct ingest *ingest, struct ingest_outcome *outcome,
                      struct store_error *error)
{
    struct ingest_stream *stream = outcome->stream;
    int r = ingest_stream_make_decoder(stream, ingest->workspace);
    if (r != 0)
        return r;
    if (outcome->header.sequence == outcome->header.key)
        return 0;
    r = check_group(outcome);
    if (r != 0 || outcome->rejection != NULL || stream->is_decoding)
        return r;
    if (stream->is_dirty)
        return -EBUSY; /* the store has not all of it yet */
    r = ingest_rebuild_stream(ingest, stream, error);
    if (r != 0 || stream->is_decoding)
        return r;
    struct rejection rejection = {.reason = REJECT_UNKNOWN};
    (void)snprintf(rejection.text, sizeof(rejection.text),
                   "the beginning of group %llu is no longer stored",
                   (unsigned long long)outcome->header.key);
    return refuse_group(ingest, outcome, &rejection);
}

static int decode(struct ingest *ingest, struct ingest_outcome *outcome)
{
    const struct envelope *envelope = &outcome->item->envelope;
    struct ingest_stream *stream = outcome->stream;
    struct rejection rejection = {0};
    int r = decoder_decode(stream->decoder, envelope->frame, envelope->frame_bytes, &outcome->frame,
                           &rejection);
    if (r == DECODER_NOT_NEXT) {
        rejection.reason = REJECT_MALFORMED;
        (void)snprintf(rejection.text, sizeof(rejection.text),
                       "frame %llu of group %llu follows frame %llu of group %llu",
                       (unsigned long long)outcome->header.sequence,
                       (unsigned long long)outcome->header.key,
                       (unsigned long long)stream->sequence, (unsigned long long)stream->key);
    }
    if (r == DECODER_REJECTED || r == DECODER_NOT_NEXT)
        return refuse_group(ingest, outcome, &rejection);
    if (r != 0)
        stream->is_decoding = false;
    return r;
}

static int check_content(struct ingest *ingest, struct ingest_outcome *outcome)
{
    struct rejection rejection = {0};
    int r = ingest_check_content(outcome->frame, outcome->node->entry.node, &rejection);
    if (r == 0)
        r = ingest_time(outcome->stream, &outcome->item->envelope, outcome->frame,
                        outcome->item->received_utc_ms, ingest->batch.has_clock, &outcome->time,
                        &rejection);
    return r == 0 ? 0 : refuse_group(ingest, outcome, &rejection);
}

/* --- storing --- */

static int store_once(struct ingest *ingest, struct ingest_outcome *outcome,
                      struct store_error *error)
{
    struct ingest_stream *stream = outcome->stream;
    int r = 0;
    if (stream->row.row == 0)
        r = store_stream(ingest->store, outcome->node->entry.node, outcome->header.stream,
                         &stream->row, error);
    if (r != 0)
        return r;
    const struct store_frame frame = {
        .stream_row = stream->row.row,
        .sequence = outcome->header.sequence,
        .key = outcome->header.key,
        .crc = outcome->frame->crc,
        .utc_offset_ms = outcome->time.utc_offset_ms,
        .uncertainty_ms = outcome->time.uncertainty_ms,
        .source = outcome->time.source,
        .is_estimate = outcome->time.is_estimate,
        .committed_utc_ms = ingest->batch.now_utc_ms,
        .bytes = outcome->item->envelope.frame,
        .size = outcome->item->envelope.frame_bytes,
    };
    return store_append(ingest->store, &frame, error);
}

static int refuse_unstorable(struct ingest *ingest, struct ingest_outcome *outcome,
                             const struct store_error *error)
{
    struct rejection rejection = {.reason = REJECT_LIMIT};
    (void)snprintf(rejection.text, sizeof(rejection.text), "cannot be stored: %.150s", error->text);
    frame_free(outcome->frame);
    outcome->frame = NULL;
    return refuse_group(ingest, outcome, &rejection);
}

/* In a savepoint, so that this frame can be taken out and cost no other one. */
static int store_carefully(struct ingest *ingest, struct ingest_outcome *outcome,
                           struct store_error *error)
{
    int r = store_savepoint(ingest->store, error);
    if (r != 0)
        return r;
    r = store_once(ingest, outcome, error);
    if (r == 0)
        return store_release(ingest->store, error);
    if (r != -EINVAL && r != -EEXIST && r != STORE_CONFLICT)
        return r;
    store_rollback_savepoint(ingest->store);
    outcome->stream->is_stale = true; /* its row went with the savepoint, if it was made in it */
    return refuse_unstorable(ingest, outcome, error);
}

static int store_frame(struct ingest *ingest, struct ingest_outcome *outcome,
                       struct store_error *error)
{
    int r = ingest_begin(ingest, error);
    if (r != 0)
        return r;
    return ingest->batch.is_careful ? store_carefully(ingest, outcome, error)
                                    : store_once(ingest, outcome, error);
}

static void advance(struct ingest *ingest, struct ingest_outcome *outcome)
{
    struct ingest_stream *stream = outcome->stream;
    outcome->verdict = INGEST_TAKEN;
    outcome->gap_frames = outcome->header.sequence - stream->sequence - 1;
    ingest->batch.decoded_bytes += ingest_content_bytes(outcome->frame);
    if (outcome->header.sequence == outcome->header.key)
        stream->group_bytes = 0;
    stream->group_bytes += outcome->item->envelope.frame_bytes;
    stream->sequence = outcome->header.sequence;
    stream->key = outcome->header.key;
    stream->crc = outcome->frame->crc;
    stream->is_decoding = true;
    stream->is_dirty = true;
    if (stream->refusal != NULL)
        ingest_stream_forgive(stream);
}

static int take(struct ingest *ingest, struct ingest_outcome *outcome, struct store_error *error)
{
    int r = make_ready(ingest, outcome, error);
    if (r == 0 && outcome->rejection == NULL)
        r = decode(ingest, outcome);
    if (r == 0 && outcome->rejection == NULL)
        r = check_content(ingest, outcome);
    if (r == 0 && outcome->rejection == NULL)
        r = store_frame(ingest, outcome, error);
    if (r == 0 && outcome->rejection == NULL) {
        advance(ingest, outcome);
        return 0;
    }
    frame_free(outcome->frame);
    outcome->frame = NULL;
    return r;
}

/* --- where it stands --- */

static void ask(struct ingest *ingest, struct ingest_outcome *outcome)
{
    struct ingest_stream *stream = outcome->stream;
    outcome->verdict = INGEST_MISSING;
    if (ingest_stream_may_ask(stream, ingest->batch.now_boot_ms))
        stream->resend_from = stream->sequence + 1;
}

static int place(struct ingest *ingest, struct ingest_outcome *outcome, struct store_error *error)
{
    const struct frame_header *header = &outcome->header;
    const struct ingest_stream *stream = outcome->stream;
    if (header->sequence <= stream->sequence)
        return check_duplicate(ingest, outcome, error);
    if (is_of_refused_group(ingest, outcome)) {
        tell_refusal(ingest, outcome);
        return 0;
    }
    bool is_next = header->sequence == stream->sequence + 1;
    bool begins_what_is_held =
        header->key == header->sequence && outcome->item->envelope.first == header->sequence;
    if (is_next || begins_what_is_held)
        return take(ingest, outcome, error);
    ask(ingest, outcome);
    return 0;
}

static int peek(struct ingest_outcome *outcome)
{
    const struct envelope *envelope = &outcome->item->envelope;
    struct rejection rejection = {0};
    struct frame_header header;
    int r = frame_peek(envelope->frame, envelope->frame_bytes, &header, &rejection);
    if (r != 0)
        return ingest_reject(outcome, &rejection);
    outcome->header = header;
    if (header.sequence <= SEQUENCE_MAX)
        return 0;
    rejection.reason = REJECT_LIMIT;
    (void)snprintf(rejection.text, sizeof(rejection.text), "sequence %llu",
                   (unsigned long long)header.sequence);
    return ingest_reject(outcome, &rejection);
}

int ingest_frame(struct ingest *ingest, struct ingest_outcome *outcome, struct store_error *error)
{
    int r = peek(outcome);
    if (r != 0 || outcome->rejection != NULL)
        return r;
    r = find_stream(ingest, outcome, error);
    if (r == 0) {
        ingest_answer(ingest, outcome->node, outcome->stream);
        r = place(ingest, outcome, error);
    }
    if (r != -EBUSY)
        return r;
    outcome->verdict = INGEST_LATER;
    return 0;
}
