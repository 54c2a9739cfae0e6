#include "tests/unit/input_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/exposition.h"

/* A clock that stands still unless it is moved. */
struct run_clock {
    struct clock clock;
    int64_t now_us;
};

static int64_t clock_us(struct clock *clock)
{
    return ((struct run_clock *)clock)->now_us;
}

void input_run_init(struct input_run *run, const char *input)
{
    struct run_clock *clock = calloc(1, sizeof(*clock));
    struct config_error error;
    *run = (struct input_run){.input = input_find(input), .reading = reading_new()};
    assert_non_null(run->input);
    assert_non_null(run->reading);
    assert_non_null(clock);
    clock->clock.boot_us = clock_us;
    clock->clock.utc_us = clock_us;
    tree_init(&run->tree);
    (void)snprintf(run->proc, sizeof(run->proc), "%s/proc", run->tree.root);
    (void)snprintf(run->sys, sizeof(run->sys), "%s/sys", run->tree.root);
    (void)snprintf(run->rootfs, sizeof(run->rootfs), "%s/rootfs", run->tree.root);
    run->host = (struct input_host){
        .proc = run->proc, .sys = run->sys, .rootfs = run->rootfs, .clock = &clock->clock};
    run->config = calloc(1, run->input->config_bytes + 1);
    assert_non_null(run->config);
    const struct config_section section = {"", run->input->options, run->config};
    assert_int_equal(config_load(&section, 1, NULL, 0, &error), 0);
}

void input_run_deinit(struct input_run *run)
{
    const struct config_section section = {"", run->input->options, run->config};
    if (run->state != NULL)
        run->input->close(run->state);
    reading_free(run->reading);
    config_deinit(&section, 1);
    free(run->config);
    free(run->host.clock);
    tree_deinit(&run->tree);
}

int input_run_read(struct input_run *run)
{
    run->error.text[0] = '\0';
    if (run->state == NULL) {
        int r = run->input->open(run->config, &run->host, &run->state, &run->error);
        if (r != 0)
            return r;
    }
    reading_begin(run->reading);
    int r = run->input->read(run->state, run->reading, &run->error);
    return r != 0 ? r : reading_end(run->reading);
}

static void write_series(struct buffer *out, const struct series *series)
{
    exposition_series(out, series->family->name, series->suffix, series->labels, series->n_labels);
    if (series->n_labels > 0)
        buffer_text(out, "}");
}

double input_run_value(const struct input_run *run, const char *series)
{
    size_t n;
    const struct sample *samples = reading_samples(run->reading, &n);
    double value = (double)NAN;
    BUFFER_AUTO struct buffer text = {0};
    for (size_t i = 0; i < n; i++) {
        buffer_clear(&text);
        write_series(&text, samples[i].series);
        if (strcmp(buffer_string(&text), series) == 0)
            value = samples[i].value;
    }
    return value;
}

size_t input_run_samples(const struct input_run *run)
{
    size_t n;
    (void)reading_samples(run->reading, &n);
    return n;
}

void input_run_advance(struct input_run *run, int64_t ms)
{
    ((struct run_clock *)run->host.clock)->now_us += ms * 1000;
}
