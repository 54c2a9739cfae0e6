/*
 * For bench_collector.py: plays the agents of a fleet. Publishes what each of them would send, a
 * key frame and a delta frame made by the real encoder, to a broker on loopback; --text prints one
 * node's series in text form instead, for another server to hold the same.
 *
 *   bench_fleet PORT NODES
 *   bench_fleet --text
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/encoder.h"
#include "common/envelope.h"
#include "common/exposition.h"
#include "common/mqtt.h"
#include "common/topic.h"

#define INTERVAL_MS 300000 /* the fleet stays up for as long as the bench takes */
#define DEADLINE_MS 120000
#define IN_FLIGHT_MAX 16
#define CPUS 4

/* A node's series: a hundred of node_exporter's, of four processors, two interfaces, one disk. */
static const struct family cpu =
    FAMILY(COUNTER, "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
static const char *const modes[] = {"idle",    "iowait", "irq",    "nice",
                                    "softirq", "steal",  "system", "user"};
static const char *const network[] = {"receive_bytes",        "receive_packets",   "receive_errs",
                                      "receive_drop",         "receive_multicast", "transmit_bytes",
                                      "transmit_packets",     "transmit_errs",     "transmit_drop",
                                      "transmit_queue_length"};
static const char *const disk[] = {"reads_completed_total",
                                   "reads_merged_total",
                                   "read_bytes_total",
                                   "read_time_seconds_total",
                                   "writes_completed_total",
                                   "writes_merged_total",
                                   "written_bytes_total",
                                   "write_time_seconds_total",
                                   "io_now",
                                   "io_time_seconds_total",
                                   "io_time_weighted_seconds_total",
                                   "discards_completed_total"};
#define MEMORY_FAMILIES 36

struct fleet {
    struct mqtt *mqtt;
    struct reading *reading;
    struct buffer payload;
    const char *topic;
    unsigned in_flight;
    int result;
};

static double value_of(unsigned node, unsigned series, unsigned round)
{
    unsigned mixed = (node * 2654435761U) ^ (series * 40503U);
    return (double)(mixed % 100000000U + round * 37U) / (series % 3 == 0 ? 100.0 : 1.0);
}

/* The families made at run time are the reading's own. */
static void add(struct reading *reading, const char *name, const struct label *labels,
                size_t n_labels, double value)
{
    char help[128];
    (void)snprintf(help, sizeof(help), "What the kernel says of %s.", name);
    enum family_type type = strstr(name, "_total") != NULL ? FAMILY_COUNTER : FAMILY_GAUGE;
    reading_add(reading, reading_family(reading, name, type, help), value, labels, n_labels);
}

static void fill_reading(struct reading *reading, unsigned node, unsigned round)
{
    unsigned series = 0;
    char name[64], number[16];
    for (unsigned i = 0; i < CPUS * 8; i++) {
        (void)snprintf(number, sizeof(number), "%u", i / 8);
        reading_add(reading, &cpu, value_of(node, series++, round),
                    LABELS({"cpu", number}, {"mode", modes[i % 8]}));
    }
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof(name), "node_network_%s", network[i % 10]);
        add(reading, name, LABELS({"device", i < 10 ? "eth0" : "wlan0"}),
            value_of(node, series++, round));
    }
    for (unsigned i = 0; i < sizeof(disk) / sizeof(disk[0]); i++) {
        (void)snprintf(name, sizeof(name), "node_disk_%s", disk[i]);
        add(reading, name, LABELS({"device", "mmcblk0"}), value_of(node, series++, round));
    }
    for (unsigned i = 0; i < MEMORY_FAMILIES; i++) {
        (void)snprintf(name, sizeof(name), "node_memory_Field%u_bytes", i);
        add(reading, name, NO_LABELS, value_of(node, series++, round));
    }
}

static int read_node(struct reading *reading, unsigned node, unsigned round)
{
    reading_begin(reading);
    fill_reading(reading, node, round);
    return reading_end(reading);
}

static void on_lost(void *context, uint8_t code, const char *reason)
{
    (void)code;
    struct fleet *fleet = context;
    (void)fprintf(stderr, "%s\n", reason);
    fleet->result = -ECONNRESET;
}

static void on_published(void *context, int id, uint8_t reason)
{
    (void)id;
    struct fleet *fleet = context;
    fleet->in_flight--;
    if (reason >= 0x80)
        fleet->result = -EIO;
}

