#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "tests/unit/fault_alloc.h"
#include "tests/unit/tree.h"

/* --- a configuration as a daemon might have it --- */

enum level { LEVEL_ERROR, LEVEL_INFO, LEVEL_DEBUG };
static const char *const levels[] = {"error", "info", "debug", NULL};

struct top {
    char *node;
    int level;
    struct config_map labels;
};

struct broker {
    char *host;
    int64_t port;
    bool tls;
    int64_t keepalive_ms;
    char *tls_dir;
};

struct spool {
    uint64_t size_bytes;
    int64_t flush_after_ms;
    int64_t balance;
};

struct cpu {
    int64_t interval_ms;
    struct config_list modes;
};

struct all {
    struct top top;
    struct broker broker;
    struct spool spool;
    struct cpu cpu;
};

static const char *check_host(const char *value)
{
    return strchr(value, ' ') == NULL ? NULL : "a host has no blanks";
}

static const char *check_mode(const char *value)
{
    return strcmp(value, "turbo") == 0 ? "there is no such mode" : NULL;
}

#define FIELD(struct_, member_) .offset = offsetof(struct struct_, member_)

static const struct option top_options[] = {
    {.name = "node",
     .type = OPTION_TEXT,
     FIELD(top, node),
     .default_text = "",
     .help = "The name."},
    {.name = "level",
     .type = OPTION_CHOICE,
     FIELD(top, level),
     .default_text = "info",
     .choices = levels,
     .help = "What to log."},
    {.name = "labels",
     .type = OPTION_MAP,
     FIELD(top, labels),
     .default_text = "{site: home}",
     .help = "Labels of the node's own, which stand beside job and instance wherever Prometheus "
             "finds the node's targets by service discovery."},
    OPTIONS_END};

static const struct option broker_options[] = {
    {.name = "host",
     .type = OPTION_TEXT,
     FIELD(broker, host),
     .default_text = "localhost",
     .check = check_host,
     .help = "Name or address."},
    {.name = "port",
     .type = OPTION_INTEGER,
     FIELD(broker, port),
     .default_text = "1883",
     .min = 1,
     .max = 65535,
     .help = "TCP port."},
    {.name = "tls", .type = OPTION_BOOL, FIELD(broker, tls), .default_text = "false"},
    {.name = "keepalive",
     .type = OPTION_DURATION,
     FIELD(broker, keepalive_ms),
     .default_text = "1m",
     .min = 5000,
     .max = 3600000,
     .help = "Time between signs of life."},
    OPTIONS_END};

static const struct option tls_options[] = {
    {.name = "dir", .type = OPTION_TEXT, FIELD(broker, tls_dir), .default_text = "/etc/ssl"},
    OPTIONS_END};

static const struct option spool_options[] = {
    {.name = "size",
     .type = OPTION_SIZE,
     FIELD(spool, size_bytes),
     .default_text = "64MiB",
     .min = 1 << 20,
     .max = INT64_MAX,
     .help = "Bound."},
    {.name = "flush_after",
     .type = OPTION_DURATION,
     FIELD(spool, flush_after_ms),
     .default_text = "60s"},
    {.name = "balance", .type = OPTION_INTEGER, FIELD(spool, balance), .default_text = "-3"},
    OPTIONS_END};

static const struct option cpu_options[] = {{.name = "interval",
                                             .type = OPTION_DURATION,
                                             FIELD(cpu, interval_ms),
                                             .default_text = "15s",
                                             .min = 1000,
                                             .max = 3600000,
                                             .help = "Between two readings."},
                                            {.name = "modes",
                                             .type = OPTION_LIST,
                                             FIELD(cpu, modes),
                                             .default_text = "[idle, user]",
                                             .check = check_mode,
                                             .help = "Modes to read."},
                                            OPTIONS_END};

#define N_SECTIONS 5

static void make_sections(struct all *all, struct config_section sections[N_SECTIONS])
{
    sections[0] = (struct config_section){"", top_options, &all->top};
    sections[1] = (struct config_section){"broker", broker_options, &all->broker};
    /* What nests need not stand together, nor have its parent as a section. */
    sections[2] = (struct config_section){"inputs.cpu", cpu_options, &all->cpu};
    sections[3] = (struct config_section){"spool", spool_options, &all->spool};
    sections[4] = (struct config_section){"broker.files", tls_options, &all->broker};
}

/* --- a directory for each test --- */

