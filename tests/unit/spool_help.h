/* A spool in directories of its own, with a clock that stands until it is moved. */
#ifndef SHOAL_TESTS_SPOOL_HELP_H
#define SHOAL_TESTS_SPOOL_HELP_H

#include "agent/spool.h"
#include "tests/unit/tree.h"

#define SPOOL_HELP_FLUSH_MS 60000
#define SPOOL_HELP_FRAME_BYTES 300

struct spool_help {
    struct tree tree;
    char state[128], runtime[128];
    struct clock clock;
    int64_t now_ms;
    const char *boot;
    struct spool_bounds bounds;
    struct spool *spool;
    struct queue *queue; /* empty, for turns */
    uint64_t stream;     /* of the present run */
    uint64_t last, key;  /* appended last */
    size_t frame_bytes;
    unsigned events[SPOOL_IN_USE + 1];
    char text[SPOOL_TEXT_BYTES_MAX]; /* of the last event */
};

void spool_help_init(struct spool_help *help);
void spool_help_deinit(struct spool_help *help); /* closes what is open */

/* A run of the agent; the result of spool_open. */
int spool_help_try_open(struct spool_help *help);
void spool_help_open(struct spool_help *help);
void spool_help_close(struct spool_help *help);

/* The process is killed; what lies in the directories stays. */
void spool_help_crash(struct spool_help *help);

/* The power fails: the runtime directory is gone too. */
void spool_help_lose_power(struct spool_help *help);

/* The next frame, in the group that is open or beginning one; its bytes tell its numbers. */
int spool_help_append(struct spool_help *help, bool begins_group);
void spool_help_append_many(struct spool_help *help, unsigned n);

/* Whether the frame is held and may be sent; fails where it is not as it was appended. */
bool spool_help_has(struct spool_help *help, uint64_t stream, uint64_t sequence);

/* Moves the clock and turns. */
void spool_help_pass(struct spool_help *help, int64_t ms);

struct spool_state spool_help_state(struct spool_help *help);

#endif
