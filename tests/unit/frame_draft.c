#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/mirror.h"
#include "tests/unit/frame_draft.h"

void draft_init(struct draft *draft)
{
    *draft = (struct draft){.ids = {0, 0}, .raw = {1.5, 2.5}};
    shoal__v1__frame__init(&draft->frame);
    shoal__v1__body__init(&draft->body);
    shoal__v1__reading__init(&draft->reading);
    shoal__v1__input__init(&draft->input);
    shoal__v1__family__init(&draft->family);
    draft->frame.stream = 77;
    draft->frame.sequence = 1;
    draft->frame.key = 1;
    draft->frame.content_case = SHOAL__V1__FRAME__CONTENT_BODY;
    draft->frame.body = &draft->body;
    draft->body.time_ms = 5000;
    draft->readings[0] = &draft->reading;
    draft->body.readings = draft->readings;
    draft->body.n_readings = 1;
    draft->input.name = "probe";
    draft->input.job = "node";
    draft->reading.definition = &draft->input;
    draft->family.name = "test_gauge";
    draft->family.type = SHOAL__V1__FAMILY__TYPE__GAUGE;
    draft->families[0] = &draft->family;
    draft->reading.families = draft->families;
    draft->reading.n_families = 1;
    for (unsigned i = 0; i < 3; i++) {
        shoal__v1__label__init(&draft->labels[i]);
        draft->label_list[i] = &draft->labels[i];
    }
    draft->labels[0].name = "a";
    draft->labels[0].value = "1";
    draft->labels[1].name = "b";
    draft->labels[1].value = "2";
    for (unsigned i = 0; i < 2; i++) {
        shoal__v1__series__init(&draft->series[i]);
        draft->series_list[i] = &draft->series[i];
    }
    draft->series[1].labels = draft->label_list;
    draft->series[1].n_labels = 2;
    draft->reading.series = draft->series_list;
    draft->reading.n_series = 2;
    draft->reading.raw_series = draft->ids;
    draft->reading.n_raw_series = 2;
    draft->reading.raw = draft->raw;
    draft->reading.n_raw = 2;
}

void draft_next(struct draft *draft)
{
    draft_init(draft);
    draft->frame.sequence = 2;
    draft->body.time_ms = 6000;
    draft->reading.definition = NULL;
    draft->reading.n_families = 0;
    draft->reading.n_series = 0;
}

struct buffer draft_pack(const struct draft *draft)
{
    struct buffer bytes = {0};
    size_t size = shoal__v1__frame__get_packed_size(&draft->frame);
    uint8_t *at = (uint8_t *)buffer_reserve(&bytes, size);
    assert_non_null(at);
    buffer_wrote(&bytes, shoal__v1__frame__pack(&draft->frame, at));
    return bytes;
}

int draft_decode_bytes(struct decoder *decoder, const void *bytes, size_t size,
                       struct rejection *rejection)
{
    /* A copy without a byte more, so that a sanitizer sees what reads past the end. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    struct frame *frame = NULL;
    rejection->text[0] = '\0';
    int r = decoder_decode(decoder, exact, size, &frame, rejection);
    if (r == 0 && frame->header.sequence == frame->header.key) {
        struct mirror mirror = {0};
        if (!mirror_apply(&mirror, frame))
            fail_msg("%s", mirror.error);
        mirror_deinit(&mirror);
    }
    frame_free(frame);
    free(exact);
    if (r == DECODER_REJECTED)
        assert_true(rejection->text[0] != '\0');
    return r;
}

int draft_decode(struct decoder *decoder, const struct draft *draft, struct rejection *rejection)
{
    BUFFER_AUTO struct buffer bytes = draft_pack(draft);
    return draft_decode_bytes(decoder, bytes.data, bytes.size, rejection);
}

void draft_assert_says(const struct rejection *rejection, enum reject_reason reason,
                       const char *text)
{
    if (rejection->reason != reason || strstr(rejection->text, text) == NULL)
        fail_msg("want %s with \"%s\", got %s: %s", reject_reason_name(reason), text,
                 reject_reason_name(rejection->reason), rejection->text);
}

void draft_assert_refused(const struct draft *draft, enum reject_reason reason, const char *text)
{
    struct decoder *decoder = decoder_new(NULL);
    struct rejection rejection;
    struct draft good;
    draft_init(&good);
    if (draft->frame.sequence == 2)
        assert_int_equal(draft_decode(decoder, &good, &rejection), 0);
    assert_int_equal(draft_decode(decoder, draft, &rejection), DECODER_REJECTED);
    draft_assert_says(&rejection, reason, text);
    struct draft next;
    draft_next(&next);
    assert_int_equal(draft_decode(decoder, &next, &rejection), DECODER_NOT_NEXT);
    assert_int_equal(draft_decode(decoder, &good, &rejection), 0);
    assert_int_equal(draft_decode(decoder, &next, &rejection), 0);
    decoder_free(decoder);
}
