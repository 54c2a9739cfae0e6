#include "collector/identity.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "common/buffer.h"
#include "common/exposition.h"

#define BUCKETS_MIN 64

/* Hash chains through shared.next. */
struct table {
    struct shared **buckets;
    size_t n_buckets; /* a power of two */
    size_t n;
};

/* Objects by number; the numbers that are free form a list. Number 0 is never given out. */
union place {
    struct shared *object;
    uint32_t next_free;
};

struct numbers {
    union place *places;
    uint32_t n, capacity;
    uint32_t free; /* 0: none */
};

struct identities {
    struct graveyard *graveyard;
    struct table families, identities;
    struct numbers family_numbers, identity_numbers;
    struct buffer text; /* scratch */
    uint64_t born;
    size_t bytes;
    uint32_t seed; /* of hashes: names and labels come from outside */
};

static uint32_t hash_bytes(uint32_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT32_C(16777619); /* FNV-1a */
    return hash;
}

static struct shared **table_bucket(const struct table *table, uint32_t hash)
{
    return &table->buckets[hash & (table->n_buckets - 1)];
}

static int table_grow(struct table *table)
{
    struct table wide = {.n_buckets = table->n_buckets == 0 ? BUCKETS_MIN : table->n_buckets * 2,
                         .n = table->n};
    wide.buckets = calloc(wide.n_buckets, sizeof(struct shared *));
    if (wide.buckets == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < table->n_buckets; i++) {
        while (table->buckets[i] != NULL) {
            struct shared *object = table->buckets[i];
            table->buckets[i] = object->next;
            struct shared **bucket = table_bucket(&wide, object->hash);
            object->next = *bucket;
            *bucket = object;
        }
    }
    free(table->buckets);
    *table = wide;
    return 0;
}

static void table_remove(struct table *table, struct shared *object)
{
    struct shared **link = table_bucket(table, object->hash);
    while (*link != object)
        link = &(*link)->next;
    *link = object->next;
    table->n--;
}

static int numbers_reserve(struct numbers *numbers)
{
    if (numbers->free != 0 || numbers->n < numbers->capacity)
        return 0;
    uint32_t capacity = numbers->capacity == 0 ? BUCKETS_MIN : numbers->capacity * 2;
    union place *places = realloc(numbers->places, capacity * sizeof(*places));
    if (places == NULL)
        return -ENOMEM;
    numbers->places = places;
    numbers->capacity = capacity;
    if (numbers->n == 0)
        numbers->n = 1; /* number 0 stands for none */
    return 0;
}

/* After numbers_reserve. */
static uint32_t numbers_take(struct numbers *numbers, struct shared *object)
{
    uint32_t number = numbers->free;
    if (number != 0)
        numbers->free = numbers->places[number].next_free;
    else
        number = numbers->n++;
    numbers->places[number].object = object;
    return number;
}

static void numbers_give(struct numbers *numbers, uint32_t number)
{
    numbers->places[number].next_free = numbers->free;
    numbers->free = number;
}

/* Makes room for one more, so that adding it cannot fail half way. */
static int make_room(struct table *table, struct numbers *numbers)
{
    if (table->n >= table->n_buckets && table_grow(table) != 0)
        return -ENOMEM;
    return numbers_reserve(numbers);
}

static void table_insert(struct table *table, struct shared *object)
{
    struct shared **bucket = table_bucket(table, object->hash);
    object->next = *bucket;
    *bucket = object;
    table->n++;
}

static uint32_t family_hash(uint32_t seed, const struct family *family)
{
    uint32_t hash = hash_bytes(seed, family->name, strlen(family->name) + 1);
    hash = hash_bytes(hash, family->help, strlen(family->help) + 1);
    hash = hash_bytes(hash, family->unit, strlen(family->unit) + 1);
    unsigned char type = (unsigned char)family->type;
    return hash_bytes(hash, &type, 1);
}

static bool family_is(const struct identity_family *have, uint32_t hash, const struct family *want)
{
    return have->shared.hash == hash && have->family.type == want->type &&
           strcmp(have->family.name, want->name) == 0 &&
           strcmp(have->family.help, want->help) == 0 && strcmp(have->family.unit, want->unit) == 0;
}

static const char *copy_text(char **to, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*to, text, size);
    *to += size;
    return copy;
}

static struct identity_family *family_new(const struct family *family, uint32_t hash)
{
    size_t bytes = sizeof(struct identity_family) + strlen(family->name) + strlen(family->help) +
                   strlen(family->unit) + 3;
    struct identity_family *made = malloc(bytes);
    if (made == NULL)
        return NULL;
    char *texts = (char *)(made + 1);
    *made = (struct identity_family){.shared = {.refs = 1, .hash = hash}, .bytes = bytes};
    made->family.type = family->type;
    made->family.name = copy_text(&texts, family->name);
    made->family.help = copy_text(&texts, family->help);
    made->family.unit = copy_text(&texts, family->unit);
    return made;
}

