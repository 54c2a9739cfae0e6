/*
 * The sampler with inputs of the test's own, in virtual time. What it sends is decoded, so that the
 * test sees what a collector would.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/sampler.h"
#include "agent/source.h"
#include "common/log.h"
#include "tests/support/mirror.h"

#define INTERVAL_MS INT64_C(15000)
#define TIMEOUT_MS 10000
#define DEADLINE_MS 20000
#define FRAMES_MAX 64

struct seen {
    bool is_key;
    size_t n_readings;
    size_t n_repeats;
    int64_t time_ms; /* of the first reading */
};

/* What an input's configuration points to: how it is to behave. */
struct script {
    int open_result, read_result;
    const char *missing; /* what a good reading lacks; NULL: nothing */
    atomic_int opens, reads, closes;
    double value;
    int64_t takes_us;      /* of virtual time, while it is read */
    struct bed *bed;       /* whose time that is */
    pthread_mutex_t *gate; /* a blocking one waits here */
};

enum { A, B, SLOW, SCRIPTS };

struct bed {
    struct clock clock;
    _Atomic int64_t now_us; /* workers read it too */
    struct input_host host;
    struct sampler *sampler;
    struct decoder *decoder;
    struct mirror mirror;
    struct seen seen[FRAMES_MAX];
    size_t n_seen;
    int emit_result;
    struct script scripts[SCRIPTS]; /* the inputs outlive the tests' functions */
    struct script *configs[SCRIPTS];
    pthread_mutex_t gate;
};

static int64_t fake_boot_us(struct clock *clock)
{
    return ((struct bed *)clock)->now_us;
}

static int64_t fake_utc_us(struct clock *clock)
{
    return ((struct bed *)clock)->now_us + INT64_C(1700000000000000);
}

static bool fake_is_synchronised(struct clock *clock, int64_t *error_us_out)
{
    (void)clock;
    *error_us_out = 0;
    return true;
}

static int script_open(const void *config, const struct input_host *host, void **state_out,
                       struct input_error *error)
{
    struct script *script = *(struct script *const *)config;
    (void)host;
    script->opens++;
    *state_out = script;
    return script->open_result < 0 ? input_fail(error, script->open_result, "cannot open")
                                   : script->open_result;
}

static void script_close(void *state)
{
    struct script *script = state;
    script->closes++;
}

static int script_read(void *state, struct reading *reading, struct input_error *error)
{
    static const struct family family = FAMILY(GAUGE, "test_value", "A value.");
    struct script *script = state;
    if (script->gate != NULL) {
        pthread_mutex_lock(script->gate);
        pthread_mutex_unlock(script->gate);
    }
    script->reads++;
    if (script->bed != NULL)
        script->bed->now_us += script->takes_us;
    reading_add(reading, &family, script->value, NO_LABELS);
    if (script->missing != NULL)
        return input_fail(error, 0, "%s", script->missing);
    return script->read_result < 0 ? input_fail(error, script->read_result, "cannot read")
                                   : script->read_result;
}

#define INPUT(name_, may_block_)                                                                   \
    {                                                                                              \
        .name = (name_), .job = "node", .help = "", .is_on = true, .may_block = (may_block_),      \
        .node_collector = (name_), .config_bytes = sizeof(struct script *), .open = script_open,   \
        .close = script_close, .read = script_read                                                 \
    }

static const struct input input_a = INPUT("a", false);
static const struct input input_b = INPUT("b", false);
static const struct input input_blocking = INPUT("blocking", true);

