/*
 * Retention: which groups go, a bounded piece per call. Decides by the sums in `groups` and
 * `streams` alone; frames are read only to be deleted.
 *
 * A deleted group's pages are used again by later frames, so in normal service the file stays at
 * its bound and nothing is moved. Only where the file is over its bound (it was lowered) or the
 * disk is full are pages given back.
 *
 * Deleting writes to the WAL. So the WAL has a part of the bound for itself and does not count
 * against the frames; where it takes more, it is emptied.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store_files.h"
#include "collector/store_private.h"

#define TURN_US INT64_C(50000) /* that one call may take, about */
#define PIECE_FRAMES_MAX 1024  /* that one transaction deletes */
#define HOUR_MS INT64_C(3600000)
#define HOUR_SHARE 10               /* a tenth of the store may go by age in an hour */
#define AGE_CHECK_MS INT64_C(60000) /* between looks at the age that found nothing */
#define SIZE_MARGIN 32              /* deleting begins at the bound less a 32nd of it */

#define WAL_SHARE 16 /* of the bound is the WAL's, or what it takes at most */

struct space {
    uint64_t file_bytes; /* of the database */
    uint64_t used_bytes; /* less what is free in it */
    uint64_t free_pages;
};

static int read_space(struct store *store, struct space *space_out, struct store_error *error)
{
    int64_t pages = 0;
    int64_t free_pages = 0;
    int64_t page_size = 0;
    int r = store_db_number(&store->db, STORE_SQL_PAGE_COUNT, &pages, error);
    if (r == 0)
        r = store_db_number(&store->db, STORE_SQL_FREE_PAGES, &free_pages, error);
    if (r == 0)
        r = store_db_number(&store->db, STORE_SQL_PAGE_SIZE, &page_size, error);
    if (r != 0)
        return r;
    *space_out = (struct space){
        .file_bytes = (uint64_t)(pages * page_size),
        .used_bytes = (uint64_t)((pages - free_pages) * page_size),
        .free_pages = (uint64_t)free_pages,
    };
    return 0;
}

/* A statement that gives a group: id, stream, key, bytes. */
static int take_victim(struct store *store, enum store_sql sql, int64_t *bytes_out,
                       struct store_error *error)
{
    sqlite3_stmt *row = store->db.statements[sql];
    int r = store_db_step(&store->db, sql, error);
    if (r != 0)
        return r;
    store->victim = (struct store_victim){
        .group = sqlite3_column_int64(row, 0),
        .stream_row = sqlite3_column_int64(row, 1),
        .key = sqlite3_column_int64(row, 2),
    };
    *bytes_out = sqlite3_column_int64(row, 3);
    store_db_reset(&store->db, sql);
    return 0;
}

static int choose_by_size(struct store *store, struct store_error *error)
{
    sqlite3_stmt *nodes = store->db.statements[STORE_SQL_NODES_BY_BYTES];
    sqlite3_stmt *oldest = store->db.statements[STORE_SQL_OLDEST_OF_NODE];
    int64_t bytes;
    int r;
    while ((r = store_db_step(&store->db, STORE_SQL_NODES_BY_BYTES, error)) == 0) {
        const char *node = (const char *)sqlite3_column_text(nodes, 0);
        (void)sqlite3_bind_text(oldest, 1, node, -1, SQLITE_STATIC);
        r = take_victim(store, STORE_SQL_OLDEST_OF_NODE, &bytes, error);
        if (r != STORE_NONE) {
            store_db_reset(&store->db, STORE_SQL_NODES_BY_BYTES);
            return r;
        }
    }
    return r;
}

static bool may_delete_by_age(struct store *store, int64_t now_boot_ms)
{
    int64_t error_us;
    bool is_due =
        store->age_checked_ms == INT64_MIN || now_boot_ms >= store->age_checked_ms + AGE_CHECK_MS;
    return is_due &&
           (store->is_clock_trusted || store->clock->is_synchronised(store->clock, &error_us));
}

