/*
 * CPU time of one reading of each input on this machine, samples and reading included:
 * `input_cpu_us VALUE us` and so on, and their sum.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/input.h"

#define READINGS 2000

static double cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int read_often(const struct input *input, void *state, struct reading *reading)
{
    struct input_error error = {""};
    int r = 0;
    for (int i = 0; r == 0 && i < READINGS; i++) {
        reading_begin(reading);
        r = input->read(state, reading, &error);
        if (r == 0)
            r = reading_end(reading);
    }
    if (r < 0)
        (void)fprintf(stderr, "%s: %s\n", input->name, error.text);
    return r;
}

/* Microseconds a reading, 0 for an input that this machine has not, below 0 after an error. */
static double measure(const struct input *input, const struct input_host *host)
{
    struct config_error config_error;
    struct input_error error = {""};
    double us = -1;
    void *state = NULL;
    void *config = calloc(1, input->config_bytes + 1);
    struct reading *reading = reading_new();
    const struct config_section section = {"", input->options, config};
    if (config != NULL && reading != NULL &&
        config_load(&section, 1, NULL, 0, &config_error) == 0) {
        int r = input->open == NULL ? 0 : input->open(config, host, &state, &error);
        double start = cpu_us();
        if (r == 0)
            r = read_often(input, state, reading);
        if (r >= 0)
            us = r == 0 ? (cpu_us() - start) / READINGS : 0;
        if (state != NULL)
            input->close(state);
        config_deinit(&section, 1);
    }
    reading_free(reading);
    free(config);
    return us;
}

int main(void)
{
    const struct input_host host = {
        .proc = "/proc", .sys = "/sys", .rootfs = "", .clock = clock_system()};
    double sum = 0;
    for (const struct input *const *input = input_table; *input != NULL; input++) {
        double us = measure(*input, &host);
        if (us < 0)
            return EXIT_FAILURE;
        (void)printf("input_%s_us %.1f us\n", (*input)->name, us);
        sum += us;
    }
    (void)printf("inputs_us %.1f us\n", sum);
    return EXIT_SUCCESS;
}
