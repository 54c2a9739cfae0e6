/*
 * An input's section is one option table made at run time: the common options and behind them the
 * input's own, whose offsets then count from behind struct agent_settings_input.
 */
#include "agent/agent_settings.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/decoder.h"
#include "common/topic.h"

#define SECTION_NAME_BYTES_MAX 80
#define OWN_SECTIONS 8 /* those that are not an input's */

/* What every input can be told. */
struct agent_settings_input {
    const struct input *input;
    bool is_on;
    int64_t interval_ms; /* 0: the sampling interval */
    int64_t timeout_ms;
    void *own; /* the input's own struct */
};

/* Where the input's own struct begins, behind the common one, aligned for anything. */
#define OWN_OFFSET                                                                                 \
    ((sizeof(struct agent_settings_input) + alignof(max_align_t) - 1) / alignof(max_align_t) *     \
     alignof(max_align_t))

/* What config_load works on. */
struct agent_settings_tables {
    struct config_section *sections;
    size_t n_sections;
    char (*names)[SECTION_NAME_BYTES_MAX]; /* paths of the inputs' sections */
    struct option **options;               /* tables of the inputs' sections */
    void **targets;                        /* a struct agent_settings_input and the own one */
    size_t n_inputs;
};

static const char *const level_names[] = {"error", "warning", "info", "debug", NULL};

static const char *check_node_id(const char *id)
{
    if (id[0] == '\0' || node_id_is_valid(id))
        return NULL;
    return "letters, digits and . _ - are allowed, 63 at most, beginning with a letter or digit";
}

static const char *check_directory(const char *path)
{
    return path[0] == '/' ? NULL : "an absolute path is needed";
}

static const char *check_runtime_directory(const char *path)
{
    return path[0] == '\0' ? NULL : check_directory(path);
}

static const char *check_label_value(const char *value)
{
    return text_is_valid(value, LABEL_VALUE_BYTES_MAX) ? NULL : "not UTF-8 or too long";
}

static const struct option top_options[] = {
    {.name = "state_directory",
     .type = OPTION_TEXT,
     .offset = offsetof(struct agent_settings, state_directory),
     .default_text = "/var/lib/shoal-agent",
     .check = check_directory,
     .help = "What has to outlive a loss of power: the node's id, the last time known, frames not"
             " delivered for long."},
    {.name = "runtime_directory",
     .type = OPTION_TEXT,
     .offset = offsetof(struct agent_settings, runtime_directory),
     .default_text = "",
     .check = check_runtime_directory,
     .help =
         "What has to outlive the process: frames not delivered yet. On a file system in memory."
         " Empty: $RUNTIME_DIRECTORY, /run/shoal-agent or $XDG_RUNTIME_DIR/shoal-agent."},
    OPTIONS_END,
};

static const struct option node_options[] = {
    {.name = "id",
     .type = OPTION_TEXT,
     .offset = offsetof(struct agent_settings, node_id),
     .default_text = "",
     .check = check_node_id,
     .help = "The node's id, its label instance. Empty: the host name. Kept from the first start."},
    {.name = "labels",
     .type = OPTION_MAP,
     .offset = offsetof(struct agent_settings, node_labels),
     .default_text = "",
     .check = check_label_value,
     .help = "The node's own labels, for service discovery."},
    OPTIONS_END,
};

static const struct option host_options[] = {
    {.name = "proc",
     .type = OPTION_TEXT,
     .offset = offsetof(struct agent_settings, proc),
     .default_text = "/proc",
     .check = check_directory,
     .help = "Where the machine's procfs is mounted."},
    {.name = "sys",
     .type = OPTION_TEXT,
     .offset = offsetof(struct agent_settings, sys),
     .default_text = "/sys",
     .check = check_directory,
     .help = "Where its sysfs is mounted."},
    {.name = "rootfs",
     .type = OPTION_TEXT,
     .offset = offsetof(struct agent_settings, rootfs),
     .default_text = "/",
     .check = check_directory,
     .help = "Where its root file system is mounted."},
    OPTIONS_END,
};

static const struct option sampling_options[] = {
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct agent_settings, interval_ms),
     .default_text = "15s",
     .min = AGENT_SETTINGS_INTERVAL_MS_MIN,
     .max = AGENT_SETTINGS_INTERVAL_MS_MAX,
     .help = "Time between two readings of an input that has no interval of its own."},
    OPTIONS_END,
};

