#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "collector/store_files.h"
#include "collector/store_private.h"
#include "collector/store_schema.h"
#include "store_help.h"

struct fixture {
    char *directory;
    struct help_clock clock;
    struct store *store;
    struct store_error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->directory = help_directory();
    help_clock_init(&f->clock);
    f->store = help_open(f->directory, &f->clock);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    help_remove_directory(f->directory);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    f->store = help_open(f->directory, &f->clock);
}

/* Bytes that tell which frame they are of. */
static struct store_frame frame_of(const struct fixture *f, int64_t row, uint64_t sequence,
                                   uint64_t key, size_t size)
{
    static uint8_t bytes[192 * 1024];
    memset(bytes, (int)(sequence & 0xff), size);
    return (struct store_frame){
        .stream_row = row,
        .sequence = sequence,
        .key = key,
        .crc = (uint32_t)sequence * 7,
        .utc_offset_ms = -5,
        .uncertainty_ms = 20,
        .source = CLOCK_SOURCE_PROBE,
        .is_estimate = true,
        .committed_utc_ms = f->clock.utc_ms,
        .bytes = bytes,
        .size = size,
    };
}

static struct store_stream stream_of(struct fixture *f, const char *node, uint64_t stream)
{
    struct store_stream row = {0};
    assert_int_equal(store_begin(f->store, &f->error), 0);
    assert_int_equal(store_stream(f->store, node, stream, &row, &f->error), 0);
    assert_int_equal(store_commit(f->store, &f->error), 0);
    return row;
}

/* Frames [first, last] of the group `key`, in a transaction. */
static void append(struct fixture *f, int64_t row, uint64_t key, uint64_t first, uint64_t last,
                   size_t size)
{
    assert_int_equal(store_begin(f->store, &f->error), 0);
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        struct store_frame frame = frame_of(f, row, sequence, key, size);
        int r = store_append(f->store, &frame, &f->error);
        if (r != 0)
            fail_msg("append: %d: %s", r, f->error.text);
    }
    assert_int_equal(store_commit(f->store, &f->error), 0);
}

struct seen {
    size_t n;
    uint64_t first, last;
    uint64_t last_log_id;
    size_t bytes;
    size_t stop_after; /* 0: never */
};

static int see_frame(void *context, const struct store_frame *frame)
{
    struct seen *seen = context;
    assert_true(frame->log_id > seen->last_log_id || seen->n == 0);
    assert_true(frame->size > 0);
    assert_int_equal(frame->bytes[0], frame->sequence & 0xff);
    assert_int_equal(frame->bytes[frame->size - 1], frame->sequence & 0xff);
    assert_int_equal(frame->crc, (uint32_t)frame->sequence * 7);
    if (seen->n++ == 0)
        seen->first = frame->sequence;
    seen->last = frame->sequence;
    seen->last_log_id = frame->log_id;
    seen->bytes += frame->size;
    return seen->stop_after != 0 && seen->n == seen->stop_after ? -ECANCELED : 0;
}

static struct seen read_stream(struct fixture *f, int64_t row, uint64_t sequence)
{
    struct store_reader *reader = NULL;
    struct seen seen = {0};
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_frames(reader, row, sequence, see_frame, &seen, &f->error), 0);
    store_reader_close(reader);
    return seen;
}

static struct seen read_log(struct fixture *f, uint64_t log_id)
{
    struct store_reader *reader = NULL;
    struct seen seen = {0};
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_log(reader, log_id, see_frame, &seen, &f->error), 0);
    store_reader_close(reader);
    return seen;
}

static void new_store_has_an_id_and_keeps_it(void **state)
{
    struct fixture *f = *state;
    uint64_t id = store_id(f->store);
    assert_true(id != 0);
    reopen(f);
    assert_true(store_id(f->store) == id);

    char *other = help_directory();
    struct store *second = help_open(other, &f->clock);
    assert_true(store_id(second) != id);
    store_close(second);
    help_remove_directory(other);
}

static void directory_is_made_with_its_parents(void **state)
{
    struct fixture *f = *state;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/a/b/", f->directory) > 0);
    struct store *store = help_open(path, &f->clock);
    assert_string_equal(store_directory(store), path);
    store_close(store);
    free(path);
}

static void directory_that_cannot_be_made_is_named(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct store_options options = {.directory = "/proc/none/here", .clock = &f->clock.clock};
    assert_true(store_open(&options, &store, &f->error) < 0);
    assert_null(store);
    assert_non_null(strstr(f->error.text, "/proc/none"));
}

