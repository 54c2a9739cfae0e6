/*
 * What the agent says of its inputs: node_exporter's node_scrape_collector_* and shoal_input_*.
 */
#ifndef SHOAL_AGENT_REPORT_H
#define SHOAL_AGENT_REPORT_H

#include "agent/input.h"

enum report_state {
    REPORT_UNKNOWN, /* not read yet: nothing to say */
    REPORT_UP,
    REPORT_ABSENT, /* nothing to read on this machine: no failure of ours, but one of
                      node_exporter's */
    REPORT_DOWN
};

struct report {
    const struct input *input;
    enum report_state state;
    int64_t duration_us;
    int64_t last_read_s; /* Unix time of the last good read, 0 if there was none */
};

/* Adds one input's series. */
void report_add(struct reading *reading, const struct report *report);

#endif
