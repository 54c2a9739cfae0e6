/*
 * The last time known, in the state directory: a boot that does not learn the time cannot be before
 * it, and within the same boot the agent knows the time at once. A line "BOOT BOOT-MS UTC-MS
 * UNCERTAINTY-MS SOURCE". Logs trouble once; nothing else depends on it.
 */
#ifndef SHOAL_AGENT_UTC_KEPT_H
#define SHOAL_AGENT_UTC_KEPT_H

#include "agent/boot.h"
#include "agent/utc_map.h"

#define UTC_KEPT_FILE "last-time"

/* Caller's storage. */
struct utc_kept {
    char *path; /* of the state directory; NULL: keeps nothing */
    char boot[BOOT_KEY_BYTES_MAX + 1];
    int64_t written_ms; /* boot time of the last attempt */
    bool has_failed;
};

/* Without a state directory (NULL) it keeps nothing. 0 or -ENOMEM. */
WARN_UNUSED int utc_kept_init(struct utc_kept *kept, const char *state_directory, const char *proc);
void utc_kept_deinit(struct utc_kept *kept);

/* Into an empty map: a point, if what is kept is of this boot, else the floor. */
void utc_kept_read(struct utc_kept *kept, struct utc_map *map, int64_t now_boot_ms);

/* Keeps what the map says of now; it has to be known. Blocks until it is on disk. */
void utc_kept_write(struct utc_kept *kept, const struct utc_map *map, int64_t now_boot_ms);

#endif
