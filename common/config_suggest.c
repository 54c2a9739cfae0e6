#include "common/config_suggest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau's distance with each place changed once: three rows of the usual table are enough. */
size_t config_distance(const char *a, const char *b)
{
    size_t rows[3][CONFIG_SUGGEST_BYTES_MAX + 1];
    size_t n_a = strlen(a), n_b = strlen(b);

    if (n_a > CONFIG_SUGGEST_BYTES_MAX || n_b > CONFIG_SUGGEST_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3];
        const size_t *second = rows[(i + 1) % 3]; /* two above: i - 2 */
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

void config_suggest(struct config_suggestion *best, const char *word, const char *candidate)
{
    size_t distance = config_distance(word, candidate);

    if (distance == SIZE_MAX || distance * 3 > strlen(word) + 1)
        return;
    if (best->word != NULL && distance >= best->distance)
        return;
    *best = (struct config_suggestion){.word = candidate, .distance = distance};
}
