/*
 * A hash table of things by node id. The entry is the first member of what is in it and is the
 * owner's to allocate and free. Seeded, since node ids come from outside.
 */
#ifndef SHOAL_COLLECTOR_NODE_MAP_H
#define SHOAL_COLLECTOR_NODE_MAP_H

#include "common/topic.h"

struct node_map_entry {
    char node[NODE_ID_BYTES_MAX + 1];
    uint32_t hash;
    struct node_map_entry *next;
};

/* Caller's storage; all zeros is a map without memory. */
struct node_map {
    struct node_map_entry **buckets;
    size_t n_buckets; /* a power of two */
    size_t n_entries;
    uint32_t seed;
};

/* 0 or -ENOMEM. */
WARN_UNUSED int node_map_init(struct node_map *map);
void node_map_deinit(struct node_map *map); /* the entries are not its own */

/* NULL if there is none. */
struct node_map_entry *node_map_find(const struct node_map *map, const char *node);

/* The node is not in the map. Never fails: without memory for more buckets, chains grow longer. */
void node_map_add(struct node_map *map, struct node_map_entry *entry, const char *node);
void node_map_remove(struct node_map *map, struct node_map_entry *entry);

#endif
