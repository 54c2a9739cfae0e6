/* What store.c and store_retention.c share. Tests look in here to make the store fail. */
#ifndef SHOAL_COLLECTOR_STORE_PRIVATE_H
#define SHOAL_COLLECTOR_STORE_PRIVATE_H

#include <stdatomic.h>

#include "collector/store_db.h"

#define STORE_PAGE_BYTES 4096
#define STORE_WAL_CHECKPOINT_PAGES 4000                /* 16 MiB: then the WAL begins anew */
#define STORE_WAL_BYTES_MAX ((size_t)64 * 1024 * 1024) /* past this, readers are waited for */
#define STORE_BALLAST_RETRY_MS 1000

/* A group that retention has begun to delete. */
struct store_victim {
    int64_t group; /* 0: none */
    int64_t stream_row;
    int64_t key;
};

struct store {
    struct store_db db;
    char *directory;
    char *wal_path;
    int lock_fd;
    uint64_t id;
    struct clock *clock;
    bool is_clock_trusted;
    int64_t retention_ms;
    uint64_t size_bytes_max;

    int64_t added_frames;     /* by the open transaction */
    int64_t ballast_tried_ms; /* boot time */
    struct store_victim victim;
    int64_t hour_boot_ms;   /* when the hour of deleting by age began */
    int64_t hour_bytes;     /* deleted by age in it */
    int64_t age_checked_ms; /* boot time at which nothing was found */

    /* Read by store_totals from other threads. */
    _Atomic uint64_t held_frames;
    _Atomic uint64_t deleted_frames;
    atomic_bool has_ballast;
};

/* The disk is full: gives the ballast up. Returns `result`, having looked whether it says so. */
int store_note_result(struct store *store, int result);

/* Makes the ballast anew, where it is missing and was not tried just now. 0, STORE_FULL, negative
 * errno. */
WARN_UNUSED int store_restore_ballast(struct store *store, struct store_error *error);

/* BEGIN for any change, with or without ballast. */
WARN_UNUSED int store_begin_any(struct store *store, struct store_error *error);

#endif
