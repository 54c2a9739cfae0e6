#include "collector/table.h"

#include <inttypes.h>

#include "collector/sd.h"

#define MIB (UINT64_C(1024) * 1024)

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<title>shoal</title>\n<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}\n"
    "h1{font-size:1.4rem;margin:0}nav{margin:.4rem 0 1.2rem}nav a{margin-right:1rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\n"
    "th,td{padding:.35rem .7rem;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid #8884;font-variant-numeric:tabular-nums}\n"
    "th{font-weight:600;border-bottom-width:2px}th:nth-child(-n+2),td:nth-child(-n+2){text-align:"
    "left}\n"
    "tbody tr:hover{background:#8881}\n"
    ".up{color:#1a7f37}.down{color:#cf222e}.up,.down{font-weight:600}.none{opacity:.5}\n"
    "@media(prefers-color-scheme:dark){.up{color:#3fb950}.down{color:#ff7b72}}\n"
    "</style>\n";

void table_append_escaped(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            buffer_text(out, "&lt;");
            break;
        case '>':
            buffer_text(out, "&gt;");
            break;
        case '&':
            buffer_text(out, "&amp;");
            break;
        case '"':
            buffer_text(out, "&quot;");
            break;
        case '\'':
            buffer_text(out, "&#39;");
            break;
        default:
            buffer_append(out, text, 1);
        }
    }
}

/* "340 ms", "12.3 s", "5 min", "3 h", "9 d", with its sign. */
static void append_duration(struct buffer *out, int64_t ms)
{
    const char *sign = ms < 0 ? "&minus;" : "";
    uint64_t size = ms < 0 ? (uint64_t)0 - (uint64_t)ms : (uint64_t)ms;
    if (size < 1000)
        buffer_print(out, "%s%" PRIu64 " ms", sign, size);
    else if (size < UINT64_C(120) * 1000)
        buffer_print(out, "%s%.1f s", sign, (double)size / 1000);
    else if (size < UINT64_C(120) * 60 * 1000)
        buffer_print(out, "%s%" PRIu64 " min", sign, size / 60000);
    else if (size < UINT64_C(48) * 3600 * 1000)
        buffer_print(out, "%s%" PRIu64 " h", sign, size / 3600000);
    else
        buffer_print(out, "%s%" PRIu64 " d", sign, size / 86400000);
}

static void append_bytes(struct buffer *out, uint64_t bytes)
{
    if (bytes < 1024)
        buffer_print(out, "%" PRIu64 " B", bytes);
    else if (bytes < MIB)
        buffer_print(out, "%.1f KiB", (double)bytes / 1024);
    else
        buffer_print(out, "%.1f MiB", (double)bytes / (double)MIB);
}

static void append_none(struct buffer *out)
{
    buffer_text(out, "<td class=\"none\">&ndash;</td>");
}

/* Links to the targets' pages, in the order of nodes: node, NUL, HTML, NUL, and so on. */
struct links {
    struct buffer text;
    const char *at; /* the next node's */
};

static void append_link(void *context, const struct live_target *target)
{
    struct links *links = context;
    BUFFER_AUTO struct buffer path = {0};
    sd_append_path(&path, target);
    buffer_append(&links->text, target->node, strlen(target->node) + 1);
    buffer_text(&links->text, " <a href=\"");
    /* Relative, so that it holds behind a proxy's path too. */
    table_append_escaped(&links->text, buffer_string(&path) + 1);
    buffer_text(&links->text, "\">");
    table_append_escaped(&links->text, target->job);
    buffer_append(&links->text, "</a>", 5);
}

static void find_links(struct links *links, struct live *live)
{
    *links = (struct links){.at = ""};
    live_targets(live, append_link, links);
    buffer_append(&links->text, "", 1); /* no further node */
    if (!buffer_failed(&links->text))
        links->at = links->text.data;
}

static const char *skip_text(const char *text)
{
    return text + strlen(text) + 1;
}

