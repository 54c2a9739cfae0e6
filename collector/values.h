/*
 * The latest values of one node: its inputs as the newest group defines them, their series, and the
 * targets that these belong to. Frames go in; pages go through what is public here. Knows nothing
 * of locks, clocks and HTTP.
 *
 * Ids on the wire hold within a group. When a group begins, what earlier groups had stays to be
 * seen until the new one defines the input anew; when another stream begins, values of the last one
 * go at once, its targets a while later (a page's 503 says more than a target that vanishes).
 */
#ifndef SHOAL_COLLECTOR_VALUES_H
#define SHOAL_COLLECTOR_VALUES_H

#include "collector/identity.h"
#include "common/decoder.h"

#define VALUES_TIME_NONE INT64_MIN
/* Text of names and labels that one node may bring along; series past it are not shown. */
#define VALUES_TEXT_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define VALUES_GHOST_MS (INT64_C(5) * 60 * 1000) /* for this long targets outlive their stream */

/* Pinned by pages: never changed, replaced as a whole. */
struct target {
    struct shared shared;
    const char *job, *instance;
    size_t text_bytes;
    char *text; /* `instance="a",job="b"` for the fleet page */
};

/* One series of one node: 16 bytes. */
struct value {
    int64_t mantissa;
    uint32_t identity; /* IDENTITY_NONE: gone, or not shown */
    int8_t exponent;
    bool is_duplicate; /* another value of the target is shown for it: see values_duplicates.h */
};

struct values_input {
    struct values_input *next;
    struct target *target;
    uint32_t id;     /* in the group */
    bool is_current; /* the group has defined it */
    bool is_ghost;   /* of an earlier stream: only its target is left */
    bool is_shown;   /* the pages' to say */
    uint32_t interval_ms;
    int64_t time_ms; /* of its newest whole reading, UTC; VALUES_TIME_NONE: no values */
    uint32_t n_values, capacity, n_series;
    uint32_t n_families;
    struct value *values;              /* by id */
    struct identity_family **families; /* by id; NULL: past the bound */
    char name[];
};

/* Caller's storage, in the care of values_init. */
struct values {
    struct identities *identities;
    struct graveyard *graveyard;
    const char *node;
    struct values_input *inputs;  /* to be seen, in the order of definition */
    struct values_input *pending; /* of readings whose last frame is still to come */
    uint64_t stream;              /* 0: waits for a key frame */
    size_t text_bytes;
    uint64_t hidden;      /* series not shown for the bound, ever */
    bool is_to_mark;      /* what pages show may have other duplicates than are marked */
    uint64_t duplicates;  /* marked */
    struct label *labels; /* of the node, in one block */
    size_t n_labels;
};

void values_init(struct values *values, struct identities *identities, struct graveyard *graveyard,
                 const char *node);
void values_deinit(struct values *values);

/* Frames of a stream come in order; what does not belong to the stream is left out. On -ENOMEM
 * nothing is known any more, as after values_forget, until the next key frame. */
WARN_UNUSED int values_apply(struct values *values, const struct frame *frame,
                             int64_t utc_offset_ms);

/* Forgets the values; the targets stay known. */
void values_forget(struct values *values);

/* The input of that id in the group, the copy that takes a reading's later frames first; NULL. */
const struct values_input *values_find_input(const struct values *values, uint32_t id);

uint64_t values_series(const struct values *values);
size_t values_bytes(const struct values *values);

/* The shortest interval of the target's inputs, of all for NULL; 0 if there are none. */
uint32_t values_interval_ms(const struct values *values, const struct target *target);

/* The newest reading's time of the target, of all for NULL; VALUES_TIME_NONE. */
int64_t values_newest_ms(const struct values *values, const struct target *target);

/* Whether this input is the first of its target in the list: visits each target once. */
bool values_is_first_of_target(const struct values *values, const struct values_input *input);

#endif
