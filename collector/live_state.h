/* What live.c and live_write.c share: the view itself. For these two files only. */
#ifndef SHOAL_COLLECTOR_LIVE_STATE_H
#define SHOAL_COLLECTOR_LIVE_STATE_H

#include <pthread.h>

#include "collector/live.h"
#include "collector/values.h"

struct node {
    struct live_node state; /* what is computed for a copy is not kept in it */
    struct values values;
    bool was_rebuilt; /* ever: service discovery needs it no better */
    bool is_named;    /* by the configuration */
    bool is_heard;    /* or in the store */
};

/* One lock: held for a frame's changes or for copying what a page shows, not for writing it. */
struct live {
    pthread_mutex_t lock;
    struct clock *clock;
    struct graveyard graveyard;
    struct identities *identities;
    uint32_t reading_time; /* identity of shoal_reading_time_seconds */
    struct node **nodes;   /* by name */
    size_t n_nodes, capacity, nodes_max;
    bool has_broker;
};

/* NULL if it is not known. Under the lock, as all here. */
struct node *live_find(const struct live *live, const char *node);

bool live_is_node_up(const struct live *live, const struct node *node, int64_t now_ms);

/* Its newest reading is young; of all its targets for NULL. */
bool live_is_fresh(const struct values *values, const struct target *target, int64_t now_ms);

/* Settles which of the node's inputs and series are shown now. 0 or -ENOMEM. */
WARN_UNUSED int live_choose_shown(const struct live *live, struct node *node, int64_t now_ms);

#endif
