/*
 * cpu: the time that each CPU spent in each mode, from /proc/stat (proc(5)); which CPUs are
 * isolated, how often they were throttled (cpu_throttle.c) and what they are (cpu_info.c).
 */
#include "agent/inputs/cpu_info.h"
#include "agent/inputs/cpu_throttle.h"
#include "agent/procfs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_NUMBER_MAX 65535 /* far above any kernel's NR_CPUS */
#define JUMP_BACK_TICKS 300  /* idle time this much less than before: the CPU was off meanwhile */
#define ISOLATED_BYTES_MAX 4096

enum cpu_mode {
    MODE_USER,
    MODE_NICE,
    MODE_SYSTEM,
    MODE_IDLE,
    MODE_IOWAIT,
    MODE_IRQ,
    MODE_SOFTIRQ,
    MODE_STEAL,
    MODE_GUEST,
    MODE_GUEST_NICE,
    MODES
};

static const char *const mode_names[MODES] = {
    [MODE_USER] = "user",       [MODE_NICE] = "nice",     [MODE_SYSTEM] = "system",
    [MODE_IDLE] = "idle",       [MODE_IOWAIT] = "iowait", [MODE_IRQ] = "irq",
    [MODE_SOFTIRQ] = "softirq", [MODE_STEAL] = "steal",   [MODE_GUEST] = "user",
    [MODE_GUEST_NICE] = "nice",
};

struct cpu_config {
    bool guest;
    struct cpu_info_config info;
};

/* What was told last of one CPU. */
struct cpu_times {
    uint64_t ticks[MODES];
    uint64_t reading; /* number of the reading that had it */
};

struct cpu_state {
    const struct cpu_config *config;
    struct procfs_file stat;
    struct cpu_times *times; /* by the CPU's number */
    size_t n_times;
    uint64_t n_readings;
    char *isolated; /* "2,6-7"; fixed at boot */
    struct cpu_info *info;
    struct cpu_throttle *throttle;
};

