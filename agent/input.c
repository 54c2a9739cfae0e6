/*
 * The table of inputs. It knows their names and nothing else of them.
 */
#include "agent/input.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line for each. */
#define INPUTS(INPUT)                                                                              \
    INPUT(cpu)                                                                                     \
    INPUT(diskstats)                                                                               \
    INPUT(filefd)                                                                                  \
    INPUT(filesystem)                                                                              \
    INPUT(hwmon)                                                                                   \
    INPUT(loadavg)                                                                                 \
    INPUT(meminfo)                                                                                 \
    INPUT(netdev)                                                                                  \
    INPUT(stat)                                                                                    \
    INPUT(textfile)                                                                                \
    INPUT(time)                                                                                    \
    INPUT(uname)

#define INPUT_DECLARE(name) extern const struct input input_##name;
#define INPUT_ENTRY(name) &input_##name,

INPUTS(INPUT_DECLARE)

const struct input *const input_table[] = {INPUTS(INPUT_ENTRY) NULL};

const struct input *input_find(const char *name)
{
    for (const struct input *const *input = input_table; *input != NULL; input++)
        if (strcmp((*input)->name, name) == 0)
            return *input;
    return NULL;
}

int input_fail(struct input_error *error, int result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments); /* cut off if too long */
    va_end(arguments);
    return result;
}
