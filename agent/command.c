#include "agent/command.h"

#include <getopt.h>
#include <unistd.h>

const char command_usage[] =
    "usage: shoal-agent [--config FILE]... [--once | --check | --print-config]\n"
    "Samples this machine and sends what it finds over MQTT to a shoal-collector.\n"
    "\n"
    "  --config FILE    a YAML file, or a directory with *.yaml; later ones win (default\n"
    "                   " COMMAND_FILE_DEFAULT ", where it is there)\n"
    "  --once           print one reading of every input as Prometheus text; needs no broker\n"
    "  --check          only see whether the configuration is good\n"
    "  --print-config   print all options with the values in force\n"
    "  --version\n"
    "  --help\n"
    "\n"
    "SIGHUP reads the configuration again, SIGTERM and SIGINT end it.\n";

static enum command_task task_of(int option)
{
    switch (option) {
    case 'o':
        return COMMAND_ONCE;
    case 'c':
        return COMMAND_CHECK;
    case 'p':
        return COMMAND_PRINT;
    case 'v':
        return COMMAND_VERSION;
    case 'h':
        return COMMAND_HELP;
    default:
        return COMMAND_WRONG;
    }
}

static void take(struct command *command, int option, const char *value)
{
    if (option != 'f') {
        enum command_task task = task_of(option);
        /* Two tasks at once are none; help is always had. */
        if (command->task == COMMAND_RUN || task == COMMAND_HELP)
            command->task = task;
        else if (command->task != task && command->task != COMMAND_HELP)
            command->task = COMMAND_WRONG;
    } else if (command->n_files < COMMAND_FILES_MAX) {
        command->files[command->n_files++] = value;
    } else {
        command->task = COMMAND_WRONG;
    }
}

void command_parse(struct command *command, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'f'},
        {"once", no_argument, NULL, 'o'},
        {"check", no_argument, NULL, 'c'},
        {"print-config", no_argument, NULL, 'p'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    *command = (struct command){.task = COMMAND_RUN};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take(command, option, optarg);
    if (optind < argc)
        command->task = COMMAND_WRONG;
    if (command->n_files == 0 && access(COMMAND_FILE_DEFAULT, F_OK) == 0)
        command->files[command->n_files++] = COMMAND_FILE_DEFAULT;
}
