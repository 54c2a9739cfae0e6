/* The command decode: frames in the forms that files have, made by the real encoder. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/decode.h"
#include "collector/store.h"
#include "common/encoder.h"
#include "common/envelope.h"

#define FRAMES 3
#define STREAM UINT64_C(0x1122334455667788)

static const struct family temperature = FAMILY(GAUGE, "node_temp_celsius", "Of a sensor.");

struct scene {
    char directory[64], file[128];
    struct buffer frames[FRAMES];
    size_t n;
    char *out, *complaints;
};

static int keep(void *context, const struct encoded_frame *frame)
{
    struct scene *scene = context;
    buffer_append(&scene->frames[scene->n++], frame->bytes, frame->size);
    return 0;
}

/* Three frames: a key frame, one change, one series gone. */
static int encode(struct scene *scene)
{
    static const double values[FRAMES] = {21.5, 22.25, 22.25};
    const struct label node_label = {"site", "roof"};
    const struct encoder_options options = {
        .stream = STREAM, .node_labels = &node_label, .n_node_labels = 1};
    const struct encoder_input input = {"hwmon", "node", "", 15000};
    struct encoder *encoder = encoder_new(&options);
    struct reading *reading = reading_new();
    int r = 0;
    for (int i = 0; r == 0 && i < FRAMES; i++) {
        reading_begin(reading);
        reading_add(reading, &temperature, values[i], LABELS({"sensor", "a\x1b[31m"}));
        if (i < 2)
            reading_add(reading, &temperature, 7, LABELS({"sensor", "b"}));
        r = reading_end(reading);
        if (r == 0)
            r = encoder_add(encoder, &input, reading, 5000 + i, false);
        if (r == 0)
            r = encoder_cut(encoder, keep, scene);
    }
    reading_free(reading);
    encoder_free(encoder);
    return r;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    if (scene == NULL)
        return -1;
    (void)snprintf(scene->directory, sizeof(scene->directory), "/tmp/shoal-decode-XXXXXX");
    if (mkdtemp(scene->directory) == NULL)
        return -1;
    (void)snprintf(scene->file, sizeof(scene->file), "%s/file", scene->directory);
    *state = scene;
    return encode(scene);
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about, (void)kind, (void)place;
    return remove(path);
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    for (int i = 0; i < FRAMES; i++)
        buffer_deinit(&scene->frames[i]);
    free(scene->out);
    free(scene->complaints);
    int r = nftw(scene->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(scene);
    return r;
}

static int run(struct scene *scene, char **arguments)
{
    size_t out_bytes, complaints_bytes;
    int n = 0;
    free(scene->out);
    free(scene->complaints);
    FILE *out = open_memstream(&scene->out, &out_bytes);
    FILE *complaints = open_memstream(&scene->complaints, &complaints_bytes);
    while (arguments[n] != NULL)
        n++;
    int status = decode_command(n, arguments, out, complaints);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(complaints), 0);
    return status;
}

static int run_file(struct scene *scene, const struct buffer *bytes)
{
    char *arguments[] = {"decode", scene->file, NULL};
    FILE *file = fopen(scene->file, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size, file), bytes->size);
    assert_int_equal(fclose(file), 0);
    return run(scene, arguments);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no '%s' in: %s", part, text);
}

static void test_a_bare_frame(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(run_file(scene, &scene->frames[0]), 0);
    assert_has(scene->out, "stream 1122334455667788, sequence 1, key 1 (a key frame)");
    assert_has(scene->out, "label of the node: site=\"roof\"");
    assert_has(scene->out, "input 0 `hwmon` (job node, instance of the node, every 15000 ms) at "
                           "5000 ms");
    assert_has(scene->out, "node_temp_celsius, gauge: Of a sensor.");
    assert_has(scene->out, "node_temp_celsius{sensor=\"b\"} = 7\n");
    assert_has(scene->out, "node_temp_celsius{sensor=\"a\\x1b[31m\"} = 21.5\n");
    assert_null(strchr(scene->out, '\x1b'));
}

static void test_an_envelope(void **state)
{
    struct scene *scene = *state;
    BUFFER_AUTO struct buffer payload = {0};
    const struct envelope envelope = {
        .frame = (const uint8_t *)scene->frames[0].data,
        .frame_bytes = scene->frames[0].size,
        .utc_offset_ms = 1700000000000,
        .uncertainty_ms = 12,
        .source = CLOCK_SOURCE_PROBE,
        .first = 1,
        .backlog_frames = 4,
        .drops = {[DROP_TOO_LARGE] = {2, 30}},
    };
    assert_int_equal(envelope_pack(&envelope, &payload), 0);
    assert_int_equal(run_file(scene, &payload), 0);
    assert_has(scene->out, "UTC less boot time 1700000000000 ms, uncertain by 12 ms");
    assert_has(scene->out, "unacked 4 frames");
    assert_has(scene->out, "too_large: 2 frames, 30 samples");
    assert_has(scene->out, "= 21.5\n");
}

