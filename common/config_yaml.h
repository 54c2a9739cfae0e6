/*
 * A YAML document as a small tree with line numbers. Only what a configuration needs: texts, lists
 * and mappings with text keys. Anchors, aliases, tags and further documents are refused. Knows
 * nothing of options.
 */
#ifndef SHOAL_COMMON_CONFIG_YAML_H
#define SHOAL_COMMON_CONFIG_YAML_H

#include "common/arena.h"
#include "common/config.h"

#define CONFIG_TREE_BYTES_MAX                                                                      \
    ((size_t)128 * 1024 * 1024) /* a file of CONFIG_FILE_BYTES_MAX needs less */

enum config_kind { CONFIG_NULL, CONFIG_TEXT, CONFIG_LIST, CONFIG_MAPPING };

/* Texts are valid UTF-8 without NUL. */
struct config_node {
    enum config_kind kind;
    size_t line;               /* from 1 */
    const char *text;          /* of a CONFIG_TEXT */
    const char *key;           /* within a mapping */
    struct config_node *child; /* first of a list or mapping */
    struct config_node *next;
    size_t n; /* children, at most CONFIG_LIST_MAX */
};

/* The tree lies in the arena. `name` stands in front of errors. An empty document is CONFIG_NULL.
 * 0, CONFIG_BAD, -ENOMEM. */
WARN_UNUSED int config_yaml_parse(struct arena *arena, const char *name, const char *text,
                                  size_t size, const struct config_node **root_out,
                                  struct config_error *error);

#endif
