/* The page for people: a table of the nodes' state, in plain HTML that refreshes by itself. */
#ifndef SHOAL_COLLECTOR_TABLE_H
#define SHOAL_COLLECTOR_TABLE_H

#include "collector/live.h"

#define TABLE_TYPE "text/html; charset=utf-8"
#define TABLE_REFRESH_SECONDS 5

struct table_page {
    struct live *live;             /* for the targets, whose pages are linked */
    const struct live_node *nodes; /* by name */
    size_t n_nodes;
    int64_t now_utc_ms;
    bool has_broker, is_storing;
};

/* A page without memory for the links comes without them. */
void table_write(const struct table_page *page, struct buffer *out);

/* Text as it may stand in HTML, in an attribute too. */
void table_append_escaped(struct buffer *out, const char *text);

#endif
