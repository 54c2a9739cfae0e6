#include "ingest_fixture.h"

#include <string.h>

int fixture_set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->help.directory = help_directory();
    f->help.nodes_max = 1000;
    help_clock_init(&f->help.clock);
    help_ingest_open(&f->help);
    help_agent_init(&f->agent, "pi", FIXTURE_STREAM);
    *state = f;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    help_agent_deinit(&f->agent);
    help_ingest_close(&f->help);
    help_remove_directory(f->help.directory);
    free(f->help.acks);
    free(f);
    return 0;
}

void fixture_check_shown(const struct fixture *f, const char *node, const char *want)
{
    char *shown = help_shown(&f->help, node);
    if (want == NULL)
        assert_null(shown);
    else
        assert_string_equal(shown != NULL ? shown : "(nothing)", want);
    free(shown);
}

void fixture_check_stored(struct fixture *f, uint64_t committed, uint64_t frames)
{
    struct store_stream row = help_row(&f->help, "pi", FIXTURE_STREAM);
    assert_int_equal(row.committed, committed);
    assert_int_equal(row.frames, frames);
}

void fixture_check_rejected(struct fixture *f, uint64_t sequence, enum reject_reason reason,
                            uint64_t count)
{
    const struct ack *ack = help_last_ack(&f->help, "pi");
    assert_true(ack->has_rejection);
    assert_int_equal(ack->rejected_sequence, sequence);
    assert_string_equal(reject_reason_name(ack->rejection.reason), reject_reason_name(reason));
    assert_true(ack->rejection.text[0] != '\0');
    assert_int_equal(help_totals(&f->help).rejected[reason], count);
    struct live_node *nodes;
    size_t n;
    assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(nodes[0].rejected[reason], count);
    free(nodes);
}

uint64_t fixture_count_of(const struct fixture *f, const char *node, enum live_count count)
{
    struct live_node *nodes;
    size_t n;
    uint64_t value = UINT64_MAX;
    assert_int_equal(live_nodes(f->help.live, &nodes, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (strcmp(nodes[i].node, node) == 0)
            value = nodes[i].counts[count];
    free(nodes);
    return value;
}
