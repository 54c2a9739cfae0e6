#include "agent/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/procfs.h"

#define BOOT_ID_BYTES 36
#define OFFSET_KEY "boottime"

static bool is_boot_id(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef-");
    return n == BOOT_ID_BYTES && text[n] == '\0';
}

/* Seconds and nanoseconds of the line "boottime SECONDS NANOSECONDS"; zeros without the file, as on
 * kernels without time namespaces. */
static void read_offset(const char *proc, long long *seconds_out, long *nanoseconds_out)
{
    char text[PROCFS_VALUE_BYTES_MAX];
    *seconds_out = 0;
    *nanoseconds_out = 0;
    if (procfs_value(text, sizeof(text), "%s/self/timens_offsets", proc) != 0)
        return;
    const char *line = strstr(text, OFFSET_KEY);
    if (line == NULL)
        return;
    char *end;
    *seconds_out = strtoll(line + strlen(OFFSET_KEY), &end, 10);
    *nanoseconds_out = strtol(end, NULL, 10);
}

void boot_key(const char *proc, char key_out[BOOT_KEY_BYTES_MAX + 1])
{
    char id[BOOT_ID_BYTES + 2];
    long long seconds;
    long nanoseconds;
    key_out[0] = '\0';
    if (procfs_value(id, sizeof(id), "%s/sys/kernel/random/boot_id", proc) != 0 || !is_boot_id(id))
        return;
    read_offset(proc, &seconds, &nanoseconds);
    (void)snprintf(key_out, BOOT_KEY_BYTES_MAX + 1, "%s%+lld.%ld", id, seconds, nanoseconds);
}
