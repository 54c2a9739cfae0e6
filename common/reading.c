#include "common/reading.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/family_table.h"
#include "common/series_table.h"

#define ERROR_BYTES_MAX 384
#define SAMPLES_MIN 64

enum state {
    STATE_FAILED, /* also before the first reading: no samples to show */
    STATE_OPEN,
    STATE_GOOD
};

struct samples {
    struct sample *items;
    size_t n;
    size_t max;
};

struct reading {
    struct family_table families;
    struct series_table table;
    uint64_t number; /* of the current reading, from 1; failed ones count too */
    enum state state;
    struct samples now;
    /* The samples of the last good reading: its series are those in the table, and their order is
     * the order to expect. */
    struct samples before;
    size_t expected; /* place in `before` of the series that should come next */
    size_t n_again;  /* of `now`, how many are in `before` too */
    bool has_moved;  /* some of them stand at another place */
    const struct series **gone;
    size_t n_gone;
    size_t max_gone;
    int error;
    char error_text[ERROR_BYTES_MAX];
};

/* What reading_family() gives after an error; calls that use it are ignored for the same error. */
static const struct family no_family = FAMILY(UNKNOWN, "", "");

struct reading *reading_new(void)
{
    return calloc(1, sizeof(struct reading));
}

void reading_free(struct reading *reading)
{
    if (reading == NULL)
        return;
    series_table_deinit(&reading->table);
    family_table_deinit(&reading->families);
    free(reading->now.items);
    free(reading->before.items);
    free(reading->gone);
    free(reading);
}

static void remove_series(struct reading *reading, struct series_entry *entry)
{
    family_table_release(&reading->families, entry->series.family);
    series_table_remove(&reading->table, entry);
}

/* Forgets what the current reading has brought. */
static void roll_back(struct reading *reading)
{
    for (size_t i = 0; i < reading->now.n; i++) {
        const struct series *series = reading->now.items[i].series;
        if (series->born != reading->number)
            continue;
        struct series_entry *entry = series_table_at(&reading->table, series->slot);
        series_table_hide(&reading->table, entry);
        remove_series(reading, entry);
    }
    reading->now.n = 0;
    reading->state = STATE_FAILED;
}

/* The last good reading becomes the one before, and the slots of what it lacked are free. */
static void turn_over(struct reading *reading)
{
    for (size_t i = 0; i < reading->n_gone; i++)
        remove_series(reading, series_table_at(&reading->table, reading->gone[i]->slot));
    reading->n_gone = 0;
    struct samples old = reading->before;
    reading->before = reading->now;
    reading->now = old;
}

void reading_begin(struct reading *reading)
{
    if (reading->state == STATE_OPEN)
        roll_back(reading); /* its input gave up */
    if (reading->state == STATE_GOOD)
        turn_over(reading);
    family_table_sweep(&reading->families, reading->number);
    reading->number++;
    reading->state = STATE_OPEN;
    reading->now.n = 0;
    reading->expected = 0;
    reading->n_again = 0;
    reading->has_moved = false;
    reading->error = 0;
    reading->error_text[0] = '\0';
}

/* `name{a="b",c="d"}: what`, as much of it as there is room for. */
static void fail(struct reading *reading, int error, const struct series_key *key, const char *what)
{
    BUFFER_AUTO struct buffer text = {0};
    buffer_print(&text, "%s%s", key->family->name, series_suffix_text(key->suffix));
    for (size_t i = 0; i < key->n_labels && i < LABELS_PER_SERIES_MAX; i++)
        buffer_print(&text, "%c%s=\"%s\"", i == 0 ? '{' : ',', key->labels[i].name,
                     key->labels[i].value);
    buffer_text(&text, key->n_labels > 0 ? "}" : "");
    int room = (int)(sizeof(reading->error_text) - strlen(what) - sizeof("...: "));
    const char *cut = text.size > (size_t)room ? "..." : "";
    (void)snprintf(reading->error_text, sizeof(reading->error_text), "%.*s%s: %s", room,
                   buffer_string(&text), cut, what);
    reading->error = error;
}

