/*
 * Part of the textfile input: puts the metrics of several files together, as far as they go
 * together. Left out are a family whose type or help differs from that in a file before or that is
 * the input's own, a series that was there before, and what a reading has no room for.
 */
#ifndef SHOAL_AGENT_INPUTS_TEXTFILE_MERGE_H
#define SHOAL_AGENT_INPUTS_TEXTFILE_MERGE_H

#include "agent/textformat.h"
#include "common/reading.h"

#define TEXTFILE_FILES_MAX 1000
#define TEXTFILE_MTIME_NAME "node_textfile_mtime_seconds"
#define TEXTFILE_ERROR_NAME "node_textfile_scrape_error"

struct textfile_file {
    char *path;
    char *text; /* what the document points into */
    struct textformat document;
    int64_t changed_s; /* UTC */
};

/* Adds all that goes together, changing the documents; *is_whole_out is false if something was left
 * out. 0, or -ENOMEM. */
WARN_UNUSED int textfile_merge(struct textfile_file *files, size_t n_files, struct reading *reading,
                               bool *is_whole_out);

#endif
