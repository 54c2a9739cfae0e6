/*
 * The clocks, passed in so that tests own them. Boot time is CLOCK_BOOTTIME (it goes on while the
 * machine sleeps and never jumps); UTC is the system clock, which may be wrong. Two kinds of time,
 * never mixed: names end in _boot_ms/_utc_ms where a bare time_ms could mean either.
 */
#ifndef SHOAL_COMMON_CLOCK_H
#define SHOAL_COMMON_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t (*boot_us)(struct clock *clock);
    int64_t (*utc_us)(struct clock *clock);
    /* adjtimex(2): the kernel calls the system clock synchronised; a refusal counts as not.
     * *error_us_out is the kernel's maxerror. */
    bool (*is_synchronised)(struct clock *clock, int64_t *error_us_out);
};

/* The machine's clocks. */
struct clock *clock_system(void);

static inline int64_t clock_boot_ms(struct clock *clock)
{
    return clock->boot_us(clock) / 1000;
}

static inline int64_t clock_utc_ms(struct clock *clock)
{
    return clock->utc_us(clock) / 1000;
}

#endif
