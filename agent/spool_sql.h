/* The SQL of a spool's file, in one place, by name; and how its tables are made. */
#ifndef SHOAL_AGENT_SPOOL_SQL_H
#define SHOAL_AGENT_SPOOL_SQL_H

#define SPOOL_APPLICATION_ID 0x53484f53 /* "SHOS": file(1) and we know the file as ours */
#define SPOOL_SCHEMA_VERSION 1

enum spool_sql {
    SPOOL_SQL_BEGIN,
    SPOOL_SQL_COMMIT,
    SPOOL_SQL_ROLLBACK,
    SPOOL_SQL_STREAMS,
    SPOOL_SQL_ADD_STREAM,
    SPOOL_SQL_SET_STREAM,
    SPOOL_SQL_REMOVE_STREAM,
    SPOOL_SQL_GROUPS,
    SPOOL_SQL_PUT_GROUP,
    SPOOL_SQL_REMOVE_GROUP,
    SPOOL_SQL_ADD_FRAME,
    SPOOL_SQL_READ_FRAME,
    SPOOL_SQL_REMOVE_FRAMES,
    SPOOL_SQL_DROPS,
    SPOOL_SQL_PUT_DROP,
    SPOOL_SQL_PAGE_COUNT,
    SPOOL_SQL_FREE_PAGES,
    SPOOL_SQL_GIVE_BACK_PAGES,
    SPOOL_SQL_COUNT
};

extern const char *const spool_sql[SPOOL_SQL_COUNT];

/* What a connection is told first; only then may the file be read. */
extern const char spool_sql_settings[];

/* Makes the tables in a new file. */
extern const char spool_sql_schema[];

#endif
