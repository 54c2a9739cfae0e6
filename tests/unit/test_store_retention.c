#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "collector/store_files.h"
#include "collector/store_private.h"
#include "fault_vfs.h"
#include "store_help.h"

#define DAY_MS INT64_C(86400000)
#define FRAME_BYTES 4000

struct fixture {
    char *directory;
    struct help_clock clock;
    struct store *store;
    struct store_error error;
};

static void open_store(struct fixture *f, uint64_t size_bytes_max)
{
    store_close(f->store);
    f->store = NULL;
    f->store = help_open_with(&(struct store_options){
        .directory = f->directory,
        .retention_ms = 7 * DAY_MS,
        .size_bytes_max = size_bytes_max,
        .clock = &f->clock.clock,
    });
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->directory = help_directory();
    help_clock_init(&f->clock);
    open_store(f, UINT64_C(1) << 30);
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

/* Appends `n` frames of one group, which begins behind what the stream has. 0 or the store's error.
 */
static int append_group(struct fixture *f, const char *node, uint64_t stream, size_t n, size_t size)
{
    static uint8_t bytes[FRAME_BYTES];
    struct store_stream row;
    int r = store_begin(f->store, &f->error);
    if (r != 0)
        return r;
    r = store_stream(f->store, node, stream, &row, &f->error);
    for (size_t i = 1; r == 0 && i <= n; i++) {
        const struct store_frame frame = {
            .stream_row = row.row,
            .sequence = row.committed + i,
            .key = row.committed + 1,
            .committed_utc_ms = f->clock.utc_ms,
            .bytes = bytes,
            .size = size,
        };
        r = store_append(f->store, &frame, &f->error);
    }
    if (r == 0)
        return store_commit(f->store, &f->error);
    store_rollback(f->store);
    return r;
}

static void add_group(struct fixture *f, const char *node, uint64_t stream, size_t n)
{
    int r = append_group(f, node, stream, n, FRAME_BYTES);
    if (r != 0)
        fail_msg("append: %d: %s", r, f->error.text);
}

static void retain(struct fixture *f)
{
    bool more = true;
    for (int i = 0; more && i < 1000; i++) {
        int r = store_retain(f->store, &more, &f->error);
        if (r != 0)
            fail_msg("retain: %d: %s", r, f->error.text);
    }
    assert_false(more);
}

static int64_t query(struct fixture *f, const char *sql)
{
    int64_t value = -1;
    int r = store_db_query(&f->store->db, sql, &value, &f->error);
    if (r != 0)
        fail_msg("%s: %s", sql, f->error.text);
    return value;
}

/* What the tables say of themselves fits together. */
static void check_sums(struct fixture *f)
{
    struct store_totals totals;
    store_totals(f->store, &totals);
    int64_t frames = query(f, "SELECT count(*) FROM frames");
    assert_int_equal(totals.frames, frames);
    assert_int_equal(query(f, "SELECT coalesce(sum(frames), 0) FROM groups"), frames);
    assert_int_equal(query(f, "SELECT coalesce(sum(held_frames), 0) FROM streams"), frames);
    assert_int_equal(query(f, "SELECT coalesce(sum(length(bytes)), 0) FROM frames"),
                     query(f, "SELECT coalesce(sum(held_bytes), 0) FROM streams"));
    assert_int_equal(query(f, "SELECT coalesce(sum(length(bytes)), 0) FROM frames"),
                     query(f, "SELECT coalesce(sum(bytes), 0) FROM groups"));
    /* No group without its beginning, none without frames. */
    assert_int_equal(query(f,
                           "SELECT count(*) FROM groups AS g WHERE NOT EXISTS (SELECT 1 FROM frames"
                           " WHERE stream = g.stream AND sequence = g.key)"),
                     0);
}

static void nothing_goes_within_its_bounds(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        add_group(f, "pi", 1, 10);
    help_pass(&f->clock, 7 * DAY_MS);
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM frames"), 50);
    check_sums(f);
}

static void age_takes_whole_groups_but_not_the_open_one(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        add_group(f, "pi", 1, 10);
    help_pass(&f->clock, 7 * DAY_MS + 1);
    for (int hour = 0; hour < 30; hour++) {
        retain(f);
        help_pass(&f->clock, 3600000);
    }
    assert_int_equal(query(f, "SELECT count(*) FROM frames"), 10);
    assert_int_equal(query(f, "SELECT min(sequence) FROM frames"), 21);
    assert_int_equal(query(f, "SELECT committed FROM streams"), 30); /* the row outlives them */
    struct store_totals totals;
    store_totals(f->store, &totals);
    assert_int_equal(totals.deleted_frames, 20);
    check_sums(f);
}

static void age_takes_a_tenth_an_hour(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 101; i++)
        add_group(f, "pi", 1, 10);
    help_pass(&f->clock, 7 * DAY_MS + 1);
    retain(f);
    int64_t left = query(f, "SELECT count(*) FROM groups");
    assert_true(left >= 89 && left <= 91);
    help_pass(&f->clock, 3599000);
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM groups"), left);
    help_pass(&f->clock, 1000);
    retain(f);
    assert_true(query(f, "SELECT count(*) FROM groups") < left - 7);
    check_sums(f);
}