static void settings_are_those_that_keep_what_is_acked(void **state)
{
    struct fixture *f = *state;
    int64_t value = -1;
    assert_int_equal(store_db_query(&f->store->db, "PRAGMA synchronous", &value, &f->error), 0);
    assert_int_equal(value, 2);
    assert_int_equal(store_db_query(&f->store->db, "PRAGMA foreign_keys", &value, &f->error), 0);
    assert_int_equal(value, 1);
    assert_int_equal(store_db_query(&f->store->db, "PRAGMA auto_vacuum", &value, &f->error), 0);
    assert_int_equal(value, 2);
}

static void frames_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", UINT64_MAX - 3);
    append(f, row.row, 1, 1, 5, 100);
    reopen(f);
    struct store_stream again = stream_of(f, "pi", UINT64_MAX - 3);
    assert_int_equal(again.row, row.row);
    assert_string_equal(again.node, "pi");
    assert_true(again.stream == UINT64_MAX - 3);
    assert_int_equal(again.committed, 5);
    assert_int_equal(again.key, 1);
    assert_int_equal(again.crc, 35);
    assert_int_equal(again.frames, 5);
    assert_int_equal(again.gap_frames, 0);
    assert_int_equal(again.last_commit_utc_ms, f->clock.utc_ms);

    struct seen seen = read_stream(f, row.row, 2);
    assert_int_equal(seen.n, 4);
    assert_int_equal(seen.first, 2);
    assert_int_equal(seen.bytes, 400);
}

static int check_fields(void *context, const struct store_frame *frame)
{
    const struct fixture *f = context;
    assert_int_equal(frame->utc_offset_ms, -5);
    assert_int_equal(frame->uncertainty_ms, 20);
    assert_int_equal(frame->source, CLOCK_SOURCE_PROBE);
    assert_true(frame->is_estimate);
    assert_int_equal(frame->committed_utc_ms, f->clock.utc_ms);
    assert_int_equal(frame->key, 1);
    return 0;
}

static void every_field_is_kept(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 2, 10);
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_frames(reader, row.row, 0, check_fields, f, &f->error), 0);
    store_reader_close(reader);
}

static void sequence_is_taken_once(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 3, 10);
    assert_int_equal(store_begin(f->store, &f->error), 0);
    struct store_frame frame = frame_of(f, row.row, 3, 1, 10);
    assert_int_equal(store_append(f->store, &frame, &f->error), STORE_CONFLICT);
    frame = frame_of(f, row.row, 1, 1, 10);
    assert_int_equal(store_append(f->store, &frame, &f->error), STORE_CONFLICT);
    frame = frame_of(f, row.row, 4, 1, 10); /* the transaction goes on */
    assert_int_equal(store_append(f->store, &frame, &f->error), 0);
    assert_int_equal(store_commit(f->store, &f->error), 0);
    assert_int_equal(stream_of(f, "pi", 9).committed, 4);
}

static void unknown_stream_is_no_place_for_frames(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_begin(f->store, &f->error), 0);
    struct store_frame frame = frame_of(f, 77, 1, 1, 10);
    assert_int_equal(store_append(f->store, &frame, &f->error), -EINVAL);
    store_rollback(f->store);
    struct store_stream stream;
    assert_int_equal(store_find_stream(f->store, "pi", 9, &stream, &f->error), STORE_NONE);
}

static void gap_is_stored_and_counted(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 2, 10);
    append(f, row.row, 10, 10, 11, 10);
    struct store_stream stream = stream_of(f, "pi", 9);
    assert_int_equal(stream.committed, 11);
    assert_int_equal(stream.frames, 4);
    assert_int_equal(stream.gap_frames, 7);
    int64_t first = 0;
    int64_t last = 0;
    assert_int_equal(store_db_query(&f->store->db, "SELECT first FROM gaps", &first, &f->error), 0);
    assert_int_equal(store_db_query(&f->store->db, "SELECT last FROM gaps", &last, &f->error), 0);
    assert_int_equal(first, 3);
    assert_int_equal(last, 9);
}

static void crc_of_a_frame_tells_duplicates(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 2, 10);
    uint32_t crc = 0;
    assert_int_equal(store_frame_crc(f->store, row.row, 2, &crc, &f->error), 0);
    assert_int_equal(crc, 14);
    assert_int_equal(store_frame_crc(f->store, row.row, 3, &crc, &f->error), STORE_NONE);
}

