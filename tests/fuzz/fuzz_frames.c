/*
 * A stream of frames through one decoder: each piece of the input is the body of the next frame,
 * or of a key frame. Pieces stand after their size, two bytes, little-endian, whose top bit asks
 * for a key frame. The CRCs are right, so that the bodies are what is tested.
 */
#include <stdlib.h>

#include "common/decoder.h"
#include "common/frame_wire.h"
#include "common/wire.h"
#include "tests/support/mirror.h"

#define FRAMES_MAX 64
#define HEAD_BYTES 2
#define KEY_BIT 0x8000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
    struct decoder *decoder;
    struct mirror mirror;
    struct frame_header header;
    uint32_t crc;
    bool is_good; /* the decoder took the last frame */
};

/* Decodes a body as the next frame, and checks that the decoder is where it says. */
static void send(struct stream *stream, const uint8_t *body, size_t size, bool is_key)
{
    stream->header.sequence++;
    if (is_key)
        stream->header.key = stream->header.sequence;
    struct frame_parts parts = {.header = stream->header, .content = body, .content_bytes = size};
    BUFFER_AUTO struct buffer bytes = {0};
    uint32_t crc = frame_join(&bytes, &parts, is_key ? 0 : stream->crc);
    struct frame *frame = NULL;
    struct rejection rejection = {.text = ""};
    int r = decoder_decode(stream->decoder, (const uint8_t *)bytes.data, bytes.size, &frame,
                           &rejection);
    if (r == DECODER_NOT_NEXT && (is_key || stream->is_good))
        abort();
    if (r == 0 && ((!is_key && !stream->is_good) || frame->crc != crc ||
                   !mirror_apply(&stream->mirror, frame)))
        abort();
    frame_free(frame);
    stream->is_good = r == 0;
    stream->crc = crc;
    uint64_t number = 0;
    uint64_t sequence = 0;
    decoder_position(stream->decoder, &number, &sequence, &crc);
    if ((number != 0) != stream->is_good ||
        (stream->is_good && (sequence != stream->header.sequence || crc != stream->crc)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream stream = {.decoder = decoder_new(NULL), .header = {.stream = 5}};
    if (stream.decoder == NULL)
        return 0;
    for (unsigned i = 0; i < FRAMES_MAX && size >= HEAD_BYTES; i++) {
        unsigned head = (unsigned)wire_get_fixed(data, HEAD_BYTES);
        data += HEAD_BYTES;
        size -= HEAD_BYTES;
        size_t length = head & (KEY_BIT - 1);
        length = length < size ? length : size;
        send(&stream, data, length, i == 0 || (head & KEY_BIT) != 0);
        data += length;
        size -= length;
    }
    decoder_free(stream.decoder);
    mirror_deinit(&stream.mirror);
    return 0;
}
