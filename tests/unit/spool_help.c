#include "tests/unit/spool_help.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct spool_help *of_clock(struct clock *clock)
{
    return (struct spool_help *)((char *)clock - offsetof(struct spool_help, clock));
}

static int64_t boot_us(struct clock *clock)
{
    return of_clock(clock)->now_ms * 1000;
}

static void note_event(void *context, enum spool_event event, const char *text)
{
    struct spool_help *help = context;
    help->events[event]++;
    (void)snprintf(help->text, sizeof(help->text), "%s", text);
}

void spool_help_init(struct spool_help *help)
{
    *help = (struct spool_help){.clock = {.boot_us = boot_us, .utc_us = boot_us},
                                .now_ms = 1000000,
                                .boot = "boot-1",
                                .bounds = {.max_bytes = 67108864,
                                           .memory_bytes = 16777216,
                                           .flush_after_ms = SPOOL_HELP_FLUSH_MS},
                                .frame_bytes = SPOOL_HELP_FRAME_BYTES};
    tree_init(&help->tree);
    (void)snprintf(help->state, sizeof(help->state), "%s/state/deep", help->tree.root);
    (void)snprintf(help->runtime, sizeof(help->runtime), "%s/run", help->tree.root);
    help->queue = queue_new(1000);
    assert_non_null(help->queue);
}

void spool_help_deinit(struct spool_help *help)
{
    spool_close(help->spool);
    queue_free(help->queue);
    tree_deinit(&help->tree);
}

int spool_help_try_open(struct spool_help *help)
{
    const struct spool_options options = {.stream = help->stream + 1,
                                          .boot = help->boot,
                                          .state_directory = help->state,
                                          .runtime_directory = help->runtime,
                                          .bounds = help->bounds,
                                          .clock = &help->clock,
                                          .report = note_event,
                                          .context = help};
    int r = spool_open(&options, &help->spool);
    if (r == 0) {
        help->stream++;
        help->last = 0;
        help->key = 0;
    }
    return r;
}

void spool_help_open(struct spool_help *help)
{
    assert_int_equal(spool_help_try_open(help), 0);
}

void spool_help_close(struct spool_help *help)
{
    spool_close(help->spool);
    help->spool = NULL;
}

static void copy_file(const char *from, const char *to)
{
    char bytes[4096];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return; /* it is not there */
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(out >= 0);
    ssize_t n;
    while ((n = read(in, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    assert_int_equal(n, 0);
    assert_int_equal(close(in), 0);
    assert_int_equal(close(out), 0);
}

/* The files as they are now, under another name. */
static void keep(const char *directory, const char *from, const char *to)
{
    static const char *const ends[] = {"", "-wal"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char source[256];
        char target[256];
        (void)snprintf(source, sizeof(source), "%s/%s%s", directory, from, ends[i]);
        (void)snprintf(target, sizeof(target), "%s/%s%s", directory, to, ends[i]);
        (void)unlink(target);
        copy_file(source, target);
    }
}

void spool_help_crash(struct spool_help *help)
{
    keep(help->state, SPOOL_FILE, "kept");
    keep(help->runtime, SPOOL_FILE, "kept");
    spool_help_close(help);
    keep(help->state, "kept", SPOOL_FILE);
    keep(help->runtime, "kept", SPOOL_FILE);
}

void spool_help_lose_power(struct spool_help *help)
{
    spool_help_crash(help);
    keep(help->runtime, "nothing", SPOOL_FILE);
}

static void fill(uint8_t *bytes, size_t size, uint64_t stream, uint64_t sequence)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(stream * 31 + sequence * 7 + i);
}

int spool_help_append(struct spool_help *help, bool begins_group)
{
    uint8_t *bytes = malloc(help->frame_bytes);
    assert_non_null(bytes);
    uint64_t sequence = help->last + 1;
    uint64_t key = begins_group || help->key == 0 ? sequence : help->key;
    fill(bytes, help->frame_bytes, help->stream, sequence);
    const struct encoded_frame frame = {.stream = help->stream,
                                        .sequence = sequence,
                                        .key = key,
                                        .samples = 10,
                                        .time_ms = help->now_ms,
                                        .bytes = bytes,
                                        .size = help->frame_bytes};
    int r = spool_append(help->spool, &frame);
    free(bytes);
    if (r >= 0) {
        help->last = sequence;
        help->key = key;
    }
    return r;
}

void spool_help_append_many(struct spool_help *help, unsigned n)
{
    while (n-- > 0)
        assert_int_equal(spool_help_append(help, false), 0);
}

bool spool_help_has(struct spool_help *help, uint64_t stream, uint64_t sequence)
{
    struct spool_frame frame = {0};
    int r = spool_read(help->spool, stream, sequence, &frame);
    bool has = r == 0 && frame.sequence == sequence;
    if (has) {
        uint8_t *want = malloc(frame.bytes.size);
        assert_non_null(want);
        fill(want, frame.bytes.size, stream, sequence);
        assert_memory_equal(frame.bytes.data, want, frame.bytes.size);
        free(want);
    }
    buffer_deinit(&frame.bytes);
    return has;
}

void spool_help_pass(struct spool_help *help, int64_t ms)
{
    help->now_ms += ms;
    (void)spool_turn(help->spool, help->queue); /* nothing waits there */
}

struct spool_state spool_help_state(struct spool_help *help)
{
    struct spool_state state;
    spool_state(help->spool, &state);
    return state;
}
