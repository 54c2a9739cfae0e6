/*
 * The writer's side of the store. Layout of the directory:
 *   shoal.db, shoal.db-wal, shoal.db-shm   SQLite's
 *   shoal.lock                             held while a collector has the store
 *   ballast                                room that is given up when the disk is full
 */
#include "collector/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "collector/store_files.h"
#include "collector/store_private.h"
#include "collector/store_schema.h"

/* page_size and auto_vacuum count only before the first table is made. */
static const char *const setup[] = {
    "PRAGMA page_size = 4096",     "PRAGMA auto_vacuum = INCREMENTAL",
    "PRAGMA synchronous = FULL",   "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF", "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",  "PRAGMA journal_size_limit = 33554432",
};

static int use_wal(struct store_db *db, struct store_error *error)
{
    sqlite3_stmt *statement = NULL;
    int r = 0;
    int result = sqlite3_prepare_v2(db->sqlite, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    if (result != SQLITE_ROW)
        r = store_db_fail(db, result, "write-ahead log", error);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
        r = store_error_set(error, -ENOTSUP, "%s: this file system allows no write-ahead log",
                            db->path);
    (void)sqlite3_finalize(statement);
    return r;
}

static int open_database(struct store *store, struct store_error *error)
{
    char *path = store_files_path(store->directory, STORE_DATABASE_NAME);
    store->wal_path = store_files_path(store->directory, STORE_DATABASE_NAME "-wal");
    if (path == NULL || store->wal_path == NULL) {
        free(path);
        return store_error_set(error, -ENOMEM, "%s: out of memory", store->directory);
    }
    int r = store_db_open(&store->db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
    free(path);
    for (size_t i = 0; r == 0 && i < sizeof(setup) / sizeof(setup[0]); i++)
        r = store_db_exec(&store->db, setup[i], error);
    if (r == 0)
        r = use_wal(&store->db, error);
    if (r != 0)
        return r;
    (void)sqlite3_busy_timeout(store->db.sqlite, 1000); /* for checkpoints that wait for readers */
    (void)sqlite3_wal_autocheckpoint(store->db.sqlite, STORE_WAL_CHECKPOINT_PAGES);
    return store_schema_apply(&store_schema, &store->db, error);
}

static int make_id(struct store *store, struct store_error *error)
{
    uint64_t id = 0;
    while (id == 0)
        if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
            return store_error_set(error, -errno, "%s: no random number: %s", store->directory,
                                   strerrordesc_np(errno));
    char *sql = sqlite3_mprintf(
        "INSERT OR IGNORE INTO meta (name, value) VALUES ('collector', %lld)", (long long)id);
    if (sql == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", store->directory);
    int r = store_db_exec(&store->db, sql, error);
    sqlite3_free(sql);
    return r;
}

static int read_meta(struct store *store, struct store_error *error)
{
    int64_t count = 0;
    int64_t id = 0;
    int64_t held = 0;
    int r = store_db_query(&store->db, "SELECT count(*) FROM meta WHERE name = 'collector'", &count,
                           error);
    if (r == 0 && count == 0)
        r = make_id(store, error);
    if (r == 0)
        r = store_db_query(&store->db, "SELECT value FROM meta WHERE name = 'collector'", &id,
                           error);
    if (r == 0)
        r = store_db_number(&store->db, STORE_SQL_HELD_FRAMES, &held, error);
    if (r != 0)
        return r;
    store->id = (uint64_t)id;
    atomic_store(&store->held_frames, (uint64_t)held);
    return 0;
}

static int open_store(struct store *store, struct store_error *error)
{
    int r = store_files_make_directory(store->directory, error);
    if (r == 0)
        r = store_files_lock(store->directory, &store->lock_fd, error);
    if (r == 0)
        r = open_database(store, error);
    if (r == 0)
        r = store_db_prepare(&store->db, STORE_SQL_BEGIN, STORE_SQL_READ, error);
    if (r == 0)
        r = read_meta(store, error);
    if (r != 0)
        return r;
    /* Without room for it the store still opens: what it has can be read and deleted. */
    r = store_restore_ballast(store, error);
    return r == STORE_FULL ? 0 : r;
}

int store_open(const struct store_options *options, struct store **store_out,
               struct store_error *error)
{
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", options->directory);
    store->lock_fd = -1;
    store->clock = options->clock;
    store->is_clock_trusted = options->is_clock_trusted;
    store->retention_ms = options->retention_ms;
    store->size_bytes_max = options->size_bytes_max;
    store->ballast_tried_ms = INT64_MIN;
    store->age_checked_ms = INT64_MIN;
    store->hour_boot_ms = clock_boot_ms(options->clock);
    store->directory = strdup(options->directory);

    int r = store->directory == NULL
                ? store_error_set(error, -ENOMEM, "%s: out of memory", options->directory)
                : open_store(store, error);
    if (r != 0) {
        store_close(store);
        return r;
    }
    *store_out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_db_close(&store->db);
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd); /* lets go of the lock; after the database, not before */
    free(store->wal_path);
    free(store->directory);
    free(store);
}

uint64_t store_id(const struct store *store)
{
    return store->id;
}

const char *store_directory(const struct store *store)
{
    return store->directory;
}

int store_note_result(struct store *store, int result)
{
    if (result == STORE_FULL && atomic_load(&store->has_ballast)) {
        store_files_drop_ballast(store->directory);
        atomic_store(&store->has_ballast, false);
        store->ballast_tried_ms = clock_boot_ms(store->clock);
    }
    return result;
}

int store_restore_ballast(struct store *store, struct store_error *error)
{
    if (atomic_load(&store->has_ballast))
        return 0;
    int64_t now_ms = clock_boot_ms(store->clock);
    if (store->ballast_tried_ms != INT64_MIN &&
        now_ms < store->ballast_tried_ms + STORE_BALLAST_RETRY_MS)
        return store_error_set(error, STORE_FULL, "%s: the disk is full", store->directory);
    store->ballast_tried_ms = now_ms;
    int r = store_files_make_ballast(store->directory, error);
    if (r == 0)
        atomic_store(&store->has_ballast, true);
    return r;
}

int store_begin_any(struct store *store, struct store_error *error)
{
    store->added_frames = 0;
    return store_note_result(store, store_db_run(&store->db, STORE_SQL_BEGIN, error));
}

int store_begin(struct store *store, struct store_error *error)
{
    /* Without the ballast the last room is for deleting alone. */
    int r = store_restore_ballast(store, error);
    return r != 0 ? r : store_begin_any(store, error);
}

int store_commit(struct store *store, struct store_error *error)
{
    int r = store_note_result(store, store_db_run(&store->db, STORE_SQL_COMMIT, error));
    if (r != 0) {
        store_rollback(store);
        return r;
    }
    atomic_fetch_add(&store->held_frames, (uint64_t)store->added_frames);
    store->added_frames = 0;
    return 0;
}

void store_rollback(struct store *store)
{
    store->added_frames = 0;
    /* After some errors SQLite has rolled back by itself. */
    if (sqlite3_get_autocommit(store->db.sqlite) == 0)
        store_db_run_anyway(&store->db, STORE_SQL_ROLLBACK);
}

int store_savepoint(struct store *store, struct store_error *error)
{
    return store_note_result(store, store_db_run(&store->db, STORE_SQL_SAVEPOINT, error));
}

int store_release(struct store *store, struct store_error *error)
{
    return store_note_result(store, store_db_run(&store->db, STORE_SQL_RELEASE, error));
}

void store_rollback_savepoint(struct store *store)
{
    if (sqlite3_get_autocommit(store->db.sqlite) != 0)
        return; /* SQLite took the whole transaction back: its commit will fail */
    store_db_run_anyway(&store->db, STORE_SQL_ROLLBACK_TO);
    store_db_run_anyway(&store->db, STORE_SQL_RELEASE);
}

static void bind_int(struct store *store, enum store_sql sql, int column, int64_t value)
{
    (void)sqlite3_bind_int64(store->db.statements[sql], column, value); /* fails for no number */
}

static void bind_text(struct store *store, enum store_sql sql, int column, const char *text)
{
    (void)sqlite3_bind_text(store->db.statements[sql], column, text, -1, SQLITE_STATIC);
}

int store_find_stream(struct store *store, const char *node, uint64_t stream,
                      struct store_stream *stream_out, struct store_error *error)
{
    bind_text(store, STORE_SQL_FIND_STREAM, 1, node);
    bind_int(store, STORE_SQL_FIND_STREAM, 2, (int64_t)stream);
    int r = store_db_step(&store->db, STORE_SQL_FIND_STREAM, error);
    if (r != 0)
        return r;
    store_db_read_stream(&store->db, STORE_SQL_FIND_STREAM, stream_out);
    store_db_reset(&store->db, STORE_SQL_FIND_STREAM);
    return 0;
}

int store_stream(struct store *store, const char *node, uint64_t stream,
                 struct store_stream *stream_out, struct store_error *error)
{
    int r = store_find_stream(store, node, stream, stream_out, error);
    if (r != STORE_NONE)
        return r;
    bind_text(store, STORE_SQL_ADD_STREAM, 1, node);
    bind_int(store, STORE_SQL_ADD_STREAM, 2, (int64_t)stream);
    r = store_note_result(store, store_db_run(&store->db, STORE_SQL_ADD_STREAM, error));
    if (r != 0)
        return r;
    return store_find_stream(store, node, stream, stream_out, error);
}

static int add_frame(struct store *store, const struct store_frame *frame,
                     struct store_error *error)
{
    sqlite3_stmt *statement = store->db.statements[STORE_SQL_ADD_FRAME];
    const int64_t numbers[] = {
        frame->stream_row,       (int64_t)frame->sequence,
        (int64_t)frame->key,     frame->crc,
        frame->utc_offset_ms,    frame->uncertainty_ms,
        (int64_t)frame->source,  frame->is_estimate,
        frame->committed_utc_ms,
    };
    const int n = (int)(sizeof(numbers) / sizeof(numbers[0]));
    for (int i = 0; i < n; i++)
        bind_int(store, STORE_SQL_ADD_FRAME, i + 1, numbers[i]);
    (void)sqlite3_bind_blob64(statement, n + 1, frame->bytes, frame->size, SQLITE_STATIC);
    int r = store_db_run(&store->db, STORE_SQL_ADD_FRAME, error);
    return r == -EEXIST ? STORE_CONFLICT : r;
}

static int move_stream(struct store *store, const struct store_frame *frame, uint64_t gap_frames,
                       struct store_error *error)
{
    const int64_t numbers[] = {
        frame->stream_row,       (int64_t)frame->sequence,
        (int64_t)frame->key,     frame->crc,
        (int64_t)gap_frames,     (int64_t)frame->size,
        frame->committed_utc_ms, sqlite3_last_insert_rowid(store->db.sqlite),
    };
    for (int i = 0; i < (int)(sizeof(numbers) / sizeof(numbers[0])); i++)
        bind_int(store, STORE_SQL_MOVE_STREAM, i + 1, numbers[i]);
    return store_db_run(&store->db, STORE_SQL_MOVE_STREAM, error);
}

static int count_in_group(struct store *store, const struct store_frame *frame, enum store_sql sql,
                          struct store_error *error)
{
    bind_int(store, sql, 1, frame->stream_row);
    bind_int(store, sql, 2, (int64_t)frame->key);
    bind_int(store, sql, 3, (int64_t)frame->size);
    bind_int(store, sql, 4, frame->committed_utc_ms);
    return store_db_run(&store->db, sql, error);
}

static int grow_group(struct store *store, const struct store_frame *frame,
                      struct store_error *error)
{
    if (frame->sequence == frame->key)
        return count_in_group(store, frame, STORE_SQL_ADD_GROUP, error);
    int r = count_in_group(store, frame, STORE_SQL_GROW_GROUP, error);
    if (r == 0 && sqlite3_changes(store->db.sqlite) == 0) /* its beginning is deleted */
        r = count_in_group(store, frame, STORE_SQL_ADD_GROUP, error);
    return r;
}

static int add_gap(struct store *store, int64_t stream_row, uint64_t first, uint64_t last,
                   struct store_error *error)
{
    bind_int(store, STORE_SQL_ADD_GAP, 1, stream_row);
    bind_int(store, STORE_SQL_ADD_GAP, 2, (int64_t)first);
    bind_int(store, STORE_SQL_ADD_GAP, 3, (int64_t)last);
    return store_db_run(&store->db, STORE_SQL_ADD_GAP, error);
}

static int append(struct store *store, const struct store_frame *frame, struct store_error *error)
{
    int64_t committed = 0;
    bind_int(store, STORE_SQL_STREAM_POSITION, 1, frame->stream_row);
    int r = store_db_number(&store->db, STORE_SQL_STREAM_POSITION, &committed, error);
    if (r == STORE_NONE)
        return store_error_set(error, -EINVAL, "%s: there is no stream %lld", store->db.path,
                               (long long)frame->stream_row);
    if (r != 0)
        return r;
    if (frame->sequence > INT64_MAX || (int64_t)frame->sequence <= committed)
        return store_error_set(error, STORE_CONFLICT, "%s: frame %llu is not after %lld",
                               store->db.path, (unsigned long long)frame->sequence,
                               (long long)committed);
    uint64_t gap_frames = frame->sequence - (uint64_t)committed - 1;
    r = add_frame(store, frame, error);
    if (r == 0)
        r = move_stream(store, frame, gap_frames, error);
    if (r == 0)
        r = grow_group(store, frame, error);
    if (r == 0 && gap_frames > 0)
        r = add_gap(store, frame->stream_row, (uint64_t)committed + 1, frame->sequence - 1, error);
    return r;
}

int store_append(struct store *store, const struct store_frame *frame, struct store_error *error)
{
    int r = store_note_result(store, append(store, frame, error));
    if (r == 0)
        store->added_frames++;
    return r;
}

int store_frame_crc(struct store *store, int64_t stream_row, uint64_t sequence, uint32_t *crc_out,
                    struct store_error *error)
{
    int64_t crc = 0;
    bind_int(store, STORE_SQL_FRAME_CRC, 1, stream_row);
    bind_int(store, STORE_SQL_FRAME_CRC, 2, (int64_t)sequence);
    int r = store_db_number(&store->db, STORE_SQL_FRAME_CRC, &crc, error);
    if (r == 0)
        *crc_out = (uint32_t)crc;
    return r;
}

int store_set_drops(struct store *store, const char *node,
                    const struct drop_total drops[DROP_REASONS], struct store_error *error)
{
    int r = 0;
    for (int reason = 0; r == 0 && reason < DROP_REASONS; reason++) {
        bind_text(store, STORE_SQL_SET_DROPS, 1, node);
        bind_int(store, STORE_SQL_SET_DROPS, 2, reason);
        bind_int(store, STORE_SQL_SET_DROPS, 3, (int64_t)drops[reason].frames);
        bind_int(store, STORE_SQL_SET_DROPS, 4, (int64_t)drops[reason].samples);
        r = store_db_run(&store->db, STORE_SQL_SET_DROPS, error);
    }
    return store_note_result(store, r);
}

void store_totals(struct store *store, struct store_totals *totals_out)
{
    uint64_t wal_bytes = store_files_size(store->wal_path);
    *totals_out = (struct store_totals){
        .bytes = store_files_size(store->db.path) + wal_bytes,
        .frames = atomic_load(&store->held_frames),
        .deleted_frames = atomic_load(&store->deleted_frames),
        .wal_bytes = wal_bytes,
        .has_ballast = atomic_load(&store->has_ballast),
    };
}