static int take_frame(void *context, const struct encoded_frame *encoded)
{
    struct bed *bed = context;
    struct frame *frame;
    struct rejection rejection;
    if (bed->emit_result != 0)
        return bed->emit_result;
    assert_int_equal(
        decoder_decode(bed->decoder, encoded->bytes, encoded->size, &frame, &rejection), 0);
    assert_true(mirror_apply(&bed->mirror, frame));
    assert_true(bed->n_seen < FRAMES_MAX);
    struct seen *seen = &bed->seen[bed->n_seen++];
    *seen = (struct seen){0};
    seen->is_key = frame->header.key == frame->header.sequence;
    seen->n_readings = frame->n_readings;
    seen->time_ms = frame->readings[0].time_ms;
    for (size_t i = 0; i < frame->n_readings; i++)
        seen->n_repeats += frame->readings[i].is_repeat;
    frame_free(frame);
    return 0;
}

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    assert_non_null(bed);
    log_set_level(LOG_LEVEL_ERROR);
    bed->clock = (struct clock){
        .boot_us = fake_boot_us, .utc_us = fake_utc_us, .is_synchronised = fake_is_synchronised};
    bed->now_us = INT64_C(123456789);
    bed->host = (struct input_host){
        .proc = "/nowhere", .sys = "/nowhere", .rootfs = "", .clock = &bed->clock};
    bed->decoder = decoder_new(NULL);
    for (int i = 0; i < SCRIPTS; i++) {
        bed->scripts[i].value = i + 1;
        bed->configs[i] = &bed->scripts[i];
    }
    assert_int_equal(pthread_mutex_init(&bed->gate, NULL), 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    (void)sampler_free(bed->sampler);
    decoder_free(bed->decoder);
    mirror_deinit(&bed->mirror);
    free(bed);
    return 0;
}

static struct sampler_input sampled(struct bed *bed, int script, int64_t interval_ms)
{
    static const struct input *const inputs[] = {
        [A] = &input_a, [B] = &input_b, [SLOW] = &input_blocking};
    return (struct sampler_input){.input = inputs[script],
                                  .config = &bed->configs[script],
                                  .interval_ms = interval_ms,
                                  .timeout_ms = TIMEOUT_MS};
}

static void begin(struct bed *bed, const char *node, const struct sampler_input *inputs, size_t n)
{
    const struct sampler_options options = {
        .inputs = inputs,
        .n_inputs = n,
        .own_interval_ms = INTERVAL_MS,
        .host = &bed->host,
        .node = node,
        .encoder = {.stream = 5, .seed = 6},
        .emit = take_frame,
        .context = bed,
    };
    assert_int_equal(sampler_new(&options, &bed->sampler), 0);
}

/* Goes to the next tick, `late_ms` after it. Returns the tick. */
static int64_t tick(struct bed *bed, int64_t late_ms)
{
    int64_t next = sampler_next_ms(bed->sampler);
    assert_true(next * 1000 > bed->now_us);
    bed->now_us = (next + late_ms) * 1000;
    assert_int_equal(sampler_turn(bed->sampler), 0);
    return next;
}

static const struct seen *last_seen(const struct bed *bed)
{
    assert_true(bed->n_seen > 0);
    return &bed->seen[bed->n_seen - 1];
}

/* A value that the agent says of itself; NAN if it says none. */
static double own(const struct bed *bed, const char *family, const char *value_of_label)
{
    const struct mirror_input *input = mirror_find(&bed->mirror, SAMPLER_OWN_NAME);
    assert_non_null(input);
    for (uint32_t i = 0; i < input->n_series; i++) {
        const struct mirror_series *series = &input->series[i];
        if (!series->is_gone && strcmp(input->families[series->family].name, family) == 0 &&
            series->n_labels == 1 && strcmp(series->labels[0].value, value_of_label) == 0)
            return decimal_value(series->value);
    }
    return (double)NAN;
}

static void assert_own(const struct bed *bed, const char *family, const char *input, double want)
{
    double value = own(bed, family, input);
    if (!(value == want))
        fail_msg("%s of %s: %g, not %g", family, input, value, want);
}

static void assert_no_own(const struct bed *bed, const char *family, const char *input)
{
    assert_true(isnan(own(bed, family, input)));
}

static int64_t reading_time(const struct bed *bed, const char *input)
{
    const struct mirror_input *found = mirror_find(&bed->mirror, input);
    assert_non_null(found);
    return found->time_ms;
}

static double value_of(const struct bed *bed, const char *input)
{
    const struct mirror_input *found = mirror_find(&bed->mirror, input);
    assert_non_null(found);
    assert_int_equal(found->n_series, 1);
    return decimal_value(found->series[0].value);
}