struct fixture {
    struct tree files;
    struct all all;
    struct config_section sections[N_SECTIONS];
    struct config_error error;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    tree_init(&fixture->files);
    make_sections(&fixture->all, fixture->sections);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    config_deinit(fixture->sections, N_SECTIONS);
    tree_deinit(&fixture->files);
    free(fixture);
    return 0;
}

static void path_of(const struct fixture *fixture, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", fixture->files.root, name);
}

static void write_bytes(const struct fixture *fixture, const char *name, const char *data,
                        size_t size)
{
    char path[128];

    path_of(fixture, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Without its NUL. */
static void overwrite(char *at, const char *text)
{
    while (*text != '\0')
        *at++ = *text++;
}

static int load_bytes(struct fixture *fixture, const char *data, size_t size)
{
    char path[128];
    const char *files[] = {path};

    write_bytes(fixture, "a.yaml", data, size);
    path_of(fixture, "a.yaml", path);
    config_deinit(fixture->sections, N_SECTIONS);
    memset(&fixture->all, 0, sizeof fixture->all);
    return config_load(fixture->sections, N_SECTIONS, files, 1, &fixture->error);
}

static int load_text(struct fixture *fixture, const char *text)
{
    return load_bytes(fixture, text, strlen(text));
}

/* --- tests --- */

static void test_defaults(void **state)
{
    struct fixture *fixture = *state;
    const struct all *all = &fixture->all;

    assert_int_equal(config_load(fixture->sections, N_SECTIONS, NULL, 0, &fixture->error), 0);
    assert_string_equal(all->top.node, "");
    assert_int_equal(all->top.level, LEVEL_INFO);
    assert_int_equal(all->top.labels.n, 1);
    assert_string_equal(all->top.labels.keys[0], "site");
    assert_string_equal(all->top.labels.values[0], "home");
    assert_string_equal(all->broker.host, "localhost");
    assert_int_equal(all->broker.port, 1883);
    assert_false(all->broker.tls);
    assert_int_equal(all->broker.keepalive_ms, 60000);
    assert_string_equal(all->broker.tls_dir, "/etc/ssl");
    assert_int_equal(all->spool.size_bytes, 64 << 20);
    assert_int_equal(all->spool.flush_after_ms, 60000);
    assert_int_equal(all->spool.balance, -3);
    assert_int_equal(all->cpu.interval_ms, 15000);
    assert_int_equal(all->cpu.modes.n, 2);
    assert_string_equal(all->cpu.modes.items[1], "user");
}

static void test_values(void **state)
{
    struct fixture *fixture = *state;
    const struct all *all = &fixture->all;

    assert_int_equal(load_text(fixture, "# a comment\n"
                                        "node: \"gr\\u00fcn\"\n"
                                        "level: debug\n"
                                        "labels: {b: 2, a: \"\"}\n"
                                        "broker:\n"
                                        "  host: '10.0.0.1'\n"
                                        "  port: 8883\n"
                                        "  tls: Yes\n"
                                        "  keepalive: 1m30s\n"
                                        "  files:\n"
                                        "    dir: /tmp\n"
                                        "spool: {size: 1 GiB, flush_after: 0, balance: -17}\n"
                                        "inputs:\n"
                                        "  cpu:\n"
                                        "    interval: 1m\n"
                                        "    modes:\n"
                                        "      - idle\n"),
                     0);
    assert_string_equal(all->top.node, "grün");
    assert_int_equal(all->top.level, LEVEL_DEBUG);
    assert_int_equal(all->top.labels.n, 2); /* in the file's order, without the default's */
    assert_string_equal(all->top.labels.keys[0], "b");
    assert_string_equal(all->top.labels.values[0], "2");
    assert_string_equal(all->top.labels.values[1], "");
    assert_string_equal(all->broker.host, "10.0.0.1");
    assert_int_equal(all->broker.port, 8883);
    assert_true(all->broker.tls);
    assert_int_equal(all->broker.keepalive_ms, 90000);
    assert_string_equal(all->broker.tls_dir, "/tmp");
    assert_int_equal(all->spool.size_bytes, 1 << 30);
    assert_int_equal(all->spool.flush_after_ms, 0);
    assert_int_equal(all->spool.balance, -17);
    assert_int_equal(all->cpu.interval_ms, 60000);
    assert_int_equal(all->cpu.modes.n, 1);
}

static void test_null_means_default(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "",
        "# nothing\n",
        "---\n",
        "broker:\n",
        "broker: null\ninputs:\n  cpu: ~\n",
        "broker:\n  host:\n  port: null\nlabels:\ninputs: {cpu: {interval: ~, modes: }}\n",
        "\xef\xbb\xbfnode:\n", /* a byte order mark, as editors of another system write it */
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(load_text(fixture, texts[i]), 0);
        assert_string_equal(fixture->all.broker.host, "localhost");
        assert_int_equal(fixture->all.broker.port, 1883);
        assert_int_equal(fixture->all.cpu.modes.n, 2);
        assert_int_equal(fixture->all.top.labels.n, 1);
    }
    assert_int_equal(load_text(fixture, "node: \"null\"\n"), 0); /* quoted it is a text */
    assert_string_equal(fixture->all.top.node, "null");
    assert_int_equal(load_text(fixture, "labels: {}\ninputs: {cpu: {modes: []}}\n"), 0);
    assert_int_equal(fixture->all.top.labels.n, 0);
    assert_int_equal(fixture->all.cpu.modes.n, 0);
}

struct bad {
    const char *text;
    const char *error; /* after the file's name */
};

static void check_bad(struct fixture *fixture, const struct bad *bad, size_t n)
{
    char want[600];

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(load_text(fixture, bad[i].text), CONFIG_BAD);
        (void)snprintf(want, sizeof want, "%s/a.yaml:%s", fixture->files.root, bad[i].error);
        assert_string_equal(fixture->error.text, want);
        assert_null(fixture->all.broker.host); /* nothing is left behind */
        assert_null(fixture->all.cpu.modes.items);
        assert_null(fixture->all.top.labels.keys);
    }
}
#define CHECK_BAD(fixture_, bad_) check_bad(fixture_, bad_, sizeof(bad_) / sizeof((bad_)[0]))

