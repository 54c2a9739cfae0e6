/* Percent-encoding of a path's segments (RFC 3986, 2.1 and 3.3). */
#ifndef SHOAL_COLLECTOR_URL_H
#define SHOAL_COLLECTOR_URL_H

#include "common/buffer.h"
#include "common/series.h"

enum { URL_BAD = 1 };

/* Appends a segment; all but unreserved characters encoded. */
void url_append_segment(struct buffer *out, const char *segment);

/* Decodes the segment that *path begins with ("/a%2Fb/c") into out, at most size - 1 bytes, and
 * moves *path on to the next slash or the end. 0, or URL_BAD: no segment, a wrong encoding, a NUL,
 * or too long. */
WARN_UNUSED int url_take_segment(const char **path, char *out, size_t size);

#endif
