/*
 * Times are told in whole microseconds and seconds: more digits say nothing and cost bytes in
 * every frame.
 */
#include "agent/report.h"

static const struct family scrape_duration =
    FAMILY(GAUGE, "node_scrape_collector_duration_seconds",
           "node_exporter: Duration of a collector scrape.");
static const struct family scrape_success =
    FAMILY(GAUGE, "node_scrape_collector_success", "node_exporter: Whether a collector succeeded.");
static const struct family input_up =
    FAMILY(GAUGE, "shoal_input_up", "Whether the input's last read worked and was in time.");
static const struct family input_duration =
    FAMILY(GAUGE, "shoal_input_duration_seconds",
           "Duration of the input's last read, or so far of one that is late.");
static const struct family input_last_read =
    FAMILY(GAUGE, "shoal_input_last_read_seconds",
           "Time of the input's last good read, seconds since the Unix epoch.");

static double seconds(int64_t us)
{
    return (double)us / 1e6;
}

static void add_as_node_exporter(struct reading *reading, const struct report *report)
{
    const char *name = report->input->node_collector;
    bool is_up = report->state == REPORT_UP;
    reading_add(reading, &scrape_duration, seconds(report->duration_us),
                LABELS({"collector", name}));
    reading_add(reading, &scrape_success, is_up ? 1.0 : 0.0, LABELS({"collector", name}));
}

void report_add(struct reading *reading, const struct report *report)
{
    if (report->state == REPORT_UNKNOWN)
        return;
    if (report->input->node_collector != NULL)
        add_as_node_exporter(reading, report);
    if (report->state == REPORT_ABSENT)
        return;
    const char *name = report->input->name;
    bool is_up = report->state == REPORT_UP;
    reading_add(reading, &input_up, is_up ? 1.0 : 0.0, LABELS({"input", name}));
    reading_add(reading, &input_duration, seconds(report->duration_us), LABELS({"input", name}));
    if (report->last_read_s != 0)
        reading_add(reading, &input_last_read, (double)report->last_read_s,
                    LABELS({"input", name}));
}
