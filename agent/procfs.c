/*
 * Reads and takes apart the kernel's text files. Knows nothing of what they mean, nor of readings.
 */
#include "agent/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_STEP_BYTES 4096
#define EXACT_DIGITS_MAX 15 /* decimal digits that a double's integer range holds for sure */

static int init(struct procfs_file *file, const char *format, va_list arguments)
{
    *file = (struct procfs_file){.fd = -1};
    if (vasprintf(&file->path, format, arguments) >= 0)
        return 0;
    file->path = NULL; /* undefined after an error */
    return -ENOMEM;
}

int procfs_init(struct procfs_file *file, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r = init(file, format, arguments);
    va_end(arguments);
    return r;
}

static void close_fd(struct procfs_file *file)
{
    if (file->path != NULL && file->fd >= 0)
        (void)close(file->fd); /* opened for reading: nothing to lose */
    file->fd = -1;
}

void procfs_deinit(struct procfs_file *file)
{
    close_fd(file);
    free(file->path);
    buffer_deinit(&file->text);
    *file = (struct procfs_file){.fd = -1};
}

int procfs_open(void **state_out, struct input_error *error, const char *format, ...)
{
    struct procfs_file *file = malloc(sizeof(*file));
    if (file == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    va_list arguments;
    va_start(arguments, format);
    int r = init(file, format, arguments);
    va_end(arguments);
    if (r < 0) {
        free(file);
        return input_fail(error, r, "out of memory");
    }
    *state_out = file;
    return 0;
}

void procfs_close(void *state)
{
    procfs_deinit(state);
    free(state);
}

/* From offset 0 to the end; a short read is no sign of the end for a seq_file. */
static int read_all(int fd, struct buffer *out)
{
    buffer_clear(out);
    for (;;) {
        char *to = buffer_reserve(out, READ_STEP_BYTES);
        if (to == NULL)
            return -ENOMEM;
        ssize_t n = pread(fd, to, out->capacity - out->size, (off_t)out->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return buffer_failed(out) ? -ENOMEM : 0;
        buffer_wrote(out, (size_t)n);
        if (out->size > PROCFS_FILE_BYTES_MAX)
            return -E2BIG;
    }
}

static int open_and_read(struct procfs_file *file)
{
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0)
        return -errno;
    return read_all(file->fd, &file->text);
}

int procfs_read(struct procfs_file *file, struct input_error *error)
{
    int r = file->fd >= 0 ? read_all(file->fd, &file->text) : open_and_read(file);
    if (r < 0)
        close_fd(file);
    file->line = 0;
    if (r == -ENOENT)
        return INPUT_ABSENT;
    if (r < 0)
        return input_fail(error, r, "%s: %s", file->path, strerror(-r));
    if (*buffer_string(&file->text) == '\0' && buffer_failed(&file->text))
        return input_fail(error, -ENOMEM, "%s: out of memory", file->path);
    file->next = file->text.data;
    return 0;
}

char *procfs_line(struct procfs_file *file)
{
    char *line = file->next;
    if (line == NULL || *line == '\0')
        return NULL;
    char *end = strchr(line, '\n');
    file->line++;
    if (end == NULL) {
        file->next = NULL;
        return line;
    }
    *end = '\0';
    file->next = end + 1;
    return line;
}

int procfs_bad(const struct procfs_file *file, struct input_error *error, const char *format, ...)
{
    char what[INPUT_ERROR_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments); /* cut off if it is too long */
    va_end(arguments);
    if (file->line == 0) /* before the first: of the file as a whole */
        return input_fail(error, -EINVAL, "%s: %s", file->path, what);
    return input_fail(error, -EINVAL, "%s: line %zu: %s", file->path, file->line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

char *procfs_field(char **cursor)
{
    char *start = *cursor;
    while (is_blank(*start))
        start++;
    if (*start == '\0')
        return NULL;
    char *end = start;
    while (*end != '\0' && !is_blank(*end))
        end++;
    if (*end != '\0')
        *end++ = '\0';
    *cursor = end;
    return start;
}

int procfs_u64(const char *text, uint64_t *number_out)
{
    uint64_t number = 0;
    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(unsigned char)*text - '0';
        if (digit > 9)
            return -EINVAL;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return -ERANGE;
    }
    *number_out = number;
    return 0;
}

static int double_slowly(const char *text, double *number_out)
{
    char *end;
    if (*text == '\0' || is_blank(*text) || *text == '\n')
        return -EINVAL;
    double number = strtod(text, &end);
    if (*end != '\0')
        return -EINVAL;
    *number_out = number;
    return 0;
}

/* [-]digits[.digits] with few digits is one exact integer over one exact power of ten, so that one
 * division rounds it as strtod() would. */
int procfs_double(const char *text, double *number_out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *at = text + (*text == '-');
    int64_t mantissa = 0;
    unsigned digits = 0;
    unsigned decimals = 0;
    bool has_point = false;
    for (; *at != '\0'; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (*at == '.' && !has_point) {
            has_point = true;
            continue;
        }
        if (digit > 9 || ++digits > EXACT_DIGITS_MAX)
            return double_slowly(text, number_out);
        mantissa = mantissa * 10 + (int64_t)digit;
        decimals += has_point;
    }
    if (digits == 0)
        return -EINVAL;
    double number = (double)mantissa / powers[decimals];
    *number_out = *text == '-' ? -number : number;
    return 0;
}

static int read_value(const char *path, char *out, size_t out_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* One read: an attribute is made as a whole, and some refuse a second one. */
    ssize_t n = read(fd, out, out_bytes - 1);
    int r = n < 0 ? -errno : 0;
    (void)close(fd);
    if (r < 0)
        return r;
    while (n > 0 && out[n - 1] == '\n')
        n--;
    out[n] = '\0';
    return 0;
}

static int value_of(char *out, size_t out_bytes, const char *format, va_list arguments)
{
    char path[PROCFS_PATH_BYTES_MAX];
    int n = vsnprintf(path, sizeof(path), format, arguments);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    return read_value(path, out, out_bytes);
}

int procfs_value(char *out, size_t out_bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r = value_of(out, out_bytes, format, arguments);
    va_end(arguments);
    return r;
}

int procfs_value_u64(uint64_t *number_out, const char *format, ...)
{
    char text[32] = "";
    va_list arguments;
    va_start(arguments, format);
    int r = value_of(text, sizeof(text), format, arguments);
    va_end(arguments);
    return r < 0 ? r : procfs_u64(text, number_out);
}