static void test_unknown_keys(void **state)
{
    static const struct bad bad[] = {
        {"inputs:\n  cpu:\n    intervall: 5s\n",
         "3: inputs.cpu.intervall: unknown key; did you mean interval?"},
        {"inptus:\n  cpu:\n", "1: inptus: unknown key; did you mean inputs?"},
        {"inputs:\n\n  cup:\n", "3: inputs.cup: unknown key; did you mean cpu?"},
        {"boker: {}\n", "1: boker: unknown key; did you mean broker?"},
        {"broker:\n  file: {}\n", "2: broker.file: unknown key; did you mean files?"},
        {"broker:\n  hots: a\n", "2: broker.hots: unknown key; did you mean host?"},
        {"broker:\n  password: a\n", "2: broker.password: unknown key"},
        {"port: 1\n", "1: port: unknown key; did you mean broker.port?"},
        {"node: a\ninputs:\n  interval: 5s\n",
         "3: inputs.interval: unknown key; did you mean inputs.cpu.interval?"},
        {"a: 1\n", "1: a: unknown key"},
        {"\"\": 1\n", "1: : unknown key"},
        {"<<: {node: a}\n", "1: <<: unknown key"},
        {"\"a\\nb\\u2028\": 1\n", "1: a?b\xe2\x80\xa8: unknown key"},
    };
    CHECK_BAD(*state, bad);
}

static void test_wrong_kinds(void **state)
{
    static const struct bad bad[] = {
        {"node: [a]\n", "1: node: expected a text, found a list"},
        {"broker:\n  port: {a: 1}\n", "2: broker.port: expected a whole number, found a mapping"},
        {"broker: a\n", "1: broker: expected a section with keys, found a text"},
        {"inputs:\n  - cpu\n", "1: inputs: expected a section with keys, found a list"},
        {"inputs:\n  cpu: 5s\n", "2: inputs.cpu: expected a section with keys, found a text"},
        {"labels: a\n", "1: labels: expected a mapping of names to texts, found a text"},
        {"labels:\n  a: 1\n  b: [c]\n",
         "3: labels: expected a mapping of names to texts, found a list"},
        {"inputs:\n  cpu:\n    modes: idle\n",
         "3: inputs.cpu.modes: expected a list of texts, found a text"},
        {"inputs:\n  cpu:\n    modes:\n    - idle\n    - {a: b}\n",
         "5: inputs.cpu.modes: expected a list of texts, found a mapping"},
        {"inputs: {cpu: {modes: [idle, ~]}}\n",
         "1: inputs.cpu.modes: expected a list of texts, found nothing"},
        {"- a\n", "1: expected keys with values, found a list"},
        {"just text\n", "1: expected keys with values, found a text"},
        {"level: []\n", "1: level: expected one of: error, info, debug, found a list"},
    };
    CHECK_BAD(*state, bad);
}

