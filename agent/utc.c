#include "agent/utc.h"

#include <stdlib.h>

#include "agent/utc_kept.h"
#include "agent/utc_probe.h"
#include "common/log.h"

#define US_PER_MS 1000
#define NEVER INT64_MIN

struct utc {
    struct clock *clock;
    bool is_clock_trusted;
    struct utc_map map;
    struct utc_probe probe;
    struct utc_kept kept;
    int64_t looked_ms;
    bool is_differing;
    bool has_logged_unusable;
    int64_t first_connected_ms; /* NEVER: not so far */
    int64_t connected_ms;       /* the last time; later where nobody got the probe */
    bool is_waiting;            /* for this connection's first answer */
};

static int64_t now_ms(const struct utc *utc)
{
    return clock_boot_ms(utc->clock);
}

/* The boot clock is read on both sides, so that a pause between the calls shows as half of it. */
static int64_t measure_offset_us(struct clock *clock, int64_t *boot_us_out)
{
    int64_t before = clock->boot_us(clock);
    int64_t utc = clock->utc_us(clock);
    int64_t after = clock->boot_us(clock);
    *boot_us_out = after;
    return utc - before - (after - before) / 2;
}

/* --- sources --- */

static const char *source_text(enum clock_source source)
{
    return source == CLOCK_SOURCE_PROBE ? "a collector" : "the system clock";
}

static void learn(struct utc *utc, const struct utc_point *measured)
{
    bool was_known = utc_map_is_known(&utc->map);
    bool is_new = utc_map_learn(&utc->map, measured);
    if (!was_known)
        log_info("the time is known now, from %s", source_text(measured->source));
    else if (is_new)
        log_debug("the map to UTC has a new point, from %s", source_text(measured->source));
    if (!was_known)
        utc_kept_write(&utc->kept, &utc->map, now_ms(utc));
}

static void log_differing(const struct utc *utc, const struct utc_point *system,
                          const struct utc_point *probed)
{
    double off_s = (double)(system->offset_ms - probed->offset_ms) / 1e3;
    if (utc->is_differing)
        log_warning("the system clock is taken for right, but is %.3f s off from the collector's "
                    "time; the collector's counts",
                    off_s);
    else
        log_info("the system clock agrees with the collector's time again");
}

/* Which of the two counts is settled anew. */
static void compare(struct utc *utc, const struct utc_point *system)
{
    struct utc_point probed = {0};
    bool has_probed = utc_probe_best(&utc->probe, utc->clock->boot_us(utc->clock), &probed);
    bool is_differing = has_probed && utc_points_differ(system, &probed);
    if (is_differing != utc->is_differing) {
        utc->is_differing = is_differing;
        log_differing(utc, system, &probed);
        if (is_differing)
            learn(utc, &probed);
    }
}

/* What the system clock says, if it is to be believed. */
static bool read_system(struct utc *utc, struct utc_point *point_out)
{
    int64_t boot_us;
    int64_t error_us = 0;
    int64_t offset_us = measure_offset_us(utc->clock, &boot_us);
    int64_t offset_ms = (offset_us + US_PER_MS / 2) / US_PER_MS;
    bool is_believed = utc->clock->is_synchronised(utc->clock, &error_us) || utc->is_clock_trusted;
    utc_map_note_free(&utc->map, offset_ms);
    *point_out = (struct utc_point){
        .boot_ms = boot_us / US_PER_MS,
        .offset_ms = offset_ms,
        .uncertainty_ms = (uint32_t)((error_us + US_PER_MS - 1) / US_PER_MS),
        .source = CLOCK_SOURCE_SYSTEM,
    };
    return is_believed;
}

/* Whether the system clock is believed and no collector contradicts it. */
static bool look_at_system(struct utc *utc)
{
    struct utc_point system;
    utc->looked_ms = now_ms(utc);
    if (!read_system(utc, &system)) {
        utc->is_differing = false; /* it does not claim to be right */
        return false;
    }
    compare(utc, &system);
    if (!utc->is_differing)
        learn(utc, &system);
    return !utc->is_differing;
}

