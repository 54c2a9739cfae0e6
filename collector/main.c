/* shoal-collector: the command line, signals, and the only place that ends the process. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "collector/arguments.h"
#include "collector/daemon.h"
#include "collector/decode.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Pages are large and short-lived: they are given back to the system as soon as they are sent. */
#define LARGE_BLOCK_BYTES (256 * 1024)
#define MALLOC_ARENAS 2

static void set_up_process(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES); /* without it only memory is lost */
    (void)mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    /* A connection for each target that a Prometheus has. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL); /* the threads inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
}

static int load(const struct arguments *arguments, struct settings *settings)
{
    struct config_error error;
    int r = settings_load(settings, arguments->files, arguments->n_files, &error);
    if (r < 0)
        log_error("configuration: %s", strerror(-r));
    else if (r > 0)
        log_error("%s", error.text);
    return r;
}

/* Takes up what can be taken up while running, and says what cannot. */
static void reload(const struct arguments *arguments, struct daemon *daemon,
                   const struct settings *running)
{
    struct settings fresh = {0};
    if (load(arguments, &fresh) != 0) {
        log_warning("the configuration stays as it was");
        return;
    }
    log_set_level((enum log_level)fresh.log.level);
    int r = daemon_name_nodes(daemon, &fresh.top.nodes);
    if (r < 0)
        log_error("nodes: not all could be added: %s", strerror(-r));
    BUFFER_AUTO struct buffer differing = {0};
    settings_differing(running, &fresh, &differing);
    if (differing.size > 0)
        log_warning("changes take effect at the next start: %s", buffer_string(&differing));
    else
        log_info("configuration read again");
    settings_free(&fresh);
}

static int run(const struct arguments *arguments, const struct settings *settings)
{
    sigset_t signals;
    struct daemon *daemon;
    struct daemon_error error;
    set_up_process();
    block_signals(&signals);
    log_set_level((enum log_level)settings->log.level);
    if (daemon_start(settings, clock_system(), &daemon, &error) != 0) {
        log_error("%s", error.text);
        return EXIT_FAILED;
    }
    log_info(DAEMON_VERSION ": store %s, pages on http://%s/", settings->store.directory,
             daemon_address(daemon));
    for (;;) {
        int number;
        if (sigwait(&signals, &number) != 0)
            continue;
        if (number != SIGHUP)
            break;
        reload(arguments, daemon, settings);
    }
    log_info("ending");
    daemon_stop(daemon);
    return EXIT_SUCCESS;
}

static int print(struct settings *settings)
{
    BUFFER_AUTO struct buffer out = {0};
    settings_print(&out, settings);
    return fputs(buffer_string(&out), stdout) < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}

static int work(const struct arguments *arguments)
{
    struct settings settings = {0};
    if (load(arguments, &settings) != 0)
        return EXIT_FAILED;
    int status = EXIT_SUCCESS;
    if (arguments->task == ARGUMENTS_PRINT)
        status = print(&settings);
    else if (arguments->task == ARGUMENTS_RUN)
        status = run(arguments, &settings);
    settings_free(&settings);
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "decode") == 0)
        return decode_command(argc - 1, argv + 1, stdout, stderr);
    struct arguments arguments;
    arguments_parse(&arguments, argc, argv);
    switch (arguments.task) {
    case ARGUMENTS_HELP:
        (void)fputs(arguments_usage, stdout);
        return EXIT_SUCCESS;
    case ARGUMENTS_VERSION:
        (void)puts(DAEMON_VERSION);
        return EXIT_SUCCESS;
    case ARGUMENTS_WRONG:
        (void)fputs(arguments_usage, stderr);
        return EXIT_USAGE;
    default:
        return work(&arguments);
    }
}
