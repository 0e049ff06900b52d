/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much of a plan really computes in 8 bits. */
#include "engine/plan/plan_types.h"

#include <string.h>

static bool is_computing (WeirOp op)
{
  static const bool table[WEIR_N_OPS] = {
    [WEIR_OP_CONV] = true,
    [WEIR_OP_CONV_TRANSPOSE] = true,
    [WEIR_OP_GEMM] = true,
    [WEIR_OP_MAT_MUL] = true,
    [WEIR_OP_CONV_INTEGER] = true,
    [WEIR_OP_MAT_MUL_INTEGER] = true,
    [WEIR_OP_Q_LINEAR_CONV] = true,
    [WEIR_OP_Q_LINEAR_MAT_MUL] = true,
    [WEIR_OP_Q_GEMM] = true,
    [WEIR_OP_QUANTISED_CONV] = true,
    [WEIR_OP_QUANTISED_MAT_MUL] = true,
  };
  return table[op];
}

void weir_plan_count_int8 (const WeirPlan *plan, uint32_t *n_int8, uint32_t *n_total)
{
  *n_int8 = *n_total = 0;
  for (uint32_t i = 0; i < plan->steps->len; i++) {
    const WeirStep *step = &g_array_index (plan->steps, WeirStep, i);
    if (!is_computing (step->node->op))
      continue;
    WeirDtype dtype = step->spec.src[0].dtype;
    bool is_widened = g_str_has_prefix (step->backend->describe (step->kernel), "f32 ");
    *n_total += 1;
    *n_int8 += (dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8) && !is_widened;
  }
}
