/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The crew: threads of the process that help whoever runs a network while cores are idle.
 *
 * A batch runs on the worker that took it. While the process runs fewer batches than there are
 * cores, the parts of its steps may be taken by the crew as well; whoever is free takes the next
 * part, the worker itself included, so nobody waits for a thread that does not come. What is
 * computed does not depend on who took which part. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

#define WEIR_CPU_MAX_PARTS 64

/* The crew lives from the first to the last unref: one thread less than the process may use cores.
 * Thread-safety: safe. */
void weir_cpu_crew_ref (void);
void weir_cpu_crew_unref (void);
/* The calling thread begins a batch; until it ends it the crew may help, while it is the only one
 * or there are cores enough. They do not nest. The second tells for how long the crew's threads
 * computed. */
void weir_cpu_crew_begin (void);
uint64_t weir_cpu_crew_end (void);
/* True where the crew would help the calling thread now. */
bool weir_cpu_crew_helps (void);
/* Calls `body` for every part in 0..n_parts (at most WEIR_CPU_MAX_PARTS) and returns when all are
 * done. Parts run side by side where the crew helps, else one after the other. Not to be called by
 * `body`. */
void weir_cpu_crew_run (
    uint32_t n_parts, void (*body) (const void *job, uint32_t part), const void *job);

G_END_DECLS
