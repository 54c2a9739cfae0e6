/*
 * Two threads share the queue and a stop flag, and the spool is the uplink's; a reload ends the
 * uplink's thread, so it needs no further lock. A sampler that had to leave a hung read behind
 * leaves its settings too: they are kept until the end of the process.
 */
#include "agent/agent.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/boot.h"
#include "agent/node.h"
#include "agent/runtime_directory.h"
#include "agent/self.h"
#include "agent/spooled_time.h"

#define UPLINK_STACK_BYTES ((size_t)512 * 1024)
#define UPLINK_TURN_MS 60000 /* it is woken when there is something to do */
#define DRAIN_TURN_MS 50
#define SPOOL_GROUPS_MIN 8 /* a group takes at most this part of the spool */
#define COMPRESSION_LEVEL 1

struct agent {
    struct agent_settings *settings;
    struct clock *clock;
    char node[NODE_ID_BYTES_MAX + 1];
    uint64_t stream;
    struct queue *queue; /* to the spool */
    struct spool *spool;
    struct utc *utc; /* the uplink thread's while that runs */
    struct sampler *sampler;
    struct uplink *uplink;
    pthread_t uplink_thread;
    bool has_uplink_thread;
    atomic_bool is_ending;
    bool has_new_frame; /* since the uplink was woken */
    int64_t forced_ms;  /* when a group was last forced */
    int turn_status;    /* as logged */
};

static uint64_t random_64(void)
{
    uint64_t number = 0;
    while (number == 0)
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            number = 0; /* a signal; the kernel has its entropy long before an agent starts */
    return number;
}

/* The encoder's sink. */
static int emit(void *context, const struct encoded_frame *frame)
{
    struct agent *agent = context;
    int r = queue_append(agent->queue, frame);
    agent->has_new_frame |= r == 0;
    return r;
}

static void add_own(void *context, struct reading *reading)
{
    struct agent *agent = context;
    struct self self = {.version = SHOAL_VERSION, .now_ms = clock_boot_ms(agent->clock)};
    queue_state(agent->queue, &self.queue);
    spool_state(agent->spool, &self.spool);
    uplink_state(agent->uplink, &self.uplink);
    self_add(reading, &self);
}

/* Fits both directories' bounds several times. */
static uint64_t group_bytes_max(const struct agent_settings *settings)
{
    uint64_t bytes = settings->spool.max_bytes;
    if (settings->spool.memory_bytes < bytes)
        bytes = settings->spool.memory_bytes;
    return bytes / SPOOL_GROUPS_MIN;
}

static int make_sampler(struct agent *agent, const struct agent_settings *settings,
                        struct sampler **sampler_out)
{
    struct queue_state state;
    queue_state(agent->queue, &state);
    const struct sampler_options options = {
        .inputs = settings->sampled,
        .n_inputs = settings->n_sampled,
        .own_interval_ms = settings->interval_ms,
        .host = &settings->host,
        .node = agent->node,
        .encoder = {.stream = agent->stream,
                    .last_sequence = state.last,
                    .seed = random_64(),
                    .group_bytes_max = group_bytes_max(settings),
                    .node_labels = settings->labels,
                    .n_node_labels = settings->node_labels.n,
                    .compression_level = COMPRESSION_LEVEL},
        .emit = emit,
        .context = agent,
        .add_own = add_own,
    };
    return sampler_new(&options, sampler_out);
}

static int make_uplink(struct agent *agent, const struct agent_settings *settings,
                       struct uplink **uplink_out)
{
    const struct broker_settings *broker = &settings->broker;
    const struct uplink_options options = {
        .mqtt = broker_session(broker, agent->node, agent->clock),
        .topic_prefix = broker->topic_prefix,
        .node = agent->node,
        .spool = agent->spool,
        .clock = agent->clock,
        .utc = agent->utc,
        .version = SHOAL_VERSION,
        .seed = random_64(),
    };
    if (broker->skip_host_check)
        log_warning("broker.skip_host_check: any certificate passes for the broker's");
    return uplink_new(&options, uplink_out);
}

/* Takes what sampling made into the spool, then sends. */
static void turn_uplink(struct agent *agent, int64_t timeout_ms)
{
    bool has_more = spool_turn(agent->spool, agent->queue);
    int64_t rest_ms = spool_deadline_ms(agent->spool) - clock_boot_ms(agent->clock);
    if (rest_ms < timeout_ms)
        timeout_ms = rest_ms > 0 ? rest_ms : 0;
    uplink_turn(agent->uplink, has_more ? 0 : timeout_ms);
}

/* Until the last acks are there, as long as a collector gives any. */
static void drain(struct agent *agent)
{
    int64_t end = clock_boot_ms(agent->clock) + AGENT_DRAIN_MS;
    while (clock_boot_ms(agent->clock) < end) {
        struct spool_state spool;
        struct uplink_state uplink;
        bool has_more = spool_turn(agent->spool, agent->queue);
        spool_state(agent->spool, &spool);
        uplink_state(agent->uplink, &uplink);
        if (!has_more && (spool.unacked_frames == 0 || !uplink.has_collector))
            return;
        uplink_turn(agent->uplink, DRAIN_TURN_MS);
    }
}

