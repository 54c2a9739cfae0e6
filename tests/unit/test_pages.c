/* The pages by their paths, without a server: status, type, text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/pages.h"
#include "tests/unit/frame_help.h"

struct scene {
    struct live *live;
    struct pages pages;
    struct http_response response;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    scene->live = live_new(clock_system(), 10);
    scene->pages = (struct pages){.live = scene->live,
                                  .own = own_new(scene->live),
                                  .clock = clock_system(),
                                  .external_url = ""};
    live_set_broker(scene->live, true);
    *state = scene;
    return scene->pages.own == NULL;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    buffer_deinit(&scene->response.body);
    own_free(scene->pages.own);
    live_free(scene->live);
    free(scene);
    return 0;
}

/* A node read just now; its job is "my app", its instance "pi1:80". */
static void add_node_with(struct scene *scene, uint64_t backlog_frames, uint64_t backlog_bytes)
{
    const struct live_envelope envelope = {.utc_offset_ms = clock_utc_ms(clock_system()) - 5000,
                                           .backlog_frames = backlog_frames,
                                           .backlog_bytes = backlog_bytes,
                                           .received_utc_ms = clock_utc_ms(clock_system())};
    struct frame_help help;
    help_begin(&help, 7, 5000);
    help_define(&help, "app", "my app", "pi1:80", 15000);
    help_series(&help, help_family(&help, FAMILY_GAUGE, "app_jobs"), "queue", "<b>", 9);
    assert_int_equal(live_add_named(scene->live, "pi1"), 0);
    assert_int_equal(live_apply(scene->live, "pi1", &help.frame, &envelope), 0);
}

static void add_node(struct scene *scene)
{
    add_node_with(scene, 1, 314);
}

static const char *get_as(struct scene *scene, const char *path, const char *accept)
{
    const struct http_request request = {.path = path, .host = "h:1", .accept = accept};
    buffer_deinit(&scene->response.body);
    scene->response = (struct http_response){.status = 200, .content_type = "text/plain"};
    pages_handle(&scene->pages, &request, &scene->response);
    assert_false(buffer_failed(&scene->response.body));
    return buffer_string(&scene->response.body);
}

static const char *get(struct scene *scene, const char *path)
{
    return get_as(scene, path, NULL);
}

static void test_what_is_not_there(void **state)
{
    static const char *const paths[] = {"/nowhere",
                                        "/nodes",
                                        "/nodes/",
                                        "/nodes/pi1/my%20app/pi1/metrics",
                                        "/nodes/pi1/metrics",
                                        "/nodes/pi1/my%20app/pi1:80/metric",
                                        "/nodes/pi1/my%20app/pi1:80/metrics/",
                                        "/nodesx/a/b/c",
                                        "/nodes/%zz/a/b/metrics",
                                        "//metrics"};
    add_node(*state);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_non_null(get(*state, paths[i]));
        assert_int_equal(((struct scene *)*state)->response.status, 404);
    }
}

static void test_a_target(void **state)
{
    struct scene *scene = *state;
    add_node(scene);
    const char *path = "/nodes/pi1/my%20app/pi1%3A80/metrics";
    assert_non_null(strstr(get(scene, path), "app_jobs{queue=\"<b>\"} 9 "));
    assert_int_equal(scene->response.status, 200);
    assert_string_equal(scene->response.content_type, EXPOSITION_TYPE_TEXT);
    const char *page = get_as(scene, path, "application/openmetrics-text; version=1.0.0");
    assert_string_equal(scene->response.content_type, EXPOSITION_TYPE_OPENMETRICS);
    assert_string_equal(page + strlen(page) - 6, "# EOF\n");
    live_set_broker(scene->live, false);
    assert_non_null(strstr(get(scene, path), "pi1"));
    assert_int_equal(scene->response.status, 503);
}

