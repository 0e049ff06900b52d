/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisations with statistics of the input: over groups of channels, the last axes, one axis. */
#include "engine/ref/ref.h"

#include <math.h>

typedef struct Moments {
  double mean, variance;
} Moments;

static Moments find_moments (const float *src, int64_t n)
{
  Moments moments = { 0, 0 };
  for (int64_t i = 0; i < n; i++)
    moments.mean += (double) src[i];
  moments.mean /= (double) n;
  for (int64_t i = 0; i < n; i++)
    moments.variance += ((double) src[i] - moments.mean) * ((double) src[i] - moments.mean);
  moments.variance /= (double) n;
  return moments;
}

/* The mean of the squares, about nought. */
static Moments find_power (const float *src, int64_t n)
{
  Moments moments = { 0, 0 };
  for (int64_t i = 0; i < n; i++)
    moments.variance += (double) src[i] * (double) src[i];
  moments.variance /= (double) n;
  return moments;
}

static void store_statistic (const WeirShapeJob *job, uint32_t i, int64_t at, double value)
{
  if (i < job->node->n_dst && job->dst[i].buffer)
    weir_ref_dst_f32 (&job->dst[i])[at] = (float) value;
}

/* Scale and bias are walked along as src[1] and src[2] broadcast. */
static void scale_all (const WeirShapeJob *job)
{
  const WeirTensor *dst = &job->dst[0], *bias = weir_job_src (job, 2);
  weir_ref_combine (job->node, WEIR_OP_MUL, dst, &job->src[1], dst);
  if (bias)
    weir_ref_combine (job->node, WEIR_OP_ADD, dst, bias, dst);
}

bool weir_ref_layer_normalization (const WeirShapeJob *job, void *scratch, GError **error)
{
  bool is_rms = job->node->op == WEIR_OP_RMS_NORMALIZATION;
  double epsilon = (double) weir_node_float (job->node, "epsilon", 1e-5f);
  WeirLayerNorm norm;
  if (!weir_layer_norm_resolve (job, &norm, error))
    return false;
  for (int64_t outer = 0; outer < norm.n_outer; outer++) {
    const float *src = weir_ref_f32 (&job->src[0]) + outer * norm.n;
    float *dst = weir_ref_dst_f32 (&job->dst[0]) + outer * norm.n;
    Moments moments = (is_rms ? find_power : find_moments) (src, norm.n);
    double factor = 1 / sqrt (moments.variance + epsilon);
    for (int64_t i = 0; i < norm.n; i++)
      dst[i] = (float) (((double) src[i] - moments.mean) * factor);
    store_statistic (job, 1, outer, moments.mean);
    store_statistic (job, 2, outer, factor);
  }
  scale_all (job);
  return true;
}

bool weir_ref_group_normalization (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *x = &job->src[0];
  const float *scale = weir_ref_f32 (&job->src[1]), *bias = weir_ref_f32 (&job->src[2]);
  double epsilon = (double) weir_node_float (job->node, "epsilon", 1e-5f);
  int64_t n_groups = weir_node_int (job->node, "num_groups", 1);
  int64_t n_channels = x->dims[1] / n_groups, n = weir_ref_product (x, 2, x->rank);
  bool is_per_group = job->src[1].dims[0] == n_groups;
  for (int64_t group = 0; group < x->dims[0] * n_groups; group++) {
    const float *src = weir_ref_f32 (x) + group * n_channels * n;
    float *dst = weir_ref_dst_f32 (&job->dst[0]) + group * n_channels * n;
    Moments moments = find_moments (src, n_channels * n);
    double factor = 1 / sqrt (moments.variance + epsilon);
    for (int64_t i = 0; i < n_channels * n; i++) {
      int64_t g = group % n_groups, k = is_per_group ? g : g * n_channels + i / n;
      dst[i] = (float) (((double) src[i] - moments.mean) * factor * (double) scale[k] +
                        (double) bias[k]);
    }
  }
  return true;
}

/* Vectors of no length stay nought. */
bool weir_ref_lp_normalization (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *x = &job->src[0];
  bool is_squared = weir_node_int (job->node, "p", 2) == 2;
  bool is_reduced[WEIR_MAX_RANK] = { false };
  WeirWalk outer, inner;
  uint32_t axis;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", -1), x->rank, &axis, error))
    return false;
  if (weir_ref_n (x) == 0)
    return true;
  is_reduced[axis] = true;
  weir_ref_split_axes (x, is_reduced, &outer, &inner);
  do {
    const float *src = weir_ref_f32 (x) + outer.offset[0];
    float *dst = weir_ref_dst_f32 (&job->dst[0]) + outer.offset[0];
    double sum = 0;
    do {
      double value = (double) src[inner.offset[0]];
      sum += is_squared ? value * value : fabs (value);
    } while (weir_walk_next (&inner));
    double length = is_squared ? sqrt (sum) : sum;
    do
      dst[inner.offset[0]] = length != 0 ? (float) ((double) src[inner.offset[0]] / length) : 0;
    while (weir_walk_next (&inner));
  } while (weir_walk_next (&outer));
  return true;
}
