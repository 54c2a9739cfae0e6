/* The collector's configuration: its sections, their options and what goes together. */
#ifndef SHOAL_COLLECTOR_SETTINGS_H
#define SHOAL_COLLECTOR_SETTINGS_H

#include "common/broker.h"
#include "common/log.h"

/* All zeros before settings_load. */
struct settings {
    struct broker_settings broker;
    struct {
        char *directory;
        int64_t retention_ms;
        uint64_t max_bytes;
    } store;
    struct {
        char *listen;
        char *external_url;
        int64_t connections_max;
    } web;
    struct {
        bool is_trusted;
    } clock;
    struct {
        int level; /* enum log_level */
    } log;
    struct {
        struct config_list nodes;
        int64_t nodes_max;
    } top;
};

/* Fills the settings from the files. 0, CONFIG_BAD with *error filled, -ENOMEM; after either the
 * settings hold nothing. */
WARN_UNUSED int settings_load(struct settings *settings, const char *const *files, size_t n_files,
                              struct config_error *error);
void settings_free(struct settings *settings);

/* Appends the names of the sections that differ, but for what can be changed while running (nodes,
 * log.level): "broker, store". */
void settings_differing(const struct settings *a, const struct settings *b, struct buffer *out);

/* The values in force, as YAML. */
void settings_print(struct buffer *out, const struct settings *settings);

#endif