static void append_record(struct buffer *out, const struct buffer *frame)
{
    const uint8_t head[] = {(uint8_t)frame->size, (uint8_t)(frame->size >> 8),
                            (uint8_t)(frame->size >> 16), (uint8_t)(frame->size >> 24)};
    buffer_append(out, head, sizeof(head));
    buffer_append(out, frame->data, frame->size);
}

static void test_records(void **state)
{
    struct scene *scene = *state;
    BUFFER_AUTO struct buffer records = {0};
    for (int i = 0; i < FRAMES; i++)
        append_record(&records, &scene->frames[i]);
    assert_int_equal(run_file(scene, &records), 0);
    assert_has(scene->out, "sequence 2, key 1,");
    assert_has(scene->out, "node_temp_celsius{sensor=\"a\\x1b[31m\"} = 22.25\n");
    assert_has(scene->out, "no longer has node_temp_celsius{sensor=\"b\"}\n");
    assert_has(scene->out, "reading of input 0 `hwmon` at 5002 ms");
}

static void test_a_frame_without_its_key_frame(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(run_file(scene, &scene->frames[1]), 0);
    assert_has(scene->out, "sequence 2, key 1,");
    assert_has(scene->out, "takes the frames of its group before it");
}

static void test_what_is_no_frame(void **state)
{
    struct scene *scene = *state;
    BUFFER_AUTO struct buffer junk = {0};
    assert_int_equal(run_file(scene, &junk), 1);
    assert_has(scene->complaints, scene->file);
    for (int i = 0; i < 50; i++)
        buffer_append(&junk, "\xff", 1);
    assert_int_equal(run_file(scene, &junk), 1);
    assert_has(scene->complaints, scene->file);
    scene->frames[0].size--;
    assert_int_equal(run_file(scene, &scene->frames[0]), 1);
    char *missing[] = {"decode", "/nowhere/frame", NULL};
    assert_int_equal(run(scene, missing), 1);
    assert_has(scene->complaints, "/nowhere/frame: No such file or directory");
}

static void test_usage(void **state)
{
    struct scene *scene = *state;
    char *const cases[][6] = {{"decode", NULL},
                              {"decode", "--store", "x", NULL},
                              {"decode", "--store", "x", "--node", "n", "file"},
                              {"decode", "--bogus", NULL},
                              {"decode", "--node", "n", "file", NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *arguments[7] = {0};
        memcpy(arguments, cases[i], sizeof(cases[i]));
        assert_int_equal(run(scene, arguments), 2);
        assert_has(scene->complaints, "usage:");
    }
}

static void fill_store(struct scene *scene)
{
    struct store *store;
    struct store_error error;
    struct store_stream stream;
    const struct store_options options = {.directory = scene->directory,
                                          .retention_ms = 1000000,
                                          .size_bytes_max = 1 << 30,
                                          .clock = clock_system()};
    assert_int_equal(store_open(&options, &store, &error), 0);
    assert_int_equal(store_begin(store, &error), 0);
    assert_int_equal(store_stream(store, "pi1", STREAM, &stream, &error), 0);
    for (size_t i = 0; i < FRAMES; i++) {
        const struct store_frame frame = {.stream_row = stream.row,
                                          .sequence = i + 1,
                                          .key = 1,
                                          .crc = (uint32_t)i,
                                          .bytes = (const uint8_t *)scene->frames[i].data,
                                          .size = scene->frames[i].size};
        assert_int_equal(store_append(store, &frame, &error), 0);
    }
    assert_int_equal(store_commit(store, &error), 0);
    store_close(store);
}

static void test_from_a_store(void **state)
{
    struct scene *scene = *state;
    fill_store(scene);
    char *all[] = {"decode", "--store", scene->directory, "--node", "pi1", NULL};
    assert_int_equal(run(scene, all), 0);
    assert_has(scene->out, "sequence 1, key 1");
    assert_has(scene->out, "sequence 3, key 1");

    char *one[] = {"decode",   "--store",          scene->directory, "--node", "pi1",
                   "--stream", "1122334455667788", "--sequence",     "2",      NULL};
    assert_int_equal(run(scene, one), 0);
    assert_null(strstr(scene->out, "sequence 1,"));
    assert_null(strstr(scene->out, "sequence 3,"));
    assert_has(scene->out, "node_temp_celsius{sensor=\"a\\x1b[31m\"} = 22.25\n");

    char *other[] = {"decode", "--store", scene->directory, "--node", "pi2", NULL};
    assert_int_equal(run(scene, other), 1);
    assert_has(scene->complaints, "pi2");
    char *nowhere[] = {"decode", "--store", "/nowhere", "--node", "pi1", NULL};
    assert_int_equal(run(scene, nowhere), 1);
    assert_has(scene->complaints, "/nowhere");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_bare_frame),     TEST(test_an_envelope),
        TEST(test_records),          TEST(test_a_frame_without_its_key_frame),
        TEST(test_what_is_no_frame), TEST(test_usage),
        TEST(test_from_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
