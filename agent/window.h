/*
 * The window: which frame may go out next, and when to send again what was not acked. Deals in
 * sequence numbers, sizes and times; knows nothing of frames' contents, MQTT, or the queue.
 *
 * On a new connection one frame may be in flight until the first ack; then what the acks' credit
 * allows. Time is boot time in milliseconds.
 */
#ifndef SHOAL_AGENT_WINDOW_H
#define SHOAL_AGENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/backoff.h"

#define WINDOW_FRAMES_MAX 64      /* in flight, whatever the credit says */
#define WINDOW_RESEND_MS_MIN 2000 /* after PUBACK, without an ack */
#define WINDOW_RESEND_MS_MAX 60000
#define WINDOW_PAUSE_MS_MIN 2000 /* where nobody listens or the broker refuses */
#define WINDOW_PAUSE_MS_MAX 60000
#define WINDOW_NEVER INT64_MAX

struct window_flight {
    uint64_t sequence;
    uint64_t bytes;
    int64_t sent_ms;
    int id;            /* of the MQTT message */
    bool is_confirmed; /* PUBACK came */
    bool is_resent;    /* its round trip says nothing */
};

/* Caller's storage. */
struct window {
    struct window_flight flights[WINDOW_FRAMES_MAX]; /* ascending sequences */
    size_t n_flights;
    uint64_t flight_bytes;
    size_t unconfirmed, unconfirmed_max; /* messages without PUBACK, those of no frame too */
    uint64_t acked;                      /* all up to here is safe */
    uint64_t next;                       /* the first that may be sent */
    uint64_t highest;                    /* ever sent */
    bool has_ack;                        /* over this connection */
    uint32_t credit_frames;
    uint64_t credit_bytes;
    int64_t rtt_ms; /* from sending to ack, smoothed; 0: unknown */
    struct backoff resend, pause;
    int64_t resend_ms;  /* when to send again */
    int64_t pause_ms;   /* until when to send nothing */
    int64_t starved_ms; /* until when a credit of nothing holds */
    uint64_t asked;     /* the resend_from that was followed last, and when */
    int64_t asked_ms;
};

void window_init(struct window *window, uint64_t acked, uint64_t seed);

/* A connection began: nothing is in flight. */
void window_connect(struct window *window, uint16_t receive_maximum);

/* Goes on with another stream, acked up to there; what the collector said of credit holds on. */
void window_move(struct window *window, uint64_t acked);

/* Whether a frame of that size may be sent now, the first one held from window->next on.
 * `is_only` says that nothing but this frame is unacked. */
bool window_may_send(const struct window *window, int64_t now_ms, uint64_t bytes, bool is_only);

/* The frame went out. Whether it had gone out before. */
bool window_sent(struct window *window, const struct window_flight *flight);

/* A message that is no frame went out. */
void window_sent_other(struct window *window);

/* PUBACK: whether that message was a frame in flight, and then which. */
bool window_confirm(struct window *window, int id, int64_t now_ms, uint64_t *sequence_out);

/* All up to `committed` is safe; less than before where the collector's store went back. */
void window_ack(struct window *window, uint64_t committed, int64_t now_ms);

/* What may be in flight from now on. Nothing at all holds for a while only: one frame then asks
 * for more. */
void window_credit(struct window *window, uint32_t frames, uint64_t bytes, int64_t now_ms);

/* The collector asks for what follows from `sequence` on; asked twice in short time it is
 * answered once. Whether it is followed. */
bool window_ask(struct window *window, uint64_t sequence, int64_t now_ms);

/* Nothing from `sequence` on is in flight any more; sending goes on from there. */
void window_rewind(struct window *window, uint64_t sequence);

/* Sends nothing for a while, then from the first unacked frame on. */
void window_pause(struct window *window, int64_t now_ms);

/* Ends a pause within delay_ms. */
void window_resume(struct window *window, int64_t now_ms, int64_t delay_ms);

/* Goes back to the first unacked frame if no ack came in time: whether so. */
bool window_expire(struct window *window, int64_t now_ms);

/* The next time at which window_expire or window_may_send would say something else. */
int64_t window_deadline(const struct window *window, int64_t now_ms);

#endif