void utc_turn(struct utc *utc)
{
    int64_t now = now_ms(utc);
    if (utc->looked_ms != NEVER && now - utc->looked_ms < UTC_LOOK_MS)
        return;
    (void)look_at_system(utc); /* it has learned what there was to learn */
    if (utc_map_is_known(&utc->map) && now - utc->kept.written_ms >= UTC_KEEP_MS)
        utc_kept_write(&utc->kept, &utc->map, now);
}

/* --- probes --- */

void utc_connected(struct utc *utc)
{
    int64_t now = now_ms(utc);
    utc->connected_ms = now;
    if (utc->first_connected_ms == NEVER)
        utc->first_connected_ms = now;
    utc->is_waiting = true;
    utc_probe_begin(&utc->probe, now);
}

void utc_probe_refused(struct utc *utc)
{
    utc->connected_ms = now_ms(utc);
}

void utc_hello(struct utc *utc, int64_t delay_ms)
{
    if (utc->is_waiting)
        utc->connected_ms = now_ms(utc) + delay_ms;
    if (utc->is_waiting || !utc_map_is_known(&utc->map))
        utc_probe_hasten(&utc->probe, now_ms(utc), delay_ms);
}

bool utc_is_probe_due(const struct utc *utc)
{
    return now_ms(utc) >= utc->probe.next_ms;
}

uint64_t utc_send_probe(struct utc *utc)
{
    return utc_probe_send(&utc->probe, utc->clock->boot_us(utc->clock));
}

static void on_unusable(struct utc *utc)
{
    if (!utc->has_logged_unusable)
        log_warning("the collector does not know the time: its clock is not synchronised, nor "
                    "does its configuration trust it");
    utc->has_logged_unusable = true;
    if (!utc_map_is_known(&utc->map))
        utc_probe_hasten(&utc->probe, now_ms(utc), UTC_UNUSABLE_MS);
}

/* How far the map is off from what the answer says. */
static int64_t map_off_ms(const struct utc *utc, const struct utc_point *probed)
{
    if (!utc_map_is_known(&utc->map))
        return 0;
    return probed->offset_ms - utc_map_at(&utc->map, probed->boot_ms).offset_ms;
}

void utc_answered(struct utc *utc, const struct ack *ack)
{
    int64_t now_us = utc->clock->boot_us(utc->clock);
    struct utc_point probed;
    int r = utc_probe_answer(&utc->probe, ack, now_us);
    if (r == UTC_PROBE_STRANGE)
        return;
    utc->is_waiting = false;
    if (r == UTC_PROBE_UNUSABLE) {
        on_unusable(utc);
        return;
    }
    utc->has_logged_unusable = false;
    if (look_at_system(utc) || !utc_probe_best(&utc->probe, now_us, &probed))
        return;
    int64_t off_ms = map_off_ms(utc, &probed);
    learn(utc, &probed);
    utc_probe_found_off(&utc->probe, off_ms, now_us / US_PER_MS);
}

/* --- frames --- */

/* INT64_MIN: they may go at once. */
static int64_t send_ms(const struct utc *utc)
{
    if (utc->connected_ms == NEVER)
        return INT64_MIN; /* a probe will be first */
    int64_t answer_ms = utc->is_waiting ? utc->connected_ms + UTC_ANSWER_MS : INT64_MIN;
    if (utc_map_is_known(&utc->map))
        return answer_ms;
    int64_t wait_ms = utc->first_connected_ms + UTC_WAIT_MS;
    return wait_ms > answer_ms ? wait_ms : answer_ms;
}

bool utc_may_send(const struct utc *utc)
{
    return now_ms(utc) >= send_ms(utc);
}

int64_t utc_deadline_ms(const struct utc *utc)
{
    int64_t may_ms = send_ms(utc);
    return may_ms > now_ms(utc) && may_ms < utc->probe.next_ms ? may_ms : utc->probe.next_ms;
}

/* The system clock less the time by the map, when it was looked at. */
static int64_t system_off_ms(const struct utc *utc)
{
    if (!utc_map_is_known(&utc->map) || !utc->map.has_free)
        return 0;
    return utc->map.free_offset_ms - utc_map_at(&utc->map, utc->looked_ms).offset_ms;
}

