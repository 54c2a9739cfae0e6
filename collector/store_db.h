/*
 * One SQLite connection with its statements, and what SQLite's results mean here. Under the store
 * and its readers; knows no table.
 */
#ifndef SHOAL_COLLECTOR_STORE_DB_H
#define SHOAL_COLLECTOR_STORE_DB_H

#include <sqlite3.h>

#include "collector/store.h"
#include "collector/store_sql.h"

/* Caller's storage; all zeros is a closed one. */
struct store_db {
    sqlite3 *sqlite;
    char *path;
    sqlite3_stmt *statements[STORE_SQL_COUNT];
};

/* Opens the file without reading it. `flags` are those of sqlite3_open_v2. 0, or as store_db_fail;
 * store_db_close is due either way. */
WARN_UNUSED int store_db_open(struct store_db *db, const char *path, int flags,
                              struct store_error *error);
void store_db_close(struct store_db *db);

/* Prepares the statements of [first, end). */
WARN_UNUSED int store_db_prepare(struct store_db *db, enum store_sql first, enum store_sql end,
                                 struct store_error *error);

/* Runs text without results, for pragmas and migrations. */
WARN_UNUSED int store_db_exec(struct store_db *db, const char *sql, struct store_error *error);

/* The first value of the first row; text that gives none is an error. */
WARN_UNUSED int store_db_query(struct store_db *db, const char *sql, int64_t *value_out,
                               struct store_error *error);

/*
 * Steps a bound statement: 0 with a row to read (store_db_reset is due), STORE_NONE at the end, or
 * as store_db_fail; in the last two the statement is reset and its bindings are gone.
 */
WARN_UNUSED int store_db_step(struct store_db *db, enum store_sql sql, struct store_error *error);

/* A statement that gives no row; reset afterwards. */
WARN_UNUSED int store_db_run(struct store_db *db, enum store_sql sql, struct store_error *error);

/* The same where a failure changes nothing: taking back what has failed already. */
void store_db_run_anyway(struct store_db *db, enum store_sql sql);

/* A statement that gives one number. */
WARN_UNUSED int store_db_number(struct store_db *db, enum store_sql sql, int64_t *number_out,
                                struct store_error *error);

void store_db_reset(struct store_db *db, enum store_sql sql);

/*
 * What a result of SQLite means: STORE_FULL (no room on the disk or in the file), -EBADMSG (damaged
 * or no database), -EEXIST (a row that must be alone), -EINVAL (another rule of the schema),
 * -ENOMEM, -EBUSY, -EACCES, -EIO. Fills *error with the path, what was tried and SQLite's words.
 */
WARN_UNUSED int store_db_fail(struct store_db *db, int result, const char *what,
                              struct store_error *error);

/* The columns of FRAME_COLUMNS and STREAM_COLUMNS in store_sql.c; blobs are SQLite's until the
 * next step. */
void store_db_read_stream(struct store_db *db, enum store_sql sql, struct store_stream *stream_out);
void store_db_read_frame(struct store_db *db, enum store_sql sql, struct store_frame *frame_out);

/* Fills *error like printf; returns `result`. */
__attribute__((format(printf, 3, 4))) int store_error_set(struct store_error *error, int result,
                                                          const char *format, ...);

#endif
