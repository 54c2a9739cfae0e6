/* The command line of shoal-collector. Apart from main.c, as getopt(3) and common/config.h each
 * have a `struct option`. */
#ifndef SHOAL_COLLECTOR_ARGUMENTS_H
#define SHOAL_COLLECTOR_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#define ARGUMENTS_FILES_MAX 64
#define ARGUMENTS_FILE_DEFAULT "/etc/shoal/collector.yaml"

enum arguments_task {
    ARGUMENTS_RUN,
    ARGUMENTS_CHECK,
    ARGUMENTS_PRINT,
    ARGUMENTS_VERSION,
    ARGUMENTS_HELP,
    ARGUMENTS_WRONG
};

struct arguments {
    enum arguments_task task;
    const char *files[ARGUMENTS_FILES_MAX];
    size_t n_files;
};

extern const char arguments_usage[];

/* Without --config the default file is taken if it is there. */
void arguments_parse(struct arguments *arguments, int argc, char **argv);

#endif
