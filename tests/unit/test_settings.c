/* The collector's configuration: defaults, values, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/settings.h"

struct scene {
    char directory[64];
    char file[128], secret[128];
    struct settings settings;
    struct config_error error;
};

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    (void)snprintf(scene->directory, sizeof(scene->directory), "/tmp/shoal-settings-XXXXXX");
    if (mkdtemp(scene->directory) == NULL)
        return -1;
    (void)snprintf(scene->file, sizeof(scene->file), "%s/collector.yaml", scene->directory);
    (void)snprintf(scene->secret, sizeof(scene->secret), "%s/secret", scene->directory);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    settings_free(&scene->settings);
    (void)unlink(scene->file);
    (void)unlink(scene->secret);
    int r = rmdir(scene->directory);
    free(scene);
    return r;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int load(struct scene *scene, const char *text)
{
    const char *const files[] = {scene->file};
    settings_free(&scene->settings);
    scene->settings = (struct settings){0};
    write_file(scene->file, text);
    return settings_load(&scene->settings, files, 1, &scene->error);
}

static void test_defaults(void **state)
{
    struct scene *scene = *state;
    struct settings *settings = &scene->settings;
    assert_int_equal(settings_load(settings, NULL, 0, &scene->error), 0);
    assert_string_equal(settings->store.directory, "/var/lib/shoal-collector");
    assert_int_equal(settings->store.retention_ms, INT64_C(7) * 24 * 3600 * 1000);
    assert_int_equal(settings->store.max_bytes, UINT64_C(4) << 30);
    assert_string_equal(settings->web.listen, ":9757");
    assert_string_equal(settings->web.external_url, "");
    assert_false(settings->clock.is_trusted);
    assert_int_equal(settings->log.level, LOG_LEVEL_INFO);
    assert_int_equal(settings->top.nodes.n, 0);
    assert_int_equal(settings->top.nodes_max, 10000);
    assert_string_equal(settings->broker.topic_prefix, "shoal/v1");
}

static void test_values(void **state)
{
    struct scene *scene = *state;
    struct settings *settings = &scene->settings;
    char text[512];
    write_file(scene->secret, "hunter2\n");
    (void)snprintf(
        text, sizeof(text),
        "nodes: [pi1, pi2]\nnodes_max: 5\nlog:\n  level: debug\nclock:\n  trusted: true\n"
        "broker:\n  host: b\n  password_file: %s\nstore:\n  directory: /x\n"
        "  retention: 2h\n  max_size: 64MiB\nweb:\n  listen: '[::1]:0'\n"
        "  external_url: https://h/p\n",
        scene->secret);
    assert_int_equal(load(scene, text), 0);
    assert_int_equal(settings->top.nodes.n, 2);
    assert_string_equal(settings->top.nodes.items[1], "pi2");
    assert_int_equal(settings->top.nodes_max, 5);
    assert_int_equal(settings->log.level, LOG_LEVEL_DEBUG);
    assert_true(settings->clock.is_trusted);
    assert_string_equal(settings->broker.password, "hunter2");
    assert_int_equal(settings->store.retention_ms, 2 * 3600 * 1000);
    assert_int_equal(settings->store.max_bytes, 64 << 20);
    assert_string_equal(settings->web.listen, "[::1]:0");
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"web:\n  listen: nowhere\n", "web.listen"},
        {"web:\n  external_url: shoal\n", "web.external_url"},
        {"nodes: ['bad id']\n", "nodes"},
        {"nodes: [a, b]\nnodes_max: 1\n", "nodes_max is 1"},
        {"store:\n  directory: ''\n", "store.directory"},
        {"store:\n  retention: 1s\n", "store.retention"},
        {"store:\n  max_size: 1MiB\n", "store.max_size"},
        {"log:\n  level: loud\n", "log.level"},
        {"broker:\n  topic_prefix: a/#\n", "broker.topic_prefix"},
        {"broker:\n  password_file: /nowhere/secret\n", "/nowhere/secret"},
        {"stroe:\n  directory: /x\n", "stroe"},
        {"store: 5\n", "store"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene *scene = *state;
        assert_int_equal(load(scene, cases[i].text), CONFIG_BAD);
        assert_non_null(strstr(scene->error.text, cases[i].complaint));
    }
}

static void test_printing_is_read_back(void **state)
{
    struct scene *scene = *state;
    BUFFER_AUTO struct buffer first = {0};
    BUFFER_AUTO struct buffer second = {0};
    assert_int_equal(load(scene, "nodes: [pi1]\nstore:\n  directory: /x y\n"), 0);
    settings_print(&first, &scene->settings);
    assert_non_null(strstr(buffer_string(&first), "retention: 7d"));
    assert_int_equal(load(scene, buffer_string(&first)), 0);
    settings_print(&second, &scene->settings);
    assert_string_equal(buffer_string(&first), buffer_string(&second));
}

static void test_what_a_reload_cannot_change(void **state)
{
    struct scene *scene = *state;
    struct settings fresh = {0};
    const char *const files[] = {scene->file};
    BUFFER_AUTO struct buffer names = {0};
    assert_int_equal(load(scene, "nodes: [pi1]\n"), 0);
    write_file(scene->file, "nodes: [pi1, pi2]\nlog:\n  level: debug\n");
    assert_int_equal(settings_load(&fresh, files, 1, &scene->error), 0);
    settings_differing(&scene->settings, &fresh, &names);
    assert_int_equal(names.size, 0);
    settings_free(&fresh);

    fresh = (struct settings){0};
    write_file(scene->secret, "new");
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "nodes_max: 7\nbroker:\n  password_file: %s\nweb:\n  listen: ':1'\n",
                   scene->secret);
    write_file(scene->file, text);
    assert_int_equal(settings_load(&fresh, files, 1, &scene->error), 0);
    settings_differing(&scene->settings, &fresh, &names);
    assert_string_equal(buffer_string(&names), "nodes_max, broker, web");
    settings_free(&fresh);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_what_is_refused),
        TEST(test_printing_is_read_back),
        TEST(test_what_a_reload_cannot_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