static const struct option options[] = {
    {.name = "guest",
     .type = OPTION_BOOL,
     .offset = offsetof(struct cpu_config, guest),
     .default_text = "true",
     .help = "Whether to tell the time spent in guests (virtual machines)."},
    {.name = "info",
     .type = OPTION_BOOL,
     .offset = offsetof(struct cpu_config, info.is_on),
     .default_text = "false",
     .help = "Whether to tell what each CPU is, from /proc/cpuinfo."},
    {.name = "info_flags_include",
     .type = OPTION_TEXT,
     .offset = offsetof(struct cpu_config, info.flags_include),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the CPU's flags to tell; empty: none."},
    {.name = "info_bugs_include",
     .type = OPTION_TEXT,
     .offset = offsetof(struct cpu_config, info.bugs_include),
     .default_text = "",
     .check = filter_check,
     .help = "Regular expression of the CPU's bugs to tell; empty: none."},
    OPTIONS_END,
};

static const struct family seconds_family =
    FAMILY(COUNTER, "node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
static const struct family guest_family =
    FAMILY(COUNTER, "node_cpu_guest_seconds_total",
           "Seconds the CPUs spent in guests (VMs) for each mode.");
static const struct family isolated_family =
    FAMILY(GAUGE, "node_cpu_isolated",
           "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.");

static void cpu_close(void *opaque)
{
    struct cpu_state *state = opaque;
    procfs_deinit(&state->stat);
    cpu_info_free(state->info);
    cpu_throttle_free(state->throttle);
    free(state->times);
    free(state->isolated);
    free(state);
}

static int open_parts(struct cpu_state *state, const struct input_host *host,
                      struct input_error *error)
{
    char isolated[ISOLATED_BYTES_MAX];
    int r = procfs_init(&state->stat, "%s/stat", host->proc);
    if (r < 0)
        return input_fail(error, r, "out of memory");
    if (procfs_value(isolated, sizeof(isolated), "%s/devices/system/cpu/isolated", host->sys) < 0)
        isolated[0] = '\0'; /* a kernel without CONFIG_CPU_ISOLATION */
    state->isolated = strdup(isolated);
    state->throttle = cpu_throttle_new(host->sys);
    if (state->isolated == NULL || state->throttle == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    return cpu_info_new(&state->config->info, host->proc, &state->info, error);
}

static int cpu_open(const void *config, const struct input_host *host, void **state_out,
                    struct input_error *error)
{
    struct cpu_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    state->config = config;
    int r = open_parts(state, host, error);
    if (r < 0) {
        cpu_close(state);
        return r;
    }
    *state_out = state;
    return 0;
}

/* The entry of a CPU, all zeros for one that the last reading did not have. */
static struct cpu_times *find_times(struct cpu_state *state, size_t number)
{
    if (number >= state->n_times) {
        size_t n = number + 1;
        struct cpu_times *times = realloc(state->times, n * sizeof(*times));
        if (times == NULL)
            return NULL;
        memset(times + state->n_times, 0, (n - state->n_times) * sizeof(*times));
        state->times = times;
        state->n_times = n;
    }
    struct cpu_times *found = &state->times[number];
    if (found->reading + 1 != state->n_readings)
        memset(found->ticks, 0, sizeof(found->ticks));
    found->reading = state->n_readings;
    return found;
}

/* The kernel's idle and iowait times go back a little now and then, which Prometheus would take
 * for a restart. So no time goes back, unless idle shows that the CPU started anew. */
static void keep_rising(struct cpu_times *last, const uint64_t ticks[MODES])
{
    uint64_t idle = ticks[MODE_IDLE];
    bool is_new = last->ticks[MODE_IDLE] >= idle + JUMP_BACK_TICKS;
    for (size_t mode = 0; mode < MODES; mode++)
        if (is_new || ticks[mode] > last->ticks[mode])
            last->ticks[mode] = ticks[mode];
}

static void add_times(const struct cpu_state *state, struct reading *reading,
                      const struct cpu_times *times, const char *cpu)
{
    for (size_t mode = 0; mode < MODE_GUEST; mode++)
        reading_add(reading, &seconds_family, procfs_ticks(times->ticks[mode]),
                    LABELS({"cpu", cpu}, {"mode", mode_names[mode]}));
    for (size_t mode = MODE_GUEST; state->config->guest && mode < MODES; mode++)
        reading_add(reading, &guest_family, procfs_ticks(times->ticks[mode]),
                    LABELS({"cpu", cpu}, {"mode", mode_names[mode]}));
}

/* "cpu12 USER NICE ...", with fewer numbers from old kernels. */
static int add_line(struct cpu_state *state, struct reading *reading, char *line,
                    struct input_error *error)
{
    uint64_t ticks[MODES] = {0};
    uint64_t number;
    const char *cpu = procfs_field(&line) + sizeof("cpu") - 1;
    if (*cpu == '\0')
        return 0; /* the sum of all */
    if (procfs_u64(cpu, &number) < 0 || number > CPU_NUMBER_MAX)
        return procfs_bad(&state->stat, error, "cpu%s is no CPU's name", cpu);
    for (size_t mode = 0; mode < MODES; mode++) {
        const char *field = procfs_field(&line);
        if (field != NULL && procfs_u64(field, &ticks[mode]) < 0)
            return procfs_bad(&state->stat, error, "%s is not a number", field);
    }
    struct cpu_times *times = find_times(state, number);
    if (times == NULL)
        return input_fail(error, -ENOMEM, "out of memory");
    keep_rising(times, ticks);
    add_times(state, reading, times, cpu);
    cpu_throttle_see(state->throttle, (unsigned)number);
    return 0;
}

/* "7" or "2-5"; false if it is neither. */
static bool parse_range(char *text, uint64_t *first_out, uint64_t *last_out)
{
    char *dash = strchr(text, '-');
    if (dash != NULL)
        *dash = '\0';
    return procfs_u64(text, first_out) == 0 &&
           procfs_u64(dash == NULL ? text : dash + 1, last_out) == 0 && *last_out <= CPU_NUMBER_MAX;
}

static int add_isolated(const struct cpu_state *state, struct reading *reading,
                        struct input_error *error)
{
    char text[ISOLATED_BYTES_MAX];
    char label[16];
    char *rest = text;
    char *range;
    uint64_t first;
    uint64_t last;
    (void)stpcpy(text, state->isolated);
    while ((range = strsep(&rest, ",")) != NULL && *range != '\0') {
        if (!parse_range(range, &first, &last))
            return input_fail(error, -EINVAL, "isolated CPUs: %s: no list of CPUs",
                              state->isolated);
        for (unsigned cpu = (unsigned)first; cpu <= last; cpu++) {
            (void)snprintf(label, sizeof(label), "%u", cpu);
            reading_add(reading, &isolated_family, 1.0, LABELS({"cpu", label}));
        }
    }
    return 0;
}

static int cpu_read(void *opaque, struct reading *reading, struct input_error *error)
{
    struct cpu_state *state = opaque;
    int r = procfs_read(&state->stat, error);
    if (r != 0)
        return r;
    state->n_readings++;
    if (state->info != NULL && (r = cpu_info_read(state->info, reading, error)) < 0)
        return r;
    char *line;
    /* The CPUs come first; the long line of interrupts behind them is not for this input. */
    while (r == 0 && (line = procfs_line(&state->stat)) != NULL && strncmp(line, "cpu", 3) == 0)
        r = add_line(state, reading, line, error);
    if (r == 0)
        r = add_isolated(state, reading, error);
    if (r == 0)
        r = cpu_throttle_read(state->throttle, reading);
    return r == -ENOMEM ? input_fail(error, r, "out of memory") : r;
}

const struct input input_cpu = {
    .name = "cpu",
    .job = "node",
    .help = "Time that each CPU spent in each mode, and how often it was throttled.",
    .is_on = true,
    .node_collector = "cpu",
    .options = options,
    .config_bytes = sizeof(struct cpu_config),
    .open = cpu_open,
    .close = cpu_close,
    .read = cpu_read,
};
