#include "common/series.h"

#include <string.h>

const char *family_type_name(enum family_type type)
{
    static const char *const names[FAMILY_TYPES] = {
        [FAMILY_UNKNOWN] = "unknown",     [FAMILY_COUNTER] = "counter", [FAMILY_GAUGE] = "gauge",
        [FAMILY_HISTOGRAM] = "histogram", [FAMILY_SUMMARY] = "summary", [FAMILY_INFO] = "info",
        [FAMILY_STATESET] = "stateset",
    };
    return (unsigned)type < FAMILY_TYPES ? names[type] : names[FAMILY_UNKNOWN];
}

const char *series_suffix_text(enum series_suffix suffix)
{
    static const char *const texts[SUFFIXES] = {
        [SUFFIX_NONE] = "",
        [SUFFIX_BUCKET] = "_bucket",
        [SUFFIX_SUM] = "_sum",
        [SUFFIX_COUNT] = "_count",
    };
    return (unsigned)suffix < SUFFIXES ? texts[suffix] : texts[SUFFIX_NONE];
}

bool series_suffix_fits(enum series_suffix suffix, enum family_type type)
{
    switch (suffix) {
    case SUFFIX_NONE:
        return type != FAMILY_HISTOGRAM;
    case SUFFIX_BUCKET:
        return type == FAMILY_HISTOGRAM;
    case SUFFIX_SUM:
    case SUFFIX_COUNT:
        return type == FAMILY_HISTOGRAM || type == FAMILY_SUMMARY;
    default:
        return false;
    }
}

/* Not isalpha(3): that depends on the locale. */
static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool continues_name(char c)
{
    return starts_name(c) || (c >= '0' && c <= '9');
}

bool metric_name_is_valid(const char *name)
{
    if (!starts_name(name[0]) && name[0] != ':')
        return false;
    size_t n = 1;
    while (n <= METRIC_NAME_BYTES_MAX && (continues_name(name[n]) || name[n] == ':'))
        n++;
    return name[n] == '\0' && n <= METRIC_NAME_BYTES_MAX;
}

bool label_name_is_valid(const char *name)
{
    if (!starts_name(name[0]) || (name[0] == '_' && name[1] == '_'))
        return false;
    size_t n = 1;
    while (n <= LABEL_NAME_BYTES_MAX && continues_name(name[n]))
        n++;
    return name[n] == '\0' && n <= LABEL_NAME_BYTES_MAX;
}

/* Bytes of the character that begins at text[0] in UTF-8 (RFC 3629, section 4), 0 if it is none. */
static size_t character_bytes(const unsigned char *text, size_t size)
{
    unsigned char first = text[0];
    /* The second byte's range is what forbids overlong forms, surrogates and over U+10FFFF. */
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t n = 0;
    if (first >= 0xc2 && first <= 0xdf) {
        n = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        n = 3;
        low = first == 0xe0 ? 0xa0 : low;
        high = first == 0xed ? 0x9f : high;
    } else if (first >= 0xf0 && first <= 0xf4) {
        n = 4;
        low = first == 0xf0 ? 0x90 : low;
        high = first == 0xf4 ? 0x8f : high;
    } else {
        return first != 0 && first < 0x80 ? 1 : 0;
    }
    if (size < n || text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

bool utf8_is_valid(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;
    while (at < size) {
        size_t n = character_bytes(bytes + at, size - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

bool text_is_valid(const char *text, size_t max_bytes)
{
    size_t size = strnlen(text, max_bytes + 1);
    return size <= max_bytes && utf8_is_valid(text, size);
}
