/*
 * The store: SQLite in WAL mode with synchronous=FULL. The log of committed frames is the one
 * truth; everything else can be rebuilt from it. Knows nothing of what is inside a frame.
 *
 * One `struct store` writes (one thread at a time); readers open their own connection and copy at
 * most STORE_READ_BYTES_MAX per transaction, so that the WAL stays small. All SQL stands in
 * store_sql.c (and the tables in store_schema.c), statements are prepared once.
 */
#ifndef SHOAL_COLLECTOR_STORE_H
#define SHOAL_COLLECTOR_STORE_H

#include "common/clock.h"
#include "common/envelope.h"
#include "common/topic.h"

#define STORE_READ_BYTES_MAX ((size_t)1024 * 1024)
#define STORE_BALLAST_BYTES (INT64_C(8) * 1024 * 1024)
#define STORE_ERROR_BYTES_MAX 512

enum {
    STORE_LOCKED = 1,   /* another collector has this store */
    STORE_NEWER = 2,    /* written by a newer shoal: its schema is not known here */
    STORE_FULL = 3,     /* no room: nothing of the transaction is stored */
    STORE_CONFLICT = 4, /* the sequence is committed already */
    STORE_NONE = 5
};

struct store;

struct store_options {
    const char *directory; /* made where it is missing; holds shoal.db, its WAL, lock and ballast */
    int64_t retention_ms;
    uint64_t size_bytes_max; /* of database and WAL */
    struct clock *clock;
    bool is_clock_trusted; /* counts as synchronised: for retention by age */
};

struct store_error {
    char text[STORE_ERROR_BYTES_MAX]; /* names the file and what SQLite said */
};

/* A frame as it is stored. */
struct store_frame {
    uint64_t log_id; /* set by reading; ascending in order of commit, never used again */
    int64_t stream_row;
    uint64_t sequence;
    uint64_t key;
    uint32_t crc; /* the chain's */
    int64_t utc_offset_ms;
    uint32_t uncertainty_ms;
    enum clock_source source;
    bool is_estimate;
    int64_t committed_utc_ms;
    const uint8_t *bytes;
    size_t size;
};

/* A stream's row; it outlives its frames. */
struct store_stream {
    int64_t row;
    char node[NODE_ID_BYTES_MAX + 1];
    uint64_t stream;
    uint64_t committed;  /* 0: none */
    uint64_t key;        /* of the group of the last committed frame */
    uint32_t crc;        /* of the last committed frame */
    uint64_t frames;     /* ever committed */
    uint64_t gap_frames; /* ever passed over */
    int64_t last_commit_utc_ms;
};

/* 0, STORE_LOCKED, STORE_NEWER, STORE_FULL, negative errno; *error is filled. A damaged database
 * is -EBADMSG and left as it is. */
WARN_UNUSED int store_open(const struct store_options *options, struct store **store_out,
                           struct store_error *error);
void store_close(struct store *store); /* may be NULL */

/* Random, made with the store: tells the agents whether it is the one they knew. */
uint64_t store_id(const struct store *store);
const char *store_directory(const struct store *store);

/* One transaction takes all that waits. After a commit that failed, what is stored is unknown:
 * drop all that was derived and read it anew. */
WARN_UNUSED int store_begin(struct store *store, struct store_error *error);
WARN_UNUSED int store_commit(struct store *store, struct store_error *error);
void store_rollback(struct store *store);

/* Within a transaction, one frame's changes can be taken out alone. */
WARN_UNUSED int store_savepoint(struct store *store, struct store_error *error);
WARN_UNUSED int store_release(struct store *store, struct store_error *error);
void store_rollback_savepoint(struct store *store);

/* The stream's row; STORE_NONE where there is none. */
WARN_UNUSED int store_find_stream(struct store *store, const char *node, uint64_t stream,
                                  struct store_stream *stream_out, struct store_error *error);

/* The stream's row, made where it is missing: within a transaction. */
WARN_UNUSED int store_stream(struct store *store, const char *node, uint64_t stream,
                             struct store_stream *stream_out, struct store_error *error);

/* Appends a frame and moves the stream on; where sequence is over committed + 1 the numbers between
 * are kept as a gap. 0, STORE_CONFLICT, STORE_FULL, negative errno (-EINVAL: this frame alone
 * cannot be stored). */
WARN_UNUSED int store_append(struct store *store, const struct store_frame *frame,
                             struct store_error *error);

/* CRC and size of a committed frame, to tell a duplicate from a conflict; STORE_NONE if it is not
 * there (any more). */
WARN_UNUSED int store_frame_crc(struct store *store, int64_t stream_row, uint64_t sequence,
                                uint32_t *crc_out, struct store_error *error);

/* A node's totals of drops, as it last said. */
WARN_UNUSED int store_set_drops(struct store *store, const char *node,
                                const struct drop_total drops[DROP_REASONS],
                                struct store_error *error);

/* Deletes what is past retention, a bounded piece per call: by age of commit, at most a tenth of
 * the store an hour, and only while the clock is synchronised; by size the oldest group of the node
 * that has most. Never an open group (the last of a node's newest stream). Freed pages are used
 * again, and given back where the file is over its bound or the disk is full. *more_out: call again
 * soon. Takes transactions of its own. */
WARN_UNUSED int store_retain(struct store *store, bool *more_out, struct store_error *error);

struct store_totals {
    uint64_t bytes;          /* of database and WAL files */
    uint64_t frames;         /* held */
    uint64_t deleted_frames; /* by retention, since open */
    uint64_t wal_bytes;
    bool has_ballast;
};
/* From any thread. */
void store_totals(struct store *store, struct store_totals *totals_out);

#endif
