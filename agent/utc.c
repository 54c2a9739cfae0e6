#include "agent/utc.h"

#include <stdlib.h>

/* The boot clock is read on both sides, so that a pause between the calls shows as half of it. */
static int64_t measure_ms(struct clock *clock)
{
    int64_t before = clock->boot_us(clock);
    int64_t utc = clock->utc_us(clock);
    int64_t after = clock->boot_us(clock);
    int64_t offset_us = utc - before - (after - before) / 2;
    return (offset_us + 500) / 1000;
}

void utc_stamp(struct utc *utc, struct clock *clock, struct envelope *envelope)
{
    int64_t offset = measure_ms(clock);
    if (!utc->is_held || llabs(offset - utc->offset_ms) >= UTC_HOLD_MS) {
        utc->is_held = true;
        utc->offset_ms = offset;
    }
    int64_t error_us = 0;
    bool is_known = clock->is_synchronised(clock, &error_us);
    envelope->source = is_known ? CLOCK_SOURCE_SYSTEM : CLOCK_SOURCE_FREE;
    envelope->utc_offset_ms = utc->offset_ms;
    envelope->uncertainty_ms = 0; /* of a free clock nothing is known, not even how wrong it is */
    if (is_known)
        envelope->uncertainty_ms = (uint32_t)((error_us + 999) / 1000) + UTC_HOLD_MS;
}