static void rollback_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    struct store_totals totals;
    assert_int_equal(store_begin(f->store, &f->error), 0);
    struct store_frame frame = frame_of(f, row.row, 1, 1, 10);
    assert_int_equal(store_append(f->store, &frame, &f->error), 0);
    store_rollback(f->store);
    store_rollback(f->store); /* twice is once */
    assert_int_equal(read_log(f, 0).n, 0);
    store_totals(f->store, &totals);
    assert_int_equal(totals.frames, 0);
    append(f, row.row, 1, 1, 1, 10);
    store_totals(f->store, &totals);
    assert_int_equal(totals.frames, 1);
    assert_true(totals.bytes > 0);
}

static void savepoint_takes_out_one_frame(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    assert_int_equal(store_begin(f->store, &f->error), 0);
    struct store_frame frame = frame_of(f, row.row, 1, 1, 10);
    assert_int_equal(store_savepoint(f->store, &f->error), 0);
    assert_int_equal(store_append(f->store, &frame, &f->error), 0);
    assert_int_equal(store_release(f->store, &f->error), 0);
    frame = frame_of(f, row.row, 2, 1, 10);
    assert_int_equal(store_savepoint(f->store, &f->error), 0);
    assert_int_equal(store_append(f->store, &frame, &f->error), 0);
    store_rollback_savepoint(f->store);
    assert_int_equal(store_commit(f->store, &f->error), 0);
    assert_int_equal(stream_of(f, "pi", 9).committed, 1);
    assert_int_equal(read_log(f, 0).n, 1);
}

static void drops_are_kept_per_node(void **state)
{
    struct fixture *f = *state;
    struct drop_total drops[DROP_REASONS] = {[DROP_SPOOL_FULL] = {3, 300}};
    struct drop_total read[DROP_REASONS];
    assert_int_equal(store_set_drops(f->store, "pi", drops, &f->error), 0);
    drops[DROP_SPOOL_FULL].frames = 4;
    assert_int_equal(store_set_drops(f->store, "pi", drops, &f->error), 0);
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_drops(reader, "pi", read, &f->error), 0);
    assert_int_equal(read[DROP_SPOOL_FULL].frames, 4);
    assert_int_equal(read[DROP_SPOOL_FULL].samples, 300);
    assert_int_equal(store_reader_drops(reader, "other", read, &f->error), 0);
    assert_int_equal(read[DROP_SPOOL_FULL].frames, 0);
    store_reader_close(reader);
}

struct names {
    size_t n;
    uint64_t streams[4];
};

static int see_stream(void *context, const struct store_stream *stream)
{
    struct names *names = context;
    names->streams[names->n++] = stream->stream;
    return 0;
}

static void streams_come_in_order_of_commit(void **state)
{
    struct fixture *f = *state;
    struct store_stream a = stream_of(f, "a", 1);
    struct store_stream b = stream_of(f, "b", 2);
    struct store_stream c = stream_of(f, "a", 3);
    append(f, c.row, 1, 1, 1, 10);
    append(f, b.row, 1, 1, 1, 10);
    f->clock.utc_ms -= 1000000; /* the order is that of the log, whatever the clock says */
    append(f, a.row, 1, 1, 1, 10);
    struct names names = {0};
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_streams(reader, see_stream, &names, &f->error), 0);
    store_reader_close(reader);
    assert_int_equal(names.n, 3);
    assert_int_equal(names.streams[0], 3);
    assert_int_equal(names.streams[1], 2);
    assert_int_equal(names.streams[2], 1);
}

static void long_reads_take_several_transactions(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 40, 100000); /* 4 MiB: past STORE_READ_BYTES_MAX */
    append(f, row.row, 1, 41, 3000, 10);  /* and many */
    struct seen seen = read_stream(f, row.row, 1);
    assert_int_equal(seen.n, 3000);
    assert_int_equal(seen.last, 3000);
    seen = read_log(f, 0);
    assert_int_equal(seen.n, 3000);
    seen = read_log(f, seen.last_log_id - 1);
    assert_int_equal(seen.n, 1);
}

static int write_meanwhile(void *context, const struct store_frame *frame)
{
    struct fixture *f = context;
    if (frame->sequence <= 2)
        append(f, frame->stream_row, 1, frame->sequence + 2, frame->sequence + 2, 10);
    return 0;
}

