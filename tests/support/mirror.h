/*
 * What a receiver of frames can know: inputs with their series and latest values, built from
 * decoded frames alone. Tests compare it with what was sent; benches read captures through it.
 * Checks on the way what a decoder promises.
 */
#ifndef SHOAL_TESTS_MIRROR_H
#define SHOAL_TESTS_MIRROR_H

#include "common/arena.h"
#include "common/buffer.h"
#include "common/decoder.h"
#include "common/reading.h"

struct mirror_series {
    uint32_t family;
    enum series_suffix suffix;
    size_t n_labels;
    const struct label *labels;
    struct decimal value;
    bool is_gone;
};

struct mirror_input {
    struct frame_input definition;
    int64_t time_ms; /* of its last reading */
    bool is_repeat;
    bool is_partial;   /* the reading goes on in the next frame */
    uint64_t readings; /* complete ones in this group */
    struct family *families;
    struct mirror_series *series;
    uint32_t n_families, n_series;
    uint32_t n_live;
};

/* Caller's storage; all zeros is empty. */
struct mirror {
    struct mirror_input *inputs;
    uint32_t n_inputs;
    uint32_t samples; /* of the last frame, counted here */
    size_t n_node_labels;
    struct label node_labels[NODE_LABELS_MAX];
    struct arena arena; /* holds the texts of the group */
    char error[200];
};

void mirror_deinit(struct mirror *mirror);

/* Applies a frame. False where it breaks a promise of the decoder: see mirror->error. */
bool mirror_apply(struct mirror *mirror, const struct frame *frame);

const struct mirror_input *mirror_find(const struct mirror *mirror, const char *input);

/* The input's latest values as a reading, in the order of their ids. */
WARN_UNUSED int mirror_reading(const struct mirror_input *input, struct reading *reading);

/* All that it knows as text: one line a series, values with all their bits. */
void mirror_print(const struct mirror *mirror, struct buffer *out);

/* One series as text, without its value: family, type, help, unit, suffix and labels. */
void mirror_print_series(struct buffer *out, const struct family *family, enum series_suffix suffix,
                         const struct label *labels, size_t n_labels);

#endif
