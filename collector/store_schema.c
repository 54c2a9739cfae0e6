#include "collector/store_schema.h"

#include <errno.h>
#include <stdio.h>

/*
 * streams  one row per run of an agent; outlives its frames, so that old frames are known as old
 * frames   the log; AUTOINCREMENT, since SQLite gives a deleted highest rowid out again, and a
 *          reader's cursor would then skip what comes under it
 * groups   sums over frames, so that retention reads no frame to choose
 * gaps     numbers passed over, which the agent no longer had
 * drops    totals that the node said last
 */
static const char *const steps[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE streams ("
    " row INTEGER PRIMARY KEY,"
    " node TEXT NOT NULL,"
    " stream INTEGER NOT NULL,"
    " committed INTEGER NOT NULL DEFAULT 0,"
    " key INTEGER NOT NULL DEFAULT 0,"
    " crc INTEGER NOT NULL DEFAULT 0,"
    " frames INTEGER NOT NULL DEFAULT 0,"
    " gap_frames INTEGER NOT NULL DEFAULT 0,"
    " held_frames INTEGER NOT NULL DEFAULT 0,"
    " held_bytes INTEGER NOT NULL DEFAULT 0,"
    " last_commit_utc_ms INTEGER NOT NULL DEFAULT 0,"
    " last_log_id INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (node, stream)) STRICT;"

    "CREATE TABLE frames ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " stream INTEGER NOT NULL REFERENCES streams (row),"
    " sequence INTEGER NOT NULL,"
    " key INTEGER NOT NULL,"
    " crc INTEGER NOT NULL,"
    " utc_offset_ms INTEGER NOT NULL,"
    " uncertainty_ms INTEGER NOT NULL,"
    " source INTEGER NOT NULL,"
    " is_estimate INTEGER NOT NULL,"
    " committed_utc_ms INTEGER NOT NULL,"
    " bytes BLOB NOT NULL,"
    " UNIQUE (stream, sequence)) STRICT;"

    "CREATE TABLE groups ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " stream INTEGER NOT NULL REFERENCES streams (row),"
    " key INTEGER NOT NULL,"
    " frames INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " committed_utc_ms INTEGER NOT NULL,"
    " UNIQUE (stream, key)) STRICT;"

    "CREATE TABLE gaps ("
    " stream INTEGER NOT NULL REFERENCES streams (row),"
    " first INTEGER NOT NULL,"
    " last INTEGER NOT NULL,"
    " PRIMARY KEY (stream, first)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE drops ("
    " node TEXT NOT NULL,"
    " reason INTEGER NOT NULL,"
    " frames INTEGER NOT NULL,"
    " samples INTEGER NOT NULL,"
    " PRIMARY KEY (node, reason)) STRICT, WITHOUT ROWID;",
};

const struct store_schema store_schema = {
    .steps = steps,
    .n_steps = sizeof(steps) / sizeof(steps[0]),
};

static int run_step(const struct store_schema *schema, size_t version, struct store_db *db,
                    struct store_error *error)
{
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %zu",
                   STORE_APPLICATION_ID, version + 1);
    int r = store_db_exec(db, "BEGIN EXCLUSIVE", error);
    if (r == 0)
        r = store_db_exec(db, schema->steps[version], error);
    if (r == 0)
        r = store_db_exec(db, sql, error);
    if (r == 0)
        r = store_db_exec(db, "COMMIT", error);
    if (r != 0 && sqlite3_get_autocommit(db->sqlite) == 0)
        (void)sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL); /* r says what went wrong */
    return r;
}

/* A database that shoal did not make is somebody's: nothing is done to it. */
static int check_owner(int64_t version, struct store_db *db, struct store_error *error)
{
    int64_t application_id = 0;
    int64_t tables = 0;
    int r = store_db_query(db, "PRAGMA application_id", &application_id, error);
    if (r == 0)
        r = store_db_query(db, "SELECT count(*) FROM sqlite_schema", &tables, error);
    if (r != 0)
        return r;
    bool is_new = version == 0 && tables == 0 && application_id == 0;
    if (application_id != STORE_APPLICATION_ID && !is_new)
        return store_error_set(error, -EBADMSG,
                               "%s: a database, but not one that shoal-collector made", db->path);
    return 0;
}

int store_schema_apply(const struct store_schema *schema, struct store_db *db,
                       struct store_error *error)
{
    int64_t version = 0;
    int r = store_db_query(db, "PRAGMA user_version", &version, error);
    if (r == 0)
        r = check_owner(version, db, error);
    if (r != 0)
        return r;
    if (version < 0 || (uint64_t)version > schema->n_steps)
        return store_error_set(error, STORE_NEWER,
                               "%s: schema version %lld was written by a newer shoal-collector;"
                               " this one knows up to %zu",
                               db->path, (long long)version, schema->n_steps);
    for (size_t v = (size_t)version; r == 0 && v < schema->n_steps; v++)
        r = run_step(schema, v, db, error);
    return r;
}
