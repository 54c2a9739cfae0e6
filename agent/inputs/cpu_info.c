/*
 * /proc/cpuinfo is blocks of "key : value", one a CPU, whose keys differ between architectures;
 * those of x86 are the labels. What an architecture lacks is an empty label.
 */
#include "agent/inputs/cpu_info.h"

#include "agent/procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *key;
    const char *label;
} fields[] = {
    {"processor", "cpu"},       {"vendor_id", "vendor"},      {"cpu family", "family"},
    {"model", "model"},         {"model name", "model_name"}, {"stepping", "stepping"},
    {"microcode", "microcode"}, {"cache size", "cachesize"},  {"physical id", "package"},
    {"core id", "core"},
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))
#define FIELD_PROCESSOR 0

struct cpu_info {
    const struct cpu_info_config *config;
    struct procfs_file file;
    struct filter flags;
    struct filter bugs;
};

/* The block that is being read. */
struct cpu_block {
    const char *values[FIELDS];
    bool has_processor;
    bool is_first;
};

static const struct family info_family =
    FAMILY(GAUGE, "node_cpu_info", "CPU information from /proc/cpuinfo.");
static const struct family flag_family =
    FAMILY(GAUGE, "node_cpu_flag_info",
           "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.");
static const struct family bug_family =
    FAMILY(GAUGE, "node_cpu_bug_info",
           "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.");

void cpu_info_free(struct cpu_info *info)
{
    if (info == NULL)
        return;
    procfs_deinit(&info->file);
    filter_deinit(&info->flags);
    filter_deinit(&info->bugs);
    free(info);
}

int cpu_info_new(const struct cpu_info_config *config, const char *proc, struct cpu_info **info_out,
                 struct input_error *error)
{
    *info_out = NULL;
    if (!config->is_on && *config->flags_include == '\0' && *config->bugs_include == '\0')
        return 0;
    struct cpu_info *info = calloc(1, sizeof(*info));
    if (info == NULL || procfs_init(&info->file, "%s/cpuinfo", proc) < 0) {
        free(info);
        return input_fail(error, -ENOMEM, "out of memory");
    }
    info->config = config;
    int r = filter_init(&info->flags, config->flags_include, "", error);
    if (r == 0)
        r = filter_init(&info->bugs, config->bugs_include, "", error);
    if (r < 0) {
        cpu_info_free(info);
        return r;
    }
    *info_out = info;
    return 0;
}

static void add_words(struct reading *reading, const struct family *family, struct filter *filter,
                      const char *label, char *words)
{
    char *word;
    if (!filter->has_include)
        return;
    while ((word = procfs_field(&words)) != NULL)
        if (filter_takes(filter, word))
            reading_add(reading, family, 1.0, LABELS({label, word}));
}

/* A block without a number is the machine's own (ARM: "Hardware", "Serial"). */
static void end_block(struct reading *reading, struct cpu_block *block)
{
    struct label labels[FIELDS];
    if (!block->has_processor)
        return;
    for (size_t i = 0; i < FIELDS; i++)
        labels[i] = (struct label){
            fields[i].label,
            text_is_valid(block->values[i], LABEL_VALUE_BYTES_MAX) ? block->values[i] : ""};
    reading_add(reading, &info_family, 1.0, labels, FIELDS);
    block->has_processor = false;
    block->is_first = false;
}

static void begin_block(struct cpu_block *block)
{
    for (size_t i = 0; i < FIELDS; i++)
        block->values[i] = "";
    block->has_processor = true;
}

/* Splits "key\t: value" in place; NULL if there is no colon. */
static char *split(char *line)
{
    char *colon = strchr(line, ':');
    if (colon == NULL)
        return NULL;
    char *value = colon + 1 + strspn(colon + 1, " ");
    while (colon > line && (colon[-1] == '\t' || colon[-1] == ' '))
        colon--;
    *colon = '\0';
    return value;
}

static void take_line(struct cpu_info *info, struct reading *reading, struct cpu_block *block,
                      char *line)
{
    char *value = split(line);
    if (value == NULL)
        return;
    if (strcmp(line, fields[FIELD_PROCESSOR].key) == 0) {
        end_block(reading, block);
        begin_block(block);
    }
    if (!block->has_processor)
        return;
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(line, fields[i].key) == 0)
            block->values[i] = value;
    if (block->is_first && (strcmp(line, "flags") == 0 || strcmp(line, "Features") == 0))
        add_words(reading, &flag_family, &info->flags, "flag", value);
    if (block->is_first && strcmp(line, "bugs") == 0)
        add_words(reading, &bug_family, &info->bugs, "bug", value);
}

int cpu_info_read(struct cpu_info *info, struct reading *reading, struct input_error *error)
{
    struct cpu_block block = {.is_first = true};
    int r = procfs_read(&info->file, error);
    if (r == INPUT_ABSENT)
        return 0;
    char *line;
    while (r == 0 && (line = procfs_line(&info->file)) != NULL)
        take_line(info, reading, &block, line);
    if (r == 0)
        end_block(reading, &block);
    return r;
}
