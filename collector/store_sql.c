/*
 * The store's SQL. The tables are made in store_schema.c.
 *
 * A group is open while its stream may still grow it: it is the last group of the stream that its
 * node committed to last. Only such groups are kept by retention whatever happens.
 */
#include "collector/store_sql.h"

#define STREAM_COLUMNS                                                                             \
    "row, node, stream, committed, key, crc, frames, gap_frames, last_commit_utc_ms"

#define FRAME_COLUMNS                                                                              \
    "id, stream, sequence, key, crc, utc_offset_ms, uncertainty_ms, source, is_estimate, "         \
    "committed_utc_ms, bytes"

#define GROUP_IS_CLOSED                                                                            \
    "(g.key <> s.key OR EXISTS (SELECT 1 FROM streams AS newer"                                    \
    " WHERE newer.node = s.node AND newer.last_log_id > s.last_log_id))"

const char *const store_sql[STORE_SQL_COUNT] = {
    [STORE_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_SQL_COMMIT] = "COMMIT",
    [STORE_SQL_ROLLBACK] = "ROLLBACK",
    [STORE_SQL_SAVEPOINT] = "SAVEPOINT frame",
    [STORE_SQL_RELEASE] = "RELEASE frame",
    [STORE_SQL_ROLLBACK_TO] = "ROLLBACK TO frame",

    [STORE_SQL_FIND_STREAM] =
        "SELECT " STREAM_COLUMNS " FROM streams WHERE node = ?1 AND stream = ?2",
    [STORE_SQL_ADD_STREAM] = "INSERT INTO streams (node, stream) VALUES (?1, ?2)",
    [STORE_SQL_STREAM_POSITION] = "SELECT committed FROM streams WHERE row = ?1",
    [STORE_SQL_MOVE_STREAM] =
        "UPDATE streams SET committed = ?2, key = ?3, crc = ?4, frames = frames + 1,"
        " gap_frames = gap_frames + ?5, held_frames = held_frames + 1,"
        " held_bytes = held_bytes + ?6, last_commit_utc_ms = ?7, last_log_id = ?8"
        " WHERE row = ?1",
    [STORE_SQL_ADD_FRAME] =
        "INSERT INTO frames (stream, sequence, key, crc, utc_offset_ms, uncertainty_ms, source,"
        " is_estimate, committed_utc_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [STORE_SQL_FRAME_CRC] = "SELECT crc FROM frames WHERE stream = ?1 AND sequence = ?2",
    [STORE_SQL_ADD_GROUP] = "INSERT INTO groups (stream, key, frames, bytes, committed_utc_ms)"
                            " VALUES (?1, ?2, 1, ?3, ?4)",
    [STORE_SQL_GROW_GROUP] = "UPDATE groups SET frames = frames + 1, bytes = bytes + ?3,"
                             " committed_utc_ms = ?4 WHERE stream = ?1 AND key = ?2",
    [STORE_SQL_ADD_GAP] = "INSERT INTO gaps (stream, first, last) VALUES (?1, ?2, ?3)",
    [STORE_SQL_SET_DROPS] =
        "INSERT INTO drops (node, reason, frames, samples) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT DO UPDATE SET frames = excluded.frames, samples = excluded.samples",

    [STORE_SQL_HELD_FRAMES] = "SELECT coalesce(sum(held_frames), 0) FROM streams",
    [STORE_SQL_HELD_BYTES] = "SELECT coalesce(sum(held_bytes), 0) FROM streams",
    [STORE_SQL_PAGE_COUNT] = "PRAGMA page_count",
    [STORE_SQL_FREE_PAGES] = "PRAGMA freelist_count",
    [STORE_SQL_PAGE_SIZE] = "PRAGMA page_size",
    [STORE_SQL_GIVE_BACK_PAGES] = "PRAGMA incremental_vacuum(512)",
    [STORE_SQL_NODES_BY_BYTES] = "SELECT node FROM streams WHERE held_frames > 0 GROUP BY node "
                                 "ORDER BY sum(held_bytes) DESC",
    [STORE_SQL_OLDEST_OF_NODE] = "SELECT g.id, g.stream, g.key, g.bytes FROM groups AS g JOIN "
                                 "streams AS s ON s.row = g.stream"
                                 " WHERE s.node = ?1 AND " GROUP_IS_CLOSED " ORDER BY g.id LIMIT 1",
    [STORE_SQL_OLDEST_EXPIRED] =
        "SELECT g.id, g.stream, g.key, g.bytes"
        " FROM groups AS g CROSS JOIN streams AS s ON s.row = g.stream"
        " WHERE g.committed_utc_ms < ?1 AND " GROUP_IS_CLOSED " ORDER BY g.id LIMIT 1",
    /* The piece of a group that one transaction deletes: its first frames. */
    [STORE_SQL_GROUP_PIECE] =
        "SELECT count(*), coalesce(sum(length(bytes)), 0), coalesce(max(sequence), 0)"
        " FROM (SELECT sequence, bytes FROM frames"
        " WHERE stream = ?1 AND sequence >= ?2 AND key = ?2 ORDER BY sequence LIMIT ?3)",
    [STORE_SQL_DELETE_PIECE] =
        "DELETE FROM frames WHERE stream = ?1 AND sequence BETWEEN ?2 AND ?3 AND key = ?2",
    [STORE_SQL_SHRINK_STREAM] = "UPDATE streams SET held_frames = held_frames - ?2,"
                                " held_bytes = held_bytes - ?3 WHERE row = ?1",
    [STORE_SQL_SHRINK_GROUP] =
        "UPDATE groups SET frames = frames - ?2, bytes = bytes - ?3 WHERE id = ?1",
    [STORE_SQL_DELETE_GROUP] = "DELETE FROM groups WHERE id = ?1",

    [STORE_SQL_READ_STREAMS] = "SELECT " STREAM_COLUMNS " FROM streams ORDER BY last_log_id, row",
    [STORE_SQL_READ_FRAMES] = "SELECT " FRAME_COLUMNS
                              " FROM frames WHERE stream = ?2 AND sequence >= ?1 ORDER BY sequence",
    [STORE_SQL_READ_LOG] = "SELECT " FRAME_COLUMNS " FROM frames WHERE id >= ?1 ORDER BY id",
    [STORE_SQL_READ_DROPS] = "SELECT reason, frames, samples FROM drops WHERE node = ?1",
};
