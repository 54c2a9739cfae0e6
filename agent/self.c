#include "agent/self.h"

static const struct family info = FAMILY(GAUGE, "shoal_agent_info", "The agent that runs.");
static const struct family connected =
    FAMILY(GAUGE, "shoal_agent_connected", "Whether the agent is connected to its broker.");
static const struct family served =
    FAMILY(GAUGE, "shoal_agent_served", "Whether a collector has acked over this connection.");
static const struct family connects =
    FAMILY(COUNTER, "shoal_agent_connects_total", "Connections to the broker that were made.");
static const struct family failures = FAMILY(COUNTER, "shoal_agent_connection_failures_total",
                                             "Connections to the broker that failed or were lost.");
static const struct family frames_sent =
    FAMILY(COUNTER, "shoal_agent_frames_sent_total", "Frames sent, each time counted.");
static const struct family bytes_sent =
    FAMILY(COUNTER, "shoal_agent_sent_bytes_total", "MQTT payload bytes of the frames sent.");
static const struct family frames_resent =
    FAMILY(COUNTER, "shoal_agent_frames_resent_total", "Frames sent that were sent before.");
static const struct family acks =
    FAMILY(COUNTER, "shoal_agent_acks_total", "Acks from a collector.");
static const struct family rejected =
    FAMILY(COUNTER, "shoal_agent_frames_rejected_total", "Frames that the collector refused.");
static const struct family waiting_frames =
    FAMILY(GAUGE, "shoal_agent_spool_waiting_frames", "Frames that the spool has not yet taken.");
static const struct family spool_frames =
    FAMILY(GAUGE, "shoal_agent_spool_frames", "Frames held, acked ones of open groups included.");
static const struct family spool_bytes =
    FAMILY(GAUGE, "shoal_agent_spool_bytes", "Bytes of the frames held.");
static const struct family unacked_frames = FAMILY(
    GAUGE, "shoal_agent_spool_unacked_frames", "Frames that are not yet safe with a collector.");
static const struct family unacked_bytes =
    FAMILY(GAUGE, "shoal_agent_spool_unacked_bytes", "Bytes of the frames that are not yet safe.");
static const struct family unacked_age =
    FAMILY(GAUGE, "shoal_agent_spool_oldest_unacked_age_seconds",
           "Age of the oldest frame that is not yet safe, 0 if there is none.");
static const struct family aside_frames =
    FAMILY(GAUGE, "shoal_agent_spool_set_aside_frames",
           "Frames that a collector refused, kept for another one.");
static const struct family streams =
    FAMILY(GAUGE, "shoal_agent_spool_streams", "Runs of the agent of which frames are held.");
static const struct family dropped_frames =
    FAMILY(COUNTER, "shoal_agent_spool_dropped_frames_total", "Frames given up, by reason.");
static const struct family dropped_samples = FAMILY(
    COUNTER, "shoal_agent_spool_dropped_samples_total", "Samples in frames given up, by reason.");
static const struct family damaged =
    FAMILY(COUNTER, "shoal_agent_spool_damaged_total", "Damaged spool files that were set aside.");
static const struct family flushes =
    FAMILY(COUNTER, "shoal_agent_spool_flushes_total",
           "Groups written to the state directory, in whole or in part.");
static const struct family is_durable =
    FAMILY(GAUGE, "shoal_agent_spool_is_durable",
           "Whether runtime and state directory take what they are given.");

static const char *const tier_names[SPOOL_PLACES] = {
    [SPOOL_STATE] = "state", [SPOOL_RUNTIME] = "runtime", [SPOOL_MEMORY] = "memory"};

static const struct family clock_known = FAMILY(
    GAUGE, "shoal_agent_clock_known", "Whether the time is known; else frames carry an estimate.");
static const struct family clock_source =
    FAMILY(GAUGE, "shoal_agent_clock_source",
           "1 for where the time is from: system, probe (a collector), free (a clock of which "
           "nothing is known), or unknown.");
static const struct family clock_uncertainty =
    FAMILY(GAUGE, "shoal_agent_clock_uncertainty_seconds",
           "What the time may be wrong by; nothing where that is not known.");
static const struct family clock_system_offset =
    FAMILY(GAUGE, "shoal_agent_clock_system_offset_seconds",
           "The system clock less the time that is sent, 0 where none is known.");
static const struct family clock_differs =
    FAMILY(GAUGE, "shoal_agent_clock_differs",
           "Whether the system clock claims to be right, and a collector contradicts it.");
static const struct family clock_points =
    FAMILY(GAUGE, "shoal_agent_clock_points", "Points of the map from boot time to UTC.");
static const struct family clock_probes =
    FAMILY(COUNTER, "shoal_agent_clock_probes_total", "Times that a collector was asked the time.");
static const struct family clock_answers = FAMILY(COUNTER, "shoal_agent_clock_answers_total",
                                                  "Answers of a collector that gave the time.");
static const struct family clock_unusable =
    FAMILY(COUNTER, "shoal_agent_clock_unusable_answers_total",
           "Answers of a collector that does not know the time.");
static const struct family clock_round_trip =
    FAMILY(GAUGE, "shoal_agent_clock_round_trip_seconds", "Of the answer that counts.");
