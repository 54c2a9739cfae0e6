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
static const struct family queue_frames =
    FAMILY(GAUGE, "shoal_agent_queue_frames", "Frames held, acked ones of open groups included.");
static const struct family queue_bytes =
    FAMILY(GAUGE, "shoal_agent_queue_bytes", "Bytes of the frames held.");
static const struct family unacked_frames =
    FAMILY(GAUGE, "shoal_agent_unacked_frames", "Frames that are not yet safe with a collector.");
static const struct family unacked_bytes =
    FAMILY(GAUGE, "shoal_agent_unacked_bytes", "Bytes of the frames that are not yet safe.");
static const struct family unacked_age =
    FAMILY(GAUGE, "shoal_agent_oldest_unacked_age_seconds",
           "Age of the oldest frame that is not yet safe, 0 if there is none.");
static const struct family dropped_frames =
    FAMILY(COUNTER, "shoal_agent_dropped_frames_total", "Frames given up, by reason.");
static const struct family dropped_samples =
    FAMILY(COUNTER, "shoal_agent_dropped_samples_total", "Samples in frames given up, by reason.");

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
}

static void add_queue(struct reading *reading, const struct queue_state *queue, int64_t now_ms)
{
    int64_t age_ms = queue->unacked_frames == 0 ? 0 : now_ms - queue->oldest_unacked_ms;
    reading_add(reading, &queue_frames, (double)queue->frames, NO_LABELS);
    reading_add(reading, &queue_bytes, (double)queue->bytes, NO_LABELS);
    reading_add(reading, &unacked_frames, (double)queue->unacked_frames, NO_LABELS);
    reading_add(reading, &unacked_bytes, (double)queue->unacked_bytes, NO_LABELS);
    reading_add(reading, &unacked_age, (double)age_ms / 1e3, NO_LABELS);
    for (int i = DROP_UNKNOWN + 1; i < DROP_REASONS; i++) {
        const char *reason = drop_reason_name((enum drop_reason)i);
        const struct drop_total *total = &queue->drops[i];
        reading_add(reading, &dropped_frames, (double)total->frames, LABELS({"reason", reason}));
        reading_add(reading, &dropped_samples, (double)total->samples, LABELS({"reason", reason}));
    }
}

void self_add(struct reading *reading, const struct self *self)
{
    reading_add(reading, &info, 1.0, LABELS({"version", self->version}));
    add_uplink(reading, &self->uplink);
    add_queue(reading, &self->queue, self->now_ms);
}
