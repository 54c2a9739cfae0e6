#include "common/family_table.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 16

struct family_entry {
    struct family family;
    struct family_entry *next; /* in its bucket */
    uint64_t asked;            /* the last reading that asked for it */
    size_t users;
    char texts[]; /* name and help */
};

static size_t bucket_of(const struct family_table *table, const char *name)
{
    size_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return (hash ^ (hash >> 15)) & (table->n_buckets - 1);
}

static struct family_entry *find(const struct family_table *table, const char *name)
{
    if (table->n_buckets == 0)
        return NULL;
    struct family_entry *entry = table->buckets[bucket_of(table, name)];
    while (entry != NULL && strcmp(entry->family.name, name) != 0)
        entry = entry->next;
    return entry;
}

static void link_entry(struct family_table *table, struct family_entry *entry)
{
    struct family_entry **bucket = &table->buckets[bucket_of(table, entry->family.name)];
    entry->next = *bucket;
    *bucket = entry;
}

static bool grow(struct family_table *table)
{
    struct family_table old = *table;
    size_t n_buckets = old.n_buckets == 0 ? BUCKETS_MIN : old.n_buckets * 2;
    struct family_entry **buckets = calloc(n_buckets, sizeof(struct family_entry *));
    if (buckets == NULL)
        return false;
    table->buckets = buckets;
    table->n_buckets = n_buckets;
    for (size_t i = 0; i < old.n_buckets; i++) {
        for (struct family_entry *entry = old.buckets[i]; entry != NULL;) {
            struct family_entry *next = entry->next;
            link_entry(table, entry);
            entry = next;
        }
    }
    free(old.buckets);
    return true;
}

static struct family_entry *new_entry(const char *name, enum family_type type, const char *help)
{
    size_t name_bytes = strlen(name) + 1;
    size_t help_bytes = strlen(help) + 1;
    struct family_entry *entry = malloc(sizeof(*entry) + name_bytes + help_bytes);
    if (entry == NULL)
        return NULL;
    memcpy(entry->texts, name, name_bytes);
    memcpy(entry->texts + name_bytes, help, help_bytes);
    entry->family = (struct family){
        .name = entry->texts, .help = entry->texts + name_bytes, .unit = "", .type = type};
    entry->users = 0;
    return entry;
}

const struct family *family_table_get(struct family_table *table, const char *name,
                                      enum family_type type, const char *help, uint64_t now)
{
    struct family_entry *entry = find(table, name);
    if (entry == NULL) {
        if (table->n >= table->n_buckets && !grow(table))
            return NULL;
        entry = new_entry(name, type, help);
        if (entry == NULL)
            return NULL;
        link_entry(table, entry);
        table->n++;
    }
    entry->asked = now;
    return &entry->family;
}

void family_table_hold(struct family_table *table, const struct family *family)
{
    struct family_entry *entry = find(table, family->name);
    if (entry != NULL && &entry->family == family)
        entry->users++;
}

void family_table_release(struct family_table *table, const struct family *family)
{
    struct family_entry *entry = find(table, family->name);
    if (entry != NULL && &entry->family == family)
        entry->users--;
}

void family_table_sweep(struct family_table *table, uint64_t since)
{
    for (size_t i = 0; i < table->n_buckets; i++) {
        struct family_entry **at = &table->buckets[i];
        while (*at != NULL) {
            struct family_entry *entry = *at;
            if (entry->users > 0 || entry->asked >= since) {
                at = &entry->next;
                continue;
            }
            *at = entry->next;
            free(entry);
            table->n--;
        }
    }
}

void family_table_deinit(struct family_table *table)
{
    for (size_t i = 0; i < table->n_buckets; i++) {
        for (struct family_entry *entry = table->buckets[i]; entry != NULL;) {
            struct family_entry *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    free(table->buckets);
    *table = (struct family_table){0};
}