static void test_bad_values(void **state)
{
    static const struct bad bad[] = {
        {"broker:\n  tls: maybe\n", "2: broker.tls: expected true or false, found \"maybe\""},
        {"broker:\n  port: 18x\n", "2: broker.port: expected a whole number, found \"18x\""},
        {"broker:\n  port: ''\n", "2: broker.port: expected a whole number, found \"\""},
        {"broker:\n  port: 99999999999999999999\n",
         "2: broker.port: expected a whole number, found \"99999999999999999999\""},
        {"broker:\n  port: 0\n", "2: broker.port: \"0\" is out of range: 1 to 65535"},
        {"broker:\n  port: 65536\n", "2: broker.port: \"65536\" is out of range: 1 to 65535"},
        {"broker:\n  port: -1\n", "2: broker.port: \"-1\" is out of range: 1 to 65535"},
        {"broker:\n  keepalive: 15\n",
         "2: broker.keepalive: expected a duration with its unit, such as 15s, 5m or 1h30m, "
         "found \"15\""},
        {"broker:\n  keepalive: 4999ms\n",
         "2: broker.keepalive: \"4999ms\" is out of range: 5s to 1h"},
        {"broker:\n  keepalive: 0\n", "2: broker.keepalive: \"0\" is out of range: 5s to 1h"},
        {"broker:\n  keepalive: 1h1ms\n",
         "2: broker.keepalive: \"1h1ms\" is out of range: 5s to 1h"},
        {"spool:\n  size: 64MB\n",
         "2: spool.size: expected a size such as 4096, 64KiB or 4GiB, found \"64MB\""},
        {"spool:\n  size: 64KiB\n", "2: spool.size: \"64KiB\" is out of range: at least 1MiB"},
        {"spool:\n  size: 9223372036854775808\n",
         "2: spool.size: \"9223372036854775808\" is out of range: at least 1MiB"},
        {"level: loud\n", "1: level: expected one of: error, info, debug, found \"loud\""},
        {"broker:\n  host: a b\n", "2: broker.host: \"a b\": a host has no blanks"},
        {"inputs:\n  cpu:\n    modes:\n    - idle\n    - turbo\n",
         "5: inputs.cpu.modes: \"turbo\": there is no such mode"},
    };
    CHECK_BAD(*state, bad);
}

static void test_range_is_inclusive(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(load_text(fixture, "broker: {port: 1, keepalive: 5s}\nspool: {size: 1MiB}"),
                     0);
    assert_int_equal(load_text(fixture, "broker: {port: 65535, keepalive: 60m}\n"
                                        "spool: {size: 9223372036854775807}"),
                     0);
    assert_int_equal(fixture->all.spool.size_bytes, INT64_MAX);
}

static void test_duplicates(void **state)
{
    static const struct bad bad[] = {
        {"node: a\nlevel: info\nnode: b\n", "3: node: given twice"},
        {"broker:\n  port: 1\nspool:\nbroker:\n", "4: broker: given twice"},
        {"broker:\n  port: 1\n  port: 1\n", "3: broker.port: given twice"},
        {"labels:\n  a: 1\n  b: 1\n  a: 2\n", "4: labels.a: given twice"},
    };
    CHECK_BAD(*state, bad);
}

static void test_yaml_beyond_us(void **state)
{
    static const struct bad bad[] = {
        {"node: &x a\n", "1: anchors, aliases and tags are not taken here"},
        {"labels: {a: 1, b: *x}\n", "1: anchors, aliases and tags are not taken here"},
        {"node: !!str 5\n", "1: anchors, aliases and tags are not taken here"},
        {"broker: &x\n  port: 1\n", "1: anchors, aliases and tags are not taken here"},
        {"inputs: {cpu: {modes: !x [a]}}\n", "1: anchors, aliases and tags are not taken here"},
        {"&x node: a\n", "1: anchors, aliases and tags are not taken here"},
        {"? [a]\n: b\n", "1: a key has to be a text"},
        {"node: a\n---\nnode: b\n", "2: a second document in one file"},
        {"node: \"a\\0b\"\n", "1: a NUL byte in a text"},
    };
    CHECK_BAD(*state, bad);
}

static void test_syntax(void **state)
{
    static const struct bad bad[] = {
        {"node: a\n level: b\n", "2: YAML: mapping values are not allowed in this context"},
        {"node: [a\n", "2: YAML: did not find expected ',' or ']' while parsing a flow sequence"},
        {"broker:\n\tport: 1\n", "2: YAML: found character that cannot start any token while "
                                 "scanning for the next token"},
        {"node: \"a\n", "2: YAML: found unexpected end of stream while scanning a quoted scalar"},
        {"node: \x01\n", "1: YAML: control characters are not allowed"},
        {"node: \"\\ud800\"\n", "1: YAML: found invalid Unicode character escape code while "
                                "parsing a quoted scalar"},
    };
    CHECK_BAD(*state, bad);
}

