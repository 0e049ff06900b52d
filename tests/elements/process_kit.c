/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Read from /proc/self and the C library. */
#include "process_kit.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_LOOKS 500

glong process_resident_kb (void)
{
  g_autofree gchar *text = NULL;
  g_file_get_contents ("/proc/self/status", &text, NULL, NULL);
  const gchar *line = text ? strstr (text, "VmRSS:") : NULL;
  return line ? strtol (line + strlen ("VmRSS:"), NULL, 10) : 0;
}

static guint count_entries (const gchar *folder)
{
  guint n = 0;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

ProcessFacts process_facts (void)
{
  g_thread_pool_stop_unused_threads ();
  const struct mallinfo2 heap = mallinfo2 ();
  return (ProcessFacts){ .heap_kb = (glong) ((heap.uordblks + heap.hblkhd) / 1024),
    .n_threads = count_entries ("/proc/self/task"),
    .n_files = count_entries ("/proc/self/fd") };
}

gboolean process_wait_for (const ProcessFacts *before, ProcessFacts *now)
{
  for (guint i = 0; i < N_LOOKS; i++) {
    *now = process_facts ();
    if (now->n_threads <= before->n_threads && now->n_files <= before->n_files)
      return TRUE;
    g_usleep (10 * 1000);
  }
  return FALSE;
}

ProcessLoad process_load (void)
{
  /* user, nice, system, idle, iowait, irq, softirq, steal */
  unsigned long long ticks[8] = { 0 };
  struct timespec own = { .tv_sec = 0 };
  FILE *file = fopen ("/proc/stat", "r");
  if (file) {
    if (fscanf (file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1],
            &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]) != 8)
      memset (ticks, 0, sizeof ticks);
    fclose (file);
  }
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &own);
  const gint64 busy = (gint64) (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]);
  return (
      ProcessLoad){ .machine_ns = busy * (G_GINT64_CONSTANT (1000000000) / sysconf (_SC_CLK_TCK)),
    .own_ns = own.tv_sec * G_GINT64_CONSTANT (1000000000) + own.tv_nsec };
}

gint64 process_others_ns (const ProcessLoad *from, const ProcessLoad *to)
{
  /* each core's time is rounded to ticks */
  const gint64 n_cores = (gint64) g_get_num_processors ();
  const gint64 error_ns = n_cores * (G_GINT64_CONSTANT (1000000000) / sysconf (_SC_CLK_TCK));
  const gint64 others_ns =
      (to->machine_ns - from->machine_ns) - (to->own_ns - from->own_ns) - error_ns;
  return MAX (others_ns, 0) / n_cores;
}
