/*
 * The spool: the frames that are not yet safe with a collector. They outlive the process, as each
 * is written to the runtime directory (memory that the kernel keeps) before it can be read here,
 * and after `flush_after_ms` the machine's power too, as a group with frames unacked for so long
 * moves to the state directory. While frames are acked in time nothing is written there.
 *
 * Whole groups, bounded in bytes; a group is freed when all of it is acked, at a bound the oldest
 * one goes and is counted. A directory that cannot be written is reported once and tried again; a
 * file that is damaged is set aside and replaced. Meanwhile frames lie in memory.
 *
 * One thread owns it; any may ask for its state. Calls wait for the disk.
 */
#ifndef SHOAL_AGENT_SPOOL_H
#define SHOAL_AGENT_SPOOL_H

#include "agent/queue.h"
#include "agent/spool_index.h"
#include "common/clock.h"

#define SPOOL_FILE "spool.db"  /* in each of the two directories */
#define SPOOL_ASIDE ".damaged" /* behind the name of a file that was set aside */
#define SPOOL_BYTES_MIN INT64_C(4194304)
#define SPOOL_RETRY_MS 10000      /* between two attempts to write where it failed */
#define SPOOL_TURN_FRAMES_MAX 256 /* taken from the queue in one turn */

/* Results, besides 0 and a negative errno. */
enum {
    SPOOL_EMPTY = 1,  /* no such frame is held */
    SPOOL_LOCKED = 2, /* another agent has one of the directories */
    SPOOL_CUT = 3     /* the frame's group is no longer whole: the frame is counted, not kept */
};

/* What the spool tells its owner, who logs it. */
enum spool_event {
    SPOOL_DAMAGED,    /* a file was set aside and replaced */
    SPOOL_UNWRITABLE, /* a directory takes nothing: frames lie in a worse place */
    SPOOL_RECOVERED,  /* it does again */
    SPOOL_IN_USE      /* spool_open gives SPOOL_LOCKED */
};
typedef void (*spool_report)(void *context, enum spool_event event, const char *text);

struct spool_bounds {
    uint64_t max_bytes;    /* in the state directory; at least SPOOL_BYTES_MIN */
    uint64_t memory_bytes; /* in the runtime directory, and in memory without it */
    int64_t flush_after_ms;
};

struct spool_options {
    uint64_t stream;               /* this run's; not 0 */
    const char *boot;              /* what boot_ms of the clock counts from, as a text */
    const char *state_directory;   /* NULL: none */
    const char *runtime_directory; /* NULL: none */
    struct spool_bounds bounds;
    struct clock *clock;
    spool_report report; /* may be NULL */
    void *context;
};

struct spool_frame {
    uint64_t sequence;
    int64_t time_ms;   /* clock of the stream's boot */
    uint64_t first;    /* lowest sequence of the stream that can still be sent */
    bool is_of_boot;   /* of this boot; if not, the rest is all that is known of its UTC */
    int64_t last_ms;   /* the last frame of its stream */
    const void *clock; /* as spool_set_clock had it; until the next call */
    size_t clock_bytes;
    struct buffer bytes; /* the reader's; used again */
};

/* Which stream is to be sent now, and where it stands. */
struct spool_position {
    uint64_t stream;
    uint64_t acked;
};

struct spool_state {
    struct spool_sum held[SPOOL_PLACES];
    uint64_t unacked_frames, unacked_bytes; /* that are to be sent */
    uint64_t aside_frames;                  /* refused by a collector, kept for another */
    int64_t oldest_unacked_ms; /* boot time; 0 if of an earlier boot; INT64_MAX if none */
    uint64_t streams;
    struct drop_total drops[DROP_REASONS];
    uint64_t damaged; /* files set aside */
    uint64_t flushes; /* groups moved to the state directory, in whole or in part */
    bool is_durable;  /* both directories take what they are given */
    bool is_cut;      /* the group that is open has lost a frame: another one would help */
};

struct spool;

/* Takes up what earlier runs left. 0, SPOOL_LOCKED, -ENOMEM. A directory that cannot be used is
 * reported and no error. */
WARN_UNUSED int spool_open(const struct spool_options *options, struct spool **spool_out);

/* Moves what is unacked to the state directory and frees. May be NULL. */
void spool_close(struct spool *spool);

/* Takes frames from the queue, flushes what is due, tries again what failed. Whether the queue
 * may hold more. */
bool spool_turn(struct spool *spool, struct queue *queue);

/* Boot time at which spool_turn has something to do at the latest. */
int64_t spool_deadline_ms(const struct spool *spool);

/* A frame of this run. 0, SPOOL_CUT, -EINVAL (out of order), -ENOMEM; in the last two nothing
 * happened. */
WARN_UNUSED int spool_append(struct spool *spool, const struct encoded_frame *frame);

/* The oldest stream with something to send; without any this run's. */
void spool_position(const struct spool *spool, struct spool_position *position_out);

/* The first frame of the stream that may be sent from `sequence` on. 0, SPOOL_EMPTY, -ENOMEM. */
WARN_UNUSED int spool_read(struct spool *spool, uint64_t stream, uint64_t sequence,
                           struct spool_frame *frame_out);

/* All of the stream up to `sequence` is safe; a lower number than before (a store that came back
 * older) makes the rest unacked again. 0, or SPOOL_EMPTY: no such stream or frame is known. */
WARN_UNUSED int spool_ack(struct spool *spool, uint64_t stream, uint64_t sequence);

/* A collector refused the frame: it and the rest of its group are kept for another one. */
void spool_set_aside(struct spool *spool, uint64_t stream, uint64_t sequence, uint64_t collector);

/* It refused the stream as such: those behind it go on. This run's cannot be parked. Whether it
 * was. */
bool spool_park(struct spool *spool, uint64_t stream);

/* The broker takes no frame of that size: it and the rest of its group are never sent, and count
 * as dropped. */
void spool_drop_too_large(struct spool *spool, uint64_t stream, uint64_t sequence);

/* A collector with that id and version takes frames now. One that was not there before is offered
 * what others refused. Whether it is another one. */
bool spool_meet(struct spool *spool, uint64_t collector, const char *version);

/* What is known of this boot's UTC, in at most SPOOL_CLOCK_BYTES_MAX, is kept with this run's
 * frames. Out of memory what was known before stays. */
void spool_set_clock(struct spool *spool, const void *clock, size_t clock_bytes);

/* The same as the last earlier run of this boot left it, until the next call; NULL if it left none
 * with its frames. */
const void *spool_kept_clock(const struct spool *spool, size_t *bytes_out);

/* They hold from now on. */
void spool_set_bounds(struct spool *spool, const struct spool_bounds *bounds);

/* From any thread. */
void spool_state(struct spool *spool, struct spool_state *state_out);

#endif
