#include "agent/utc_kept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/procfs.h"
#include "agent/state_file.h"
#include "common/log.h"

#define LINE_BYTES_MAX (BOOT_KEY_BYTES_MAX + 80)
#define UTC_MS_MAX INT64_C(253402300799999) /* the end of the year 9999 */

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* of a directory: nothing can be lost */
}
#define FD_AUTO __attribute__((cleanup(close_fd)))

int utc_kept_init(struct utc_kept *kept, const char *state_directory, const char *proc)
{
    *kept = (struct utc_kept){.path = NULL};
    boot_key(proc, kept->boot);
    if (state_directory == NULL)
        return 0;
    kept->path = strdup(state_directory);
    return kept->path == NULL ? -ENOMEM : 0;
}

void utc_kept_deinit(struct utc_kept *kept)
{
    free(kept->path);
    kept->path = NULL;
}

/* The next number of the line, *cursor moved past it; false where there is none in range. */
static bool take_number(char **cursor, int64_t max, int64_t *number_out)
{
    const char *field = procfs_field(cursor);
    uint64_t number;
    if (field == NULL || procfs_u64(field, &number) != 0 || number > (uint64_t)max)
        return false;
    *number_out = (int64_t)number;
    return true;
}

/* Takes the line apart in place; NULL where it is none of ours, else the boot's key. */
static const char *parse(char *line, struct utc_point *point_out)
{
    int64_t utc_ms, uncertainty_ms, source;
    const char *boot = procfs_field(&line);
    if (boot == NULL || !take_number(&line, UTC_MS_MAX, &point_out->boot_ms) ||
        !take_number(&line, UTC_MS_MAX, &utc_ms) ||
        !take_number(&line, UTC_UNCERTAIN, &uncertainty_ms) ||
        !take_number(&line, CLOCK_SOURCE_FREE, &source) || procfs_field(&line) != NULL)
        return NULL;
    point_out->offset_ms = utc_ms - point_out->boot_ms;
    point_out->uncertainty_ms = (uint32_t)uncertainty_ms;
    point_out->source = (enum clock_source)source;
    return boot;
}

void utc_kept_read(struct utc_kept *kept, struct utc_map *map, int64_t now_boot_ms)
{
    char line[LINE_BYTES_MAX];
    struct utc_point point;
    if (kept->path == NULL)
        return;
    FD_AUTO int directory = state_file_directory(kept->path);
    if (directory < 0 || state_file_read(directory, UTC_KEPT_FILE, line, sizeof(line)) != 0)
        return; /* a first start, or trouble that the next write will tell of */
    const char *boot = parse(line, &point);
    if (boot == NULL)
        return;
    if (strcmp(boot, kept->boot) == 0 && point.boot_ms <= now_boot_ms) {
        (void)utc_map_learn(map, &point); /* the first: it becomes a point */
        kept->written_ms = point.boot_ms;
    } else {
        map->has_floor = true;
        map->floor_utc_ms = point.boot_ms + point.offset_ms;
    }
}

static int write_line(const struct utc_kept *kept, const char *line)
{
    FD_AUTO int directory = state_file_directory(kept->path);
    return directory < 0 ? directory : state_file_write(directory, UTC_KEPT_FILE, line);
}

void utc_kept_write(struct utc_kept *kept, const struct utc_map *map, int64_t now_boot_ms)
{
    char line[LINE_BYTES_MAX];
    kept->written_ms = now_boot_ms;
    if (kept->path == NULL)
        return;
    struct utc_time time = utc_map_at(map, now_boot_ms);
    (void)snprintf(line, sizeof(line), "%s %" PRId64 " %" PRId64 " %" PRIu32 " %d",
                   kept->boot[0] != '\0' ? kept->boot : "-", now_boot_ms,
                   now_boot_ms + time.offset_ms, time.uncertainty_ms, (int)time.source);
    int r = write_line(kept, line);
    if (r != 0 && !kept->has_failed)
        log_warning("%s/" UTC_KEPT_FILE ": %s; the time is not kept over a restart", kept->path,
                    strerrordesc_np(-r));
    kept->has_failed = r != 0;
}
