/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Size, Range, EyeLike and Trilu: elements that follow from where they stand; and Simulate. */
#include "engine/ref/ref.h"

#include <string.h>

bool weir_ref_size (const WeirShapeJob *job, void *scratch, GError **error)
{
  weir_ref_store_int (
      job->dst[0].dtype, weir_tensor_data (&job->dst[0]), 0, weir_ref_n (&job->src[0]));
  return true;
}

bool weir_ref_range (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *start = &job->src[0], *delta = &job->src[2], *dst = &job->dst[0];
  if (weir_dtype_is_floating (dst->dtype)) {
    double from = (double) weir_ref_f32 (start)[0], step = (double) weir_ref_f32 (delta)[0];
    for (int64_t i = 0; i < dst->dims[0]; i++)
      weir_ref_dst_f32 (dst)[i] = (float) (from + (double) i * step);
    return true;
  }
  uint64_t value = (uint64_t) weir_ref_load_int (start->dtype, weir_tensor_data (start), 0);
  uint64_t step = (uint64_t) weir_ref_load_int (delta->dtype, weir_tensor_data (delta), 0);
  for (int64_t i = 0; i < dst->dims[0]; i++, value += step)
    weir_ref_store_int (dst->dtype, weir_tensor_data (dst), i, (int64_t) value);
  return true;
}

bool weir_ref_eye_like (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *dst = &job->dst[0];
  int64_t k = weir_node_int (job->node, "k", 0), at = 0;
  k = CLAMP (k, -dst->dims[0], dst->dims[1]);
  for (int64_t row = 0; row < dst->dims[0]; row++)
    for (int64_t column = 0; column < dst->dims[1]; column++)
      weir_ref_store_int (dst->dtype, weir_tensor_data (dst), at++, column - row == k);
  return true;
}

/* Keeps the triangle above (or below) diagonal k, which stays itself. */
bool weir_ref_trilu (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0], *diagonal = weir_job_src (job, 1);
  size_t size = weir_dtype_bytes (src->dtype);
  int64_t n_rows = src->dims[src->rank - 2], n_columns = src->dims[src->rank - 1];
  int64_t k = diagonal ? *(const int64_t *) weir_tensor_data (diagonal) : 0;
  bool is_upper = weir_node_int (job->node, "upper", 1) != 0;
  size_t n = (size_t) weir_ref_n (src);
  char *to = weir_tensor_data (dst);
  k = CLAMP (k, -n_rows, n_columns);
  if (n)
    memcpy (to, weir_tensor_data (src), n * size);
  for (size_t i = 0; i < n; i++) {
    int64_t column = (int64_t) i % n_columns, row = (int64_t) i / n_columns % n_rows;
    if (is_upper ? column - row < k : column - row > k)
      memset (to + i * size, 0, size);
  }
  return true;
}

bool weir_ref_simulate (const WeirShapeJob *job, void *scratch, GError **error)
{
  for (uint32_t k = 0; k < job->node->n_dst; k++) {
    const WeirTensor *dst = &job->dst[k];
    if (dst->buffer)
      memset (weir_tensor_data (dst), 0, (size_t) weir_ref_n (dst) * weir_dtype_bytes (dst->dtype));
  }
  return true;
}
