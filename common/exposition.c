#include "common/exposition.h"

#include <stdlib.h>
#include <string.h>

#define MILLISECONDS 1000
/* What a sample line may need besides series and labels: value, time, and braces, comma, blanks and
 * line feed between. */
#define SAMPLE_REST_BYTES_MAX ((size_t)2 * DECIMAL_TEXT_BYTES_MAX + 8)

/* --- families --- */

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS ? EXPOSITION_TYPE_OPENMETRICS : EXPOSITION_TYPE_TEXT;
}

/* Bytes of the name without its ending; 0 where it has not this ending, or nothing else. */
static size_t stem_bytes(const char *name, const char *ending)
{
    size_t name_bytes = strlen(name);
    size_t ending_bytes = strlen(ending);
    if (name_bytes <= ending_bytes || strcmp(name + name_bytes - ending_bytes, ending) != 0)
        return 0;
    return name_bytes - ending_bytes;
}

/* What OpenMetrics demands of the names of a type's samples; NULL: nothing. */
static const char *name_ending(enum family_type type)
{
    switch (type) {
    case FAMILY_COUNTER:
        return "_total";
    case FAMILY_INFO:
        return "_info";
    default:
        return NULL;
    }
}

/* A family as one format has it. */
struct head {
    const char *name;
    size_t name_bytes;
    const char *type;
    bool may_have_unit;
};

static struct head text_head(const struct family *family)
{
    struct head head = {family->name, strlen(family->name), family_type_name(family->type), false};
    if (family->type == FAMILY_UNKNOWN)
        head.type = "untyped";
    else if (family->type == FAMILY_INFO || family->type == FAMILY_STATESET)
        head.type = family_type_name(FAMILY_GAUGE);
    return head;
}

static struct head openmetrics_head(const struct family *family)
{
    struct head head = {family->name, strlen(family->name), family_type_name(family->type),
                        family->type != FAMILY_INFO && family->type != FAMILY_STATESET};
    const char *ending = name_ending(family->type);
    if (ending == NULL)
        return head;
    size_t stem = stem_bytes(family->name, ending);
    if (stem > 0)
        head.name_bytes = stem;
    else
        head.type = family_type_name(FAMILY_UNKNOWN);
    return head;
}

static void begin_head(struct buffer *out, const char *keyword, const struct head *head)
{
    buffer_text(out, keyword);
    buffer_append(out, head->name, head->name_bytes);
    buffer_append(out, " ", 1);
}

