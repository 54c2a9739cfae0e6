/* What the agent says of itself besides its inputs: the way to the collector, the spool, the queue.
 */
#ifndef SHOAL_AGENT_SELF_H
#define SHOAL_AGENT_SELF_H

#include "agent/queue.h"
#include "agent/uplink.h"

struct self {
    const char *version;
    struct queue_state queue;
    struct spool_state spool;
    struct uplink_state uplink;
    int64_t now_ms; /* boot time */
};

/* Adds shoal_agent_*. */
void self_add(struct reading *reading, const struct self *self);

#endif
