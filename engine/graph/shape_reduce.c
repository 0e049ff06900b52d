/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of ArgMax and ArgMin, of sums along an axis, and of determinants. */
#include "engine/graph/geometry.h"

bool weir_shape_arg_extremum (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  bool keeps = weir_node_int (job->node, "keepdims", 1) != 0;
  uint32_t axis;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), src->rank, &axis, error))
    return false;
  if (src->dtype == WEIR_DTYPE_BOOL || src->dims[axis] == 0) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("input is %s, expected numbers, at least one along axis %u", shape, axis);
  }
  *dst = (WeirTensor){ .dtype = WEIR_DTYPE_I64 };
  for (uint32_t i = 0; i < src->rank; i++)
    if (i != axis || keeps)
      dst->dims[dst->rank++] = i == axis ? 1 : src->dims[i];
  return true;
}

/* The axis is an input: looked at where it is known, else when it runs. */
bool weir_shape_cumulate (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *axis = &job->src[1];
  int64_t n_elements, given;
  uint32_t resolved;
  if (src->dtype == WEIR_DTYPE_BOOL || !weir_tensor_n_elements (axis, &n_elements) ||
      n_elements != 1 || (axis->dtype != WEIR_DTYPE_I64 && axis->dtype != WEIR_DTYPE_I32)) {
    g_autofree char *a = weir_tensor_describe (src);
    g_autofree char *b = weir_tensor_describe (axis);
    return weir_job_fail ("inputs are %s and %s, expected numbers and one i64 or i32", a, b);
  }
  weir_copy_shape (&job->dst[0], src);
  return !axis->buffer || !weir_known_int (axis, 0, &given) ||
         weir_axis_resolve (job->graph, job->node, given, src->rank, &resolved, error);
}

bool weir_shape_det (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  if (src->rank < 2 || src->dims[src->rank - 1] != src->dims[src->rank - 2] ||
      !weir_dtype_is_floating (src->dtype)) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("input is %s, expected floating square matrices", shape);
  }
  weir_copy_shape (&job->dst[0], src);
  job->dst[0].rank -= 2;
  return true;
}
