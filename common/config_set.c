#include "common/config_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_error.h"
#include "common/config_value.h"

#define DEFAULT_BYTES_MAX ((size_t)64 * 1024) /* of tree, for a list or map in a table */

struct setting {
    const struct option *option;
    const struct config_place *place;
    struct config_error *error;
};

/* --- what is wanted --- */

/* "one of: a, b, c". */
static void describe_choices(char *out, size_t out_bytes, const char *const *choices)
{
    size_t used = (size_t)snprintf(out, out_bytes, "one of: ");

    for (size_t i = 0; choices[i] != NULL && used < out_bytes; i++)
        used +=
            (size_t)snprintf(out + used, out_bytes - used, "%s%s", i == 0 ? "" : ", ", choices[i]);
}

static const char *describe(const struct option *option, char *out, size_t out_bytes)
{
    switch (option->type) {
    case OPTION_BOOL:
        return "true or false";
    case OPTION_INTEGER:
        return "a whole number";
    case OPTION_DURATION:
        return "a duration with its unit, such as 15s, 5m or 1h30m";
    case OPTION_SIZE:
        return "a size such as 4096, 64KiB or 4GiB";
    case OPTION_TEXT:
        return "a text";
    case OPTION_LIST:
        return "a list of texts";
    case OPTION_MAP:
        return "a mapping of names to texts";
    case OPTION_CHOICE:
        describe_choices(out, out_bytes, option->choices);
        return out;
    }
    return "";
}

static const char *kind_name(enum config_kind kind)
{
    static const char *const names[] = {
        [CONFIG_NULL] = "nothing",
        [CONFIG_TEXT] = "a text",
        [CONFIG_LIST] = "a list",
        [CONFIG_MAPPING] = "a mapping",
    };

    return names[kind];
}

static int fail_kind(const struct setting *setting, enum config_kind kind)
{
    char choices[256];

    return config_fail(setting->error, "%s:%zu: %s: expected %s, found %s", setting->place->file,
                       setting->place->line, setting->place->path,
                       describe(setting->option, choices, sizeof choices), kind_name(kind));
}

static int fail_value(const struct setting *setting, const char *text)
{
    char choices[256];

    return config_fail(setting->error, "%s:%zu: %s: expected %s, found \"%.*s\"",
                       setting->place->file, setting->place->line, setting->place->path,
                       describe(setting->option, choices, sizeof choices), CONFIG_QUOTE(text));
}

static int fail_range(const struct setting *setting, const char *text)
{
    char range[CONFIG_RANGE_BYTES_MAX];

    config_range_text(setting->option, range);
    return config_fail(setting->error, "%s:%zu: %s: \"%.*s\" is out of range: %s",
                       setting->place->file, setting->place->line, setting->place->path,
                       CONFIG_QUOTE(text), range);
}

/* --- texts --- */

static int check_text(const struct setting *setting, const char *text)
{
    const char *complaint = setting->option->check == NULL ? NULL : setting->option->check(text);

    if (complaint == NULL)
        return 0;
    return config_fail(setting->error, "%s:%zu: %s: \"%.*s\": %s", setting->place->file,
                       setting->place->line, setting->place->path, CONFIG_QUOTE(text), complaint);
}

