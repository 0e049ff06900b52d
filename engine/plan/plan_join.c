/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps that a backend runs as one, so that what is between them stays in its caches. */
#include "engine/plan/plan_types.h"

static const WeirStep *last_step (const WeirPlan *plan)
{
  return plan->steps->len ? &g_array_index (plan->steps, WeirStep, plan->steps->len - 1) : NULL;
}

static bool reads (const WeirPlan *plan, const WeirStep *step, uint32_t root)
{
  for (; step; step = step->before)
    for (uint32_t i = 0; i < step->spec.n_src; i++)
      if (step->src[i] != WEIR_NONE && weir_plan_instance (plan, step->src[i])->root == root)
        return true;
  return false;
}

bool weir_plan_may_join (const WeirPlan *plan, const WeirBackend *backend, uint32_t node,
    WeirStepSpec *spec, const uint32_t *src)
{
  const WeirStep *last = last_step (plan);
  if (!last || last->backend != backend || !backend->may_join || last->spec.n_dst != 1 ||
      spec->n_src == 0 || src[0] == WEIR_NONE || last->dst[0] != src[0] ||
      weir_plan_instance (plan, src[0])->root != src[0] ||
      !weir_plan_is_last_reader (plan, node, spec, src, 0) ||
      !backend->may_join (last->kernel, spec))
    return false;
  for (uint32_t i = 0; i < MIN (spec->n_src, 32); i++)
    if (src[i] != WEIR_NONE && reads (plan, last, weir_plan_instance (plan, src[i])->root))
      spec->may_overwrite &= ~(1u << i);
  return true;
}

void weir_plan_join (WeirPlan *plan, WeirStep *step, size_t *scratch_bytes)
{
  WeirStep *before = weir_arena_memdup (plan->arena, last_step (plan), sizeof *before);
  g_array_set_size (plan->steps, plan->steps->len - 1);
  step->kernel = step->backend->join (before->kernel, step->kernel, scratch_bytes);
  step->before = before;
  weir_plan_instance (plan, before->dst[0])->is_between = true;
}

uint32_t weir_step_sources (const WeirStep *step, uint32_t *ids)
{
  uint32_t n = step->before ? weir_step_sources (step->before, ids) : 0;
  for (uint32_t i = 0; i < step->spec.n_src; i++, n++)
    if (ids)
      ids[n] = i == 0 && step->before ? WEIR_NONE : step->src[i];
  return n;
}
