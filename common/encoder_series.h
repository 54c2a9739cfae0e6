/*
 * What the decoder knows of one input's series in the current group, as the encoder keeps it: by
 * the reading's slots, so that an unchanged series costs two comparisons. Finds what differs in a
 * reading and writes it as items of a body.
 */
#ifndef SHOAL_COMMON_ENCODER_SERIES_H
#define SHOAL_COMMON_ENCODER_SERIES_H

#include "common/encoder_body.h"
#include "common/encoder_families.h"

/* The state of a slot of the reading. */
struct encoder_slot {
    uint64_t born;    /* of its series, plus 1; 0: the group knows no series here */
    uint64_t bits;    /* of the last value */
    int64_t mantissa; /* of the last value, unless its exponent is DECIMAL_RAW */
    int64_t step;     /* last difference; stays 0 but for counters */
    uint32_t id;
    uint32_t family; /* entry in families */
    int8_t exponent;
    bool is_counter;
    bool is_seen; /* while looking for those that are gone */
};

/* Caller's storage; all zeros knows nothing. */
struct encoder_series {
    struct encoder_slot *slots;
    uint32_t n_slots;
    uint32_t n_ids;  /* given out in this group */
    uint32_t n_live; /* known and not gone */
    struct encoder_families families;
};

/* A value that differs from the last one. */
struct encoder_change {
    uint32_t id;
    uint32_t slot;
    double value;
};

/* What differs in one reading; kept by the encoder to be used again. All zeros is empty. */
struct encoder_differences {
    struct encoder_change *changes; /* ascending by id after encoder_series_compare */
    uint32_t *born;                 /* positions of samples whose series are new */
    size_t n_changes, n_born;
    size_t capacity; /* of each */
    bool has_gone;
};

void encoder_series_deinit(struct encoder_series *series);
void encoder_differences_deinit(struct encoder_differences *differences);

/* Forgets all, for a new group. */
void encoder_series_clear(struct encoder_series *series);

/* Compares a reading with what is known; changes nothing but the slots' number. 0 or -ENOMEM. */
WARN_UNUSED int encoder_series_compare(struct encoder_series *series, const struct reading *reading,
                                       struct encoder_differences *differences);

/* Writes the differences as items of the reading that is open in the body, and knows them from
 * then on. 0 or -ENOMEM, after which nothing of the group is known. */
WARN_UNUSED int encoder_series_write(struct encoder_series *series, const struct reading *reading,
                                     const struct encoder_differences *differences,
                                     struct encoder_body *body);

#endif