static void check_bytes(struct fixture *fixture, const char *data, size_t size, const char *error)
{
    assert_int_equal(load_bytes(fixture, data, size), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, error));
}

static void test_bytes(void **state)
{
    struct fixture *fixture = *state;
    size_t size = CONFIG_FILE_BYTES_MAX + 1;
    char *large = malloc(size);
    assert_non_null(large);

    check_bytes(fixture, "node: a\nlevel: \xff\n", 16, "a.yaml:2: not valid UTF-8");
    check_bytes(fixture, "node: a\n\nlevel: \xc3", 17, "a.yaml:3: not valid UTF-8");
    check_bytes(fixture, "node: a\nle\0vel: b", 17, "a.yaml:2: a NUL byte");
    check_bytes(fixture, "n\0o\0d\0", 6, "a.yaml:1: a NUL byte"); /* UTF-16 */

    memset(large, '\n', size);
    assert_int_equal(load_bytes(fixture, large, size - 1), 0);
    check_bytes(fixture, large, size, "a.yaml: longer than 1048576 bytes");
    memset(large, '[', size);
    check_bytes(fixture, large, size - 1, "a.yaml:1: nested too deep");
    memset(large, 'a', size);
    check_bytes(fixture, large, size - 1, "expected keys with values");
    overwrite(large, "node: ");
    assert_int_equal(load_bytes(fixture, large, size - 1), 0);
    assert_int_equal(strlen(fixture->all.top.node), size - 7);
    free(large);
}

static void test_bounds(void **state)
{
    struct fixture *fixture = *state;
    BUFFER_AUTO struct buffer text = {0};

    buffer_text(&text, "inputs: {cpu: {modes: [");
    for (int i = 0; i < CONFIG_LIST_MAX; i++)
        buffer_text(&text, "a,");
    size_t end = text.size;
    buffer_text(&text, "]}}");
    assert_int_equal(load_bytes(fixture, text.data, text.size), 0);
    assert_int_equal(fixture->all.cpu.modes.n, CONFIG_LIST_MAX);
    text.size = end;
    buffer_text(&text, "a]}}");
    check_bytes(fixture, text.data, text.size, "a.yaml:1: more than 4096 entries");

    buffer_clear(&text); /* as deep as may be: then it is the key that is wrong */
    for (int i = 0; i < CONFIG_DEPTH_MAX - 1; i++)
        buffer_text(&text, "{labels: ");
    buffer_text(&text, "[]");
    for (int i = 0; i < CONFIG_DEPTH_MAX - 1; i++)
        buffer_text(&text, "}");
    check_bytes(fixture, text.data, text.size, "found a mapping");
}

static void test_unreadable(void **state)
{
    struct fixture *fixture = *state;
    const char *missing[] = {"/nonexistent/agent.yaml"};
    const char *empty[] = {""};
    const char *memory[] = {"/proc/self/mem"};

    assert_int_equal(config_load(fixture->sections, N_SECTIONS, missing, 1, &fixture->error),
                     CONFIG_BAD);
    assert_string_equal(fixture->error.text, "/nonexistent/agent.yaml: No such file or directory");
    assert_int_equal(config_load(fixture->sections, N_SECTIONS, empty, 1, &fixture->error),
                     CONFIG_BAD);
    assert_int_equal(config_load(fixture->sections, N_SECTIONS, memory, 1, &fixture->error),
                     CONFIG_BAD);
    assert_string_equal(fixture->error.text, "/proc/self/mem: Input/output error");
    assert_null(fixture->all.broker.host);
}

static void test_long_error(void **state)
{
    struct fixture *fixture = *state;
    char text[4000];

    memset(text, 'k', sizeof text);
    overwrite(text, "? "); /* a plain key may only be 1,024 characters long */
    assert_int_equal(load_bytes(fixture, text, sizeof text), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "kkk: unknown key"));
    for (size_t i = 8; i + 1 < sizeof text; i += 2)
        overwrite(text + i, "\xc3\xa4");
    overwrite(text, "level: a"); /* cut off between two bytes of a letter */
    assert_int_equal(load_bytes(fixture, text, sizeof text), CONFIG_BAD);
    assert_true(text_is_valid(fixture->error.text, sizeof fixture->error.text));
}

