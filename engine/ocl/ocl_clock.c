/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The times of a slot's steps, from the events of its queue. */
#include "engine/ocl/ocl.h"

static bool start (void *memory, GError **error)
{
  return weir_ocl_memory_start_timings (memory, error);
}

static void enter_step (void *memory, uint32_t step)
{
  weir_ocl_queue_enter_step (((WeirOclMemory *) memory)->queue, step);
}

static bool read_times (
    void *memory, uint32_t n_steps, uint64_t *ns, uint32_t *n_commands, GError **error)
{
  g_autoptr (GArray) timings = g_array_new (FALSE, FALSE, sizeof (WeirOclTiming));
  if (!weir_ocl_queue_take_timings (((WeirOclMemory *) memory)->queue, timings, error))
    return false;
  for (uint32_t i = 0; i < timings->len; i++) {
    const WeirOclTiming *timing = &g_array_index (timings, WeirOclTiming, i);
    g_return_val_if_fail (timing->step < n_steps, false);
    ns[timing->step] += timing->end_ns - MIN (timing->start_ns, timing->end_ns);
    n_commands[timing->step]++;
  }
  return true;
}

const WeirStepClock weir_ocl_clock = { start, enter_step, read_times };
