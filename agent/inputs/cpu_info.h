/*
 * Part of the cpu input: what the CPUs are, and their flags and bugs, from /proc/cpuinfo.
 */
#ifndef SHOAL_AGENT_INPUTS_CPU_INFO_H
#define SHOAL_AGENT_INPUTS_CPU_INFO_H

#include "agent/filter.h"
#include "agent/input.h"

struct cpu_info_config {
    bool is_on;          /* either of the two below turns it on too */
    char *flags_include; /* regular expressions; empty: none are told */
    char *bugs_include;
};

struct cpu_info;

/* *info_out is NULL if the configuration wants nothing of it. 0 or a negative errno with *error
 * filled. */
WARN_UNUSED int cpu_info_new(const struct cpu_info_config *config, const char *proc,
                             struct cpu_info **info_out, struct input_error *error);
void cpu_info_free(struct cpu_info *info); /* may be NULL */

/* 0 or a negative errno with *error filled. */
WARN_UNUSED int cpu_info_read(struct cpu_info *info, struct reading *reading,
                              struct input_error *error);

#endif
