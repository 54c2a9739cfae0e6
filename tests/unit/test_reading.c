#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/reading.h"

static const struct family load = FAMILY(GAUGE, "node_load1", "1m load average.");
static const struct family cpu = FAMILY(COUNTER, "node_cpu_seconds_total", "Seconds.");
static const struct family latency = FAMILY(HISTOGRAM, "latency_seconds", "Latency.");
static const struct family quantiles = FAMILY(SUMMARY, "rpc_seconds", "RPC.");

static const struct series *series_at(const struct reading *reading, size_t i)
{
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    assert_true(i < n);
    return samples[i].series;
}

static size_t count_samples(const struct reading *reading)
{
    size_t n = 0;
    (void)reading_samples(reading, &n);
    return n;
}

static size_t count_gone(const struct reading *reading)
{
    size_t n = 0;
    (void)reading_gone(reading, &n);
    return n;
}

static void test_samples(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    reading_begin(reading);
    reading_add(reading, &load, 0.5, NO_LABELS);
    reading_add(reading, &cpu, 12.25, LABELS({"mode", "idle"}, {"cpu", "0"}, {"empty", ""}));
    reading_add_part(reading, &latency, SUFFIX_BUCKET, 3, LABELS({"le", "+Inf"}));
    assert_int_equal(reading_end(reading), 0);
    assert_string_equal(reading_error(reading), "");

    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    assert_int_equal(n, 3);
    assert_ptr_equal(samples[0].series->family, &load);
    assert_true(samples[0].value == 0.5);
    assert_int_equal(samples[0].series->n_labels, 0);
    const struct series *second = samples[1].series;
    assert_int_equal(second->n_labels, 2);
    assert_string_equal(second->labels[0].name, "cpu");
    assert_string_equal(second->labels[0].value, "0");
    assert_string_equal(second->labels[1].name, "mode");
    assert_string_equal(second->labels[1].value, "idle");
    assert_int_equal(samples[2].series->suffix, SUFFIX_BUCKET);
    assert_int_equal(count_gone(reading), 0);
    assert_int_equal(reading_slots(reading), 3);
    reading_free(reading);
}

static void add_cpus(struct reading *reading, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%u", i);
        /* Not in order, so that both ways of finding a series are walked. */
        if (i % 2 == 0)
            reading_add(reading, &cpu, i, LABELS({"cpu", number}, {"mode", "idle"}));
        else
            reading_add(reading, &cpu, i, LABELS({"mode", "idle"}, {"cpu", number}));
    }
}

static void test_again_costs_no_memory(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    const struct series *first = NULL;
    size_t used = 0;
    for (int round = 0; round < 10; round++) {
        reading_begin(reading);
        add_cpus(reading, 0, 300);
        assert_int_equal(reading_end(reading), 0);
        assert_int_equal(count_samples(reading), 300);
        assert_int_equal(count_gone(reading), 0);
        if (round == 0)
            first = series_at(reading, 299);
        assert_ptr_equal(series_at(reading, 299), first);
        if (round == 2)
            used = mallinfo2().uordblks;
    }
    assert_int_equal(mallinfo2().uordblks, used);
    assert_int_equal(reading_slots(reading), 300);
    assert_int_equal(first->born, 1);
    reading_free(reading);
}

static void test_gone_and_slots(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    reading_begin(reading);
    add_cpus(reading, 0, 3);
    assert_int_equal(reading_end(reading), 0);

    reading_begin(reading);
    add_cpus(reading, 1, 4);
    assert_int_equal(reading_end(reading), 0);
    size_t n_gone = 0;
    const struct series *const *gone = reading_gone(reading, &n_gone);
    assert_int_equal(n_gone, 1);
    assert_string_equal(gone[0]->labels[0].value, "0");
    uint32_t slot = gone[0]->slot;
    assert_int_equal(reading_slots(reading), 4); /* the slot of the one that went is not reused */

    reading_begin(reading);
    add_cpus(reading, 1, 5);
    assert_int_equal(reading_end(reading), 0);
    assert_int_equal(count_gone(reading), 0);
    assert_int_equal(reading_slots(reading), 4);
    assert_int_equal(series_at(reading, 3)->slot, slot);
    assert_int_equal(series_at(reading, 3)->born, 3);
    assert_int_equal(series_at(reading, 0)->born, 1);
    reading_free(reading);
}

