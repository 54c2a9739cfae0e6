/*
 * Frames a second through ingest: 200 nodes with 468 series each, of which 26 % change from frame
 * to frame, as measured on a real machine; unpacked on one thread, decoded, committed with
 * synchronous=FULL and applied to the live view on another. The store is in a new directory beside
 * the program, or in $SHOAL_BENCH_DIRECTORY: a real disk, please.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "collector/ingest.h"
#include "common/encoder.h"

#define NODES 200
#define SERIES 468
#define CHANGES 122 /* 26 % */
#define STREAMS 8   /* different ones; nodes share their bytes */
#define ROUNDS 1500 /* frames a node */
#define ROUNDS_BRIEF 20
#define GROUP_FRAMES 240
#define INTERVAL_MS 15000
#define COMPRESSION_LEVEL 1 /* the agent's */

struct payload {
    size_t size;
    uint8_t *bytes;
};

struct bench {
    char *directory;
    struct store *store;
    struct live *live;
    struct ingest *ingest;
    size_t rounds;
    struct payload *payloads[STREAMS]; /* of each stream, one a round */
    size_t n_payloads;                 /* of the stream that is being made */
    int64_t time_ms;
    _Atomic uint64_t acks;
    atomic_bool is_done;
    double writer_seconds;  /* of its CPU */
    double *commit_seconds; /* of each commit */
    size_t n_commits;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "bench_ingest: %s\n", what);
    exit(EXIT_FAILURE);
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now); /* cannot fail */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- frames --- */

static int keep_payload(void *context, const struct encoded_frame *frame)
{
    struct bench *bench = context;
    BUFFER_AUTO struct buffer payload = {0};
    const struct envelope envelope = {
        .frame = frame->bytes,
        .frame_bytes = frame->size,
        .utc_offset_ms = clock_utc_ms(clock_system()) - INT64_C(15000) * ROUNDS,
        .source = CLOCK_SOURCE_SYSTEM,
        .first = frame->key,
        .backlog_frames = 1,
    };
    uint8_t *bytes = NULL;
    if (envelope_pack(&envelope, &payload) == 0)
        bytes = malloc(payload.size);
    if (bytes == NULL)
        return -ENOMEM;
    memcpy(bytes, payload.data, payload.size);
    struct payload *kept = bench->payloads[frame->stream % STREAMS];
    kept[bench->n_payloads++] = (struct payload){.size = payload.size, .bytes = bytes};
    return 0;
}

static uint64_t random_below(uint64_t *state, uint64_t limit)
{
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return (*state >> 33) % limit;
}

/* Counters in seconds with two decimals, counters of bytes and gauges, a third of each. */
static void change_values(double values[SERIES], uint64_t *random)
{
    for (size_t i = 0; i < CHANGES; i++) {
        size_t series = (size_t)random_below(random, SERIES);
        if (series % 3 == 0)
            values[series] = (double)(int64_t)(values[series] * 100 + 0.5) / 100 +
                             (double)random_below(random, 1500) / 100;
        else if (series % 3 == 1)
            values[series] += (double)random_below(random, 2000000);
        else
            values[series] = (double)random_below(random, 4000000) * 4096;
    }
}

static void add_series(struct reading *reading, size_t i, double value)
{
    static const struct family families[] = {
        FAMILY(COUNTER, "node_cpu_seconds_total", "Seconds the CPUs spent in each mode."),
        FAMILY(COUNTER, "node_network_receive_bytes_total", "Network device statistic bytes."),
        FAMILY(GAUGE, "node_memory_bytes", "Memory information field."),
    };
    char number[24];
    (void)snprintf(number, sizeof(number), "%zu", i / 3);
    reading_add(reading, &families[i % 3], value, LABELS({"cpu", number}, {"mode", "idle"}));
}

static void make_stream(struct bench *bench, uint64_t number)
{
    const struct encoder_options options = {.stream = (uint64_t)STREAMS * 1000 + number,
                                            .seed = number,
                                            .compression_level = COMPRESSION_LEVEL};
    const struct encoder_input input = {"bench", "node", "", INTERVAL_MS};
    struct encoder *encoder = encoder_new(&options);
    struct reading *reading = reading_new();
    double values[SERIES] = {0};
    uint64_t random = number + 1;
    bench->n_payloads = 0;
    bench->payloads[number] = calloc(bench->rounds, sizeof(struct payload));
    if (encoder == NULL || reading == NULL || bench->payloads[number] == NULL)
        die("out of memory");
    for (size_t round = 0; round < bench->rounds; round++) {
        change_values(values, &random);
        reading_begin(reading);
        for (size_t i = 0; i < SERIES; i++)
            add_series(reading, i, values[i]);
        if (round % GROUP_FRAMES == 0)
            encoder_end_group(encoder);
        if (reading_end(reading) != 0 ||
            encoder_add(encoder, &input, reading, (int64_t)round * INTERVAL_MS, false) != 0 ||
            encoder_cut(encoder, keep_payload, bench) != 0)
            die("cannot make frames");
    }
    reading_free(reading);
    encoder_free(encoder);
}

/* --- the collector --- */

static void count_ack(void *context, const char *node, const struct ack *ack)
{
    struct bench *bench = context;
    (void)node;
    if (ack->has_rejection || ack->resend_from != 0)
        die("a frame was not taken");
    atomic_fetch_add(&bench->acks, 1);
}