/* Backslash and line feed are escaped everywhere, quotes where `escapes_quotes`. */
static void append_escaped(struct buffer *out, const char *text, bool escapes_quotes)
{
    const char *special = escapes_quotes ? "\\\n\"" : "\\\n";
    for (;;) {
        size_t plain = strcspn(text, special);
        buffer_append(out, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        const char escaped[2] = {'\\', (char)(*text == '\n' ? 'n' : *text)};
        buffer_append(out, escaped, sizeof(escaped));
        text++;
    }
}

static bool name_has_unit(const struct head *head, const char *unit)
{
    size_t unit_bytes = strlen(unit);
    return unit_bytes > 0 && head->name_bytes > unit_bytes + 1 &&
           head->name[head->name_bytes - unit_bytes - 1] == '_' &&
           memcmp(head->name + head->name_bytes - unit_bytes, unit, unit_bytes) == 0;
}

void exposition_family(struct buffer *out, enum exposition_format format,
                       const struct family *family)
{
    bool is_openmetrics = format == EXPOSITION_OPENMETRICS;
    struct head head = is_openmetrics ? openmetrics_head(family) : text_head(family);
    if (family->help[0] != '\0') {
        begin_head(out, "# HELP ", &head);
        append_escaped(out, family->help, is_openmetrics);
        buffer_append(out, "\n", 1);
    }
    begin_head(out, "# TYPE ", &head);
    buffer_text(out, head.type);
    buffer_append(out, "\n", 1);
    if (head.may_have_unit && name_has_unit(&head, family->unit)) {
        begin_head(out, "# UNIT ", &head);
        buffer_text(out, family->unit);
        buffer_append(out, "\n", 1);
    }
}

/* --- clashes --- */

struct page {
    const struct family *const *families;
    size_t n;
};

struct name {
    const char *stem;
    size_t stem_bytes;
    const char *ending;
};

static int compare_name(const void *key, const void *item)
{
    const struct name *name = key;
    const struct family *const *family = item;
    int order = strncmp(name->stem, (*family)->name, name->stem_bytes);
    return order != 0 ? order : strcmp(name->ending, (*family)->name + name->stem_bytes);
}

/* The type of the page's family of that name, or FAMILY_TYPES if there is none. */
static enum family_type find_type(const struct page *page, const char *stem, size_t stem_bytes,
                                  const char *ending)
{
    const struct name name = {stem, stem_bytes, ending};
    const struct family *const *found =
        bsearch(&name, page->families, page->n, sizeof(struct family *), compare_name);
    return found == NULL ? FAMILY_TYPES : (*found)->type;
}

static bool is_created_of_another(const struct page *page, const char *name)
{
    size_t stem = stem_bytes(name, "_created");
    if (stem == 0)
        return false;
    enum family_type plain = find_type(page, name, stem, "");
    return plain == FAMILY_HISTOGRAM || plain == FAMILY_SUMMARY ||
           find_type(page, name, stem, "_total") == FAMILY_COUNTER;
}

/* Whether the name that a counter or info has in OpenMetrics is another family's. */
static bool name_is_taken(const struct page *page, const struct family *family)
{
    const char *ending = name_ending(family->type);
    size_t stem = ending == NULL ? 0 : stem_bytes(family->name, ending);
    if (stem == 0)
        return false;
    if (find_type(page, family->name, stem, "") != FAMILY_TYPES)
        return true;
    return family->type == FAMILY_INFO &&
           find_type(page, family->name, stem, "_total") == FAMILY_COUNTER;
}

int exposition_resolve(enum exposition_format format, const struct family *const *families,
                       size_t n, size_t i, struct family *shown_out)
{
    const struct page page = {families, n};
    struct family shown = *families[i];
    if (format == EXPOSITION_OPENMETRICS) {
        if (is_created_of_another(&page, shown.name))
            return EXPOSITION_LEFT_OUT;
        if (name_is_taken(&page, &shown))
            shown.type = FAMILY_UNKNOWN;
    }
    *shown_out = shown;
    return 0;
}

/* --- samples --- */

void exposition_label(struct buffer *out, const char *name, const char *value)
{
    buffer_text(out, name);
    buffer_append(out, "=\"", 2);
    append_escaped(out, value, true);
    buffer_append(out, "\"", 1);
}

static bool has_label(const struct label *labels, size_t n_labels, const char *name)
{
    for (size_t i = 0; i < n_labels; i++) {
        if (strcmp(labels[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Only the target says which instance and job a series is of. */
static void append_exported(struct buffer *out, const struct label *label,
                            const struct label *labels, size_t n_labels)
{
    BUFFER_AUTO struct buffer name = {0};
    buffer_text(&name, label->name);
    do {
        BUFFER_AUTO struct buffer longer = {0};
        buffer_print(&longer, "exported_%s", buffer_string(&name));
        buffer_clear(&name);
        buffer_text(&name, buffer_string(&longer));
    } while (has_label(labels, n_labels, buffer_string(&name)));
    if (buffer_failed(&name))
        out->has_failed = true;
    exposition_label(out, buffer_string(&name), label->value);
}

void exposition_series(struct buffer *out, const char *family, enum series_suffix suffix,
                       const struct label *labels, size_t n_labels)
{
    buffer_text(out, family);
    buffer_text(out, series_suffix_text(suffix));
    for (size_t i = 0; i < n_labels; i++) {
        const struct label *label = &labels[i];
        buffer_append(out, i == 0 ? "{" : ",", 1);
        if (strcmp(label->name, "instance") == 0 || strcmp(label->name, "job") == 0)
            append_exported(out, label, labels, n_labels);
        else
            exposition_label(out, label->name, label->value);
    }
}

/* Seconds with as many decimals as it takes: OpenMetrics' timestamps. */
static size_t format_seconds(int64_t time_ms, char text[DECIMAL_TEXT_BYTES_MAX])
{
    size_t n = 0;
    int64_t seconds = time_ms / MILLISECONDS;
    unsigned rest = (unsigned)llabs(time_ms % MILLISECONDS);
    if (time_ms < 0 && seconds == 0)
        text[n++] = '-';
    n += decimal_format_integer(seconds, text + n);
    if (rest == 0)
        return n;
    text[n++] = '.';
    for (unsigned unit = MILLISECONDS / 10; rest > 0; unit /= 10) {
        text[n++] = (char)('0' + rest / unit);
        rest %= unit;
    }
    return n;
}

static char *append_bytes(char *to, const char *bytes, size_t n)
{
    memcpy(to, bytes, n);
    return to + n;
}

void exposition_sample(struct buffer *out, enum exposition_format format,
                       const struct exposition_sample *sample)
{
    char *begin =
        buffer_reserve(out, sample->series_bytes + sample->more_bytes + SAMPLE_REST_BYTES_MAX);
    if (begin == NULL)
        return;
    char *to = append_bytes(begin, sample->series, sample->series_bytes);
    if (sample->more_bytes > 0) {
        *to++ = sample->has_labels ? ',' : '{';
        to = append_bytes(to, sample->more, sample->more_bytes);
    }
    if (sample->has_labels || sample->more_bytes > 0)
        *to++ = '}';
    *to++ = ' ';
    to += decimal_format(sample->value, to);
    if (sample->time_ms != EXPOSITION_NO_TIME) {
        *to++ = ' ';
        to += format == EXPOSITION_OPENMETRICS ? format_seconds(sample->time_ms, to)
                                               : decimal_format_integer(sample->time_ms, to);
    }
    *to++ = '\n';
    buffer_wrote(out, (size_t)(to - begin));
}

void exposition_end(struct buffer *out, enum exposition_format format)
{
    if (format == EXPOSITION_OPENMETRICS)
        buffer_text(out, "# EOF\n");
}
