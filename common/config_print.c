/* The other way round: options with their values, as YAML that config_load reads back. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/config_sections.h"
#include "common/config_set.h"

#define LINE_BYTES 96 /* of a comment */
#define INDENT 2

struct printer {
    struct buffer *out;
    const struct config_sections *sections;
};

static void indent(struct buffer *out, int depth)
{
    buffer_print(out, "%*s", depth * INDENT, "");
}

/* A text in comment lines, broken between words. */
static void print_comment(struct buffer *out, int depth, const char *text)
{
    size_t room = LINE_BYTES - 2 - (size_t)(depth * INDENT);

    while (*text != '\0') {
        size_t n = strlen(text);
        if (n > room) {
            for (n = room; n > 0 && text[n] != ' '; n--)
                ;
            if (n == 0)
                n = strcspn(text, " ");
        }
        indent(out, depth);
        buffer_print(out, "# %.*s\n", (int)n, text);
        text += n;
        text += strspn(text, " ");
    }
}

/* --- texts --- */

/* Whether YAML takes it for a text as it is; null's spellings are texts only in quotes. */
static bool is_plain(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";

    return text[0] != '\0' && text[0] != '-' && text[strspn(text, letters)] == '\0' &&
           strcasecmp(text, "null") != 0;
}

/* The code point of a valid UTF-8 text, which is moved behind it. */
static unsigned long take_character(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    size_t more = *at < 0x80 ? 0 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
    unsigned long character = more == 0 ? *at : *at & (0x3fU >> more);

    for (size_t i = 1; i <= more; i++)
        character = character << 6 | (at[i] & 0x3fU);
    *text += more + 1;
    return character;
}

/* What YAML does not take in quotes as it is, or folds like a line feed (YAML 1.1, 5.1 and 5.4). */
static bool needs_escape(unsigned long character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0xa0) || character == 0x2028 ||
           character == 0x2029 || character == 0xfeff || character == 0xfffe || character == 0xffff;
}

static void print_quoted(struct buffer *out, const char *text)
{
    buffer_text(out, "\"");
    while (*text != '\0') {
        const char *from = text;
        unsigned long character = take_character(&text);
        if (character == '"' || character == '\\')
            buffer_print(out, "\\%c", (int)character);
        else if (character == '\n')
            buffer_text(out, "\\n");
        else if (needs_escape(character))
            buffer_print(out, "\\u%04lX", character);
        else
            buffer_append(out, from, (size_t)(text - from));
    }
    buffer_text(out, "\"");
}

static void print_text(struct buffer *out, const char *text)
{
    if (is_plain(text))
        buffer_text(out, text);
    else
        print_quoted(out, text);
}

/* --- options --- */

static void print_list(struct buffer *out, int depth, const struct config_list *list)
{
    buffer_text(out, list->n == 0 ? " []\n" : "\n");
    for (size_t i = 0; i < list->n; i++) {
        indent(out, depth + 1);
        buffer_text(out, "- ");
        print_text(out, list->items[i]);
        buffer_text(out, "\n");
    }
}

static void print_map(struct buffer *out, int depth, const struct config_map *map)
{
    buffer_text(out, map->n == 0 ? " {}\n" : "\n");
    for (size_t i = 0; i < map->n; i++) {
        indent(out, depth + 1);
        print_quoted(out, map->keys[i]); /* a plain key could be too long for YAML */
        buffer_text(out, ": ");
        print_text(out, map->values[i]);
        buffer_text(out, "\n");
    }
}

static void print_limits(struct buffer *out, int depth, const struct option *option)
{
    BUFFER_AUTO struct buffer line = {0};
    char range[CONFIG_RANGE_BYTES_MAX];

    config_range_text(option, range);
    buffer_text(&line, "Default: ");
    if (option->default_text[0] != '\0')
        buffer_text(&line, option->default_text);
    else
        buffer_text(&line, option->type == OPTION_TEXT ? "empty" : "none");
    if (range[0] != '\0')
        buffer_print(&line, ". Range: %s", range);
    for (size_t i = 0; option->type == OPTION_CHOICE && option->choices[i] != NULL; i++)
        buffer_print(&line, "%s%s", i == 0 ? ". One of: " : ", ", option->choices[i]);
    buffer_text(&line, ".");
    print_comment(out, depth, buffer_string(&line));
    if (buffer_failed(&line))
        out->has_failed = true;
}

static void print_option(struct buffer *out, int depth, const struct option *option,
                         const void *field)
{
    char number[CONFIG_VALUE_BYTES_MAX];

    if (option->help != NULL)
        print_comment(out, depth, option->help);
    print_limits(out, depth, option);
    indent(out, depth);
    buffer_print(out, "%s:", option->name);
    if (option->type == OPTION_LIST) {
        print_list(out, depth, field);
    } else if (option->type == OPTION_MAP) {
        print_map(out, depth, field);
    } else {
        buffer_text(out, " ");
        print_text(out, config_value_text(option, field, number));
        buffer_text(out, "\n");
    }
}

/* --- sections --- */

/* As deep as the paths are. A section without anything would be null, which says nothing. */
static void print_section(const struct printer *printer, int depth, const char *path)
{
    const struct config_section *section = config_sections_find(printer->sections, path);
    const struct option *option = config_options_of(section);
    char name[CONFIG_PATH_BYTES_MAX], child[CONFIG_PATH_BYTES_MAX];

    for (; option->name != NULL; option++)
        print_option(printer->out, depth, option, config_field(section, option));
    for (size_t i = 0; config_sections_child(printer->sections, path, i, name); i++) {
        indent(printer->out, depth);
        buffer_print(printer->out, "%s:\n", name);
        config_path_join(child, path, name);
        print_section(printer, depth + 1, child);
    }
}

void config_print(struct buffer *out, const struct config_section *sections, size_t n_sections)
{
    const struct config_sections all = {.all = sections, .n = n_sections};
    const struct printer printer = {.out = out, .sections = &all};

    print_section(&printer, 0, "");
}
