/* shoal-agent: the command line, signals, and the only place that ends the process. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/command.h"
#include "agent/spool_tier.h"
#include "common/notify.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { FD_SIGNAL, FD_TICK, FD_INPUT, FDS };

/* The agent is to be small: one heap for all threads, which gives back what is free at its end.
 * What an input needs at each tick stays below these, or each tick would ask the kernel for it
 * again. */
#define HEAP_ARENAS 1
#define HEAP_TRIM_BYTES (256 * 1024)
#define HEAP_LARGE_BLOCK_BYTES (256 * 1024)

struct loop {
    const struct command *command;
    struct agent *agent;
    struct pollfd fds[FDS];
};

static int load(const struct command *command, struct agent_settings **settings_out)
{
    struct config_error error;
    int r =
        agent_settings_load(input_table, command->files, command->n_files, settings_out, &error);
    if (r < 0)
        log_error("configuration: %s", strerrordesc_np(-r));
    else if (r > 0)
        log_error("%s", error.text);
    return r;
}

static void reload(struct loop *loop)
{
    struct agent_settings *settings;
    notify_state("STATUS=reading the configuration again");
    if (load(loop->command, &settings) != 0) {
        log_warning("the configuration stays as it was");
    } else {
        int r = agent_reload(loop->agent, settings);
        if (r != 0)
            log_error("taking up the configuration: %s", strerrordesc_np(-r));
        else
            log_info("configuration read again");
    }
    notify_state("STATUS=");
}

/* Whether to go on. */
static bool take_signal(struct loop *loop)
{
    struct signalfd_siginfo signal;
    if (read(loop->fds[FD_SIGNAL].fd, &signal, sizeof(signal)) != sizeof(signal))
        return true;
    if (signal.ssi_signo != SIGHUP)
        return false;
    reload(loop);
    return true;
}

/* By the boot-time clock, so that a tick that passed while the machine slept is seen at once. */
static int set_tick(const struct loop *loop)
{
    int64_t next_ms = agent_next_ms(loop->agent);
    const struct itimerspec at = {
        .it_value = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000}};
    return timerfd_settime(loop->fds[FD_TICK].fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Until a signal ends it: 0, or a negative errno. */
static int turn(struct loop *loop)
{
    for (;;) {
        loop->fds[FD_INPUT] = (struct pollfd){.fd = agent_fd(loop->agent), .events = POLLIN};
        if (set_tick(loop) != 0)
            return -errno;
        if (poll(loop->fds, FDS, -1) < 0 && errno != EINTR)
            return -errno;
        if (loop->fds[FD_SIGNAL].revents != 0 && !take_signal(loop))
            return 0;
        if (loop->fds[FD_TICK].revents != 0 || loop->fds[FD_INPUT].revents != 0)
            agent_turn(loop->agent);
    }
}

static int open_signals(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); /* the threads inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static void set_up_heap(void)
{
    (void)mallopt(M_ARENA_MAX, HEAP_ARENAS); /* without these only memory is lost */
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_TRIM_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_LARGE_BLOCK_BYTES);
}

static int run(const struct command *command, struct agent_settings *settings)
{
    struct loop loop = {.command = command};
    loop.fds[FD_SIGNAL] = (struct pollfd){.fd = open_signals(), .events = POLLIN};
    loop.fds[FD_TICK] = (struct pollfd){
        .fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK), .events = POLLIN};
    if (loop.fds[FD_SIGNAL].fd < 0 || loop.fds[FD_TICK].fd < 0) {
        log_error("signals and ticks: %s", strerrordesc_np(errno));
        agent_settings_free(settings);
        return EXIT_FAILED;
    }
    int r = agent_start(settings, &loop.agent);
    if (r == 0) {
        notify_state("READY=1");
        r = turn(&loop);
        notify_state("STOPPING=1");
        log_info("ending");
        agent_stop(loop.agent);
    }
    if (r != 0)
        log_error("%s", strerrordesc_np(-r));
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILED;
}

static int print(const struct buffer *out)
{
    bool is_written = fwrite(out->data, 1, out->size, stdout) == out->size && fflush(stdout) == 0;
    if (!is_written)
        log_error("standard output: %s", strerror(errno));
    return is_written ? EXIT_SUCCESS : EXIT_FAILED;
}

static int once(struct agent_settings *settings)
{
    BUFFER_AUTO struct buffer out = {0};
    log_set_level((enum log_level)settings->log_level);
    int r = agent_once(settings, &out);
    if (r == 0)
        return print(&out);
    log_error("%s", strerrordesc_np(-r));
    return EXIT_FAILED;
}

static int print_settings(struct agent_settings *settings)
{
    BUFFER_AUTO struct buffer out = {0};
    agent_settings_print(settings, &out);
    agent_settings_free(settings);
    return print(&out);
}

static int work(const struct command *command)
{
    struct agent_settings *settings;
    set_up_heap();
    spool_tier_set_up();
    if (load(command, &settings) != 0)
        return EXIT_FAILED;
    switch (command->task) {
    case COMMAND_ONCE:
        return once(settings);
    case COMMAND_PRINT:
        return print_settings(settings);
    case COMMAND_CHECK:
        agent_settings_free(settings);
        return EXIT_SUCCESS;
    default:
        return run(command, settings);
    }
}

int main(int argc, char **argv)
{
    struct command command;
    command_parse(&command, argc, argv);
    switch (command.task) {
    case COMMAND_HELP:
        (void)fputs(command_usage, stdout);
        return EXIT_SUCCESS;
    case COMMAND_VERSION:
        (void)puts(AGENT_VERSION);
        return EXIT_SUCCESS;
    case COMMAND_WRONG:
        (void)fputs(command_usage, stderr);
        return EXIT_USAGE;
    default:
        return work(&command);
    }
}