static int choose_by_age(struct store *store, struct store_error *error)
{
    int64_t now_boot_ms = clock_boot_ms(store->clock);
    if (!may_delete_by_age(store, now_boot_ms))
        return STORE_NONE;
    if (now_boot_ms >= store->hour_boot_ms + HOUR_MS) {
        store->hour_boot_ms = now_boot_ms;
        store->hour_bytes = 0;
    }
    int64_t held_bytes = 0;
    int r = store_db_number(&store->db, STORE_SQL_HELD_BYTES, &held_bytes, error);
    if (r != 0)
        return r;
    /* What is gone in this hour counts as held, or the tenth would shrink while it is used. */
    if (store->hour_bytes > 0 && store->hour_bytes >= (held_bytes + store->hour_bytes) / HOUR_SHARE)
        return STORE_NONE;

    int64_t bytes = 0;
    (void)sqlite3_bind_int64(store->db.statements[STORE_SQL_OLDEST_EXPIRED], 1,
                             clock_utc_ms(store->clock) - store->retention_ms);
    r = take_victim(store, STORE_SQL_OLDEST_EXPIRED, &bytes, error);
    if (r == 0)
        store->hour_bytes += bytes;
    else if (r == STORE_NONE)
        store->age_checked_ms = now_boot_ms;
    return r;
}

/* What the database alone may take. */
static uint64_t file_bound(const struct store *store)
{
    const uint64_t wal_bytes = (uint64_t)STORE_WAL_CHECKPOINT_PAGES * STORE_PAGE_BYTES;
    uint64_t share = store->size_bytes_max / WAL_SHARE;
    return store->size_bytes_max - (share < wal_bytes ? share : wal_bytes);
}

static bool is_over_size(const struct store *store, const struct space *space)
{
    return space->used_bytes > file_bound(store) - store->size_bytes_max / SIZE_MARGIN;
}

static int choose_victim(struct store *store, struct store_error *error)
{
    struct space space;
    int r = read_space(store, &space, error);
    if (r != 0)
        return r;
    r = is_over_size(store, &space) ? choose_by_size(store, error) : STORE_NONE;
    return r == STORE_NONE ? choose_by_age(store, error) : r;
}

struct piece {
    int64_t frames, bytes, last;
};

static int measure_piece(struct store *store, struct piece *piece_out, struct store_error *error)
{
    sqlite3_stmt *row = store->db.statements[STORE_SQL_GROUP_PIECE];
    (void)sqlite3_bind_int64(row, 1, store->victim.stream_row);
    (void)sqlite3_bind_int64(row, 2, store->victim.key);
    (void)sqlite3_bind_int64(row, 3, PIECE_FRAMES_MAX);
    int r = store_db_step(&store->db, STORE_SQL_GROUP_PIECE, error);
    if (r != 0)
        return r;
    *piece_out = (struct piece){
        .frames = sqlite3_column_int64(row, 0),
        .bytes = sqlite3_column_int64(row, 1),
        .last = sqlite3_column_int64(row, 2),
    };
    store_db_reset(&store->db, STORE_SQL_GROUP_PIECE);
    return 0;
}

static int shrink(struct store *store, enum store_sql sql, int64_t row, const struct piece *piece,
                  struct store_error *error)
{
    sqlite3_stmt *statement = store->db.statements[sql];
    (void)sqlite3_bind_int64(statement, 1, row);
    (void)sqlite3_bind_int64(statement, 2, piece->frames);
    (void)sqlite3_bind_int64(statement, 3, piece->bytes);
    return store_db_run(&store->db, sql, error);
}

static int delete_piece(struct store *store, const struct piece *piece, struct store_error *error)
{
    sqlite3_stmt *statement = store->db.statements[STORE_SQL_DELETE_PIECE];
    (void)sqlite3_bind_int64(statement, 1, store->victim.stream_row);
    (void)sqlite3_bind_int64(statement, 2, store->victim.key);
    (void)sqlite3_bind_int64(statement, 3, piece->last);
    int r = store_db_run(&store->db, STORE_SQL_DELETE_PIECE, error);
    if (r == 0)
        r = shrink(store, STORE_SQL_SHRINK_STREAM, store->victim.stream_row, piece, error);
    if (r == 0)
        r = shrink(store, STORE_SQL_SHRINK_GROUP, store->victim.group, piece, error);
    return r;
}

