/*
 * Captures this machine: runs the real sampler with all inputs at their defaults and writes the
 * frames that it makes, for the wire bench.
 *
 *   bench_capture FILE [READINGS [INTERVAL_MS]]      60 readings, 15000 ms
 *
 * Values are real; with a shorter interval they change less between two readings than they would.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent_settings.h"
#include "tests/bench/capture.h"

#define READINGS 60
#define INTERVAL_MS 15000
#define NODE "capture"

struct capturing {
    int fd;
    unsigned frames;
    unsigned samples; /* of the last frame */
};

static int take_frame(void *context, const struct encoded_frame *frame)
{
    struct capturing *capturing = context;
    capturing->frames++;
    capturing->samples = frame->samples;
    return capture_write(capturing->fd, frame->bytes, frame->size);
}

static void sleep_until(int64_t boot_ms)
{
    const struct timespec at = {.tv_sec = boot_ms / 1000, .tv_nsec = boot_ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static int capture(struct sampler *sampler, const struct capturing *capturing, unsigned readings)
{
    while (capturing->frames < readings) {
        sleep_until(sampler_next_ms(sampler));
        int r = sampler_turn(sampler);
        if (r != 0)
            return r;
        (void)fprintf(stderr, "frame %u of %u: %u samples\n", capturing->frames, readings,
                      capturing->samples);
    }
    return 0;
}

static int run(struct agent_settings *settings, const char *path, unsigned readings,
               int64_t interval_ms)
{
    struct capturing capturing = {.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (capturing.fd < 0)
        return -errno;
    for (size_t i = 0; i < settings->n_sampled; i++)
        settings->sampled[i].interval_ms = interval_ms;
    const struct sampler_options options = {.inputs = settings->sampled,
                                            .n_inputs = settings->n_sampled,
                                            .own_interval_ms = interval_ms,
                                            .host = &settings->host,
                                            .node = NODE,
                                            .encoder = {.stream = 1, .seed = 1},
                                            .emit = take_frame,
                                            .context = &capturing};
    struct sampler *sampler = NULL;
    int r = sampler_new(&options, &sampler);
    if (r == 0)
        r = capture(sampler, &capturing, readings);
    (void)sampler_free(sampler); /* the process ends next */
    if (close(capturing.fd) != 0 && r == 0)
        r = -errno;
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        (void)fputs("usage: bench_capture FILE [READINGS [INTERVAL_MS]]\n", stderr);
        return 2;
    }
    long readings = argc > 2 ? strtol(argv[2], NULL, 10) : READINGS;
    long interval_ms = argc > 3 ? strtol(argv[3], NULL, 10) : INTERVAL_MS;
    struct agent_settings *settings;
    struct config_error error;
    if (agent_settings_load(input_table, NULL, 0, &settings, &error) != 0 || readings < 1 ||
        interval_ms < AGENT_SETTINGS_INTERVAL_MS_MIN) {
        (void)fputs("bench_capture: bad numbers\n", stderr);
        return 2;
    }
    int r = run(settings, argv[1], (unsigned)readings, interval_ms);
    if (r != 0)
        (void)fprintf(stderr, "bench_capture: %s: %s\n", argv[1], strerror(-r));
    return r == 0 ? 0 : 1;
}
