/*
 * The tables of a spool's file:
 *
 * streams  one row a run of the agent: its place among the runs, the boot that it ran in, and what
 *          was known of that boot's UTC
 * groups   what of a group lies in this file: its frames from `first` to `last`, sums over them,
 *          and how far the group was acked (`acked`) or set aside (`aside`) when last written
 * frames   the frames; `bytes_before` and `samples_before` are sums over those before it in the
 *          group, so that no sum is ever made over rows
 * drops    what was given up since the node's state began
 *
 * `id` of groups and frames is the stream's row and a sequence in one number (SPOOL_ID in
 * spool_tier.c): the one key that needs no second tree.
 */
#include "agent/spool_sql.h"

const char *const spool_sql[SPOOL_SQL_COUNT] = {
    [SPOOL_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SPOOL_SQL_COMMIT] = "COMMIT",
    [SPOOL_SQL_ROLLBACK] = "ROLLBACK",

    [SPOOL_SQL_STREAMS] = "SELECT row, stream, ordinal, boot, clock"
                          " FROM streams ORDER BY ordinal, row",
    [SPOOL_SQL_ADD_STREAM] =
        "INSERT INTO streams (stream, ordinal, boot, clock) VALUES (?1, ?2, ?3, ?4)",
    [SPOOL_SQL_SET_STREAM] = "UPDATE streams SET clock = ?2 WHERE row = ?1",
    [SPOOL_SQL_REMOVE_STREAM] = "DELETE FROM streams WHERE row = ?1",

    [SPOOL_SQL_GROUPS] = "SELECT id, first, last, bytes, samples, since_ms, acked, aside, collector"
                         " FROM groups WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    [SPOOL_SQL_PUT_GROUP] = "INSERT OR REPLACE INTO groups"
                            " (id, first, last, bytes, samples, since_ms, acked, aside, collector)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SPOOL_SQL_REMOVE_GROUP] = "DELETE FROM groups WHERE id = ?1",

    [SPOOL_SQL_ADD_FRAME] =
        "INSERT INTO frames (id, time_ms, samples, bytes_before, samples_before, bytes)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SPOOL_SQL_READ_FRAME] = "SELECT time_ms, samples, bytes_before, samples_before, bytes"
                             " FROM frames WHERE id = ?1",
    [SPOOL_SQL_REMOVE_FRAMES] = "DELETE FROM frames WHERE id BETWEEN ?1 AND ?2",

    [SPOOL_SQL_DROPS] = "SELECT reason, frames, samples FROM drops",
    [SPOOL_SQL_PUT_DROP] = "INSERT OR REPLACE INTO drops (reason, frames, samples)"
                           " VALUES (?1, ?2, ?3)",

    [SPOOL_SQL_PAGE_COUNT] = "PRAGMA page_count",
    [SPOOL_SQL_FREE_PAGES] = "PRAGMA freelist_count",
    [SPOOL_SQL_GIVE_BACK_PAGES] = "PRAGMA incremental_vacuum",
};

/* Small caches: the agent is to be small, and reads each frame once. Locked for as long as it is
 * open, which spares the locks of each transaction and the memory that a WAL shares. */
const char spool_sql_settings[] = "PRAGMA page_size = 4096;"
                                  "PRAGMA cache_size = -32;"
                                  "PRAGMA cache_spill = 8;"
                                  "PRAGMA mmap_size = 0;"
                                  "PRAGMA temp_store = MEMORY;"
                                  "PRAGMA locking_mode = EXCLUSIVE;"
                                  "PRAGMA auto_vacuum = INCREMENTAL;"
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA wal_autocheckpoint = 64;"
                                  "PRAGMA journal_size_limit = 524288;";

const char spool_sql_schema[] = "CREATE TABLE streams ("
                                " row INTEGER PRIMARY KEY,"
                                " stream INTEGER NOT NULL UNIQUE,"
                                " ordinal INTEGER NOT NULL,"
                                " boot TEXT NOT NULL,"
                                " clock BLOB) STRICT;"

                                "CREATE TABLE groups ("
                                " id INTEGER PRIMARY KEY,"
                                " first INTEGER NOT NULL,"
                                " last INTEGER NOT NULL,"
                                " bytes INTEGER NOT NULL,"
                                " samples INTEGER NOT NULL,"
                                " since_ms INTEGER NOT NULL,"
                                " acked INTEGER NOT NULL,"
                                " aside INTEGER NOT NULL,"
                                " collector INTEGER NOT NULL) STRICT;"

                                "CREATE TABLE frames ("
                                " id INTEGER PRIMARY KEY,"
                                " time_ms INTEGER NOT NULL,"
                                " samples INTEGER NOT NULL,"
                                " bytes_before INTEGER NOT NULL,"
                                " samples_before INTEGER NOT NULL,"
                                " bytes BLOB NOT NULL) STRICT;"

                                "CREATE TABLE drops ("
                                " reason INTEGER PRIMARY KEY,"
                                " frames INTEGER NOT NULL,"
                                " samples INTEGER NOT NULL) STRICT;";