static void test_files_in_order(void **state)
{
    struct fixture *fixture = *state;
    char first[128], dir[128];
    const char *files[] = {first, dir};

    path_of(fixture, "main.yaml", first);
    path_of(fixture, "conf.d", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(config_load(fixture->sections, N_SECTIONS, &files[1], 1, &fixture->error), 0);
    config_deinit(fixture->sections, N_SECTIONS);
#define WRITE(name_, text_) write_bytes(fixture, name_, text_, strlen(text_))
    WRITE("main.yaml", "node: main\nbroker: {host: main, port: 1}\nlabels: {a: 1, b: 2}\n");
    WRITE("conf.d/10.yaml", "node: ten\nbroker: {port: 10}\nlabels: {c: 3}\n");
    WRITE("conf.d/9.yaml", "node: nine\n"); /* by bytes it comes after 10 */
    WRITE("conf.d/.hidden.yaml", "node: hidden\n");
    WRITE("conf.d/99.yaml~", "node: backup\n");
    WRITE("conf.d/99.yml", "node: yml\n");
    assert_int_equal(config_load(fixture->sections, N_SECTIONS, files, 2, &fixture->error), 0);
    assert_string_equal(fixture->all.top.node, "nine");
    assert_string_equal(fixture->all.broker.host, "main");
    assert_int_equal(fixture->all.broker.port, 10);
    assert_int_equal(fixture->all.top.labels.n, 1); /* a map is one value */
    config_deinit(fixture->sections, N_SECTIONS);

    WRITE("conf.d/9.yaml", "broker:\n  host:\n"); /* null: the default again */
    assert_int_equal(config_load(fixture->sections, N_SECTIONS, files, 2, &fixture->error), 0);
    assert_string_equal(fixture->all.broker.host, "localhost");
    config_deinit(fixture->sections, N_SECTIONS);

    WRITE("conf.d/9.yaml", "nodde: a\n");
    assert_int_equal(config_load(fixture->sections, N_SECTIONS, files, 2, &fixture->error),
                     CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "/conf.d/9.yaml:1: nodde: unknown key; did you "
                                                "mean node?"));
#undef WRITE
}

/* --- printing --- */

static void assert_same(const struct all *a, const struct all *b)
{
    assert_string_equal(a->top.node, b->top.node);
    assert_int_equal(a->top.level, b->top.level);
    assert_int_equal(a->top.labels.n, b->top.labels.n);
    for (size_t i = 0; i < a->top.labels.n; i++) {
        assert_string_equal(a->top.labels.keys[i], b->top.labels.keys[i]);
        assert_string_equal(a->top.labels.values[i], b->top.labels.values[i]);
    }
    assert_string_equal(a->broker.host, b->broker.host);
    assert_int_equal(a->broker.port, b->broker.port);
    assert_int_equal(a->broker.tls, b->broker.tls);
    assert_int_equal(a->broker.keepalive_ms, b->broker.keepalive_ms);
    assert_string_equal(a->broker.tls_dir, b->broker.tls_dir);
    assert_int_equal(a->spool.size_bytes, b->spool.size_bytes);
    assert_int_equal(a->spool.flush_after_ms, b->spool.flush_after_ms);
    assert_int_equal(a->spool.balance, b->spool.balance);
    assert_int_equal(a->cpu.interval_ms, b->cpu.interval_ms);
    assert_int_equal(a->cpu.modes.n, b->cpu.modes.n);
    for (size_t i = 0; i < a->cpu.modes.n; i++)
        assert_string_equal(a->cpu.modes.items[i], b->cpu.modes.items[i]);
}

static void check_round_trip(struct fixture *fixture, const char *text)
{
    struct fixture *again;
    BUFFER_AUTO struct buffer printed = {0};

    assert_int_equal(load_text(fixture, text), 0);
    config_print(&printed, fixture->sections, N_SECTIONS);
    assert_false(buffer_failed(&printed));
    assert_int_equal(setup((void **)&again), 0);
    int r = load_bytes(again, printed.data, printed.size);
    if (r != 0)
        print_message("%s\n%s", again->error.text, buffer_string(&printed));
    assert_int_equal(r, 0);
    assert_same(&fixture->all, &again->all);
    assert_int_equal(teardown((void **)&again), 0);
}

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "",
        "labels: {}\ninputs: {cpu: {modes: []}}\n",
        "node: \"a: b # c\"\nbroker: {host: '', tls: on, port: 1}\n",
        "node: \"null\"\nbroker: {host: \"~\", files: {dir: \"---\"}}\n",
        "node: \"- a\"\nlabels: {\"\": \"\", \"a b\": \"c: d\", \"null\": \"null\", yes: no}\n",
        "node: \"quote \\\" back \\\\ line\\nfeed tab\\t bell\\a del\\x7f\"\n",
        "node: \" blanks \"\ninputs: {cpu: {modes: ['[x]', '{', \"'\", '&a', '*b', '!c', '@']}}\n",
        "node: \"\\u0080\\u0085\\u00a0\\u00e4\\u2028\\u2029\\ufeff\\ufffe\\uffff\\U0001f41f\"\n",
        "spool: {size: 1048577, flush_after: 1d2h3m4s5ms, balance: -9223372036854775808}\n",
        "spool: {size: 3TiB, flush_after: 106751991167d, balance: 9223372036854775807}\n",
        "spool: {size: 1025KiB}\nbroker: {keepalive: 90000ms}\n",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check_round_trip(*state, texts[i]);
}

