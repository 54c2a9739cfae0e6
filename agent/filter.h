/*
 * Which devices or mount points an input takes: by a regular expression of what to leave out and
 * one of what to take. As in node_exporter, so that its flags can be carried over; expressions are
 * POSIX extended ones, and Perl's \d and (?: are understood too.
 */
#ifndef SHOAL_AGENT_FILTER_H
#define SHOAL_AGENT_FILTER_H

#include <regex.h>
#include <stdbool.h>

#include "agent/input.h"

#define FILTER_REMEMBERED_MAX 256 /* with one more, all are forgotten and it starts again */

struct filter_memory;

/* Caller's storage; all zeros takes everything. Not for several threads at once. */
struct filter {
    bool has_include;
    bool has_exclude;
    regex_t include;
    regex_t exclude;
    struct filter_memory *memory; /* of names asked for before, as matching is slow */
    size_t n_memory;
    size_t next; /* where the next name is looked for first: names come in the same order */
};

/* Empty texts: no such expression. 0, -ENOMEM or -EINVAL, with *error filled. */
WARN_UNUSED int filter_init(struct filter *filter, const char *include, const char *exclude,
                            struct input_error *error);
void filter_deinit(struct filter *filter);

/* True unless `exclude` matches somewhere in the name, or there is an `include` that does not. */
bool filter_takes(struct filter *filter, const char *name);

/* For struct option: NULL, or that the text is no regular expression. */
const char *filter_check(const char *expression);

#endif
