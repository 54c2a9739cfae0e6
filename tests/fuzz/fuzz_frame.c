/* One frame, as it comes: refused, or decoded to something that keeps the decoder's promises. */
#include <stdlib.h>

#include "common/decoder.h"
#include "common/frame_wire.h"
#include "tests/support/mirror.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same frame in its own place, with a right CRC: what is inside gets looked at too. */
static void decode_content(struct decoder *decoder, const uint8_t *data, size_t size)
{
    struct mirror mirror = {0};
    struct rejection rejection = {.text = ""};
    BUFFER_AUTO struct buffer bytes = {0};
    struct frame_parts parts = {
        .header = {.stream = 1, .sequence = 1, .key = 1}, .content = data, .content_bytes = size};
    (void)frame_join(&bytes, &parts, 0); /* the decoder computes the CRC itself */
    struct frame *frame = NULL;
    int r = decoder_decode(decoder, (const uint8_t *)bytes.data, bytes.size, &frame, &rejection);
    if (r == DECODER_NOT_NEXT || (r == DECODER_REJECTED && rejection.text[0] == '\0'))
        abort();
    if (r == 0 && !mirror_apply(&mirror, frame))
        abort();
    frame_free(frame);
    mirror_deinit(&mirror);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder *decoder = decoder_new(NULL);
    if (decoder == NULL)
        return 0;
    struct frame *frame = NULL;
    struct rejection rejection;
    int r = decoder_decode(decoder, data, size, &frame, &rejection);
    struct mirror mirror = {0};
    if (r == 0 && !mirror_apply(&mirror, frame))
        abort();
    frame_free(frame);
    mirror_deinit(&mirror);
    decode_content(decoder, data, size);
    decoder_free(decoder);
    return 0;
}