static void age_needs_a_clock_that_is_right(void **state)
{
    struct fixture *f = *state;
    add_group(f, "pi", 1, 10);
    add_group(f, "pi", 1, 10);
    help_pass(&f->clock, 3650 * DAY_MS);
    f->clock.is_synchronised = false;
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM groups"), 2);
    f->clock.is_synchronised = true;
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM groups"), 1);
}

static void stream_that_was_succeeded_has_no_open_group(void **state)
{
    struct fixture *f = *state;
    add_group(f, "pi", 1, 10);
    add_group(f, "other", 1, 10);
    add_group(f, "pi", 2, 10);
    help_pass(&f->clock, 8 * DAY_MS);
    for (int hour = 0; hour < 5; hour++) {
        retain(f);
        help_pass(&f->clock, 3600000);
    }
    assert_int_equal(query(f, "SELECT count(*) FROM groups"), 2);
    assert_int_equal(query(f, "SELECT count(*) FROM groups JOIN streams ON row = groups.stream"
                              " WHERE node = 'pi' AND streams.stream = 1"),
                     0);
    assert_int_equal(query(f, "SELECT count(*) FROM streams"), 3);
    check_sums(f);
}

static void node_that_is_gone_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    add_group(f, "gone", 1, 10); /* open for ever */
    add_group(f, "pi", 1, 10);
    add_group(f, "pi", 1, 10);
    help_pass(&f->clock, 8 * DAY_MS);
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM groups"), 2);
    check_sums(f);
}

static void size_takes_from_the_node_that_has_most(void **state)
{
    struct fixture *f = *state;
    const uint64_t bound = 4 << 20;
    for (int i = 0; i < 5; i++)
        add_group(f, "small", 1, 20);
    for (int i = 0; i < 60; i++)
        add_group(f, "big", 1, 20);
    open_store(f, bound);
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM groups JOIN streams ON row = groups.stream"
                              " WHERE node = 'small'"),
                     5);
    int64_t big = query(f, "SELECT count(*) FROM groups JOIN streams ON row = groups.stream"
                           " WHERE node = 'big'");
    assert_true(big > 20 && big < 55);
    assert_int_equal(query(f, "SELECT max(key) FROM groups"), 59 * 20 + 1); /* the oldest went */
    check_sums(f);
}

static void file_stays_at_its_bound(void **state)
{
    struct fixture *f = *state;
    const uint64_t bound = 8 << 20;
    struct store_totals totals;
    uint64_t most = 0;
    open_store(f, bound);
    for (int i = 0; i < 400; i++) {
        add_group(f, i % 3 == 0 ? "a" : "b", 1, 20);
        retain(f);
        store_totals(f->store, &totals);
        if (totals.bytes > most)
            most = totals.bytes;
    }
    assert_true(totals.deleted_frames > 4000); /* 32 MB went through */
    assert_true(most <= bound);
    check_sums(f);
}

