/*
 * A tier of the spool: one SQLite file that holds frames of several streams, or such a database in
 * memory where no directory can be written. Does what it is told; which frame lies in which tier,
 * what is acked and what has to go is the spool's to know.
 *
 * Changes belong between begin and commit. After an error roll back: then nothing has changed.
 */
#ifndef SHOAL_AGENT_SPOOL_TIER_H
#define SHOAL_AGENT_SPOOL_TIER_H

#include <sqlite3.h>

#include "agent/spool_sql.h"
#include "common/envelope.h"

#define SPOOL_BOOT_BYTES_MAX 96
#define SPOOL_CLOCK_BYTES_MAX 4096
#define SPOOL_PAGE_BYTES 4096
#define SPOOL_SEQUENCE_BITS 40
#define SPOOL_SEQUENCE_MAX (((uint64_t)1 << SPOOL_SEQUENCE_BITS) - 1)
#define SPOOL_TEXT_BYTES_MAX 320

/* Results of all functions, besides 0 and a negative errno (-EBUSY, -EIO, -EROFS, -ENOMEM ...). */
enum {
    SPOOL_TIER_NONE = 1,    /* there is no such row */
    SPOOL_TIER_DAMAGED = 2, /* the file is no spool, or cannot be read */
    SPOOL_TIER_FULL = 3     /* no room on the disk */
};

struct spool_tier_error {
    char text[SPOOL_TEXT_BYTES_MAX]; /* names the file, what was tried, and why it failed */
};

/* Caller's storage; all zeros is a closed one. */
struct spool_tier {
    sqlite3 *sqlite;
    const char *path; /* the owner's; NULL: in memory */
    sqlite3_stmt *statements[SPOOL_SQL_COUNT];
    uint64_t used_max; /* bytes in use, or more: exact when it was counted last */
    bool has_counted;
    struct spool_tier_error error; /* of the last call that failed */
};

struct spool_tier_stream {
    int64_t row; /* in this tier */
    uint64_t stream;
    int64_t ordinal; /* its place among the runs of the agent */
    char boot[SPOOL_BOOT_BYTES_MAX];
    const void *clock; /* what is known of the boot's UTC: bytes that only their owner reads */
    size_t clock_bytes;
};

/* The part of a group that lies in this tier. */
struct spool_tier_group {
    uint64_t key;
    uint64_t first, last;
    uint64_t bytes, samples;
    int64_t since_ms;   /* boot time of frame `first` */
    uint64_t acked;     /* the stream's position when this was written */
    uint64_t aside;     /* from here on set aside; 0: nothing */
    uint64_t collector; /* that refused it */
};

struct spool_tier_frame {
    uint64_t sequence;
    int64_t time_ms;
    uint32_t samples;
    uint64_t bytes_before, samples_before;
    const void *bytes; /* read: SQLite's, until spool_tier_done_reading */
    size_t size;
};

/* At the start of a process that uses SQLite for nothing else, by one thread at a time: it takes
 * less memory then. */
void spool_tier_set_up(void);

/* Opens the file, or makes it. `is_durable`: a commit outlives a loss of power. The path has to
 * stay. Whatever the result, spool_tier_close is due. */
WARN_UNUSED int spool_tier_open(struct spool_tier *tier, const char *path, bool is_durable);
void spool_tier_close(struct spool_tier *tier); /* a closed one too */

static inline bool spool_tier_is_open(const struct spool_tier *tier)
{
    return tier->sqlite != NULL;
}

WARN_UNUSED int spool_tier_begin(struct spool_tier *tier);
WARN_UNUSED int spool_tier_commit(struct spool_tier *tier);
void spool_tier_rollback(struct spool_tier *tier);

/* Call visit with each row; its error ends the walk. The row is valid during the call. */
typedef int (*spool_tier_visit_stream)(void *context, const struct spool_tier_stream *stream);
typedef int (*spool_tier_visit_group)(void *context, const struct spool_tier_group *group);
WARN_UNUSED int spool_tier_each_stream(struct spool_tier *tier, spool_tier_visit_stream visit,
                                       void *context);
WARN_UNUSED int spool_tier_each_group(struct spool_tier *tier, int64_t row,
                                      spool_tier_visit_group visit, void *context);

WARN_UNUSED int spool_tier_add_stream(struct spool_tier *tier,
                                      const struct spool_tier_stream *stream, int64_t *row_out);
WARN_UNUSED int spool_tier_set_clock(struct spool_tier *tier, int64_t row, const void *clock,
                                     size_t clock_bytes);
WARN_UNUSED int spool_tier_remove_stream(struct spool_tier *tier, int64_t row);

/* Writes the group's row, new or over the old one. */
WARN_UNUSED int spool_tier_put_group(struct spool_tier *tier, int64_t row,
                                     const struct spool_tier_group *group);
WARN_UNUSED int spool_tier_remove_group(struct spool_tier *tier, int64_t row, uint64_t key);

WARN_UNUSED int spool_tier_add_frame(struct spool_tier *tier, int64_t row,
                                     const struct spool_tier_frame *frame);
WARN_UNUSED int spool_tier_remove_frames(struct spool_tier *tier, int64_t row, uint64_t first,
                                         uint64_t last);

/* 0, SPOOL_TIER_NONE, SPOOL_TIER_DAMAGED or -ENOMEM. After 0 spool_tier_done_reading is due. */
WARN_UNUSED int spool_tier_read(struct spool_tier *tier, int64_t row, uint64_t sequence,
                                struct spool_tier_frame *frame_out);
void spool_tier_done_reading(struct spool_tier *tier);

/* Raises the totals to what the tier knows. */
WARN_UNUSED int spool_tier_read_drops(struct spool_tier *tier, struct drop_total *drops);
WARN_UNUSED int spool_tier_put_drops(struct spool_tier *tier, const struct drop_total *drops);

/* Whether so many bytes more stay within the bound. Pages in use are counted only where what was
 * written since the last count could make a difference. */
WARN_UNUSED int spool_tier_fits(struct spool_tier *tier, uint64_t bytes, uint64_t bound,
                                bool *fits_out);

/* Makes the file as small as what it holds. In no transaction. */
WARN_UNUSED int spool_tier_shrink(struct spool_tier *tier);

#endif
