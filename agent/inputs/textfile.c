/*
 * textfile: metrics that other programs leave in files *.prom in the Prometheus text format. A file
 * with an error, or with timestamps (which would be older than the reading that they come in), is
 * left out whole; node_textfile_scrape_error tells that there was one, the log which and why.
 */
#include "agent/inputs/textfile_merge.h"
#include "agent/procfs.h"
#include "agent/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_BYTES_MAX TEXTFORMAT_BYTES_MAX /* of all files together */
#define SUFFIX ".prom"

struct textfile_config {
    char *directory;
};

struct textfile_state {
    const struct textfile_config *config;
};

/* One reading: the files that are good so far. */
struct textfile_scan {
    struct textfile_file files[TEXTFILE_FILES_MAX];
    size_t n_files;
    size_t n_bytes;
    bool has_error;
    struct input_error *error; /* the first one */
};

static const struct option options[] = {
    {.name = "directory",
     .type = OPTION_TEXT,
     .offset = offsetof(struct textfile_config, directory),
     .default_text = "",
     .help = "Directory of the files *.prom, or a pattern of several (/srv/*/metrics); empty: "
             "none."},
    OPTIONS_END,
};

static const struct family mtime_family =
    FAMILY(GAUGE, TEXTFILE_MTIME_NAME, "Unixtime mtime of textfiles successfully read.");
static const struct family error_family = FAMILY(
    GAUGE, TEXTFILE_ERROR_NAME, "1 if there was an error opening or reading a file, 0 otherwise");

static int textfile_open(const void *config, const struct input_host *host, void **state_out,
                         struct input_error *error)
{
    (void)host;
    struct textfile_state *state = malloc(sizeof(*state));
    if (state == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    state->config = config;
    *state_out = state;
    return 0;
}

static void free_file(struct textfile_file *file)
{
    free(file->path);
    free(file->text);
    textformat_deinit(&file->document);
    *file = (struct textfile_file){.path = NULL};
}

static void free_scan(struct textfile_scan *scan)
{
    for (size_t i = 0; i < scan->n_files; i++)
        free_file(&scan->files[i]);
    free(scan);
}

__attribute__((format(printf, 2, 3))) static void note(struct textfile_scan *scan,
                                                       const char *format, ...)
{
    va_list arguments;
    if (scan->has_error)
        return;
    va_start(arguments, format);
    (void)vsnprintf(scan->error->text, sizeof(scan->error->text), format, arguments);
    va_end(arguments);
    scan->has_error = true;
}

/* The file as text with a NUL behind it. Whatever does not fit the bound is refused, also a file
 * that grows while it is read. */
static int read_text(int fd, size_t room, char **text_out, size_t *size_out)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        return -errno;
    if (!S_ISREG(stat.st_mode))
        return -EINVAL;
    if (stat.st_size < 0 || (size_t)stat.st_size > room)
        return -EFBIG;
    size_t expected = (size_t)stat.st_size;
    char *text = malloc(expected + 1);
    if (text == NULL)
        return -ENOMEM;
    ssize_t n = 0;
    size_t size = 0;
    while (size < expected + 1 && (n = read(fd, text + size, expected + 1 - size)) > 0)
        size += (size_t)n;
    if (n < 0 || size > expected) {
        int r = n < 0 ? -errno : -EAGAIN;
        free(text);
        return r;
    }
    text[size] = '\0';
    *text_out = text;
    *size_out = size;
    return 0;
}

static int refuse_times(const struct textformat *document, struct textformat_error *error)
{
    for (size_t i = 0; i < document->n_samples; i++)
        if (document->samples[i].has_time) {
            *error = (struct textformat_error){document->samples[i].line, "a timestamp"};
            return TEXTFORMAT_BAD;
        }
    return 0;
}

/* Opens without waiting for the writer of a FIFO. The time is asked for last, so that a file which
 * fails does not look fresh. */
static int load_file(struct textfile_file *file, size_t room, size_t *size_out,
                     struct textformat_error *error)
{
    struct stat stat;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int r = read_text(fd, room, &file->text, size_out);
    if (r == 0)
        r = textformat_parse(&file->document, file->text, *size_out, error);
    if (r == 0)
        r = refuse_times(&file->document, error);
    if (r == 0 && fstat(fd, &stat) < 0)
        r = -errno;
    (void)close(fd);
    if (r == 0)
        file->changed_s = stat.st_mtim.tv_sec;
    return r;
}

static void take_file(struct textfile_scan *scan, const char *directory, const char *name)
{
    struct textfile_file file = {.path = NULL};
    struct textformat_error error = {.line = 0};
    size_t size = 0;
    if (scan->n_files == TEXTFILE_FILES_MAX || asprintf(&file.path, "%s/%s", directory, name) < 0) {
        note(scan, "%s/%s: no room for more files", directory, name);
        return;
    }
    int r = load_file(&file, ALL_BYTES_MAX - scan->n_bytes, &size, &error);
    if (r != 0) {
        if (r == TEXTFORMAT_BAD)
            note(scan, "%s: line %zu: %s", file.path, error.line, error.what);
        else
            note(scan, "%s: %s", file.path, strerror(-r));
        free_file(&file);
        return;
    }
    scan->files[scan->n_files++] = file;
    scan->n_bytes += size;
}

static int is_prom(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    size_t n_suffix = sizeof(SUFFIX) - 1;
    return n >= n_suffix && strcmp(entry->d_name + n - n_suffix, SUFFIX) == 0;
}

static void scan_directory(struct textfile_scan *scan, const char *directory)
{
    struct dirent **entries;
    int n = scandir(directory, &entries, is_prom, alphasort);
    if (n < 0) {
        note(scan, "%s: %s", directory, strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        take_file(scan, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void scan_all(struct textfile_scan *scan, const char *pattern)
{
    glob_t found;
    if (*pattern == '\0')
        return;
    int r = glob(pattern, 0, NULL, &found);
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        scan_directory(scan, found.gl_pathv[i]);
    if (r != 0)
        scan_directory(scan, pattern); /* says what is wrong with it */
    globfree(&found);
}

static int textfile_read(void *opaque, struct reading *reading, struct input_error *error)
{
    const struct textfile_state *state = opaque;
    struct textfile_scan *scan = malloc(sizeof(*scan)); /* large, and mostly not used */
    char path[LABEL_VALUE_BYTES_MAX + 1];
    bool is_whole = true;
    if (scan == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    scan->n_files = scan->n_bytes = 0;
    scan->has_error = false;
    scan->error = error;
    scan_all(scan, state->config->directory);
    int r = textfile_merge(scan->files, scan->n_files, reading, &is_whole);
    if (!is_whole)
        note(scan, "%s: series that stand there twice, or with another type or help, are left out",
             state->config->directory);
    for (size_t i = 0; r == 0 && i < scan->n_files; i++) {
        utf8_repair(path, sizeof(path), scan->files[i].path);
        reading_add(reading, &mtime_family, (double)scan->files[i].changed_s,
                    LABELS({"file", path}));
    }
    reading_add(reading, &error_family, scan->has_error, NO_LABELS);
    free_scan(scan);
    return r == 0 ? 0 : input_fail(error, r, "out of memory");
}

const struct input input_textfile = {
    .name = "textfile",
    .job = "node",
    .help = "Metrics that other programs leave in files.",
    .is_on = true,
    .may_block = true,
    .node_collector = "textfile",
    .options = options,
    .config_bytes = sizeof(struct textfile_config),
    .open = textfile_open,
    .close = free,
    .read = textfile_read,
};
