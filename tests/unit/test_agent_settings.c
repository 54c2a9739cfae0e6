/* The agent's configuration: defaults, inputs' own options, and what goes together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/agent_settings.h"

struct own {
    bool deep;
    char *word;
};

static const struct option own_options[] = {
    {.name = "deep",
     .type = OPTION_BOOL,
     .offset = offsetof(struct own, deep),
     .default_text = "true",
     .help = "Deep."},
    {.name = "word",
     .type = OPTION_TEXT,
     .offset = offsetof(struct own, word),
     .default_text = "default",
     .help = "A word."},
    OPTIONS_END,
};

static const struct input input_plain = {.name = "plain", .job = "node", .is_on = true};
static const struct input input_rich = {.name = "rich",
                                        .job = "rich",
                                        .is_on = false,
                                        .options = own_options,
                                        .config_bytes = sizeof(struct own)};
static const struct input *const table[] = {&input_plain, &input_rich, NULL};

struct bed {
    char path[64];
    struct agent_settings *settings;
    struct config_error error;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    assert_non_null(bed);
    (void)snprintf(bed->path, sizeof(bed->path), "/tmp/test_settings.XXXXXX");
    int fd = mkstemp(bed->path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    agent_settings_free(bed->settings);
    (void)unlink(bed->path);
    free(bed);
    return 0;
}

static int load(struct bed *bed, const char *yaml)
{
    FILE *file = fopen(bed->path, "we");
    assert_non_null(file);
    assert_true(fputs(yaml, file) >= 0);
    assert_int_equal(fclose(file), 0);
    const char *files[] = {bed->path};
    agent_settings_free(bed->settings);
    bed->settings = NULL;
    return agent_settings_load(table, files, 1, &bed->settings, &bed->error);
}

static void assert_bad(struct bed *bed, const char *yaml, const char *want)
{
    assert_int_equal(load(bed, yaml), CONFIG_BAD);
    assert_null(bed->settings);
    if (strstr(bed->error.text, want) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", bed->error.text, want);
}

static void test_defaults(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(agent_settings_load(table, NULL, 0, &bed->settings, &bed->error), 0);
    const struct agent_settings *settings = bed->settings;
    assert_string_equal(settings->node_id, "");
    assert_string_equal(settings->broker.host, "localhost");
    assert_string_equal(settings->broker.topic_prefix, "shoal/v1");
    assert_int_equal(settings->interval_ms, 15000);
    assert_string_equal(settings->host.proc, "/proc");
    assert_string_equal(settings->host.sys, "/sys");
    assert_string_equal(settings->host.rootfs, "");
    assert_int_equal(settings->n_sampled, 1); /* rich is off */
    assert_ptr_equal(settings->sampled[0].input, &input_plain);
    assert_int_equal(settings->sampled[0].interval_ms, 15000);
    assert_int_equal(settings->sampled[0].timeout_ms, 10000);
    agent_settings_free(NULL);
}

static void test_inputs_options(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(load(bed, "sampling:\n  interval: 5s\n"
                               "inputs:\n"
                               "  plain:\n    interval: 1m30s\n    timeout: 250ms\n"
                               "  rich:\n    enabled: true\n    word: other\n"),
                     0);
    const struct agent_settings *settings = bed->settings;
    assert_int_equal(settings->n_sampled, 2);
    assert_int_equal(settings->sampled[0].interval_ms, 90000);
    assert_int_equal(settings->sampled[0].timeout_ms, 250);
    assert_int_equal(settings->sampled[1].interval_ms, 5000);
    const struct own *own = settings->sampled[1].config;
    assert_true(own->deep);
    assert_string_equal(own->word, "other");
    assert_int_equal(load(bed, "inputs:\n  plain:\n    enabled: false\n"), 0);
    assert_int_equal(bed->settings->n_sampled, 0);
}

static void test_node(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(load(bed, "node:\n  id: roof-1\n  labels:\n    site: roof\n    rack: '7'\n"),
                     0);
    assert_string_equal(bed->settings->node_id, "roof-1");
    assert_int_equal(bed->settings->node_labels.n, 2);
    assert_string_equal(bed->settings->labels[0].name, "site");
    assert_string_equal(bed->settings->labels[0].value, "roof");
    assert_bad(bed, "node:\n  id: a/b\n", ":2: node.id");
    assert_bad(bed, "node:\n  labels:\n    job: x\n", "node.labels.job");
    assert_bad(bed, "node:\n  labels:\n    __meta: x\n", "node.labels.__meta");
    assert_bad(bed, "node:\n  labels:\n    a-b: x\n", "node.labels.a-b");
}

