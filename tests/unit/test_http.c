/* The HTTP server: methods, escapes, gzip, bounds. */
#define ZLIB_CONST

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <zlib.h>

#include "collector/http.h"
#include "tests/unit/http_help.h"

#define LONG_BYTES 100000
#define HUGE_BYTES                                                                                 \
    (16 * 1024 * 1024) /* more than the kernel takes of a client that does not read */

/* /say/... says the path; /long is long; /broken runs out of memory; else the headers. */
static void handle(void *context, const struct http_request *request,
                   struct http_response *response)
{
    (void)context;
    if (strncmp(request->path, "/say/", 5) == 0) {
        http_say(response, 200, request->path);
        return;
    }
    if (strcmp(request->path, "/missing") == 0) {
        http_say(response, 404, "nothing here");
        return;
    }
    response->content_type = "text/x-test";
    if (strcmp(request->path, "/broken") == 0)
        response->body.has_failed = true;
    for (int i = 0; strcmp(request->path, "/long") == 0 && i < LONG_BYTES; i++)
        buffer_append(&response->body, &"abcdefghij"[i % 10], 1);
    if (strcmp(request->path, "/huge") == 0) {
        char *to = buffer_reserve(&response->body, HUGE_BYTES);
        assert_non_null(to);
        memset(to, 'x', HUGE_BYTES);
        buffer_wrote(&response->body, HUGE_BYTES);
    }
    if (strcmp(request->path, "/headers") == 0)
        buffer_print(&response->body, "host %s accept %s", request->host,
                     request->accept == NULL ? "none" : request->accept);
}

static int set_up(void **state)
{
    struct http *http = NULL;
    struct listen_error error;
    const struct http_options options = {.listen = "127.0.0.1:0",
                                         .connections_max = 64,
                                         .held_bytes_max = HUGE_BYTES,
                                         .handle = handle};
    int r = http_open(&options, &http, &error);
    *state = http;
    return r;
}

static int tear_down(void **state)
{
    http_close(*state);
    return 0;
}

static void test_path_and_headers(void **state)
{
    BUFFER_AUTO struct buffer answer = {0};
    help_get(http_name(*state), "/say/a%2Fb%20c?query=1", "", &answer);
    assert_int_equal(help_status(&answer), 200);
    assert_string_equal(help_body(&answer), "/say/a%2Fb%20c\n");
    assert_non_null(strstr(answer.data, "Content-Type: text/plain; charset=utf-8\r\n"));
    buffer_clear(&answer);
    help_get(http_name(*state), "/headers", "Accept: text/html\r\n", &answer);
    assert_string_equal(help_body(&answer), "host test:1 accept text/html");
    assert_non_null(strstr(answer.data, "Content-Type: text/x-test\r\n"));
    buffer_clear(&answer);
    help_get(http_name(*state), "/missing", "", &answer);
    assert_int_equal(help_status(&answer), 404);
}

static void test_methods(void **state)
{
    BUFFER_AUTO struct buffer answer = {0};
    help_exchange(http_name(*state), "HEAD /say/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                  &answer);
    assert_int_equal(help_status(&answer), 200);
    assert_string_equal(help_body(&answer), "");
    assert_non_null(strstr(answer.data, "Content-Length: 7\r\n"));
    static const char *const refused[] = {
        "POST /say/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        "DELETE /say/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "PUT /say/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        buffer_clear(&answer);
        help_exchange(http_name(*state), refused[i], &answer);
        assert_int_equal(help_status(&answer), 405);
        assert_non_null(strstr(answer.data, "Allow: GET, HEAD\r\n"));
    }
}

static size_t inflate_body(const struct buffer *answer, char *out, size_t size)
{
    const char *body = help_body(answer);
    z_stream stream = {.next_in = (const Bytef *)body,
                       .avail_in = (uInt)(answer->size - (size_t)(body - answer->data)),
                       .next_out = (Bytef *)out,
                       .avail_out = (uInt)size};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t n = stream.total_out;
    assert_int_equal(inflateEnd(&stream), Z_OK);
    return n;
}

static void test_gzip(void **state)
{
    static char text[LONG_BYTES + 1];
    BUFFER_AUTO struct buffer answer = {0};
    help_get(http_name(*state), "/long", "Accept-Encoding: deflate, gzip;q=0.8\r\n", &answer);
    assert_non_null(strstr(answer.data, "Content-Encoding: gzip\r\n"));
    assert_non_null(strstr(answer.data, "Vary: Accept, Accept-Encoding\r\n"));
    assert_true(answer.size < LONG_BYTES / 10);
    assert_int_equal(inflate_body(&answer, text, sizeof(text)), LONG_BYTES);
    assert_memory_equal(text, "abcdefghijabc", 13);
    static const char *const plain[] = {"", "Accept-Encoding: gzip;q=0\r\n",
                                        "Accept-Encoding: br, xgzip\r\n"};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        buffer_clear(&answer);
        help_get(http_name(*state), "/long", plain[i], &answer);
        assert_null(strstr(answer.data, "Content-Encoding"));
        assert_int_equal(strlen(help_body(&answer)), LONG_BYTES);
    }
    buffer_clear(&answer);
    help_get(http_name(*state), "/say/short", "Accept-Encoding: gzip\r\n", &answer);
    assert_string_equal(help_body(&answer), "/say/short\n");
}

