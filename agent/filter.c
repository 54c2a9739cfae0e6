/*
 * Regular expressions over names. Knows nothing of what the names are.
 */
#include "agent/filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct filter_memory {
    char *name;
    bool is_taken;
};

/* A backslash and this in brackets, where POSIX takes the backslash for itself. */
static char *translate_in_brackets(char *to, char escaped)
{
    switch (escaped) {
    case 'd':
        return stpcpy(to, "0-9");
    case 's':
        return stpcpy(to, "[:space:]");
    case 'w':
        return stpcpy(to, "[:alnum:]_");
    default:
        to = stpcpy(to, "[.");
        *to++ = escaped;
        return stpcpy(to, ".]");
    }
}

/* From the "[" on. Returns what follows the "]", or the end; *to is moved. */
static const char *translate_brackets(const char *from, char **to)
{
    char *out = *to;
    *out++ = *from++;
    if (*from == '^')
        *out++ = *from++;
    if (*from == ']') /* the first one is a member */
        *out++ = *from++;
    while (*from != '\0' && *from != ']') {
        const char *end = strncmp(from, "[:", 2) == 0 ? strstr(from + 2, ":]") : NULL;
        if (*from == '\\' && from[1] != '\0') {
            out = translate_in_brackets(out, from[1]);
            from += 2;
        } else {
            size_t n = end == NULL ? 1 : (size_t)(end + 2 - from);
            out = mempcpy(out, from, n);
            from += n;
        }
    }
    if (*from == ']')
        *out++ = *from++;
    *to = out;
    return from;
}

/* POSIX says what Perl does but in other words: \d is [0-9], and every group is the caller's. */
static char *translate(const char *expression)
{
    char *out = malloc(5 * strlen(expression) + 1);
    if (out == NULL)
        return NULL;
    char *to = out;
    const char *from = expression;
    while (*from != '\0') {
        if (*from == '[') {
            from = translate_brackets(from, &to);
        } else if (strncmp(from, "\\d", 2) == 0) {
            to = stpcpy(to, "[0-9]");
            from += 2;
        } else if (strncmp(from, "(?:", 3) == 0) {
            *to++ = '(';
            from += 3;
        } else {
            if (*from == '\\' && from[1] != '\0')
                *to++ = *from++;
            *to++ = *from++;
        }
    }
    *to = '\0';
    return out;
}

static int compile(regex_t *out, const char *expression, struct input_error *error)
{
    char *translated = translate(expression);
    if (translated == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    int r = regcomp(out, translated, REG_EXTENDED | REG_NOSUB);
    free(translated);
    if (r == 0)
        return 0;
    char why[128];
    (void)regerror(r, out, why, sizeof(why));
    return input_fail(error, r == REG_ESPACE ? -ENOMEM : -EINVAL, "%s: %s", expression, why);
}

int filter_init(struct filter *filter, const char *include, const char *exclude,
                struct input_error *error)
{
    *filter = (struct filter){.n_memory = 0};
    int r = 0;
    if (*include != '\0') {
        r = compile(&filter->include, include, error);
        filter->has_include = r == 0;
    }
    if (r == 0 && *exclude != '\0') {
        r = compile(&filter->exclude, exclude, error);
        filter->has_exclude = r == 0;
    }
    if (r < 0)
        filter_deinit(filter);
    return r;
}

static void forget(struct filter *filter)
{
    for (size_t i = 0; i < filter->n_memory; i++)
        free(filter->memory[i].name);
    filter->n_memory = 0;
    filter->next = 0;
}

void filter_deinit(struct filter *filter)
{
    if (filter->has_include)
        regfree(&filter->include);
    if (filter->has_exclude)
        regfree(&filter->exclude);
    forget(filter);
    free(filter->memory);
    *filter = (struct filter){.n_memory = 0};
}

static bool matches(const regex_t *expression, const char *name)
{
    return regexec(expression, name, 0, NULL, 0) == 0;
}

static bool decide(const struct filter *filter, const char *name)
{
    if (filter->has_exclude && matches(&filter->exclude, name))
        return false;
    return !filter->has_include || matches(&filter->include, name);
}

static const struct filter_memory *recall(struct filter *filter, const char *name)
{
    for (size_t i = 0; i < filter->n_memory; i++) {
        size_t at = (filter->next + i) % filter->n_memory;
        if (strcmp(filter->memory[at].name, name) != 0)
            continue;
        filter->next = (at + 1) % filter->n_memory;
        return &filter->memory[at];
    }
    return NULL;
}

/* Without memory for it a name is just not remembered. */
static void remember(struct filter *filter, const char *name, bool is_taken)
{
    if (filter->memory == NULL)
        filter->memory = calloc(FILTER_REMEMBERED_MAX, sizeof(*filter->memory));
    if (filter->n_memory == FILTER_REMEMBERED_MAX)
        forget(filter);
    char *copy = filter->memory == NULL ? NULL : strdup(name);
    if (copy == NULL)
        return;
    filter->memory[filter->n_memory++] = (struct filter_memory){copy, is_taken};
}

bool filter_takes(struct filter *filter, const char *name)
{
    if (!filter->has_include && !filter->has_exclude)
        return true;
    const struct filter_memory *memory = recall(filter, name);
    if (memory != NULL)
        return memory->is_taken;
    bool is_taken = decide(filter, name);
    remember(filter, name, is_taken);
    return is_taken;
}

const char *filter_check(const char *expression)
{
    struct input_error error;
    regex_t compiled;
    if (compile(&compiled, expression, &error) < 0)
        return "not a regular expression";
    regfree(&compiled);
    return NULL;
}