/* NULL, or what is wrong with a family. */
/* NULL, or what is wrong with a family. */
static const char *check_family(const struct family *family)
{
    if (!metric_name_is_valid(family->name))
        return "not a metric name";
    if ((unsigned)family->type >= FAMILY_TYPES)
        return "no such type";
    if (!text_is_valid(family->help, HELP_BYTES_MAX))
        return "help is not UTF-8 or too long";
    if (!text_is_valid(family->unit, UNIT_BYTES_MAX))
        return "unit is not UTF-8 or too long";
    return NULL;
}

/* NULL, or what is wrong with a series; its labels are in order. */
static const char *check_key(const struct series_key *key)
{
    const char *wrong = check_family(key->family);
    if (wrong != NULL)
        return wrong;
    if (!series_suffix_fits(key->suffix, key->family->type))
        return "the name's suffix does not fit the type";
    for (size_t i = 0; i < key->n_labels; i++) {
        const struct label *label = &key->labels[i];
        if (!label_name_is_valid(label->name))
            return "not a label name";
        if (!text_is_valid(label->value, LABEL_VALUE_BYTES_MAX))
            return "a label's value is not UTF-8 or too long";
        if (i > 0 && strcmp(key->labels[i - 1].name, label->name) == 0)
            return "a label comes twice";
    }
    return NULL;
}

/* The key's labels in order and without empty ones, copied to `normal`; false if too many. */
static bool normalise(struct series_key *key, struct label normal[LABELS_PER_SERIES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < key->n_labels; i++) {
        const struct label *label = &key->labels[i];
        if (label->value[0] == '\0')
            continue;
        if (n == LABELS_PER_SERIES_MAX)
            return false;
        size_t at = n++;
        for (; at > 0 && strcmp(normal[at - 1].name, label->name) > 0; at--)
            normal[at] = normal[at - 1];
        normal[at] = *label;
    }
    key->labels = normal;
    key->n_labels = n;
    return true;
}

/* The series that should come next, if it is this one. */
static struct series_entry *find_expected(const struct reading *reading,
                                          const struct series_key *key)
{
    if (reading->expected >= reading->before.n)
        return NULL;
    const struct series *series = reading->before.items[reading->expected].series;
    if (!series_key_matches(key, series))
        return NULL;
    return series_table_at(&reading->table, series->slot);
}

static struct series_entry *add_series(struct reading *reading, const struct series_key *key,
                                       uint64_t hash)
{
    const char *wrong = check_key(key);
    if (wrong != NULL) {
        fail(reading, -EINVAL, key, wrong);
        return NULL;
    }
    struct series_entry *entry = series_table_add(&reading->table, key, hash, reading->number);
    if (entry == NULL) {
        fail(reading, -ENOMEM, key, "out of memory");
        return NULL;
    }
    family_table_hold(&reading->families, key->family);
    return entry;
}

/* The key's entry, made where it is new; NULL after an error. The key may point to `normal` then.
 */
static struct series_entry *find_or_add(struct reading *reading, struct series_key *key,
                                        struct label normal[LABELS_PER_SERIES_MAX])
{
    /* Most inputs name their labels in order: then nothing has to be sorted. */
    struct series_entry *entry = find_expected(reading, key);
    if (entry != NULL)
        return entry;
    if (!normalise(key, normal)) {
        fail(reading, -EINVAL, key, "too many labels");
        return NULL;
    }
    entry = find_expected(reading, key);
    if (entry != NULL)
        return entry;
    uint64_t hash = series_key_hash(key);
    entry = series_table_find(&reading->table, key, hash);
    return entry != NULL ? entry : add_series(reading, key, hash);
}

static bool make_room(struct samples *samples)
{
    if (samples->n < samples->max)
        return true;
    size_t max = samples->max == 0 ? SAMPLES_MIN : samples->max * 2;
    struct sample *items = reallocarray(samples->items, max, sizeof(*items));
    if (items == NULL)
        return false;
    samples->items = items;
    samples->max = max;
    return true;
}