static void test_a_page_that_failed(void **state)
{
    BUFFER_AUTO struct buffer answer = {0};
    help_get(http_name(*state), "/broken", "", &answer);
    assert_int_equal(help_status(&answer), 500);
    assert_string_equal(help_body(&answer), "out of memory\n");
}

static void test_requests_are_bounded(void **state)
{
    BUFFER_AUTO struct buffer request = {0};
    BUFFER_AUTO struct buffer answer = {0};
    buffer_text(&request, "GET /say/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    while (request.size < 2 * (size_t)HTTP_REQUEST_BYTES_MAX)
        buffer_text(&request, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    buffer_text(&request, "\r\n");
    help_exchange(http_name(*state), buffer_string(&request), &answer);
    assert_in_range(help_status(&answer), 400, 499);
    buffer_clear(&answer);
    help_exchange(http_name(*state), "\x01\x02 nonsense\r\n\r\n", &answer);
    assert_true(answer.size == 0 || help_status(&answer) >= 400);
    buffer_clear(&answer);
    help_get(http_name(*state), "/say/y", "", &answer); /* and it goes on */
    assert_int_equal(help_status(&answer), 200);
}

/* Clients that only hold connections leave some for other addresses, and more are refused. */
static void test_connections_are_bounded(void **state)
{
    int fds[80];
    BUFFER_AUTO struct buffer answer = {0};
    for (size_t i = 0; i < 80; i++)
        fds[i] = help_connect(http_name(*state));
    help_get(http_name(*state), "/say/z", "", &answer);
    assert_int_equal(help_status(&answer), 0);
    for (size_t i = 0; i < 80; i++)
        (void)close(fds[i]);
    for (int i = 0; i < 1000 && help_status(&answer) == 0; i++) {
        buffer_clear(&answer);
        help_get(http_name(*state), "/say/z", "", &answer);
    }
    assert_int_equal(help_status(&answer), 200);
}

/* A client that asks and does not read holds a page; large ones are refused until it is gone. */
static void test_pages_on_their_way_are_bounded(void **state)
{
    static const char request[] = "GET /huge HTTP/1.1\r\nHost: a\r\n\r\n";
    BUFFER_AUTO struct buffer answer = {0};
    char first;
    int fd = help_connect(http_name(*state));
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    assert_int_equal(recv(fd, &first, 1, 0), 1); /* the page is made */
    help_get(http_name(*state), "/long", "", &answer);
    assert_int_equal(help_status(&answer), 503);
    assert_int_equal(http_overloaded(*state), 1);
    buffer_clear(&answer);
    help_get(http_name(*state), "/say/x", "", &answer); /* small */
    assert_int_equal(help_status(&answer), 200);
    (void)close(fd);
    buffer_clear(&answer);
    for (int i = 0; i < 1000 && help_status(&answer) != 200; i++) {
        buffer_clear(&answer);
        help_get(http_name(*state), "/long", "", &answer);
    }
    assert_int_equal(help_status(&answer), 200);
}

static void test_a_port_in_use(void **state)
{
    struct http *second = NULL;
    struct listen_error error = {""};
    const struct http_options options = {
        .listen = http_name(*state), .connections_max = 64, .handle = handle};
    assert_true(http_open(&options, &second, &error) < 0);
    assert_null(second);
    assert_non_null(strstr(error.text, http_name(*state)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_and_headers),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_a_page_that_failed),
        cmocka_unit_test(test_requests_are_bounded),
        cmocka_unit_test(test_pages_on_their_way_are_bounded),
        cmocka_unit_test(test_a_port_in_use),
        cmocka_unit_test(test_connections_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
