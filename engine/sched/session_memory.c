/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The batch that a session's memory allows. */
#include "engine/sched/memory_plan.h"
#include "engine/sched/session_types.h"

void weir_session_plan_memory (WeirSession *session)
{
  const WeirPlan *one = session->plans[1], *two = session->plans[2];
  WeirMemoryPlan plan = {
    .weight_bytes = weir_target_weight_bytes (session->target),
    .slot_bytes_1 = weir_plan_slot_bytes (one),
    .slot_bytes_2 = two ? weir_plan_slot_bytes (two) : 0,
    .n_slots = session->n_workers,
    .batch_max = session->queue.batch_max,
    .available_bytes = weir_memory_available (""),
  };
  uint32_t n = weir_memory_plan_batch (&plan);
  session->memory_planned_bytes = weir_memory_plan_bytes (&plan, n);
  if (plan.available_bytes != UINT64_MAX)
    session->memory_available_bytes = plan.available_bytes;
  if (n >= plan.batch_max)
    return;
  session->queue.batch_max = n;
  session->batch_max_reason = "memory";
  g_message ("%s: batches of at most %u, not %u: %" G_GUINT64_FORMAT
             " MB of memory are left, %u workers take %" G_GUINT64_FORMAT
             " MB with batches of %u, and half is kept for others",
      session->model->path, n, plan.batch_max, plan.available_bytes >> 20, plan.n_slots,
      weir_memory_plan_bytes (&plan, plan.batch_max) >> 20, plan.batch_max);
}
