#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "common/arena.h"
#include "tests/support/random.h"

static void test_zeros_allow_nothing(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_alloc(&arena, 1));
    assert_true(arena.is_exhausted);
    arena_deinit(&arena);
}

static void test_pieces_are_apart_and_aligned(void **state)
{
    (void)state;
    struct random random = random_start("arena");
    struct arena arena;
    arena_init(&arena, (size_t)16 * 1024 * 1024);
    struct piece {
        uint8_t *at;
        size_t size;
    } pieces[500];
    for (unsigned i = 0; i < 500; i++) {
        pieces[i].size = (size_t)random_below(&random, i % 50 == 0 ? 20000 : 200);
        pieces[i].at = arena_alloc(&arena, pieces[i].size);
        assert_non_null(pieces[i].at);
        assert_int_equal((uintptr_t)pieces[i].at % alignof(max_align_t), 0);
        memset(pieces[i].at, (int)(i & 0xff), pieces[i].size);
        if (i % 7 == 0)
            assert_string_equal(arena_copy_text(&arena, "odd sizes", 3), "odd");
    }
    for (unsigned i = 0; i < 500; i++)
        for (size_t j = 0; j < pieces[i].size; j++)
            assert_int_equal(pieces[i].at[j], i & 0xff);
    assert_false(arena.is_exhausted);
    arena_deinit(&arena);
}

static void test_bound_holds(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100000);
    size_t taken = 0;
    while (arena_alloc(&arena, 1000) != NULL)
        taken += 1000;
    assert_true(arena.is_exhausted);
    assert_true(arena.used_bytes <= 100000);
    assert_true(taken <= 100000);
    assert_true(taken >= 90000); /* what is left is smaller than a piece and the blocks' heads */
    arena_reset(&arena);
    assert_false(arena.is_exhausted);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_alloc(&arena, 90000));
    arena_deinit(&arena);
}

static void test_sizes_do_not_overflow(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000000);
    assert_non_null(arena_alloc(&arena, 10));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 40));
    assert_null(arena_copy_text(&arena, "", SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 10));
    arena_deinit(&arena);
}

static void test_copies_text(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 10000);
    char text[] = "one two";
    char *copy = arena_copy_text(&arena, text, 3);
    text[0] = 'x';
    assert_string_equal(copy, "one");
    assert_string_equal(arena_copy_text(&arena, NULL, 0), "");
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeros_allow_nothing),
        cmocka_unit_test(test_pieces_are_apart_and_aligned),
        cmocka_unit_test(test_bound_holds),
        cmocka_unit_test(test_sizes_do_not_overflow),
        cmocka_unit_test(test_copies_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
