#include "collector/url.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_append_segment(struct buffer *out, const char *segment)
{
    static const char digits[] = "0123456789ABCDEF";
    /* Dots alone would be taken for "here" and "up" by whoever normalises the path. */
    bool is_dots = strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
    for (const char *c = segment; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        char encoded[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        if (is_unreserved(*c) && !is_dots)
            buffer_append(out, c, 1);
        else
            buffer_append(out, encoded, sizeof(encoded));
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of a segment, or -1. */
static int take_byte(const char **at)
{
    if (**at != '%') {
        unsigned char byte = (unsigned char)**at;
        (*at)++;
        return byte;
    }
    int high = hex_digit((*at)[1]);
    int low = high < 0 ? -1 : hex_digit((*at)[2]);
    if (low < 0)
        return -1;
    *at += 3;
    return high * 16 + low;
}

int url_take_segment(const char **path, char *out, size_t size)
{
    if (**path != '/' || size == 0)
        return URL_BAD;
    const char *at = *path + 1;
    size_t n = 0;
    while (*at != '\0' && *at != '/') {
        int byte = take_byte(&at);
        if (byte <= 0 || n + 1 >= size)
            return URL_BAD;
        out[n++] = (char)byte;
    }
    if (n == 0)
        return URL_BAD;
    out[n] = '\0';
    *path = at;
    return 0;
}
