/* Any bytes into the four unpackers. What they accept has to come back the same from its own
 * packing. */
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

static const uint8_t *data_of(const struct buffer *buffer)
{
    return (const uint8_t *)buffer->data;
}

static void try_envelope(const uint8_t *bytes, size_t size)
{
    struct envelope first;
    if (envelope_unpack(bytes, size, &first) != 0)
        return;
    check(first.frame == NULL ||
          (first.frame >= bytes && first.frame + first.frame_bytes <= bytes + size));
    BUFFER_AUTO struct buffer packed = {0};
    struct envelope second;
    check(envelope_pack(&first, &packed) == 0);
    check(envelope_unpack(data_of(&packed), packed.size, &second) == 0);
    check(first.frame_bytes == second.frame_bytes);
    check(first.frame_bytes == 0 || memcmp(first.frame, second.frame, first.frame_bytes) == 0);
    check(memcmp(first.drops, second.drops, sizeof(first.drops)) == 0);
    check(first.utc_offset_ms == second.utc_offset_ms && first.source == second.source);
    check(first.has_probe == second.has_probe && first.probe_id == second.probe_id);
}

static void try_ack(const uint8_t *bytes, size_t size)
{
    struct ack first;
    if (ack_unpack(bytes, size, &first) != 0)
        return;
    const char *text = first.rejection.text;
    check(text_is_valid(text, sizeof(first.rejection.text) - 1));
    BUFFER_AUTO struct buffer packed = {0};
    struct ack second;
    check(ack_pack(&first, &packed) == 0);
    check(ack_unpack(data_of(&packed), packed.size, &second) == 0);
    check(first.committed == second.committed && first.has_credit == second.has_credit);
    check(first.has_rejection == second.has_rejection);
    check(!first.has_rejection || strcmp(text, second.rejection.text) == 0);
}

static void try_hello(const uint8_t *bytes, size_t size)
{
    struct hello first;
    if (hello_unpack(bytes, size, &first) != 0)
        return;
    check(text_is_valid(first.version, VERSION_BYTES_MAX));
    BUFFER_AUTO struct buffer packed = {0};
    struct hello second;
    check(hello_pack(&first, &packed) == 0);
    check(hello_unpack(data_of(&packed), packed.size, &second) == 0);
    check(strcmp(first.version, second.version) == 0 && first.connection == second.connection);
}

static void try_status(const uint8_t *bytes, size_t size)
{
    struct status first;
    if (status_unpack(bytes, size, &first) != 0)
        return;
    check(text_is_valid(first.version, VERSION_BYTES_MAX));
    BUFFER_AUTO struct buffer packed = {0};
    struct status second;
    check(status_pack(&first, &packed) == 0);
    check(status_unpack(data_of(&packed), packed.size, &second) == 0);
    check(strcmp(first.version, second.version) == 0 && first.is_online == second.is_online);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    try_envelope(bytes, size);
    try_ack(bytes, size);
    try_hello(bytes, size);
    try_status(bytes, size);
    return 0;
}
