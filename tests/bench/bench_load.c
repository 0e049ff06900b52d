/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One load of a model, with automatic batching or without, as a line of JSON: bench_load.py runs
 * many. Nothing is inferred: memory is that of the session after it was opened, and after the half
 * second in which an idle worker may measure batches. */
#include "engine/weir.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static double seconds_of (clockid_t clock)
{
  struct timespec t;
  clock_gettime (clock, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* A line of /proc/self/status, "VmRSS:" or "VmHWM:". */
static double memory_mb (const char *key)
{
  char line[128];
  double mb = 0;
  FILE *file = fopen ("/proc/self/status", "re");
  while (file && fgets (line, sizeof line, file))
    if (strncmp (line, key, strlen (key)) == 0)
      mb = g_ascii_strtod (line + strlen (key), NULL) / 1024;
  if (file)
    fclose (file);
  return mb;
}

int main (int argc, char **argv)
{
  GError *error = NULL;
  WeirStats stats;
  if (argc != 3 || (strcmp (argv[2], "batches") != 0 && strcmp (argv[2], "singles") != 0)) {
    fprintf (stderr, "usage: bench_load MODEL batches|singles\n");
    return 2;
  }
  const WeirSessionOptions options = { .model = argv[1],
    .batch_timeout_ms = -1,
    .disallow_auto_batching = strcmp (argv[2], "singles") == 0 };
  double cpu_s = seconds_of (CLOCK_PROCESS_CPUTIME_ID), wall_s = seconds_of (CLOCK_MONOTONIC);
  WeirSession *session = weir_session_open (&options, &error);
  wall_s = seconds_of (CLOCK_MONOTONIC) - wall_s;
  cpu_s = seconds_of (CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
  if (!session) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  double loaded_mb = memory_mb ("VmRSS:");
  g_usleep (500000);
  weir_session_stats (session, &stats);
  printf ("{\"load_ms\":%.2f,\"cpu_ms\":%.2f,\"loaded_mb\":%.1f,\"idle_mb\":%.1f,\"peak_mb\":%.1f,"
          "\"weights_mb\":%.2f,\"planned_mb\":%.2f,\"batch_max\":%u,\"fixed_us\":%" G_GUINT64_FORMAT
          ",\"per_item_us\":%" G_GUINT64_FORMAT "}\n",
      wall_s * 1e3, cpu_s * 1e3, loaded_mb, memory_mb ("VmRSS:"), memory_mb ("VmHWM:"),
      (double) stats.memory_bytes / 1048576, (double) stats.memory_planned_bytes / 1048576,
      stats.batch_max, stats.service_fixed_us, stats.service_per_item_us);
  weir_session_unref (session);
  return 0;
}
