/*
 * An open-addressing index over the array of families. The document owns both.
 */
#include "agent/textformat_families.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_MIN 64

int textformat_grow(void **elements, size_t n, size_t *room, size_t element_bytes)
{
    if (n < *room)
        return 0;
    size_t more = *room * 2 + 16;
    void *grown = reallocarray(*elements, more, element_bytes);
    if (grown == NULL)
        return -ENOMEM;
    *elements = grown;
    *room = more;
    return 0;
}

static size_t hash_name(const char *name, size_t n)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 32);
}

/* The place of a name in the index: that of its family, or the free one where it belongs. */
static size_t *find_place(const struct textformat *document, const char *name, size_t n)
{
    size_t mask = document->n_index - 1;
    for (size_t i = hash_name(name, n) & mask;; i = (i + 1) & mask) {
        size_t *place = &document->index[i];
        if (*place == 0)
            return place;
        const char *other = document->families[*place - 1].name;
        if (strncmp(other, name, n) == 0 && other[n] == '\0')
            return place;
    }
}

/* Keeps the index at least half empty. */
static int grow_index(struct textformat *document)
{
    if (2 * (document->n_families + 1) <= document->n_index)
        return 0;
    size_t n = document->n_index == 0 ? INDEX_MIN : 2 * document->n_index;
    size_t *index = calloc(n, sizeof(*index));
    if (index == NULL)
        return -ENOMEM;
    free(document->index);
    document->index = index;
    document->n_index = n;
    for (size_t i = 0; i < document->n_families; i++) {
        const char *name = document->families[i].name;
        *find_place(document, name, strlen(name)) = i + 1;
    }
    return 0;
}

static int add_family(struct textformat *document, const char *name)
{
    if (document->n_families == TEXTFORMAT_FAMILIES_MAX)
        return TEXTFORMAT_BAD;
    int r = textformat_grow((void **)&document->families, document->n_families,
                            &document->room_families, sizeof(*document->families));
    if (r < 0)
        return r;
    document->families[document->n_families++] =
        (struct textformat_family){.name = name, .type = FAMILY_UNKNOWN};
    return 0;
}

int textformat_family_get(struct textformat *document, const char *name, size_t *family_out)
{
    int r = grow_index(document);
    if (r < 0)
        return r;
    size_t *place = find_place(document, name, strlen(name));
    if (*place == 0) {
        r = add_family(document, name);
        if (r != 0)
            return r;
        *place = document->n_families;
    }
    *family_out = *place - 1;
    return 0;
}

bool textformat_family_find(const struct textformat *document, const char *name, size_t *family_out)
{
    if (document->n_index == 0)
        return false;
    size_t place = *find_place(document, name, strlen(name));
    if (place == 0)
        return false;
    *family_out = place - 1;
    return true;
}

static bool has_parts(enum family_type type, enum series_suffix suffix)
{
    return type == FAMILY_HISTOGRAM || (type == FAMILY_SUMMARY && suffix != SUFFIX_BUCKET);
}

bool textformat_family_of_part(const struct textformat *document, const char *name,
                               size_t *family_out, enum series_suffix *suffix_out)
{
    size_t n = strlen(name);
    if (document->n_index == 0)
        return false;
    for (enum series_suffix suffix = SUFFIX_BUCKET; suffix < SUFFIXES; suffix++) {
        const char *text = series_suffix_text(suffix);
        size_t n_text = strlen(text);
        if (n <= n_text || strcmp(name + n - n_text, text) != 0)
            continue;
        size_t place = *find_place(document, name, n - n_text);
        if (place == 0 || !has_parts(document->families[place - 1].type, suffix))
            return false;
        *family_out = place - 1;
        *suffix_out = suffix;
        return true;
    }
    return false;
}