static void *run_uplink(void *context)
{
    struct agent *agent = context;
    while (!agent->is_ending)
        turn_uplink(agent, UPLINK_TURN_MS);
    drain(agent);
    return NULL;
}

static int start_uplink_thread(struct agent *agent)
{
    pthread_attr_t attributes;
    int r = pthread_attr_init(&attributes);
    if (r != 0)
        return -r;
    agent->is_ending = false;
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before); /* the thread inherits the mask */
    r = pthread_attr_setstacksize(&attributes, UPLINK_STACK_BYTES);
    if (r == 0)
        r = pthread_create(&agent->uplink_thread, &attributes, run_uplink, agent);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    agent->has_uplink_thread = r == 0;
    return -r;
}

static void stop_uplink(struct agent *agent)
{
    if (agent->has_uplink_thread) {
        agent->is_ending = true;
        uplink_wake(agent->uplink);
        (void)pthread_join(agent->uplink_thread, NULL);
        agent->has_uplink_thread = false;
    }
    uplink_free(agent->uplink);
    agent->uplink = NULL;
}

/* Frees sampler and settings, or leaves the settings to a hung read. */
static void drop_sampler(struct sampler *sampler, struct agent_settings *settings)
{
    if (sampler_free(sampler))
        agent_settings_free(settings);
    else
        log_warning("an input hangs: its thread and settings are left behind");
}

/* The machine's id, "" if it has none. */
static void read_machine_id(const struct agent_settings *settings, char *out, size_t out_bytes)
{
    char path[PATH_MAX];
    out[0] = '\0';
    (void)snprintf(path, sizeof(path), "%s/etc/machine-id", settings->host.rootfs);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(out, (int)out_bytes, file) == NULL)
        out[0] = '\0';
    out[strspn(out, "0123456789abcdef")] = '\0';
    (void)fclose(file);
}

static void find_node_id(struct agent *agent)
{
    const struct agent_settings *settings = agent->settings;
    char host[HOST_NAME_MAX + 1] = "";
    char machine[40];
    struct node_trouble trouble;
    (void)gethostname(host, sizeof(host) - 1); /* cannot fail with room enough */
    read_machine_id(settings, machine, sizeof(machine));
    if (machine[0] == '\0')
        (void)snprintf(machine, sizeof(machine), "%016llx", (unsigned long long)random_64());
    const struct node_sources sources = {.state_directory = settings->state_directory,
                                         .configured = settings->node_id,
                                         .host_name = host,
                                         .machine_id = machine};
    int r = node_id(&sources, agent->node, &trouble);
    if (r == NODE_NOT_KEPT)
        log_warning("%s: %s; going on, but the node's id %s is not kept", trouble.path,
                    strerrordesc_np(-trouble.error), agent->node);
    else if (r == NODE_DIFFERS)
        log_warning("node.id: this is %s since its first start (%s/" NODE_ID_FILE "), not %s",
                    agent->node, settings->state_directory, settings->node_id);
}

static void log_inputs(const struct agent_settings *settings)
{
    BUFFER_AUTO struct buffer names = {0};
    for (size_t i = 0; i < settings->n_sampled; i++)
        buffer_print(&names, " %s", settings->sampled[i].input->name);
    log_info("inputs:%s", settings->n_sampled == 0 ? " none" : buffer_string(&names));
}

/* Logs what befalls the spool: it goes on in any case. */
static void report_spool(void *context, enum spool_event event, const char *text)
{
    (void)context;
    switch (event) {
    case SPOOL_DAMAGED:
        log_error("%s; the file is set aside as *" SPOOL_ASIDE ", and a new one begun", text);
        break;
    case SPOOL_UNWRITABLE:
        log_warning("%s; frames are kept elsewhere, at worst in memory, until it works", text);
        break;
    case SPOOL_RECOVERED:
        log_info("%s: takes frames again", text);
        break;
    case SPOOL_IN_USE:
        log_error("%s; give each agent its own runtime_directory and state_directory", text);
        break;
    }
}

static int open_spool(struct agent *agent)
{
    const struct agent_settings *settings = agent->settings;
    char boot[BOOT_KEY_BYTES_MAX + 1];
    char runtime[PATH_MAX];
    boot_key(settings->host.proc, boot);
    if (boot[0] == '\0') /* then frames of earlier runs count as another boot's */
        (void)snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)agent->stream);
    runtime_directory_find(settings->runtime_directory, runtime, sizeof(runtime));
    const struct spool_options options = {.stream = agent->stream,
                                          .boot = boot,
                                          .state_directory = settings->state_directory,
                                          .runtime_directory = runtime,
                                          .bounds = settings->spool,
                                          .clock = agent->clock,
                                          .report = report_spool};
    int r = spool_open(&options, &agent->spool);
    if (r == 0)
        spooled_time_restore(agent->spool, agent->utc);
    return r == SPOOL_LOCKED ? -EBUSY : r;
}

