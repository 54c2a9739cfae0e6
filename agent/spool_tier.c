#include "agent/spool_tier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GROWTH_BYTES (UINT64_C(4) * SPOOL_PAGE_BYTES) /* no row takes more beyond its bytes */
#define WHAT_BYTES_MAX 40                             /* of SQL: enough to tell a statement */

static int64_t id_of(int64_t row, uint64_t sequence)
{
    return row << SPOOL_SEQUENCE_BITS | (int64_t)sequence;
}

static bool is_no_room(int system_errno)
{
    return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

static int meaning_of_errno(int system_errno)
{
    if (is_no_room(system_errno))
        return SPOOL_TIER_FULL;
    return system_errno > 0 ? -system_errno : -EIO;
}

static int meaning(int result, int system_errno)
{
    switch (result & 0xff) {
    case SQLITE_FULL:
        return SPOOL_TIER_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* a row that cannot be there, or not twice */
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* the statements are ours: the tables are not */
        return SPOOL_TIER_DAMAGED;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EROFS;
    default:
        if (result == SQLITE_IOERR_READ || result == SQLITE_IOERR_SHORT_READ)
            return SPOOL_TIER_DAMAGED;
        return result == SQLITE_IOERR_NOMEM ? -ENOMEM : meaning_of_errno(system_errno);
    }
}

static int fail(struct spool_tier *tier, int result, const char *what)
{
    int system_errno = tier->sqlite != NULL ? sqlite3_system_errno(tier->sqlite) : 0;
    int extended = tier->sqlite != NULL ? sqlite3_extended_errcode(tier->sqlite) : result;
    const char *text = tier->sqlite != NULL ? sqlite3_errmsg(tier->sqlite) : sqlite3_errstr(result);
    int r = meaning(extended != SQLITE_OK ? extended : result, system_errno);
    const char *path = tier->path != NULL ? tier->path : "spool in memory";
    bool has_errno = system_errno != 0 && r != SPOOL_TIER_DAMAGED;
    (void)snprintf(tier->error.text, sizeof(tier->error.text), "%.180s: %.*s: %.60s%s%.30s", path,
                   WHAT_BYTES_MAX, what, text, has_errno ? ": " : "",
                   has_errno ? strerrordesc_np(system_errno) : "");
    return r;
}

static int fail_as(struct spool_tier *tier, int r, const char *why)
{
    (void)snprintf(tier->error.text, sizeof(tier->error.text), "%.200s: %s",
                   tier->path != NULL ? tier->path : "spool in memory", why);
    return r;
}

static void reset(struct spool_tier *tier, enum spool_sql sql)
{
    (void)sqlite3_reset(tier->statements[sql]); /* repeats the last step's result */
    (void)sqlite3_clear_bindings(tier->statements[sql]);
}

static void bind(struct spool_tier *tier, enum spool_sql sql, int at, int64_t number)
{
    (void)sqlite3_bind_int64(tier->statements[sql], at, number); /* fails on no parameter of ours */
}

static int bind_blob(struct spool_tier *tier, enum spool_sql sql, int at, const void *bytes,
                     size_t size)
{
    int result = sqlite3_bind_blob(tier->statements[sql], at, bytes, (int)size, SQLITE_STATIC);
    return result == SQLITE_OK ? 0 : fail(tier, result, spool_sql[sql]);
}

static int64_t column(struct spool_tier *tier, enum spool_sql sql, int at)
{
    return sqlite3_column_int64(tier->statements[sql], at);
}

/* 0 with a row to read (reset is due), SPOOL_TIER_NONE at the end, or what failed. */
static int step(struct spool_tier *tier, enum spool_sql sql)
{
    int result = sqlite3_step(tier->statements[sql]);
    if (result == SQLITE_ROW)
        return 0;
    int r = result == SQLITE_DONE ? SPOOL_TIER_NONE : fail(tier, result, spool_sql[sql]);
    reset(tier, sql);
    return r;
}

static int run(struct spool_tier *tier, enum spool_sql sql)
{
    int r;
    do
        r = step(tier, sql);
    while (r == 0); /* some pragmas give a row for each page */
    return r == SPOOL_TIER_NONE ? 0 : r;
}

/* What was written takes at most as much more: its bytes, and some pages of trees. */
static void note_growth(struct spool_tier *tier, size_t bytes)
{
    tier->used_max += bytes + GROWTH_BYTES;
}

static int exec(struct spool_tier *tier, const char *sql)
{
    int result = sqlite3_exec(tier->sqlite, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? 0 : fail(tier, result, sql);
}

static int query(struct spool_tier *tier, const char *sql, int64_t *number_out)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(tier->sqlite, sql, -1, &statement, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_step(statement);
    int r = 0;
    if (result == SQLITE_ROW)
        *number_out = sqlite3_column_int64(statement, 0);
    else
        r = fail(tier, result, sql);
    (void)sqlite3_finalize(statement); /* repeats the last step's result */
    return r;
}

/* --- opening --- */

static int make_schema(struct spool_tier *tier)
{
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   SPOOL_APPLICATION_ID, SPOOL_SCHEMA_VERSION);
    int r = exec(tier, "BEGIN EXCLUSIVE");
    if (r == 0)
        r = exec(tier, spool_sql_schema);
    if (r == 0)
        r = exec(tier, sql);
    if (r == 0)
        r = exec(tier, "COMMIT");
    if (r != 0)
        spool_tier_rollback(tier);
    return r;
}

static int apply_schema(struct spool_tier *tier)
{
    int64_t version = 0;
    int64_t application = 0;
    int64_t tables = 0;
    int r = query(tier, "PRAGMA user_version", &version);
    if (r == 0)
        r = query(tier, "PRAGMA application_id", &application);
    if (r == 0)
        r = query(tier, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r != 0)
        return r;
    if (version == 0 && application == 0 && tables == 0)
        return make_schema(tier);
    if (application != SPOOL_APPLICATION_ID)
        return fail_as(tier, SPOOL_TIER_DAMAGED, "a database, but no spool");
    if (version != SPOOL_SCHEMA_VERSION)
        return fail_as(tier, SPOOL_TIER_DAMAGED, "written by another version of shoal-agent");
    return 0;
}

static int prepare(struct spool_tier *tier)
{
    for (unsigned i = 0; i < SPOOL_SQL_COUNT; i++) {
        int result = sqlite3_prepare_v3(tier->sqlite, spool_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                        &tier->statements[i], NULL);
        if (result != SQLITE_OK)
            return fail(tier, result, "prepare");
    }
    return 0;
}

void spool_tier_set_up(void)
{
    /* Without these only memory and time are lost. */
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

int spool_tier_open(struct spool_tier *tier, const char *path, bool is_durable)
{
    *tier = (struct spool_tier){.path = path};
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(path != NULL ? path : ":memory:", &tier->sqlite, flags, NULL);
    if (result != SQLITE_OK)
        return fail(tier, result, "open");
    (void)sqlite3_extended_result_codes(tier->sqlite, 1); /* cannot fail on an open connection */
    (void)sqlite3_db_config(tier->sqlite, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0); /* saves memory */
    int r = exec(tier, spool_sql_settings);
    if (r == 0)
        r = exec(tier, is_durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF");
    if (r == 0)
        r = apply_schema(tier);
    return r == 0 ? prepare(tier) : r;
}

void spool_tier_close(struct spool_tier *tier)
{
    for (size_t i = 0; i < SPOOL_SQL_COUNT; i++)
        (void)sqlite3_finalize(tier->statements[i]); /* repeats the last step's result */
    (void)sqlite3_close(tier->sqlite);               /* nothing is left that could keep it open */
    tier->sqlite = NULL;
    memset(tier->statements, 0, sizeof(tier->statements));
}

int spool_tier_begin(struct spool_tier *tier)
{
    return run(tier, SPOOL_SQL_BEGIN);
}

int spool_tier_commit(struct spool_tier *tier)
{
    return run(tier, SPOOL_SQL_COMMIT);
}

void spool_tier_rollback(struct spool_tier *tier)
{
    /* Some failures have rolled back already; what is left then fails for having nothing to do. */
    if (tier->sqlite != NULL && sqlite3_get_autocommit(tier->sqlite) == 0)
        (void)sqlite3_exec(tier->sqlite, spool_sql[SPOOL_SQL_ROLLBACK], NULL, NULL, NULL);
}

/* --- streams --- */

static void read_stream(struct spool_tier *tier, struct spool_tier_stream *stream_out)
{
    const enum spool_sql sql = SPOOL_SQL_STREAMS;
    const char *boot = (const char *)sqlite3_column_text(tier->statements[sql], 3);
    *stream_out = (struct spool_tier_stream){
        .row = column(tier, sql, 0),
        .stream = (uint64_t)column(tier, sql, 1),
        .ordinal = column(tier, sql, 2),
        .clock = sqlite3_column_blob(tier->statements[sql], 4),
        .clock_bytes = (size_t)sqlite3_column_bytes(tier->statements[sql], 4),
    };
    (void)snprintf(stream_out->boot, sizeof(stream_out->boot), "%s", boot != NULL ? boot : "");
}

int spool_tier_each_stream(struct spool_tier *tier, spool_tier_visit_stream visit, void *context)
{
    int r;
    while ((r = step(tier, SPOOL_SQL_STREAMS)) == 0) {
        struct spool_tier_stream stream;
        read_stream(tier, &stream);
        r = visit(context, &stream);
        if (r != 0) {
            reset(tier, SPOOL_SQL_STREAMS);
            return r;
        }
    }
    return r == SPOOL_TIER_NONE ? 0 : r;
}

int spool_tier_add_stream(struct spool_tier *tier, const struct spool_tier_stream *stream,
                          int64_t *row_out)
{
    const enum spool_sql sql = SPOOL_SQL_ADD_STREAM;
    bind(tier, sql, 1, (int64_t)stream->stream);
    bind(tier, sql, 2, stream->ordinal);
    if (sqlite3_bind_text(tier->statements[sql], 3, stream->boot, -1, SQLITE_STATIC) != SQLITE_OK)
        return fail(tier, SQLITE_NOMEM, spool_sql[sql]);
    note_growth(tier, stream->clock_bytes);
    int r = bind_blob(tier, sql, 4, stream->clock, stream->clock_bytes);
    if (r == 0)
        r = run(tier, sql);
    if (r == 0)
        *row_out = sqlite3_last_insert_rowid(tier->sqlite);
    return r;
}

int spool_tier_set_clock(struct spool_tier *tier, int64_t row, const void *clock,
                         size_t clock_bytes)
{
    note_growth(tier, clock_bytes);
    bind(tier, SPOOL_SQL_SET_STREAM, 1, row);
    int r = bind_blob(tier, SPOOL_SQL_SET_STREAM, 2, clock, clock_bytes);
    return r == 0 ? run(tier, SPOOL_SQL_SET_STREAM) : r;
}

int spool_tier_remove_stream(struct spool_tier *tier, int64_t row)
{
    bind(tier, SPOOL_SQL_REMOVE_STREAM, 1, row);
    return run(tier, SPOOL_SQL_REMOVE_STREAM);
}

/* --- groups --- */

static void read_group(struct spool_tier *tier, struct spool_tier_group *group_out)
{
    const enum spool_sql sql = SPOOL_SQL_GROUPS;
    *group_out = (struct spool_tier_group){
        .key = (uint64_t)column(tier, sql, 0) & SPOOL_SEQUENCE_MAX,
        .first = (uint64_t)column(tier, sql, 1),
        .last = (uint64_t)column(tier, sql, 2),
        .bytes = (uint64_t)column(tier, sql, 3),
        .samples = (uint64_t)column(tier, sql, 4),
        .since_ms = column(tier, sql, 5),
        .acked = (uint64_t)column(tier, sql, 6),
        .aside = (uint64_t)column(tier, sql, 7),
        .collector = (uint64_t)column(tier, sql, 8),
    };
}

int spool_tier_each_group(struct spool_tier *tier, int64_t row, spool_tier_visit_group visit,
                          void *context)
{
    bind(tier, SPOOL_SQL_GROUPS, 1, id_of(row, 0));
    bind(tier, SPOOL_SQL_GROUPS, 2, id_of(row, SPOOL_SEQUENCE_MAX));
    int r;
    while ((r = step(tier, SPOOL_SQL_GROUPS)) == 0) {
        struct spool_tier_group group;
        read_group(tier, &group);
        r = visit(context, &group);
        if (r != 0) {
            reset(tier, SPOOL_SQL_GROUPS);
            return r;
        }
    }
    return r == SPOOL_TIER_NONE ? 0 : r;
}

int spool_tier_put_group(struct spool_tier *tier, int64_t row, const struct spool_tier_group *group)
{
    const int64_t values[] = {
        id_of(row, group->key), (int64_t)group->first,   (int64_t)group->last,
        (int64_t)group->bytes,  (int64_t)group->samples, group->since_ms,
        (int64_t)group->acked,  (int64_t)group->aside,   (int64_t)group->collector};
    note_growth(tier, 0);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        bind(tier, SPOOL_SQL_PUT_GROUP, (int)i + 1, values[i]);
    return run(tier, SPOOL_SQL_PUT_GROUP);
}

int spool_tier_remove_group(struct spool_tier *tier, int64_t row, uint64_t key)
{
    bind(tier, SPOOL_SQL_REMOVE_GROUP, 1, id_of(row, key));
    return run(tier, SPOOL_SQL_REMOVE_GROUP);
}

/* --- frames --- */

int spool_tier_add_frame(struct spool_tier *tier, int64_t row, const struct spool_tier_frame *frame)
{
    const enum spool_sql sql = SPOOL_SQL_ADD_FRAME;
    if (frame->sequence > SPOOL_SEQUENCE_MAX)
        return -EINVAL;
    note_growth(tier, frame->size);
    bind(tier, sql, 1, id_of(row, frame->sequence));
    bind(tier, sql, 2, frame->time_ms);
    bind(tier, sql, 3, frame->samples);
    bind(tier, sql, 4, (int64_t)frame->bytes_before);
    bind(tier, sql, 5, (int64_t)frame->samples_before);
    int r = bind_blob(tier, sql, 6, frame->bytes, frame->size);
    return r == 0 ? run(tier, sql) : r;
}

int spool_tier_remove_frames(struct spool_tier *tier, int64_t row, uint64_t first, uint64_t last)
{
    bind(tier, SPOOL_SQL_REMOVE_FRAMES, 1, id_of(row, first));
    bind(tier, SPOOL_SQL_REMOVE_FRAMES, 2, id_of(row, last));
    return run(tier, SPOOL_SQL_REMOVE_FRAMES);
}

int spool_tier_read(struct spool_tier *tier, int64_t row, uint64_t sequence,
                    struct spool_tier_frame *frame_out)
{
    const enum spool_sql sql = SPOOL_SQL_READ_FRAME;
    bind(tier, sql, 1, id_of(row, sequence));
    int r = step(tier, sql);
    if (r != 0)
        return r == SPOOL_TIER_NONE || r == -ENOMEM ? r : SPOOL_TIER_DAMAGED;
    *frame_out = (struct spool_tier_frame){
        .sequence = sequence,
        .time_ms = column(tier, sql, 0),
        .samples = (uint32_t)column(tier, sql, 1),
        .bytes_before = (uint64_t)column(tier, sql, 2),
        .samples_before = (uint64_t)column(tier, sql, 3),
        .bytes = sqlite3_column_blob(tier->statements[sql], 4),
        .size = (size_t)sqlite3_column_bytes(tier->statements[sql], 4),
    };
    if (frame_out->bytes != NULL && frame_out->size > 0)
        return 0;
    r = sqlite3_errcode(tier->sqlite) == SQLITE_NOMEM ? -ENOMEM : SPOOL_TIER_DAMAGED;
    (void)fail_as(tier, r, "a frame cannot be read");
    reset(tier, sql);
    return r;
}

void spool_tier_done_reading(struct spool_tier *tier)
{
    reset(tier, SPOOL_SQL_READ_FRAME);
}

/* --- the rest --- */

int spool_tier_read_drops(struct spool_tier *tier, struct drop_total *drops)
{
    const enum spool_sql sql = SPOOL_SQL_DROPS;
    int r;
    while ((r = step(tier, sql)) == 0) {
        int64_t reason = column(tier, sql, 0);
        uint64_t frames = (uint64_t)column(tier, sql, 1);
        if (reason < 0 || reason >= DROP_REASONS || frames <= drops[reason].frames)
            continue;
        drops[reason] =
            (struct drop_total){.frames = frames, .samples = (uint64_t)column(tier, sql, 2)};
    }
    return r == SPOOL_TIER_NONE ? 0 : r;
}

int spool_tier_put_drops(struct spool_tier *tier, const struct drop_total *drops)
{
    note_growth(tier, 0);
    for (int i = 0; i < DROP_REASONS; i++) {
        if (drops[i].frames == 0)
            continue;
        bind(tier, SPOOL_SQL_PUT_DROP, 1, i);
        bind(tier, SPOOL_SQL_PUT_DROP, 2, (int64_t)drops[i].frames);
        bind(tier, SPOOL_SQL_PUT_DROP, 3, (int64_t)drops[i].samples);
        int r = run(tier, SPOOL_SQL_PUT_DROP);
        if (r != 0)
            return r;
    }
    return 0;
}

static int number(struct spool_tier *tier, enum spool_sql sql, int64_t *number_out)
{
    int r = step(tier, sql);
    if (r != 0)
        return r;
    *number_out = column(tier, sql, 0);
    reset(tier, sql);
    return 0;
}

/* Pages that are in use. */
static int count_used(struct spool_tier *tier)
{
    int64_t pages = 0;
    int64_t unused = 0;
    int r = number(tier, SPOOL_SQL_PAGE_COUNT, &pages);
    if (r == 0)
        r = number(tier, SPOOL_SQL_FREE_PAGES, &unused);
    if (r == 0)
        tier->used_max = (uint64_t)(pages - unused) * SPOOL_PAGE_BYTES;
    tier->has_counted = r == 0;
    return r;
}

int spool_tier_fits(struct spool_tier *tier, uint64_t bytes, uint64_t bound, bool *fits_out)
{
    int r = 0;
    if (!tier->has_counted || tier->used_max + bytes > bound)
        r = count_used(tier);
    if (r == 0)
        *fits_out = tier->used_max + bytes <= bound;
    return r;
}

int spool_tier_shrink(struct spool_tier *tier)
{
    return run(tier, SPOOL_SQL_GIVE_BACK_PAGES);
}
