/*
 * A capture: the frames that an agent made of a real machine, as a file. Each frame stands after
 * its size, 4 bytes, little-endian. Benches take it apart into the readings that were taken, and
 * measure with those.
 */
#ifndef SHOAL_TESTS_CAPTURE_H
#define SHOAL_TESTS_CAPTURE_H

#include "common/arena.h"
#include "common/encoder.h"

struct capture_sample {
    struct family family;
    enum series_suffix suffix;
    const struct label *labels;
    size_t n_labels;
    double value;
};

struct capture_reading {
    struct encoder_input input;
    int64_t time_ms;
    bool is_repeat;
    size_t n;
    const struct capture_sample *samples;
};

/* The readings of one frame. */
struct capture_frame {
    size_t n;
    const struct capture_reading *readings;
    size_t samples; /* of all its readings */
};

struct capture {
    struct capture_frame *frames;
    size_t n_frames;
    struct arena *arena;
    char error[256];
};

/* Reads a capture whole; false with capture->error otherwise. Deinit in any case. */
bool capture_load(struct capture *capture, const char *path);
void capture_deinit(struct capture *capture);

/* Takes the reading as an input would; false where it does not end well. */
bool capture_take(const struct capture_reading *from, struct reading *reading);

/* Adds a frame to a file that is being captured: 0 or a negative errno. */
WARN_UNUSED int capture_write(int fd, const uint8_t *bytes, size_t size);

#endif
