/* The known key that an unknown one was probably meant to be. */
#ifndef SHOAL_COMMON_CONFIG_SUGGEST_H
#define SHOAL_COMMON_CONFIG_SUGGEST_H

#include <stddef.h>

#define CONFIG_SUGGEST_BYTES_MAX 40 /* longer words are never close */

/* Insertions, deletions, replacements and swaps of neighbours that turn one into the other;
 * SIZE_MAX for words over CONFIG_SUGGEST_BYTES_MAX. */
size_t config_distance(const char *a, const char *b);

/* The closest candidate so far; start with all zeros. */
struct config_suggestion {
    const char *word; /* NULL: none is close */
    size_t distance;
};

/* Takes `candidate` where it is close to `word` (a third of it may differ) and closer than before.
 */
void config_suggest(struct config_suggestion *best, const char *word, const char *candidate);

#endif
