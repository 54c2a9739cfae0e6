#include "common/encoder_series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t value_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

void encoder_series_deinit(struct encoder_series *series)
{
    free(series->slots);
    encoder_families_deinit(&series->families);
    *series = (struct encoder_series){0};
}

void encoder_differences_deinit(struct encoder_differences *differences)
{
    free(differences->changes);
    free(differences->born);
    *differences = (struct encoder_differences){0};
}

void encoder_series_clear(struct encoder_series *series)
{
    for (uint32_t i = 0; i < series->n_slots; i++)
        series->slots[i].born = 0;
    series->n_ids = 0;
    series->n_live = 0;
    encoder_families_clear(&series->families);
}

/* --- comparing --- */

static int hold_slots(struct encoder_series *series, uint32_t n)
{
    if (n <= series->n_slots)
        return 0;
    struct encoder_slot *slots = realloc(series->slots, n * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    memset(slots + series->n_slots, 0, (n - series->n_slots) * sizeof(*slots));
    series->slots = slots;
    series->n_slots = n;
    return 0;
}

static int hold_differences(struct encoder_differences *differences, size_t n)
{
    if (n <= differences->capacity)
        return 0;
    struct encoder_change *changes = realloc(differences->changes, n * sizeof(*changes));
    if (changes == NULL)
        return -ENOMEM;
    differences->changes = changes;
    uint32_t *born = realloc(differences->born, n * sizeof(*born));
    if (born == NULL)
        return -ENOMEM;
    differences->born = born;
    differences->capacity = n;
    return 0;
}

static int compare_changes(const void *a, const void *b)
{
    uint32_t left = ((const struct encoder_change *)a)->id;
    uint32_t right = ((const struct encoder_change *)b)->id;
    return (left > right) - (left < right);
}

/* Ids ascend with the samples until a series comes in between others. */
static void sort_changes(struct encoder_differences *differences)
{
    for (size_t i = 1; i < differences->n_changes; i++)
        if (differences->changes[i].id < differences->changes[i - 1].id) {
            qsort(differences->changes, differences->n_changes, sizeof(struct encoder_change),
                  compare_changes);
            return;
        }
}

int encoder_series_compare(struct encoder_series *series, const struct reading *reading,
                           struct encoder_differences *differences)
{
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    if (hold_slots(series, reading_slots(reading)) < 0 || hold_differences(differences, n) < 0)
        return -ENOMEM;
    size_t n_changes = 0;
    size_t n_born = 0;
    for (size_t i = 0; i < n; i++) {
        const struct series *of = samples[i].series;
        const struct encoder_slot *slot = &series->slots[of->slot];
        if (slot->born != of->born + 1)
            differences->born[n_born++] = (uint32_t)i;
        else if (slot->bits != value_bits(samples[i].value))
            differences->changes[n_changes++] = (struct encoder_change){
                .id = slot->id, .slot = of->slot, .value = samples[i].value};
    }
    differences->n_changes = n_changes;
    differences->n_born = n_born;
    differences->has_gone = n - n_born < series->n_live;
    sort_changes(differences);
    return 0;
}

/* --- writing --- */

/* Whether a value can be told as a delta. A counter that went back has started anew, and so does
 * its prediction. */
static bool goes_on(const struct encoder_slot *slot, struct scaled scaled)
{
    return scaled.exponent == slot->exponent && scaled.exponent != DECIMAL_RAW &&
           !(slot->is_counter && scaled.mantissa < slot->mantissa);
}

static void write_value(struct encoder_slot *slot, double value, struct encoder_body *body)
{
    struct scaled scaled = scaled_from(value, slot->exponent);
    if (goes_on(slot, scaled)) {
        int64_t difference = scaled.mantissa - slot->mantissa;
        encoder_body_delta(body, slot->id, difference - slot->step);
        slot->step = slot->is_counter ? difference : 0;
    } else {
        encoder_body_value(body, slot->id, scaled);
        slot->step = 0;
    }
    slot->bits = value_bits(value);
    slot->mantissa = scaled.mantissa;
    slot->exponent = scaled.exponent;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Marks the slots whose series the reading has. */
static void mark_seen(struct encoder_series *series, const struct reading *reading)
{
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    for (size_t i = 0; i < n; i++) {
        struct encoder_slot *slot = &series->slots[samples[i].series->slot];
        slot->is_seen = slot->born == samples[i].series->born + 1;
    }
}

/* Rare, so it may look at every slot. What is gone does not come from reading_gone(): the last
 * reading that the encoder was given need not be the last that was good. */
static int write_gone(struct encoder_series *series, const struct reading *reading,
                      struct encoder_body *body)
{
    uint32_t *gone = malloc(series->n_live * sizeof(*gone));
    if (gone == NULL)
        return -ENOMEM;
    mark_seen(series, reading);
    size_t n = 0;
    for (uint32_t i = 0; i < series->n_slots; i++) {
        struct encoder_slot *slot = &series->slots[i];
        if (slot->born != 0 && !slot->is_seen) {
            gone[n++] = slot->id;
            encoder_families_release(&series->families, slot->family);
            slot->born = 0;
        }
        slot->is_seen = false;
    }
    series->n_live -= (uint32_t)n;
    qsort(gone, n, sizeof(*gone), compare_ids);
    for (size_t i = 0; i < n; i++)
        encoder_body_gone(body, gone[i]);
    free(gone);
    return 0;
}

static int write_born(struct encoder_series *series, const struct sample *sample,
                      struct encoder_body *body)
{
    const struct series *of = sample->series;
    uint32_t entry = 0;
    bool is_new = false;
    int r = encoder_families_use(&series->families, of->family, &entry, &is_new);
    if (r < 0)
        return r;
    encoder_body_series(body, of, series->families.entries[entry].id, is_new ? of->family : NULL);
    struct encoder_slot *slot = &series->slots[of->slot];
    *slot = (struct encoder_slot){
        .born = of->born + 1,
        .id = series->n_ids++,
        .family = entry,
        .exponent = DECIMAL_RAW,
        .is_counter = of->family->type == FAMILY_COUNTER,
    };
    series->n_live++;
    write_value(slot, sample->value, body);
    return 0;
}

int encoder_series_write(struct encoder_series *series, const struct reading *reading,
                         const struct encoder_differences *differences, struct encoder_body *body)
{
    /* Those that are gone first: they free slots and families for those that are new. */
    int r = differences->has_gone ? write_gone(series, reading, body) : 0;
    for (size_t i = 0; i < differences->n_changes; i++) {
        const struct encoder_change *change = &differences->changes[i];
        write_value(&series->slots[change->slot], change->value, body);
    }
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    for (size_t i = 0; i < differences->n_born && r == 0; i++)
        r = write_born(series, &samples[differences->born[i]], body);
    return r;
}
