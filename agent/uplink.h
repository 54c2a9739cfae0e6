/*
 * The uplink: takes frames from the spool, oldest stream first, publishes them over MQTT and frees
 * what the collector says is committed. Everything runs on the thread that calls uplink_turn, the
 * spool's too; the sampling thread only calls uplink_wake.
 *
 * Flow: one frame until the first ack, then what the acks' credit allows. What is unacked when a
 * connection ends, or for too long, is sent again from the first unacked frame. A probe for the
 * collector's time goes before any frame, and frames wait until the time is known (agent/utc.h).
 */
#ifndef SHOAL_AGENT_UPLINK_H
#define SHOAL_AGENT_UPLINK_H

#include "agent/spool.h"
#include "agent/utc.h"
#include "common/mqtt.h"

#define UPLINK_HELLO_MS_MAX 1000   /* after a Hello, frames go out within this time */
#define UPLINK_TAKEN_OVER_MS 60000 /* wait after another client came with the same id */

struct uplink_options {
    struct mqtt_options mqtt; /* subscriptions and will are the uplink's to fill in */
    const char *topic_prefix;
    const char *node;
    struct spool *spool;
    struct clock *clock;
    struct utc *utc; /* outlives the uplink; used only within its calls */
    const char *version;
    uint64_t seed;
};

/* Totals since start, for the agent's own metrics; read from any thread. */
struct uplink_state {
    bool is_connected;
    bool has_collector; /* an ack has come over this connection */
    uint64_t connects;  /* connections made ready */
    uint64_t failures;  /* attempts and connections lost */
    uint64_t frames_sent, bytes_sent;
    uint64_t frames_resent;
    uint64_t frames_estimated; /* sent with a time that is an estimate */
    uint64_t acks;
    uint64_t rejected; /* frames refused by the collector */
    uint64_t acked_sequence;
    struct utc_state time;
};

struct uplink;

WARN_UNUSED int uplink_new(const struct uplink_options *options, struct uplink **uplink_out);
void uplink_free(struct uplink *uplink); /* says offline first where it is connected; may be NULL */

/* Works for at most timeout_ms. */
void uplink_turn(struct uplink *uplink, int64_t timeout_ms);
void uplink_wake(struct uplink *uplink);
void uplink_state(struct uplink *uplink, struct uplink_state *state_out);

#endif
