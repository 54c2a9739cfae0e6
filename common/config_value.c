#include "common/config_value.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* From the largest on. */
static const struct unit durations[] = {
    {"d", INT64_C(86400000)}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit sizes[] = {{"TiB", INT64_C(1) << 40},
                                    {"GiB", INT64_C(1) << 30},
                                    {"MiB", INT64_C(1) << 20},
                                    {"KiB", INT64_C(1) << 10}};

#define N_DURATIONS (sizeof durations / sizeof durations[0])
#define N_SIZES (sizeof sizes / sizeof sizes[0])

bool config_parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* Digits at *text, which is moved behind them; false without any or over 64 bits. */
static bool take_digits(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t number = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    }
    if (at == *text)
        return false;
    *text = at;
    *out = number;
    return true;
}

bool config_parse_integer(const char *text, int64_t *out)
{
    bool is_negative = *text == '-';
    uint64_t number;

    if (*text == '-' || *text == '+')
        text++;
    if (!take_digits(&text, &number) || *text != '\0')
        return false;
    if (number > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return false;
    *out = is_negative ? (int64_t)-number : (int64_t)number;
    return true;
}

/* The unit at *text, which is moved behind it; those before `first` have been passed. */
static size_t take_duration_unit(const char **text, size_t first)
{
    size_t n = strspn(*text, "dhms");

    for (size_t i = first; i < N_DURATIONS; i++) {
        if (strlen(durations[i].name) == n && strncmp(*text, durations[i].name, n) == 0) {
            *text += n;
            return i;
        }
    }
    return N_DURATIONS;
}

bool config_parse_duration(const char *text, int64_t *out)
{
    int64_t total = 0;

    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    for (size_t next = 0; next == 0 || *text != '\0'; next++) {
        uint64_t number;
        int64_t part;
        if (!take_digits(&text, &number))
            return false;
        next = take_duration_unit(&text, next);
        if (next == N_DURATIONS || __builtin_mul_overflow(number, durations[next].factor, &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
    }
    *out = total;
    return true;
}

bool config_parse_size(const char *text, uint64_t *out)
{
    uint64_t number;

    if (!take_digits(&text, &number))
        return false;
    if (*text == '\0') {
        *out = number;
        return true;
    }
    text += *text == ' ';
    for (size_t i = 0; i < N_SIZES; i++) {
        if (strcmp(text, sizes[i].name) == 0)
            return !__builtin_mul_overflow(number, (uint64_t)sizes[i].factor, out);
    }
    return false;
}

void config_format_duration(char out[CONFIG_VALUE_BYTES_MAX], int64_t ms)
{
    size_t used = 0;

    (void)snprintf(out, CONFIG_VALUE_BYTES_MAX, "0s");
    for (size_t i = 0; i < N_DURATIONS && ms > 0; i++) {
        if (ms < durations[i].factor)
            continue;
        used += (size_t)snprintf(out + used, CONFIG_VALUE_BYTES_MAX - used, "%" PRId64 "%s",
                                 ms / durations[i].factor, durations[i].name);
        ms %= durations[i].factor;
    }
}

void config_format_size(char out[CONFIG_VALUE_BYTES_MAX], uint64_t bytes)
{
    for (size_t i = 0; i < N_SIZES && bytes > 0; i++) {
        uint64_t factor = (uint64_t)sizes[i].factor;
        if (bytes % factor == 0) {
            (void)snprintf(out, CONFIG_VALUE_BYTES_MAX, "%" PRIu64 "%s", bytes / factor,
                           sizes[i].name);
            return;
        }
    }
    (void)snprintf(out, CONFIG_VALUE_BYTES_MAX, "%" PRIu64, bytes);
}
