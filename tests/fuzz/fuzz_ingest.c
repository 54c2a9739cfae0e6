/*
 * Any payloads on any topics, through the whole of ingest into a store on tmpfs. The input is a
 * list of messages: a byte that says what it is, two bytes of length, the bytes. Each run has nodes
 * of its own, so that runs do not depend on one another; whatever comes, nothing is acked that the
 * store does not have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/ingest.h"
#include "common/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define RUNS_PER_COLLECTOR 1000
#define MESSAGES_MAX 64

enum message { MESSAGE_FRAME, MESSAGE_ENVELOPE, MESSAGE_STATUS, MESSAGE_TOPIC, MESSAGES };

struct world {
    char directory[64];
    struct store *store;
    struct live *live;
    struct ingest *ingest;
    unsigned runs;
};

/* libFuzzer calls a function without a context. */
static struct world *the_world(void)
{
    static struct world world;
    return &world;
}

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

static void check_ack(void *context, const char *node, const struct ack *ack)
{
    const struct world *world = context;
    struct store_error error;
    struct store_stream row;
    check(ack->collector == store_id(world->store));
    check(ack->has_answer || ack->credit_frames >= 1);
    if (ack->committed == 0)
        return;
    check(store_find_stream(world->store, node, ack->stream, &row, &error) == 0);
    check(row.committed == ack->committed);
}

static void open_world(struct world *world)
{
    struct store_error error;
    (void)snprintf(world->directory, sizeof(world->directory), "/dev/shm/shoal-fuzz-XXXXXX");
    check(mkdtemp(world->directory) != NULL);
    const struct store_options store = {.directory = world->directory,
                                        .retention_ms = INT64_C(3600000),
                                        .size_bytes_max = 32 << 20,
                                        .clock = clock_system()};
    check(store_open(&store, &world->store, &error) == 0);
    world->live = live_new(clock_system(), (size_t)RUNS_PER_COLLECTOR * MESSAGES);
    check(world->live != NULL);
    const struct ingest_options options = {.store = world->store,
                                           .live = world->live,
                                           .clock = clock_system(),
                                           .is_clock_trusted = true,
                                           .topic_prefix = "p",
                                           .send = check_ack,
                                           .context = world};
    check(ingest_new(&options, &world->ingest) == 0);
    world->runs = 0;
}

static void close_world(struct world *world)
{
    static const char *const files[] = {"shoal.db", "shoal.db-wal", "shoal.db-shm", "shoal.lock",
                                        "ballast"};
    ingest_free(world->ingest);
    live_free(world->live);
    store_close(world->store);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/%s", world->directory, files[i]);
        (void)unlink(path); /* some are gone when the database is closed */
    }
    (void)rmdir(world->directory);
    world->ingest = NULL;
}

static void close_at_exit(void)
{
    close_world(the_world());
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_set_level(LOG_LEVEL_ERROR);
    open_world(the_world());
    (void)atexit(close_at_exit);
    return 0;
}

/* A frame in an envelope whose `first` is the frame's own number, so that gaps are taken. */
static void offer_frame(const struct world *world, const char *topic, const uint8_t *bytes,
                        size_t size)
{
    BUFFER_AUTO struct buffer payload = {0};
    struct frame_header header = {0};
    struct rejection rejection;
    if (frame_peek(bytes, size, &header, &rejection) != 0)
        header.sequence = 1;
    const struct envelope envelope = {
        .frame = bytes, .frame_bytes = size, .first = header.sequence, .backlog_frames = size};
    check(envelope_pack(&envelope, &payload) == 0);
    ingest_offer(world->ingest, topic, (const uint8_t *)payload.data, payload.size);
}

static void offer(const struct world *world, uint8_t what, const uint8_t *bytes, size_t size)
{
    char topic[TOPIC_BYTES_MAX];
    char node[32];
    (void)snprintf(node, sizeof(node), "n%u-%u", world->runs, (unsigned)what / MESSAGES % 2);
    topic_format(topic, "p", what % MESSAGES == MESSAGE_STATUS ? TOPIC_STATUS : TOPIC_FRAMES, node);
    if (what % MESSAGES == MESSAGE_FRAME) {
        offer_frame(world, topic, bytes, size);
    } else if (what % MESSAGES == MESSAGE_TOPIC) {
        size_t n = size < sizeof(topic) - 1 ? size : sizeof(topic) - 1;
        memcpy(topic, bytes, n);
        topic[n] = '\0';
        ingest_offer(world->ingest, topic, bytes, size);
    } else {
        ingest_offer(world->ingest, topic, bytes, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct world *world = the_world();
    if (world->runs++ == RUNS_PER_COLLECTOR) {
        close_world(world);
        open_world(world);
    }
    for (int i = 0; i < MESSAGES_MAX && size >= 3; i++) {
        uint8_t what = bytes[0];
        size_t length = (size_t)bytes[1] << 8 | bytes[2];
        bytes += 3;
        size -= 3;
        if (length > size)
            length = size;
        offer(world, what, bytes, length);
        bytes += length;
        size -= length;
        if (what & 0x80) /* the end of a batch */
            check(ingest_turn(world->ingest, 0) == 0);
    }
    check(ingest_turn(world->ingest, 0) == 0);
    struct ingest_totals totals;
    ingest_totals(world->ingest, &totals);
    check(totals.is_storing && totals.queue_frames == 0 && totals.overloaded == 0);
    return 0;
}