struct identity_family *identities_take_family(struct identities *identities,
                                               const struct family *family)
{
    uint32_t hash = family_hash(identities->seed, family);
    if (make_room(&identities->families, &identities->family_numbers) != 0)
        return NULL;
    struct shared *object = *table_bucket(&identities->families, hash);
    for (; object != NULL; object = object->next) {
        if (family_is((struct identity_family *)object, hash, family)) {
            object->refs++;
            return (struct identity_family *)object;
        }
    }
    struct identity_family *made = family_new(family, hash);
    if (made == NULL)
        return NULL;
    made->born = identities->born++;
    made->number = numbers_take(&identities->family_numbers, &made->shared);
    table_insert(&identities->families, &made->shared);
    identities->bytes += made->bytes;
    return made;
}

void identities_share_family(struct identity_family *family)
{
    family->shared.refs++;
}

void identities_drop_family(struct identities *identities, struct identity_family *family)
{
    if (--family->shared.refs > 0)
        return;
    table_remove(&identities->families, &family->shared);
    numbers_give(&identities->family_numbers, family->number);
    identities->bytes -= family->bytes;
    graveyard_bury(identities->graveyard, &family->shared);
}

static struct identity *identity_find(const struct identities *identities, uint32_t hash,
                                      const struct identity_family *family)
{
    const struct buffer *text = &identities->text;
    struct shared *object = *table_bucket(&identities->identities, hash);
    for (; object != NULL; object = object->next) {
        struct identity *identity = (struct identity *)object;
        if (identity->shared.hash == hash && identity->family == family &&
            identity->text_bytes == text->size &&
            memcmp(identity->text, text->data, text->size) == 0)
            return identity;
    }
    return NULL;
}

static struct identity *identity_new(const struct buffer *text, const struct identity_key *key)
{
    struct identity *identity = malloc(sizeof(*identity) + text->size);
    if (identity == NULL)
        return NULL;
    *identity = (struct identity){
        .shared = {.refs = 1},
        .family = key->family,
        .text_bytes = (uint32_t)text->size,
        .has_labels = key->n_labels > 0,
    };
    memcpy(identity->text, text->data, text->size);
    return identity;
}

int identities_take(struct identities *identities, const struct identity_key *key,
                    uint32_t *number_out)
{
    buffer_clear(&identities->text);
    exposition_series(&identities->text, key->family->family.name, key->suffix, key->labels,
                      key->n_labels);
    if (buffer_failed(&identities->text) ||
        make_room(&identities->identities, &identities->identity_numbers) != 0)
        return -ENOMEM;
    uint32_t hash = hash_bytes(identities->seed, identities->text.data, identities->text.size);
    struct identity *identity = identity_find(identities, hash, key->family);
    if (identity != NULL) {
        identity->shared.refs++;
        *number_out = identity->number;
        return 0;
    }
    identity = identity_new(&identities->text, key);
    if (identity == NULL)
        return -ENOMEM;
    identity->shared.hash = hash;
    identity->number = numbers_take(&identities->identity_numbers, &identity->shared);
    identities_share_family(key->family);
    table_insert(&identities->identities, &identity->shared);
    identities->bytes += sizeof(*identity) + identity->text_bytes;
    *number_out = identity->number;
    return 0;
}

static struct identity *identity_at(const struct identities *identities, uint32_t number)
{
    return (struct identity *)identities->identity_numbers.places[number].object;
}

const struct identity *identities_get(const struct identities *identities, uint32_t number)
{
    return identity_at(identities, number);
}

void identities_share(struct identities *identities, uint32_t number)
{
    identity_at(identities, number)->shared.refs++;
}

void identities_drop(struct identities *identities, uint32_t number)
{
    struct identity *identity = identity_at(identities, number);
    if (--identity->shared.refs > 0)
        return;
    table_remove(&identities->identities, &identity->shared);
    numbers_give(&identities->identity_numbers, number);
    identities->bytes -= sizeof(*identity) + identity->text_bytes;
    /* The family after the identity: a pinned page reaches it through the identity. */
    struct identity_family *family = identity->family;
    graveyard_bury(identities->graveyard, &identity->shared);
    identities_drop_family(identities, family);
}

uint32_t identities_family_bound(const struct identities *identities)
{
    return identities->family_numbers.n == 0 ? 1 : identities->family_numbers.n;
}

size_t identities_count(const struct identities *identities)
{
    return identities->identities.n;
}

size_t identities_bytes(const struct identities *identities)
{
    return identities->bytes +
           (identities->families.n_buckets + identities->identities.n_buckets) * sizeof(void *) +
           (identities->family_numbers.capacity + identities->identity_numbers.capacity) *
               sizeof(union place);
}

struct identities *identities_new(struct graveyard *graveyard)
{
    struct identities *identities = calloc(1, sizeof(*identities));
    if (identities == NULL)
        return NULL;
    identities->graveyard = graveyard;
    /* Without a random seed all works, only that the chains can be foreseen. */
    if (getrandom(&identities->seed, sizeof(identities->seed), GRND_NONBLOCK) < 0)
        identities->seed = UINT32_C(2166136261);
    return identities;
}

static void table_free(struct table *table)
{
    for (size_t i = 0; i < table->n_buckets; i++) {
        while (table->buckets[i] != NULL) {
            struct shared *object = table->buckets[i];
            table->buckets[i] = object->next;
            free(object);
        }
    }
    free(table->buckets);
}

void identities_free(struct identities *identities)
{
    if (identities == NULL)
        return;
    table_free(&identities->families);
    table_free(&identities->identities);
    free(identities->family_numbers.places);
    free(identities->identity_numbers.places);
    buffer_deinit(&identities->text);
    free(identities);
}
