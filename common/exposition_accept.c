/* Which format an Accept header asks for (RFC 9110, 12.4.2 and 12.5.1). */
#include <string.h>
#include <strings.h>

#include "common/exposition.h"

#define QUALITY_MAX 1000 /* q=1, in thousandths */

/* A piece of the header, without blanks around it. */
struct piece {
    const char *text;
    size_t bytes;
};

struct range {
    struct piece type;
    struct piece version; /* no bytes: none */
    int quality;          /* thousandths; -1: malformed */
};

static struct piece trim(const char *text, size_t bytes)
{
    while (bytes > 0 && (text[0] == ' ' || text[0] == '\t')) {
        text++;
        bytes--;
    }
    while (bytes > 0 && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t'))
        bytes--;
    return (struct piece){text, bytes};
}

static bool equals(struct piece piece, const char *text)
{
    return piece.bytes == strlen(text) && strncasecmp(piece.text, text, piece.bytes) == 0;
}

/* Cuts the next piece up to a separator outside quotes off *rest; false at the end. */
static bool next_piece(struct piece *rest, char separator, struct piece *piece_out)
{
    if (rest->text == NULL)
        return false;
    size_t n = 0;
    bool is_quoted = false;
    for (; n < rest->bytes && (is_quoted || rest->text[n] != separator); n++) {
        if (rest->text[n] == '"')
            is_quoted = !is_quoted;
    }
    *piece_out = trim(rest->text, n);
    if (n == rest->bytes)
        *rest = (struct piece){NULL, 0};
    else
        *rest = (struct piece){rest->text + n + 1, rest->bytes - n - 1};
    return true;
}

/* "1", "0.5", "1.000": at most three decimals. */
static int parse_quality(struct piece piece)
{
    if (piece.bytes == 0 || piece.bytes > 5 || (piece.text[0] != '0' && piece.text[0] != '1'))
        return -1;
    int quality = (piece.text[0] - '0') * QUALITY_MAX;
    if (piece.bytes > 1 && piece.text[1] != '.')
        return -1;
    int unit = QUALITY_MAX / 10;
    for (size_t i = 2; i < piece.bytes; i++, unit /= 10) {
        if (piece.text[i] < '0' || piece.text[i] > '9')
            return -1;
        quality += (piece.text[i] - '0') * unit;
    }
    return quality <= QUALITY_MAX ? quality : -1;
}

static struct piece unquote(struct piece piece)
{
    if (piece.bytes >= 2 && piece.text[0] == '"' && piece.text[piece.bytes - 1] == '"')
        return (struct piece){piece.text + 1, piece.bytes - 2};
    return piece;
}

static struct range parse_range(struct piece text)
{
    struct range range = {.quality = QUALITY_MAX};
    struct piece parameter;
    (void)next_piece(&text, ';', &range.type); /* there is always a first one, maybe empty */
    while (next_piece(&text, ';', &parameter)) {
        const char *equal = memchr(parameter.text, '=', parameter.bytes);
        if (equal == NULL)
            continue;
        size_t name_bytes = (size_t)(equal - parameter.text);
        struct piece name = trim(parameter.text, name_bytes);
        struct piece value = trim(equal + 1, parameter.bytes - name_bytes - 1);
        if (equals(name, "q"))
            range.quality = parse_quality(value);
        else if (equals(name, "version"))
            range.version = unquote(value);
    }
    return range;
}

/* What is written is also valid in the draft that older scrapers name. */
static bool is_openmetrics(const struct range *range)
{
    return equals(range->type, "application/openmetrics-text") &&
           (range->version.bytes == 0 || equals(range->version, "1.0.0") ||
            equals(range->version, "0.0.1"));
}

/* How closely a range names the text format; 0: not at all. */
static int text_closeness(const struct range *range)
{
    if (equals(range->type, "text/plain") &&
        (range->version.bytes == 0 || equals(range->version, "0.0.4")))
        return 3;
    if (equals(range->type, "text/*"))
        return 2;
    return equals(range->type, "*/*") ? 1 : 0;
}

enum exposition_format exposition_negotiate(const char *accept)
{
    if (accept == NULL)
        return EXPOSITION_TEXT;
    int openmetrics = 0;
    int text = 0;
    int closest = 0;
    struct piece rest = {accept, strlen(accept)};
    struct piece piece;
    while (next_piece(&rest, ',', &piece)) {
        struct range range = parse_range(piece);
        if (range.quality < 0)
            continue;
        if (is_openmetrics(&range) && range.quality > openmetrics)
            openmetrics = range.quality;
        /* The closest range says the quality, whatever the wider ones say. */
        int closeness = text_closeness(&range);
        if (closeness > closest || (closeness == closest && closeness > 0 && range.quality > text))
            text = range.quality;
        closest = closeness > closest ? closeness : closest;
    }
    return openmetrics > 0 && openmetrics >= text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}
