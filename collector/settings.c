#include "collector/settings.h"

#include <inttypes.h>
#include <stdio.h>

#include "collector/http.h"
#include "collector/live.h"
#include "collector/sd.h"

#define CONNECTIONS_MIN 16
#define CONNECTIONS_MAX 65536
#define NODES_MAX 1000000
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define MIB (INT64_C(1024) * 1024)

static const char *check_node(const char *node)
{
    return node_id_is_valid(node)
               ? NULL
               : "not a node's id: letters, digits, '.', '_' and '-', at most 63";
}

static const char *check_directory(const char *directory)
{
    return directory[0] == '\0' ? "a directory is needed" : NULL;
}

static const struct option store_options[] = {
    {.name = "directory",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, store.directory),
     .default_text = "/var/lib/shoal-collector",
     .check = check_directory,
     .help = "Where the store lies; made where it is missing."},
    {.name = "retention",
     .type = OPTION_DURATION,
     .offset = offsetof(struct settings, store.retention_ms),
     .default_text = "7d",
     .min = DAY_MS / 24,
     .max = 3650 * DAY_MS,
     .help = "Frames are deleted this long after they were committed."},
    {.name = "max_size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct settings, store.max_bytes),
     .default_text = "4GiB",
     .min = 32 * MIB,
     .max = INT64_MAX,
     .help = "Of database and WAL; at the bound the node with most bytes loses its oldest frames."},
    OPTIONS_END,
};

static const struct option web_options[] = {
    {.name = "listen",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, web.listen),
     .default_text = ":9757",
     .check = listen_check,
     .help = "host:port of the pages; no host: all addresses; [::1]:9757 for IPv6; port 0: a free "
             "one, which the log names."},
    {.name = "external_url",
     .type = OPTION_TEXT,
     .offset = offsetof(struct settings, web.external_url),
     .default_text = "",
     .check = sd_check_url,
     .help = "How Prometheus reaches the pages, where that is not as it reaches /sd: "
             "https://host/prefix."},
    {.name = "connections_max",
     .type = OPTION_INTEGER,
     .offset = offsetof(struct settings, web.connections_max),
     .default_text = "16384",
     .min = CONNECTIONS_MIN,
     .max = CONNECTIONS_MAX,
     .help = "Connections at the same time, three quarters of them from one address. A Prometheus "
             "keeps one for each target."},
    OPTIONS_END,
};

static const struct option clock_options[] = {
    {.name = "trusted",
     .type = OPTION_BOOL,
     .offset = offsetof(struct settings, clock.is_trusted),
     .default_text = "false",
     .help =
         "Take this machine's clock for right though the kernel does not call it synchronised."},
    OPTIONS_END,
};

static const char *const levels[] = {"error", "warning", "info", "debug", NULL};

static const struct option log_options[] = {
    {.name = "level",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct settings, log.level),
     .default_text = "info",
     .choices = levels,
     .help = "What is logged: this and what is graver."},
    OPTIONS_END,
};

static const struct option top_options[] = {
    {.name = "nodes",
     .type = OPTION_LIST,
     .offset = offsetof(struct settings, top.nodes),
     .default_text = "",
     .check = check_node,
     .help = "Nodes that are targets before they are first heard."},
    {.name = "nodes_max",
     .type = OPTION_INTEGER,
     .offset = offsetof(struct settings, top.nodes_max),
     .default_text = "10000",
     .min = 1,
     .max = NODES_MAX,
     .help = "Nodes in all; frames of further ones are refused."},
    OPTIONS_END,
};

#define SECTIONS 6

static void make_sections(struct settings *settings, struct config_section sections[SECTIONS])
{
    const struct config_section made[SECTIONS] = {
        {"", top_options, settings},        {BROKER_SECTION, broker_options, &settings->broker},
        {"store", store_options, settings}, {"web", web_options, settings},
        {"clock", clock_options, settings}, {"log", log_options, settings},
    };
    memcpy(sections, made, sizeof(made));
}

static int check_together(struct settings *settings, struct config_error *error)
{
    if (settings->top.nodes.n > (size_t)settings->top.nodes_max) {
        (void)snprintf(error->text, sizeof(error->text),
                       "nodes: %zu nodes, but nodes_max is %" PRId64, settings->top.nodes.n,
                       settings->top.nodes_max);
        return CONFIG_BAD;
    }
    return broker_settings_check(&settings->broker, error);
}

int settings_load(struct settings *settings, const char *const *files, size_t n_files,
                  struct config_error *error)
{
    struct config_section sections[SECTIONS];
    make_sections(settings, sections);
    int r = config_load(sections, SECTIONS, files, n_files, error);
    if (r == 0)
        r = check_together(settings, error);
    if (r != 0)
        config_deinit(sections, SECTIONS);
    return r;
}

void settings_free(struct settings *settings)
{
    struct config_section sections[SECTIONS];
    make_sections(settings, sections);
    config_deinit(sections, SECTIONS);
}

/* A section as text: equal settings give equal texts. */
static void print_section(struct buffer *out, struct settings *settings, size_t section)
{
    struct config_section sections[SECTIONS];
    make_sections(settings, sections);
    config_print(out, &sections[section], 1);
}

void settings_differing(const struct settings *a, const struct settings *b, struct buffer *out)
{
    struct settings left = *a, right = *b; /* only read: their texts stay those of a and b */
    right.top.nodes = left.top.nodes;
    right.log.level = left.log.level;
    struct config_section names[SECTIONS];
    make_sections(&left, names);
    for (size_t i = 0; i < SECTIONS; i++) {
        BUFFER_AUTO struct buffer before = {0};
        BUFFER_AUTO struct buffer after = {0};
        print_section(&before, &left, i);
        print_section(&after, &right, i);
        bool is_password = names[i].options == broker_options &&
                           strcmp(left.broker.password, right.broker.password) != 0;
        if (strcmp(buffer_string(&before), buffer_string(&after)) == 0 && !is_password)
            continue;
        if (out->size > 0)
            buffer_text(out, ", ");
        buffer_text(out, names[i].path[0] != '\0' ? names[i].path : "nodes_max");
    }
}

void settings_print(struct buffer *out, const struct settings *settings)
{
    struct config_section sections[SECTIONS];
    struct settings copy =
        *settings; /* only read, as the table's pointers are to what can change */
    make_sections(&copy, sections);
    config_print(out, sections, SECTIONS);
}
