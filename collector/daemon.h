/*
 * The collector put together: the store, the live view, ingest on a writer's thread, the receiver
 * on a thread of its own, the pages' pool. Knows nothing of signals and command lines.
 */
#ifndef SHOAL_COLLECTOR_DAEMON_H
#define SHOAL_COLLECTOR_DAEMON_H

#include "collector/settings.h"
#include "common/clock.h"

#define DAEMON_ERROR_BYTES_MAX 600
#define DAEMON_VERSION "shoal-collector " SHOAL_VERSION

enum { DAEMON_FAILED = 1 };

struct daemon;

struct daemon_error {
    char text[DAEMON_ERROR_BYTES_MAX]; /* for people: what could not be started, and why */
};

/* Opens everything and starts the threads. The settings stay the caller's until daemon_stop. 0 or
 * DAEMON_FAILED with *error filled and nothing left running. */
WARN_UNUSED int daemon_start(const struct settings *settings, struct clock *clock,
                             struct daemon **daemon_out, struct daemon_error *error);

/* Ends the threads and closes everything: acks that wait go out first. May be NULL. */
void daemon_stop(struct daemon *daemon);

/* Nodes that the configuration names, known from now on; those that it named before and that were
 * never heard are forgotten. 0, -ENOMEM or -E2BIG. */
WARN_UNUSED int daemon_name_nodes(struct daemon *daemon, const struct config_list *nodes);

/* Where the pages are, "127.0.0.1:9757". */
const char *daemon_address(const struct daemon *daemon);

#endif