/* Adds one bad sample after a good one: the result and the text of it. */
static void check_refused(const struct family *family, enum series_suffix suffix,
                          const struct label *labels, size_t n_labels, int want, const char *text)
{
    struct reading *reading = reading_new();
    reading_begin(reading);
    reading_add(reading, &load, 1, NO_LABELS);
    assert_int_equal(reading_end(reading), 0);
    reading_begin(reading);
    reading_add(reading, &load, 1, NO_LABELS);
    reading_add_part(reading, family, suffix, 1, labels, n_labels);
    reading_add(reading, &cpu, 1, NO_LABELS); /* ignored */
    assert_int_equal(reading_end(reading), want);
    if (strstr(reading_error(reading), text) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", reading_error(reading), text);
    assert_int_equal(count_samples(reading), 0);
    assert_int_equal(count_gone(reading), 0);

    reading_begin(reading);
    assert_string_equal(reading_error(reading), "");
    assert_int_equal(reading_end(reading), 0);
    assert_int_equal(count_gone(reading), 1); /* what was known before the error */
    reading_free(reading);
}

static void test_refuses_bad_input(void **state)
{
    (void)state;
    static const struct family bad_name = FAMILY(GAUGE, "a\nb", "");
    static const struct family bad_help = FAMILY(GAUGE, "a", "\xff");
    static const struct family bad_type = {.name = "a", .help = "", .unit = "", .type = 42};
    check_refused(&load, SUFFIX_NONE, NO_LABELS, -EEXIST, "node_load1: twice");
    check_refused(&bad_name, SUFFIX_NONE, NO_LABELS, -EINVAL, "not a metric name");
    check_refused(&bad_help, SUFFIX_NONE, NO_LABELS, -EINVAL, "help");
    check_refused(&bad_type, SUFFIX_NONE, NO_LABELS, -EINVAL, "type");
    check_refused(&cpu, SUFFIX_NONE, LABELS({"a-b", "c"}), -EINVAL,
                  "node_cpu_seconds_total{a-b=\"c\"}: not a label name");
    check_refused(&cpu, SUFFIX_NONE, LABELS({"__name__", "c"}), -EINVAL, "not a label name");
    check_refused(&cpu, SUFFIX_NONE, LABELS({"a", "\xc0\xaf"}), -EINVAL, "not UTF-8");
    check_refused(&cpu, SUFFIX_NONE, LABELS({"a", "1"}, {"b", "1"}, {"a", "2"}), -EINVAL,
                  "{a=\"1\",a=\"2\",b=\"1\"}: a label comes twice");
    check_refused(&cpu, SUFFIX_SUM, NO_LABELS, -EINVAL, "suffix");
    check_refused(&latency, SUFFIX_NONE, NO_LABELS, -EINVAL, "suffix");
    check_refused(&quantiles, SUFFIX_BUCKET, NO_LABELS, -EINVAL, "suffix");
    check_refused(&latency, (enum series_suffix)9, NO_LABELS, -EINVAL, "suffix");
}

static void test_refuses_over_bounds(void **state)
{
    (void)state;
    char value[LABEL_VALUE_BYTES_MAX + 2];
    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    check_refused(&cpu, SUFFIX_NONE, LABELS({"a", value}), -EINVAL, "...: a label's value");

    char names[LABELS_PER_SERIES_MAX + 1][8];
    struct label labels[LABELS_PER_SERIES_MAX + 1];
    for (unsigned i = 0; i <= LABELS_PER_SERIES_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "l%02u", i);
        labels[i] = (struct label){.name = names[i], .value = "v"};
    }
    check_refused(&cpu, SUFFIX_NONE, labels, LABELS_PER_SERIES_MAX + 1, -EINVAL, "too many");

    struct reading *reading = reading_new();
    reading_begin(reading);
    labels[7].value = ""; /* does not count */
    reading_add(reading, &cpu, 1, labels, LABELS_PER_SERIES_MAX + 1);
    value[LABEL_VALUE_BYTES_MAX] = '\0';
    reading_add(reading, &cpu, 1, LABELS({"a", value}));
    assert_int_equal(reading_end(reading), 0);
    assert_int_equal(series_at(reading, 0)->n_labels, LABELS_PER_SERIES_MAX);
    reading_free(reading);
}

static void test_refuses_too_many_series(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    reading_begin(reading);
    add_cpus(reading, 0, SERIES_PER_INPUT_MAX);
    assert_int_equal(reading_end(reading), 0);
    reading_begin(reading);
    add_cpus(reading, 0, SERIES_PER_INPUT_MAX + 1);
    assert_int_equal(reading_end(reading), -E2BIG);
    reading_begin(reading);
    add_cpus(reading, 0, SERIES_PER_INPUT_MAX);
    assert_int_equal(reading_end(reading), 0);
    assert_int_equal(count_gone(reading), 0);
    reading_free(reading);
}

