/*
 * The node's id: fixed in the state directory at the first start, so that neither a new host name
 * nor a changed configuration makes another node of the same machine.
 */
#ifndef SHOAL_AGENT_NODE_H
#define SHOAL_AGENT_NODE_H

#include <limits.h>

#include "common/series.h"
#include "common/topic.h"

#define NODE_ID_FILE "node-id" /* in the state directory: the id and a line feed */
#define NODE_MACHINE_DIGITS 6

struct node_sources {
    const char *state_directory; /* made where it is missing */
    const char *configured;      /* "": none */
    const char *host_name;
    const char *machine_id; /* 32 hexadecimal digits; "": unknown */
};

enum {
    NODE_NOT_KEPT = 1, /* the id is good, but could not be kept: the next start may give another */
    NODE_DIFFERS = 2   /* the state directory's id holds, not the configured one */
};

/* What could not be read or written, for NODE_NOT_KEPT. */
struct node_trouble {
    int error; /* negative errno */
    char path[PATH_MAX];
};

/* Fills id_out always. 0, NODE_DIFFERS, or NODE_NOT_KEPT with *trouble filled. */
WARN_UNUSED int node_id(const struct node_sources *sources, char id_out[NODE_ID_BYTES_MAX + 1],
                        struct node_trouble *trouble);

/* The id that a host name makes: characters outside the allowed form are replaced, and names that
 * images share get the last digits of the machine id. */
void node_id_from_host(char id_out[NODE_ID_BYTES_MAX + 1], const char *host_name,
                       const char *machine_id);

#endif
