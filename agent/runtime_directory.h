/* Where the agent keeps what has to outlive the process, but not the machine's power. */
#ifndef SHOAL_AGENT_RUNTIME_DIRECTORY_H
#define SHOAL_AGENT_RUNTIME_DIRECTORY_H

#include <stddef.h>

/*
 * As configured; or what the service manager made (systemd.exec(5), RuntimeDirectory); or
 * /run/shoal-agent where that can be written; or shoal-agent in the user's own runtime directory;
 * or /run/shoal-agent again, which will then fail with a reason.
 */
void runtime_directory_find(const char *configured, char *out, size_t out_bytes);

#endif
