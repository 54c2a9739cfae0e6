#include "collector/node_metrics.h"

#include <stdio.h>

/* One family, with a sample for each node that has a value. */
struct metric {
    struct family family;
    bool (*get)(const struct live_node *node, struct decimal *value_out);
};

/* A family with a sample for each reason, 0 to n_reasons - 1, that ever came up. */
struct reason_metric {
    struct family family;
    const char *label; /* that the reason stands in */
    unsigned n_reasons;
    const char *(*name)(unsigned reason);
    uint64_t (*get)(const struct live_node *node, unsigned reason);
};

static struct decimal whole(uint64_t number)
{
    return decimal_from((double)number, 0);
}

static bool get_up(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->is_up);
    return true;
}

static bool get_online(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->is_online);
    return true;
}

static bool get_last_reading(const struct live_node *node, struct decimal *value_out)
{
    *value_out = (struct decimal){.mantissa = node->last_reading_utc_ms, .exponent = -3};
    return node->last_reading_utc_ms != INT64_MIN;
}

static bool get_last_commit(const struct live_node *node, struct decimal *value_out)
{
    *value_out = (struct decimal){.mantissa = node->last_commit_utc_ms, .exponent = -3};
    return node->last_commit_utc_ms != INT64_MIN;
}

static bool get_lag(const struct live_node *node, struct decimal *value_out)
{
    *value_out = decimal_from((double)node->lag_ms / 1000, -3);
    return node->last_commit_utc_ms != INT64_MIN;
}

static bool get_clock_offset(const struct live_node *node, struct decimal *value_out)
{
    *value_out = decimal_from((double)node->clock_offset_ms / 1000, -3);
    return node->last_commit_utc_ms != INT64_MIN;
}

static bool get_clock_estimate(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->is_estimate);
    return node->last_commit_utc_ms != INT64_MIN;
}

static bool get_clock_uncertainty(const struct live_node *node, struct decimal *value_out)
{
    *value_out = (struct decimal){.mantissa = node->uncertainty_ms, .exponent = -3};
    return node->last_commit_utc_ms != INT64_MIN && node->uncertainty_ms != UINT32_MAX;
}

static bool get_system_clock_offset(const struct live_node *node, struct decimal *value_out)
{
    *value_out = (struct decimal){.mantissa = node->system_off_ms, .exponent = -3};
    return node->last_commit_utc_ms != INT64_MIN;
}

static bool get_backlog_frames(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->backlog_frames);
    return true;
}

static bool get_backlog_bytes(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->backlog_bytes);
    return true;
}

static bool get_backlog_age(const struct live_node *node, struct decimal *value_out)
{
    *value_out = decimal_from((double)node->backlog_oldest_age_ms / 1000, -3);
    return true;
}

static bool get_series(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->series);
    return true;
}

static bool get_hidden(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->hidden_series);
    return true;
}

static bool get_duplicates(const struct live_node *node, struct decimal *value_out)
{
    *value_out = whole(node->duplicate_series);
    return true;
}

static const struct metric metrics[] = {
    {FAMILY(GAUGE, "shoal_node_up", "Whether the node's newest committed reading is young."),
     get_up},
    {FAMILY(GAUGE, "shoal_node_online", "Whether the node says that it is online: a hint."),
     get_online},
    {FAMILY(GAUGE, "shoal_node_last_reading_time_seconds", "When the newest reading was taken."),
     get_last_reading},
    {FAMILY(GAUGE, "shoal_node_last_commit_time_seconds", "When the last frame was committed."),
     get_last_commit},
    {FAMILY(GAUGE, "shoal_node_lag_seconds", "From reading to commit, of the last frame."),
     get_lag},
    {FAMILY(GAUGE, "shoal_node_clock_offset_seconds", "The node's time less the collector's."),
     get_clock_offset},
    {FAMILY(GAUGE, "shoal_node_clock_estimated", "Whether the node's time is an estimate."),
     get_clock_estimate},
    {FAMILY(GAUGE, "shoal_node_clock_uncertainty_seconds",
            "What the node's time may be wrong by, as it says; nothing where that is not known."),
     get_clock_uncertainty},
    {FAMILY(GAUGE, "shoal_node_system_clock_offset_seconds",
            "The node's system clock less its time, where that clock claims to be right and a "
            "collector contradicts it; else 0."),
     get_system_clock_offset},
    {FAMILY(GAUGE, "shoal_node_backlog_frames", "Frames that the node holds unacknowledged."),
     get_backlog_frames},
    {FAMILY(GAUGE, "shoal_node_backlog_bytes", "Bytes that the node holds unacknowledged."),
     get_backlog_bytes},
    {FAMILY(GAUGE, "shoal_node_backlog_age_seconds", "Age of the oldest frame unacknowledged."),
     get_backlog_age},
    {FAMILY(GAUGE, "shoal_node_series", "Live series."), get_series},
    {FAMILY(COUNTER, "shoal_node_hidden_series_total",
            "Series not shown because the node's names and labels exceed a bound."),
     get_hidden},
    {FAMILY(GAUGE, "shoal_node_duplicate_series",
            "Series not shown because their target has them already, by an earlier input."),
     get_duplicates},
};

