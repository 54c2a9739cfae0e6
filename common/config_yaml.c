#include "common/config_yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "common/config_error.h"

struct reader {
    yaml_parser_t yaml;
    struct arena *arena;
    const char *name;
    struct config_error *error;
};

#define EVENT_AUTO __attribute__((cleanup(yaml_event_delete)))

static size_t line_of(const yaml_event_t *event)
{
    return event->start_mark.line + 1;
}

static int fail_at(struct reader *reader, const yaml_event_t *event, const char *what)
{
    return config_fail(reader->error, "%s:%zu: %s", reader->name, line_of(event), what);
}

static int fail_syntax(struct reader *reader)
{
    const yaml_parser_t *yaml = &reader->yaml;

    if (yaml->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    /* A reader's error has no line: the mark is where the parser stands. */
    size_t line = yaml->error == YAML_READER_ERROR ? yaml->mark.line : yaml->problem_mark.line;
    return config_fail(reader->error, "%s:%zu: YAML: %s%s%s", reader->name, line + 1,
                       yaml->problem == NULL ? "not valid" : yaml->problem,
                       yaml->context == NULL ? "" : " ",
                       yaml->context == NULL ? "" : yaml->context);
}

static int next_event(struct reader *reader, yaml_event_t *event_out)
{
    return yaml_parser_parse(&reader->yaml, event_out) == 1 ? 0 : fail_syntax(reader);
}

static int out_of_arena(struct reader *reader)
{
    if (reader->arena->is_exhausted)
        return config_fail(reader->error, "%s: holds too much", reader->name);
    return -ENOMEM;
}

/* NULL: see out_of_arena(). */
static struct config_node *new_node(struct reader *reader, const yaml_event_t *event,
                                    enum config_kind kind)
{
    struct config_node *node = arena_alloc(reader->arena, sizeof *node);

    if (node != NULL)
        *node = (struct config_node){.kind = kind, .line = line_of(event)};
    return node;
}

static bool has_extras(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    case YAML_ALIAS_EVENT:
        return true;
    default:
        return false;
    }
}

/* The texts that YAML 1.2's core schema takes for null, where they are not quoted. */
static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp((const char *)event->data.scalar.value, words[i]) == 0)
            return true;
    }
    return false;
}

/* An escape can bring in what the file itself may not hold. */
static int copy_text(struct reader *reader, const yaml_event_t *event, const char **text_out)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;

    if (memchr(text, '\0', size) != NULL)
        return fail_at(reader, event, "a NUL byte in a text");
    if (!utf8_is_valid(text, size))
        return fail_at(reader, event, "a text is not valid UTF-8");
    *text_out = arena_copy_text(reader->arena, text, size);
    return *text_out == NULL ? out_of_arena(reader) : 0;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event,
                       struct config_node **node_out)
{
    enum config_kind kind = is_null(event) ? CONFIG_NULL : CONFIG_TEXT;
    struct config_node *node = new_node(reader, event, kind);

    if (node == NULL)
        return out_of_arena(reader);
    *node_out = node;
    return kind == CONFIG_TEXT ? copy_text(reader, event, &node->text) : 0;
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
                     struct config_node **node_out);

/* In a mapping an entry's key comes first, as an event of its own. */
static int read_key(struct reader *reader, yaml_event_t *event, const char **key_out)
{
    if (has_extras(event))
        return fail_at(reader, event, "anchors, aliases and tags are not taken here");
    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(reader, event, "a key has to be a text");
    int r = copy_text(reader, event, key_out);
    if (r != 0)
        return r;
    yaml_event_delete(event);
    return next_event(reader, event);
}

/* Recursion ends at CONFIG_DEPTH_MAX. */
static int read_children(struct reader *reader, struct config_node *parent, unsigned depth)
{
    bool is_mapping = parent->kind == CONFIG_MAPPING;
    struct config_node **end = &parent->child;

    for (;;) {
        EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
        const char *key = NULL;
        int r = next_event(reader, &event);
        if (r != 0)
            return r;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT)
            return 0;
        if (parent->n == CONFIG_LIST_MAX)
            return config_fail(reader->error, "%s:%zu: more than %d entries", reader->name,
                               line_of(&event), CONFIG_LIST_MAX);
        size_t line = line_of(&event);
        r = is_mapping ? read_key(reader, &event, &key) : 0;
        if (r == 0)
            r = read_node(reader, &event, depth, end);
        if (r != 0)
            return r;
        (*end)->key = key;
        (*end)->line = line; /* where the key is: a value may begin below it */
        end = &(*end)->next;
        parent->n++;
    }
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
                     struct config_node **node_out)
{
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;

    if (has_extras(event))
        return fail_at(reader, event, "anchors, aliases and tags are not taken here");
    if (event->type == YAML_SCALAR_EVENT)
        return read_scalar(reader, event, node_out);
    if (depth == CONFIG_DEPTH_MAX)
        return fail_at(reader, event, "nested too deep");
    struct config_node *node = new_node(reader, event, is_mapping ? CONFIG_MAPPING : CONFIG_LIST);
    if (node == NULL)
        return out_of_arena(reader);
    *node_out = node;
    return read_children(reader, node, depth + 1);
}

static int read_nothing(struct reader *reader, const yaml_event_t *event,
                        struct config_node **root_out)
{
    *root_out = new_node(reader, event, CONFIG_NULL);
    return *root_out == NULL ? out_of_arena(reader) : 0;
}

static int read_document(struct reader *reader, struct config_node **root_out)
{
    EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};

    int r = next_event(reader, &event);
    return r == 0 ? read_node(reader, &event, 0, root_out) : r;
}

/* The stream: its start, at most one document, its end. */
static int read_stream(struct reader *reader, struct config_node **root_out)
{
    for (unsigned documents = 0;;) {
        EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
        int r = next_event(reader, &event);
        if (r != 0)
            return r;
        if (event.type == YAML_STREAM_END_EVENT)
            return documents == 0 ? read_nothing(reader, &event, root_out) : 0;
        if (event.type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (documents++ > 0)
            return fail_at(reader, &event, "a second document in one file");
        r = read_document(reader, root_out);
        if (r != 0)
            return r;
    }
}

/* libyaml names no line for these. */
static int check_bytes(struct reader *reader, const char *text, size_t size)
{
    size_t number = 0;

    for (const char *line = text; line < text + size;) {
        size_t left = size - (size_t)(line - text);
        const char *end = memchr(line, '\n', left);
        size_t n = end == NULL ? left : (size_t)(end - line);
        number++;
        if (memchr(line, '\0', n) != NULL)
            return config_fail(reader->error, "%s:%zu: a NUL byte", reader->name, number);
        if (!utf8_is_valid(line, n))
            return config_fail(reader->error, "%s:%zu: not valid UTF-8", reader->name, number);
        line += n + 1;
    }
    return 0;
}

int config_yaml_parse(struct arena *arena, const char *name, const char *text, size_t size,
                      const struct config_node **root_out, struct config_error *error)
{
    struct reader reader = {.arena = arena, .name = name, .error = error};
    struct config_node *root = NULL;

    int r = check_bytes(&reader, text, size);
    if (r != 0)
        return r;
    if (yaml_parser_initialize(&reader.yaml) != 1)
        return -ENOMEM;
    yaml_parser_set_input_string(&reader.yaml, (const unsigned char *)text, size);
    r = read_stream(&reader, &root);
    yaml_parser_delete(&reader.yaml);
    if (r == 0)
        *root_out = root;
    return r;
}