static const struct option spool_options[] = {
    {.name = "flush_after",
     .type = OPTION_DURATION,
     .offset = offsetof(struct agent_settings, spool.flush_after_ms),
     .default_text = "1m",
     .max = AGENT_SETTINGS_INTERVAL_MS_MAX,
     .help = "What is not delivered for so long is written to the state directory; 0s: at once."},
    {.name = "max_size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct agent_settings, spool.max_bytes),
     .default_text = "64MiB",
     .min = SPOOL_BYTES_MIN,
     .max = INT64_C(64) * 1024 * 1024 * 1024,
     .help = "Of the state directory's spool; past it the oldest is dropped."},
    {.name = "memory_max",
     .type = OPTION_SIZE,
     .offset = offsetof(struct agent_settings, spool.memory_bytes),
     .default_text = "16MiB",
     .min = INT64_C(1024) * 1024,
     .max = INT64_C(4) * 1024 * 1024 * 1024,
     .help = "Of the runtime directory's spool, and of memory where a directory takes nothing."},
    OPTIONS_END,
};

static const struct option clock_options[] = {
    {.name = "trusted",
     .type = OPTION_BOOL,
     .offset = offsetof(struct agent_settings, is_clock_trusted),
     .default_text = "false",
     .help =
         "Take this machine's clock for right though the kernel does not call it synchronised."},
    OPTIONS_END,
};

static const struct option log_options[] = {
    {.name = "level",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct agent_settings, log_level),
     .default_text = "info",
     .choices = level_names,
     .help = "What is logged: error, warning, info or debug, each with those before it."},
    OPTIONS_END,
};

static const struct option input_options[] = {
    {.name = "enabled",
     .type = OPTION_BOOL,
     .offset = offsetof(struct agent_settings_input, is_on),
     .default_text = "true",
     .help = "Whether it is read."},
    {.name = "interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct agent_settings_input, interval_ms),
     .default_text = "0s",
     .max = AGENT_SETTINGS_INTERVAL_MS_MAX,
     .help = "Time between two readings; 0s: sampling.interval."},
    {.name = "timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(struct agent_settings_input, timeout_ms),
     .default_text = "10s",
     .min = 1,
     .max = AGENT_SETTINGS_INTERVAL_MS_MAX,
     .help = "A reading that takes longer counts as failed, if it may block at all."},
};
#define N_INPUT_OPTIONS (sizeof(input_options) / sizeof(input_options[0]))

static size_t count_options(const struct option *options)
{
    size_t n = 0;
    while (options != NULL && options[n].name != NULL)
        n++;
    return n;
}

/* NULL when out of memory. */
static struct option *merge_options(const struct input *input)
{
    size_t n_own = count_options(input->options);
    struct option *merged = calloc(N_INPUT_OPTIONS + n_own + 1, sizeof(*merged));
    if (merged == NULL)
        return NULL;
    memcpy(merged, input_options, sizeof(input_options));
    merged[0].default_text = input->is_on ? "true" : "false";
    for (size_t i = 0; i < n_own; i++) {
        merged[N_INPUT_OPTIONS + i] = input->options[i];
        merged[N_INPUT_OPTIONS + i].offset += OWN_OFFSET;
    }
    return merged;
}

static int add_input(struct agent_settings_tables *tables, const struct input *input)
{
    size_t i = tables->n_inputs;
    tables->options[i] = merge_options(input);
    tables->targets[i] = calloc(1, OWN_OFFSET + input->config_bytes);
    tables->n_inputs++;
    if (tables->options[i] == NULL || tables->targets[i] == NULL)
        return -ENOMEM;
    struct agent_settings_input *common = tables->targets[i];
    common->input = input;
    common->own = (char *)tables->targets[i] + OWN_OFFSET;
    (void)snprintf(tables->names[i], sizeof(tables->names[i]), "inputs.%s", input->name);
    tables->sections[tables->n_sections++] = (struct config_section){
        .path = tables->names[i], .options = tables->options[i], .target = tables->targets[i]};
    return 0;
}

static int make_tables(struct agent_settings *settings, const struct input *const *inputs)
{
    const struct config_section own[OWN_SECTIONS] = {
        {"", top_options, settings},
        {"node", node_options, settings},
        {BROKER_SECTION, broker_options, &settings->broker},
        {"host", host_options, settings},
        {"sampling", sampling_options, settings},
        {"spool", spool_options, settings},
        {"clock", clock_options, settings},
        {"log", log_options, settings},
    };
    size_t n = 0;
    while (inputs[n] != NULL)
        n++;
    struct agent_settings_tables *tables = settings->tables = calloc(1, sizeof(*tables));
    if (tables == NULL)
        return -ENOMEM;
    tables->sections = calloc(OWN_SECTIONS + n, sizeof(*tables->sections));
    tables->names = calloc(n + 1, sizeof(*tables->names));
    tables->options = calloc(n + 1, sizeof(struct option *));
    tables->targets = calloc(n + 1, sizeof(void *));
    if (tables->sections == NULL || tables->names == NULL || tables->options == NULL ||
        tables->targets == NULL)
        return -ENOMEM;
    memcpy(tables->sections, own, sizeof(own));
    tables->n_sections = OWN_SECTIONS;
    for (size_t i = 0; i < n; i++)
        if (add_input(tables, inputs[i]) != 0)
            return -ENOMEM;
    return 0;
}

