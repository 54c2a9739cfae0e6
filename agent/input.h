/*
 * Inputs. An input is one file in inputs/, one `const struct input`, one line in the table of
 * input.c, and one folder of fixtures. It gets its configuration and directories, adds samples to
 * a reading, and knows nothing of frames, spool, MQTT or the log.
 */
#ifndef SHOAL_AGENT_INPUT_H
#define SHOAL_AGENT_INPUT_H

#include "common/clock.h"
#include "common/config.h"
#include "common/reading.h"

#define INPUT_ERROR_BYTES_MAX 256

/* Results of open and read, besides 0 and a negative errno. */
enum {
    INPUT_ABSENT = 1 /* what it reads does not exist on this machine: no error, no series */
};

/* What an input sees of the machine. Directories without a slash at the end. */
struct input_host {
    const char *proc;   /* "/proc" */
    const char *sys;    /* "/sys" */
    const char *rootfs; /* "/" is "" */
    struct clock *clock;
};

/* For people: what failed and where, "/proc/stat: line 3: not a number". */
struct input_error {
    char text[INPUT_ERROR_BYTES_MAX];
};

struct input {
    const char
        *name;       /* the file's name, the key under `inputs:`, and node_exporter's name for it */
    const char *job; /* the target's job, "node" for the host's own */
    const char *help; /* one line for the manual and --print-config */
    bool is_on;       /* without configuration */
    bool may_block;   /* read runs on a worker, under a deadline */
    /* Its name as label `collector` of node_scrape_collector_*; NULL: none. */
    const char *node_collector;
    const struct option *options; /* of its own, up to OPTIONS_END, or NULL */
    size_t config_bytes;          /* size of the struct that the options fill */

    /* Makes the state that read gets; may be NULL for an input without any. `config` and `host`
     * outlive the state. 0, INPUT_ABSENT, or a negative errno with *error filled. */
    int (*open)(const void *config, const struct input_host *host, void **state_out,
                struct input_error *error);
    void (*close)(void *state);

    /* Adds the samples of now. 0, INPUT_ABSENT, or a negative errno with *error filled; what it
     * had added is then not used. With 0 *error, empty before, says what is missing, if anything:
     * a file of many that is broken. */
    int (*read)(void *state, struct reading *reading, struct input_error *error);
};

/* All inputs, up to a NULL. */
extern const struct input *const input_table[];

/* NULL if there is none of that name. */
const struct input *input_find(const char *name);

/* Fills *error and returns `result`: return input_fail(error, -EINVAL, "%s: line %zu", ...); */
__attribute__((format(printf, 3, 4))) int input_fail(struct input_error *error, int result,
                                                     const char *format, ...);

#endif
