/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of a plan really computes in 8 bits. */
#include "engine/graph/cost.h"
#include "engine/plan/plan_types.h"

WeirDtype weir_step_dtype (const WeirStep *step)
{
  static const struct {
    const char *prefix;
    WeirDtype dtype;
  } named[] = { { "f32 ", WEIR_DTYPE_F32 }, { "bf16 ", WEIR_DTYPE_BF16 } };
  WeirDtype dtype = step->spec.n_src ? step->spec.src[0].dtype : WEIR_DTYPE_NONE;
  for (uint32_t i = 0; i < G_N_ELEMENTS (named); i++)
    if (g_str_has_prefix (step->backend->describe (step->kernel), named[i].prefix))
      return named[i].dtype;
  return dtype == WEIR_DTYPE_I8 ? WEIR_DTYPE_U8 : dtype;
}

void weir_plan_count_int8 (const WeirPlan *plan, uint32_t *n_int8, uint32_t *n_total)
{
  *n_int8 = *n_total = 0;
  for (uint32_t i = 0; i < plan->steps->len; i++) {
    const WeirStep *step = &g_array_index (plan->steps, WeirStep, i);
    for (const WeirStep *part = step; part; part = part->before)
      *n_total += weir_node_weights (part->node) != WEIR_NONE;
    if (weir_node_weights (step->node) != WEIR_NONE)
      *n_int8 += weir_step_dtype (step) == WEIR_DTYPE_U8;
  }
}