static void test_needs_begin(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    reading_add(reading, &load, 1, NO_LABELS);
    assert_int_equal(reading_end(reading), -EINVAL);
    reading_begin(reading);
    reading_add(reading, &load, 1, NO_LABELS);
    reading_begin(reading); /* the input gave up and the next reading starts */
    assert_int_equal(reading_end(reading), 0);
    assert_int_equal(count_samples(reading), 0);
    assert_int_equal(count_gone(reading), 0);
    reading_free(reading);
    reading_free(NULL);
}

static void test_run_time_families(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    char name[] = "textfile_x";
    reading_begin(reading);
    const struct family *family = reading_family(reading, name, FAMILY_COUNTER, "Help.");
    reading_add(reading, family, 1, NO_LABELS);
    assert_ptr_equal(reading_family(reading, "textfile_x", FAMILY_GAUGE, "Other."), family);
    assert_int_equal(reading_end(reading), 0);
    memset(name, 'x', sizeof(name) - 1);
    assert_string_equal(series_at(reading, 0)->family->name, "textfile_x");
    assert_int_equal(family->type, FAMILY_COUNTER);
    assert_string_equal(family->help, "Help.");

    /* It lives for as long as gone series can be seen. */
    reading_begin(reading);
    assert_int_equal(reading_end(reading), 0);
    size_t n_gone = 0;
    const struct series *const *gone = reading_gone(reading, &n_gone);
    assert_int_equal(n_gone, 1);
    assert_string_equal(gone[0]->family->name, "textfile_x");

    reading_begin(reading);
    assert_int_equal(reading_end(reading), 0);
    reading_begin(reading);
    family = reading_family(reading, "textfile_x", FAMILY_GAUGE, "Other.");
    assert_int_equal(family->type, FAMILY_GAUGE);

    family = reading_family(reading, "no name", FAMILY_GAUGE, "");
    assert_non_null(family);
    reading_add(reading, family, 1, NO_LABELS);
    assert_int_equal(reading_end(reading), -EINVAL);
    assert_string_equal(reading_error(reading), "no name: not a metric name");
    reading_free(reading);
}

static void test_new_names_cost_no_memory(void **state)
{
    (void)state;
    struct reading *reading = reading_new();
    size_t used = 0;
    for (unsigned round = 0; round < 5000; round++) {
        reading_begin(reading);
        for (unsigned i = 0; i < 20; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "job_%06u_%02u", round, i);
            const struct family *family = reading_family(reading, name, FAMILY_GAUGE, "Job.");
            reading_add(reading, family, round, LABELS({"job_name", name}));
        }
        assert_int_equal(reading_end(reading), 0);
        assert_int_equal(count_gone(reading), round == 0 ? 0 : 20);
        if (round == 100)
            used = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks <= used);
    assert_true(reading_slots(reading) <= 40);
    reading_free(reading);
}

/* --- against a model --- */

#define UNIVERSE 80

struct model {
    bool is_known[UNIVERSE]; /* in the last good reading */
    uint64_t born[UNIVERSE];
    uint32_t slot[UNIVERSE];
    uint64_t number;
    unsigned order[UNIVERSE];
    uint64_t random;
};

static unsigned below(struct model *model, unsigned bound)
{
    model->random = model->random * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (unsigned)(model->random >> 33) % bound;
}

static void add_member(struct reading *reading, struct model *model, unsigned i)
{
    char value[16];
    (void)snprintf(value, sizeof(value), "%u", i / 4);
    const struct family *family = &load;
    if (i % 4 == 1)
        family = &cpu;
    else if (i % 4 >= 2)
        family = reading_family(reading, i % 4 == 2 ? "rt_a" : "rt_b", FAMILY_GAUGE, "");
    struct label labels[] = {{"x", value}, {"y", "same"}, {"z", ""}};
    unsigned first = below(model, 3);
    struct label swapped = labels[0];
    labels[0] = labels[first];
    labels[first] = swapped;
    reading_add(reading, family, i, labels, 3);
}