static struct utc *make_utc(const struct agent *agent)
{
    const struct agent_settings *settings = agent->settings;
    const struct utc_options options = {.clock = agent->clock,
                                        .proc = settings->host.proc,
                                        .state_directory = settings->state_directory,
                                        .is_clock_trusted = settings->is_clock_trusted,
                                        .seed = random_64()};
    return utc_new(&options);
}

static int start(struct agent *agent)
{
    log_set_level((enum log_level)agent->settings->log_level);
    find_node_id(agent);
    agent->stream = random_64();
    agent->queue = queue_new(agent->settings->spool.memory_bytes);
    agent->utc = make_utc(agent);
    if (agent->queue == NULL || agent->utc == NULL)
        return -ENOMEM;
    int r = open_spool(agent);
    if (r != 0)
        return r;
    log_info(AGENT_VERSION ": node %s", agent->node);
    log_inputs(agent->settings);
    r = make_uplink(agent, agent->settings, &agent->uplink);
    if (r == 0)
        r = make_sampler(agent, agent->settings, &agent->sampler);
    return r == 0 ? start_uplink_thread(agent) : r;
}

int agent_start(struct agent_settings *settings, struct agent **agent_out)
{
    struct agent *agent = calloc(1, sizeof(*agent));
    if (agent == NULL) {
        agent_settings_free(settings);
        return -ENOMEM;
    }
    agent->settings = settings;
    agent->clock = settings->host.clock;
    agent->forced_ms = clock_boot_ms(agent->clock) - AGENT_FORCED_GROUP_MS;
    int r = start(agent);
    if (r != 0) {
        agent_stop(agent);
        return r;
    }
    *agent_out = agent;
    return 0;
}

void agent_stop(struct agent *agent)
{
    if (agent == NULL)
        return;
    stop_uplink(agent);
    utc_free(agent->utc);
    drop_sampler(agent->sampler, agent->settings);
    spool_close(agent->spool);
    queue_free(agent->queue);
    free(agent);
}

static void log_kept(const struct agent *agent, const struct agent_settings *fresh)
{
    if (fresh->node_id[0] != '\0' && strcmp(fresh->node_id, agent->node) != 0)
        log_warning("node.id: stays %s", agent->node);
    if (strcmp(fresh->state_directory, agent->settings->state_directory) != 0)
        log_warning("state_directory: changes with the next start");
    if (strcmp(fresh->runtime_directory, agent->settings->runtime_directory) != 0)
        log_warning("runtime_directory: changes with the next start");
}

int agent_reload(struct agent *agent, struct agent_settings *settings)
{
    struct sampler *sampler = NULL;
    struct uplink *uplink = NULL;
    int r = make_uplink(agent, settings, &uplink);
    if (r == 0)
        r = make_sampler(agent, settings, &sampler);
    if (r != 0) {
        uplink_free(uplink);
        agent_settings_free(settings);
        return r;
    }
    log_kept(agent, settings);
    log_set_level((enum log_level)settings->log_level);
    queue_set_bound(agent->queue, settings->spool.memory_bytes);
    stop_uplink(agent);
    spool_set_bounds(agent->spool, &settings->spool);
    utc_trust_clock(agent->utc, settings->is_clock_trusted);
    drop_sampler(agent->sampler, agent->settings);
    agent->settings = settings;
    agent->sampler = sampler;
    agent->uplink = uplink;
    log_inputs(settings);
    return start_uplink_thread(agent);
}

int64_t agent_next_ms(const struct agent *agent)
{
    return sampler_next_ms(agent->sampler);
}

int agent_fd(const struct agent *agent)
{
    return sampler_fd(agent->sampler);
}

/* A group that lost a frame is of no use any more: a new one begins, but not too often. */
static void replace_cut_group(struct agent *agent)
{
    struct spool_state state;
    int64_t now = clock_boot_ms(agent->clock);
    spool_state(agent->spool, &state);
    if (!state.is_cut || now - agent->forced_ms < AGENT_FORCED_GROUP_MS)
        return;
    sampler_end_group(agent->sampler);
    agent->forced_ms = now;
}

void agent_turn(struct agent *agent)
{
    int r = sampler_turn(agent->sampler);
    if (r != agent->turn_status && r != 0)
        log_error("sampling: %s; what was read just now is lost", strerrordesc_np(-r));
    agent->turn_status = r;
    replace_cut_group(agent);
    if (agent->has_new_frame)
        uplink_wake(agent->uplink);
    agent->has_new_frame = false;
}

int agent_once(struct agent_settings *settings, struct buffer *out)
{
    const struct sampler_options options = {.inputs = settings->sampled,
                                            .n_inputs = settings->n_sampled,
                                            .own_interval_ms = settings->interval_ms,
                                            .host = &settings->host,
                                            .node = "",
                                            .encoder = {.stream = 1}};
    struct sampler *sampler = NULL;
    int r = sampler_new(&options, &sampler);
    if (r == 0)
        r = sampler_once(sampler, out);
    drop_sampler(sampler, settings);
    return r;
}
