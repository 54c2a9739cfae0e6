/*
 * Reading the store, beside its writer: a connection of its own, in a thread of its own. A call
 * copies at most STORE_READ_BYTES_MAX per transaction and hands out the copy afterwards.
 */
#ifndef SHOAL_COLLECTOR_STORE_READER_H
#define SHOAL_COLLECTOR_STORE_READER_H

#include "collector/store.h"

struct store_reader;

/* A connection for reading: own thread, any number. */
WARN_UNUSED int store_reader_open(const char *directory, struct store_reader **reader_out,
                                  struct store_error *error);
void store_reader_close(struct store_reader *reader); /* may be NULL */

/* All streams in the order of their last commit, oldest first; the callback's error ends it. */
typedef int (*store_stream_visit)(void *context, const struct store_stream *stream);
WARN_UNUSED int store_reader_streams(struct store_reader *reader, store_stream_visit visit,
                                     void *context, struct store_error *error);

/* A node's totals of drops as it last said; zeros if it never did. */
WARN_UNUSED int store_reader_drops(struct store_reader *reader, const char *node,
                                   struct drop_total drops_out[DROP_REASONS],
                                   struct store_error *error);

/* Frames of one stream from `sequence` on, in order, at most STORE_READ_BYTES_MAX of them per
 * transaction (it takes as many as it needs); the bytes are valid during the call. */
typedef int (*store_frame_visit)(void *context, const struct store_frame *frame);
WARN_UNUSED int store_reader_frames(struct store_reader *reader, int64_t stream_row,
                                    uint64_t sequence, store_frame_visit visit, void *context,
                                    struct store_error *error);

/* The same for the whole log after `log_id`: what consumers read. Ends at the newest frame. */
WARN_UNUSED int store_reader_log(struct store_reader *reader, uint64_t log_id,
                                 store_frame_visit visit, void *context, struct store_error *error);

#endif