static void take(struct reading *reading, struct series_entry *entry, double value)
{
    if (entry->series.born == reading->number) {
        entry->position = reading->now.n;
    } else {
        reading->n_again++;
        reading->expected = entry->position + 1;
        reading->has_moved |= entry->position != reading->now.n;
    }
    entry->seen = reading->number;
    reading->now.items[reading->now.n++] =
        (struct sample){.series = &entry->series, .value = value};
}

void reading_add_part(struct reading *reading, const struct family *family,
                      enum series_suffix suffix, double value, const struct label *labels,
                      size_t n_labels)
{
    if (reading->state != STATE_OPEN || reading->error != 0)
        return;
    struct series_key key = {
        .family = family, .labels = labels, .n_labels = n_labels, .suffix = suffix};
    if (reading->now.n == SERIES_PER_INPUT_MAX) {
        fail(reading, -E2BIG, &key, "too many series in one reading");
        return;
    }
    if (!make_room(&reading->now)) {
        fail(reading, -ENOMEM, &key, "out of memory");
        return;
    }
    struct label normal[LABELS_PER_SERIES_MAX];
    struct series_entry *entry = find_or_add(reading, &key, normal);
    if (entry == NULL)
        return;
    if (entry->seen == reading->number)
        fail(reading, -EEXIST, &key, "twice in one reading");
    else
        take(reading, entry, value);
}

void reading_add(struct reading *reading, const struct family *family, double value,
                 const struct label *labels, size_t n_labels)
{
    reading_add_part(reading, family, SUFFIX_NONE, value, labels, n_labels);
}

const struct family *reading_family(struct reading *reading, const char *name,
                                    enum family_type type, const char *help)
{
    if (reading->state != STATE_OPEN || reading->error != 0)
        return &no_family;
    const struct family wanted = {.name = name, .help = help, .unit = "", .type = type};
    const struct series_key key = {.family = &wanted};
    const char *wrong = check_family(&wanted);
    if (wrong != NULL) {
        fail(reading, -EINVAL, &key, wrong);
        return &no_family;
    }
    const struct family *family =
        family_table_get(&reading->families, name, type, help, reading->number);
    if (family == NULL) {
        fail(reading, -ENOMEM, &key, "out of memory");
        return &no_family;
    }
    return family;
}

static bool make_room_for_gone(struct reading *reading, size_t n)
{
    if (n <= reading->max_gone)
        return true;
    const struct series **gone = reallocarray(reading->gone, n, sizeof(struct series *));
    if (gone == NULL)
        return false;
    reading->gone = gone;
    reading->max_gone = n;
    return true;
}

static void collect_gone(struct reading *reading)
{
    for (size_t i = 0; i < reading->before.n; i++) {
        const struct series *series = reading->before.items[i].series;
        struct series_entry *entry = series_table_at(&reading->table, series->slot);
        if (entry->seen == reading->number)
            continue;
        series_table_hide(&reading->table, entry);
        reading->gone[reading->n_gone++] = series;
    }
}

int reading_end(struct reading *reading)
{
    if (reading->state != STATE_OPEN)
        return -EINVAL;
    size_t n_gone = reading->before.n - reading->n_again;
    if (reading->error == 0 && !make_room_for_gone(reading, n_gone))
        reading->error = -ENOMEM;
    if (reading->error != 0) {
        roll_back(reading);
        return reading->error;
    }
    if (n_gone > 0)
        collect_gone(reading);
    for (size_t i = 0; reading->has_moved && i < reading->now.n; i++)
        series_table_at(&reading->table, reading->now.items[i].series->slot)->position = i;
    reading->state = STATE_GOOD;
    return 0;
}

const char *reading_error(const struct reading *reading)
{
    return reading->error_text;
}

const struct sample *reading_samples(const struct reading *reading, size_t *n_out)
{
    *n_out = reading->state == STATE_GOOD ? reading->now.n : 0;
    return reading->now.items;
}

const struct series *const *reading_gone(const struct reading *reading, size_t *n_out)
{
    *n_out = reading->state == STATE_GOOD ? reading->n_gone : 0;
    return reading->gone;
}

uint32_t reading_slots(const struct reading *reading)
{
    return reading->table.n_slots;
}
