/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Einsum: for each element of the result, the sum over all other axes of the product of operands.
 */
#include "engine/graph/einsum.h"
#include "engine/ref/ref.h"

#include <string.h>

/* An odometer over axes [first, end) with an offset into each operand. */
typedef struct Odometer {
  const WeirEinsum *einsum;
  uint32_t first, end, n_src;
  int64_t index[WEIR_EINSUM_MAX_AXES], offset[WEIR_EINSUM_MAX_SRC];
} Odometer;

static bool next (Odometer *o)
{
  for (uint32_t axis = o->end; axis-- > o->first;) {
    int64_t n = o->einsum->dims[axis];
    bool is_over = ++o->index[axis] == n;
    for (uint32_t i = 0; i < o->n_src; i++)
      o->offset[i] += o->einsum->stride[i][axis] * (is_over ? 1 - n : 1);
    if (!is_over)
      return true;
    o->index[axis] = 0;
  }
  return false;
}

/* Sum over the last axis of products of f32. */
static double sum_row (const WeirShapeJob *job, const Odometer *o, int64_t n, const int64_t *step)
{
  const float *a = weir_ref_f32 (&job->src[0]) + o->offset[0];
  const float *b = o->n_src == 2 ? weir_ref_f32 (&job->src[1]) + o->offset[1] : NULL;
  double sum = 0;
  if (o->n_src == 1)
    for (int64_t k = 0; k < n; k++)
      sum += (double) a[k * step[0]];
  else if (o->n_src == 2)
    for (int64_t k = 0; k < n; k++)
      sum += (double) a[k * step[0]] * (double) b[k * step[1]];
  else
    for (int64_t k = 0; k < n; k++) {
      double product = 1;
      for (uint32_t i = 0; i < o->n_src; i++)
        product *= (double) weir_ref_f32 (&job->src[i])[o->offset[i] + k * step[i]];
      sum += product;
    }
  return sum;
}

/* The same for integers, which wrap. */
static int64_t sum_row_int (
    const WeirShapeJob *job, const Odometer *o, int64_t n, const int64_t *step)
{
  uint64_t sum = 0;
  for (int64_t k = 0; k < n; k++) {
    uint64_t product = 1;
    for (uint32_t i = 0; i < o->n_src; i++)
      product *= (uint64_t) weir_ref_load_int (
          job->src[i].dtype, weir_tensor_data (&job->src[i]), o->offset[i] + k * step[i]);
    sum += product;
  }
  return (int64_t) sum;
}

/* `inner` walks over all summed axes but the last. */
static void sum_element (const WeirShapeJob *job, Odometer *inner, int64_t at)
{
  const WeirEinsum *e = inner->einsum;
  const WeirTensor *dst = &job->dst[0];
  bool has_row = e->n_axes > e->n_dst;
  int64_t n_row = has_row ? e->dims[e->n_axes - 1] : 1, step[WEIR_EINSUM_MAX_SRC] = { 0 };
  for (uint32_t i = 0; has_row && i < inner->n_src; i++)
    step[i] = e->stride[i][e->n_axes - 1];
  if (dst->dtype == WEIR_DTYPE_F32) {
    double sum = 0;
    do
      sum += sum_row (job, inner, n_row, step);
    while (next (inner));
    weir_ref_dst_f32 (dst)[at] = (float) sum;
  } else {
    uint64_t sum = 0;
    do
      sum += (uint64_t) sum_row_int (job, inner, n_row, step);
    while (next (inner));
    weir_ref_store_int (dst->dtype, weir_tensor_data (dst), at, (int64_t) sum);
  }
}

bool weir_ref_einsum (const WeirShapeJob *job, void *scratch, GError **error)
{
  WeirEinsum e;
  int64_t at = 0;
  if (!weir_einsum_resolve (job, &e, error))
    return false;
  int64_t n_dst = weir_ref_n (&job->dst[0]);
  size_t n_bytes = (size_t) n_dst * weir_dtype_bytes (job->dst[0].dtype);
  if (n_bytes)
    memset (weir_tensor_data (&job->dst[0]), 0, n_bytes);
  for (uint32_t i = 0; i < e.n_axes; i++)
    if (e.dims[i] == 0)
      return true;
  Odometer outer = { .einsum = &e, .end = e.n_dst, .n_src = job->node->n_src };
  do {
    Odometer inner = { .einsum = &e,
      .first = e.n_dst,
      .end = e.n_axes > e.n_dst ? e.n_axes - 1 : e.n_dst,
      .n_src = outer.n_src };
    memcpy (inner.offset, outer.offset, sizeof inner.offset);
    sum_element (job, &inner, at++);
  } while (next (&outer));
  return true;
}