static void test_all_in_one(void **state)
{
    struct scene *scene = *state;
    add_node(scene);
    const char *page = get_as(scene, "/metrics", "application/openmetrics-text; version=1.0.0");
    assert_non_null(strstr(page, "app_jobs{queue=\"<b>\",instance=\"pi1:80\",job=\"my app\"} 9 "));
    assert_non_null(strstr(page, "shoal_node_up{node=\"pi1\"} 1\n"));
    assert_non_null(strstr(page, "shoal_collector_nodes 1\n"));
    assert_non_null(strstr(page, "process_resident_memory_bytes "));
    assert_non_null(strstr(page, "# EOF\n"));
}

static void test_the_collectors_own(void **state)
{
    struct scene *scene = *state;
    const struct ingest_totals ingest = {.frames = 5, .rejected = {[REJECT_BAD_CRC] = 2}};
    const struct store_totals store = {.bytes = 4096};
    const struct receiver_totals receiver = {.is_connected = true, .connects = 3};
    own_note_ingest(scene->pages.own, &ingest);
    own_note_store(scene->pages.own, &store);
    own_note_receiver(scene->pages.own, &receiver);
    add_node(scene);
    live_reject(scene->live, "pi1", REJECT_BAD_NAME);
    live_count(scene->live, "pi1", LIVE_GAP_FRAMES, 4);
    const char *page = get(scene, "/collector/metrics");
    static const char *const lines[] = {
        "\nshoal_collector_frames_total 5\n",
        "\nshoal_collector_rejected_total{reason=\"bad_crc\"} 2\n",
        "\nshoal_collector_store_bytes 4096\n",
        "\nshoal_collector_broker_connected 1\n",
        "\nshoal_collector_broker_connects_total 3\n",
        "\nshoal_collector_storing 0\n",
        "\nshoal_collector_series 1\n",
        "\nshoal_node_rejected_total{reason=\"bad_name\",node=\"pi1\"} 1\n",
        "\nshoal_node_gap_frames_total{node=\"pi1\"} 4\n",
        "\nshoal_node_up{node=\"pi1\"} 1\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr(page, lines[i]));
    assert_null(strstr(page, "app_jobs"));
}

static void test_waiting_for_the_store(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(live_add_node(scene->live, "pi9"), 0);
    static const char *const paths[] = {"/sd", "/-/ready"};
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(get(scene, paths[i]));
        assert_int_equal(scene->response.status, 503);
    }
    assert_non_null(get(scene, "/-/healthy"));
    assert_int_equal(scene->response.status, 200);
    live_rebuilt(scene->live, "pi9");
    assert_non_null(get(scene, "/-/ready"));
    assert_int_equal(scene->response.status, 200);
    assert_non_null(
        strstr(get(scene, "/sd"), "\"__metrics_path__\":\"/nodes/pi9/node/pi9/metrics\""));
    assert_int_equal(scene->response.status, 200);
    assert_string_equal(scene->response.content_type, "application/json");
}

static void test_the_table(void **state)
{
    struct scene *scene = *state;
    add_node(scene);
    const struct status status = {.is_online = true, .version = "<i>1</i>"};
    live_status(scene->live, "pi1", &status);
    assert_int_equal(live_add_named(scene->live, "pi2"), 0);
    const char *page = get(scene, "/");
    assert_string_equal(scene->response.content_type, "text/html; charset=utf-8");
    assert_non_null(strstr(
        page, "<tr><td>pi1</td><td> <a href=\"nodes/pi1/my%20app/pi1%3A80/metrics\">my app</a></td>"
              "<td class=\"up\">up</td>"));
    assert_non_null(
        strstr(page, "<tr><td>pi2</td><td> <a href=\"nodes/pi2/node/pi2/metrics\">node</a></td>"
                     "<td class=\"down\">down</td>"));
    assert_non_null(strstr(page, "&lt;i&gt;1&lt;/i&gt;"));
    assert_null(strstr(page, "<i>"));
    assert_non_null(strstr(page, "1 of 2 nodes up"));
    assert_null(strstr(page, " B)")); /* the frame that was committed is no backlog */
    add_node_with(scene, 3, 1536);
    assert_non_null(strstr(get(scene, "/"), "<td>3 (1.5 KiB)</td>"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_not_there),  TEST(test_a_target),  TEST(test_all_in_one),
        TEST(test_the_collectors_own), TEST(test_the_table), TEST(test_waiting_for_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
