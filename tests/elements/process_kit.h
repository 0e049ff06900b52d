/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the process holds: memory, threads, open files. */
#pragma once

#include <glib.h>

typedef struct ProcessFacts {
  glong heap_kb; /* handed out by malloc; 0 under a sanitizer, which has its own */
  guint n_threads, n_files;
} ProcessFacts;

glong process_resident_kb (void);
/* Threads that GLib keeps in stock are ended first. */
ProcessFacts process_facts (void);
/* Waits some seconds until there are no more threads and files than `before`: what ends in a thread
 * of its own needs a moment. FALSE: some are left, *now says how many. */
gboolean process_wait_for (const ProcessFacts *before, ProcessFacts *now);

/* CPU time used since some moment, summed over all cores, in whole clock ticks where others are
 * counted. */
typedef struct ProcessLoad {
  gint64 machine_ns, own_ns; /* by everybody, and by this process */
} ProcessLoad;

ProcessLoad process_load (void);
/* What others used in between, a core; never more than they did. */
gint64 process_others_ns (const ProcessLoad *from, const ProcessLoad *to);