static const struct family count_families[LIVE_COUNTS] = {
    [LIVE_FRAMES] = FAMILY(COUNTER, "shoal_node_frames_total", "Frames committed."),
    [LIVE_SAMPLES] =
        FAMILY(COUNTER, "shoal_node_samples_total", "Samples that the frames committed stand for."),
    [LIVE_BYTES] = FAMILY(COUNTER, "shoal_node_bytes_total", "Bytes of the frames committed."),
    [LIVE_DUPLICATES] = FAMILY(COUNTER, "shoal_node_duplicate_frames_total",
                               "Frames received that were committed already."),
    [LIVE_GAP_FRAMES] = FAMILY(COUNTER, "shoal_node_gap_frames_total",
                               "Frames that the node dropped and that were passed over."),
    [LIVE_RESYNCS] =
        FAMILY(COUNTER, "shoal_node_resyncs_total", "Times that the node was asked to send again."),
    [LIVE_OVERLOADED] = FAMILY(COUNTER, "shoal_node_overloaded_frames_total",
                               "Frames left unacknowledged because a queue was full."),
};

static const char *rejected_name(unsigned reason)
{
    return reject_reason_name((enum reject_reason)reason);
}

static uint64_t get_rejected(const struct live_node *node, unsigned reason)
{
    return node->rejected[reason];
}

static const char *drop_name(unsigned reason)
{
    return drop_reason_name((enum drop_reason)reason);
}

static uint64_t get_dropped_frames(const struct live_node *node, unsigned reason)
{
    return node->drops[reason].frames;
}

static uint64_t get_dropped_samples(const struct live_node *node, unsigned reason)
{
    return node->drops[reason].samples;
}

static const char *source_name(unsigned source)
{
    static const char *const names[] = {[CLOCK_SOURCE_UNKNOWN] = "unknown",
                                        [CLOCK_SOURCE_SYSTEM] = "system",
                                        [CLOCK_SOURCE_PROBE] = "probe",
                                        [CLOCK_SOURCE_FREE] = "free"};
    return names[source];
}

static uint64_t get_source(const struct live_node *node, unsigned source)
{
    return node->last_commit_utc_ms != INT64_MIN && (unsigned)node->source == source;
}

static const struct reason_metric reason_metrics[] = {
    {FAMILY(GAUGE, "shoal_node_clock_source",
            "1 for where the node's time is from: system (a clock that the kernel calls "
            "synchronised), probe (a collector), free (a clock of which nothing is known)."),
     "source", CLOCK_SOURCE_FREE + 1, source_name, get_source},
    {FAMILY(COUNTER, "shoal_node_rejected_total", "Frames refused by the collector."), "reason",
     REJECT_REASONS, rejected_name, get_rejected},
    {FAMILY(COUNTER, "shoal_node_dropped_frames_total", "Frames that the node dropped at a bound."),
     "reason", DROP_REASONS, drop_name, get_dropped_frames},
    {FAMILY(COUNTER, "shoal_node_dropped_samples_total",
            "Samples of the frames that the node dropped at a bound."),
     "reason", DROP_REASONS, drop_name, get_dropped_samples},
};

/* A page being written. */
struct page {
    enum exposition_format format;
    struct buffer *out;
    const struct live_node *nodes;
    size_t n_nodes;
};

/* `series` is a name, or a name with the reason as its label. */
static void write_sample(const struct page *page, const struct live_node *node,
                         const struct buffer *series, bool has_labels, struct decimal value)
{
    /* A node's id needs no escaping. */
    char label[NODE_ID_BYTES_MAX + 16];
    int n = snprintf(label, sizeof(label), "node=\"%s\"", node->node);
    exposition_sample(page->out, page->format,
                      &(struct exposition_sample){.series = series->data,
                                                  .series_bytes = series->size,
                                                  .has_labels = has_labels,
                                                  .more = label,
                                                  .more_bytes = (size_t)n,
                                                  .value = value,
                                                  .time_ms = EXPOSITION_NO_TIME});
}

static void write_metric(const struct page *page, const struct metric *metric)
{
    BUFFER_AUTO struct buffer series = {0};
    exposition_series(&series, metric->family.name, SUFFIX_NONE, NO_LABELS);
    exposition_family(page->out, page->format, &metric->family);
    for (size_t i = 0; i < page->n_nodes; i++) {
        struct decimal value;
        if (metric->get(&page->nodes[i], &value))
            write_sample(page, &page->nodes[i], &series, false, value);
    }
}

static void write_count(const struct page *page, enum live_count count)
{
    BUFFER_AUTO struct buffer series = {0};
    exposition_series(&series, count_families[count].name, SUFFIX_NONE, NO_LABELS);
    exposition_family(page->out, page->format, &count_families[count]);
    for (size_t i = 0; i < page->n_nodes; i++)
        write_sample(page, &page->nodes[i], &series, false, whole(page->nodes[i].counts[count]));
}

static void write_reasons(const struct page *page, const struct reason_metric *metric)
{
    exposition_family(page->out, page->format, &metric->family);
    for (unsigned reason = 0; reason < metric->n_reasons; reason++) {
        BUFFER_AUTO struct buffer series = {0};
        exposition_series(&series, metric->family.name, SUFFIX_NONE,
                          LABELS({metric->label, metric->name(reason)}));
        for (size_t i = 0; i < page->n_nodes; i++) {
            uint64_t n = metric->get(&page->nodes[i], reason);
            if (n > 0)
                write_sample(page, &page->nodes[i], &series, true, whole(n));
        }
    }
}

void node_metrics_write(const struct live_node *nodes, size_t n_nodes,
                        enum exposition_format format, struct buffer *out)
{
    struct page page = {.format = format, .out = out, .nodes = nodes, .n_nodes = n_nodes};
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        write_metric(&page, &metrics[i]);
    for (int count = 0; count < LIVE_COUNTS; count++)
        write_count(&page, (enum live_count)count);
    for (size_t i = 0; i < sizeof(reason_metrics) / sizeof(reason_metrics[0]); i++)
        write_reasons(&page, &reason_metrics[i]);
}
