/* A whole collector in this process, without a broker: start, pages, stop, and what stands in the
 * way of a second one. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/daemon.h"
#include "tests/unit/http_help.h"

struct scene {
    char directory[64], store[80], file[80];
    struct settings settings;
    struct daemon *daemon;
};

static void load(struct scene *scene, struct settings *settings, const char *store,
                 const char *listen)
{
    const char *const files[] = {scene->file};
    struct config_error error;
    FILE *file = fopen(scene->file, "we");
    assert_non_null(file);
    (void)fprintf(file,
                  "nodes: [pi1]\nbroker: {host: 127.0.0.1, port: 1}\nstore: {directory: %s}\n"
                  "web: {listen: '%s'}\n",
                  store, listen);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(settings_load(settings, files, 1, &error), 0);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct daemon_error error;
    if (scene == NULL)
        return -1;
    (void)snprintf(scene->directory, sizeof(scene->directory), "/tmp/shoal-daemon-XXXXXX");
    if (mkdtemp(scene->directory) == NULL)
        return -1;
    (void)snprintf(scene->store, sizeof(scene->store), "%s/store", scene->directory);
    (void)snprintf(scene->file, sizeof(scene->file), "%s/file", scene->directory);
    log_set_level(LOG_LEVEL_ERROR);
    load(scene, &scene->settings, scene->store, "127.0.0.1:0");
    *state = scene;
    return daemon_start(&scene->settings, clock_system(), &scene->daemon, &error);
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    daemon_stop(scene->daemon);
    settings_free(&scene->settings);
    int r = nftw(scene->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(scene);
    return r;
}

static int status_of(struct scene *scene, const char *path)
{
    BUFFER_AUTO struct buffer answer = {0};
    help_get(daemon_address(scene->daemon), path, "", &answer);
    return help_status(&answer);
}

static void test_pages_without_a_broker(void **state)
{
    struct scene *scene = *state;
    BUFFER_AUTO struct buffer answer = {0};
    assert_int_equal(status_of(scene, "/-/ready"), 200);
    assert_int_equal(status_of(scene, "/sd"), 200);
    assert_int_equal(status_of(scene, "/nodes/pi1/node/pi1/metrics"), 503);
    help_get(daemon_address(scene->daemon), "/collector/metrics", "", &answer);
    assert_non_null(strstr(help_body(&answer), "\nshoal_collector_broker_connected 0\n"));
    assert_non_null(strstr(help_body(&answer), "\nshoal_node_up{node=\"pi1\"} 0\n"));
}

static void assert_no_second(struct scene *scene, const char *store, const char *listen,
                             const char *complaint)
{
    struct settings settings = {0};
    struct daemon_error error = {""};
    struct daemon *second = NULL;
    load(scene, &settings, store, listen);
    assert_int_equal(daemon_start(&settings, clock_system(), &second, &error), DAEMON_FAILED);
    assert_null(second);
    if (strstr(error.text, complaint) == NULL)
        fail_msg("no '%s' in: %s", complaint, error.text);
    settings_free(&settings);
}

static void test_what_stands_in_the_way(void **state)
{
    struct scene *scene = *state;
    char other[128];
    (void)snprintf(other, sizeof(other), "%s/other", scene->directory);
    assert_no_second(scene, scene->store, "127.0.0.1:0", scene->store);
    assert_no_second(scene, other, daemon_address(scene->daemon), daemon_address(scene->daemon));
    assert_no_second(scene, "/proc/nowhere", "127.0.0.1:0", "/proc/nowhere");
    assert_int_equal(status_of(scene, "/-/healthy"), 200); /* the first goes on */
}

static void test_started_again(void **state)
{
    struct scene *scene = *state;
    struct daemon_error error = {""};
    for (int i = 0; i < 3; i++) {
        daemon_stop(scene->daemon);
        scene->daemon = NULL;
        assert_int_equal(daemon_start(&scene->settings, clock_system(), &scene->daemon, &error), 0);
        assert_int_equal(status_of(scene, "/-/ready"), 200);
    }
}

static void test_nodes_named_later(void **state)
{
    struct scene *scene = *state;
    char *names[] = {"pi1", "pi2"};
    const struct config_list nodes = {names, 2};
    assert_int_equal(status_of(scene, "/nodes/pi2/node/pi2/metrics"), 404);
    assert_int_equal(daemon_name_nodes(scene->daemon, &nodes), 0);
    assert_int_equal(status_of(scene, "/nodes/pi2/node/pi2/metrics"), 503);
    const struct config_list fewer = {&names[1], 1};
    assert_int_equal(daemon_name_nodes(scene->daemon, &fewer), 0);
    assert_int_equal(status_of(scene, "/nodes/pi1/node/pi1/metrics"), 404);
    assert_int_equal(status_of(scene, "/nodes/pi2/node/pi2/metrics"), 503);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pages_without_a_broker),
        TEST(test_what_stands_in_the_way),
        TEST(test_started_again),
        TEST(test_nodes_named_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
