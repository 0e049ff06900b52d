/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof that a rewritten batch is right: random x and y run as a batch [x, y] must give what
 * they give alone, in the session's own precision. */
#include "engine/sched/session_types.h"

#include <math.h>
#include <string.h>

/* Of the largest value of an output: rounding in another order of summation, f32 and bf16. */
#define TOLERANCE_F32  2e-4f
#define TOLERANCE_BF16 4e-2f

/* Writes row `row` with noise of a seed of its own, in any of the formats an input may have. */
static void fill_row (const WeirTensor *input, uint32_t n, uint32_t row, uint32_t seed)
{
  size_t n_bytes = 0, size = weir_dtype_bytes (input->dtype);
  weir_tensor_bytes (input, &n_bytes);
  size_t n_elements = n_bytes / size / n;
  char *data = (char *) weir_tensor_data (input) + n_elements * size * row;
  uint32_t state = seed * 2654435761u + 1;
  memset (data, 0, n_elements * size);
  for (size_t i = 0; i < n_elements; i++) {
    state = state * 1664525u + 1013904223u;
    float value = (float) (state >> 16) / 65536.0f; /* 0..1: an image, scaled */
    uint32_t bits;
    memcpy (&bits, &value, sizeof bits);
    if (input->dtype == WEIR_DTYPE_F32)
      memcpy (data + i * 4, &bits, 4);
    else if (input->dtype == WEIR_DTYPE_BF16)
      memcpy (data + i * 2, (char *) &bits + 2, 2);
    else
      data[i * size] = (char) (state >> 28);
  }
}

/* Noise for an input whose rows are columns. */
static void fill_column (
    const WeirModel *model, uint32_t k, const WeirTensor *input, uint32_t row, uint32_t seed)
{
  WeirTensor one = model->facts.inputs[k];
  size_t n_bytes = 0;
  one.dtype = input->dtype;
  weir_tensor_bytes (&one, &n_bytes);
  g_autofree char *bytes = g_malloc0 (n_bytes + 1);
  one.buffer = bytes;
  fill_row (&one, 1, 0, seed);
  weir_rows_write_tensor (model, k, &one, 1, 0, input, row);
}

static void fill_inputs (
    const WeirModel *model, const WeirSlot *slot, uint32_t n, uint32_t row, uint32_t seed)
{
  for (uint32_t k = 0; k < model->facts.n_inputs; k++) {
    const WeirTensor *values = &model->fills[k].values, *input = weir_slot_input (slot, k);
    if (values->dtype != WEIR_DTYPE_NONE)
      weir_rows_write_tensor (model, k, values, 1, 0, input, row);
    else if (weir_model_input_axis (model, k) == 1)
      fill_column (model, k, input, row, seed + k * 1000);
    else
      fill_row (input, n, row, seed + k * 1000);
  }
}

static bool rows_agree (
    const WeirTensor *single, const WeirTensor *pair, uint32_t row, float tolerance)
{
  size_t single_bytes = 0, pair_bytes = 0;
  weir_tensor_bytes (single, &single_bytes);
  weir_tensor_bytes (pair, &pair_bytes);
  if (pair_bytes != 2 * single_bytes)
    return false;
  const char *a = weir_tensor_data (single),
             *b = (const char *) weir_tensor_data (pair) + row * single_bytes;
  if (single->dtype != WEIR_DTYPE_F32)
    return memcmp (a, b, single_bytes) == 0;
  const float *x = (const float *) (const void *) a, *y = (const float *) (const void *) b;
  float largest = 1e-6f, difference = 0;
  for (size_t i = 0; i < single_bytes / sizeof *x; i++) {
    if (isfinite (x[i]))
      largest = MAX (largest, fabsf (x[i]));
    if (x[i] == y[i] || (isnan (x[i]) && isnan (y[i])))
      continue;
    if (!isfinite (x[i]) || !isfinite (y[i]))
      return false;
    difference = MAX (difference, fabsf (x[i] - y[i]));
  }
  return difference <= tolerance * largest;
}

static bool run_pair (
    WeirSession *session, WeirSlot *single, WeirSlot *pair, bool *proved, GError **error)
{
  const WeirModel *model = session->model;
  float tolerance = weir_target_precision (session->target) == WEIR_PRECISION_F32 ? TOLERANCE_F32
                                                                                  : TOLERANCE_BF16;
  fill_inputs (model, pair, 2, 0, 1);
  fill_inputs (model, pair, 2, 1, 2);
  if (!weir_slot_run (pair, error))
    return false;
  *proved = true;
  for (uint32_t row = 0; row < 2 && *proved; row++) {
    fill_inputs (model, single, 1, 0, row + 1);
    if (!weir_slot_run (single, error))
      return false;
    for (uint32_t k = 0; k < model->facts.n_outputs; k++)
      *proved &=
          rows_agree (weir_slot_output (single, k), weir_slot_output (pair, k), row, tolerance);
  }
  return true;
}

bool weir_session_prove (WeirSession *session, bool *proved, GError **error)
{
  WeirPlan *one = weir_session_plan (session, 1, error);
  WeirPlan *two = one ? weir_session_plan (session, 2, NULL) : NULL;
  *proved = false;
  if (!one || !two)
    return one != NULL;
  g_autoptr (WeirSlot) single = weir_slot_new (one, NULL, error);
  g_autoptr (WeirSlot) pair = weir_slot_new (two, NULL, error);
  return single && pair && run_pair (session, single, pair, proved, error);
}
