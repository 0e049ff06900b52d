/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Not, BitwiseNot, the classes of floating numbers, and selection. */
#include "engine/ref/ref.h"

#include <math.h>
#include <string.h>

bool weir_ref_logical_not (const WeirShapeJob *job, void *scratch, GError **error)
{
  const uint8_t *src = weir_tensor_data (&job->src[0]);
  uint8_t *dst = weir_tensor_data (&job->dst[0]);
  for (int64_t i = 0; i < weir_ref_n (&job->dst[0]); i++)
    dst[i] = !src[i];
  return true;
}

bool weir_ref_bitwise_not (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  const uint8_t *from = weir_tensor_data (src);
  uint8_t *to = weir_tensor_data (&job->dst[0]);
  int64_t n_bytes = weir_ref_n (src) * (int64_t) weir_dtype_bytes (src->dtype);
  for (int64_t i = 0; i < n_bytes; i++)
    to[i] = (uint8_t) ~from[i];
  return true;
}

bool weir_ref_classify (const WeirShapeJob *job, void *scratch, GError **error)
{
  const float *src = weir_ref_f32 (&job->src[0]);
  uint8_t *dst = weir_tensor_data (&job->dst[0]);
  bool is_nan = job->node->op == WEIR_OP_IS_NAN;
  bool takes_negative = weir_node_int (job->node, "detect_negative", 1) != 0;
  bool takes_positive = weir_node_int (job->node, "detect_positive", 1) != 0;
  for (int64_t i = 0; i < weir_ref_n (&job->dst[0]); i++)
    dst[i] =
        is_nan ? isnan (src[i]) : isinf (src[i]) && (src[i] < 0 ? takes_negative : takes_positive);
  return true;
}

bool weir_ref_where (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *dst = &job->dst[0];
  const uint8_t *condition = weir_tensor_data (&job->src[0]);
  size_t size = weir_dtype_bytes (dst->dtype);
  char *to = weir_tensor_data (dst);
  WeirWalk walk = { .rank = dst->rank };
  if (weir_ref_n (dst) == 0)
    return true;
  memcpy (walk.dims, dst->dims, dst->rank * sizeof *walk.dims);
  for (int k = 0; k < 3; k++)
    weir_ref_broadcast_strides (&job->src[k], dst, walk.stride[k]);
  do {
    int k = condition[walk.offset[0]] ? 1 : 2;
    const char *from = weir_tensor_data (&job->src[k]);
    memcpy (to, from + (size_t) walk.offset[k] * size, size);
    to += size;
  } while (weir_walk_next (&walk));
  return true;
}
