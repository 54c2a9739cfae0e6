/* Listening addresses: what they look like, and what is said when one is taken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/listen.h"

static void test_what_is_an_address(void **state)
{
    (void)state;
    static const char *const good[] = {":0", "127.0.0.1:9757", "[::1]:80", "host.example:65535",
                                       ":65535"};
    static const char *const bad[] = {"",        "host",    "host:",       "host:65536", "::1:80",
                                      "host:8a", "host:-1", "host:000001", "[::1]"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(listen_check(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(listen_check(bad[i]));
}

static void test_a_free_port_is_named(void **state)
{
    (void)state;
    int fd = -1;
    char name[LISTEN_NAME_BYTES_MAX] = "";
    struct listen_error error = {""};
    assert_int_equal(listen_open("127.0.0.1:0", &fd, name, &error), 0);
    assert_int_equal(strncmp(name, "127.0.0.1:", 10), 0);
    assert_in_range(strtoul(name + 10, NULL, 10), 1, 65535);

    int second = -1;
    assert_int_equal(listen_open(name, &second, name, &error), -EADDRINUSE);
    assert_int_equal(second, -1);
    assert_non_null(strstr(error.text, name));
    assert_non_null(strstr(error.text, strerror(EADDRINUSE)));
    (void)close(fd);
}

static void test_all_addresses(void **state)
{
    (void)state;
    int fd = -1;
    char name[LISTEN_NAME_BYTES_MAX] = "";
    struct listen_error error = {""};
    assert_int_equal(listen_open(":0", &fd, name, &error), 0);
    assert_true(strncmp(name, "[::]:", 5) == 0 || strncmp(name, "0.0.0.0:", 8) == 0);
    (void)close(fd);
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    int fd = -1;
    char name[LISTEN_NAME_BYTES_MAX] = "";
    struct listen_error error = {""};
    assert_int_equal(listen_open("nonsense", &fd, name, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nonsense"));
    assert_int_equal(listen_open("192.0.2.1:0", &fd, name, &error), -EADDRNOTAVAIL);
    assert_non_null(strstr(error.text, "192.0.2.1:0"));
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_an_address),
        cmocka_unit_test(test_a_free_port_is_named),
        cmocka_unit_test(test_all_addresses),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
