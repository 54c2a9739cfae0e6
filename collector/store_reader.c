/*
 * Readers of the store. A transaction lasts only for as long as a copy of its rows takes: a long
 * one would keep the WAL from beginning anew. Callbacks run on the copy, outside any transaction.
 */
#include "collector/store_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/store_db.h"
#include "collector/store_files.h"
#include "common/buffer.h"

#define CHUNK_FRAMES_MAX 2048

struct store_reader {
    struct store_db db;
    struct buffer bytes; /* of the chunk's frames, one after the other */
    struct store_frame frames[CHUNK_FRAMES_MAX];
    size_t n_frames;
};

static int open_reader(const char *directory, struct store_reader *reader,
                       struct store_error *error)
{
    char *path = store_files_path(directory, STORE_DATABASE_NAME);
    if (path == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", directory);
    int r = store_db_open(&reader->db, path, SQLITE_OPEN_READONLY, error);
    free(path);
    if (r != 0)
        return r;
    (void)sqlite3_busy_timeout(reader->db.sqlite, 1000); /* while the writer recovers the WAL */
    return store_db_prepare(&reader->db, STORE_SQL_READ, STORE_SQL_COUNT, error);
}

int store_reader_open(const char *directory, struct store_reader **reader_out,
                      struct store_error *error)
{
    struct store_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return store_error_set(error, -ENOMEM, "%s: out of memory", directory);
    int r = open_reader(directory, reader, error);
    if (r != 0) {
        store_reader_close(reader);
        return r;
    }
    *reader_out = reader;
    return 0;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader == NULL)
        return;
    store_db_close(&reader->db);
    buffer_deinit(&reader->bytes);
    free(reader);
}

/* Streams are few and small beside frames: one transaction copies them all. */
static int copy_streams(struct store_reader *reader, struct buffer *copy, struct store_error *error)
{
    int r;
    while ((r = store_db_step(&reader->db, STORE_SQL_READ_STREAMS, error)) == 0) {
        struct store_stream stream;
        store_db_read_stream(&reader->db, STORE_SQL_READ_STREAMS, &stream);
        buffer_append(copy, &stream, sizeof(stream));
    }
    if (r != STORE_NONE)
        return r;
    if (buffer_failed(copy))
        return store_error_set(error, -ENOMEM, "%s: out of memory", reader->db.path);
    return 0;
}

int store_reader_streams(struct store_reader *reader, store_stream_visit visit, void *context,
                         struct store_error *error)
{
    BUFFER_AUTO struct buffer copy = {0};
    int r = copy_streams(reader, &copy, error);
    for (size_t at = 0; r == 0 && at < copy.size; at += sizeof(struct store_stream)) {
        struct store_stream stream;
        memcpy(&stream, copy.data + at, sizeof(stream));
        r = visit(context, &stream);
    }
    return r;
}

int store_reader_drops(struct store_reader *reader, const char *node,
                       struct drop_total drops_out[DROP_REASONS], struct store_error *error)
{
    sqlite3_stmt *row = reader->db.statements[STORE_SQL_READ_DROPS];
    struct drop_total drops[DROP_REASONS] = {0};
    (void)sqlite3_bind_text(row, 1, node, -1, SQLITE_STATIC);
    int r;
    while ((r = store_db_step(&reader->db, STORE_SQL_READ_DROPS, error)) == 0) {
        int64_t reason = sqlite3_column_int64(row, 0);
        if (reason < 0 || reason >= DROP_REASONS)
            continue; /* a newer shoal's */
        drops[reason].frames = (uint64_t)sqlite3_column_int64(row, 1);
        drops[reason].samples = (uint64_t)sqlite3_column_int64(row, 2);
    }
    if (r != STORE_NONE)
        return r;
    memcpy(drops_out, drops, sizeof(drops));
    return 0;
}

static bool is_chunk_full(const struct store_reader *reader)
{
    return reader->n_frames == CHUNK_FRAMES_MAX || reader->bytes.size >= STORE_READ_BYTES_MAX;
}

/* Copies the next rows of a bound statement. */
static int copy_chunk(struct store_reader *reader, enum store_sql sql, struct store_error *error)
{
    buffer_clear(&reader->bytes);
    reader->n_frames = 0;
    int r = 0;
    while (!is_chunk_full(reader) && (r = store_db_step(&reader->db, sql, error)) == 0) {
        struct store_frame *frame = &reader->frames[reader->n_frames++];
        store_db_read_frame(&reader->db, sql, frame);
        buffer_append(&reader->bytes, frame->bytes, frame->size);
    }
    if (r == 0)
        store_db_reset(&reader->db, sql); /* the transaction ends here */
    if (r != 0 && r != STORE_NONE)
        return r;
    if (buffer_failed(&reader->bytes))
        return store_error_set(error, -ENOMEM, "%s: out of memory", reader->db.path);
    return 0;
}

static int visit_chunk(struct store_reader *reader, store_frame_visit visit, void *context)
{
    const uint8_t *bytes = (const uint8_t *)reader->bytes.data;
    int r = 0;
    for (size_t i = 0; r == 0 && i < reader->n_frames; i++) {
        struct store_frame *frame = &reader->frames[i];
        frame->bytes = bytes;
        bytes += frame->size;
        r = visit(context, frame);
    }
    return r;
}

int store_reader_frames(struct store_reader *reader, int64_t stream_row, uint64_t sequence,
                        store_frame_visit visit, void *context, struct store_error *error)
{
    sqlite3_stmt *statement = reader->db.statements[STORE_SQL_READ_FRAMES];
    int r;
    do {
        (void)sqlite3_bind_int64(statement, 1, (int64_t)sequence);
        (void)sqlite3_bind_int64(statement, 2, stream_row);
        r = copy_chunk(reader, STORE_SQL_READ_FRAMES, error);
        if (r == 0 && reader->n_frames > 0) {
            sequence = reader->frames[reader->n_frames - 1].sequence + 1;
            r = visit_chunk(reader, visit, context);
        }
    } while (r == 0 && is_chunk_full(reader));
    return r;
}

int store_reader_log(struct store_reader *reader, uint64_t log_id, store_frame_visit visit,
                     void *context, struct store_error *error)
{
    sqlite3_stmt *statement = reader->db.statements[STORE_SQL_READ_LOG];
    int r;
    do {
        (void)sqlite3_bind_int64(statement, 1, (int64_t)log_id + 1);
        r = copy_chunk(reader, STORE_SQL_READ_LOG, error);
        if (r == 0 && reader->n_frames > 0) {
            log_id = reader->frames[reader->n_frames - 1].log_id;
            r = visit_chunk(reader, visit, context);
        }
    } while (r == 0 && is_chunk_full(reader));
    return r;
}
