#include "ingest_help.h"

#include <string.h>

#define ACKS_MAX 65536

static void keep_ack(void *context, const char *node, const struct ack *ack)
{
    struct help_ingest *help = context;
    assert_true(help->n_acks < ACKS_MAX);
    struct help_ack *kept = &help->acks[help->n_acks++];
    (void)snprintf(kept->node, sizeof(kept->node), "%s", node);
    kept->ack = *ack;
}

void help_ingest_open(struct help_ingest *help)
{
    if (help->acks == NULL)
        help->acks = calloc(ACKS_MAX, sizeof(*help->acks));
    assert_non_null(help->acks);
    help->store = help_open(help->directory, &help->clock);
    help->live = live_new(&help->clock.clock, help->nodes_max);
    assert_non_null(help->live);
    live_set_broker(help->live, true);
    const struct ingest_options options = {
        .store = help->store,
        .live = help->live,
        .clock = &help->clock.clock,
        .topic_prefix = "shoal/v1",
        .send = keep_ack,
        .context = help,
    };
    assert_int_equal(ingest_new(&options, &help->ingest), 0);
}

void help_ingest_close(struct help_ingest *help)
{
    ingest_free(help->ingest);
    live_free(help->live);
    store_close(help->store);
    help->ingest = NULL;
    help->live = NULL;
    help->store = NULL;
}

void help_turn(struct help_ingest *help)
{
    do
        assert_int_equal(ingest_turn(help->ingest, 0), 0);
    while (help_totals(help).queue_frames > 0);
}

void help_forget_acks(struct help_ingest *help)
{
    help->n_acks = 0;
}

const struct ack *help_last_ack(const struct help_ingest *help, const char *node)
{
    for (size_t i = help->n_acks; i > 0; i--)
        if (strcmp(help->acks[i - 1].node, node) == 0)
            return &help->acks[i - 1].ack;
    fail_msg("no ack for %s", node);
    return NULL;
}

struct ingest_totals help_totals(const struct help_ingest *help)
{
    struct ingest_totals totals;
    ingest_totals(help->ingest, &totals);
    return totals;
}

char *help_shown(const struct help_ingest *help, const char *node)
{
    static const char name[] = "\nshoal_test ";
    BUFFER_AUTO struct buffer page = {0};
    if (live_write_target(help->live, node, "node", node, EXPOSITION_TEXT, &page) != 0)
        return NULL;
    const char *line = strstr(buffer_string(&page), name);
    if (line == NULL)
        return NULL;
    line += sizeof(name) - 1;
    return strndup(line, strcspn(line, " \n"));
}

static int keep_frame(void *context, const struct encoded_frame *frame)
{
    struct help_agent *agent = context;
    size_t n = agent->n_frames + 1;
    agent->frames = realloc(agent->frames, n * sizeof(*agent->frames));
    assert_non_null(agent->frames);
    struct help_frame *kept = &agent->frames[agent->n_frames];
    *kept =
        (struct help_frame){.sequence = frame->sequence, .key = frame->key, .size = frame->size};
    kept->bytes = malloc(frame->size);
    assert_non_null(kept->bytes);
    memcpy(kept->bytes, frame->bytes, frame->size);
    agent->n_frames = n;
    return 0;
}

void help_agent_init(struct help_agent *agent, const char *node, uint64_t stream)
{
    const struct encoder_options options = {.stream = stream, .seed = 1};
    *agent = (struct help_agent){
        .node = node,
        .encoder = encoder_new(&options),
        .reading = reading_new(),
        .time_ms = 1000000,
        .envelope = {.utc_offset_ms = HELP_BOOT_OFFSET_MS,
                     .source = CLOCK_SOURCE_SYSTEM,
                     .first = 1,
                     .backlog_frames = 1},
    };
    assert_non_null(agent->encoder);
    assert_non_null(agent->reading);
}

void help_agent_deinit(struct help_agent *agent)
{
    for (size_t i = 0; i < agent->n_frames; i++)
        free(agent->frames[i].bytes);
    free(agent->frames);
    reading_free(agent->reading);
    encoder_free(agent->encoder);
}

void help_sample(struct help_agent *agent, double value)
{
    static const struct family gauge = FAMILY(GAUGE, "shoal_test", "A value.");
    static const struct family counter = FAMILY(COUNTER, "shoal_test_total", "Samples.");
    const struct encoder_input input = {
        .name = "test", .job = "node", .instance = "", .interval_ms = 15000};
    reading_begin(agent->reading);
    reading_add(agent->reading, &gauge, value, NO_LABELS);
    reading_add(agent->reading, &counter, (double)agent->n_frames, LABELS({"a", "b"}));
    assert_int_equal(reading_end(agent->reading), 0);
    assert_int_equal(encoder_add(agent->encoder, &input, agent->reading, agent->time_ms, false), 0);
    assert_int_equal(encoder_cut(agent->encoder, keep_frame, agent), 0);
}

void help_end_group(struct help_agent *agent)
{
    encoder_end_group(agent->encoder);
}

void help_send_bytes(struct help_ingest *help, struct help_agent *agent, const uint8_t *bytes,
                     size_t size)
{
    BUFFER_AUTO struct buffer payload = {0};
    char topic[TOPIC_BYTES_MAX];
    agent->envelope.frame = bytes;
    agent->envelope.frame_bytes = size;
    assert_int_equal(envelope_pack(&agent->envelope, &payload), 0);
    topic_format(topic, "shoal/v1", TOPIC_FRAMES, agent->node);
    ingest_offer(help->ingest, topic, (const uint8_t *)payload.data, payload.size);
}

void help_send(struct help_ingest *help, struct help_agent *agent, size_t number)
{
    assert_true(number >= 1 && number <= agent->n_frames);
    const struct help_frame *frame = &agent->frames[number - 1];
    help_send_bytes(help, agent, frame->bytes, frame->size);
}

void help_live(struct help_ingest *help, struct help_agent *agent, int first, int last)
{
    for (int value = first; value <= last; value++) {
        help_sample(agent, value);
        help_send(help, agent, agent->n_frames);
        help_turn(help);
    }
}

struct store_stream help_row(struct help_ingest *help, const char *node, uint64_t stream)
{
    struct store_stream row;
    int r = store_find_stream(help->store, node, stream, &row, &help->error);
    if (r != 0)
        fail_msg("%s has no stream %llu: %d", node, (unsigned long long)stream, r);
    return row;
}