static void fill(struct envelope *envelope, const struct utc_time *time)
{
    envelope->utc_offset_ms = time->offset_ms;
    envelope->uncertainty_ms = time->uncertainty_ms;
    envelope->source = time->source;
    envelope->is_estimate = time->is_estimate;
}

static void fill_by(const struct utc_map *map, int64_t boot_ms, int64_t last_boot_ms,
                    int64_t ceiling_utc_ms, struct envelope *envelope)
{
    struct utc_time time = utc_map_is_known(map)
                               ? utc_map_at(map, boot_ms)
                               : utc_map_estimate(map, last_boot_ms, ceiling_utc_ms);
    fill(envelope, &time);
}

void utc_stamp(const struct utc *utc, int64_t boot_ms, struct envelope *envelope)
{
    fill_by(&utc->map, boot_ms, boot_ms, INT64_MAX, envelope);
    envelope->system_off_ms = utc->is_differing ? system_off_ms(utc) : 0;
}

void utc_stamp_earlier(const struct utc *utc, const struct utc_map *map, int64_t last_boot_ms,
                       int64_t boot_ms, struct envelope *envelope)
{
    int64_t ceiling_ms = INT64_MAX; /* of UTC: when this boot's clock began */
    if (utc_map_is_known(&utc->map))
        ceiling_ms = utc_map_at(&utc->map, 0).offset_ms;
    fill_by(map, boot_ms, last_boot_ms, ceiling_ms, envelope);
}

const struct utc_map *utc_map(const struct utc *utc)
{
    return &utc->map;
}

void utc_restore(struct utc *utc, const struct utc_map *map)
{
    utc->map = *map;
}

struct mqtt_time utc_certificate_time(void *context)
{
    const struct utc *utc = context;
    int64_t now = now_ms(utc);
    struct mqtt_time time = {.is_right = utc_map_is_known(&utc->map)};
    if (time.is_right)
        time.utc_ms = now + utc_map_at(&utc->map, now).offset_ms;
    else if (utc->map.has_floor)
        time.utc_ms = now + utc->map.floor_utc_ms;
    return time;
}

void utc_state(const struct utc *utc, struct utc_state *state_out)
{
    int64_t now = now_ms(utc);
    struct envelope envelope = {0};
    fill_by(&utc->map, now, now, INT64_MAX, &envelope);
    *state_out = (struct utc_state){
        .is_known = utc_map_is_known(&utc->map),
        .is_differing = utc->is_differing,
        .source = envelope.source,
        .uncertainty_ms = envelope.uncertainty_ms,
        .system_off_ms = system_off_ms(utc),
        .points = utc->map.n_points,
        .probes = utc->probe.sent,
        .answers = utc->probe.answered,
        .unusable = utc->probe.unusable,
        .round_trip_us = utc_probe_round_trip_us(&utc->probe, utc->clock->boot_us(utc->clock)),
    };
}

/* --- life --- */

void utc_trust_clock(struct utc *utc, bool is_trusted)
{
    utc->is_clock_trusted = is_trusted;
    utc->looked_ms = NEVER;
}

struct utc *utc_new(const struct utc_options *options)
{
    struct utc *utc = calloc(1, sizeof(*utc));
    if (utc == NULL)
        return NULL;
    utc->clock = options->clock;
    utc->is_clock_trusted = options->is_clock_trusted;
    utc->looked_ms = utc->first_connected_ms = utc->connected_ms = NEVER;
    utc_probe_init(&utc->probe, options->seed);
    if (utc_kept_init(&utc->kept, options->state_directory, options->proc) != 0) {
        free(utc);
        return NULL;
    }
    utc_kept_read(&utc->kept, &utc->map, now_ms(utc));
    return utc;
}

void utc_free(struct utc *utc)
{
    if (utc == NULL)
        return;
    if (utc_map_is_known(&utc->map))
        utc_kept_write(&utc->kept, &utc->map, now_ms(utc));
    utc_kept_deinit(&utc->kept);
    free(utc);
}
