/*
 * Ticks lie on a grid of boot time, the same for all inputs of an interval, so that their readings
 * share a frame; a grid of a multiple falls on it too. The grid's phase is the node's.
 *
 * It does not know what becomes of the frames, nor the wall clock but to tell when it last read.
 */
#include "agent/sampler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/report.h"
#include "agent/source.h"
#include "common/exposition.h"
#include "common/log.h"
#include "common/process.h"

#define NEVER INT64_MAX

/* One input and where it stands. */
struct slot {
    struct sampler_input config;
    struct encoder_input definition;
    struct source *source;
    struct report report;
    int64_t next_ms;   /* its next tick */
    int64_t tick_ms;   /* the one of the read that runs, or ran last */
    int64_t repeat_ms; /* the next time to say it again; NEVER if it is read often enough */
    int64_t good_ms;   /* boot time of the last good reading */
    bool is_fresh;     /* the read that runs was started in this turn: worth a short wait */
    int logged_status;
    uint64_t logged_missing; /* hash of what was said to be missing */
};

struct sampler {
    struct sampler_options options;
    struct slot *slots;
    size_t n_slots;
    int done_fd;
    struct worker_pool *pool;
    uint64_t node_hash;
    struct encoder *encoder;
    struct reading *own;
    struct encoder_input own_definition;
    int64_t own_next_ms;
    int process_status; /* of the last process_read */
};

/* FNV-1a, so that the phase of a node never changes. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    return hash;
}

static int64_t now_ms(const struct sampler *sampler)
{
    return clock_boot_ms(sampler->options.host->clock);
}

/* The first tick after a time. */
static int64_t tick_after(const struct sampler *sampler, int64_t time_ms, int64_t interval_ms)
{
    int64_t phase = (int64_t)(sampler->node_hash % (uint64_t)interval_ms);
    return phase + (time_ms - phase + interval_ms) / interval_ms * interval_ms;
}

/* Takes the tick that has come: *tick_out is its time and *next_ms the one after now. False if
 * there is none, or it was missed (the machine slept): then it is not made up for. */
static bool take_tick(const struct sampler *sampler, int64_t *next_ms, int64_t interval_ms,
                      int64_t now, int64_t *tick_out)
{
    if (now < *next_ms)
        return false;
    int64_t next = tick_after(sampler, now, interval_ms);
    *tick_out = now - *next_ms < interval_ms ? *next_ms : next - interval_ms;
    *next_ms = next;
    return now - *tick_out <= interval_ms / 2;
}

static int64_t snap(int64_t time_ms, int64_t tick_ms)
{
    return llabs(time_ms - tick_ms) <= SAMPLER_SNAP_MS ? tick_ms : time_ms;
}

/* Says a change of an input's state, once. -ETIMEDOUT stands for a read that is late. */
static void log_status(struct slot *slot, int status, const char *text)
{
    if (status == slot->logged_status)
        return;
    const char *name = slot->config.input->name;
    if (status == 0)
        log_info("input %s: works again", name);
    else if (status == INPUT_ABSENT)
        log_info("input %s: nothing to read on this machine", name);
    else
        log_warning("input %s: %s; its series stop until it works", name, text);
    slot->logged_status = status;
}

/* Says what a good reading lacks, when that changes. */
static void log_missing(struct slot *slot, const char *text)
{
    uint64_t hash = text[0] == '\0' ? 0 : hash_text(text);
    if (hash == slot->logged_missing)
        return;
    const char *name = slot->config.input->name;
    if (hash == 0)
        log_info("input %s: nothing is missing any more", name);
    else
        log_warning("input %s: %s; the rest is read", name, text);
    slot->logged_missing = hash;
}

static int64_t utc_seconds(const struct sampler *sampler, int64_t boot_ms)
{
    struct clock *clock = sampler->options.host->clock;
    return (boot_ms + clock_utc_ms(clock) - clock_boot_ms(clock)) / 1000;
}

/* Takes the result of a read that has ended. 0 or the encoder's error. */
static int finish(struct sampler *sampler, struct slot *slot)
{
    const struct source_result *result = source_take(slot->source);
    slot->report.duration_us = result->duration_us;
    log_status(slot, result->status, result->error.text);
    if (result->status != 0) {
        slot->report.state = result->status == INPUT_ABSENT ? REPORT_ABSENT : REPORT_DOWN;
        return 0;
    }
    log_missing(slot, result->error.text);
    slot->good_ms = snap(result->begun_us / 1000, slot->tick_ms);
    slot->report.state = REPORT_UP;
    slot->report.last_read_s = utc_seconds(sampler, slot->good_ms);
    return encoder_add(sampler->encoder, &slot->definition, source_reading(slot->source),
                       slot->good_ms, false);
}

/* A read that is late counts as failed until it comes back. */
static void fail_late(struct slot *slot, int64_t so_far_us)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "no answer within %lld ms",
                   (long long)slot->config.timeout_ms);
    slot->report.state = REPORT_DOWN;
    slot->report.duration_us = so_far_us;
    log_status(slot, -ETIMEDOUT, text);
}

