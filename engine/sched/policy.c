/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Never waits: on a CPU S(n) = a + c·n has a small a, so waiting for company gains nothing. */
#include "engine/sched/policy.h"

/* What a worker may take at most while others work. */
static uint32_t fair_share (const WeirQueueView *view)
{
  uint32_t n_workers = view->n_idle_workers + view->n_busy_workers;
  uint32_t share = (view->n_queued + view->n_running - 1) / n_workers;
  return share ? share : 1;
}

uint32_t weir_policy_cut (const WeirQueueView *view, WeirCut *cut)
{
  uint32_t share = (view->n_queued + view->n_idle_workers - 1) / view->n_idle_workers;
  uint32_t n = share < view->batch_max ? share : view->batch_max;
  if (n && view->n_busy_workers && n > fair_share (view))
    n = fair_share (view);
  if (n == 0)
    *cut = WEIR_CUT_NONE;
  else if (n == view->batch_max)
    *cut = WEIR_CUT_FULL;
  else if (view->is_draining)
    *cut = WEIR_CUT_DRAIN;
  else
    *cut = view->can_grow ? WEIR_CUT_IDLE : WEIR_CUT_COMPLETE;
  return n;
}
