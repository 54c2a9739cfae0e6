/*
 * Owner and worker share one struct. While a read runs all but `is_started` and `started_us` is
 * the worker's; the worker's lock hands it over and back.
 */
#include "agent/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

struct source {
    struct source_options options;
    struct worker *worker; /* NULL: reads run on the owner's thread */
    struct reading *reading;
    bool is_started;
    int64_t started_us;

    void *state;
    bool is_open;
    int open_status;   /* of the last attempt */
    int64_t opened_us; /* when it was */
    struct source_result result;
};

static int64_t now_us(const struct source *source)
{
    struct clock *clock = source->options.host->clock;
    return clock->boot_us(clock);
}

/* Opens the input unless it is open or was tried a short while ago. */
static int open_input(struct source *source, struct input_error *error)
{
    const struct input *input = source->options.input;
    if (source->is_open)
        return 0;
    int64_t now = now_us(source);
    if (source->open_status != 0 && now - source->opened_us < SOURCE_REOPEN_MS * INT64_C(1000))
        return source->open_status;
    source->opened_us = now;
    error->text[0] = '\0';
    source->open_status =
        input->open == NULL
            ? 0
            : input->open(source->options.config, source->options.host, &source->state, error);
    source->is_open = source->open_status == 0;
    return source->open_status;
}

static int read_input(struct source *source, struct input_error *error)
{
    int r = open_input(source, error);
    if (r != 0)
        return r;
    error->text[0] = '\0';
    reading_begin(source->reading);
    r = source->options.input->read(source->state, source->reading, error);
    if (r != 0)
        return r;
    r = reading_end(source->reading);
    return r == 0 ? 0 : input_fail(error, r, "%s", reading_error(source->reading));
}

/* An input that only gave a number gets its words. */
static void explain(struct source_result *result)
{
    if (result->status < 0 && result->error.text[0] == '\0')
        (void)input_fail(&result->error, 0, "%s", strerrordesc_np(-result->status));
}

static void run(void *context)
{
    struct source *source = context;
    struct source_result *result = &source->result;
    result->begun_us = now_us(source);
    result->status = read_input(source, &result->error);
    result->duration_us = now_us(source) - result->begun_us;
    explain(result);
}

static void done(void *context)
{
    struct source *source = context;
    (void)eventfd_write(source->options.done_fd, 1); /* fails only when it is raised already */
}

static void release(void *context)
{
    struct source *source = context;
    if (source->is_open && source->options.input->close != NULL)
        source->options.input->close(source->state);
    reading_free(source->reading);
    free(source);
}

int source_new(const struct source_options *options, struct source **source_out)
{
    const struct worker_job job = {.run = run, .done = done, .release = release};
    struct source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return -ENOMEM;
    source->options = *options;
    source->reading = reading_new();
    bool is_whole = source->reading != NULL;
    if (is_whole && options->input->may_block) {
        source->worker = worker_new(options->pool, &job, source);
        is_whole = source->worker != NULL;
    }
    if (!is_whole) {
        release(source);
        return -ENOMEM;
    }
    *source_out = source;
    return 0;
}

bool source_free(struct source *source)
{
    if (source == NULL)
        return true;
    if (source->worker != NULL)
        return worker_free(source->worker);
    release(source);
    return true;
}

void source_start(struct source *source)
{
    source->is_started = true;
    source->started_us = now_us(source);
    if (source->worker == NULL)
        run(source);
    else
        worker_start(source->worker);
}

bool source_is_started(const struct source *source)
{
    return source->is_started;
}

int64_t source_started_us(const struct source *source)
{
    return source->started_us;
}

bool source_wait(struct source *source, int64_t timeout_ms)
{
    return source->worker == NULL || worker_wait(source->worker, timeout_ms);
}

const struct source_result *source_take(struct source *source)
{
    source->is_started = false;
    return &source->result;
}

const struct reading *source_reading(const struct source *source)
{
    return source->reading;
}