static void check_late(struct slot *slot, int64_t now)
{
    int64_t so_far_us = now * 1000 - source_started_us(slot->source);
    if (so_far_us >= slot->config.timeout_ms * 1000)
        fail_late(slot, so_far_us);
}

/* Starts what is due; an input that still runs is left alone. */
static void start_due(struct sampler *sampler, int64_t now, bool may_block)
{
    for (size_t i = 0; i < sampler->n_slots; i++) {
        struct slot *slot = &sampler->slots[i];
        int64_t tick;
        if (slot->config.input->may_block != may_block ||
            !take_tick(sampler, &slot->next_ms, slot->config.interval_ms, now, &tick) ||
            source_is_started(slot->source))
            continue;
        slot->tick_ms = tick;
        slot->is_fresh = true;
        source_start(slot->source);
    }
}

/* Takes what has ended, waiting until `end` for what this turn started. */
static int finish_all(struct sampler *sampler, int64_t end)
{
    int first_error = 0;
    for (size_t i = 0; i < sampler->n_slots; i++) {
        struct slot *slot = &sampler->slots[i];
        if (!source_is_started(slot->source))
            continue;
        int64_t now = now_ms(sampler);
        int64_t rest = slot->is_fresh && end > now ? end - now : 0;
        slot->is_fresh = false;
        int r = 0;
        if (source_wait(slot->source, rest))
            r = finish(sampler, slot);
        else
            check_late(slot, now_ms(sampler));
        if (first_error == 0)
            first_error = r;
    }
    return first_error;
}

/* Says slow inputs' last readings again, or Prometheus would take their series for gone. */
static int repeat_due(struct sampler *sampler, int64_t now)
{
    int first_error = 0;
    for (size_t i = 0; i < sampler->n_slots; i++) {
        struct slot *slot = &sampler->slots[i];
        int64_t tick;
        if (!take_tick(sampler, &slot->repeat_ms, SAMPLER_REPEAT_MS, now, &tick) ||
            slot->report.state != REPORT_UP || source_is_started(slot->source) ||
            tick <= slot->good_ms || now - slot->good_ms > slot->config.interval_ms)
            continue;
        int r = encoder_add(sampler->encoder, &slot->definition, source_reading(slot->source),
                            snap(now, tick), true);
        if (first_error == 0)
            first_error = r;
    }
    return first_error;
}

/* Adds process_*. A proc that has no such process (another machine's, in a test) is said once. */
static void read_process(struct sampler *sampler)
{
    int r = process_read(sampler->options.host->proc, sampler->own);
    if (r != sampler->process_status && r != 0)
        log_warning("%s/self: %s; no process_* metrics", sampler->options.host->proc,
                    strerrordesc_np(-r));
    sampler->process_status = r;
}

/* Fills the agent's own reading. 0 or the error of reading_end. */
static int read_own(struct sampler *sampler)
{
    struct reading *own = sampler->own;
    reading_begin(own);
    for (size_t i = 0; i < sampler->n_slots; i++)
        report_add(own, &sampler->slots[i].report);
    read_process(sampler);
    if (sampler->options.add_own != NULL)
        sampler->options.add_own(sampler->options.context, own);
    return reading_end(own);
}

static int add_own(struct sampler *sampler, int64_t now)
{
    int64_t tick;
    if (!take_tick(sampler, &sampler->own_next_ms, sampler->options.own_interval_ms, now, &tick))
        return 0;
    int r = read_own(sampler);
    if (r != 0)
        return r;
    return encoder_add(sampler->encoder, &sampler->own_definition, sampler->own, snap(now, tick),
                       false);
}

int sampler_turn(struct sampler *sampler)
{
    eventfd_t ended;
    (void)eventfd_read(sampler->done_fd, &ended); /* does not wait; all that ended is taken below */
    int64_t now = now_ms(sampler);
    int r = finish_all(sampler, now); /* late ones first: each may be due again */
    start_due(sampler, now, true);
    start_due(sampler, now, false);
    int r_due = finish_all(sampler, now + SAMPLER_WAIT_MS);
    int r_repeat = repeat_due(sampler, now);
    int r_own = add_own(sampler, now);
    int r_cut = encoder_cut(sampler->encoder, sampler->options.emit, sampler->options.context);
    const int results[] = {r, r_due, r_repeat, r_own, r_cut};
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        if (results[i] != 0)
            return results[i];
    return 0;
}

int64_t sampler_next_ms(const struct sampler *sampler)
{
    int64_t next = sampler->own_next_ms;
    for (size_t i = 0; i < sampler->n_slots; i++) {
        const struct slot *slot = &sampler->slots[i];
        if (slot->next_ms < next)
            next = slot->next_ms;
        if (slot->repeat_ms < next)
            next = slot->repeat_ms;
    }
    return next;
}

