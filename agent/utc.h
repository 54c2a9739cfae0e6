/*
 * UTC less boot time, as the system clock has it, held until it is wrong by UTC_HOLD_MS: readings
 * that are a tick apart are then exactly that apart in UTC too, which stores compress far better.
 */
#ifndef SHOAL_AGENT_UTC_H
#define SHOAL_AGENT_UTC_H

#include "common/clock.h"
#include "common/envelope.h"

#define UTC_HOLD_MS 5

/* Caller's storage; all zeros holds nothing yet. */
struct utc {
    bool is_held;
    int64_t offset_ms;
};

/* Fills the envelope's clock as of now. */
void utc_stamp(struct utc *utc, struct clock *clock, struct envelope *envelope);

#endif
