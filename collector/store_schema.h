/*
 * The store's tables and how they came to be: a list of steps, each of which takes the database
 * from one user_version to the next. A new database runs them all.
 */
#ifndef SHOAL_COLLECTOR_STORE_SCHEMA_H
#define SHOAL_COLLECTOR_STORE_SCHEMA_H

#include "collector/store_db.h"

#define STORE_APPLICATION_ID 0x53484f4c /* "SHOL": file(1) and we know the file as ours */

struct store_schema {
    const char *const *steps; /* steps[v] leads from version v to v + 1 */
    size_t n_steps;
};

/* The schema of this version of shoal. */
extern const struct store_schema store_schema;

/*
 * Brings the database to the schema's version, each step in a transaction of its own, so that a
 * crash leaves the version before it. 0, STORE_NEWER, STORE_FULL, -EBADMSG (no store of shoal), or
 * another negative errno.
 */
WARN_UNUSED int store_schema_apply(const struct store_schema *schema, struct store_db *db,
                                   struct store_error *error);

#endif
