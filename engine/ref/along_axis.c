/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that walk along one axis: ArgMax, ArgMin, CumSum, CumProd. */
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

/* An axis of a plain tensor: element i of line (outer, inner) lies at (outer · n + i) · n_inner +
 * inner. */
typedef struct Lines {
  int64_t n_outer, n, n_inner;
} Lines;

static Lines find_lines (const WeirTensor *tensor, uint32_t axis)
{
  return (Lines){ weir_ref_product (tensor, 0, axis), tensor->dims[axis],
    weir_ref_product (tensor, axis + 1, tensor->rank) };
}

/* Whether element a goes before element b; NaN goes before all else, as NumPy has it. */
static bool is_beyond (const WeirTensor *src, int64_t a, int64_t b, bool is_max)
{
  const void *data = weir_tensor_data (src);
  if (weir_dtype_is_floating (src->dtype)) {
    double x = weir_ref_load (src->dtype, data, a), y = weir_ref_load (src->dtype, data, b);
    return isnan (y) ? false : isnan (x) || (is_max ? x > y : x < y);
  }
  int64_t x = weir_ref_load_int (src->dtype, data, a), y = weir_ref_load_int (src->dtype, data, b);
  if (src->dtype == WEIR_DTYPE_U64)
    return is_max ? (uint64_t) x > (uint64_t) y : (uint64_t) x < (uint64_t) y;
  return is_max ? x > y : x < y;
}

/* Masks of segmentation are millions of elements: f32 goes row by row, without a call for each. */
static void find_f32 (
    const float *src, int64_t *dst, const Lines *lines, bool is_max, bool takes_last)
{
  for (int64_t i = 1; i < lines->n; i++)
    for (int64_t inner = 0; inner < lines->n_inner; inner++) {
      float x = src[i * lines->n_inner + inner], best = src[dst[inner] * lines->n_inner + inner];
      bool is_better = is_max ? x > best : x < best;
      bool is_same = takes_last && (x == best || (isnan (x) && isnan (best)));
      if (is_better || is_same || (isnan (x) && !isnan (best)))
        dst[inner] = i;
    }
}

static void find_any (const WeirTensor *src, int64_t first, int64_t *dst, const Lines *lines,
    bool is_max, bool takes_last)
{
  for (int64_t i = 1; i < lines->n; i++)
    for (int64_t inner = 0; inner < lines->n_inner; inner++) {
      int64_t at = first + i * lines->n_inner + inner;
      int64_t best = first + dst[inner] * lines->n_inner + inner;
      if (takes_last ? !is_beyond (src, best, at, is_max) : is_beyond (src, at, best, is_max))
        dst[inner] = i;
    }
}

bool weir_ref_arg_extremum (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t *dst = weir_tensor_data (&job->dst[0]);
  bool is_max = job->node->op == WEIR_OP_ARG_MAX;
  bool takes_last = weir_node_int (job->node, "select_last_index", 0) != 0;
  uint32_t axis;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), src->rank, &axis, error))
    return false;
  Lines lines = find_lines (src, axis);
  for (int64_t outer = 0; outer < lines.n_outer && lines.n_inner; outer++) {
    int64_t first = outer * lines.n * lines.n_inner;
    memset (dst, 0, (size_t) lines.n_inner * sizeof *dst);
    if (src->dtype == WEIR_DTYPE_F32)
      find_f32 (weir_ref_f32 (src) + first, dst, &lines, is_max, takes_last);
    else
      find_any (src, first, dst, &lines, is_max, takes_last);
    dst += lines.n_inner;
  }
  return true;
}

/* One line of n elements, `step` apart and perhaps backwards; exclusive: each without itself. */
static void cumulate_line (
    const WeirShapeJob *job, int64_t first, int64_t n, int64_t step, bool is_exclusive)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  bool is_product = job->node->op == WEIR_OP_CUM_PROD;
  bool is_float = weir_dtype_is_floating (src->dtype);
  double total = is_product;
  uint64_t count = is_product;
  for (int64_t i = 0; i < n; i++) {
    int64_t at = first + i * step;
    double before = total;
    uint64_t count_before = count;
    if (is_float) {
      double x = weir_ref_load (src->dtype, weir_tensor_data (src), at);
      total = is_product ? total * x : total + x;
      weir_ref_store (dst->dtype, weir_tensor_data (dst), at, is_exclusive ? before : total);
    } else {
      uint64_t x = (uint64_t) weir_ref_load_int (src->dtype, weir_tensor_data (src), at);
      count = is_product ? count * x : count + x;
      weir_ref_store_int (
          dst->dtype, weir_tensor_data (dst), at, (int64_t) (is_exclusive ? count_before : count));
    }
  }
}

bool weir_ref_cumulate (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  bool is_exclusive = weir_node_int (job->node, "exclusive", 0) != 0;
  bool is_reverse = weir_node_int (job->node, "reverse", 0) != 0;
  int64_t given = weir_ref_load_int (job->src[1].dtype, weir_tensor_data (&job->src[1]), 0);
  uint32_t axis;
  if (!weir_axis_resolve (job->graph, job->node, given, src->rank, &axis, error))
    return false;
  Lines lines = find_lines (src, axis);
  int64_t step = is_reverse ? -lines.n_inner : lines.n_inner;
  for (int64_t outer = 0; outer < lines.n_outer; outer++)
    for (int64_t inner = 0; inner < lines.n_inner; inner++) {
      int64_t first = outer * lines.n * lines.n_inner + inner;
      first += is_reverse ? (lines.n - 1) * lines.n_inner : 0;
      cumulate_line (job, first, lines.n, step, is_exclusive);
    }
  return true;
}
