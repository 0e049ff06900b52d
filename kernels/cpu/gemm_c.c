/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products for every CPU: what the other variants must equal. */
#include "kernels/gemm.h"
#include "kernels/tensor_kernels.h"

#include <math.h>
#include <string.h>

void weir_gemm_c (const WeirGemm *task);

static void activate (const WeirActivation *activation, float *values, size_t n)
{
  static const WeirUnary unaries[] = {
    [WEIR_ACTIVATION_CLIP] = WEIR_UNARY_CLIP,
    [WEIR_ACTIVATION_LEAKY_RELU] = WEIR_UNARY_LEAKY_RELU,
    [WEIR_ACTIVATION_HARD_SWISH] = WEIR_UNARY_HARD_SWISH,
    [WEIR_ACTIVATION_ROUND_TO_CODES] = WEIR_UNARY_ROUND_TO_CODES,
    [WEIR_ACTIVATION_SIGMOID] = WEIR_UNARY_SIGMOID,
    [WEIR_ACTIVATION_SWISH] = WEIR_UNARY_SWISH,
    [WEIR_ACTIVATION_ROUND_TO_LEVELS] = WEIR_UNARY_ROUND_TO_LEVELS,
  };
  bool is_range = activation->kind == WEIR_ACTIVATION_CLIP ||
                  activation->kind == WEIR_ACTIVATION_ROUND_TO_LEVELS;
  float sums[WEIR_GEMM_PANEL];
  if (activation->kind == WEIR_ACTIVATION_NONE)
    return;
  memcpy (sums, values, n * sizeof *sums);
  weir_tensor_kernels_variant (0)->unary[unaries[activation->kind]](values, sums, n,
      is_range ? activation->least : activation->alpha,
      is_range ? activation->most : activation->least);
}

/* Columns `first` on of row r. */
static void multiply (const WeirGemm *task, size_t r, size_t first, size_t n)
{
  size_t depth = weir_gemm_depth (task);
  const float *a = (const float *) task->a + r * task->a_row;
  const float *b = (const float *) task->b + first * depth;
  const float *added = task->added;
  float sums[WEIR_GEMM_PANEL] = { 0.0f }, *dst = (float *) task->dst + r * task->dst_row + first;
  if (task->bias)
    memcpy (sums, task->bias + first, n * sizeof *sums);
  for (size_t k = 0; k < depth; k++, b += WEIR_GEMM_PANEL)
    for (size_t c = 0; c < n; c++)
      sums[c] = fmaf (a[k / task->n_inner * task->a_segment + k % task->n_inner], b[c], sums[c]);
  for (size_t c = 0; task->added && !task->adds_last && c < n; c++)
    sums[c] += added[r * task->dst_row + first + c];
  activate (&task->activation, sums, n);
  for (size_t c = 0; task->added && task->adds_last && c < n; c++)
    sums[c] += added[r * task->dst_row + first + c];
  memcpy (dst, sums, n * sizeof *sums);
}

void weir_gemm_c (const WeirGemm *task)
{
  for (size_t first = 0; first < task->n_columns; first += WEIR_GEMM_PANEL) {
    size_t n = task->n_columns - first;
    for (size_t r = 0; r < task->n_rows; r++)
      multiply (task, r, first, n < WEIR_GEMM_PANEL ? n : WEIR_GEMM_PANEL);
  }
}