static void open_collector(struct bench *bench)
{
    struct store_error error;
    const struct store_options store = {.directory = bench->directory,
                                        .retention_ms = INT64_C(604800000),
                                        .size_bytes_max = UINT64_C(4) << 30,
                                        .clock = clock_system()};
    if (store_open(&store, &bench->store, &error) != 0)
        die(error.text);
    bench->live = live_new(clock_system(), NODES);
    if (bench->live == NULL)
        die("out of memory");
    const struct ingest_options options = {.store = bench->store,
                                           .live = bench->live,
                                           .clock = clock_system(),
                                           .topic_prefix = "shoal/v1",
                                           .send = count_ack,
                                           .context = bench};
    if (ingest_new(&options, &bench->ingest) != 0)
        die("cannot start ingest");
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void close_collector(struct bench *bench)
{
    ingest_free(bench->ingest);
    live_free(bench->live);
    store_close(bench->store);
    if (nftw(bench->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0)
        (void)fprintf(stderr, "bench_ingest: %s is left behind\n", bench->directory);
    free(bench->directory);
}

static void note_commit(struct bench *bench, const struct ingest_totals *totals, double before)
{
    if (totals->commits > bench->n_commits && bench->n_commits < bench->rounds * NODES)
        bench->commit_seconds[bench->n_commits++] = totals->commit_seconds - before;
}

static void *write_frames(void *context)
{
    struct bench *bench = context;
    struct ingest_totals totals = {0};
    do {
        double before = totals.commit_seconds;
        if (ingest_turn(bench->ingest, 100) != 0)
            die("out of memory");
        ingest_totals(bench->ingest, &totals);
        note_commit(bench, &totals, before);
    } while (!atomic_load(&bench->is_done) || totals.queue_frames > 0);
    bench->writer_seconds = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* As agents do that keep to their credit: never more than the queue holds. */
static void wait_for_room(struct bench *bench)
{
    const struct timespec nap = {.tv_nsec = 200000};
    struct ingest_totals totals;
    for (;;) {
        ingest_totals(bench->ingest, &totals);
        if (totals.queue_frames + NODES <= INGEST_QUEUE_FRAMES_MAX)
            return;
        (void)nanosleep(&nap, NULL);
    }
}

static void offer_frames(struct bench *bench)
{
    char topics[NODES][TOPIC_BYTES_MAX];
    for (size_t node = 0; node < NODES; node++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "node%zu", node);
        topic_format(topics[node], "shoal/v1", TOPIC_FRAMES, name);
    }
    for (size_t round = 0; round < bench->rounds; round++) {
        wait_for_room(bench);
        for (size_t node = 0; node < NODES; node++) {
            const struct payload *payload = &bench->payloads[node % STREAMS][round];
            ingest_offer(bench->ingest, topics[node], payload->bytes, payload->size);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return (*left > *right) - (*left < *right);
}

static double median_commit_ms(struct bench *bench)
{
    qsort(bench->commit_seconds, bench->n_commits, sizeof(double), compare);
    return bench->n_commits > 0 ? bench->commit_seconds[bench->n_commits / 2] * 1000 : 0;
}

static void report(struct bench *bench, double seconds)
{
    struct ingest_totals totals;
    struct store_totals store;
    ingest_totals(bench->ingest, &totals);
    store_totals(bench->store, &store);
    if (totals.frames != bench->rounds * NODES || totals.overloaded != 0)
        die("frames are missing");
    double frames = (double)totals.frames;
    (void)printf("ingest_frames_per_s %.0f frames/s\n", frames / seconds);
    (void)printf("ingest_commit_ms %.2f ms\n", median_commit_ms(bench));
    (void)fprintf(stderr,
                  "%.0f frames of %.0f bytes in %.2f s; %" PRIu64
                  " commits of %.0f frames, %.1f %% of"
                  " the time; writer's CPU %.1f us a frame; store %.1f MB (WAL %.1f)\n",
                  frames, (double)totals.bytes / frames, seconds, totals.commits,
                  frames / (double)totals.commits, totals.commit_seconds / seconds * 100,
                  bench->writer_seconds / frames * 1e6, (double)store.bytes / 1e6,
                  (double)store.wal_bytes / 1e6);
}

static char *make_directory(void)
{
    const char *base = getenv("SHOAL_BENCH_DIRECTORY");
    char self[4096] = "";
    char *directory = NULL;
    if (base == NULL && readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
        base = dirname(self);
    if (base == NULL || asprintf(&directory, "%s/bench-ingest-XXXXXX", base) < 0 ||
        mkdtemp(directory) == NULL)
        die("cannot make a directory for the store");
    return directory;
}

int main(void)
{
    const char *brief = getenv("SHOAL_BENCH_BRIEF");
    struct bench bench = {.rounds = brief != NULL && brief[0] != '\0' ? ROUNDS_BRIEF : ROUNDS};
    pthread_t writer;
    bench.commit_seconds = calloc(bench.rounds * NODES, sizeof(double));
    if (bench.commit_seconds == NULL)
        die("out of memory");
    for (uint64_t stream = 0; stream < STREAMS; stream++)
        make_stream(&bench, stream);
    bench.directory = make_directory();
    open_collector(&bench);

    double begin = seconds_of(CLOCK_MONOTONIC);
    if (pthread_create(&writer, NULL, write_frames, &bench) != 0)
        die("cannot start the writer");
    offer_frames(&bench);
    atomic_store(&bench.is_done, true);
    ingest_wake(bench.ingest);
    (void)pthread_join(writer, NULL); /* a thread that was started */
    report(&bench, seconds_of(CLOCK_MONOTONIC) - begin);

    close_collector(&bench);
    free(bench.commit_seconds);
    for (size_t stream = 0; stream < STREAMS; stream++) {
        for (size_t i = 0; i < bench.rounds; i++)
            free(bench.payloads[stream][i].bytes);
        free(bench.payloads[stream]);
    }
    return 0;
}