/* Deletes a piece of the victim, or the group itself where nothing is left of it. */
static int delete_in_transaction(struct store *store, struct piece *piece,
                                 struct store_error *error)
{
    int r = measure_piece(store, piece, error);
    if (r == 0 && piece->frames > 0)
        r = delete_piece(store, piece, error);
    if (r == 0 && piece->frames < PIECE_FRAMES_MAX) {
        (void)sqlite3_bind_int64(store->db.statements[STORE_SQL_DELETE_GROUP], 1,
                                 store->victim.group);
        r = store_db_run(&store->db, STORE_SQL_DELETE_GROUP, error);
    }
    return r;
}

static int delete_victim_piece(struct store *store, struct store_error *error)
{
    struct piece piece = {0};
    int r = store_begin_any(store, error);
    if (r != 0)
        return r;
    r = store_note_result(store, delete_in_transaction(store, &piece, error));
    if (r != 0) {
        store_rollback(store);
        return r;
    }
    r = store_commit(store, error);
    if (r != 0)
        return r;
    atomic_fetch_sub(&store->held_frames, (uint64_t)piece.frames);
    atomic_fetch_add(&store->deleted_frames, (uint64_t)piece.frames);
    if (piece.frames < PIECE_FRAMES_MAX)
        store->victim.group = 0;
    return 0;
}

/* 0 as long as there is something to delete, STORE_NONE when all is within its bounds. */
static int delete_some(struct store *store, struct store_error *error)
{
    int r = store->victim.group == 0 ? choose_victim(store, error) : 0;
    return r == 0 ? delete_victim_piece(store, error) : r;
}

static int checkpoint(struct store *store, struct store_error *error)
{
    int result =
        sqlite3_wal_checkpoint_v2(store->db.sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (result == SQLITE_OK || (result & 0xff) == SQLITE_BUSY)
        return 0; /* busy: a reader is at work; the next turn tries again */
    return store_note_result(store, store_db_fail(&store->db, result, "checkpoint", error));
}

/* Empties the WAL where it takes room that others need. On a full disk that is at once: what is
 * deleted goes through it. */
static int bound_wal(struct store *store, struct store_error *error)
{
    uint64_t wal_bytes = store_files_size(store->wal_path);
    uint64_t file_bytes = store_files_size(store->db.path);
    bool is_too_large =
        wal_bytes > STORE_WAL_BYTES_MAX || file_bytes + wal_bytes > store->size_bytes_max;
    bool is_needed = is_too_large || !atomic_load(&store->has_ballast);
    return is_needed && wal_bytes > 0 ? checkpoint(store, error) : 0;
}

/* Gives pages back to the disk where it needs them; true while there are more. */
static int give_back(struct store *store, bool *more_out, struct store_error *error)
{
    struct space space;
    int r = read_space(store, &space, error);
    if (r != 0)
        return r;
    bool is_needed = space.file_bytes > file_bound(store) || !atomic_load(&store->has_ballast);
    if (!is_needed || space.free_pages == 0)
        return 0;
    r = store_note_result(store, store_db_run(&store->db, STORE_SQL_GIVE_BACK_PAGES, error));
    if (r == 0)
        r = checkpoint(store, error); /* only then does the file become shorter */
    *more_out = r == 0;
    return r;
}

static int make_step(struct store *store, struct store_error *error)
{
    int r = bound_wal(store, error);
    return r == 0 ? delete_some(store, error) : r;
}

/* As make_step, and once more where it had to give up the ballast: now there is room. */
static int make_step_with_room(struct store *store, struct store_error *error)
{
    bool had_ballast = atomic_load(&store->has_ballast);
    int r = make_step(store, error);
    return r == STORE_FULL && had_ballast ? make_step(store, error) : r;
}

int store_retain(struct store *store, bool *more_out, struct store_error *error)
{
    int64_t end_us = store->clock->boot_us(store->clock) + TURN_US;
    bool more = false;
    int r = store_restore_ballast(store, error);
    if (r == STORE_FULL)
        r = 0; /* deleting is what makes room for it */
    while (r == 0) {
        r = make_step_with_room(store, error);
        if (r == 0 && store->clock->boot_us(store->clock) >= end_us) {
            more = true;
            break;
        }
    }
    if (r == STORE_NONE || r == 0)
        r = give_back(store, &more, error);
    if (r == 0)
        *more_out = more;
    return r;
}