/* Texts of every kind of character. */
static void test_round_trip_random(void **state)
{
    static const char *const pieces[] = {
        "a", "Z",       "0",       " ",       "\\n",         "\\t", "\\\"", "\\\\", ":", "#",
        "-", "\\u00e4", "\\u0085", "\\u2028", "\\U0001f41f", "'",   "[",    "}",    ",", "\\x1f"};
    const unsigned first = 20250101;

    print_message("seeds from %u on\n", first);

    for (unsigned seed = first; seed < first + 200; seed++) {
        BUFFER_AUTO struct buffer text = {0};
        unsigned random = seed;
        buffer_text(&text, "labels:\n");
        for (int key = 0; key < 4; key++) {
            buffer_print(&text, "  \"%d", key);
            for (int i = 0; i < 12; i++)
                buffer_text(&text, i == 6 ? "\": \"" : pieces[(size_t)rand_r(&random) % 20]);
            buffer_text(&text, "\"\n");
        }
        check_round_trip(*state, buffer_string(&text));
    }
}

static void test_print_reads_well(void **state)
{
    struct fixture *fixture = *state;
    BUFFER_AUTO struct buffer out = {0};

    assert_int_equal(load_text(fixture, "broker:\n  port: 8883\n"), 0);
    config_print(&out, fixture->sections, N_SECTIONS);
    assert_string_equal(
        buffer_string(&out),
        "# The name.\n"
        "# Default: empty.\n"
        "node: \"\"\n"
        "# What to log.\n"
        "# Default: info. One of: error, info, debug.\n"
        "level: info\n"
        "# Labels of the node's own, which stand beside job and instance wherever Prometheus finds "
        "the\n"
        "# node's targets by service discovery.\n"
        "# Default: {site: home}.\n"
        "labels:\n"
        "  \"site\": home\n"
        "broker:\n"
        "  # Name or address.\n"
        "  # Default: localhost.\n"
        "  host: localhost\n"
        "  # TCP port.\n"
        "  # Default: 1883. Range: 1 to 65535.\n"
        "  port: 8883\n"
        "  # Default: false.\n"
        "  tls: false\n"
        "  # Time between signs of life.\n"
        "  # Default: 1m. Range: 5s to 1h.\n"
        "  keepalive: 1m\n"
        "  files:\n"
        "    # Default: /etc/ssl.\n"
        "    dir: /etc/ssl\n"
        "inputs:\n"
        "  cpu:\n"
        "    # Between two readings.\n"
        "    # Default: 15s. Range: 1s to 1h.\n"
        "    interval: 15s\n"
        "    # Modes to read.\n"
        "    # Default: [idle, user].\n"
        "    modes:\n"
        "      - idle\n"
        "      - user\n"
        "spool:\n"
        "  # Bound.\n"
        "  # Default: 64MiB. Range: at least 1MiB.\n"
        "  size: 64MiB\n"
        "  # Default: 60s.\n"
        "  flush_after: 1m\n"
        "  # Default: -3.\n"
        "  balance: \"-3\"\n");
}

/* --- a table's own mistakes, secrets, memory --- */

static void test_bad_table(void **state)
{
    struct fixture *fixture = *state;
    int64_t field = 0;
    const struct option options[] = {{.name = "x", .type = OPTION_DURATION, .default_text = "15"},
                                     OPTIONS_END};
    const struct config_section section = {"", options, &field};

    assert_int_equal(config_load(&section, 1, NULL, 0, &fixture->error), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "default:1: x: expected a duration"));
}

