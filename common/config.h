/*
 * Configuration: YAML files read against tables of options. A table says an option's name, type,
 * range, default, unit and help; checking, defaults, --print-config and the manual come from it.
 *
 * A file is nested mappings. A section has a path ("broker", "inputs.cpu"; "" is the top) and a
 * table whose options fill a struct of the owner's. Unknown keys, wrong types and values out of
 * range are errors that name file, line and path, with a suggestion where a known key is close.
 */
#ifndef SHOAL_COMMON_CONFIG_H
#define SHOAL_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/series.h"

#define CONFIG_FILE_BYTES_MAX ((size_t)1024 * 1024)
#define CONFIG_LIST_MAX 4096
#define CONFIG_DEPTH_MAX 16

enum option_type {
    OPTION_BOOL,     /* bool */
    OPTION_INTEGER,  /* int64_t */
    OPTION_DURATION, /* int64_t milliseconds: 500ms, 15s, 5m, 1h30m, 7d */
    OPTION_SIZE,     /* uint64_t bytes: 4096, 64KiB, 64MiB, 4GiB */
    OPTION_TEXT,     /* char *, never NULL */
    OPTION_CHOICE,   /* int: index into choices */
    OPTION_LIST,     /* struct config_list */
    OPTION_MAP       /* struct config_map: text to text, in the file's order */
};

struct config_list {
    char **items;
    size_t n;
};

struct config_map {
    char **keys;
    char **values;
    size_t n;
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;              /* of the field in the section's struct */
    const char *default_text;   /* as it would stand in the file; for lists and maps "" is empty */
    int64_t min, max;           /* INTEGER, DURATION (ms), SIZE; both 0: no range */
    const char *const *choices; /* CHOICE: NULL-terminated */
    /* A further check of TEXT, each LIST item or MAP value: NULL or what is wrong. May be NULL. */
    const char *(*check)(const char *value);
    const char *help;
};

#define OPTIONS_END                                                                                \
    {                                                                                              \
        .name = NULL                                                                               \
    }

struct config_section {
    const char *path;
    const struct option *options; /* up to OPTIONS_END; may be NULL for a section without any */
    void *target;                 /* the struct that offsets count from */
};

enum { CONFIG_BAD = 1 };

struct config_error {
    char text[512]; /* "/etc/shoal/agent.yaml:12: inputs.cpu.intervall: unknown key; did you mean
                       interval?" */
};

/*
 * Fills the sections' targets, which are all zeros before the first call: defaults first, then
 * each file over them, later files winning. A file that is a directory stands for its *.yaml in
 * order of names. After an error the targets hold nothing (config_deinit is not needed, but may be
 * called). 0, CONFIG_BAD with *error filled (unreadable files too), -ENOMEM.
 */
WARN_UNUSED int config_load(const struct config_section *sections, size_t n_sections,
                            const char *const *files, size_t n_files, struct config_error *error);

/* Frees the texts, lists and maps and leaves zeros. */
void config_deinit(const struct config_section *sections, size_t n_sections);

/* All options with the values in force, as YAML with their help as comments. */
void config_print(struct buffer *out, const struct config_section *sections, size_t n_sections);

/* Reads a small secret file without its trailing line feed into out (empty text for path ""):
 * 0 or CONFIG_BAD with *error filled. */
WARN_UNUSED int config_read_secret(const char *path, char *out, size_t out_bytes,
                                   struct config_error *error);

#endif
