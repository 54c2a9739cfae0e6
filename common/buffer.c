#include "common/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_MIN 64

void buffer_deinit(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    buffer->has_failed = false;
}

/* Doubles, so that many small appends cost few copies. */
static bool grow(struct buffer *buffer, size_t extra)
{
    size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity;
    if (extra > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4)
        return false;
    while (capacity - buffer->size < extra)
        capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

char *buffer_reserve(struct buffer *buffer, size_t extra)
{
    if (buffer->has_failed)
        return NULL;
    if ((buffer->data == NULL || buffer->capacity - buffer->size < extra) && !grow(buffer, extra)) {
        buffer->has_failed = true;
        return NULL;
    }
    return buffer->data + buffer->size;
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *to = n < 0 ? NULL : buffer_reserve(buffer, (size_t)n + 1);
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)n + 1, format, again); /* n is its length: it fits */
        buffer_wrote(buffer, (size_t)n);
    } else {
        buffer->has_failed = true;
    }
    va_end(again);
    va_end(args);
}

const char *buffer_string(struct buffer *buffer)
{
    char *to = buffer_reserve(buffer, 1);
    if (to == NULL)
        return "";
    *to = '\0';
    return buffer->data;
}
