#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/message.h"

enum colour { COLOUR_UNKNOWN, COLOUR_RED, COLOURS };

struct thing {
    bool is_on;
    uint32_t small;
    uint64_t large;
    int64_t signed_number;
    uint64_t fixed;
    enum colour colour;
    char text[6];
    const uint8_t *bytes;
    size_t n_bytes;
    bool has_inner;
    uint64_t inner_number;
    unsigned repeats;
};

static const struct message_member inner_members[] = {
    {.number = 1, .kind = MESSAGE_U64, .offset = offsetof(struct thing, inner_number)},
    MESSAGE_END,
};

static void pack_repeats(struct buffer *out, uint32_t number, const void *base)
{
    const struct thing *thing = base;
    for (unsigned i = 0; i < thing->repeats; i++)
        message_pack_inner(out, number, inner_members, &(struct thing){.inner_number = i}, true);
}

static bool unpack_repeat(struct wire_reader content, void *base)
{
    struct thing repeat = {0};
    if (!message_unpack(inner_members, content, &repeat))
        return false;
    struct thing *thing = base;
    return repeat.inner_number == thing->repeats++;
}

static const struct message_member members[] = {
    {.number = 1, .kind = MESSAGE_BOOL, .offset = offsetof(struct thing, is_on)},
    {.number = 2, .kind = MESSAGE_U32, .offset = offsetof(struct thing, small)},
    {.number = 3, .kind = MESSAGE_U64, .offset = offsetof(struct thing, large)},
    {.number = 4, .kind = MESSAGE_ZIGZAG, .offset = offsetof(struct thing, signed_number)},
    {.number = 5, .kind = MESSAGE_FIXED64, .offset = offsetof(struct thing, fixed)},
    {.number = 6, .kind = MESSAGE_ENUM, .offset = offsetof(struct thing, colour), .limit = COLOURS},
    {.number = 7, .kind = MESSAGE_TEXT, .offset = offsetof(struct thing, text), .limit = 6},
    {.number = 8,
     .kind = MESSAGE_BYTES,
     .offset = offsetof(struct thing, bytes),
     .limit = offsetof(struct thing, n_bytes)},
    {.number = 9,
     .kind = MESSAGE_INNER,
     .offset = offsetof(struct thing, has_inner),
     .has_flag = true,
     .inner = inner_members},
    {.number = 10, .kind = MESSAGE_CUSTOM, .pack = pack_repeats, .unpack = unpack_repeat},
    MESSAGE_END,
};

static bool unpack(const void *bytes, size_t size, struct thing *thing_out)
{
    const uint8_t *at = bytes;
    *thing_out = (struct thing){0};
    return message_unpack(members, (struct wire_reader){at, at + size}, thing_out);
}

#define UNPACK(text, thing) unpack(text, sizeof(text) - 1, thing)

static void test_bytes_on_the_wire(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {0};
    const uint8_t bytes[] = {0xaa, 0xbb};
    const struct thing thing = {
        .is_on = true,
        .small = 300,
        .large = 1,
        .signed_number = -1,
        .fixed = 0x0807060504030201,
        .colour = COLOUR_RED,
        .text = "abc",
        .bytes = bytes,
        .n_bytes = 2,
        .has_inner = true,
        .repeats = 2,
    };
    message_pack(&out, members, &thing);
    static const char want[] = "\x08\x01"
                               "\x10\xac\x02"
                               "\x18\x01"
                               "\x20\x01"
                               "\x29\x01\x02\x03\x04\x05\x06\x07\x08"
                               "\x30\x01"
                               "\x3a\x03"
                               "abc"
                               "\x42\x02\xaa\xbb"
                               "\x4a\x00"
                               "\x52\x00"
                               "\x52\x02\x08\x01";
    assert_int_equal(out.size, sizeof(want) - 1);
    assert_memory_equal(out.data, want, out.size);

    struct thing back;
    assert_true(unpack(out.data, out.size, &back));
    assert_true(back.is_on && back.has_inner);
    assert_int_equal(back.small, 300);
    assert_int_equal(back.signed_number, -1);
    assert_int_equal(back.fixed, thing.fixed);
    assert_int_equal(back.colour, COLOUR_RED);
    assert_string_equal(back.text, "abc");
    assert_int_equal(back.n_bytes, 2);
    assert_ptr_equal(back.bytes, out.data + 27);
    assert_int_equal(back.repeats, 2);
}

static void test_zeros_are_left_out(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {0};
    message_pack(&out, members, &(struct thing){0});
    assert_int_equal(out.size, 0);
    message_pack_inner(&out, 3, members, &(struct thing){0}, false);
    assert_int_equal(out.size, 0);
    message_pack_inner(&out, 3, members, &(struct thing){0}, true);
    assert_int_equal(out.size, 2);
}

static void test_the_last_one_holds(void **state)
{
    (void)state;
    struct thing thing;
    assert_true(UNPACK("\x10\x01\x18\x05\x10\x02", &thing));
    assert_int_equal(thing.small, 2);
    assert_int_equal(thing.large, 5);
}

static void test_texts_are_cut(void **state)
{
    (void)state;
    struct thing thing;
    assert_true(UNPACK("\x3a\x05"
                       "abcde",
                       &thing));
    assert_string_equal(thing.text, "abcde");
    assert_true(UNPACK("\x3a\x06"
                       "abcdef",
                       &thing));
    assert_string_equal(thing.text, "abcde");
    assert_true(UNPACK("\x3a\x07"
                       "abcd\xe2\x82\xac",
                       &thing));
    assert_string_equal(thing.text, "abcd");
    assert_false(UNPACK("\x3a\x02\xc3\x28", &thing));
    assert_false(UNPACK("\x3a\x03"
                        "a\0b",
                        &thing));
}

static void test_strangers(void **state)
{
    (void)state;
    struct thing thing;
    assert_true(UNPACK("\x78\x01\x10\x07", &thing)); /* field 15 */
    assert_int_equal(thing.small, 7);
    assert_true(UNPACK("\x30\x02", &thing)); /* a colour of later */
    assert_int_equal(thing.colour, COLOUR_UNKNOWN);
    assert_true(UNPACK("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &thing));
    assert_int_equal(thing.colour, COLOUR_UNKNOWN);
}

static void test_malformed(void **state)
{
    (void)state;
    struct thing thing;
    assert_false(UNPACK("\x0a\x00", &thing));                 /* a bool as bytes */
    assert_false(UNPACK("\x38\x00", &thing));                 /* a text as a number */
    assert_false(UNPACK("\x28\x01", &thing));                 /* a fixed number as varint */
    assert_false(UNPACK("\x10\x80\x80\x80\x80\x10", &thing)); /* 2^32 in 32 bits */
    assert_false(UNPACK("\x42\x02\x01", &thing));             /* fewer bytes than said */
    assert_false(UNPACK("\x4a\x01\x08", &thing));             /* inner message cut off */
    assert_false(UNPACK("\x52\x02\x08\x05", &thing));         /* its function refuses */
    assert_false(UNPACK("\x10", &thing));
}

static void test_failed_buffer(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {.has_failed = true};
    message_pack(&out, members, &(struct thing){.is_on = true, .text = "a", .has_inner = true});
    assert_int_equal(out.size, 0);
    assert_true(buffer_failed(&out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_on_the_wire),  cmocka_unit_test(test_zeros_are_left_out),
        cmocka_unit_test(test_the_last_one_holds), cmocka_unit_test(test_texts_are_cut),
        cmocka_unit_test(test_strangers),          cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_failed_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
