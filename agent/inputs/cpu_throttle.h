/*
 * Part of the cpu input: how often cores and packages were throttled for their heat
 * (/sys/devices/system/cpu/cpuN/thermal_throttle). Each core and package is read once, by one of
 * its CPUs; which those are is found out anew when other CPUs are online than before.
 */
#ifndef SHOAL_AGENT_INPUTS_CPU_THROTTLE_H
#define SHOAL_AGENT_INPUTS_CPU_THROTTLE_H

#include "common/reading.h"

struct cpu_throttle;

/* NULL when out of memory. */
struct cpu_throttle *cpu_throttle_new(const char *sys);
void cpu_throttle_free(struct cpu_throttle *throttle); /* may be NULL */

/* Tells that a CPU is online, for the next read. */
void cpu_throttle_see(struct cpu_throttle *throttle, unsigned cpu);

/* Adds the counts, by the CPUs seen since the last read. 0 or -ENOMEM. */
WARN_UNUSED int cpu_throttle_read(struct cpu_throttle *throttle, struct reading *reading);

#endif
