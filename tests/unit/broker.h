/*
 * A real mosquitto of the test's own, on a free port of 127.0.0.1, with its files in a directory of
 * its own. Every function fails the running test where it cannot do what it says, and shows the
 * broker's log. The broker dies with the test program.
 */
#ifndef SHOAL_TESTS_BROKER_H
#define SHOAL_TESTS_BROKER_H

#include <stdint.h>
#include <sys/types.h>

#include "tests/unit/tree.h"

#define BROKER_PATH_BYTES_MAX 128

struct broker {
    struct tree files;
    uint16_t port;
    pid_t pid; /* 0: not running */
};

/* Makes the directory and picks the port. */
void broker_init(struct broker *broker);

/* Stops it and removes the directory. */
void broker_deinit(struct broker *broker);

/* Starts it with these configuration lines for its one listener, and waits until it answers. */
void broker_start(struct broker *broker, const char *lines);

/* By SIGTERM, or by SIGKILL without a chance to say goodbye; waits until it has ended. */
void broker_stop(struct broker *broker);
void broker_kill(struct broker *broker);

/* SIGSTOP and SIGCONT: a broker that is there and does nothing. */
void broker_freeze(const struct broker *broker);
void broker_thaw(const struct broker *broker);

/* The path of a file in its directory, and the writing of one. */
void broker_path(const struct broker *broker, const char *name, char path[BROKER_PATH_BYTES_MAX]);
void broker_write(const struct broker *broker, const char *name, const char *text);

/* A port of 127.0.0.1 that nobody listens on at this moment. */
uint16_t broker_free_port(void);

#endif
