#include "agent/window.h"

#include <string.h>

void window_init(struct window *window, uint64_t acked, uint64_t seed)
{
    *window = (struct window){
        .acked = acked,
        .next = acked + 1,
        .highest = acked,
        .resend = {.min_ms = WINDOW_RESEND_MS_MIN, .max_ms = WINDOW_RESEND_MS_MAX, .random = seed},
        .pause = {.min_ms = WINDOW_PAUSE_MS_MIN, .max_ms = WINDOW_PAUSE_MS_MAX, .random = ~seed},
        .resend_ms = WINDOW_NEVER,
    };
}

void window_connect(struct window *window, uint16_t receive_maximum)
{
    window_rewind(window, window->acked + 1);
    window->unconfirmed = 0;
    window->unconfirmed_max = receive_maximum;
    window->has_ack = false;
    window->pause_ms = 0;
    window->starved_ms = 0;
}

void window_move(struct window *window, uint64_t acked)
{
    window_rewind(window, 1); /* nothing is in flight */
    window->acked = acked;
    window->next = acked + 1;
    window->highest = acked;
    window->asked = 0;
}

bool window_may_send(const struct window *window, int64_t now_ms, uint64_t bytes, bool is_only)
{
    if (now_ms < window->pause_ms || window->unconfirmed >= window->unconfirmed_max)
        return false;
    if (window->n_flights == 0) /* one frame always may, but for a credit of nothing */
        return is_only || now_ms >= window->starved_ms;
    if (!window->has_ack || window->n_flights == WINDOW_FRAMES_MAX)
        return false;
    return window->n_flights < window->credit_frames &&
           window->flight_bytes + bytes <= window->credit_bytes;
}

bool window_sent(struct window *window, const struct window_flight *flight)
{
    struct window_flight *added = &window->flights[window->n_flights++];
    *added = *flight;
    added->is_resent = flight->sequence <= window->highest;
    if (!added->is_resent)
        window->highest = flight->sequence;
    window->flight_bytes += flight->bytes;
    window->unconfirmed++;
    window->next = flight->sequence + 1;
    return added->is_resent;
}

void window_sent_other(struct window *window)
{
    window->unconfirmed++;
}

/* The resend timer runs from PUBACK on: before, the broker itself may be slow. */
static void arm(struct window *window, int64_t now_ms)
{
    int64_t floor_ms = 2 * window->rtt_ms;
    if (floor_ms < WINDOW_RESEND_MS_MIN)
        floor_ms = WINDOW_RESEND_MS_MIN;
    window->resend_ms = now_ms + backoff_next(&window->resend, floor_ms);
}

bool window_confirm(struct window *window, int id, int64_t now_ms, uint64_t *sequence_out)
{
    if (window->unconfirmed > 0)
        window->unconfirmed--;
    for (size_t i = 0; i < window->n_flights; i++) {
        struct window_flight *flight = &window->flights[i];
        if (flight->id != id || flight->is_confirmed)
            continue;
        flight->is_confirmed = true;
        *sequence_out = flight->sequence;
        if (window->resend_ms == WINDOW_NEVER)
            arm(window, now_ms);
        return true;
    }
    return false;
}

static void measure(struct window *window, const struct window_flight *flight, int64_t now_ms)
{
    int64_t rtt = now_ms - flight->sent_ms;
    window->rtt_ms = window->rtt_ms == 0 ? rtt : (7 * window->rtt_ms + rtt) / 8;
}

/* Takes the flights up to `committed` out. */
static void land(struct window *window, uint64_t committed, int64_t now_ms)
{
    size_t n = 0;
    while (n < window->n_flights && window->flights[n].sequence <= committed) {
        const struct window_flight *flight = &window->flights[n++];
        window->flight_bytes -= flight->bytes;
        if (flight->sequence == committed && !flight->is_resent)
            measure(window, flight, now_ms);
    }
    window->n_flights -= n;
    memmove(window->flights, window->flights + n, window->n_flights * sizeof(*window->flights));
}

static void advance(struct window *window, uint64_t committed, int64_t now_ms)
{
    window->acked = committed;
    if (window->next <= committed)
        window->next = committed + 1;
    land(window, committed, now_ms);
    backoff_reset(&window->resend);
    backoff_reset(&window->pause);
    window->resend_ms = WINDOW_NEVER;
    for (size_t i = 0; i < window->n_flights; i++)
        if (window->flights[i].is_confirmed) {
            arm(window, now_ms);
            return;
        }
}

void window_ack(struct window *window, uint64_t committed, int64_t now_ms)
{
    window->has_ack = true;
    if (committed > window->acked) {
        advance(window, committed, now_ms);
    } else if (committed < window->acked) {
        window->acked = committed;
        window_rewind(window, committed + 1);
    }
}

void window_credit(struct window *window, uint32_t frames, uint64_t bytes, int64_t now_ms)
{
    window->credit_frames = frames;
    window->credit_bytes = bytes;
    if (frames > 0)
        window->starved_ms = 0;
    else if (window->starved_ms <= now_ms)
        window->starved_ms = now_ms + backoff_next(&window->pause, WINDOW_PAUSE_MS_MIN);
}

bool window_ask(struct window *window, uint64_t sequence, int64_t now_ms)
{
    if (sequence >= window->next)
        return false; /* comes anyway */
    if (sequence == window->asked && now_ms - window->asked_ms < WINDOW_RESEND_MS_MIN / 2)
        return false;
    window->asked = sequence;
    window->asked_ms = now_ms;
    window_rewind(window, sequence);
    return true;
}

void window_rewind(struct window *window, uint64_t sequence)
{
    while (window->n_flights > 0 && window->flights[window->n_flights - 1].sequence >= sequence)
        window->flight_bytes -= window->flights[--window->n_flights].bytes;
    if (window->n_flights == 0)
        window->resend_ms = WINDOW_NEVER;
    window->next = sequence;
}

void window_pause(struct window *window, int64_t now_ms)
{
    window_rewind(window, window->acked + 1);
    window->has_ack = false;
    window->pause_ms = now_ms + backoff_next(&window->pause, WINDOW_PAUSE_MS_MIN / 2);
}

void window_resume(struct window *window, int64_t now_ms, int64_t delay_ms)
{
    if (window->pause_ms > now_ms + delay_ms)
        window->pause_ms = now_ms + delay_ms;
}

bool window_expire(struct window *window, int64_t now_ms)
{
    if (now_ms < window->resend_ms)
        return false;
    window_rewind(window, window->acked + 1);
    window->resend_ms = WINDOW_NEVER;
    return true;
}

int64_t window_deadline(const struct window *window, int64_t now_ms)
{
    int64_t deadline = window->resend_ms;
    if (window->pause_ms > now_ms && window->pause_ms < deadline)
        deadline = window->pause_ms;
    if (window->starved_ms > now_ms && window->starved_ms < deadline)
        deadline = window->starved_ms;
    return deadline;
}
