/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the time of a plan goes: each step's fastest of several runs, slowest steps first. */
#include "engine/sched/session_types.h"

#include <string.h>

#define N_RUNS 20

static gint by_time (gconstpointer a, gconstpointer b)
{
  uint64_t x = ((const WeirStepTime *) a)->ns, y = ((const WeirStepTime *) b)->ns;
  return x < y ? 1 : x > y ? -1 : 0;
}

static char *write_table (const WeirStepTime *times, uint32_t n_steps)
{
  GString *text = g_string_new (NULL);
  uint64_t total_ns = 0, sum_ns = 0;
  for (uint32_t i = 0; i < n_steps; i++)
    total_ns += times[i].ns;
  g_string_append_printf (text, "%u steps, %.3f ms\n", n_steps, (double) total_ns * 1e-6);
  for (uint32_t i = 0; i < n_steps; i++) {
    sum_ns += times[i].ns;
    g_string_append_printf (text, "%9.1f us  %5.1f %%  %5.1f %%  %-20s %-4s %-24s %s\n",
        (double) times[i].ns * 1e-3, 100.0 * (double) times[i].ns / (double) MAX (total_ns, 1),
        100.0 * (double) sum_ns / (double) MAX (total_ns, 1), times[i].op, times[i].backend,
        times[i].implementation, times[i].name);
  }
  return g_string_free (text, FALSE);
}

char *weir_session_profile (WeirSession *session, uint32_t n, GError **error)
{
  if (n < 1 || n > WEIR_MAX_BATCH) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_OPTION, "batch %u: 1 to %d are expected", n, WEIR_MAX_BATCH);
    return NULL;
  }
  WeirPlan *plan = weir_session_plan (session, n, error);
  g_autoptr (WeirSlot) slot = plan ? weir_slot_new (plan, NULL, error) : NULL;
  g_autofree WeirStepTime *best = NULL;
  uint32_t n_steps = 0;
  if (!slot)
    return NULL;
  weir_target_enter_thread (session->target);
  for (int run = 0; run < N_RUNS; run++) {
    const WeirStepTime *times = weir_slot_profile (slot, &n_steps, error);
    if (!times)
      return NULL;
    if (!best)
      best = g_memdup2 (times, n_steps * sizeof *times);
    for (uint32_t i = 0; i < n_steps; i++)
      best[i].ns = MIN (best[i].ns, times[i].ns);
  }
  if (n_steps)
    qsort (best, n_steps, sizeof *best, by_time);
  return write_table (best, n_steps);
}
