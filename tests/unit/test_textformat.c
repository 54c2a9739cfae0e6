/* The text format's parser: what it takes, and each thing that it refuses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/textformat.h"

struct parsed {
    struct textformat document;
    struct textformat_error error;
    char *text;
    int result;
};

static void parse_bytes(struct parsed *parsed, const char *text, size_t size)
{
    *parsed = (struct parsed){.text = malloc(size + 1)};
    assert_non_null(parsed->text);
    memcpy(parsed->text, text, size);
    parsed->text[size] = '\0';
    parsed->result = textformat_parse(&parsed->document, parsed->text, size, &parsed->error);
}

static void parse(struct parsed *parsed, const char *text)
{
    parse_bytes(parsed, text, strlen(text));
}

static void deinit(struct parsed *parsed)
{
    textformat_deinit(&parsed->document);
    free(parsed->text);
}

static const struct textformat_family *family_of(const struct parsed *parsed, size_t sample)
{
    return &parsed->document.families[parsed->document.samples[sample].family];
}

static const char *label_of(const struct parsed *parsed, size_t sample, const char *name)
{
    const struct textformat_sample *found = &parsed->document.samples[sample];
    for (size_t i = 0; i < found->n_labels; i++) {
        const struct label *label = &parsed->document.labels[found->first_label + i];
        if (strcmp(label->name, name) == 0)
            return label->value;
    }
    return NULL;
}

static void test_takes_samples(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "# HELP a_total Things \\\\ done.\\n\n"
              "# TYPE a_total counter\n"
              "a_total{x=\"1\",y=\"q\\\"b\\\\n\\n\"} 12 1690000000123\n"
              "\n"
              "  \t\n"
              "#free text\n"
              "b -1.5e3\n"
              "c { z = \"\" , } NaN -7\n"
              "d{}+Inf\n");
    assert_int_equal(p.result, 0);
    assert_int_equal(p.document.n_samples, 4);
    assert_int_equal(p.document.n_families, 4);
    assert_string_equal(family_of(&p, 0)->name, "a_total");
    assert_string_equal(family_of(&p, 0)->help, "Things \\ done.\n");
    assert_int_equal(family_of(&p, 0)->type, FAMILY_COUNTER);
    assert_string_equal(label_of(&p, 0, "x"), "1");
    assert_string_equal(label_of(&p, 0, "y"), "q\"b\\n\n");
    assert_true(p.document.samples[0].has_time);
    assert_int_equal(p.document.samples[0].time_ms, 1690000000123);
    assert_null(family_of(&p, 1)->help);
    assert_int_equal(family_of(&p, 1)->type, FAMILY_UNKNOWN);
    assert_true(p.document.samples[1].value == -1500);
    assert_false(p.document.samples[1].has_time);
    assert_string_equal(label_of(&p, 2, "z"), "");
    assert_true(isnan(p.document.samples[2].value));
    assert_int_equal(p.document.samples[2].time_ms, -7);
    assert_true(p.document.samples[3].value == (double)INFINITY);
    assert_int_equal(p.document.samples[3].line, 9);
    deinit(&p);
}

static void test_knows_parts(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "# TYPE h Histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\nh_count 3\n"
              "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\ns_bucket 4\n"
              "# TYPE g gauge\ng_sum 5\nx_count 6\n");
    static const struct {
        const char *family;
        enum series_suffix suffix;
    } want[] = {{"h", SUFFIX_BUCKET},      {"h", SUFFIX_SUM},      {"h", SUFFIX_COUNT},
                {"s", SUFFIX_NONE},        {"s", SUFFIX_SUM},      {"s", SUFFIX_COUNT},
                {"s_bucket", SUFFIX_NONE}, {"g_sum", SUFFIX_NONE}, {"x_count", SUFFIX_NONE}};
    assert_int_equal(p.result, 0);
    assert_int_equal(p.document.n_samples, 9);
    for (size_t i = 0; i < 9; i++) {
        assert_string_equal(family_of(&p, i)->name, want[i].family);
        assert_int_equal(p.document.samples[i].suffix, want[i].suffix);
    }
    deinit(&p);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t line;
        const char *what;
    } cases[] = {
        {"a 1\nb 12", 2, "the last line does not end with a line feed"},
        {"a\n", 1, "a metric without a value"},
        {"a{}\n", 1, "no number where the value should be"},
        {"a 1 2 3\n", 1, "more than a value and a timestamp"},
        {"a 1x\n", 1, "no number where the value should be"},
        {"a 1_000\n", 1, "the value is not a number"},
        {"a 0x10\n", 1, "no number where the value should be"},
        {"a nan(1)\n", 1, "no number where the value should be"},
        {"a 1 1.5\n", 1, "the timestamp is not an integer"},
        {"a 1 -\n", 1, "the timestamp is not an integer"},
        {"a 1 99999999999999999999\n", 1, "the timestamp is out of range"},
        {"1a 1\n", 1, "the name of a metric is not valid"},
        {"{a=\"b\"} 1\n", 1, "the name of a metric is not valid"},
        {"a{b} 1\n", 1, "no = behind a label's name"},
        {"a{b=c} 1\n", 1, "a label's value is not in quotes"},
        {"a{b=\"c} 1\n", 1, "a label's value is not in quotes"},
        {"a{b=\"c\\\n", 1, "a label's value is not in quotes"},
        {"a{b=\"\\t\"} 1\n", 1, "a label's value has an escape other than \\\\, \\n and \\\""},
        {"a{b=\"c\" d=\"e\"} 1\n", 1, "neither , nor } behind a label"},
        {"a{b=\"c\",,} 1\n", 1, "no = behind a label's name"},
        {"a{b=\"c\",b=\"d\"} 1\n", 1, "the same label twice"},
        {"a{__b=\"c\"} 1\n", 1, "a label's name is not valid"},
        {"a{=\"c\"} 1\n", 1, "a label's name is not valid"},
        {"a{b=\"\xff\"} 1\n", 1, "a label's value is too long or not UTF-8"},
        {"a{b=\"c\"\n", 1, "neither , nor } behind a label"},
        {"# HELP a \xff\n", 1, "HELP is too long or not UTF-8"},
        {"# HELP a \\t\n", 1, "HELP has an escape other than \\\\ and \\n"},
        {"# HELP a \\\n", 1, "HELP has an escape other than \\\\ and \\n"},
        {"# HELP a b\n# HELP a b\n", 2, "a second HELP of a metric"},
        {"# HELP a\n# HELP a\n", 2, "a second HELP of a metric"},
        {"# HELP 1\n", 1, "HELP or TYPE without a valid name of a metric"},
        {"# TYPE\n", 1, "HELP or TYPE without a valid name of a metric"},
        {"# TYPE a\n", 1, "an unknown TYPE"},
        {"# TYPE a info\n", 1, "an unknown TYPE"},
        {"# TYPE a gauge\n# TYPE a gauge\n", 2,
         "a second TYPE of a metric, or TYPE behind its samples"},
        {"a 1\n# TYPE a gauge\n", 2, "a second TYPE of a metric, or TYPE behind its samples"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed p;
        parse(&p, cases[i].text);
        if (p.result != TEXTFORMAT_BAD)
            fail_msg("taken: %s", cases[i].text);
        assert_string_equal(p.error.what, cases[i].what);
        assert_int_equal(p.error.line, cases[i].line);
        assert_int_equal(p.document.n_samples, 0);
        assert_int_equal(p.document.n_families, 0);
        deinit(&p);
    }
}

static void test_refuses_nul_and_length(void **state)
{
    (void)state;
    struct parsed p;
    parse_bytes(&p, "a 1\n\0b 1\n", 9);
    assert_int_equal(p.result, TEXTFORMAT_BAD);
    assert_string_equal(p.error.what, "a NUL byte in it");
    deinit(&p);
    size_t size = TEXTFORMAT_BYTES_MAX + 1;
    char *blanks = malloc(size);
    assert_non_null(blanks);
    memset(blanks, '\n', size);
    parse_bytes(&p, blanks, size);
    assert_int_equal(p.result, TEXTFORMAT_BAD);
    assert_string_equal(p.error.what, "too long");
    deinit(&p);
    parse_bytes(&p, blanks, size - 1);
    assert_int_equal(p.result, 0);
    deinit(&p);
    free(blanks);
}

/* A text of n lines; each has its own name if it is to have one. */
static char *many_lines(size_t n, bool has_own_name)
{
    char *text = malloc(n * 16 + 1);
    char *to = text;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        to += has_own_name ? sprintf(to, "m%zu 1\n", i) : sprintf(to, "m 1\n");
    return text;
}