int sampler_fd(const struct sampler *sampler)
{
    return sampler->done_fd;
}

void sampler_end_group(struct sampler *sampler)
{
    encoder_end_group(sampler->encoder);
}

static int init_slot(struct sampler *sampler, struct slot *slot, const struct sampler_input *config)
{
    int64_t interval = config->interval_ms;
    int64_t now = now_ms(sampler);
    slot->config = *config;
    slot->report.input = config->input;
    slot->definition = (struct encoder_input){.name = config->input->name,
                                              .job = config->input->job,
                                              .instance = "",
                                              .interval_ms = (uint32_t)interval};
    int64_t first = interval < SAMPLER_FIRST_MS ? interval : SAMPLER_FIRST_MS;
    slot->next_ms = tick_after(sampler, now, first);
    slot->repeat_ms =
        interval > SAMPLER_REPEAT_MS ? tick_after(sampler, now, SAMPLER_REPEAT_MS) : NEVER;
    const struct source_options options = {.input = config->input,
                                           .config = config->config,
                                           .host = sampler->options.host,
                                           .pool = sampler->pool,
                                           .done_fd = sampler->done_fd};
    return source_new(&options, &slot->source);
}

static int init_own(struct sampler *sampler)
{
    int64_t interval = sampler->options.own_interval_ms;
    sampler->own_definition = (struct encoder_input){
        .name = SAMPLER_OWN_NAME, .job = "node", .instance = "", .interval_ms = (uint32_t)interval};
    int64_t first = interval < SAMPLER_FIRST_MS ? interval : SAMPLER_FIRST_MS;
    sampler->own_next_ms = tick_after(sampler, now_ms(sampler), first);
    sampler->own = reading_new();
    return sampler->own == NULL ? -ENOMEM : 0;
}

static int init(struct sampler *sampler, const struct sampler_options *options)
{
    sampler->options = *options;
    sampler->node_hash = hash_text(options->node);
    sampler->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (sampler->done_fd < 0)
        return -errno;
    sampler->pool = worker_pool_new();
    sampler->encoder = encoder_new(&options->encoder);
    sampler->slots = calloc(options->n_inputs + 1, sizeof(*sampler->slots));
    if (sampler->pool == NULL || sampler->encoder == NULL || sampler->slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < options->n_inputs; i++) {
        int r = init_slot(sampler, &sampler->slots[i], &options->inputs[i]);
        if (r != 0)
            return r;
        sampler->n_slots++;
    }
    sampler->options.inputs = NULL; /* the caller's, copied to the slots */
    return init_own(sampler);
}

int sampler_new(const struct sampler_options *options, struct sampler **sampler_out)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler));
    if (sampler == NULL)
        return -ENOMEM;
    int r = init(sampler, options);
    if (r != 0) {
        (void)sampler_free(sampler); /* nothing has run that could hang */
        return r;
    }
    *sampler_out = sampler;
    return 0;
}

bool sampler_free(struct sampler *sampler)
{
    if (sampler == NULL)
        return true;
    bool is_all = true;
    for (size_t i = 0; i < sampler->n_slots; i++)
        is_all &= source_free(sampler->slots[i].source);
    worker_pool_free(sampler->pool);
    free(sampler->slots);
    reading_free(sampler->own);
    encoder_free(sampler->encoder);
    if (sampler->done_fd >= 0)
        (void)close(sampler->done_fd); /* an eventfd holds nothing that could be lost */
    free(sampler);
    return is_all;
}

/* Reads each input and waits for it as long as it may take. */
static void read_all(struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->n_slots; i++)
        source_start(sampler->slots[i].source);
    for (size_t i = 0; i < sampler->n_slots; i++) {
        struct slot *slot = &sampler->slots[i];
        int64_t end = source_started_us(slot->source) / 1000 + slot->config.timeout_ms;
        int64_t now = now_ms(sampler);
        if (!source_wait(slot->source, end > now ? end - now : 0))
            fail_late(slot, slot->config.timeout_ms * 1000);
        else
            (void)finish(sampler, slot); /* the encoder's error: here nothing is encoded */
    }
}

int sampler_once(struct sampler *sampler, struct buffer *out)
{
    const struct reading **readings = calloc(sampler->n_slots + 1, sizeof(struct reading *));
    if (readings == NULL)
        return -ENOMEM;
    size_t n = 0;
    read_all(sampler);
    for (size_t i = 0; i < sampler->n_slots; i++)
        if (sampler->slots[i].report.state == REPORT_UP)
            readings[n++] = source_reading(sampler->slots[i].source);
    int r = read_own(sampler);
    if (r == 0) {
        readings[n++] = sampler->own;
        exposition_readings(out, EXPOSITION_TEXT, readings, n, EXPOSITION_NO_TIME);
    }
    free(readings);
    if (r != 0)
        return r;
    return buffer_failed(out) ? -ENOMEM : 0;
}
