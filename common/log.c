#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/series.h"

#define TEXT_BYTES_MAX 2048
#define PREFIX_BYTES_MAX 64
#define ESCAPE_BYTES 4 /* \xNN */

static atomic_int level_shown = LOG_LEVEL_INFO;

static const struct {
    const char *name;
    int priority; /* as in syslog(3) */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

void log_set_level(enum log_level level)
{
    atomic_store(&level_shown, (int)level);
}

/* The variable is inherited where standard error goes elsewhere: systemd.exec(5) says to compare.
 */
static bool journal_listens(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    char want[PREFIX_BYTES_MAX];
    (void)snprintf(want, sizeof(want), "%llu:%llu", (unsigned long long)status.st_dev,
                   (unsigned long long)status.st_ino);
    return strcmp(stream, want) == 0;
}

static size_t write_prefix(char prefix[PREFIX_BYTES_MAX], enum log_level level)
{
    if (journal_listens())
        return (size_t)snprintf(prefix, PREFIX_BYTES_MAX, "<%d>", levels[level].priority);
    int64_t now_ms = clock_utc_ms(clock_system());
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL)
        utc = (struct tm){0};
    size_t n = strftime(prefix, PREFIX_BYTES_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(prefix + n, PREFIX_BYTES_MAX - n, ".%03dZ %s ", (int)(now_ms % 1000),
                          levels[level].name);
    return n;
}

/* Bytes of the printable character at text, 0 where it is none (controls, bad UTF-8). */
static size_t printable_bytes(const char *text, size_t size)
{
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    size_t n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (n > size || !utf8_is_valid(text, n))
        return 0;
    /* U+0080 to U+009F are controls that terminals obey. */
    return first == 0xc2 && (unsigned char)text[1] < 0xa0 ? 0 : n;
}

/* Names come from other machines: none of them may begin a line or move a cursor. */
static size_t escape(char *to, const char *text, size_t size)
{
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        size_t printable = printable_bytes(text + at, size - at);
        if (printable > 0) {
            memcpy(to + n, text + at, printable);
            n += printable;
            at += printable;
        } else {
            (void)snprintf(to + n, ESCAPE_BYTES + 1, "\\x%02x", (unsigned char)text[at]);
            n += ESCAPE_BYTES;
            at++;
        }
    }
    return n;
}

/* One write a line, so that lines of several threads do not mix. */
static void write_line(const char *line, size_t size)
{
    while (size > 0) {
        ssize_t n = write(STDERR_FILENO, line, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* there is nobody left to tell */
        line += n;
        size -= (size_t)n;
    }
}

__attribute__((format(printf, 2, 0))) static void log_line(enum log_level level, const char *format,
                                                           va_list args)
{
    if ((int)level > atomic_load(&level_shown))
        return;
    int error = errno; /* callers may log between a failure and its use */
    char text[TEXT_BYTES_MAX];
    char line[PREFIX_BYTES_MAX + TEXT_BYTES_MAX * ESCAPE_BYTES + 1];
    int size = vsnprintf(text, sizeof(text), format, args);
    if (size >= (int)sizeof(text)) {
        memcpy(text + sizeof(text) - sizeof("..."), "...", sizeof("..."));
        size = (int)sizeof(text) - 1;
    }
    if (size >= 0) {
        size_t n = write_prefix(line, level);
        n += escape(line + n, text, (size_t)size);
        line[n++] = '\n';
        write_line(line, n);
    }
    errno = error;
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_ERROR, format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_WARNING, format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_INFO, format, args);
    va_end(args);
}

void log_debug(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_DEBUG, format, args);
    va_end(args);
}
