#include "common/series_table.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 16
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* FNV-1a, the terminating NUL included, so that ("ab", "c") is not ("a", "bc"). */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
    } while (*text++ != '\0');
    return hash;
}

uint64_t series_key_hash(const struct series_key *key)
{
    uint64_t hash = hash_text(FNV_START, key->family->name);
    hash = (hash ^ (unsigned)key->suffix) * FNV_PRIME;
    for (size_t i = 0; i < key->n_labels; i++) {
        hash = hash_text(hash, key->labels[i].name);
        hash = hash_text(hash, key->labels[i].value);
    }
    return hash;
}

bool series_key_matches(const struct series_key *key, const struct series *series)
{
    if (key->suffix != series->suffix || key->n_labels != series->n_labels)
        return false;
    if (key->family != series->family && strcmp(key->family->name, series->family->name) != 0)
        return false;
    for (size_t i = 0; i < key->n_labels; i++) {
        /* Values differ more often than names. */
        if (strcmp(key->labels[i].value, series->labels[i].value) != 0 ||
            strcmp(key->labels[i].name, series->labels[i].name) != 0)
            return false;
    }
    return true;
}

static struct series_entry **bucket_of(const struct series_table *table, uint64_t hash)
{
    /* FNV's low bits alone are weak. */
    return &table->buckets[(hash ^ (hash >> 32)) & (table->n_buckets - 1)];
}

struct series_entry *series_table_find(const struct series_table *table,
                                       const struct series_key *key, uint64_t hash)
{
    if (table->n_buckets == 0)
        return NULL;
    struct series_entry *entry = *bucket_of(table, hash);
    while (entry != NULL && (entry->hash != hash || !series_key_matches(key, &entry->series)))
        entry = entry->next;
    return entry;
}

static void index_entry(struct series_table *table, struct series_entry *entry)
{
    struct series_entry **bucket = bucket_of(table, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
}

/* As many buckets as slots: chains stay short. */
static bool grow_buckets(struct series_table *table, size_t n_buckets)
{
    struct series_entry **buckets = calloc(n_buckets, sizeof(struct series_entry *));
    if (buckets == NULL)
        return false;
    struct series_table old = *table;
    table->buckets = buckets;
    table->n_buckets = n_buckets;
    for (size_t i = 0; i < old.n_buckets; i++) {
        for (struct series_entry *entry = old.buckets[i]; entry != NULL;) {
            struct series_entry *next = entry->next;
            index_entry(table, entry);
            entry = next;
        }
    }
    free(old.buckets);
    return true;
}

static bool grow(struct series_table *table)
{
    uint32_t max = table->max_slots == 0 ? SLOTS_MIN : table->max_slots * 2;
    struct series_entry **slots = reallocarray(table->slots, max, sizeof(struct series_entry *));
    if (slots == NULL)
        return false;
    table->slots = slots;
    /* Room for every slot, so that giving one back cannot fail. */
    uint32_t *free_slots = reallocarray(table->free_slots, max, sizeof(*free_slots));
    if (free_slots == NULL)
        return false;
    table->free_slots = free_slots;
    if (!grow_buckets(table, max))
        return false;
    table->max_slots = max;
    return true;
}

/* An entry with its labels and their texts behind it, in one piece. */
static struct series_entry *copy_entry(const struct series_key *key)
{
    size_t texts = 0;
    for (size_t i = 0; i < key->n_labels; i++)
        texts += strlen(key->labels[i].name) + strlen(key->labels[i].value) + 2;
    struct series_entry *entry =
        malloc(sizeof(*entry) + key->n_labels * sizeof(struct label) + texts);
    if (entry == NULL)
        return NULL;
    struct label *labels = (struct label *)(entry + 1);
    char *text = (char *)(labels + key->n_labels);
    for (size_t i = 0; i < key->n_labels; i++) {
        labels[i].name = text;
        text = stpcpy(text, key->labels[i].name) + 1;
        labels[i].value = text;
        text = stpcpy(text, key->labels[i].value) + 1;
    }
    *entry = (struct series_entry){
        .series = {.family = key->family,
                   .labels = labels,
                   .n_labels = key->n_labels,
                   .suffix = key->suffix},
    };
    return entry;
}

struct series_entry *series_table_add(struct series_table *table, const struct series_key *key,
                                      uint64_t hash, uint64_t born)
{
    if (table->n_free == 0 && table->n_slots == table->max_slots && !grow(table))
        return NULL;
    struct series_entry *entry = copy_entry(key);
    if (entry == NULL)
        return NULL;
    uint32_t slot = table->n_free > 0 ? table->free_slots[--table->n_free] : table->n_slots++;
    entry->hash = hash;
    entry->series.slot = slot;
    entry->series.born = born;
    table->slots[slot] = entry;
    index_entry(table, entry);
    table->n_indexed++;
    return entry;
}

void series_table_hide(struct series_table *table, struct series_entry *entry)
{
    struct series_entry **at = bucket_of(table, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    table->n_indexed--;
}

void series_table_remove(struct series_table *table, struct series_entry *entry)
{
    uint32_t slot = entry->series.slot;
    table->slots[slot] = NULL;
    table->free_slots[table->n_free++] = slot;
    free(entry);
}

void series_table_deinit(struct series_table *table)
{
    for (uint32_t i = 0; i < table->n_slots; i++)
        free(table->slots[i]);
    free(table->slots);
    free(table->free_slots);
    free(table->buckets);
    *table = (struct series_table){0};
}