static void callback_runs_outside_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 2, 10);
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_frames(reader, row.row, 1, write_meanwhile, f, &f->error), 0);
    /* A reader inside a transaction would keep this from emptying the WAL. */
    assert_int_equal(sqlite3_wal_checkpoint_v2(f->store->db.sqlite, NULL,
                                               SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
                     SQLITE_OK);
    struct store_totals totals;
    store_totals(f->store, &totals);
    assert_int_equal(totals.wal_bytes, 0);
    store_reader_close(reader);
}

static void callback_ends_the_reading(void **state)
{
    struct fixture *f = *state;
    struct store_stream row = stream_of(f, "pi", 9);
    append(f, row.row, 1, 1, 9, 10);
    struct store_reader *reader = NULL;
    struct seen seen = {.stop_after = 3};
    assert_int_equal(store_reader_open(f->directory, &reader, &f->error), 0);
    assert_int_equal(store_reader_log(reader, 0, see_frame, &seen, &f->error), -ECANCELED);
    assert_int_equal(seen.n, 3);
    store_reader_close(reader);
}

static void reader_without_a_store_says_so(void **state)
{
    struct fixture *f = *state;
    struct store_reader *reader = NULL;
    assert_true(store_reader_open("/nonexistent", &reader, &f->error) < 0);
    assert_non_null(strstr(f->error.text, "/nonexistent/shoal.db"));
}

static void second_collector_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *second = NULL;
    struct store_options options = {.directory = f->directory, .clock = &f->clock.clock};
    assert_int_equal(store_open(&options, &second, &f->error), STORE_LOCKED);
    assert_null(second);
    assert_non_null(strstr(f->error.text, f->directory));
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(f->error.text, pid));
    struct store_stream row = stream_of(f, "pi", 9); /* the first goes on */
    append(f, row.row, 1, 1, 1, 10);
}

static void newer_schema_is_refused_and_left(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_db_exec(&f->store->db, "PRAGMA user_version = 99", &f->error), 0);
    store_close(f->store);
    f->store = NULL;
    struct store_options options = {.directory = f->directory, .clock = &f->clock.clock};
    assert_int_equal(store_open(&options, &f->store, &f->error), STORE_NEWER);
    assert_non_null(strstr(f->error.text, "99"));
    assert_non_null(strstr(f->error.text, "shoal.db"));
}

static char *database_path(const struct fixture *f)
{
    return store_files_path(f->directory, STORE_DATABASE_NAME);
}

static void overwrite(const char *path, off_t at, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, size, at), size);
    (void)close(fd);
}

static void check_refused_as_damaged(struct fixture *f, const char *path)
{
    uint64_t size = store_files_size(path);
    struct store_options options = {.directory = f->directory, .clock = &f->clock.clock};
    assert_int_equal(store_open(&options, &f->store, &f->error), -EBADMSG);
    assert_null(f->store);
    assert_non_null(strstr(f->error.text, path));
    assert_true(size > 0 && store_files_size(path) == size);
}

static void damaged_file_is_named_and_left(void **state)
{
    struct fixture *f = *state;
    char *path = database_path(f);
    store_close(f->store);
    f->store = NULL;
    overwrite(path, 0, "this is no database at all", 26);
    check_refused_as_damaged(f, path);
    free(path);
}

static void damaged_schema_is_named_and_left(void **state)
{
    struct fixture *f = *state;
    char *path = database_path(f);
    store_close(f->store);
    f->store = NULL;
    char zeros[3900] = {0};
    overwrite(path, 100, zeros, sizeof(zeros));
    check_refused_as_damaged(f, path);
    free(path);
}

static void foreign_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    char *path = database_path(f);
    store_close(f->store);
    f->store = NULL;
    (void)unlink(path);
    struct store_db db;
    assert_int_equal(
        store_db_open(&db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &f->error), 0);
    assert_int_equal(store_db_exec(&db, "CREATE TABLE mine (a)", &f->error), 0);
    store_db_close(&db);
    check_refused_as_damaged(f, path);
    free(path);
}

