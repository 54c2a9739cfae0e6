#include "agent/spooled_time.h"

void spooled_time_deinit(struct spooled_time *time)
{
    buffer_deinit(&time->packed);
}

void spooled_time_restore(const struct spool *spool, struct utc *utc)
{
    struct utc_map map;
    size_t size;
    const void *bytes = spool_kept_clock(spool, &size);
    if (bytes != NULL && utc_map_unpack(bytes, size, &map) == 0 && utc_map_is_known(&map))
        utc_restore(utc, &map);
}

static struct spooled_time summary(const struct utc_map *map)
{
    struct spooled_time now = {.has_kept = true, .n_points = map->n_points};
    if (utc_map_is_known(map)) {
        now.last_point_ms = map->points[map->n_points - 1].boot_ms;
        now.confirmed_ms = map->confirmed.boot_ms;
    } else {
        now.has_free = map->has_free;
        now.free_offset_ms = map->free_offset_ms;
    }
    return now;
}

static bool is_same(const struct spooled_time *a, const struct spooled_time *b)
{
    return a->has_kept == b->has_kept && a->has_free == b->has_free && a->n_points == b->n_points &&
           a->last_point_ms == b->last_point_ms && a->free_offset_ms == b->free_offset_ms &&
           b->confirmed_ms - a->confirmed_ms < SPOOLED_TIME_MS;
}

void spooled_time_keep(struct spooled_time *time, const struct utc *utc, struct spool *spool)
{
    const struct utc_map *map = utc_map(utc);
    struct spooled_time now = summary(map);
    if (is_same(time, &now))
        return;
    buffer_clear(&time->packed);
    if (utc_map_pack(map, &time->packed) != 0)
        return; /* out of memory: the next turn tries again */
    spool_set_clock(spool, time->packed.data, time->packed.size);
    now.packed = time->packed;
    *time = now;
}

void spooled_time_stamp(const struct utc *utc, const struct spool_frame *frame,
                        struct envelope *envelope)
{
    struct utc_map map = {0}; /* knows nothing */
    if (frame->is_of_boot) {
        utc_stamp(utc, frame->time_ms, envelope);
        return;
    }
    if (frame->clock_bytes > 0 && utc_map_unpack(frame->clock, frame->clock_bytes, &map) != 0)
        map = (struct utc_map){0};
    utc_stamp_earlier(utc, &map, frame->last_ms, frame->time_ms, envelope);
}