static void test_bounds_samples(void **state)
{
    (void)state;
    struct parsed p;
    char *text = many_lines(TEXTFORMAT_SAMPLES_MAX, true);
    parse(&p, text);
    assert_int_equal(p.result, 0);
    assert_int_equal(p.document.n_families, TEXTFORMAT_SAMPLES_MAX);
    assert_string_equal(family_of(&p, 77777)->name, "m77777");
    deinit(&p);
    free(text);
    text = many_lines(TEXTFORMAT_SAMPLES_MAX + 1, false);
    parse(&p, text);
    assert_int_equal(p.result, TEXTFORMAT_BAD);
    assert_string_equal(p.error.what, "too many samples");
    deinit(&p);
    free(text);
}

static void test_bounds_labels(void **state)
{
    (void)state;
    for (size_t n = LABELS_PER_SERIES_MAX; n <= LABELS_PER_SERIES_MAX + 1; n++) {
        char text[2048] = "m{";
        struct parsed p;
        for (size_t i = 0; i < n; i++)
            (void)sprintf(text + strlen(text), "l%zu=\"v\",", i);
        (void)stpcpy(text + strlen(text), "} 1\n");
        parse(&p, text);
        assert_int_equal(p.result, n == LABELS_PER_SERIES_MAX ? 0 : TEXTFORMAT_BAD);
        deinit(&p);
    }
}

static void test_is_used_again(void **state)
{
    (void)state;
    struct textformat document = {0};
    struct textformat_error error;
    char first[] = "# TYPE a gauge\na 1\n";
    char bad[] = "b\n";
    char second[] = "a 2\n";
    assert_int_equal(textformat_parse(&document, first, strlen(first), &error), 0);
    assert_int_equal(textformat_parse(&document, bad, strlen(bad), &error), TEXTFORMAT_BAD);
    assert_int_equal(textformat_parse(&document, second, strlen(second), &error), 0);
    assert_int_equal(document.n_families, 1);
    assert_int_equal(document.families[0].type, FAMILY_UNKNOWN);
    assert_int_equal(document.families[0].n_samples, 1);
    textformat_deinit(&document);
    textformat_deinit(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_samples),  cmocka_unit_test(test_knows_parts),
        cmocka_unit_test(test_refuses),        cmocka_unit_test(test_refuses_nul_and_length),
        cmocka_unit_test(test_bounds_samples), cmocka_unit_test(test_bounds_labels),
        cmocka_unit_test(test_is_used_again),
    };
    return cmocka_run_group_tests_name("textformat", tests, NULL, NULL);
}