static int set_text(const struct setting *setting, char **field, const char *text)
{
    int r = check_text(setting, text);
    if (r != 0)
        return r;
    char *copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

/* --- numbers --- */

static bool has_range(const struct option *option)
{
    return option->min != 0 || option->max != 0;
}

static int set_number(const struct setting *setting, int64_t *field, const char *text)
{
    const struct option *option = setting->option;
    int64_t number;
    bool is_good = option->type == OPTION_DURATION ? config_parse_duration(text, &number)
                                                   : config_parse_integer(text, &number);

    if (!is_good)
        return fail_value(setting, text);
    if (has_range(option) && (number < option->min || number > option->max))
        return fail_range(setting, text);
    *field = number;
    return 0;
}

static int set_size(const struct setting *setting, uint64_t *field, const char *text)
{
    const struct option *option = setting->option;
    uint64_t bytes;

    if (!config_parse_size(text, &bytes))
        return fail_value(setting, text);
    if (has_range(option) && (bytes < (uint64_t)option->min || bytes > (uint64_t)option->max))
        return fail_range(setting, text);
    *field = bytes;
    return 0;
}

static int set_choice(const struct setting *setting, int *field, const char *text)
{
    for (int i = 0; setting->option->choices[i] != NULL; i++) {
        if (strcmp(text, setting->option->choices[i]) == 0) {
            *field = i;
            return 0;
        }
    }
    return fail_value(setting, text);
}

static int set_scalar(const struct setting *setting, void *field, const char *text)
{
    switch (setting->option->type) {
    case OPTION_BOOL:
        return config_parse_bool(text, field) ? 0 : fail_value(setting, text);
    case OPTION_INTEGER:
    case OPTION_DURATION:
        return set_number(setting, field, text);
    case OPTION_SIZE:
        return set_size(setting, field, text);
    case OPTION_CHOICE:
        return set_choice(setting, field, text);
    case OPTION_TEXT:
        return set_text(setting, field, text);
    case OPTION_LIST:
    case OPTION_MAP:
        break;
    }
    return fail_kind(setting, CONFIG_TEXT);
}

/* --- lists and maps --- */

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; texts != NULL && i < n; i++)
        free(texts[i]);
    free(texts);
}

static int check_entry(const struct setting *setting, const struct config_node *entry)
{
    struct config_place place = *setting->place;
    struct setting of_entry = *setting;

    place.line = entry->line;
    of_entry.place = &place;
    if (entry->kind != CONFIG_TEXT)
        return fail_kind(&of_entry, entry->kind);
    return check_text(&of_entry, entry->text);
}

/* All of the entries' texts, or keys; NULL when out of memory. */
static char **copy_texts(const struct config_node *node, bool are_keys)
{
    char **texts = calloc(node->n, sizeof *texts);
    size_t i = 0;

    for (const struct config_node *entry = node->child; texts != NULL && entry != NULL;
         entry = entry->next, i++) {
        texts[i] = strdup(are_keys ? entry->key : entry->text);
        if (texts[i] == NULL) {
            free_texts(texts, i);
            return NULL;
        }
    }
    return texts;
}

static int check_entries(const struct setting *setting, const struct config_node *node)
{
    for (const struct config_node *entry = node->child; entry != NULL; entry = entry->next) {
        int r = check_entry(setting, entry);
        if (r != 0)
            return r;
    }
    return 0;
}

static int set_list(const struct setting *setting, struct config_list *field,
                    const struct config_node *node)
{
    struct config_list list = {.n = node->n};

    int r = check_entries(setting, node);
    if (r != 0)
        return r;
    if (node->n > 0) {
        list.items = copy_texts(node, false);
        if (list.items == NULL)
            return -ENOMEM;
    }
    config_clear(setting->option, field);
    *field = list;
    return 0;
}

/* CONFIG_LIST_MAX bounds the time that this takes. */
static int check_keys(const struct setting *setting, const struct config_node *node)
{
    for (const struct config_node *entry = node->child; entry != NULL; entry = entry->next) {
        for (const struct config_node *other = node->child; other != entry; other = other->next) {
            if (strcmp(entry->key, other->key) == 0)
                return config_fail(setting->error, "%s:%zu: %s.%.*s: given twice",
                                   setting->place->file, entry->line, setting->place->path,
                                   CONFIG_QUOTE(entry->key));
        }
    }
    return 0;
}

static int set_map(const struct setting *setting, struct config_map *field,
                   const struct config_node *node)
{
    struct config_map map = {.n = node->n};

    int r = check_keys(setting, node);
    if (r == 0)
        r = check_entries(setting, node);
    if (r != 0)
        return r;
    if (node->n > 0) {
        map.keys = copy_texts(node, true);
        map.values = copy_texts(node, false);
        if (map.keys == NULL || map.values == NULL) {
            free_texts(map.keys, map.n);
            free_texts(map.values, map.n);
            return -ENOMEM;
        }
    }
    config_clear(setting->option, field);
    *field = map;
    return 0;
}

