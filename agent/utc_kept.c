#include "agent/utc_kept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* False where the line is none of ours. */
static bool parse(const char *line, char boot_out[BOOT_KEY_BYTES_MAX + 1],
                  struct utc_point *point_out)
{
    int64_t utc_ms;
    unsigned source;
    int n = 0;
    _Static_assert(BOOT_KEY_BYTES_MAX == 95, "the width in the format below");
    if (sscanf(line, "%95s %" SCNd64 " %" SCNd64 " %" SCNu32 " %u%n", boot_out, &point_out->boot_ms,
               &utc_ms, &point_out->uncertainty_ms, &source, &n) != 5 ||
        line[n] != '\0' || source > CLOCK_SOURCE_FREE)
        return false;
    if (point_out->boot_ms < 0 || point_out->boot_ms > UTC_MS_MAX || utc_ms < 0 ||
        utc_ms > UTC_MS_MAX)
        return false;
    point_out->offset_ms = utc_ms - point_out->boot_ms;
    point_out->source = (enum clock_source)source;
    return true;
}

void utc_kept_read(struct utc_kept *kept, struct utc_map *map, int64_t now_boot_ms)
{
    char line[LINE_BYTES_MAX];
    char boot[BOOT_KEY_BYTES_MAX + 1];
    struct utc_point point;
    if (kept->path == NULL)
        return;
    FD_AUTO int directory = state_file_directory(kept->path);
    if (directory < 0 || state_file_read(directory, UTC_KEPT_FILE, line, sizeof(line)) != 0 ||
        !parse(line, boot, &point))
        return; /* a first start, or trouble that the next write will tell of */
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
