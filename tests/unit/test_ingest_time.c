/* What ingest says of a node's clock: once when it is found wrong, once when that is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/ingest_time.h"
#include "common/log.h"

/* Standard error goes to a file while the node is judged; returns how often the text is in it. */
static int judge(struct ingest_node *node, const struct envelope *envelope,
                 const struct ingest_time *time, const char *text)
{
    char log[2048] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(stderr);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    ingest_time_judge(node, envelope, time);
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    log[fread(log, 1, sizeof(log) - 1, file)] = '\0';
    (void)fclose(file);
    int n = 0;
    for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text))
        n++;
    return n;
}

static void test_says_it_once(void **state)
{
    (void)state;
    struct ingest_node node = {.entry.node = "n1"};
    struct envelope envelope = {.source = CLOCK_SOURCE_PROBE};
    const struct ingest_time taken = {.source = CLOCK_SOURCE_PROBE};
    log_set_level(LOG_LEVEL_INFO);
    assert_int_equal(judge(&node, &envelope, &taken, "n1"), 0);
    envelope.system_off_ms = 3600500;
    assert_int_equal(judge(&node, &envelope, &taken,
                           "node n1: its system clock claims to be "
                           "right, but is 3600.500 s off"),
                     1);
    assert_int_equal(judge(&node, &envelope, &taken, "n1"), 0);
    envelope.system_off_ms = 0;
    assert_int_equal(judge(&node, &envelope, &taken, "node n1: its clock is right again"), 1);
    assert_int_equal(judge(&node, &envelope, &taken, "n1"), 0);
}

static void test_claim_that_was_not_taken(void **state)
{
    (void)state;
    struct ingest_node node = {.entry.node = "n1"};
    const struct envelope claim = {.source = CLOCK_SOURCE_SYSTEM};
    const struct envelope none = {.source = CLOCK_SOURCE_UNKNOWN};
    const struct ingest_time own = {.source = CLOCK_SOURCE_UNKNOWN, .is_estimate = true};
    log_set_level(LOG_LEVEL_INFO);
    assert_int_equal(judge(&node, &none, &own, "n1"), 0); /* it claims nothing */
    assert_int_equal(judge(&node, &claim, &own, "node n1: its clock cannot be right"), 1);
    assert_int_equal(judge(&node, &claim, &own, "n1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_it_once),
        cmocka_unit_test(test_claim_that_was_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
