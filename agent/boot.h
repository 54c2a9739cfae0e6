/* Which boot this is: the key of everything that is told in boot time. */
#ifndef SHOAL_AGENT_BOOT_H
#define SHOAL_AGENT_BOOT_H

#include "common/series.h"

#define BOOT_KEY_BYTES_MAX 95

/*
 * The kernel's boot_id and the boot clock's offset in this time namespace (time_namespaces(7)),
 * which a restored container may have, too: "8f40038b-0a5a-4890-92ae-3f225166c657+0.0". No blank
 * in it. `proc` is "/proc". "" where the kernel does not tell.
 */
void boot_key(const char *proc, char key_out[BOOT_KEY_BYTES_MAX + 1]);

#endif
