/* A growing byte buffer. Errors stick: after a failed allocation appends do nothing, and
 * buffer_failed() tells, so that a writer needs one check at its end. */
#ifndef SHOAL_COMMON_BUFFER_H
#define SHOAL_COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Caller's storage; all zeros is an empty buffer. */
struct buffer {
    char *data;
    size_t size;
    size_t capacity;
    bool has_failed;
};

void buffer_deinit(struct buffer *buffer); /* empty again, also without memory */
void buffer_clear(struct buffer *buffer);  /* no bytes, no error, memory kept */

/* Room for `extra` more bytes: a place to write them, then buffer_wrote(). NULL after an error. */
char *buffer_reserve(struct buffer *buffer, size_t extra);

static inline void buffer_wrote(struct buffer *buffer, size_t n)
{
    buffer->size += n;
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t n)
{
    char *to = buffer_reserve(buffer, n);
    if (to == NULL || n == 0)
        return;
    memcpy(to, data, n);
    buffer->size += n;
}

void buffer_text(struct buffer *buffer, const char *text);
__attribute__((format(printf, 2, 3))) void buffer_print(struct buffer *buffer, const char *format,
                                                        ...);
static inline bool buffer_failed(const struct buffer *buffer)
{
    return buffer->has_failed;
}

/* Ends the bytes with a NUL that is not counted in size; "" after an error. */
const char *buffer_string(struct buffer *buffer);

#define BUFFER_AUTO __attribute__((cleanup(buffer_deinit)))

#endif
