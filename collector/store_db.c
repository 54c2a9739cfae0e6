#include "collector/store_db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_BYTES_MAX 40 /* of SQL: enough to tell a statement */

int store_error_set(struct store_error *error, int result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments); /* cut is fine */
    va_end(arguments);
    return result;
}

static bool is_no_room(int system_errno)
{
    return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

static int meaning(int result, int system_errno)
{
    switch (result & 0xff) {
    case SQLITE_FULL:
        return STORE_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CONSTRAINT:
        return result == SQLITE_CONSTRAINT_UNIQUE ? -EEXIST : -EINVAL;
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
        return -EINVAL;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CANTOPEN:
        if (is_no_room(system_errno))
            return STORE_FULL;
        return system_errno > 0 ? -system_errno : -EACCES;
    default:
        /* Also SQLITE_IOERR: making the shared memory file or a sync fails with it when the disk
         * is full. */
        return is_no_room(system_errno) ? STORE_FULL : -EIO;
    }
}

int store_db_fail(struct store_db *db, int result, const char *what, struct store_error *error)
{
    int system_errno = db->sqlite != NULL ? sqlite3_system_errno(db->sqlite) : 0;
    int extended = db->sqlite != NULL ? sqlite3_extended_errcode(db->sqlite) : result;
    const char *text = db->sqlite != NULL ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(result);
    int r = meaning(extended != SQLITE_OK ? extended : result, system_errno);

    if (r == -EIO || (r == STORE_FULL && system_errno != 0))
        return store_error_set(error, r, "%s: %.*s: %s (%s)", db->path, WHAT_BYTES_MAX, what, text,
                               strerrordesc_np(system_errno));
    return store_error_set(error, r, "%s: %.*s: %s", db->path, WHAT_BYTES_MAX, what, text);
}

int store_db_open(struct store_db *db, const char *path, int flags, struct store_error *error)
{
    *db = (struct store_db){.path = strdup(path)};
    if (db->path == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", path);
    int result = sqlite3_open_v2(path, &db->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK)
        return store_db_fail(db, result, "open", error);
    (void)sqlite3_extended_result_codes(db->sqlite, 1);
    return 0;
}

void store_db_close(struct store_db *db)
{
    for (size_t i = 0; i < STORE_SQL_COUNT; i++)
        (void)sqlite3_finalize(db->statements[i]); /* repeats the last step's result */
    (void)sqlite3_close(db->sqlite);               /* nothing is left that could keep it open */
    free(db->path);
    *db = (struct store_db){0};
}

int store_db_prepare(struct store_db *db, enum store_sql first, enum store_sql end,
                     struct store_error *error)
{
    for (unsigned i = first; i < (unsigned)end; i++) {
        int result = sqlite3_prepare_v3(db->sqlite, store_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &db->statements[i], NULL);
        if (result != SQLITE_OK)
            return store_db_fail(db, result, "prepare", error);
    }
    return 0;
}

int store_db_exec(struct store_db *db, const char *sql, struct store_error *error)
{
    int result = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : store_db_fail(db, result, sql, error);
}

int store_db_query(struct store_db *db, const char *sql, int64_t *value_out,
                   struct store_error *error)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    int r = 0;
    if (result == SQLITE_ROW)
        *value_out = sqlite3_column_int64(statement, 0);
    else
        r = store_db_fail(db, result, sql, error);
    (void)sqlite3_finalize(statement);
    return r;
}

int store_db_step(struct store_db *db, enum store_sql sql, struct store_error *error)
{
    sqlite3_stmt *statement = db->statements[sql];
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return 0;
    int r = result == SQLITE_DONE ? STORE_NONE : store_db_fail(db, result, store_sql[sql], error);
    store_db_reset(db, sql);
    return r;
}

int store_db_run(struct store_db *db, enum store_sql sql, struct store_error *error)
{
    int r;
    do
        r = store_db_step(db, sql, error);
    while (r == 0); /* some pragmas give a row for each page */
    return r == STORE_NONE ? 0 : r;
}

void store_db_run_anyway(struct store_db *db, enum store_sql sql)
{
    (void)sqlite3_step(db->statements[sql]);
    store_db_reset(db, sql);
}

int store_db_number(struct store_db *db, enum store_sql sql, int64_t *number_out,
                    struct store_error *error)
{
    int r = store_db_step(db, sql, error);
    if (r != 0)
        return r;
    *number_out = sqlite3_column_int64(db->statements[sql], 0);
    store_db_reset(db, sql);
    return 0;
}

void store_db_reset(struct store_db *db, enum store_sql sql)
{
    (void)sqlite3_reset(db->statements[sql]); /* repeats the last step's result */
    (void)sqlite3_clear_bindings(db->statements[sql]);
}

void store_db_read_stream(struct store_db *db, enum store_sql sql, struct store_stream *stream_out)
{
    sqlite3_stmt *row = db->statements[sql];
    const char *node = (const char *)sqlite3_column_text(row, 1);
    *stream_out = (struct store_stream){
        .row = sqlite3_column_int64(row, 0),
        .stream = (uint64_t)sqlite3_column_int64(row, 2),
        .committed = (uint64_t)sqlite3_column_int64(row, 3),
        .key = (uint64_t)sqlite3_column_int64(row, 4),
        .crc = (uint32_t)sqlite3_column_int64(row, 5),
        .frames = (uint64_t)sqlite3_column_int64(row, 6),
        .gap_frames = (uint64_t)sqlite3_column_int64(row, 7),
        .last_commit_utc_ms = sqlite3_column_int64(row, 8),
    };
    (void)snprintf(stream_out->node, sizeof(stream_out->node), "%s", node != NULL ? node : "");
}

void store_db_read_frame(struct store_db *db, enum store_sql sql, struct store_frame *frame_out)
{
    sqlite3_stmt *row = db->statements[sql];
    *frame_out = (struct store_frame){
        .log_id = (uint64_t)sqlite3_column_int64(row, 0),
        .stream_row = sqlite3_column_int64(row, 1),
        .sequence = (uint64_t)sqlite3_column_int64(row, 2),
        .key = (uint64_t)sqlite3_column_int64(row, 3),
        .crc = (uint32_t)sqlite3_column_int64(row, 4),
        .utc_offset_ms = sqlite3_column_int64(row, 5),
        .uncertainty_ms = (uint32_t)sqlite3_column_int64(row, 6),
        .source = (enum clock_source)sqlite3_column_int(row, 7),
        .is_estimate = sqlite3_column_int(row, 8) != 0,
        .committed_utc_ms = sqlite3_column_int64(row, 9),
        .bytes = sqlite3_column_blob(row, 10),
        .size = (size_t)sqlite3_column_bytes(row, 10),
    };
}
