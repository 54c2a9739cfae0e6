/* One ingest and the agent of node "pi", for tests; and what they look at most. */
#ifndef SHOAL_TESTS_INGEST_FIXTURE_H
#define SHOAL_TESTS_INGEST_FIXTURE_H

#include "ingest_help.h"

#define FIXTURE_STREAM 77

struct fixture {
    struct help_ingest help;
    struct help_agent agent;
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

/* What a page shows of the node's gauge; NULL: nothing. */
void fixture_check_shown(const struct fixture *f, const char *node, const char *want);

/* The stream's row: its last sequence, and how many frames were ever stored. */
void fixture_check_stored(struct fixture *f, uint64_t committed, uint64_t frames);

/* The last ack tells a rejection, and it is the count-th of its reason. */
void fixture_check_rejected(struct fixture *f, uint64_t sequence, enum reject_reason reason,
                            uint64_t count);

uint64_t fixture_count_of(const struct fixture *f, const char *node, enum live_count count);

#endif
