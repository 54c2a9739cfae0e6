/*
 * The parser: cuts the text into lines and each of them into words, writing NULs where they end. A
 * line never reaches past the NUL at its own end.
 */
#include "agent/textformat.h"

#include "agent/textformat_families.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parser {
    struct textformat *document;
    struct textformat_error *error;
    size_t line;
};

static int bad(struct parser *parser, const char *what)
{
    *parser->error = (struct textformat_error){parser->line, what};
    return TEXTFORMAT_BAD;
}

static char *skip_blanks(char *at)
{
    return at + strspn(at, " \t");
}

/* The next word, ended by a NUL, and the cursor at what follows; "" at the line's end. */
static char *take_word(char **cursor)
{
    char *word = skip_blanks(*cursor);
    char *end = word + strcspn(word, " \t");
    *cursor = *end == '\0' ? end : end + 1;
    *end = '\0';
    return word;
}

/* Replaces \\, \n and (where it may stand) \" in place, up to `end`, which becomes a NUL; false at
 * another escape. */
static bool unescape(char *text, char *end, bool may_quote)
{
    char *to = text;
    for (const char *from = text; from < end; from++) {
        char c = *from;
        if (c == '\\') {
            c = ++from < end ? *from : '\0';
            if (c != '\\' && c != 'n' && !(c == '"' && may_quote))
                return false;
            c = c == 'n' ? '\n' : c;
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

static int get_family(struct parser *parser, const char *name, size_t *family_out)
{
    int r = textformat_family_get(parser->document, name, family_out);
    return r == TEXTFORMAT_BAD ? bad(parser, "too many metrics") : r;
}

static int parse_help(struct parser *parser, struct textformat_family *family, char *rest)
{
    char *help = skip_blanks(rest);
    if (family->help != NULL)
        return bad(parser, "a second HELP of a metric");
    if (!unescape(help, help + strlen(help), false))
        return bad(parser, "HELP has an escape other than \\\\ and \\n");
    if (!text_is_valid(help, HELP_BYTES_MAX))
        return bad(parser, "HELP is too long or not UTF-8");
    family->help = help;
    return 0;
}

static int parse_type(struct parser *parser, struct textformat_family *family, char *rest)
{
    static const struct {
        const char *name;
        enum family_type type;
    } types[] = {{"counter", FAMILY_COUNTER},
                 {"gauge", FAMILY_GAUGE},
                 {"histogram", FAMILY_HISTOGRAM},
                 {"summary", FAMILY_SUMMARY},
                 {"untyped", FAMILY_UNKNOWN}};
    const char *name = take_word(&rest);
    if (family->has_type || family->n_samples > 0)
        return bad(parser, "a second TYPE of a metric, or TYPE behind its samples");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(types[i].name, name) != 0)
            continue;
        family->type = types[i].type;
        family->has_type = true;
        return 0;
    }
    return bad(parser, "an unknown TYPE");
}

/* Behind the "#": "HELP name text", "TYPE name type", or anything at all. */
static int parse_comment(struct parser *parser, char *rest)
{
    size_t family = 0;
    const char *keyword = take_word(&rest);
    bool is_help = strcmp(keyword, "HELP") == 0;
    if (!is_help && strcmp(keyword, "TYPE") != 0)
        return 0;
    const char *name = take_word(&rest);
    if (!metric_name_is_valid(name))
        return bad(parser, "HELP or TYPE without a valid name of a metric");
    int r = get_family(parser, name, &family);
    if (r != 0)
        return r;
    struct textformat_family *found = &parser->document->families[family];
    return is_help ? parse_help(parser, found, rest) : parse_type(parser, found, rest);
}

/* The quote that ends a label's value; NULL if none does. */
static char *find_quote(char *at)
{
    for (; *at != '\0' && *at != '"'; at++)
        if (*at == '\\' && at[1] != '\0')
            at++;
    return *at == '"' ? at : NULL;
}

static bool has_label(const struct textformat *document, const struct textformat_sample *sample,
                      const char *name)
{
    for (size_t i = 0; i < sample->n_labels; i++)
        if (strcmp(document->labels[sample->first_label + i].name, name) == 0)
            return true;
    return false;
}

static int keep_label(struct parser *parser, struct textformat_sample *sample, const char *name,
                      const char *value)
{
    struct textformat *document = parser->document;
    if (!label_name_is_valid(name))
        return bad(parser, "a label's name is not valid");
    if (!text_is_valid(value, LABEL_VALUE_BYTES_MAX))
        return bad(parser, "a label's value is too long or not UTF-8");
    if (has_label(document, sample, name))
        return bad(parser, "the same label twice");
    if (sample->n_labels == LABELS_PER_SERIES_MAX)
        return bad(parser, "too many labels");
    int r = textformat_grow((void **)&document->labels, document->n_labels, &document->room_labels,
                            sizeof(*document->labels));
    if (r < 0)
        return r;
    document->labels[document->n_labels++] = (struct label){name, value};
    sample->n_labels++;
    return 0;
}

/* `name="value"`, the cursor behind it and blanks. */
static int parse_label(struct parser *parser, struct textformat_sample *sample, char **cursor)
{
    char *name = *cursor;
    char *name_end = name + strcspn(name, " \t=\"{},");
    char *at = skip_blanks(name_end);
    if (*at != '=')
        return bad(parser, "no = behind a label's name");
    at = skip_blanks(at + 1);
    char *quote = *at == '"' ? find_quote(at + 1) : NULL;
    if (quote == NULL)
        return bad(parser, "a label's value is not in quotes");
    char *value = at + 1;
    *name_end = '\0';
    *cursor = skip_blanks(quote + 1);
    if (!unescape(value, quote, true))
        return bad(parser, "a label's value has an escape other than \\\\, \\n and \\\"");
    return keep_label(parser, sample, name, value);
}

/* Behind the "{", up to behind the "}". A comma may stand behind the last label. */
static int parse_labels(struct parser *parser, struct textformat_sample *sample, char **cursor)
{
    *cursor = skip_blanks(*cursor);
    while (**cursor != '}') {
        int r = parse_label(parser, sample, cursor);
        if (r != 0)
            return r;
        if (**cursor == ',')
            *cursor = skip_blanks(*cursor + 1);
        else if (**cursor != '}')
            return bad(parser, "neither , nor } behind a label");
    }
    (*cursor)++;
    return 0;
}

static int parse_value(struct parser *parser, const char *text, double *value_out)
{
    char *end;
    /* What strtod() takes and the format has not: hexadecimal, and NaNs with a payload. */
    if (*text == '\0' || strpbrk(text, "xXpP(") != NULL)
        return bad(parser, "no number where the value should be");
    double value = strtod(text, &end);
    if (*end != '\0')
        return bad(parser, "the value is not a number");
    *value_out = isnan(value) ? (double)NAN : value;
    return 0;
}

static int parse_time(struct parser *parser, const char *text, int64_t *time_out)
{
    bool is_negative = *text == '-';
    int64_t time = 0;
    text += is_negative;
    if (*text == '\0')
        return bad(parser, "the timestamp is not an integer");
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return bad(parser, "the timestamp is not an integer");
        if (__builtin_mul_overflow(time, 10, &time) ||
            __builtin_add_overflow(time, *text - '0', &time))
            return bad(parser, "the timestamp is out of range");
    }
    *time_out = is_negative ? -time : time;
    return 0;
}