static void test_one_frame_a_tick(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1.5;
    struct script *b = &bed->scripts[B];
    b->value = -2;
    const struct sampler_input inputs[] = {sampled(bed, A, INTERVAL_MS),
                                           sampled(bed, B, INTERVAL_MS * 2)};
    begin(bed, "node1", inputs, 2);
    int64_t start = bed->now_us / 1000;
    int64_t first = tick(bed, 0);
    assert_in_range(first, start + 1, start + SAMPLER_FIRST_MS); /* everything soon after start */
    assert_int_equal(last_seen(bed)->n_readings, 3);
    assert_true(last_seen(bed)->is_key);
    int64_t ticks[4];
    for (int i = 0; i < 4; i++)
        ticks[i] = tick(bed, 7);
    for (int i = 1; i < 4; i++)
        assert_int_equal(ticks[i] - ticks[i - 1], INTERVAL_MS);
    assert_int_equal(bed->n_seen, 5);
    assert_int_equal(a->reads, 5);
    assert_int_equal(b->reads, 3); /* twice the interval falls on the same grid */
    assert_int_equal(last_seen(bed)->time_ms, ticks[3]);
    assert_int_equal(a->opens, 1);
    assert_true(value_of(bed, "a") == 1.5);
    assert_true(value_of(bed, "b") == -2);
    assert_own(bed, "shoal_input_up", "a", 1);
    assert_own(bed, "node_scrape_collector_success", "b", 1);
    int64_t last_read_s = ticks[3] / 1000 + 1700000000;
    assert_own(bed, "shoal_input_last_read_seconds", "a", (double)last_read_s);
}

static int64_t phase_of(struct bed *bed, const char *node)
{
    begin(bed, node, NULL, 0);
    (void)tick(bed, 0);
    int64_t phase = tick(bed, 0) % INTERVAL_MS;
    assert_true(sampler_free(bed->sampler));
    bed->sampler = NULL;
    decoder_reset(bed->decoder);
    return phase;
}

static void test_phase_is_the_nodes(void **state)
{
    struct bed *bed = *state;
    int64_t phase = phase_of(bed, "node1");
    assert_int_equal(phase_of(bed, "node1"), phase);
    int64_t others[] = {phase_of(bed, "node2"), phase_of(bed, "node3"), phase_of(bed, "pi")};
    assert_true(others[0] != phase && others[1] != phase && others[2] != phase);
}

