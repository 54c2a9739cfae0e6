/*
 * The agent's configuration: its option tables, and the struct that they fill. Each input's
 * section has what all inputs have, and its own options.
 */
#ifndef SHOAL_AGENT_AGENT_SETTINGS_H
#define SHOAL_AGENT_AGENT_SETTINGS_H

#include "agent/sampler.h"
#include "agent/spool.h"
#include "common/broker.h"
#include "common/config.h"
#include "common/log.h"

#define AGENT_SETTINGS_INTERVAL_MS_MIN 100
#define AGENT_SETTINGS_INTERVAL_MS_MAX (INT64_C(24) * 3600 * 1000)

struct agent_settings {
    char *node_id; /* "": by host name */
    struct config_map node_labels;
    char *state_directory;
    char *runtime_directory; /* "": found by runtime_directory_find */
    struct broker_settings broker;
    char *proc, *sys, *rootfs;
    int64_t interval_ms;
    struct spool_bounds spool;
    bool is_clock_trusted;
    int log_level;

    struct input_host host;        /* of proc, sys, rootfs */
    struct label *labels;          /* of node_labels */
    struct sampler_input *sampled; /* the inputs that are on */
    size_t n_sampled;

    struct agent_settings_tables *tables;
};

/* Reads the files over the defaults. `inputs` is a table up to a NULL. 0, CONFIG_BAD with *error
 * filled, or -ENOMEM. */
WARN_UNUSED int agent_settings_load(const struct input *const *inputs, const char *const *files,
                                    size_t n_files, struct agent_settings **settings_out,
                                    struct config_error *error);
void agent_settings_free(struct agent_settings *settings); /* may be NULL */

/* As YAML, each option with its help. */
void agent_settings_print(const struct agent_settings *settings, struct buffer *out);

#endif