static void lowered_bound_gives_room_back(void **state)
{
    struct fixture *f = *state;
    struct store_totals totals;
    const uint64_t bound = 4 << 20;
    for (int i = 0; i < 200; i++)
        add_group(f, "pi", 1, 20);
    store_totals(f->store, &totals);
    assert_true(totals.bytes > 3 * bound);
    open_store(f, bound);
    retain(f);
    store_totals(f->store, &totals);
    assert_true(totals.bytes <= bound);
    assert_int_equal(query(f, "PRAGMA integrity_check"), 0); /* "ok" is no number */
    check_sums(f);
}

static void open_groups_stay_whatever_their_size(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++) {
        char node[8];
        (void)snprintf(node, sizeof(node), "n%d", i);
        add_group(f, node, 1, 100);
    }
    open_store(f, 1 << 20);
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM frames"), 800);
}

static void large_group_goes_in_pieces(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(append_group(f, "pi", 1, 5000, 10), 0);
    add_group(f, "pi", 1, 1);
    help_pass(&f->clock, 8 * DAY_MS);
    retain(f);
    assert_int_equal(query(f, "SELECT count(*) FROM frames"), 1);
    check_sums(f);
}

/* --- room --- */

static bool has_ballast(const struct fixture *f)
{
    char *path = store_files_path(f->directory, STORE_BALLAST_NAME);
    bool is_there = store_files_size(path) == (uint64_t)STORE_BALLAST_BYTES;
    free(path);
    struct store_totals totals;
    store_totals(f->store, &totals);
    assert_true(totals.has_ballast == is_there);
    return is_there;
}

static void full_database_gives_the_ballast_up_and_gets_it_back(void **state)
{
    struct fixture *f = *state;
    add_group(f, "pi", 1, 10);
    assert_true(has_ballast(f));
    assert_int_equal(store_db_exec(&f->store->db, "PRAGMA max_page_count = 40", &f->error), 0);
    assert_int_equal(append_group(f, "pi", 1, 200, FRAME_BYTES), STORE_FULL);
    assert_non_null(strstr(f->error.text, "shoal.db"));
    assert_false(has_ballast(f));
    assert_int_equal(query(f, "SELECT count(*) FROM frames"), 10);
    check_sums(f);
    assert_int_equal(append_group(f, "pi", 1, 1, 10), STORE_FULL); /* not tried again at once */
    assert_int_equal(store_db_exec(&f->store->db, "PRAGMA max_page_count = 4000", &f->error), 0);
    help_pass(&f->clock, STORE_BALLAST_RETRY_MS);
    add_group(f, "pi", 1, 200);
    assert_true(has_ballast(f));
    check_sums(f);
}

/* Fills the file system that `directory` is on, but for what is left free. */
static void fill_disk(const char *directory, size_t left_bytes)
{
    char *path = store_files_path(directory, "filler");
    char *block = calloc(1, 4096);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    off_t size = 0;
    assert_true(fd >= 0);
    while (write(fd, block, 4096) == 4096)
        size += 4096;
    assert_int_equal(ftruncate(fd, size - (off_t)left_bytes), 0);
    (void)close(fd);
    free(block);
    free(path);
}

static void free_disk(const char *directory)
{
    char *path = store_files_path(directory, "filler");
    assert_int_equal(unlink(path), 0);
    free(path);
}

/* A small file system for the store alone, with some groups in it; needs root. */
static void open_on_small_disk(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    if (mount("shoal-test", f->directory, "tmpfs", 0, "size=32m") != 0) {
        print_message("no file system of its own can be mounted (%s): skipped\n", strerror(errno));
        skip();
    }
    open_store(f, UINT64_C(1) << 30);
    for (int i = 0; i < 40; i++)
        add_group(f, "pi", 1, 20);
}

static void close_on_small_disk(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(umount(f->directory), 0);
}

