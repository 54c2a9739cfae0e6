#include "common/config_sections.h"

#include <stdio.h>
#include <string.h>

#include "common/config_error.h"
#include "common/config_set.h"
#include "common/config_suggest.h"

struct application {
    const struct config_sections *sections;
    const char *file;
    struct config_error *error;
};

void config_path_join(char out[CONFIG_PATH_BYTES_MAX], const char *path, const char *name)
{
    (void)snprintf(out, CONFIG_PATH_BYTES_MAX, "%s%s%.*s", path, *path == '\0' ? "" : ".",
                   CONFIG_QUOTE(name));
}

const struct config_section *config_sections_find(const struct config_sections *sections,
                                                  const char *path)
{
    for (size_t i = 0; i < sections->n; i++) {
        if (strcmp(sections->all[i].path, path) == 0)
            return &sections->all[i];
    }
    return NULL;
}

const struct option *config_options_of(const struct config_section *section)
{
    static const struct option none[] = {OPTIONS_END};

    return section == NULL || section->options == NULL ? none : section->options;
}

/* What follows `path` in the section's own path, or NULL if that is not below it. */
static const char *below(const char *path, const struct config_section *section)
{
    size_t n = strlen(path);

    if (n == 0)
        return section->path[0] == '\0' ? NULL : section->path;
    if (strncmp(section->path, path, n) != 0 || section->path[n] != '.')
        return NULL;
    return section->path + n + 1;
}

static bool is_same_child(const char *a, const char *b)
{
    size_t n = strcspn(a, ".");

    return n == strcspn(b, ".") && strncmp(a, b, n) == 0;
}

/* Whether an earlier section has brought this child in already. */
static bool is_repeated(const struct config_sections *sections, const char *path, size_t end,
                        const char *child)
{
    for (size_t i = 0; i < end; i++) {
        const char *other = below(path, &sections->all[i]);
        if (other != NULL && is_same_child(other, child))
            return true;
    }
    return false;
}

bool config_sections_child(const struct config_sections *sections, const char *path, size_t i,
                           char name_out[CONFIG_PATH_BYTES_MAX])
{
    for (size_t at = 0; at < sections->n; at++) {
        const char *child = below(path, &sections->all[at]);
        if (child == NULL || is_repeated(sections, path, at, child) || i-- > 0)
            continue;
        (void)snprintf(name_out, CONFIG_PATH_BYTES_MAX, "%.*s", (int)strcspn(child, "."), child);
        return true;
    }
    return false;
}

static bool has_child(const struct config_sections *sections, const char *path, const char *name)
{
    for (size_t i = 0; i < sections->n; i++) {
        const char *child = below(path, &sections->all[i]);
        if (child != NULL && strcspn(child, ".") == strlen(name) &&
            strncmp(child, name, strlen(name)) == 0)
            return true;
    }
    return false;
}

static const struct option *find_option(const struct config_section *section, const char *name)
{
    for (const struct option *option = config_options_of(section); option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0)
            return option;
    }
    return NULL;
}

/* The path of a section elsewhere that has an option of this very name, or NULL. */
static const char *find_elsewhere(const struct config_sections *sections, const char *name)
{
    for (size_t i = 0; i < sections->n; i++) {
        if (find_option(&sections->all[i], name) != NULL)
            return sections->all[i].path;
    }
    return NULL;
}

static int fail_unknown(const struct application *application, const char *path,
                        const struct config_node *entry)
{
    const struct config_sections *sections = application->sections;
    const struct option *option = config_options_of(config_sections_find(sections, path));
    struct config_suggestion best = {.word = NULL};
    char names[2][CONFIG_PATH_BYTES_MAX]; /* one may be the best while the next is tried */
    char full[CONFIG_PATH_BYTES_MAX], meant[CONFIG_PATH_BYTES_MAX];
    size_t slot = 0;

    for (; option->name != NULL; option++)
        config_suggest(&best, entry->key, option->name);
    for (size_t i = 0; config_sections_child(sections, path, i, names[slot]); i++) {
        config_suggest(&best, entry->key, names[slot]);
        if (best.word == names[slot])
            slot = 1 - slot;
    }
    config_path_join(full, path, entry->key);
    const char *elsewhere = find_elsewhere(sections, entry->key);
    if (best.word == NULL && elsewhere != NULL) {
        config_path_join(meant, elsewhere, entry->key);
        best.word = meant;
    }
    return config_fail(application->error, "%s:%zu: %s: unknown key%s%s%s", application->file,
                       entry->line, full, best.word == NULL ? "" : "; did you mean ",
                       best.word == NULL ? "" : best.word, best.word == NULL ? "" : "?");
}

static int apply_mapping(const struct application *application, const char *path,
                         const struct config_node *mapping);

static int apply_section(const struct application *application, const char *path,
                         const struct config_node *node)
{
    if (node->kind == CONFIG_NULL)
        return 0;
    if (node->kind == CONFIG_MAPPING)
        return apply_mapping(application, path, node);
    return config_fail(application->error, "%s:%zu: %s: expected a section with keys, found a %s",
                       application->file, node->line, path,
                       node->kind == CONFIG_LIST ? "list" : "text");
}

static int apply_entry(const struct application *application, const char *path,
                       const struct config_node *entry)
{
    const struct config_section *section = config_sections_find(application->sections, path);
    const struct option *option = find_option(section, entry->key);
    char full[CONFIG_PATH_BYTES_MAX];

    config_path_join(full, path, entry->key);
    if (option != NULL) {
        const struct config_place place = {
            .file = application->file, .line = entry->line, .path = full};
        return config_set(option, config_field(section, option), entry, &place, application->error);
    }
    if (has_child(application->sections, path, entry->key))
        return apply_section(application, full, entry);
    return fail_unknown(application, path, entry);
}

static bool is_given_before(const struct config_node *mapping, const struct config_node *entry)
{
    for (const struct config_node *other = mapping->child; other != entry; other = other->next) {
        if (strcmp(other->key, entry->key) == 0)
            return true;
    }
    return false;
}

/* As deep as the paths of the sections are. Since an unknown key ends it, no more keys are compared
 * than the tables have. */
static int apply_mapping(const struct application *application, const char *path,
                         const struct config_node *mapping)
{
    for (const struct config_node *entry = mapping->child; entry != NULL; entry = entry->next) {
        if (is_given_before(mapping, entry)) {
            char full[CONFIG_PATH_BYTES_MAX];
            config_path_join(full, path, entry->key);
            return config_fail(application->error, "%s:%zu: %s: given twice", application->file,
                               entry->line, full);
        }
        int r = apply_entry(application, path, entry);
        if (r != 0)
            return r;
    }
    return 0;
}

int config_sections_apply(const struct config_sections *sections, const char *file,
                          const struct config_node *root, struct config_error *error)
{
    const struct application application = {.sections = sections, .file = file, .error = error};

    if (root->kind == CONFIG_TEXT || root->kind == CONFIG_LIST)
        return config_fail(error, "%s:%zu: expected keys with values, found a %s", file, root->line,
                           root->kind == CONFIG_LIST ? "list" : "text");
    return apply_section(&application, "", root);
}

int config_sections_set_defaults(const struct config_sections *sections, struct config_error *error)
{
    for (size_t i = 0; i < sections->n; i++) {
        const struct config_section *section = &sections->all[i];
        const struct option *option = config_options_of(section);
        for (; option->name != NULL; option++) {
            int r = config_set_default(option, config_field(section, option), error);
            if (r != 0)
                return r;
        }
    }
    return 0;
}
