#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/topic.h"

static const char *letters(size_t n)
{
    static char text[512];
    memset(text, 'n', n);
    text[n] = '\0';
    return text;
}

static void test_node_ids(void **state)
{
    (void)state;
    assert_true(node_id_is_valid("raspberrypi-12ab34"));
    assert_true(node_id_is_valid("0"));
    assert_true(node_id_is_valid("a.b_c-D"));
    assert_true(node_id_is_valid(letters(NODE_ID_BYTES_MAX)));
    assert_false(node_id_is_valid(letters(NODE_ID_BYTES_MAX + 1)));
    static const char *const bad[] = {"",    "_a",  ".a",   "-a", "a/b",         "a b",     "a+",
                                      "a#b", "a\n", "$SYS", "+",  "_collectors", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (node_id_is_valid(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void test_prefixes(void **state)
{
    (void)state;
    assert_true(topic_prefix_is_valid(TOPIC_PREFIX_DEFAULT));
    assert_true(topic_prefix_is_valid("x"));
    assert_true(topic_prefix_is_valid("a/b/c"));
    assert_true(topic_prefix_is_valid(letters(TOPIC_BYTES_MAX - 80)));
    assert_false(topic_prefix_is_valid(letters(TOPIC_BYTES_MAX - 79)));
    static const char *const bad[] = {"",    "/a", "a/", "a//b",   "a/+/b",
                                      "a/#", "#",  "/",  "$SYS/a", "a\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (topic_prefix_is_valid(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void check_round_trip(enum topic_kind kind, const char *id, const char *want)
{
    char topic[TOPIC_BYTES_MAX];
    topic_format(topic, TOPIC_PREFIX_DEFAULT, kind, id);
    assert_string_equal(topic, want);
    enum topic_kind kind_back = TOPIC_FRAMES;
    char id_back[NODE_ID_BYTES_MAX + 1];
    assert_int_equal(topic_parse(topic, TOPIC_PREFIX_DEFAULT, &kind_back, id_back), 0);
    assert_int_equal(kind_back, kind);
    assert_string_equal(id_back, id);
}

static void test_round_trips(void **state)
{
    (void)state;
    check_round_trip(TOPIC_FRAMES, "pi", "shoal/v1/pi/frames");
    check_round_trip(TOPIC_STATUS, "pi", "shoal/v1/pi/status");
    check_round_trip(TOPIC_ACKS, "pi", "shoal/v1/pi/acks");
    check_round_trip(TOPIC_COLLECTOR, "main", "shoal/v1/_collectors/main");
    /* A node may be called as a leaf is. */
    check_round_trip(TOPIC_FRAMES, "frames", "shoal/v1/frames/frames");
}

static void test_subscriptions(void **state)
{
    (void)state;
    char topic[TOPIC_BYTES_MAX];
    topic_format(topic, "a/b", TOPIC_FRAMES, "+");
    assert_string_equal(topic, "a/b/+/frames");
    topic_format(topic, "a/b", TOPIC_COLLECTOR, "+");
    assert_string_equal(topic, "a/b/_collectors/+");
}

static void test_longest(void **state)
{
    (void)state;
    char prefix[TOPIC_BYTES_MAX];
    memcpy(prefix, letters(TOPIC_BYTES_MAX - 80), TOPIC_BYTES_MAX - 79);
    assert_true(topic_prefix_is_valid(prefix));
    char topic[TOPIC_BYTES_MAX];
    topic_format(topic, prefix, TOPIC_COLLECTOR, letters(NODE_ID_BYTES_MAX));
    enum topic_kind kind = TOPIC_FRAMES;
    char id[NODE_ID_BYTES_MAX + 1];
    assert_int_equal(topic_parse(topic, prefix, &kind, id), 0);
    assert_int_equal(strlen(id), NODE_ID_BYTES_MAX);
}

static void test_unknown_topics(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "shoal",
        "shoal/v1",
        "shoal/v1/",
        "shoal/v1/pi",
        "shoal/v1/pi/",
        "shoal/v1/pi/frame",
        "shoal/v1/pi/framesx",
        "shoal/v1/pi/frames/",
        "shoal/v1/pi/x/frames",
        "shoal/v1//frames",
        "shoal/v1/_pi/frames",
        "shoal/v1/_collectors",
        "shoal/v1/_collectors/",
        "shoal/v1/_collectors/a/b",
        "shoal/v1/_collectors/_x",
        "shoal/v1/_collector/frames",
        "shoal/v2/pi/frames",
        "/shoal/v1/pi/frames",
        "shoal/v1x/pi/frames",
        "shoal/v1/p\ni/frames",
        "shoal/v1/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/frames",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum topic_kind kind = TOPIC_ACKS;
        char id[NODE_ID_BYTES_MAX + 1] = "untouched";
        if (topic_parse(bad[i], TOPIC_PREFIX_DEFAULT, &kind, id) != TOPIC_UNKNOWN)
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(kind, TOPIC_ACKS);
        assert_string_equal(id, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_ids),    cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_longest),     cmocka_unit_test(test_unknown_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
