/*
 * Part of the filesystem input: statfs(2) with a deadline. A network file system whose server is
 * gone holds its caller for as long as it likes; such a mount is asked by a thread of its own,
 * which is left behind, and the mount counts as stuck until that thread returns.
 */
#ifndef SHOAL_AGENT_INPUTS_MOUNT_STAT_H
#define SHOAL_AGENT_INPUTS_MOUNT_STAT_H

#include <stdint.h>
#include <sys/vfs.h>

#include "common/series.h"

#define MOUNT_STUCK_MAX 64 /* threads left behind; with more, further mounts count as stuck too */

/* A result of mount_stat_read: no answer in time. */
enum { MOUNT_STUCK = 1 };

struct mount_stat;

/* NULL when out of memory. */
struct mount_stat *mount_stat_new(void);
void mount_stat_free(struct mount_stat *mounts); /* waits for no thread; may be NULL */

/* `type` says whether the mount can hang. Blocks for timeout_ms at most, the first time; at once
 * while the mount is stuck. 0, MOUNT_STUCK, or a negative errno of statfs() or the thread. */
WARN_UNUSED int mount_stat_read(struct mount_stat *mounts, const char *path, const char *type,
                                int64_t timeout_ms, struct statfs *out);

#endif