/* Turns the session until no more than `most` messages are on their way. */
static int turn_until(struct fleet *fleet, unsigned most)
{
    int64_t end_ms = clock_boot_ms(clock_system()) + DEADLINE_MS;
    while (fleet->result == 0 && (!mqtt_is_ready(fleet->mqtt) || fleet->in_flight > most)) {
        if (clock_boot_ms(clock_system()) > end_ms)
            return -ETIMEDOUT;
        (void)mqtt_turn(fleet->mqtt, 100); /* the deadline is above */
    }
    return fleet->result;
}

static int publish(void *context, const struct encoded_frame *frame)
{
    struct fleet *fleet = context;
    struct clock *clock = clock_system();
    const struct envelope envelope = {
        .frame = frame->bytes,
        .frame_bytes = frame->size,
        .utc_offset_ms = clock_utc_ms(clock) - clock_boot_ms(clock),
        .source = CLOCK_SOURCE_SYSTEM,
        .first = 1,
        .backlog_frames = 1,
    };
    buffer_clear(&fleet->payload);
    int r = envelope_pack(&envelope, &fleet->payload);
    if (r == 0)
        r = turn_until(fleet, IN_FLIGHT_MAX - 1);
    if (r < 0)
        return r;
    int id;
    const struct mqtt_message message = {
        .topic = fleet->topic, .payload = fleet->payload.data, .size = fleet->payload.size};
    r = mqtt_publish(fleet->mqtt, &message, &id);
    fleet->in_flight += r == 0;
    return r;
}

static int send_node(struct fleet *fleet, unsigned node)
{
    char id[32], topic[TOPIC_BYTES_MAX];
    (void)snprintf(id, sizeof(id), "node-%04u", node);
    topic_format(topic, TOPIC_PREFIX_DEFAULT, TOPIC_FRAMES, id);
    fleet->topic = topic;
    const struct encoder_options options = {
        .stream = node + 1, .seed = node, .compression_level = 1};
    const struct encoder_input input = {"bench", "node", "", INTERVAL_MS};
    struct encoder *encoder = encoder_new(&options);
    int r = encoder == NULL ? -ENOMEM : 0;
    for (unsigned round = 0; r == 0 && round < 2; round++) {
        r = read_node(fleet->reading, node, round);
        if (r == 0)
            r = encoder_add(encoder, &input, fleet->reading, clock_boot_ms(clock_system()), false);
        if (r == 0)
            r = encoder_cut(encoder, publish, fleet);
    }
    encoder_free(encoder);
    fleet->topic = NULL;
    return r;
}

static int send_fleet(struct fleet *fleet, uint16_t port, unsigned nodes)
{
    static const struct mqtt_events events = {.lost = on_lost, .published = on_published};
    static const char *const none[] = {NULL};
    const struct mqtt_options options = {.host = "127.0.0.1",
                                         .port = port,
                                         .client_id = "bench",
                                         .username = "",
                                         .password = "",
                                         .ca_file = "",
                                         .cert_file = "",
                                         .key_file = "",
                                         .keepalive_ms = 60000,
                                         .receive_maximum = 100,
                                         .clock = clock_system(),
                                         .subscriptions = none};
    int r = mqtt_open(&options, &events, fleet, &fleet->mqtt);
    for (unsigned node = 0; r == 0 && node < nodes; node++)
        r = send_node(fleet, node);
    return r == 0 ? turn_until(fleet, 0) : r;
}

static int print_text(struct reading *reading)
{
    BUFFER_AUTO struct buffer out = {0};
    int r = read_node(reading, 0, 1);
    if (r < 0)
        return r;
    const struct reading *const readings[] = {reading};
    exposition_readings(&out, EXPOSITION_TEXT, readings, 1, EXPOSITION_NO_TIME);
    return fputs(buffer_string(&out), stdout) < 0 ? -EIO : 0;
}

int main(int argc, char **argv)
{
    struct fleet fleet = {.reading = reading_new()};
    int r = fleet.reading == NULL ? -ENOMEM : 0;
    if (r == 0 && argc == 2 && strcmp(argv[1], "--text") == 0)
        r = print_text(fleet.reading);
    else if (r == 0 && argc == 3)
        r = send_fleet(&fleet, (uint16_t)strtoul(argv[1], NULL, 10),
                       (unsigned)strtoul(argv[2], NULL, 10));
    else
        r = -EINVAL;
    if (r < 0)
        (void)fprintf(stderr, "bench_fleet: %s\n", strerror(-r));
    mqtt_close(fleet.mqtt);
    reading_free(fleet.reading);
    buffer_deinit(&fleet.payload);
    return r < 0;
}
