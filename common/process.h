/* process_*: what Prometheus client libraries tell of their own process (proc(5)). */
#ifndef SHOAL_COMMON_PROCESS_H
#define SHOAL_COMMON_PROCESS_H

#include "common/reading.h"

/* Adds process_cpu_seconds_total, _resident_memory_bytes, _virtual_memory_bytes,
 * _virtual_memory_max_bytes, _start_time_seconds, _open_fds, _max_fds of this process.
 * 0 or a negative errno of reading `proc` ("/proc"). */
WARN_UNUSED int process_read(const char *proc, struct reading *reading);

#endif
