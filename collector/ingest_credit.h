/*
 * Credit: how many frames each node may send beyond what is committed. Each may always send one;
 * what goes beyond that comes out of one pool, half of what the queue holds, and returns to it with
 * the node's next grant or when it has been silent. So all nodes that use what they were given find
 * room, and the other half is for the single frames of all others.
 */
#ifndef SHOAL_COLLECTOR_INGEST_CREDIT_H
#define SHOAL_COLLECTOR_INGEST_CREDIT_H

#include <stddef.h>
#include <stdint.h>

#define INGEST_GRANT_MS 60000 /* of silence, then a grant is over */

/* A node's; all zeros is none. */
struct ingest_grant {
    uint32_t frames; /* beyond the one */
    int64_t granted_ms;
    struct ingest_grant *older, *newer;
};

/* Caller's storage. */
struct ingest_credit {
    size_t pool_frames;      /* not granted now */
    size_t share_frames_max; /* of one node */
    struct ingest_grant *oldest, *newest;
};

void ingest_credit_init(struct ingest_credit *credit, size_t queue_frames, size_t node_share);

/* Grants anew, for a node that holds `backlog` frames unacked. Returns what the node may send, at
 * least 1. */
uint32_t ingest_credit_grant(struct ingest_credit *credit, struct ingest_grant *grant,
                             uint64_t backlog, int64_t now_boot_ms);

#endif
