/* The command line of shoal-agent. Apart from main.c, as getopt(3) and common/config.h each have a
 * `struct option`. */
#ifndef SHOAL_AGENT_COMMAND_H
#define SHOAL_AGENT_COMMAND_H

#include <stddef.h>

#define COMMAND_FILES_MAX 64
#define COMMAND_FILE_DEFAULT "/etc/shoal/agent.yaml"

enum command_task {
    COMMAND_RUN,
    COMMAND_ONCE,
    COMMAND_CHECK,
    COMMAND_PRINT,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_WRONG
};

struct command {
    enum command_task task;
    const char *files[COMMAND_FILES_MAX]; /* point into argv */
    size_t n_files;
};

extern const char command_usage[];

/* Without --config the default file is taken if it is there. What is wrong is said on standard
 * error by getopt(3), or by the caller with the usage. */
void command_parse(struct command *command, int argc, char **argv);

#endif