static void append_name(struct buffer *out, const struct live_node *node, struct links *links)
{
    buffer_text(out, "<tr><td>");
    table_append_escaped(out, node->node);
    buffer_text(out, "</td><td>");
    /* Nodes that came since the table's nodes were copied are passed over. */
    for (; links->at[0] != '\0' && strcmp(links->at, node->node) <= 0;
         links->at = skip_text(skip_text(links->at))) {
        if (strcmp(links->at, node->node) == 0)
            buffer_text(out, skip_text(links->at));
    }
    buffer_text(out, "</td>");
}

static void append_state(struct buffer *out, const struct live_node *node)
{
    if (node->is_up)
        buffer_text(out, "<td class=\"up\">up</td>");
    else if (!node->is_rebuilt)
        buffer_text(out, "<td class=\"none\">loading</td>");
    else
        buffer_print(out, "<td class=\"down\">%s</td>", node->is_online ? "silent" : "down");
}

static void append_times(struct buffer *out, const struct live_node *node, int64_t now_utc_ms)
{
    if (node->last_reading_utc_ms == INT64_MIN) {
        append_none(out);
        append_none(out);
        append_none(out);
        return;
    }
    buffer_text(out, "<td>");
    append_duration(out, now_utc_ms - node->last_reading_utc_ms);
    buffer_text(out, " ago</td><td>");
    append_duration(out, node->lag_ms);
    buffer_text(out, "</td><td>");
    append_duration(out, node->clock_offset_ms);
    buffer_text(out, node->is_estimate ? " (estimate)</td>" : "</td>");
}

static uint64_t sum(const uint64_t *counts, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += counts[i];
    return total;
}

/* The frame that told of the backlog was part of it, and is committed now. */
static void append_backlog(struct buffer *out, const struct live_node *node)
{
    if (node->backlog_frames <= 1) {
        append_none(out);
        return;
    }
    buffer_print(out, "<td>%" PRIu64 " (", node->backlog_frames);
    append_bytes(out, node->backlog_bytes);
    buffer_text(out, ")</td>");
}

static void append_row(struct buffer *out, const struct live_node *node, int64_t now_utc_ms)
{
    append_state(out, node);
    append_times(out, node, now_utc_ms);
    append_backlog(out, node);
    buffer_print(out, "<td>%" PRIu64 "</td><td>%" PRIu64 "</td>", node->series,
                 sum(node->rejected, REJECT_REASONS));
    if (node->version[0] == '\0') {
        append_none(out);
    } else {
        buffer_text(out, "<td>");
        table_append_escaped(out, node->version);
        buffer_text(out, "</td>");
    }
    buffer_text(out, "</tr>\n");
}

static void append_summary(struct buffer *out, const struct table_page *page)
{
    size_t up = 0;
    for (size_t i = 0; i < page->n_nodes; i++)
        up += page->nodes[i].is_up;
    buffer_print(out, "<p>%zu of %zu nodes up; broker <span class=\"%s\">%s</span>, ", up,
                 page->n_nodes, page->has_broker ? "up" : "down",
                 page->has_broker ? "connected" : "not connected");
    buffer_print(out, "store <span class=\"%s\">%s</span></p>\n", page->is_storing ? "up" : "down",
                 page->is_storing ? "working" : "not taking frames");
}

void table_write(const struct table_page *page, struct buffer *out)
{
    buffer_text(out, head);
    buffer_print(out, "<meta http-equiv=\"refresh\" content=\"%d\"></head>\n<body><h1>shoal</h1>\n",
                 TABLE_REFRESH_SECONDS);
    append_summary(out, page);
    buffer_text(out,
                "<nav><a href=\"metrics\">all metrics</a><a href=\"collector/metrics\">the "
                "collector's own</a><a href=\"sd\">service discovery</a></nav>\n"
                "<div class=\"wide\"><table><thead><tr><th>node</th><th>pages</th><th>state</th>"
                "<th>last reading</th><th>lag</th><th>clock offset</th><th>backlog</th>"
                "<th>series</th><th>rejected</th><th>version</th></tr></thead>\n<tbody>\n");
    struct links links;
    find_links(&links, page->live);
    for (size_t i = 0; i < page->n_nodes; i++) {
        append_name(out, &page->nodes[i], &links);
        append_row(out, &page->nodes[i], page->now_utc_ms);
    }
    buffer_deinit(&links.text);
    buffer_text(out, "</tbody></table></div></body></html>\n");
}
