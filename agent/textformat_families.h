/*
 * Part of the text format's parser: the families of a document, found by their names.
 */
#ifndef SHOAL_AGENT_TEXTFORMAT_FAMILIES_H
#define SHOAL_AGENT_TEXTFORMAT_FAMILIES_H

#include "agent/textformat.h"

/* Makes room in an array for one element more than the n that it has. 0 or -ENOMEM. */
WARN_UNUSED int textformat_grow(void **elements, size_t n, size_t *room, size_t element_bytes);

/* The index of the family of that name, which is kept, not copied; made if there is none. 0,
 * TEXTFORMAT_BAD at TEXTFORMAT_FAMILIES_MAX, or -ENOMEM. */
WARN_UNUSED int textformat_family_get(struct textformat *document, const char *name,
                                      size_t *family_out);

/* The index of the family of that name: whether there is one. */
bool textformat_family_find(const struct textformat *document, const char *name,
                            size_t *family_out);

/* Whether a sample's name is that of a part of a histogram or summary known so far
 * ("rpc_seconds_bucket" of rpc_seconds): then which. */
bool textformat_family_of_part(const struct textformat *document, const char *name,
                               size_t *family_out, enum series_suffix *suffix_out);

#endif
