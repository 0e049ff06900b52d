/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many cores there are for this process. */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Those of its first thread's affinity (taskset, cpusets of containers), or fewer where its control
 * group or one around it has less time: cpu.max of version 2, which is what `docker --cpus` and
 * Kubernetes' limits set; rounded up. At least 1. Asks the system each time, which may answer
 * otherwise. Thread-safe. */
uint32_t weir_n_cores (void);
/* n, or what the groups leave of it: `groups` is the text of a /proc/PID/cgroup, their files are in
 * `folder`. */
uint32_t weir_cores_in_groups (const char *folder, const char *groups, uint32_t n);
/* What the text of a cpu.max, "QUOTA PERIOD" in µs, leaves of cores; 0: it sets no limit. */
uint32_t weir_cores_of_cpu_max (const char *text);

G_END_DECLS