static const struct family frames_estimated =
    FAMILY(COUNTER, "shoal_agent_clock_estimated_frames_total",
           "Frames sent with a time that is an estimate.");

static const char *source_name(enum clock_source source)
{
    static const char *const names[] = {[CLOCK_SOURCE_UNKNOWN] = "unknown",
                                        [CLOCK_SOURCE_SYSTEM] = "system",
                                        [CLOCK_SOURCE_PROBE] = "probe",
                                        [CLOCK_SOURCE_FREE] = "free"};
    return names[source];
}

/* Rounded up, so that it is not another value in each reading. */
static double uncertainty_s(uint32_t uncertainty_ms)
{
    return (double)(((uint64_t)uncertainty_ms + 9) / 10) / 100.0;
}

static void add_time(struct reading *reading, const struct utc_state *time)
{
    reading_add(reading, &clock_known, time->is_known ? 1.0 : 0.0, NO_LABELS);
    reading_add(reading, &clock_source, 1.0, LABELS({"source", source_name(time->source)}));
    if (time->uncertainty_ms != UTC_UNCERTAIN)
        reading_add(reading, &clock_uncertainty, uncertainty_s(time->uncertainty_ms), NO_LABELS);
    reading_add(reading, &clock_system_offset, (double)time->system_off_ms / 1e3, NO_LABELS);
    reading_add(reading, &clock_differs, time->is_differing ? 1.0 : 0.0, NO_LABELS);
    reading_add(reading, &clock_points, (double)time->points, NO_LABELS);
    reading_add(reading, &clock_probes, (double)time->probes, NO_LABELS);
    reading_add(reading, &clock_answers, (double)time->answers, NO_LABELS);
    reading_add(reading, &clock_unusable, (double)time->unusable, NO_LABELS);
    reading_add(reading, &clock_round_trip, (double)time->round_trip_us / 1e6, NO_LABELS);
}

static void add_uplink(struct reading *reading, const struct uplink_state *uplink)
{
    reading_add(reading, &connected, uplink->is_connected ? 1.0 : 0.0, NO_LABELS);
    reading_add(reading, &served, uplink->has_collector ? 1.0 : 0.0, NO_LABELS);
    reading_add(reading, &connects, (double)uplink->connects, NO_LABELS);
    reading_add(reading, &failures, (double)uplink->failures, NO_LABELS);
    reading_add(reading, &frames_sent, (double)uplink->frames_sent, NO_LABELS);
    reading_add(reading, &bytes_sent, (double)uplink->bytes_sent, NO_LABELS);
    reading_add(reading, &frames_resent, (double)uplink->frames_resent, NO_LABELS);
    reading_add(reading, &acks, (double)uplink->acks, NO_LABELS);
    reading_add(reading, &rejected, (double)uplink->rejected, NO_LABELS);
    reading_add(reading, &frames_estimated, (double)uplink->frames_estimated, NO_LABELS);
}

static void add_drops(struct reading *reading, const struct drop_total *drops)
{
    for (int i = DROP_UNKNOWN + 1; i < DROP_REASONS; i++) {
        const char *reason = drop_reason_name((enum drop_reason)i);
        reading_add(reading, &dropped_frames, (double)drops[i].frames, LABELS({"reason", reason}));
        reading_add(reading, &dropped_samples, (double)drops[i].samples,
                    LABELS({"reason", reason}));
    }
}

static void add_spool(struct reading *reading, const struct spool_state *spool, int64_t now_ms)
{
    int64_t age_ms = spool->unacked_frames == 0 ? 0 : now_ms - spool->oldest_unacked_ms;
    for (int place = 0; place < SPOOL_PLACES; place++) {
        const struct spool_sum *held = &spool->held[place];
        const char *tier = tier_names[place];
        reading_add(reading, &spool_frames, (double)held->frames, LABELS({"tier", tier}));
        reading_add(reading, &spool_bytes, (double)held->bytes, LABELS({"tier", tier}));
    }
    reading_add(reading, &unacked_frames, (double)spool->unacked_frames, NO_LABELS);
    reading_add(reading, &unacked_bytes, (double)spool->unacked_bytes, NO_LABELS);
    reading_add(reading, &unacked_age, age_ms > 0 ? (double)age_ms / 1e3 : 0.0, NO_LABELS);
    reading_add(reading, &aside_frames, (double)spool->aside_frames, NO_LABELS);
    reading_add(reading, &streams, (double)spool->streams, NO_LABELS);
    add_drops(reading, spool->drops);
    reading_add(reading, &damaged, (double)spool->damaged, NO_LABELS);
    reading_add(reading, &flushes, (double)spool->flushes, NO_LABELS);
    reading_add(reading, &is_durable, spool->is_durable ? 1.0 : 0.0, NO_LABELS);
}

void self_add(struct reading *reading, const struct self *self)
{
    reading_add(reading, &info, 1.0, LABELS({"version", self->version}));
    add_uplink(reading, &self->uplink);
    add_time(reading, &self->uplink.time);
    reading_add(reading, &waiting_frames, (double)self->queue.frames, NO_LABELS);
    add_spool(reading, &self->spool, self->now_ms);
}