static void test_late_wake_carries_its_own_time(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    const struct sampler_input input = sampled(bed, A, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    int64_t at = tick(bed, SAMPLER_SNAP_MS);
    assert_int_equal(reading_time(bed, "a"), at);
    at = tick(bed, SAMPLER_SNAP_MS + 1);
    assert_int_equal(reading_time(bed, "a"), at + SAMPLER_SNAP_MS + 1);
    at = tick(bed, 0);
    assert_int_equal(reading_time(bed, "a"), at);
}

static void test_missed_ticks_are_not_made_up_for(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    const struct sampler_input input = sampled(bed, A, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    (void)tick(bed, 0);
    (void)tick(bed, 0);
    int64_t slept_from = tick(bed, 100 * INTERVAL_MS + INTERVAL_MS / 2 + 1);
    assert_int_equal(a->reads, 2);
    assert_int_equal(bed->n_seen, 2);
    int64_t next = tick(bed, 0);
    assert_int_equal(next, slept_from + 101 * INTERVAL_MS);
    assert_int_equal(a->reads, 3);
    /* Half an interval late is still worth a reading. */
    slept_from = tick(bed, 10 * INTERVAL_MS + INTERVAL_MS / 2);
    assert_int_equal(a->reads, 4);
    assert_int_equal(reading_time(bed, "a"), slept_from + 10 * INTERVAL_MS + INTERVAL_MS / 2);
}

static void test_failure_costs_only_its_input(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    a->read_result = -EIO;
    struct script *b = &bed->scripts[B];
    b->value = 2;
    const struct sampler_input inputs[] = {sampled(bed, A, INTERVAL_MS),
                                           sampled(bed, B, INTERVAL_MS)};
    begin(bed, "node1", inputs, 2);
    (void)tick(bed, 0);
    assert_null(mirror_find(&bed->mirror, "a"));
    assert_true(value_of(bed, "b") == 2);
    assert_own(bed, "shoal_input_up", "a", 0);
    assert_own(bed, "node_scrape_collector_success", "a", 0);
    assert_no_own(bed, "shoal_input_last_read_seconds", "a");
    a->read_result = 0;
    (void)tick(bed, 0);
    assert_true(value_of(bed, "a") == 1);
    assert_own(bed, "shoal_input_up", "a", 1);
}

static void test_absent_is_no_failure(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->read_result = INPUT_ABSENT;
    struct script *b = &bed->scripts[B];
    b->open_result = INPUT_ABSENT;
    const struct sampler_input inputs[] = {sampled(bed, A, INTERVAL_MS),
                                           sampled(bed, B, INTERVAL_MS)};
    begin(bed, "node1", inputs, 2);
    (void)tick(bed, 0);
    (void)tick(bed, 0);
    assert_int_equal(a->reads, 2);
    assert_int_equal(b->reads, 0);
    assert_own(bed, "node_scrape_collector_success", "a", 0); /* as node_exporter has it */
    assert_own(bed, "node_scrape_collector_success", "b", 0);
    assert_no_own(bed, "shoal_input_up", "a");
    assert_no_own(bed, "shoal_input_up", "b");
}

static void test_open_is_tried_again(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    a->open_result = -EACCES;
    const struct sampler_input input = sampled(bed, A, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    (void)tick(bed, 0);
    assert_own(bed, "shoal_input_up", "a", 0);
    (void)tick(bed, 0);
    assert_int_equal(a->opens, 1);
    a->open_result = 0;
    int64_t end = bed->now_us / 1000 + SOURCE_REOPEN_MS;
    while (bed->now_us / 1000 < end)
        (void)tick(bed, 0);
    (void)tick(bed, 0);
    assert_int_equal(a->opens, 2);
    assert_own(bed, "shoal_input_up", "a", 1);
    assert_true(sampler_free(bed->sampler));
    bed->sampler = NULL;
    assert_int_equal(a->closes, 1);
}

static void test_durations_are_microseconds(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    a->takes_us = 1234;
    a->bed = bed;
    const struct sampler_input input = sampled(bed, A, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    (void)tick(bed, 0);
    assert_own(bed, "shoal_input_duration_seconds", "a", 0.001234);
    assert_own(bed, "node_scrape_collector_duration_seconds", "a", 0.001234);
}

static void test_blocking_input_in_time(void **state)
{
    struct bed *bed = *state;
    struct script *slow = &bed->scripts[SLOW];
    slow->value = 3;
    const struct sampler_input input = sampled(bed, SLOW, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    for (int i = 0; i < 20 && bed->n_seen < 20; i++)
        (void)tick(bed, 0);
    /* In the same frame as the agent's own, but where this machine was too busy for that. */
    size_t together = 0;
    for (size_t i = 0; i < bed->n_seen; i++)
        together += bed->seen[i].n_readings == 2;
    assert_true(together > 0);
    assert_true(value_of(bed, "blocking") == 3);
}

static void wait_readable(struct bed *bed)
{
    struct pollfd fd = {.fd = sampler_fd(bed->sampler), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, DEADLINE_MS), 1);
}

static void test_late_reading_is_taken_when_it_comes(void **state)
{
    struct bed *bed = *state;
    struct script *slow = &bed->scripts[SLOW];
    slow->value = 3;
    slow->gate = &bed->gate;
    struct script *b = &bed->scripts[B];
    b->value = 2;
    const struct sampler_input inputs[] = {sampled(bed, SLOW, INTERVAL_MS),
                                           sampled(bed, B, INTERVAL_MS)};
    begin(bed, "node1", inputs, 2);
    pthread_mutex_lock(&bed->gate);
    int64_t at = tick(bed, 0);
    assert_null(mirror_find(&bed->mirror, "blocking"));
    assert_int_equal(last_seen(bed)->n_readings, 2); /* the others did not wait for it */
    bed->now_us += 3000 * INT64_C(1000);
    pthread_mutex_unlock(&bed->gate);
    wait_readable(bed);
    assert_int_equal(sampler_turn(bed->sampler), 0);
    assert_int_equal(last_seen(bed)->n_readings, 1);
    assert_int_equal(reading_time(bed, "blocking"), at); /* when the read began */
    assert_true(value_of(bed, "blocking") == 3);
}

static void test_hung_input_is_reported(void **state)
{
    struct bed *bed = *state;
    struct script *hung = &bed->scripts[SLOW];
    hung->value = 3;
    hung->gate = &bed->gate;
    struct script *b = &bed->scripts[B];
    b->value = 2;
    const struct sampler_input inputs[] = {sampled(bed, SLOW, INTERVAL_MS),
                                           sampled(bed, B, INTERVAL_MS)};
    begin(bed, "node1", inputs, 2);
    pthread_mutex_lock(&bed->gate);
    (void)tick(bed, 0);
    assert_no_own(bed, "shoal_input_up", "blocking"); /* nothing is known yet */
    (void)tick(bed, 0);
    (void)tick(bed, 0);
    assert_own(bed, "shoal_input_up", "blocking", 0);
    assert_true(own(bed, "shoal_input_duration_seconds", "blocking") >= INTERVAL_MS / 1e3);
    assert_own(bed, "shoal_input_up", "b", 1);
    assert_int_equal(b->reads, 3);
    pthread_mutex_unlock(&bed->gate);
    wait_readable(bed);
    assert_int_equal(sampler_turn(bed->sampler), 0);
    while (hung->reads < 2)
        (void)tick(bed, 0);
    assert_own(bed, "shoal_input_up", "blocking", 1);
}

static void test_hung_input_does_not_hold_the_end(void **state)
{
    struct bed *bed = *state;
    struct script *hung = &bed->scripts[SLOW];
    hung->gate = &bed->gate;
    const struct sampler_input input = sampled(bed, SLOW, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    pthread_mutex_lock(&bed->gate);
    (void)tick(bed, 0);
    assert_false(sampler_free(bed->sampler));
    bed->sampler = NULL;
    assert_int_equal(hung->closes, 0);
    pthread_mutex_unlock(&bed->gate);
    for (int i = 0; i < DEADLINE_MS && hung->closes == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(hung->closes, 1);
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

static void test_what_is_missing_is_said_once(void **state)
{
    struct bed *bed = *state;
    static const char *const missing[] = {"one: bad", "one: bad", "two: bad",
                                          NULL,       NULL,       "one: bad"};
    const struct sampler_input input = sampled(bed, A, INTERVAL_MS);
    char said[4096] = "";
    int ends[2];
    int kept = dup(STDERR_FILENO);
    begin(bed, "node1", &input, 1);
    log_set_level(LOG_LEVEL_INFO);
    assert_true(kept >= 0);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        bed->scripts[A].missing = missing[i];
        (void)tick(bed, 0);
    }
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    assert_int_equal(count_of(said, "input a: one: bad"), 2);
    assert_int_equal(count_of(said, "input a: two: bad"), 1);
    assert_int_equal(count_of(said, "input a: nothing is missing"), 1);
    assert_own(bed, "shoal_input_up", "a", 1);
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

static void test_slow_input_is_repeated(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    const int64_t interval = 300000;
    const struct sampler_input input = sampled(bed, A, interval);
    begin(bed, "node1", &input, 1);
    (void)tick(bed, 0);
    int64_t first = bed->now_us / 1000;
    size_t repeats = 0;
    while (a->reads < 2) {
        (void)tick(bed, 0);
        repeats += last_seen(bed)->n_repeats;
        assert_true(bed->now_us / 1000 - reading_time(bed, "a") < SAMPLER_REPEAT_MS);
    }
    int64_t second = bed->now_us / 1000;
    assert_in_range(repeats, (second - first) / SAMPLER_REPEAT_MS - 1,
                    (second - first) / SAMPLER_REPEAT_MS + 1);
    a->read_result = -EIO;
    while (a->reads < 3)
        (void)tick(bed, 0);
    bed->n_seen = 0;
    for (int i = 0; i < 10; i++) {
        (void)tick(bed, 0);
        assert_int_equal(last_seen(bed)->n_repeats, 0); /* ends with the first failed read */
    }
}

static void test_repeats_end_when_overdue(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    const struct sampler_input input = sampled(bed, A, 300000);
    begin(bed, "node1", &input, 1);
    while (a->reads < 2)
        (void)tick(bed, 0);
    /* Asleep over two readings, and awake long after the last, but just after a repeat's time. */
    bed->now_us += (INT64_C(2) * 300000 + INT64_C(3) * SAMPLER_REPEAT_MS + 5) * 1000;
    size_t before = bed->n_seen;
    assert_int_equal(sampler_turn(bed->sampler), 0);
    assert_int_equal(a->reads, 2);
    for (size_t i = before; i < bed->n_seen; i++)
        assert_int_equal(bed->seen[i].n_repeats, 0);
}

static void test_errors_of_the_sink_come_back(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1;
    const struct sampler_input input = sampled(bed, A, INTERVAL_MS);
    begin(bed, "node1", &input, 1);
    (void)tick(bed, 0);
    (void)tick(bed, 0);
    assert_false(last_seen(bed)->is_key);
    bed->emit_result = -ENOMEM;
    bed->now_us = sampler_next_ms(bed->sampler) * 1000;
    assert_int_equal(sampler_turn(bed->sampler), -ENOMEM);
    bed->emit_result = 0;
    (void)tick(bed, 0);
    assert_true(last_seen(bed)->is_key); /* nothing wrong can follow from a lost frame */
    sampler_end_group(bed->sampler);
    (void)tick(bed, 0);
    assert_true(last_seen(bed)->is_key);
}

static void test_once(void **state)
{
    struct bed *bed = *state;
    struct script *a = &bed->scripts[A];
    a->value = 1.5;
    struct script *b = &bed->scripts[B];
    b->value = 2;
    b->read_result = -EIO;
    struct script *slow = &bed->scripts[SLOW];
    slow->value = 3;
    const struct sampler_input inputs[] = {sampled(bed, A, INTERVAL_MS),
                                           sampled(bed, B, INTERVAL_MS),
                                           sampled(bed, SLOW, INTERVAL_MS)};
    begin(bed, "node1", inputs, 3);
    BUFFER_AUTO struct buffer out = {0};
    assert_int_equal(sampler_once(bed->sampler, &out), 0);
    const char *text = buffer_string(&out);
    assert_non_null(strstr(text, "# TYPE test_value gauge\ntest_value 1.5\ntest_value 3\n"));
    assert_null(strstr(text, "test_value 2"));
    assert_non_null(strstr(text, "\nshoal_input_up{input=\"b\"} 0\n"));
    assert_non_null(strstr(text, "\nnode_scrape_collector_success{collector=\"blocking\"} 1\n"));
    assert_int_equal(bed->n_seen, 0);
}

static void test_once_tells_what_hangs(void **state)
{
    struct bed *bed = *state;
    struct script *hung = &bed->scripts[SLOW];
    hung->gate = &bed->gate;
    struct sampler_input input = sampled(bed, SLOW, INTERVAL_MS);
    input.timeout_ms = 20;
    begin(bed, "node1", &input, 1);
    BUFFER_AUTO struct buffer out = {0};
    pthread_mutex_lock(&bed->gate);
    assert_int_not_equal(bed->now_us % 1000, 0); /* as nearly always */
    assert_int_equal(sampler_once(bed->sampler, &out), 0);
    pthread_mutex_unlock(&bed->gate);
    const char *text = buffer_string(&out);
    assert_null(strstr(text, "test_value"));
    assert_non_null(strstr(text, "\nshoal_input_up{input=\"blocking\"} 0\n"));
    assert_non_null(strstr(text, "\nshoal_input_duration_seconds{input=\"blocking\"} 0.02\n"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_frame_a_tick),
        TEST(test_phase_is_the_nodes),
        TEST(test_late_wake_carries_its_own_time),
        TEST(test_missed_ticks_are_not_made_up_for),
        TEST(test_failure_costs_only_its_input),
        TEST(test_absent_is_no_failure),
        TEST(test_open_is_tried_again),
        TEST(test_durations_are_microseconds),
        TEST(test_blocking_input_in_time),
        TEST(test_late_reading_is_taken_when_it_comes),
        TEST(test_hung_input_is_reported),
        TEST(test_hung_input_does_not_hold_the_end),
        TEST(test_what_is_missing_is_said_once),
        TEST(test_slow_input_is_repeated),
        TEST(test_repeats_end_when_overdue),
        TEST(test_errors_of_the_sink_come_back),
        TEST(test_once),
        TEST(test_once_tells_what_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
