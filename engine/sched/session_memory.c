/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The batch that a session's memory allows: the host's, and that of a device with memory of its
 * own.
 */
#include "engine/sched/memory_plan.h"
#include "engine/sched/session_types.h"

static uint64_t slot_bytes (const WeirPlan *plan, bool of_host, bool of_device)
{
  return (of_host ? weir_plan_slot_bytes (plan) : 0) +
         (of_device ? weir_plan_device_bytes (plan) : 0);
}

static WeirMemoryPlan make_plan (
    const WeirSite *site, bool of_host, bool of_device, uint64_t available_bytes)
{
  const WeirPlan *one = site->plans[1], *two = site->plans[2];
  return (WeirMemoryPlan){ .slot_bytes_1 = slot_bytes (one, of_host, of_device),
    .slot_bytes_2 = two ? slot_bytes (two, of_host, of_device) : 0,
    .n_slots = site->n_workers,
    .batch_max = site->batch_max,
    .available_bytes = available_bytes };
}

static void lower_batch (WeirSite *site, const WeirMemoryPlan *plan, uint32_t n, bool is_device)
{
  site->batch_max = n;
  site->batch_max_reason = "memory";
  g_message ("%s: batches of at most %u, not %u: %" G_GUINT64_FORMAT
             " MB of %s are left, %u workers take %" G_GUINT64_FORMAT
             " MB with batches of %u, and half is kept for others",
      site->session->model->path, n, plan->batch_max, plan->available_bytes >> 20,
      is_device ? "the device's memory" : "memory", plan->n_slots,
      weir_memory_plan_bytes (plan, plan->batch_max) >> 20, plan->batch_max);
}

void weir_site_plan_memory (WeirSite *site)
{
  WeirDeviceLimits limits = { 0 };
  bool has_device = weir_target_limits (site->target, &limits);
  bool is_apart = has_device && !limits.is_host_memory;
  uint64_t left_bytes = weir_memory_available ("");
  if (has_device && !is_apart)
    left_bytes = MIN (left_bytes, limits.available_bytes);
  WeirMemoryPlan host = make_plan (site, true, !is_apart, left_bytes);
  WeirMemoryPlan device =
      make_plan (site, false, is_apart, is_apart ? limits.available_bytes : UINT64_MAX);
  host.weight_bytes = weir_target_weight_bytes (site->target);
  uint32_t n_host = weir_memory_plan_batch (&host), n_device = weir_memory_plan_batch (&device);
  uint32_t n = MIN (n_host, n_device);
  site->memory_planned_bytes =
      weir_memory_plan_bytes (&host, n) + weir_memory_plan_bytes (&device, n);
  uint64_t against_bytes = is_apart ? device.available_bytes : host.available_bytes;
  if (against_bytes != UINT64_MAX)
    site->memory_available_bytes = against_bytes;
  if (n < site->batch_max)
    lower_batch (site, n_device < n_host ? &device : &host, n, n_device < n_host);
}
