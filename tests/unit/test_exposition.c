#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/exposition.h"

#define TEXT EXPOSITION_TEXT
#define OPENMETRICS EXPOSITION_OPENMETRICS
#define NOW INT64_C(1764000000123)

/* --- families --- */

static void check_family(enum exposition_format format, const struct family *family,
                         const char *want)
{
    BUFFER_AUTO struct buffer out = {0};
    exposition_family(&out, format, family);
    assert_string_equal(buffer_string(&out), want);
}

static void test_family_types(void **state)
{
    (void)state;
    static const struct {
        enum family_type type;
        const char *name, *text, *openmetrics;
    } cases[] = {
        {FAMILY_COUNTER, "x_total", "x_total counter", "x counter"},
        {FAMILY_COUNTER, "x", "x counter", "x unknown"},
        {FAMILY_COUNTER, "_total", "_total counter", "_total unknown"},
        {FAMILY_GAUGE, "x_total", "x_total gauge", "x_total gauge"},
        {FAMILY_GAUGE, "x", "x gauge", "x gauge"},
        {FAMILY_HISTOGRAM, "x", "x histogram", "x histogram"},
        {FAMILY_SUMMARY, "x", "x summary", "x summary"},
        {FAMILY_INFO, "x_info", "x_info gauge", "x info"},
        {FAMILY_INFO, "x", "x gauge", "x unknown"},
        {FAMILY_STATESET, "x", "x gauge", "x stateset"},
        {FAMILY_UNKNOWN, "x", "x untyped", "x unknown"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct family family = {cases[i].name, "", "", cases[i].type};
        char want[64];
        (void)snprintf(want, sizeof(want), "# TYPE %s\n", cases[i].text);
        check_family(TEXT, &family, want);
        (void)snprintf(want, sizeof(want), "# TYPE %s\n", cases[i].openmetrics);
        check_family(OPENMETRICS, &family, want);
    }
}

static void test_family_help(void **state)
{
    (void)state;
    const struct family family = {"x_total", "A \"b\" \\ and\nmore.", "", FAMILY_COUNTER};
    check_family(TEXT, &family,
                 "# HELP x_total A \"b\" \\\\ and\\nmore.\n# TYPE x_total counter\n");
    check_family(OPENMETRICS, &family, "# HELP x A \\\"b\\\" \\\\ and\\nmore.\n# TYPE x counter\n");
}

static void test_family_unit(void **state)
{
    (void)state;
    const struct family good = {"x_seconds_total", "", "seconds", FAMILY_COUNTER};
    check_family(OPENMETRICS, &good, "# TYPE x_seconds counter\n# UNIT x_seconds seconds\n");
    check_family(TEXT, &good, "# TYPE x_seconds_total counter\n");
    const struct family other = {"x_seconds", "", "bytes", FAMILY_GAUGE};
    check_family(OPENMETRICS, &other, "# TYPE x_seconds gauge\n");
    const struct family part = {"xseconds", "", "seconds", FAMILY_GAUGE};
    check_family(OPENMETRICS, &part, "# TYPE xseconds gauge\n");
    const struct family whole = {"_seconds", "", "seconds", FAMILY_GAUGE};
    check_family(OPENMETRICS, &whole, "# TYPE _seconds gauge\n");
    const struct family hidden = {"x_seconds", "", "seconds", FAMILY_COUNTER};
    check_family(OPENMETRICS, &hidden, "# TYPE x_seconds unknown\n# UNIT x_seconds seconds\n");
    const struct family info = {"x_seconds_info", "", "seconds", FAMILY_INFO};
    check_family(OPENMETRICS, &info, "# TYPE x_seconds info\n");
}

/* `want`: of each family, by name, the type's first letter, or - where it is left out. */
static void check_resolve(enum exposition_format format, const struct family *families, size_t n,
                          const char *want)
{
    const struct family *pointers[8];
    for (size_t i = 0; i < n; i++)
        pointers[i] = &families[i];
    for (size_t i = 0; i < n; i++) {
        struct family shown = {0};
        char got = '-';
        if (exposition_resolve(format, pointers, n, i, &shown) == 0) {
            got = family_type_name(shown.type)[0];
            assert_string_equal(shown.name, families[i].name);
        }
        if (got != want[i])
            fail_msg("%s: %c, not %c", families[i].name, got, want[i]);
    }
}

static void test_clashes(void **state)
{
    (void)state;
    static const struct family beside[] = {{"x", "", "", FAMILY_GAUGE},
                                           {"x_info", "", "", FAMILY_INFO},
                                           {"x_total", "", "", FAMILY_COUNTER},
                                           {"y_total", "", "", FAMILY_COUNTER}};
    check_resolve(OPENMETRICS, beside, 4, "guuc");
    check_resolve(TEXT, beside, 4, "gicc");
    static const struct family info[] = {{"x_info", "", "", FAMILY_INFO},
                                         {"x_total", "", "", FAMILY_COUNTER}};
    check_resolve(OPENMETRICS, info, 2, "uc");
    static const struct family created[] = {
        {"a_created", "", "", FAMILY_GAUGE}, {"a_total", "", "", FAMILY_COUNTER},
        {"b", "", "", FAMILY_HISTOGRAM},     {"b_created", "", "", FAMILY_GAUGE},
        {"c", "", "", FAMILY_GAUGE},         {"c_created", "", "", FAMILY_GAUGE},
        {"d", "", "", FAMILY_SUMMARY},       {"d_created", "", "", FAMILY_UNKNOWN}};
    check_resolve(OPENMETRICS, created, 8, "-ch-ggs-");
    check_resolve(TEXT, created, 8, "gchgggsu");
    static const struct family prefix[] = {{"x_to", "", "", FAMILY_GAUGE},
                                           {"x_total", "", "", FAMILY_COUNTER},
                                           {"xx", "", "", FAMILY_GAUGE}};
    check_resolve(OPENMETRICS, prefix, 3, "gcg");
}

/* --- series and samples --- */

static void check_series(const char *want, const struct label *labels, size_t n_labels)
{
    BUFFER_AUTO struct buffer out = {0};
    exposition_series(&out, "x", SUFFIX_BUCKET, labels, n_labels);
    assert_string_equal(buffer_string(&out), want);
}

static void test_series(void **state)
{
    (void)state;
    check_series("x_bucket", NO_LABELS);
    check_series("x_bucket{a=\"b\",c=\"d\"", LABELS({"a", "b"}, {"c", "d"}));
    check_series("x_bucket{a=\"\\\\ \\\" \\n \t\xc3\xa4\"", LABELS({"a", "\\ \" \n \t\xc3\xa4"}));
    check_series("x_bucket{exported_instance=\"i\",exported_job=\"j\"",
                 LABELS({"instance", "i"}, {"job", "j"}));
    check_series("x_bucket{exported_job=\"1\",exported_exported_job=\"2\",jobs=\"3\"",
                 LABELS({"exported_job", "1"}, {"job", "2"}, {"jobs", "3"}));
}

static void check_sample(enum exposition_format format, const char *labels, const char *more,
                         double value, int64_t time_ms, const char *want)
{
    BUFFER_AUTO struct buffer out = {0};
    char series[64];
    (void)snprintf(series, sizeof(series), "x%s", labels);
    const struct exposition_sample sample = {
        .series = series,
        .series_bytes = strlen(series),
        .has_labels = labels[0] != '\0',
        .more = more,
        .more_bytes = strlen(more),
        .value = decimal_from(value, 0),
        .time_ms = time_ms,
    };
    exposition_sample(&out, format, &sample);
    assert_string_equal(buffer_string(&out), want);
}

static void test_samples(void **state)
{
    (void)state;
    const int64_t none = EXPOSITION_NO_TIME;
    check_sample(TEXT, "", "", 1, none, "x 1\n");
    check_sample(TEXT, "{a=\"b\"", "", 1.5, none, "x{a=\"b\"} 1.5\n");
    check_sample(TEXT, "{a=\"b\"", "c=\"d\"", -2, none, "x{a=\"b\",c=\"d\"} -2\n");
    check_sample(TEXT, "", "c=\"d\"", 0, none, "x{c=\"d\"} 0\n");
    check_sample(TEXT, "", "", (double)NAN, none, "x NaN\n");
    check_sample(TEXT, "", "", (double)INFINITY, none, "x +Inf\n");
    check_sample(OPENMETRICS, "", "", -(double)INFINITY, none, "x -Inf\n");
}

static void test_timestamps(void **state)
{
    (void)state;
    check_sample(TEXT, "", "", 1, NOW, "x 1 1764000000123\n");
    check_sample(TEXT, "", "", 1, 0, "x 1 0\n");
    check_sample(TEXT, "", "", 1, -1, "x 1 -1\n");
    check_sample(OPENMETRICS, "", "", 1, NOW, "x 1 1764000000.123\n");
    check_sample(OPENMETRICS, "", "", 1, NOW - 3, "x 1 1764000000.12\n");
    check_sample(OPENMETRICS, "", "", 1, NOW - 23, "x 1 1764000000.1\n");
    check_sample(OPENMETRICS, "", "", 1, NOW - 123, "x 1 1764000000\n");
    check_sample(OPENMETRICS, "", "", 1, NOW - 118, "x 1 1764000000.005\n");
    check_sample(OPENMETRICS, "", "", 1, 0, "x 1 0\n");
    check_sample(OPENMETRICS, "", "", 1, -500, "x 1 -0.5\n");
    check_sample(OPENMETRICS, "", "", 1, -1050, "x 1 -1.05\n");
    check_sample(OPENMETRICS, "", "", 1, INT64_MAX, "x 1 9223372036854775.807\n");
    check_sample(OPENMETRICS, "", "", 1, INT64_MIN + 1, "x 1 -9223372036854775.807\n");
}

static void test_failed_buffer(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {.has_failed = true};
    struct reading *reading = reading_new();
    static const struct family family = FAMILY(GAUGE, "x", "Help.");
    reading_begin(reading);
    reading_add(reading, &family, 1, LABELS({"job", "a"}));
    assert_int_equal(reading_end(reading), 0);
    exposition_readings(&out, TEXT, (const struct reading *const[]){reading}, 1, NOW);
    exposition_end(&out, OPENMETRICS);
    assert_int_equal(out.size, 0);
    reading_free(reading);
}

static void test_end(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {0};
    exposition_end(&out, TEXT);
    assert_int_equal(out.size, 0);
    exposition_end(&out, OPENMETRICS);
    assert_string_equal(buffer_string(&out), "# EOF\n");
    assert_string_equal(exposition_content_type(TEXT), EXPOSITION_TYPE_TEXT);
    assert_string_equal(exposition_content_type(OPENMETRICS), EXPOSITION_TYPE_OPENMETRICS);
}

/* --- readings --- */

static void test_readings_are_grouped(void **state)
{
    (void)state;
    static const struct family b = FAMILY(GAUGE, "b", "B.");
    static const struct family b_again = FAMILY(COUNTER, "b", "Other.");
    static const struct family a = FAMILY(COUNTER, "a_total", "A.");
    struct reading *first = reading_new();
    struct reading *second = reading_new();
    reading_begin(first);
    reading_add(first, &b, 1, LABELS({"n", "1"}));
    reading_add(first, &a, 2.5, NO_LABELS);
    reading_add(first, &b, 3, LABELS({"n", "0"}));
    assert_int_equal(reading_end(first), 0);
    reading_begin(second);
    reading_add(second, &b_again, 4, NO_LABELS);
    assert_int_equal(reading_end(second), 0);

    const struct reading *readings[] = {first, second};
    BUFFER_AUTO struct buffer out = {0};
    exposition_readings(&out, OPENMETRICS, readings, 2, NOW);
    exposition_end(&out, OPENMETRICS);
    assert_string_equal(buffer_string(&out), "# HELP a A.\n"
                                             "# TYPE a counter\n"
                                             "a_total 2.5 1764000000.123\n"
                                             "# HELP b B.\n"
                                             "# TYPE b gauge\n"
                                             "b{n=\"1\"} 1 1764000000.123\n"
                                             "b{n=\"0\"} 3 1764000000.123\n"
                                             "b 4 1764000000.123\n"
                                             "# EOF\n");
    buffer_clear(&out);
    exposition_readings(&out, TEXT, readings, 2, EXPOSITION_NO_TIME);
    assert_string_equal(buffer_string(&out), "# HELP a_total A.\n"
                                             "# TYPE a_total counter\n"
                                             "a_total 2.5\n"
                                             "# HELP b B.\n"
                                             "# TYPE b gauge\n"
                                             "b{n=\"1\"} 1\n"
                                             "b{n=\"0\"} 3\n"
                                             "b 4\n");
    reading_free(first);
    reading_free(second);
}

static void test_no_readings(void **state)
{
    (void)state;
    BUFFER_AUTO struct buffer out = {0};
    exposition_readings(&out, OPENMETRICS, NULL, 0, NOW);
    assert_int_equal(out.size, 0);
    assert_false(buffer_failed(&out));
}

/* --- what others' parsers say --- */

static void add_parts(struct reading *reading)
{
    static const struct family histogram = {"h_seconds", "H.", "seconds", FAMILY_HISTOGRAM};
    static const struct family summary = FAMILY(SUMMARY, "s", "S.");
    static const char *const hosts[] = {"a", "b # \"x\""};
    for (size_t i = 0; i < 2; i++) {
        const char *host = hosts[i];
        reading_add_part(reading, &histogram, SUFFIX_BUCKET, 1, LABELS({"h", host}, {"le", "1"}));
        reading_add_part(reading, &histogram, SUFFIX_BUCKET, 3,
                         LABELS({"h", host}, {"le", "+Inf"}));
        reading_add_part(reading, &histogram, SUFFIX_SUM, 2.5, LABELS({"h", host}));
        reading_add_part(reading, &histogram, SUFFIX_COUNT, 3, LABELS({"h", host}));
        reading_add_part(reading, &summary, SUFFIX_NONE, (double)NAN,
                         LABELS({"h", host}, {"quantile", "0.5"}));
        reading_add_part(reading, &summary, SUFFIX_SUM, 0.1, LABELS({"h", host}));
        reading_add_part(reading, &summary, SUFFIX_COUNT, 1e21, LABELS({"h", host}));
    }
}

/* All types, clashes, escapes and odd values on one page. */
static struct reading *new_odd_reading(void)
{
    static const struct family families[] = {
        {"x", "A family beside x_total.", "", FAMILY_GAUGE},
        {"x_total", "Clashes with x.", "", FAMILY_COUNTER},
        {"x_info", "Clashes with x, too.", "", FAMILY_INFO},
        {"x_created", "Stays: x_total is no counter here.", "", FAMILY_GAUGE},
        {"y_total", "Counter.", "", FAMILY_COUNTER},
        {"y_created", "The counter's.", "", FAMILY_GAUGE},
        {"h_seconds_created", "The histogram's.", "", FAMILY_GAUGE},
        {"bare", "A counter without _total.", "", FAMILY_COUNTER},
        {"build_info", "Info.", "", FAMILY_INFO},
        {"wait_seconds_total", "Has a unit.", "seconds", FAMILY_COUNTER},
        {"other", "Unit that the name lacks.", "bytes", FAMILY_GAUGE},
        {"no_help", "", "", FAMILY_GAUGE},
        {"untyped", "Help with \\ and \"quotes\" and\nlines.", "", FAMILY_UNKNOWN},
        {"some_bucket", "A gauge named as a bucket.", "", FAMILY_GAUGE},
    };
    static const struct family states = FAMILY(STATESET, "mode", "States.");
    static const struct family odd = FAMILY(GAUGE, "odd", "Odd values.");
    static const double values[] = {-0.0,  5e-324, 1.7976931348623157e308, 1e15,
                                    -1e22, 0.1,    123456789.123456,       1e-22};
    struct reading *reading = reading_new();
    reading_begin(reading);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        reading_add(reading, &families[i], 1, LABELS({"a", "q\"b\\n\nü # }"}, {"job", "j"}));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        reading_add(reading, &odd, values[i], LABELS({"i", (const char[]){(char)('0' + i), 0}}));
    reading_add(reading, &odd, (double)NAN, LABELS({"i", "NaN"}));
    reading_add(reading, &odd, (double)INFINITY, LABELS({"i", "+Inf"}));
    reading_add(reading, &odd, -(double)INFINITY, LABELS({"i", "-Inf"}));
    reading_add(reading, &states, 1, LABELS({"mode", "on"}));
    reading_add(reading, &states, 0, LABELS({"mode", "off"}));
    add_parts(reading);
    if (reading_end(reading) != 0)
        fail_msg("%s", reading_error(reading));
    return reading;
}

/* Runs a command on the page; what it printed, in static storage. */
static const char *run_on(const struct buffer *page, const char *command, int *status_out)
{
    static char output[65536];
    char path[] = "/tmp/shoal-exposition-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, page->data, page->size), page->size);
    assert_int_equal(close(file), 0);
    char line[1024];
    (void)snprintf(line, sizeof(line), "%s <%s 2>&1", command, path);
    FILE *pipe = popen(line, "r"); /* NOLINT(cert-env33-c): a fixed command of the test's own */
    assert_non_null(pipe);
    size_t n = fread(output, 1, sizeof(output) - 1, pipe);
    output[n] = '\0';
    *status_out = pclose(pipe);
    assert_int_equal(unlink(path), 0);
    return output;
}

static void assert_holds(const char *output, const char *want)
{
    if (strstr(output, want) == NULL)
        fail_msg("lacks %s:\n%s", want, output);
}

static void test_strict_parser_accepts(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import prometheus_client.openmetrics.parser' 2>/dev/null"))
        skip();
    struct reading *reading = new_odd_reading();
    BUFFER_AUTO struct buffer page = {0};
    exposition_readings(&page, OPENMETRICS, (const struct reading *const[]){reading}, 1, NOW);
    exposition_end(&page, OPENMETRICS);
    int status = -1;
    const char *output = run_on(
        &page, "/usr/bin/python3 " SHOAL_SOURCE_DIR "/tests/unit/parse_openmetrics.py", &status);
    if (status != 0)
        fail_msg("refused:\n%s\n%s", output, buffer_string(&page));
    assert_holds(output, "family y counter 'Counter.' ''");
    assert_holds(output, "family x_total unknown");
    assert_holds(output, "family x_info unknown");
    assert_holds(output, "family bare unknown");
    assert_holds(output, "family build info");
    assert_holds(output, "family wait_seconds counter 'Has a unit.' 'seconds'");
    assert_holds(output, "family untyped unknown 'Help with \\\\ and \"quotes\" and\\nlines.'");
    assert_holds(output, "sample x [('a', 'q\"b\\\\n\\nü # }'), ('exported_job', 'j')] 1.0 "
                         "1764000000.123");
    assert_holds(output, "sample odd [('i', '1')] 5e-324 ");
    assert_holds(output, "sample odd [('i', 'NaN')] nan ");
    assert_null(strstr(output, "y_created"));
    reading_free(reading);
}

static void test_promtool_accepts(void **state)
{
    (void)state;
    if (system("promtool --version >/dev/null 2>&1"))
        skip();
    struct reading *reading = new_odd_reading();
    BUFFER_AUTO struct buffer page = {0};
    exposition_readings(&page, TEXT, (const struct reading *const[]){reading}, 1, NOW);
    int status = -1;
    const char *output = run_on(&page, "promtool check metrics", &status);
    /* 3: it read the page and would name some metrics otherwise; 1: it could not read it. */
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 3)
        fail_msg("refused:\n%s\n%s", output, buffer_string(&page));
    assert_holds(output, "no_help no help text");
    reading_free(reading);
}