/* "value [timestamp]" */
static int parse_rest(struct parser *parser, struct textformat_sample *sample, char *rest)
{
    int r = parse_value(parser, take_word(&rest), &sample->value);
    if (r != 0)
        return r;
    const char *time = take_word(&rest);
    if (*take_word(&rest) != '\0')
        return bad(parser, "more than a value and a timestamp");
    if (*time == '\0')
        return 0;
    sample->has_time = true;
    return parse_time(parser, time, &sample->time_ms);
}

static int keep_sample(struct parser *parser, const char *name, struct textformat_sample *sample)
{
    struct textformat *document = parser->document;
    if (!metric_name_is_valid(name))
        return bad(parser, "the name of a metric is not valid");
    if (document->n_samples == TEXTFORMAT_SAMPLES_MAX)
        return bad(parser, "too many samples");
    int r = 0;
    if (!textformat_family_of_part(document, name, &sample->family, &sample->suffix))
        r = get_family(parser, name, &sample->family);
    if (r == 0)
        r = textformat_grow((void **)&document->samples, document->n_samples,
                            &document->room_samples, sizeof(*document->samples));
    if (r == 0) /* so that a sample without labels, too, has a place in the array */
        r = textformat_grow((void **)&document->labels, document->n_labels, &document->room_labels,
                            sizeof(*document->labels));
    if (r != 0)
        return r;
    document->families[sample->family].n_samples++;
    document->samples[document->n_samples++] = *sample;
    return 0;
}

/* "name{label="value",...} value [timestamp]" */
static int parse_sample(struct parser *parser, char *line)
{
    struct textformat_sample sample = {.first_label = parser->document->n_labels,
                                       .line = parser->line};
    char *name_end = line + strcspn(line, " \t{");
    char *rest = skip_blanks(name_end);
    bool has_labels = *rest == '{';
    if (*rest == '\0')
        return bad(parser, "a metric without a value");
    *name_end = '\0';
    if (has_labels) {
        rest++;
        int r = parse_labels(parser, &sample, &rest);
        if (r != 0)
            return r;
    }
    int r = parse_rest(parser, &sample, rest);
    return r != 0 ? r : keep_sample(parser, line, &sample);
}

static int parse_line(struct parser *parser, char *line)
{
    line = skip_blanks(line);
    if (*line == '\0')
        return 0;
    return *line == '#' ? parse_comment(parser, line + 1) : parse_sample(parser, line);
}

static int parse_lines(struct parser *parser, char *text, size_t size)
{
    char *line = text;
    if (size > TEXTFORMAT_BYTES_MAX)
        return bad(parser, "too long");
    if (memchr(text, '\0', size) != NULL)
        return bad(parser, "a NUL byte in it");
    while (*line != '\0') {
        parser->line++;
        char *end = strchr(line, '\n');
        if (end == NULL)
            return bad(parser, "the last line does not end with a line feed");
        *end = '\0';
        int r = parse_line(parser, line);
        if (r != 0)
            return r;
        line = end + 1;
    }
    return 0;
}

static void clear(struct textformat *document)
{
    document->n_families = 0;
    document->n_samples = 0;
    document->n_labels = 0;
    if (document->n_index > 0)
        memset(document->index, 0, document->n_index * sizeof(*document->index));
}

int textformat_parse(struct textformat *document, char *text, size_t size,
                     struct textformat_error *error)
{
    struct parser parser = {.document = document, .error = error};
    clear(document);
    int r = parse_lines(&parser, text, size);
    if (r != 0)
        clear(document);
    return r;
}

void textformat_deinit(struct textformat *document)
{
    free(document->families);
    free(document->samples);
    free(document->labels);
    free(document->index);
    *document = (struct textformat){.n_families = 0};
}
