/*
 * The live view: of each node the latest values, its targets and its state. A view of committed
 * frames only; ingest applies them after the commit. Identities of series (names, labels, already
 * rendered) are interned, since fleets are alike.
 *
 * Writers and readers may be different threads; a page sees each reading whole.
 */
#ifndef SHOAL_COLLECTOR_LIVE_H
#define SHOAL_COLLECTOR_LIVE_H

#include "common/clock.h"
#include "common/envelope.h"
#include "common/exposition.h"
#include "common/topic.h"

#define LIVE_NODE_MAX_DEFAULT 10000
#define LIVE_JOB_DEFAULT "node" /* of a node that has not been heard */
#define LIVE_DOWN_MS_MIN                                                                           \
    INT64_C(30000) /* a node is down after three intervals, and at least this */
#define LIVE_SHOW_MS                                                                               \
    (INT64_C(5) * 60 * 1000) /* a reading older than this and 3 intervals is not shown */

enum { LIVE_UNKNOWN = 1, LIVE_DOWN = 2 };

/* Things counted per node; exposed as shoal_node_*. */
enum live_count {
    LIVE_FRAMES,
    LIVE_SAMPLES,
    LIVE_BYTES,
    LIVE_DUPLICATES,
    LIVE_GAP_FRAMES,
    LIVE_RESYNCS,    /* asked to send again */
    LIVE_OVERLOADED, /* dropped unacked at a bound */
    LIVE_COUNTS
};

/* What an envelope said, for the node's state. */
struct live_envelope {
    int64_t utc_offset_ms;
    uint32_t uncertainty_ms;
    enum clock_source source;
    bool is_estimate;
    int64_t system_off_ms;
    uint64_t backlog_frames, backlog_bytes, backlog_oldest_age_ms;
    const struct drop_total *drops; /* DROP_REASONS of them, or NULL: not known */
    int64_t received_utc_ms;
};

/* A copy of one node's state. */
struct live_node {
    char node[NODE_ID_BYTES_MAX + 1];
    char version[VERSION_BYTES_MAX + 1];
    bool is_up;
    bool is_online;              /* as its status says: a hint */
    bool is_rebuilt;             /* values are as the store has them */
    int64_t last_reading_utc_ms; /* newest, by the node's own map; INT64_MIN: none */
    int64_t last_commit_utc_ms;  /* INT64_MIN: none in this process's life */
    int64_t lag_ms;              /* from reading to commit, of the last frame */
    int64_t clock_offset_ms;     /* node's UTC less the collector's at receipt, of a live frame */
    uint64_t backlog_frames, backlog_bytes, backlog_oldest_age_ms;
    uint64_t series;
    uint64_t hidden_series;    /* ever left out for VALUES_TEXT_BYTES_MAX */
    uint64_t duplicate_series; /* not shown, for their target has them already */
    uint64_t counts[LIVE_COUNTS];
    uint64_t rejected[REJECT_REASONS];
    struct drop_total drops[DROP_REASONS];
    enum clock_source source;
    uint32_t uncertainty_ms; /* UINT32_MAX: not known */
    int64_t system_off_ms;   /* as in struct envelope */
    bool is_estimate;
};

struct live;

/* NULL when out of memory. */
struct live *live_new(struct clock *clock, size_t nodes_max);
void live_free(struct live *live); /* may be NULL */

/* --- written by ingest --- */

/* The node is known, by a stream in the store or a frame: its values are to be rebuilt. 0, -ENOMEM,
 * or -E2BIG at the bound of nodes. */
WARN_UNUSED int live_add_node(struct live *live, const char *node);

/* The configuration names the node. If nothing else did before, there is nothing to rebuild. */
WARN_UNUSED int live_add_named(struct live *live, const char *node);

/* Around live_add_named for each node of a configuration read anew: nodes that are not named any
 * more and were never heard are forgotten at its end. */
void live_begin_naming(struct live *live);
void live_end_naming(struct live *live);

/* Applies a committed frame of a node that was added. Frames of a stream come in order; a key frame
 * begins a group. On rebuild `envelope->received_utc_ms` is the time of its commit. 0, -ENOENT, or
 * -ENOMEM (the node then shows nothing until its next key frame). */
WARN_UNUSED int live_apply(struct live *live, const char *node, const struct frame *frame,
                           const struct live_envelope *envelope);

/* The node's values are as the store has them (also when it has none). */
void live_rebuilt(struct live *live, const char *node);

void live_count(struct live *live, const char *node, enum live_count count, uint64_t n);
void live_reject(struct live *live, const char *node, enum reject_reason reason);
/* An online node is known from now on. */
void live_status(struct live *live, const char *node, const struct status *status);

/* All that is known of its values may be wrong: shows nothing until it is applied anew. */
void live_forget_values(struct live *live, const char *node);

/* The collector has its broker: without one, no node is up. */
void live_set_broker(struct live *live, bool is_connected);

/* --- read by pages --- */

/* Every node, sorted by name: an array for the caller to free. 0 or -ENOMEM. */
WARN_UNUSED int live_nodes(struct live *live, struct live_node **nodes_out, size_t *n_out);

/* Every target of every node; the labels are the node's. A node without any, not heard so far, has
 * the one that a host has: job "node". `visit` is called under the lock: it is quick and calls
 * nothing of this module. */
struct live_target {
    const char *node, *job, *instance;
    const struct label *labels;
    size_t n_labels;
};
typedef void (*live_target_visit)(void *context, const struct live_target *target);
void live_targets(struct live *live, live_target_visit visit, void *context);

/* One target's latest readings, without instance and job. 0, LIVE_UNKNOWN, LIVE_DOWN, -ENOMEM. */
WARN_UNUSED int live_write_target(struct live *live, const char *node, const char *job,
                                  const char *instance, enum exposition_format format,
                                  struct buffer *out);

/* All targets of nodes that are up, families grouped across them, with instance and job; the
 * samples of `own` (may be NULL) among them, as they are and without a time. Without the end of the
 * exposition, so that a page may go on. 0 or -ENOMEM. */
WARN_UNUSED int live_write_fleet(struct live *live, enum exposition_format format,
                                 const struct reading *own, struct buffer *out);

struct live_totals {
    size_t nodes, series, identities, bytes;
    bool is_rebuilt; /* every known node */
};
void live_totals(struct live *live, struct live_totals *totals_out);

#endif