static void test_empty_sections(void **state)
{
    struct fixture *fixture = *state;
    const struct config_section sections[] = {{"inputs.loadavg", NULL, NULL}};
    BUFFER_AUTO struct buffer out = {0};
    char path[128];
    const char *files[] = {path};

    path_of(fixture, "e.yaml", path);
    write_bytes(fixture, "e.yaml", "inputs: {loadavg: {}}\n", 22);
    assert_int_equal(config_load(sections, 1, files, 1, &fixture->error), 0);
    config_print(&out, sections, 1);
    assert_string_equal(buffer_string(&out), "inputs:\n  loadavg:\n");
    write_bytes(fixture, "e.yaml", "inputs: {loadavg: {a: 1}}\n", 26);
    assert_int_equal(config_load(sections, 1, files, 1, &fixture->error), CONFIG_BAD);
    config_deinit(sections, 1);
}

static int read_secret(struct fixture *fixture, const char *data, size_t size, char *out,
                       size_t out_bytes)
{
    char path[128];

    write_bytes(fixture, "secret", data, size);
    path_of(fixture, "secret", path);
    return config_read_secret(path, out, out_bytes, &fixture->error);
}

static void test_secret(void **state)
{
    struct fixture *fixture = *state;
    char out[8] = "before";
    char large[10000];

    memset(large, 'x', sizeof large);
    assert_int_equal(config_read_secret("", out, sizeof out, &fixture->error), 0);
    assert_string_equal(out, "");
    assert_int_equal(read_secret(fixture, "abc", 3, out, sizeof out), 0);
    assert_string_equal(out, "abc");
    assert_int_equal(read_secret(fixture, "1234567\n", 8, out, sizeof out), 0);
    assert_string_equal(out, "1234567");
    assert_int_equal(read_secret(fixture, "1234567\r\n", 9, out, sizeof out), 0);
    assert_string_equal(out, "1234567");
    assert_int_equal(read_secret(fixture, " a \n\n", 5, out, sizeof out), 0);
    assert_string_equal(out, " a \n"); /* one line feed goes */

    assert_int_equal(read_secret(fixture, "12345678", 8, out, sizeof out), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "/secret: longer than 7 bytes"));
    assert_int_equal(read_secret(fixture, large, sizeof large, out, sizeof out), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "/secret: longer than"));
    assert_int_equal(read_secret(fixture, "\n", 1, out, sizeof out), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "/secret: is empty"));
    assert_int_equal(read_secret(fixture, "a\0b", 3, out, sizeof out), CONFIG_BAD);
    assert_non_null(strstr(fixture->error.text, "/secret: holds a NUL byte"));
    assert_int_equal(config_read_secret("/nonexistent", out, sizeof out, &fixture->error),
                     CONFIG_BAD);
    assert_string_equal(fixture->error.text, "/nonexistent: No such file or directory");
    assert_string_equal(out, " a \n"); /* untouched by errors */
}

static void test_allocation_failures(void **state)
{
    struct fixture *fixture = *state;
    char dir[128];
    const char *files[] = {dir};
    const char *text = "node: a\nlabels: {a: 1, b: 2}\nbroker: {host: b}\n"
                       "inputs: {cpu: {modes: [x, y]}}\n";
    size_t failures = 0;

    if (!fault_alloc_is_available())
        skip();
    path_of(fixture, "conf.d", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    write_bytes(fixture, "conf.d/a.yaml", text, strlen(text));
    for (size_t n = 1;; n++) {
        long before = fault_alloc_live();
        fault_alloc_arm(n);
        int r = config_load(fixture->sections, N_SECTIONS, files, 1, &fixture->error);
        bool has_failed = fault_alloc_disarm();
        if (r == 0)
            config_deinit(fixture->sections, N_SECTIONS);
        assert_int_equal(fault_alloc_live(), before);
        if (!has_failed) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        failures++;
    }
    assert_true(failures > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
        TEST(test_defaults),
        TEST(test_values),
        TEST(test_null_means_default),
        TEST(test_unknown_keys),
        TEST(test_wrong_kinds),
        TEST(test_bad_values),
        TEST(test_range_is_inclusive),
        TEST(test_duplicates),
        TEST(test_yaml_beyond_us),
        TEST(test_syntax),
        TEST(test_bytes),
        TEST(test_bounds),
        TEST(test_unreadable),
        TEST(test_long_error),
        TEST(test_files_in_order),
        TEST(test_round_trip),
        TEST(test_round_trip_random),
        TEST(test_print_reads_well),
        TEST(test_bad_table),
        TEST(test_empty_sections),
        TEST(test_secret),
        TEST(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
