/* Any bytes as a configuration file: refused with a reason, or read, printed and read again to the
 * same values. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/config_sections.h"

struct values {
    bool is_on;
    int64_t number, duration_ms;
    uint64_t size_bytes;
    char *text;
    int choice;
    struct config_list list;
    struct config_map map;
};

static const char *const choices[] = {"one", "two", NULL};

static const char *check(const char *value)
{
    return strlen(value) > 100 ? "too long" : NULL;
}

#define OPTION(name_, type_, member_, default_)                                                    \
    .name = (name_), .type = OPTION_##type_, .offset = offsetof(struct values, member_),           \
    .default_text = (default_)

static const struct option options[] = {
    {OPTION("on", BOOL, is_on, "true")},
    {OPTION("number", INTEGER, number, "7"), .min = -10, .max = 10},
    {OPTION("duration", DURATION, duration_ms, "15s"), .min = 0, .max = 3600000},
    {OPTION("size", SIZE, size_bytes, "1MiB")},
    {OPTION("text", TEXT, text, ""), .check = check, .help = "A text."},
    {OPTION("choice", CHOICE, choice, "two"), .choices = choices},
    {OPTION("list", LIST, list, "[a, b]"), .check = check},
    {OPTION("map", MAP, map, "{a: b}")},
    OPTIONS_END};

struct fuzzed {
    struct values top, inner;
    struct config_section all[2];
    struct config_sections sections;
};

static void fuzzed_init(struct fuzzed *fuzzed)
{
    memset(fuzzed, 0, sizeof *fuzzed);
    fuzzed->all[0] = (struct config_section){"", options, &fuzzed->top};
    fuzzed->all[1] = (struct config_section){"inputs.cpu", options, &fuzzed->inner};
    fuzzed->sections = (struct config_sections){.all = fuzzed->all, .n = 2};
}

static int load(struct fuzzed *fuzzed, const char *data, size_t size, struct config_error *error)
{
    const struct config_node *root;
    struct arena arena;

    fuzzed_init(fuzzed);
    int r = config_sections_set_defaults(&fuzzed->sections, error);
    arena_init(&arena, CONFIG_TREE_BYTES_MAX);
    if (r == 0)
        r = config_yaml_parse(&arena, "fuzz", data, size, &root, error);
    if (r == 0)
        r = config_sections_apply(&fuzzed->sections, "fuzz", root, error);
    arena_deinit(&arena);
    return r;
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_round_trip(const struct fuzzed *fuzzed)
{
    BUFFER_AUTO struct buffer first = {0}, second = {0};
    struct config_error error;
    struct fuzzed again;

    config_print(&first, fuzzed->all, 2);
    require(load(&again, first.data, first.size, &error) == 0);
    config_print(&second, again.all, 2);
    require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    config_deinit(again.all, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error error = {.text = ""};
    struct fuzzed fuzzed;

    if (size > CONFIG_FILE_BYTES_MAX)
        return 0;
    int r = load(&fuzzed, (const char *)data, size, &error);
    require(r == 0 || r == CONFIG_BAD);
    if (r == 0)
        check_round_trip(&fuzzed);
    else
        require(error.text[0] != '\0' && text_is_valid(error.text, sizeof error.text));
    config_deinit(fuzzed.all, 2);
    return 0;
}
