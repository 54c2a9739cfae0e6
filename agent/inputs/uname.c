/*
 * uname: the kernel's names of the machine and of itself, from uname(2).
 */
#include "agent/input.h"
#include "agent/utf8.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

static const struct family info_family = FAMILY(
    GAUGE, "node_uname_info", "Labeled system information as provided by the uname system call.");

static int uname_read(void *state, struct reading *reading, struct input_error *error)
{
    (void)state;
    struct utsname names;
    char nodename[UTF8_REPAIRED_BYTES(sizeof(names.nodename))];
    char domainname[UTF8_REPAIRED_BYTES(sizeof(names.domainname))];
    if (uname(&names) < 0)
        return input_fail(error, -errno, "uname: %s", strerror(errno));
    /* The two that people set; the others are the kernel's own and plain. */
    utf8_repair(nodename, sizeof(nodename), names.nodename);
    utf8_repair(domainname, sizeof(domainname), names.domainname);
    reading_add(reading, &info_family, 1.0,
                LABELS({"domainname", domainname}, {"machine", names.machine},
                       {"nodename", nodename}, {"release", names.release},
                       {"sysname", names.sysname}, {"version", names.version}));
    return 0;
}

const struct input input_uname = {
    .name = "uname",
    .job = "node",
    .help = "Names of the kernel, its release and the machine.",
    .is_on = true,
    .node_collector = "uname",
    .read = uname_read,
};