static void free_tables(struct agent_settings_tables *tables)
{
    if (tables == NULL)
        return;
    for (size_t i = 0; i < tables->n_inputs; i++) {
        free(tables->options[i]);
        free(tables->targets[i]);
    }
    free(tables->targets);
    free(tables->options);
    free(tables->names);
    free(tables->sections);
    free(tables);
}

/* The directory as inputs join it with paths that begin with a slash: "/" is "". */
static const char *join_form(char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    return n == 1 ? "" : path;
}

/* Labels that service discovery sets itself, or that Prometheus would take for its own. */
static bool label_is_free(const char *name)
{
    return label_name_is_valid(name) && strcmp(name, "job") != 0 && strcmp(name, "instance") != 0 &&
           strcmp(name, "consumer") != 0;
}

static int take_labels(struct agent_settings *settings, struct config_error *error)
{
    const struct config_map *map = &settings->node_labels;
    if (map->n > NODE_LABELS_MAX) {
        (void)snprintf(error->text, sizeof(error->text), "node.labels: more than %d",
                       NODE_LABELS_MAX);
        return CONFIG_BAD;
    }
    settings->labels = calloc(map->n + 1, sizeof(*settings->labels));
    if (settings->labels == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < map->n; i++) {
        if (!label_is_free(map->keys[i])) {
            (void)snprintf(error->text, sizeof(error->text),
                           "node.labels.%.200s: not a label name that is free to use",
                           map->keys[i]);
            return CONFIG_BAD;
        }
        settings->labels[i] = (struct label){.name = map->keys[i], .value = map->values[i]};
    }
    return 0;
}

static int take_inputs(struct agent_settings *settings, struct config_error *error)
{
    const struct agent_settings_tables *tables = settings->tables;
    settings->sampled = calloc(tables->n_inputs + 1, sizeof(*settings->sampled));
    if (settings->sampled == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < tables->n_inputs; i++) {
        const struct agent_settings_input *input = tables->targets[i];
        int64_t interval = input->interval_ms != 0 ? input->interval_ms : settings->interval_ms;
        if (interval < AGENT_SETTINGS_INTERVAL_MS_MIN) {
            (void)snprintf(error->text, sizeof(error->text), "%s.interval: below %d ms",
                           tables->names[i], AGENT_SETTINGS_INTERVAL_MS_MIN);
            return CONFIG_BAD;
        }
        if (!input->is_on)
            continue;
        settings->sampled[settings->n_sampled++] =
            (struct sampler_input){.input = input->input,
                                   .config = input->own,
                                   .interval_ms = interval,
                                   .timeout_ms = input->timeout_ms};
    }
    return 0;
}

static int take(struct agent_settings *settings, struct config_error *error)
{
    settings->host = (struct input_host){.proc = join_form(settings->proc),
                                         .sys = join_form(settings->sys),
                                         .rootfs = join_form(settings->rootfs),
                                         .clock = clock_system()};
    int r = broker_settings_check(&settings->broker, error);
    if (r == 0)
        r = take_labels(settings, error);
    if (r == 0)
        r = take_inputs(settings, error);
    return r;
}

int agent_settings_load(const struct input *const *inputs, const char *const *files, size_t n_files,
                        struct agent_settings **settings_out, struct config_error *error)
{
    struct agent_settings *settings = calloc(1, sizeof(*settings));
    if (settings == NULL)
        return -ENOMEM;
    int r = make_tables(settings, inputs);
    if (r == 0)
        r = config_load(settings->tables->sections, settings->tables->n_sections, files, n_files,
                        error);
    if (r == 0)
        r = take(settings, error);
    if (r != 0) {
        agent_settings_free(settings);
        return r;
    }
    *settings_out = settings;
    return 0;
}

void agent_settings_free(struct agent_settings *settings)
{
    if (settings == NULL)
        return;
    if (settings->tables != NULL)
        config_deinit(settings->tables->sections, settings->tables->n_sections);
    free_tables(settings->tables);
    free(settings->sampled);
    free(settings->labels);
    explicit_bzero(settings->broker.password, sizeof(settings->broker.password));
    free(settings);
}

void agent_settings_print(const struct agent_settings *settings, struct buffer *out)
{
    config_print(out, settings->tables->sections, settings->tables->n_sections);
}
