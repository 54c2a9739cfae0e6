/*
 * The agent put together: node id, queue, sampler on the caller's thread, uplink on its own. Knows
 * nothing of command lines and signals.
 */
#ifndef SHOAL_AGENT_AGENT_H
#define SHOAL_AGENT_AGENT_H

#include "agent/agent_settings.h"

#define AGENT_VERSION "shoal-agent " SHOAL_VERSION
#define AGENT_DRAIN_MS 2000         /* at the end, wait this long for the last acks */
#define AGENT_FORCED_GROUP_MS 60000 /* at least between two groups that a rejection forces */

struct agent;

/* Takes over the settings, whatever the result. 0, or a negative errno. Trouble with the state
 * directory is logged and lived with. */
WARN_UNUSED int agent_start(struct agent_settings *settings, struct agent **agent_out);

/* Sends what is still to be sent, as long as it is acked at once, says offline, and frees. May be
 * NULL. */
void agent_stop(struct agent *agent);

/* Takes over new settings, whatever the result: the inputs begin anew, in the same stream, and so
 * does the connection. What keeps until the next start (the node's id) is logged if it differs.
 * 0, or a negative errno: then what ran before goes on, unless its thread could not be started
 * again. */
WARN_UNUSED int agent_reload(struct agent *agent, struct agent_settings *settings);

/* Boot time in milliseconds of the next tick, and what becomes readable before it. */
int64_t agent_next_ms(const struct agent *agent);
int agent_fd(const struct agent *agent);

/* Samples what is due. Trouble is logged. */
void agent_turn(struct agent *agent);

/* Appends one reading of every input as Prometheus text. Takes over the settings. 0 or a negative
 * errno. */
WARN_UNUSED int agent_once(struct agent_settings *settings, struct buffer *out);

#endif
