#include "collector/decode.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "collector/describe.h"
#include "collector/store_reader.h"

#define FILE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define PIECE_BYTES ((size_t)64 * 1024)
#define OUTPUT_BYTES ((size_t)256 * 1024) /* is written out when there is so much of it */

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage[] =
    "usage: shoal-collector decode FILE...\n"
    "       shoal-collector decode --store DIR --node NODE [--stream ID] [--sequence N]\n"
    "A FILE holds a frame, an MQTT payload of PREFIX/NODE/frames, or records of a length (u32,\n"
    "little-endian) and a frame. Frames of one group are given in their order.\n";

struct command {
    FILE *out, *complaints;
    struct describe *describe;
    struct buffer text;
    const char *store, *node;
    uint64_t stream, sequence; /* 0: all */
};

static void flush(struct command *command)
{
    (void)fwrite(command->text.data, 1, command->text.size, command->out);
    buffer_clear(&command->text);
}

static int complain(const struct command *command, const char *place, const char *why)
{
    (void)fprintf(command->complaints, "shoal-collector decode: %s: %s\n", place, why);
    return EXIT_FAILED;
}

/* --- files --- */

static int read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return -errno;
    size_t n;
    do {
        char *to = buffer_reserve(out, PIECE_BYTES);
        n = to == NULL ? 0 : fread(to, 1, PIECE_BYTES, file);
        buffer_wrote(out, n);
    } while (n > 0 && out->size <= FILE_BYTES_MAX);
    int r = ferror(file) != 0 ? -EIO : 0;
    (void)fclose(file); /* only read */
    if (buffer_failed(out))
        return -ENOMEM;
    return out->size > FILE_BYTES_MAX ? -EFBIG : r;
}

static int decode_file(struct command *command, const char *path)
{
    BUFFER_AUTO struct buffer bytes = {0};
    struct describe_error error;
    int r = read_file(path, &bytes);
    if (r < 0)
        return complain(command, path, strerror(-r));
    r = describe_bytes(command->describe, (const uint8_t *)bytes.data, bytes.size, &command->text,
                       &error);
    flush(command);
    if (r < 0)
        return complain(command, path, strerror(-r));
    return r == DESCRIBE_BAD ? complain(command, path, error.text) : EXIT_GOOD;
}

/* --- a store --- */

/* A walk through the node's streams, one after the other. */
struct walk {
    struct command *command;
    struct store_stream *streams;
    size_t n_streams;
    uint64_t key; /* of the frame that is looked for */
};

static int note_stream(void *context, const struct store_stream *stream)
{
    struct walk *walk = context;
    if (strcmp(stream->node, walk->command->node) != 0 ||
        (walk->command->stream != 0 && stream->stream != walk->command->stream))
        return 0;
    struct store_stream *streams = realloc(walk->streams, (walk->n_streams + 1) * sizeof(*streams));
    if (streams == NULL)
        return -ENOMEM;
    streams[walk->n_streams++] = *stream;
    walk->streams = streams;
    return 0;
}

/* Ends a walk early; is no error. */
#define FOUND (-ECANCELED)

static int note_key(void *context, const struct store_frame *frame)
{
    struct walk *walk = context;
    if (frame->sequence == walk->command->sequence)
        walk->key = frame->key;
    return FOUND;
}

static int show_frame(void *context, const struct store_frame *frame)
{
    struct walk *walk = context;
    struct command *command = walk->command;
    struct describe_error error;
    bool is_wanted = command->sequence == 0 || frame->sequence == command->sequence;
    if (is_wanted)
        buffer_print(&command->text,
                     "stored as %" PRIu64 ", committed at %" PRId64
                     " ms UTC, UTC less boot time %" PRId64 " ms\n",
                     frame->log_id, frame->committed_utc_ms, frame->utc_offset_ms);
    int r = describe_frame(command->describe, frame->bytes, frame->size,
                           is_wanted ? &command->text : NULL, &error);
    if (r < 0)
        return r;
    if (r == DESCRIBE_BAD)
        buffer_print(&command->text, "  not a frame: %s\n", error.text);
    if (command->text.size >= OUTPUT_BYTES)
        flush(command);
    return is_wanted && command->sequence != 0 ? FOUND : 0;
}

static int show_stream(struct walk *walk, struct store_reader *reader,
                       const struct store_stream *stream, struct store_error *error)
{
    uint64_t sequence = walk->command->sequence;
    walk->key = 0;
    if (sequence != 0) {
        int r = store_reader_frames(reader, stream->row, sequence, note_key, walk, error);
        if ((r != 0 && r != FOUND) || walk->key == 0)
            return r == FOUND ? 0 : r;
    }
    int r = store_reader_frames(reader, stream->row, walk->key, show_frame, walk, error);
    return r == FOUND ? 0 : r;
}

static int show_streams(struct walk *walk, struct store_reader *reader, struct store_error *error)
{
    int r = store_reader_streams(reader, note_stream, walk, error);
    for (size_t i = 0; r == 0 && i < walk->n_streams; i++)
        r = show_stream(walk, reader, &walk->streams[i], error);
    flush(walk->command);
    return r;
}

static int decode_store(struct command *command)
{
    struct store_error error = {""};
    struct store_reader *reader;
    struct walk walk = {.command = command};
    int r = store_reader_open(command->store, &reader, &error);
    if (r != 0)
        return complain(command, command->store, error.text);
    r = show_streams(&walk, reader, &error);
    store_reader_close(reader);
    free(walk.streams);
    if (r != 0)
        return complain(command, command->store,
                        error.text[0] != '\0' ? error.text : strerror(r < 0 ? -r : EIO));
    if (walk.n_streams == 0)
        return complain(command, command->node, "has no such stream in the store");
    return EXIT_GOOD;
}

/* --- arguments --- */

static bool parse_number(const char *text, int base, uint64_t *number_out)
{
    char *end;
    errno = 0;
    *number_out = strtoull(text, &end, base);
    return errno == 0 && end != text && *end == '\0' && *number_out != 0;
}

static bool parse_arguments(struct command *command, int argc, char **argv)
{
    static const struct option options[] = {{"store", required_argument, NULL, 's'},
                                            {"node", required_argument, NULL, 'n'},
                                            {"stream", required_argument, NULL, 'i'},
                                            {"sequence", required_argument, NULL, 'q'},
                                            {0}};
    int option;
    bool is_good = true;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            command->store = optarg;
        else if (option == 'n')
            command->node = optarg;
        else if (option == 'i')
            is_good = is_good && parse_number(optarg, 16, &command->stream);
        else
            is_good = is_good && option == 'q' && parse_number(optarg, 10, &command->sequence);
    }
    bool has_files = optind < argc;
    return is_good && (command->store != NULL) == (command->node != NULL) &&
           (command->store != NULL) != has_files;
}

int decode_command(int argc, char **argv, FILE *out, FILE *complaints)
{
    struct command command = {.out = out, .complaints = complaints};
    if (!parse_arguments(&command, argc, argv)) {
        (void)fputs(usage, complaints);
        return EXIT_USAGE;
    }
    command.describe = describe_new();
    if (command.describe == NULL)
        return complain(&command, "starting", strerror(ENOMEM));
    int status = EXIT_GOOD;
    if (command.store != NULL)
        status = decode_store(&command);
    for (int i = optind; command.store == NULL && i < argc; i++) {
        if (decode_file(&command, argv[i]) != EXIT_GOOD)
            status = EXIT_FAILED;
    }
    describe_free(command.describe);
    buffer_deinit(&command.text);
    return status;
}
