#include "tests/unit/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PROGRAM "/usr/sbin/mosquitto"
#define START_MS_MAX 20000

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t broker_free_port(void)
{
    struct sockaddr_in address = address_of(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool is_answering(uint16_t port)
{
    struct sockaddr_in address = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    bool is_connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_connected;
}

void broker_init(struct broker *broker)
{
    *broker = (struct broker){.port = broker_free_port()};
    tree_init(&broker->files);
}

void broker_deinit(struct broker *broker)
{
    broker_kill(broker);
    tree_deinit(&broker->files);
}

void broker_path(const struct broker *broker, const char *name, char path[BROKER_PATH_BYTES_MAX])
{
    assert_in_range(snprintf(path, BROKER_PATH_BYTES_MAX, "%s/%s", broker->files.root, name), 1,
                    BROKER_PATH_BYTES_MAX - 1);
}

void broker_write(const struct broker *broker, const char *name, const char *text)
{
    tree_write(&broker->files, name, text);
}

static void show_log(const struct broker *broker)
{
    char path[BROKER_PATH_BYTES_MAX], line[512];

    broker_path(broker, "log", path);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        print_error("mosquitto: %s", line);
    if (file != NULL)
        fclose(file);
}

/* Run by root it would change to a user who cannot read the directory. */
static void write_configuration(const struct broker *broker, const char *lines)
{
    char text[4096];

    assert_in_range(snprintf(text, sizeof text, "%slistener %u 127.0.0.1\n%s\n",
                             geteuid() == 0 ? "user root\n" : "", broker->port, lines),
                    1, sizeof text - 1);
    broker_write(broker, "mosquitto.conf", text);
}

/* In the child, between fork and exec: only what is safe there. */
static void run(const char *configuration, const char *log)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (freopen(log, "a", stderr) == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        _exit(126);
    execl(PROGRAM, PROGRAM, "-v", "-c", configuration, (char *)NULL);
    _exit(127);
}

void broker_start(struct broker *broker, const char *lines)
{
    char configuration[BROKER_PATH_BYTES_MAX], log[BROKER_PATH_BYTES_MAX];
    int64_t deadline_ms = now_ms() + START_MS_MAX;

    assert_int_equal(broker->pid, 0);
    write_configuration(broker, lines);
    broker_path(broker, "mosquitto.conf", configuration);
    broker_path(broker, "log", log);
    broker->pid = fork();
    assert_true(broker->pid >= 0);
    if (broker->pid == 0)
        run(configuration, log);
    while (!is_answering(broker->port)) {
        if (waitpid(broker->pid, NULL, WNOHANG) != 0 || now_ms() > deadline_ms) {
            show_log(broker);
            fail_msg("%s does not answer on port %u", PROGRAM, broker->port);
        }
        (void)poll(NULL, 0, 5);
    }
}

static void end(struct broker *broker, int signal)
{
    pid_t pid = broker->pid;

    if (pid == 0)
        return;
    broker->pid = 0;
    assert_int_equal(kill(pid, signal), 0);
    while (waitpid(pid, NULL, 0) < 0)
        assert_int_equal(errno, EINTR);
}

void broker_stop(struct broker *broker)
{
    end(broker, SIGTERM);
}

void broker_kill(struct broker *broker)
{
    end(broker, SIGKILL);
}

void broker_freeze(const struct broker *broker)
{
    assert_int_equal(kill(broker->pid, SIGSTOP), 0);
}

void broker_thaw(const struct broker *broker)
{
    assert_int_equal(kill(broker->pid, SIGCONT), 0);
}

/* Asked for by ThreadSanitizer alone. libmosquitto 2.0.11 unlocks a mutex that it does not hold
 * when the broker sends DISCONNECT (do_client_disconnect in its lib/connect.c). */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "mutex:libmosquitto.so\n";
}
