/* Service discovery: addresses, and JSON of what nodes may call themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/sd.h"
#include "tests/unit/frame_help.h"

static void assert_address(const char *url, const char *host, const char *target,
                           const char *prefix)
{
    struct sd_address address;
    assert_int_equal(sd_address(url, host, &address), 0);
    assert_string_equal(address.target, target);
    assert_string_equal(address.prefix, prefix);
}

static void test_addresses(void **state)
{
    (void)state;
    struct sd_address address;
    assert_address("", "10.0.0.1:9757", "10.0.0.1:9757", "");
    assert_address("", "shoal.example", "shoal.example:80", "");
    assert_address("", "[::1]", "[::1]:80", "");
    assert_address("", "[::1]:9757", "[::1]:9757", "");
    assert_address("https://shoal.example/a/b/", "x", "shoal.example:443", "/a/b");
    assert_address("http://shoal.example:81", NULL, "shoal.example:81", "");
    assert_int_equal(sd_address("https://h/", "x", &address), 0);
    assert_true(address.is_https);
    assert_int_equal(sd_address("", NULL, &address), SD_BAD);
    assert_int_equal(sd_address("", "", &address), SD_BAD);
    char long_host[2 * SD_ADDRESS_BYTES_MAX];
    memset(long_host, 'a', sizeof(long_host) - 1);
    long_host[sizeof(long_host) - 1] = '\0';
    assert_int_equal(sd_address("", long_host, &address), SD_BAD);
}

static void test_urls_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"shoal.example", "ftp://a",     "http://",    "https:///a",
                                      "http://u@h/",   "http://h/?q", "http://h/#f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(sd_check_url(bad[i]));
    assert_null(sd_check_url(""));
    assert_null(sd_check_url("https://shoal.example:8443/prefix"));
}

static void test_entries(void **state)
{
    (void)state;
    struct live *live = live_new(clock_system(), 10);
    const struct label labels[] = {{"__address__", "evil"},
                                   {"consumer", "evil"},
                                   {"instance", "evil"},
                                   {"job", "evil"},
                                   {"site", "roof \"a\\b\"\n\x01"}};
    const struct live_envelope envelope = {.utc_offset_ms = 0};
    struct frame_help help;
    help_begin(&help, 7, 5000);
    help_define(&help, "app", "my/app", "pi1:80", 15000);
    help.frame.node_labels = labels;
    help.frame.n_node_labels = sizeof(labels) / sizeof(labels[0]);
    assert_int_equal(live_add_named(live, "pi1"), 0);
    assert_int_equal(live_apply(live, "pi1", &help.frame, &envelope), 0);
    assert_int_equal(live_add_named(live, "pi2"), 0);

    struct sd_address address;
    BUFFER_AUTO struct buffer out = {0};
    assert_int_equal(sd_address("https://h/p", NULL, &address), 0);
    sd_write(live, &address, &out);
    assert_string_equal(
        buffer_string(&out),
        "[\n{\"targets\":[\"h:443\"],\"labels\":{\"__metrics_path__\":\"/p/collector/metrics\","
        "\"__scheme__\":\"https\",\"job\":\"shoal-collector\",\"instance\":\"h:443\"}},\n"
        "{\"targets\":[\"h:443\"],\"labels\":{\"__metrics_path__\":"
        "\"/p/nodes/pi1/my%2Fapp/pi1%3A80/metrics\",\"__scheme__\":\"https\",\"job\":\"my/app\","
        "\"instance\":\"pi1:80\",\"site\":\"roof \\\"a\\\\b\\\"\\u000a\\u0001\"}},\n"
        "{\"targets\":[\"h:443\"],\"labels\":{\"__metrics_path__\":"
        "\"/p/nodes/pi2/node/pi2/metrics\",\"__scheme__\":\"https\",\"job\":\"node\","
        "\"instance\":\"pi2\"}}\n]\n");
    live_free(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_urls_are_checked),
        cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
