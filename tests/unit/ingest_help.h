/*
 * Ingest with a store in a directory of its own, a live view, a clock that stands still and acks
 * that are kept; and agents that make frames with the real encoder.
 */
#ifndef SHOAL_TESTS_INGEST_HELP_H
#define SHOAL_TESTS_INGEST_HELP_H

#include "collector/ingest.h"
#include "common/encoder.h"
#include "store_help.h"

#define HELP_BOOT_OFFSET_MS (HELP_NOW_UTC_MS - 1000000) /* UTC less boot time of agents */

struct help_ack {
    char node[NODE_ID_BYTES_MAX + 1];
    struct ack ack;
};

struct help_ingest {
    char *directory;
    struct help_clock clock;
    struct store *store;
    struct live *live;
    size_t nodes_max;
    struct ingest *ingest;
    struct store_error error;
    struct help_ack *acks;
    size_t n_acks;
};

void help_ingest_open(struct help_ingest *help); /* with the directory and clock that it has */
void help_ingest_close(
    struct help_ingest *help); /* as a collector that ends; may be opened again */

/* Turns until nothing waits. */
void help_turn(struct help_ingest *help);
void help_forget_acks(struct help_ingest *help);

/* The last ack for a node; fails the test if there is none. */
const struct ack *help_last_ack(const struct help_ingest *help, const char *node);
struct ingest_totals help_totals(const struct help_ingest *help);

/* The value of a node's series `shoal_test`, as a page shows it; NULL if it is not there. The
 * caller's to free. */
char *help_shown(const struct help_ingest *help, const char *node);

struct help_frame {
    uint64_t sequence, key;
    size_t size;
    uint8_t *bytes;
};

struct help_agent {
    const char *node;
    struct encoder *encoder;
    struct reading *reading;
    struct envelope envelope; /* of what is sent next; the frame is filled in */
    int64_t time_ms;
    struct help_frame *frames;
    size_t n_frames;
};

void help_agent_init(struct help_agent *agent, const char *node, uint64_t stream);
void help_agent_deinit(struct help_agent *agent);

/* Samples once: a frame with the gauge `shoal_test` at that value; the next one's number is
 * n_frames. */
void help_sample(struct help_agent *agent, double value);

/* The next sample begins a group. */
void help_end_group(struct help_agent *agent);

/* Offers the frame of that number (from 1) in an envelope. */
void help_send(struct help_ingest *help, struct help_agent *agent, size_t number);

/* Offers bytes as a frame. */
void help_send_bytes(struct help_ingest *help, struct help_agent *agent, const uint8_t *bytes,
                     size_t size);

/* Samples, sends and turns, for each value from first to last. */
void help_live(struct help_ingest *help, struct help_agent *agent, int first, int last);

/* The stream's row in the store. */
struct store_stream help_row(struct help_ingest *help, const char *node, uint64_t stream);

#endif