static void test_directories(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(load(bed, "host:\n  proc: /host/proc/\n  rootfs: /host//\n"), 0);
    assert_string_equal(bed->settings->host.proc, "/host/proc");
    assert_string_equal(bed->settings->host.rootfs, "/host");
    assert_bad(bed, "host:\n  sys: sys\n", ":2: host.sys");
    assert_bad(bed, "state_directory: here\n", ":1: state_directory");
}

static void test_bad_values(void **state)
{
    struct bed *bed = *state;
    assert_bad(bed, "inputs:\n  plain:\n    intervall: 1s\n", ":3: inputs.plain.intervall");
    assert_bad(bed, "inputs:\n  rich:\n    deep: 7\n", ":3: inputs.rich.deep");
    assert_bad(bed, "inputs:\n  plain:\n    word: x\n", ":3: inputs.plain.word");
    assert_bad(bed, "inputs:\n  none:\n    enabled: true\n", ":2: inputs.none");
    assert_bad(bed, "inputs:\n  plain:\n    interval: 5ms\n", "inputs.plain.interval");
    assert_bad(bed, "sampling:\n  interval: 5ms\n", ":2: sampling.interval");
    assert_bad(bed, "spool:\n  max_size: 1KiB\n", ":2: spool.max_size");
    assert_bad(bed, "runtime_directory: run\n", ":1: runtime_directory");
    assert_bad(bed, "log:\n  level: loud\n", ":2: log.level");
}

static void test_broker(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(load(bed, "broker:\n  host: b\n  tls: true\n  username: u\n"), 0);
    struct mqtt_options session = broker_session(&bed->settings->broker, "id", NULL);
    assert_int_equal(session.port, 8883);
    assert_string_equal(session.username, "u");
    assert_string_equal(session.client_id, "id");
    assert_bad(bed, "broker:\n  tls: true\n  cert_file: /c\n", "broker.cert_file: key_file");
    assert_bad(bed, "broker:\n  tls: true\n  key_file: /c\n", "broker.key_file: cert_file");
    assert_bad(bed, "broker:\n  ca_file: /c\n", "broker.ca_file: needs tls");
    assert_bad(bed, "broker:\n  password_file: /nowhere/p\n", "/nowhere/p");
    assert_bad(bed, "broker:\n  topic_prefix: a/#\n", ":2: broker.topic_prefix");
    assert_bad(bed, "broker:\n  host: ''\n", ":2: broker.host");
}

static void test_password_goes_with_the_own_id(void **state)
{
    struct bed *bed = *state;
    char secret[] = "/tmp/test_settings.XXXXXX";
    int fd = mkstemp(secret);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hush\n", 5), 5);
    assert_int_equal(close(fd), 0);
    char yaml[128];
    (void)snprintf(yaml, sizeof(yaml), "broker:\n  password_file: %s\n", secret);
    assert_int_equal(load(bed, yaml), 0);
    struct mqtt_options session = broker_session(&bed->settings->broker, "id", NULL);
    assert_string_equal(session.username, "id");
    assert_string_equal(session.password, "hush");
    assert_int_equal(session.port, 1883);
    assert_int_equal(unlink(secret), 0);
}

/* What is printed can be read again, and then prints the same. */
static void test_print_round_trip(void **state)
{
    struct bed *bed = *state;
    BUFFER_AUTO struct buffer first = {0}, second = {0};
    assert_int_equal(load(bed, "node:\n  id: roof\n  labels: {site: 'a: b'}\n"
                               "inputs:\n  rich:\n    enabled: true\n    word: 'x y'\n"),
                     0);
    agent_settings_print(bed->settings, &first);
    assert_non_null(strstr(buffer_string(&first), "x y"));
    assert_int_equal(load(bed, buffer_string(&first)), 0);
    agent_settings_print(bed->settings, &second);
    assert_string_equal(buffer_string(&first), buffer_string(&second));
}

/* Every input's table is right: its defaults load, and print as they load. */
static void test_real_inputs(void **state)
{
    struct bed *bed = *state;
    BUFFER_AUTO struct buffer out = {0};
    assert_int_equal(agent_settings_load(input_table, NULL, 0, &bed->settings, &bed->error), 0);
    assert_true(bed->settings->n_sampled >= 12);
    agent_settings_print(bed->settings, &out);
    assert_non_null(strstr(buffer_string(&out), "\n  cpu:\n"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),
        TEST(test_inputs_options),
        TEST(test_node),
        TEST(test_directories),
        TEST(test_bad_values),
        TEST(test_broker),
        TEST(test_password_goes_with_the_own_id),
        TEST(test_print_round_trip),
        TEST(test_real_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
