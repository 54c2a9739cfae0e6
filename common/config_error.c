#include "common/config_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t sequence_bytes(unsigned char lead)
{
    if (lead >= 0xf0)
        return 4;
    if (lead >= 0xe0)
        return 3;
    return lead >= 0xc0 ? 2 : 1;
}

static void make_printable(char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        unsigned char c = (unsigned char)*text;
        size_t n = sequence_bytes(c);
        if (c < 0x20 || c == 0x7f || n > left || !utf8_is_valid(text, n)) {
            *text = '?';
            n = 1;
        }
        text += n;
        left -= n;
    }
}

int config_fail(struct config_error *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, sizeof error->text, format, args); /* cut off where too long */
    va_end(args);
    make_printable(error->text);
    return CONFIG_BAD;
}
