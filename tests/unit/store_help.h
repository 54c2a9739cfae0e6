/* A directory, a clock and frames for tests of the store and what stands on it. */
#ifndef SHOAL_TESTS_STORE_HELP_H
#define SHOAL_TESTS_STORE_HELP_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/store.h"
#include "collector/store_reader.h"

#define HELP_NOW_UTC_MS INT64_C(1750000000000)

struct help_clock {
    struct clock clock;
    int64_t utc_ms, boot_ms;
    bool is_synchronised;
};

static inline int64_t help_boot_us(struct clock *clock)
{
    return ((struct help_clock *)clock)->boot_ms * 1000;
}

static inline int64_t help_utc_us(struct clock *clock)
{
    return ((struct help_clock *)clock)->utc_ms * 1000;
}

static inline bool help_is_synchronised(struct clock *clock, int64_t *error_us_out)
{
    *error_us_out = 1000;
    return ((struct help_clock *)clock)->is_synchronised;
}

static inline void help_clock_init(struct help_clock *clock)
{
    *clock = (struct help_clock){
        .clock = {.boot_us = help_boot_us,
                  .utc_us = help_utc_us,
                  .is_synchronised = help_is_synchronised},
        .utc_ms = HELP_NOW_UTC_MS,
        .boot_ms = 1000000,
        .is_synchronised = true,
    };
}

static inline void help_pass(struct help_clock *clock, int64_t ms)
{
    clock->utc_ms += ms;
    clock->boot_ms += ms;
}

static inline char *help_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;
    assert_true(asprintf(&path, "%s/shoal-test-XXXXXX", base != NULL ? base : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline int help_unlink(const char *path, const struct stat *status, int type,
                              struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void help_remove_directory(char *path)
{
    (void)nftw(path, help_unlink, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline struct store *help_open_with(const struct store_options *options)
{
    struct store *store = NULL;
    struct store_error error = {""};
    int r = store_open(options, &store, &error);
    if (r != 0)
        fail_msg("store_open: %d: %s", r, error.text);
    return store;
}

static inline struct store *help_open(const char *directory, struct help_clock *clock)
{
    return help_open_with(&(struct store_options){
        .directory = directory,
        .retention_ms = INT64_C(7) * 24 * 3600 * 1000,
        .size_bytes_max = UINT64_C(4) << 30,
        .clock = &clock->clock,
    });
}

#endif
