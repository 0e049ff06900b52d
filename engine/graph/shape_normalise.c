/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisations over groups of channels, over the last axes and along one axis. */
#include "engine/graph/geometry.h"

static bool check_types (const WeirShapeJob *job, GError **error)
{
  for (uint32_t i = 0; i < MIN (job->node->n_src, 3); i++) {
    const WeirTensor *src = weir_job_src (job, i);
    if (src && !weir_dtype_is_floating (src->dtype))
      return weir_job_fail (
          "input %u is %s, expected a floating type", i, weir_dtype_name (src->dtype));
  }
  weir_copy_shape (&job->dst[0], &job->src[0]);
  return true;
}

static bool param_error (const WeirShapeJob *job, uint32_t i, const char *expected, GError **error)
{
  g_autofree char *a = weir_tensor_describe (&job->src[i]);
  g_autofree char *b = weir_tensor_describe (&job->src[0]);
  return weir_job_fail ("input %u is %s beside %s, expected %s", i, a, b, expected);
}

bool weir_layer_norm_resolve (const WeirShapeJob *job, WeirLayerNorm *norm, GError **error)
{
  const WeirTensor *src = &job->src[0];
  if (!weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", -1), src->rank,
          &norm->axis, error))
    return false;
  norm->n_outer = norm->n = 1;
  for (uint32_t i = 0; i < src->rank; i++)
    *(i < norm->axis ? &norm->n_outer : &norm->n) *= src->dims[i];
  return true;
}

/* Scale and bias broadcast to the axes that are normalised. */
static bool check_scale (
    const WeirShapeJob *job, uint32_t i, const WeirLayerNorm *norm, GError **error)
{
  const WeirTensor *param = weir_job_src (job, i);
  WeirTensor joint;
  if (!param)
    return i > 1 || weir_job_fail ("input 1, the scale, is missing");
  bool fits = weir_shape_broadcast (&job->src[0], param, &joint) &&
              weir_tensor_same_shape (&job->src[0], &joint);
  for (uint32_t k = 0; fits && k < param->rank; k++)
    fits = param->dims[k] == 1 || k + job->src[0].rank - param->rank >= norm->axis;
  return fits || param_error (job, i, "one that broadcasts to the axes that are normalised", error);
}

/* LayerNormalization's other outputs are the mean and the inverse of the deviation. */
bool weir_shape_layer_normalization (const WeirShapeJob *job, GError **error)
{
  WeirLayerNorm norm;
  if (!check_types (job, error) || !weir_layer_norm_resolve (job, &norm, error))
    return false;
  for (uint32_t i = 1; i < job->node->n_src; i++)
    if (!check_scale (job, i, &norm, error))
      return false;
  for (uint32_t i = 1; i < job->node->n_dst; i++) {
    weir_copy_shape (&job->dst[i], &job->src[0]);
    for (uint32_t k = norm.axis; k < job->src[0].rank; k++)
      job->dst[i].dims[k] = 1;
  }
  return true;
}

/* Opset 18 has one scale and bias per group, 21 and newer one per channel. */
bool weir_shape_group_normalization (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t n_groups = weir_node_int (job->node, "num_groups", 0);
  if (!check_types (job, error))
    return false;
  if (src->rank < 3 || n_groups < 1 || src->dims[1] % n_groups) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail (
        "num_groups %" G_GINT64_FORMAT " does not divide the channels of %s", n_groups, shape);
  }
  int64_t n = job->node->opset < 21 ? n_groups : src->dims[1];
  for (uint32_t i = 1; i < 3; i++)
    if (job->src[i].rank != 1 || job->src[i].dims[0] != n)
      return param_error (
          job, i, n == n_groups ? "one number per group" : "one number per channel", error);
  return true;
}

bool weir_shape_lp_normalization (const WeirShapeJob *job, GError **error)
{
  int64_t p = weir_node_int (job->node, "p", 2);
  uint32_t axis;
  if (!check_types (job, error) ||
      !weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", -1),
          job->src[0].rank, &axis, error))
    return false;
  return p == 1 || p == 2 || weir_job_fail ("p is %" G_GINT64_FORMAT ", expected 1 or 2", p);
}
