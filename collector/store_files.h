/*
 * The files beside the database: its directory, the lock that keeps a second collector out, and the
 * ballast, which is given up when the disk is full, so that there is room to delete.
 */
#ifndef SHOAL_COLLECTOR_STORE_FILES_H
#define SHOAL_COLLECTOR_STORE_FILES_H

#include "collector/store.h"

#define STORE_DATABASE_NAME "shoal.db"
#define STORE_LOCK_NAME "shoal.lock"
#define STORE_BALLAST_NAME "ballast"

/* Makes the directory and its parents where they are missing. 0 or negative errno. */
WARN_UNUSED int store_files_make_directory(const char *directory, struct store_error *error);

/* Takes the lock for as long as *fd_out is open. 0, STORE_LOCKED (the error names the holder),
 * negative errno. */
WARN_UNUSED int store_files_lock(const char *directory, int *fd_out, struct store_error *error);

/* Makes the ballast. 0, STORE_FULL, negative errno; a part of it is not left behind. */
WARN_UNUSED int store_files_make_ballast(const char *directory, struct store_error *error);
void store_files_drop_ballast(const char *directory);

/* "DIRECTORY/NAME", the caller's to free; NULL when out of memory. */
char *store_files_path(const char *directory, const char *name);

/* Bytes of a file; 0 if it is not there. */
uint64_t store_files_size(const char *path);

#endif