static void steps_lead_from_an_older_schema(void **state)
{
    struct fixture *f = *state;
    static const char *const old_steps[] = {"CREATE TABLE frames (id INTEGER PRIMARY KEY);"
                                            "INSERT INTO frames VALUES (7)"};
    static const char *const new_steps[] = {
        "not run again", "ALTER TABLE frames ADD COLUMN size INTEGER NOT NULL DEFAULT 3",
        "UPDATE frames SET size = size + 1"};
    static const char *const bad_steps[] = {"", "", "", "CREATE TABLE x (a); nonsense"};
    struct store_db db;
    int64_t value = 0;
    char *path = store_files_path(f->directory, "old.db");
    assert_int_equal(
        store_db_open(&db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &f->error), 0);
    struct store_schema schema = {old_steps, 1};
    assert_int_equal(store_schema_apply(&schema, &db, &f->error), 0);
    schema = (struct store_schema){new_steps, 3};
    assert_int_equal(store_schema_apply(&schema, &db, &f->error), 0);
    assert_int_equal(store_schema_apply(&schema, &db, &f->error), 0); /* nothing left to do */
    assert_int_equal(store_db_query(&db, "SELECT size FROM frames", &value, &f->error), 0);
    assert_int_equal(value, 4);

    schema = (struct store_schema){bad_steps, 4};
    assert_true(store_schema_apply(&schema, &db, &f->error) < 0);
    assert_int_equal(store_db_query(&db, "PRAGMA user_version", &value, &f->error), 0);
    assert_int_equal(value, 3); /* as before the step that failed, and none of it done */
    assert_true(store_db_query(&db, "SELECT count(*) FROM x", &value, &f->error) < 0);

    schema = (struct store_schema){old_steps, 1};
    assert_int_equal(store_schema_apply(&schema, &db, &f->error), STORE_NEWER);
    store_db_close(&db);
    free(path);
}

/* A child commits frames and says so on a pipe, until it is killed. */
static void commit_until_killed(const char *directory, int to)
{
    struct help_clock clock;
    help_clock_init(&clock);
    struct fixture f = {.clock = clock, .store = help_open(directory, &clock)};
    struct store_stream row = stream_of(&f, "pi", 9);
    for (uint64_t sequence = row.committed + 1;; sequence++) {
        append(&f, row.row, 1, sequence, sequence, 700);
        if (write(to, &sequence, sizeof(sequence)) != (ssize_t)sizeof(sequence))
            _exit(1);
    }
}

static uint64_t last_acked(int from, pid_t child, int frames_before_kill)
{
    uint64_t acked = 0;
    uint64_t sequence = 0;
    int n = 0;
    while (read(from, &sequence, sizeof(sequence)) == (ssize_t)sizeof(sequence)) {
        acked = sequence;
        if (++n == frames_before_kill)
            (void)kill(child, SIGKILL);
    }
    return acked;
}

static void killed_collector_keeps_what_it_acked(void **state)
{
    struct fixture *f = *state;
    for (int round = 1; round <= 12; round++) {
        int ends[2];
        store_close(f->store);
        f->store = NULL;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(ends[0]);
            commit_until_killed(f->directory, ends[1]);
        }
        (void)close(ends[1]);
        uint64_t acked = last_acked(ends[0], child, round * 3);
        (void)close(ends[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);

        f->store = help_open(f->directory, &f->clock);
        struct store_stream row = stream_of(f, "pi", 9);
        struct seen seen = read_stream(f, row.row, 1);
        assert_true(acked > 0 && row.committed >= acked);
        assert_int_equal(seen.n, row.committed);
        assert_int_equal(seen.last, row.committed);
        assert_int_equal(row.frames, row.committed);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(new_store_has_an_id_and_keeps_it),
        TEST(directory_is_made_with_its_parents),
        TEST(directory_that_cannot_be_made_is_named),
        TEST(settings_are_those_that_keep_what_is_acked),
        TEST(frames_come_back_as_they_went_in),
        TEST(every_field_is_kept),
        TEST(sequence_is_taken_once),
        TEST(unknown_stream_is_no_place_for_frames),
        TEST(gap_is_stored_and_counted),
        TEST(crc_of_a_frame_tells_duplicates),
        TEST(rollback_leaves_nothing),
        TEST(savepoint_takes_out_one_frame),
        TEST(drops_are_kept_per_node),
        TEST(streams_come_in_order_of_commit),
        TEST(long_reads_take_several_transactions),
        TEST(callback_runs_outside_a_transaction),
        TEST(callback_ends_the_reading),
        TEST(reader_without_a_store_says_so),
        TEST(second_collector_is_refused),
        TEST(newer_schema_is_refused_and_left),
        TEST(damaged_file_is_named_and_left),
        TEST(damaged_schema_is_named_and_left),
        TEST(foreign_database_is_left_alone),
        TEST(steps_lead_from_an_older_schema),
        TEST(killed_collector_keeps_what_it_acked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
