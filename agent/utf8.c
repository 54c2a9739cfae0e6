/*
 * UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF.
 */
#include "agent/utf8.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

static bool in_range(unsigned char byte, unsigned char low, unsigned char high)
{
    return byte >= low && byte <= high;
}

/* Bytes of the valid character at `at`, 0 if there is none. The NUL at the text's end is no
 * continuation byte, so nothing past it is read. */
static size_t character_bytes(const unsigned char *at)
{
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t n;
    if (at[0] < 0x80)
        return 1;
    if (in_range(at[0], 0xC2, 0xDF))
        n = 2;
    else if (in_range(at[0], 0xE0, 0xEF))
        n = 3;
    else if (in_range(at[0], 0xF0, 0xF4))
        n = 4;
    else
        return 0;
    if (at[0] == 0xE0)
        low = 0xA0;
    if (at[0] == 0xED)
        high = 0x9F;
    if (at[0] == 0xF0)
        low = 0x90;
    if (at[0] == 0xF4)
        high = 0x8F;
    if (!in_range(at[1], low, high))
        return 0;
    for (size_t i = 2; i < n; i++)
        if (!in_range(at[i], 0x80, 0xBF))
            return 0;
    return n;
}

void utf8_repair(char *out, size_t out_bytes, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;
    bool is_in_bad_run = false;
    while (*at != '\0') {
        size_t n = character_bytes(at);
        bool is_bad = n == 0;
        const void *from = is_bad ? (const void *)REPLACEMENT : at;
        size_t size = is_bad ? sizeof(REPLACEMENT) - 1 : n;
        at += is_bad ? 1 : n;
        if (is_bad && is_in_bad_run)
            continue;
        is_in_bad_run = is_bad;
        if (used + size + 1 > out_bytes)
            break;
        memcpy(out + used, from, size);
        used += size;
    }
    out[used] = '\0';
}
