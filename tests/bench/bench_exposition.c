/* How fast sample lines are written: a page of 100,000 lines, made again and again. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/exposition.h"

#define LINES 100000
#define PAGES 30
#define TIME_MS INT64_C(1764000000123)
#define SERIES "node_cpu_seconds_total{cpu=\"3\",mode=\"iowait\""
#define MORE "instance=\"raspberrypi-12ab34\",job=\"node\""

static size_t write_page(struct buffer *page, const struct decimal *values)
{
    buffer_clear(page);
    for (size_t i = 0; i < LINES; i++) {
        const struct exposition_sample sample = {
            .series = SERIES,
            .series_bytes = sizeof(SERIES) - 1,
            .has_labels = true,
            .more = MORE,
            .more_bytes = sizeof(MORE) - 1,
            .value = values[i],
            .time_ms = TIME_MS,
        };
        exposition_sample(page, EXPOSITION_OPENMETRICS, &sample);
    }
    return page->size;
}

int main(void)
{
    struct clock *clock = clock_system();
    BUFFER_AUTO struct buffer page = {0};
    struct decimal *values = calloc(LINES, sizeof(*values));
    if (values == NULL)
        return EXIT_FAILURE;
    for (size_t i = 0; i < LINES; i++)
        values[i] = decimal_from((double)(i * 7919) / 100, 0);
    (void)write_page(&page, values); /* grows the buffer */
    int64_t start_us = clock->boot_us(clock);
    for (int i = 0; i < PAGES; i++)
        (void)write_page(&page, values);
    double seconds = (double)(clock->boot_us(clock) - start_us) / 1e6;
    free(values);
    if (buffer_failed(&page))
        return EXIT_FAILURE;
    printf("exposition_sample_lines_per_s %.0f lines/s\n", LINES * PAGES / seconds);
    return EXIT_SUCCESS;
}
