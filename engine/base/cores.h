/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many cores there are for this process. */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Those of its affinity (taskset, cpusets of containers), or fewer where its control group or one
 * around it has less time: cpu.max of version 2, which is what `docker --cpus` and Kubernetes'
 * limits set; rounded up. At least 1. Asks the system each time. Thread-safe. */
uint32_t weir_n_cores (void);
/* What the text of a cpu.max, "QUOTA PERIOD" in µs, leaves of cores; 0: it sets no limit. */
uint32_t weir_cores_of_cpu_max (const char *text);

G_END_DECLS