static void deleting_takes_the_ballasts_room_where_it_needs_it(void **state)
{
    struct fixture *f = *state;
    open_on_small_disk(f);
    help_pass(&f->clock, 8 * DAY_MS);
    assert_true(has_ballast(f));
    fill_disk(f->directory, 0);
    for (int hour = 0; hour < 100; hour++) {
        retain(f);
        help_pass(&f->clock, 3600000);
    }
    assert_int_equal(query(f, "SELECT count(*) FROM groups"), 1);
    check_sums(f);
    close_on_small_disk(f);
}

static void full_disk_costs_nothing_that_is_stored(void **state)
{
    struct fixture *f = *state;
    open_on_small_disk(f);
    fill_disk(f->directory, 0);
    int r = 0;
    for (int i = 0; i < 2000 && r == 0; i++)
        r = append_group(f, "pi", 1, 20, FRAME_BYTES);
    assert_int_equal(r, STORE_FULL);
    assert_false(has_ballast(f));
    int64_t frames = query(f, "SELECT count(*) FROM frames");
    assert_true(frames >= 800);
    check_sums(f);

    fill_disk(f->directory, STORE_BALLAST_BYTES / 2);
    open_store(f, UINT64_C(1) << 30); /* opens, on a disk without room for a new ballast */
    assert_false(has_ballast(f));
    assert_int_equal(query(f, "SELECT count(*) FROM frames"), frames);
    help_pass(&f->clock, 8 * DAY_MS); /* deleting works in what the ballast left */
    for (int hour = 0; hour < 100; hour++) {
        retain(f);
        help_pass(&f->clock, 3600000);
    }
    assert_true(query(f, "SELECT count(*) FROM frames") < frames);
    check_sums(f);

    free_disk(f->directory);
    help_pass(&f->clock, STORE_BALLAST_RETRY_MS);
    add_group(f, "pi", 1, 20);
    assert_true(has_ballast(f));
    close_on_small_disk(f);
}

/* --- each write fails in turn --- */

static int append_and_retain(struct fixture *f)
{
    bool more;
    int r = append_group(f, "pi", 1, 30, FRAME_BYTES);
    help_pass(&f->clock, 3600000);
    if (r == 0)
        r = store_retain(f->store, &more, &f->error);
    return r;
}

static void any_write_may_fail(void **state)
{
    struct fixture *f = *state;
    static const int results[] = {SQLITE_FULL, SQLITE_IOERR_WRITE};
    struct fault fault;
    store_close(f->store);
    f->store = NULL;
    fault_init(&fault);
    open_store(f, 600000);
    for (size_t kind = 0; kind < 2; kind++) {
        int failed = 0;
        for (int nth = 1; nth < 100; nth++) {
            int64_t before = query(f, "SELECT coalesce(max(committed), 0) FROM streams");
            fault_arm(&fault, nth, 1, results[kind]);
            int r = append_and_retain(f);
            fault_arm(&fault, 0, 0, 0);
            failed += r != 0;
            int64_t after = query(f, "SELECT coalesce(max(committed), 0) FROM streams");
            assert_true(after == before || after == before + 30);
            check_sums(f);
            open_store(f, 600000);
            assert_int_equal(query(f, "SELECT coalesce(max(committed), 0) FROM streams"), after);
            check_sums(f);
        }
        assert_true(failed > 5);
    }
    store_close(f->store);
    f->store = NULL;
    fault_deinit(&fault);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_goes_within_its_bounds),
        TEST(age_takes_whole_groups_but_not_the_open_one),
        TEST(age_takes_a_tenth_an_hour),
        TEST(age_needs_a_clock_that_is_right),
        TEST(stream_that_was_succeeded_has_no_open_group),
        TEST(node_that_is_gone_holds_up_nobody),
        TEST(size_takes_from_the_node_that_has_most),
        TEST(file_stays_at_its_bound),
        TEST(lowered_bound_gives_room_back),
        TEST(open_groups_stay_whatever_their_size),
        TEST(large_group_goes_in_pieces),
        TEST(full_database_gives_the_ballast_up_and_gets_it_back),
        TEST(deleting_takes_the_ballasts_room_where_it_needs_it),
        TEST(full_disk_costs_nothing_that_is_stored),
        TEST(any_write_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
