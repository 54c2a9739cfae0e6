#include "collector/node_map.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_MIN 256

int node_map_init(struct node_map *map)
{
    *map = (struct node_map){.n_buckets = BUCKETS_MIN, .seed = 2166136261U};
    map->buckets = calloc(map->n_buckets, sizeof(struct node_map_entry *));
    if (map->buckets == NULL)
        return -ENOMEM;
    uint32_t seed;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
        map->seed = seed; /* without it the map works, only that its chains can be foreseen */
    return 0;
}

void node_map_deinit(struct node_map *map)
{
    free(map->buckets);
    *map = (struct node_map){0};
}

/* FNV-1a from the seed on, with its high bits mixed into those that choose the bucket. */
static uint32_t hash_of(const struct node_map *map, const char *node)
{
    uint32_t hash = map->seed;
    for (; *node != '\0'; node++)
        hash = (hash ^ (unsigned char)*node) * 16777619U;
    hash ^= hash >> 15;
    hash *= 0x2c1b3c6dU;
    return hash ^ (hash >> 13);
}

static struct node_map_entry **bucket_of(const struct node_map *map, uint32_t hash)
{
    return &map->buckets[hash & (map->n_buckets - 1)];
}

struct node_map_entry *node_map_find(const struct node_map *map, const char *node)
{
    uint32_t hash = hash_of(map, node);
    struct node_map_entry *entry = *bucket_of(map, hash);
    while (entry != NULL && (entry->hash != hash || strcmp(entry->node, node) != 0))
        entry = entry->next;
    return entry;
}

static void link_entry(struct node_map *map, struct node_map_entry *entry)
{
    struct node_map_entry **bucket = bucket_of(map, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
}

static void grow(struct node_map *map)
{
    struct node_map bigger = {
        .n_buckets = map->n_buckets * 2, .n_entries = map->n_entries, .seed = map->seed};
    bigger.buckets = calloc(bigger.n_buckets, sizeof(struct node_map_entry *));
    if (bigger.buckets == NULL)
        return;
    for (size_t i = 0; i < map->n_buckets; i++) {
        for (struct node_map_entry *entry = map->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            link_entry(&bigger, entry);
        }
    }
    free(map->buckets);
    *map = bigger;
}

void node_map_add(struct node_map *map, struct node_map_entry *entry, const char *node)
{
    if (map->n_entries >= map->n_buckets)
        grow(map);
    (void)snprintf(entry->node, sizeof(entry->node), "%s", node);
    entry->hash = hash_of(map, entry->node);
    link_entry(map, entry);
    map->n_entries++;
}

void node_map_remove(struct node_map *map, struct node_map_entry *entry)
{
    struct node_map_entry **link = bucket_of(map, entry->hash);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    map->n_entries--;
}