/* --- negotiation --- */

static void test_negotiation(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum exposition_format format;
    } cases[] = {
        {NULL, TEXT},
        {"", TEXT},
        {"*/*", TEXT},
        {"text/plain", TEXT},
        /* Prometheus 2.42 */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q="
         "0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         OPENMETRICS},
        /* 2.53 */
        {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0."
         "0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         OPENMETRICS},
        /* 3.x */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
         "openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
         "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         OPENMETRICS},
        /* 3.x with native histograms, and configured for text only */
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
         "delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0."
         "4;q=0.3,*/*;q=0.2",
         OPENMETRICS},
        {"text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5", TEXT},
        {"text/plain;version=1.0.0;escaping=underscores;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;"
         "q=0.2",
         TEXT},
        /* 2.24 */
        {"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         OPENMETRICS},
        /* Firefox, Chrome */
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
         TEXT},
        {"application/openmetrics-text", OPENMETRICS},
        {"Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.2", OPENMETRICS},
        {"application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT},
        {"application/openmetrics-text;q=0", TEXT},
        {"application/openmetrics-text;q=0.5,text/plain;q=0.5", OPENMETRICS},
        {"application/openmetrics-text;q=0.5,text/*;q=0.6", TEXT},
        /* The closest range counts, not the widest. */
        {"application/openmetrics-text;q=0.5,text/plain;q=0.3,*/*", OPENMETRICS},
        {"*/*,text/*;q=0.1,application/openmetrics-text;q=0.5", OPENMETRICS},
        {"text/plain;q=0.2,text/plain;q=0.7,application/openmetrics-text;q=0.5", TEXT},
        /* Malformed */
        {"application/openmetrics-text;q=abc,text/plain;q=0.1", TEXT},
        {"application/openmetrics-text;q=1.5", TEXT},
        {"application/openmetrics-text;q=0.12345", TEXT},
        {"application/openmetrics-text;q=", TEXT},
        {",;,;=,application/openmetrics-text;;=;x", OPENMETRICS},
        {"application/openmetrics-text;version=\"1.0.0", TEXT},
        {"application/openmetrics-text;a=\",;\";q=0.5,text/plain;q=0.4", OPENMETRICS},
        {"application/openmetrics-textual", TEXT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (exposition_negotiate(cases[i].accept) != cases[i].format)
            fail_msg("wrong: %s", cases[i].accept == NULL ? "none" : cases[i].accept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_family_types),
        cmocka_unit_test(test_family_help),
        cmocka_unit_test(test_family_unit),
        cmocka_unit_test(test_clashes),
        cmocka_unit_test(test_series),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_failed_buffer),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_readings_are_grouped),
        cmocka_unit_test(test_no_readings),
        cmocka_unit_test(test_strict_parser_accepts),
        cmocka_unit_test(test_promtool_accepts),
        cmocka_unit_test(test_negotiation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
