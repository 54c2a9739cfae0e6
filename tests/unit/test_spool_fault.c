/*
 * The spool on disks that fail: the Nth write or sync fails, for N = 1, 2, ... until all goes well.
 * Whatever fails, what is unacked can be read, and is there again after a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/fault_vfs.h"
#include "tests/unit/spool_help.h"

#define N_MAX 2000

/* Appends, acks, flushes and frees; nothing of it may fail for the caller. */
static void work(struct spool_help *help)
{
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(spool_help_append(help, i % 3 == 0), 0);
    assert_int_equal(spool_ack(help->spool, help->stream, 2), 0);
    spool_help_pass(help, SPOOL_HELP_FLUSH_MS);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(spool_help_append(help, false), 0);
    assert_int_equal(spool_ack(help->spool, help->stream, 4), 0);
    spool_help_pass(help, 0);
}

static void assert_all_there(struct spool_help *help, uint64_t stream)
{
    for (uint64_t sequence = 5; sequence <= 8; sequence++)
        assert_true(spool_help_has(help, stream, sequence));
    assert_int_equal(spool_help_state(help).drops[DROP_SPOOL_FULL].frames, 0);
    assert_int_equal(spool_help_state(help).drops[DROP_SPOOL_DAMAGED].frames, 0);
}

/* Whether the fault struck. */
static bool play(struct fault *fault, int nth, int failures, int result)
{
    struct spool_help help;
    spool_help_init(&help);
    spool_help_open(&help);
    fault_arm(fault, nth, failures, result);
    work(&help);
    bool has_struck = fault->operations >= nth;
    assert_all_there(&help, 1);
    fault_arm(fault, 0, 0, SQLITE_OK);
    spool_help_pass(&help, 2 * SPOOL_RETRY_MS); /* by itself it works again */
    spool_help_pass(&help, 2 * SPOOL_RETRY_MS);
    assert_true(spool_help_state(&help).is_durable);
    assert_int_equal(spool_help_state(&help).held[SPOOL_MEMORY].frames, 0);
    assert_all_there(&help, 1);
    spool_help_crash(&help);
    spool_help_open(&help);
    assert_all_there(&help, 1);
    assert_int_equal(spool_ack(help.spool, 1, 8), 0);
    assert_int_equal(spool_help_state(&help).streams, 1);
    spool_help_crash(&help);
    spool_help_open(&help);
    assert_false(spool_help_has(&help, 1, 8));
    spool_help_deinit(&help);
    return has_struck;
}

static void loop(int failures, int result)
{
    struct fault fault;
    fault_init(&fault);
    fault.skips_sync = true;
    int nth = 1;
    while (play(&fault, nth, failures, result)) {
        nth++;
        assert_true(nth < N_MAX);
    }
    assert_true(nth > 20);
    fault_deinit(&fault);
}

static void test_one_write_finds_no_room(void **state)
{
    (void)state;
    loop(1, SQLITE_FULL);
}

static void test_no_room_from_then_on(void **state)
{
    (void)state;
    loop(1000000, SQLITE_FULL);
}

static void test_one_write_fails(void **state)
{
    (void)state;
    loop(1, SQLITE_IOERR_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_write_finds_no_room),
        cmocka_unit_test(test_no_room_from_then_on),
        cmocka_unit_test(test_one_write_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
