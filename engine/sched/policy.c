/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Never waits: on a CPU S(n) = a + c·n has a small a, so waiting for company gains nothing. */
#include "engine/sched/policy.h"

uint32_t weir_policy_cut (const WeirQueueView *view, WeirCut *cut)
{
  uint32_t share = (view->n_queued + view->n_idle_workers - 1) / view->n_idle_workers;
  uint32_t n = share < view->batch_max ? share : view->batch_max;
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