/* --- the module's functions --- */

int config_set(const struct option *option, void *field, const struct config_node *node,
               const struct config_place *place, struct config_error *error)
{
    const struct setting setting = {.option = option, .place = place, .error = error};

    if (node->kind == CONFIG_NULL)
        return config_set_default(option, field, error);
    if (option->type == OPTION_LIST && node->kind == CONFIG_LIST)
        return set_list(&setting, field, node);
    if (option->type == OPTION_MAP && node->kind == CONFIG_MAPPING)
        return set_map(&setting, field, node);
    if (node->kind != CONFIG_TEXT)
        return fail_kind(&setting, node->kind);
    return set_scalar(&setting, field, node->text);
}

static int set_default_tree(const struct option *option, void *field,
                            const struct config_place *place, struct config_error *error)
{
    const struct config_node *root;
    struct arena arena;

    arena_init(&arena, DEFAULT_BYTES_MAX);
    int r = config_yaml_parse(&arena, place->file, option->default_text,
                              strlen(option->default_text), &root, error);
    if (r == 0 && root->kind == CONFIG_NULL)
        config_clear(option, field);
    else if (r == 0)
        r = config_set(option, field, root, place, error);
    arena_deinit(&arena);
    return r;
}

/* A default is not put to the option's own check: "" may stand for what has to be given. */
int config_set_default(const struct option *option, void *field, struct config_error *error)
{
    const struct config_place place = {.file = "default", .line = 1, .path = option->name};
    struct option unchecked = *option;

    unchecked.check = NULL;
    if (option->type == OPTION_LIST || option->type == OPTION_MAP)
        return set_default_tree(&unchecked, field, &place, error);
    const struct setting setting = {.option = &unchecked, .place = &place, .error = error};
    return set_scalar(&setting, field, option->default_text);
}

void config_clear(const struct option *option, void *field)
{
    if (option->type == OPTION_TEXT) {
        char **text = field;
        free(*text);
        *text = NULL;
    } else if (option->type == OPTION_LIST) {
        struct config_list *list = field;
        free_texts(list->items, list->n);
        *list = (struct config_list){0};
    } else if (option->type == OPTION_MAP) {
        struct config_map *map = field;
        free_texts(map->keys, map->n);
        free_texts(map->values, map->n);
        *map = (struct config_map){0};
    }
}

static void number_text(const struct option *option, int64_t number, char *out)
{
    if (option->type == OPTION_DURATION)
        config_format_duration(out, number);
    else if (option->type == OPTION_SIZE)
        config_format_size(out, (uint64_t)number);
    else
        (void)snprintf(out, CONFIG_VALUE_BYTES_MAX, "%" PRId64, number);
}

const char *config_value_text(const struct option *option, const void *field,
                              char out[CONFIG_VALUE_BYTES_MAX])
{
    switch (option->type) {
    case OPTION_BOOL:
        return *(const bool *)field ? "true" : "false";
    case OPTION_INTEGER:
    case OPTION_DURATION:
        number_text(option, *(const int64_t *)field, out);
        return out;
    case OPTION_SIZE:
        config_format_size(out, *(const uint64_t *)field);
        return out;
    case OPTION_TEXT:
        return *(char *const *)field == NULL ? "" : *(char *const *)field;
    case OPTION_CHOICE:
        return option->choices[*(const int *)field];
    case OPTION_LIST:
    case OPTION_MAP:
        break;
    }
    return "";
}

void config_range_text(const struct option *option, char out[CONFIG_RANGE_BYTES_MAX])
{
    char least[CONFIG_VALUE_BYTES_MAX], most[CONFIG_VALUE_BYTES_MAX];

    out[0] = '\0';
    if (!has_range(option))
        return;
    number_text(option, option->min, least);
    number_text(option, option->max, most);
    if (option->max == INT64_MAX)
        (void)snprintf(out, CONFIG_RANGE_BYTES_MAX, "at least %s", least);
    else
        (void)snprintf(out, CONFIG_RANGE_BYTES_MAX, "%s to %s", least, most);
}
