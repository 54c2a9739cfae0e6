/*
 * Help for inputs that read the kernel's small text files under proc and sys. Parsing is by hand
 * and in place, since these files are most of what a sampling costs.
 */
#ifndef SHOAL_AGENT_PROCFS_H
#define SHOAL_AGENT_PROCFS_H

#include "agent/input.h"
#include "common/buffer.h"

#define PROCFS_FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define PROCFS_PATH_BYTES_MAX 4096
#define PROCFS_VALUE_BYTES_MAX 4096 /* a sysfs attribute is one page at most */

/*
 * A file that is read at each sampling and stays open in between: the kernel makes its text anew
 * for a read at offset 0. Caller's storage; all zeros may be closed.
 */
struct procfs_file {
    char *path;
    int fd; /* -1: not open */
    struct buffer text;
    char *next;  /* where procfs_line() goes on */
    size_t line; /* number of the line that it gave last */
};

/* Keeps the path; opens nothing yet. 0 or -ENOMEM. */
__attribute__((format(printf, 2, 3))) WARN_UNUSED int procfs_init(struct procfs_file *file,
                                                                  const char *format, ...);
void procfs_deinit(struct procfs_file *file);

/* The state of an input that is one such file: for its open and close. */
__attribute__((format(printf, 3, 4))) WARN_UNUSED int
procfs_open(void **state_out, struct input_error *error, const char *format, ...);
void procfs_close(void *state);

/* Reads the whole file again and goes back to its first line. 0, INPUT_ABSENT if there is none,
 * or a negative errno with *error filled (-E2BIG over PROCFS_FILE_BYTES_MAX). */
WARN_UNUSED int procfs_read(struct procfs_file *file, struct input_error *error);

/* The next line without its line feed, to be changed at will; NULL at the end. */
char *procfs_line(struct procfs_file *file);

/* Fills *error with "PATH: line N: WHAT" for the line given last and returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int
procfs_bad(const struct procfs_file *file, struct input_error *error, const char *format, ...);

/* The next field between blanks, NUL-terminated in place, *cursor moved; NULL at the end. */
char *procfs_field(char **cursor);

/* Numbers in decimal, the whole text: 0, -EINVAL or -ERANGE. */
WARN_UNUSED int procfs_u64(const char *text, uint64_t *number_out);
WARN_UNUSED int procfs_double(const char *text, double *number_out);

/*
 * A small file as text, without the line feeds at its end; what does not fit is cut off. Opened
 * and closed again: for attributes that come and go with their device. 0 or a negative errno.
 */
__attribute__((format(printf, 3, 4))) WARN_UNUSED int procfs_value(char *out, size_t out_bytes,
                                                                   const char *format, ...);
__attribute__((format(printf, 2, 3))) WARN_UNUSED int procfs_value_u64(uint64_t *number_out,
                                                                       const char *format, ...);

/* Seconds of a number of USER_HZ ticks; USER_HZ is 100 on all of Linux' architectures of today. */
static inline double procfs_ticks(uint64_t ticks)
{
    return (double)ticks / 100.0;
}

#endif
