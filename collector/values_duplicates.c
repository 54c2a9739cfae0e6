#include "collector/values_duplicates.h"

#include <errno.h>
#include <string.h>

/* Open addressing; an identity of IDENTITY_NONE is a free place. */
struct place {
    const struct target *target;
    uint32_t identity;
};

struct seen {
    const struct identities *identities;
    struct place *places;
    size_t mask;
};

static int seen_init(struct seen *seen, const struct values *values)
{
    size_t n = 64;
    while (n < 2 * values_series(values))
        n *= 2;
    *seen = (struct seen){.identities = values->identities, .mask = n - 1};
    seen->places = calloc(n, sizeof(*seen->places));
    return seen->places == NULL ? -ENOMEM : 0;
}

static bool is_same_text(const struct identity *a, const struct identity *b)
{
    return a == b || (a->shared.hash == b->shared.hash && a->text_bytes == b->text_bytes &&
                      memcmp(a->text, b->text, a->text_bytes) == 0);
}

/* True for a series that the target had already. */
static bool see(struct seen *seen, const struct target *target, uint32_t number)
{
    const struct identity *identity = identities_get(seen->identities, number);
    size_t at = identity->shared.hash & seen->mask;
    for (; seen->places[at].identity != IDENTITY_NONE; at = (at + 1) & seen->mask) {
        const struct place *place = &seen->places[at];
        if (place->target == target &&
            is_same_text(identities_get(seen->identities, place->identity), identity))
            return true;
    }
    seen->places[at] = (struct place){target, number};
    return false;
}

static void mark_input(struct values *values, struct values_input *input, struct seen *seen,
                       const struct identity *taken)
{
    for (uint32_t i = 0; i < input->n_values; i++) {
        struct value *value = &input->values[i];
        value->is_duplicate = false;
        if (!input->is_shown || value->identity == IDENTITY_NONE)
            continue;
        value->is_duplicate =
            is_same_text(identities_get(values->identities, value->identity), taken) ||
            see(seen, input->target, value->identity);
        values->duplicates += value->is_duplicate;
    }
}

int values_mark_duplicates(struct values *values, uint32_t taken)
{
    struct seen seen;
    if (!values->is_to_mark)
        return 0;
    int r = seen_init(&seen, values);
    if (r < 0)
        return r;
    values->duplicates = 0;
    values->is_to_mark = false;
    for (struct values_input *input = values->inputs; input != NULL; input = input->next)
        mark_input(values, input, &seen, identities_get(values->identities, taken));
    free(seen.places);
    return 0;
}
