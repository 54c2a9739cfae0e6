/* Small text files in the state directory, read and replaced as a whole. */
#ifndef SHOAL_AGENT_STATE_FILE_H
#define SHOAL_AGENT_STATE_FILE_H

#include "common/series.h"

#define STATE_FILE_NAME_BYTES_MAX 64

/* Opens the directory, and makes it where it is missing: a descriptor to close, or a negative
 * errno. */
WARN_UNUSED int state_file_directory(const char *path);

/* The file's text up to its first line feed, cut where it does not fit. 0 or a negative errno. */
WARN_UNUSED int state_file_read(int directory, const char *name, char *text_out, size_t text_bytes);

/* Replaces the file by the text and a line feed: whole or not at all, power failing or not. Blocks
 * until it is on disk. 0 or a negative errno. */
WARN_UNUSED int state_file_write(int directory, const char *name, const char *text);

#endif
