/* shoal_node_*: what the collector knows of each node, as an exposition. Written straight from the
 * nodes' state: as a reading it would take more memory than many a node's own series. */
#ifndef SHOAL_COLLECTOR_NODE_METRICS_H
#define SHOAL_COLLECTOR_NODE_METRICS_H

#include "collector/live.h"

/* Without the end of the exposition. */
void node_metrics_write(const struct live_node *nodes, size_t n_nodes,
                        enum exposition_format format, struct buffer *out);

#endif