/* Which member of the universe a series is. */
static unsigned member_of(const struct series *series)
{
    static const char *const names[] = {"node_load1", "node_cpu_seconds_total", "rt_a", "rt_b"};
    unsigned kind = 0;
    while (strcmp(names[kind], series->family->name) != 0)
        kind++;
    assert_int_equal(series->n_labels, 2);
    assert_string_equal(series->labels[0].name, "x");
    char *end;
    unsigned number = (unsigned)strtoul(series->labels[0].value, &end, 10);
    assert_int_equal(*end, '\0');
    return number * 4 + kind;
}

static void check_gone(const struct reading *reading, const struct model *model,
                       const bool *is_wanted, bool *slot_is_taken)
{
    size_t n_gone = 0;
    const struct series *const *gone = reading_gone(reading, &n_gone);
    size_t want = 0;
    for (unsigned i = 0; i < UNIVERSE; i++)
        want += model->is_known[i] && !is_wanted[i];
    assert_int_equal(n_gone, want);
    for (size_t i = 0; i < n_gone; i++) {
        unsigned member = member_of(gone[i]);
        assert_true(model->is_known[member] && !is_wanted[member]);
        assert_int_equal(gone[i]->slot, model->slot[member]);
        assert_int_equal(gone[i]->born, model->born[member]);
        slot_is_taken[gone[i]->slot] = true;
    }
}

static void check_good(const struct reading *reading, struct model *model, const bool *is_wanted,
                       const unsigned *added, size_t n_added)
{
    bool slot_is_taken[2 * UNIVERSE + 1] = {false};
    assert_true(reading_slots(reading) <= 2 * UNIVERSE);
    check_gone(reading, model, is_wanted, slot_is_taken);
    size_t n = 0;
    const struct sample *samples = reading_samples(reading, &n);
    assert_int_equal(n, n_added);
    for (size_t i = 0; i < n; i++) {
        const struct series *series = samples[i].series;
        unsigned member = member_of(series);
        assert_int_equal(member, added[i]);
        assert_true(samples[i].value == member);
        assert_true(series->slot < reading_slots(reading));
        assert_false(slot_is_taken[series->slot]);
        slot_is_taken[series->slot] = true;
        if (model->is_known[member])
            assert_int_equal(series->slot, model->slot[member]);
        else
            model->born[member] = model->number;
        assert_int_equal(series->born, model->born[member]);
        model->slot[member] = series->slot;
    }
    memcpy(model->is_known, is_wanted, sizeof(model->is_known));
}

static void model_step(struct reading *reading, struct model *model)
{
    bool is_wanted[UNIVERSE] = {false};
    unsigned added[UNIVERSE];
    size_t n = 0;
    unsigned density = below(model, 5); /* of 4: from none to all */
    for (unsigned swaps = below(model, 4) == 0 ? 20 : 0; swaps > 0; swaps--) {
        unsigned a = below(model, UNIVERSE);
        unsigned b = below(model, UNIVERSE);
        unsigned kept = model->order[a];
        model->order[a] = model->order[b];
        model->order[b] = kept;
    }
    model->number++;
    reading_begin(reading);
    for (unsigned i = 0; i < UNIVERSE; i++) {
        unsigned member = model->order[i];
        if (below(model, 4) >= density)
            continue;
        add_member(reading, model, member);
        is_wanted[member] = true;
        added[n++] = member;
    }
    unsigned fate = below(model, 8);
    if (fate == 0)
        return; /* given up: no end */
    if (fate == 1 && n > 0) {
        add_member(reading, model, added[below(model, (unsigned)n)]);
        assert_int_equal(reading_end(reading), -EEXIST);
        assert_int_equal(count_samples(reading), 0);
        return;
    }
    assert_int_equal(reading_end(reading), 0);
    check_good(reading, model, is_wanted, added, n);
}

static void test_like_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct model model = {.random = seed};
        for (unsigned i = 0; i < UNIVERSE; i++)
            model.order[i] = i;
        print_message("seed %u\n", (unsigned)seed);
        struct reading *reading = reading_new();
        for (int step = 0; step < 500; step++)
            model_step(reading, &model);
        reading_free(reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_again_costs_no_memory),
        cmocka_unit_test(test_gone_and_slots),
        cmocka_unit_test(test_refuses_bad_input),
        cmocka_unit_test(test_refuses_over_bounds),
        cmocka_unit_test(test_refuses_too_many_series),
        cmocka_unit_test(test_needs_begin),
        cmocka_unit_test(test_run_time_families),
        cmocka_unit_test(test_new_names_cost_no_memory),
        cmocka_unit_test(test_like_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
