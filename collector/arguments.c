#include "collector/arguments.h"

#include <getopt.h>
#include <unistd.h>

const char arguments_usage[] =
    "usage: shoal-collector [--config FILE]... [--check | --print-config]\n"
    "       shoal-collector decode ...\n"
    "Takes in the frames of shoal's agents over MQTT, stores them, and serves them to Prometheus.\n"
    "\n"
    "  --config FILE    a YAML file, or a directory with *.yaml; later ones win (default\n"
    "                   " ARGUMENTS_FILE_DEFAULT ", where it is there)\n"
    "  --check          only see whether the configuration is good\n"
    "  --print-config   print all options with the values in force\n"
    "  --version\n"
    "  --help\n"
    "\n"
    "SIGHUP reads the configuration again, SIGTERM and SIGINT end it.\n";

static void take(struct arguments *arguments, int option, const char *value)
{
    enum arguments_task task = arguments->task;
    if (option == 'f' && arguments->n_files < ARGUMENTS_FILES_MAX)
        arguments->files[arguments->n_files++] = value;
    else if (option == 'c')
        task = ARGUMENTS_CHECK;
    else if (option == 'p')
        task = ARGUMENTS_PRINT;
    else if (option == 'v')
        task = ARGUMENTS_VERSION;
    else if (option == 'h')
        task = ARGUMENTS_HELP;
    else
        task = ARGUMENTS_WRONG;
    if (arguments->task != ARGUMENTS_WRONG)
        arguments->task = task;
}

void arguments_parse(struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'f'}, {"check", no_argument, NULL, 'c'},
        {"print-config", no_argument, NULL, 'p'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {0}};
    *arguments = (struct arguments){.task = ARGUMENTS_RUN};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take(arguments, option, optarg);
    if (optind < argc)
        arguments->task = ARGUMENTS_WRONG;
    if (arguments->n_files == 0 && access(ARGUMENTS_FILE_DEFAULT, F_OK) == 0)
        arguments->files[arguments->n_files++] = ARGUMENTS_FILE_DEFAULT;
}
