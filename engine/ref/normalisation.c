/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalisations: fixed statistics, statistics of the input, windows over channels, softmax. */
#include "engine/ref/ref.h"

#include <math.h>

/* One channel: x scaled about its mean. */
static void normalise_channel (const WeirShapeJob *job, int64_t c, double mean, double variance)
{
  const WeirTensor *x = &job->src[0];
  double epsilon = (double) weir_node_float (job->node, "epsilon", 1e-5f);
  double factor = (double) weir_ref_f32 (&job->src[1])[c] / sqrt (variance + epsilon);
  double bias = (double) weir_ref_f32 (&job->src[2])[c];
  int64_t n = weir_ref_product (x, 2, x->rank);
  for (int64_t image = 0; image < x->dims[0]; image++) {
    const float *src = weir_ref_f32 (x) + (image * x->dims[1] + c) * n;
    float *dst = weir_ref_dst_f32 (&job->dst[0]) + (image * x->dims[1] + c) * n;
    for (int64_t i = 0; i < n; i++)
      dst[i] = (float) (((double) src[i] - mean) * factor + bias);
  }
}

/* Over all images. */
static void find_channel_moments (const WeirTensor *x, int64_t c, double *mean, double *variance)
{
  int64_t n = weir_ref_product (x, 2, x->rank);
  double sum = 0, squares = 0, count = (double) (n * x->dims[0]);
  for (int pass = 0; pass < 2; pass++) {
    *mean = sum / count;
    for (int64_t image = 0; image < x->dims[0]; image++)
      for (int64_t i = 0; i < n; i++) {
        double value = (double) weir_ref_f32 (x)[(image * x->dims[1] + c) * n + i];
        *(pass ? &squares : &sum) += pass ? (value - *mean) * (value - *mean) : value;
      }
  }
  *variance = squares / count;
}

/* In training mode the statistics are the input's own, and the given ones move towards them. */
bool weir_ref_batch_normalization (const WeirShapeJob *job, void *scratch, GError **error)
{
  bool is_training = weir_node_int (job->node, "training_mode", 0) != 0;
  double momentum = (double) weir_node_float (job->node, "momentum", 0.9f);
  for (int64_t c = 0; c < job->src[0].dims[1]; c++) {
    const double given[2] = { (double) weir_ref_f32 (&job->src[3])[c],
      (double) weir_ref_f32 (&job->src[4])[c] };
    double used[2] = { given[0], given[1] };
    if (is_training)
      find_channel_moments (&job->src[0], c, &used[0], &used[1]);
    normalise_channel (job, c, used[0], used[1]);
    for (uint32_t k = 0; k < 2; k++)
      if (k + 1 < job->node->n_dst && job->dst[k + 1].buffer)
        weir_ref_dst_f32 (&job->dst[k + 1])[c] =
            (float) (given[k] * momentum + used[k] * (1 - momentum));
  }
  return true;
}

bool weir_ref_instance_normalization (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *x = &job->src[0];
  const float *scale = weir_ref_f32 (&job->src[1]), *bias = weir_ref_f32 (&job->src[2]);
  double epsilon = (double) weir_node_float (job->node, "epsilon", 1e-5f);
  int64_t n = weir_ref_product (x, 2, x->rank);
  for (int64_t plane = 0; plane < x->dims[0] * x->dims[1]; plane++) {
    const float *src = weir_ref_f32 (x) + plane * n;
    float *dst = weir_ref_dst_f32 (&job->dst[0]) + plane * n;
    int64_t c = plane % x->dims[1];
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
      sum += (double) src[i];
    double mean = sum / (double) n;
    for (int64_t i = 0; i < n; i++)
      squares += ((double) src[i] - mean) * ((double) src[i] - mean);
    double factor = (double) scale[c] / sqrt (squares / (double) n + epsilon);
    for (int64_t i = 0; i < n; i++)
      dst[i] = (float) (((double) src[i] - mean) * factor + (double) bias[c]);
  }
  return true;
}

/* Axes of MeanVarianceNormalization: [0, 2, 3] where none are given. */
static bool read_axes (const WeirShapeJob *job, bool is_reduced[WEIR_MAX_RANK], GError **error)
{
  uint32_t axes[WEIR_MAX_RANK], n;
  if (!weir_shape_axes (job, "axes", WEIR_NONE, job->src[0].rank, axes, &n, error))
    return false;
  for (uint32_t i = 0; i < WEIR_MAX_RANK; i++)
    is_reduced[i] = n == 0 && i != 1;
  for (uint32_t i = 0; i < n; i++)
    is_reduced[axes[i]] = true;
  return true;
}

bool weir_ref_mean_variance_normalization (const WeirShapeJob *job, void *scratch, GError **error)
{
  const double epsilon = 1e-9; /* ONNX defines the operator with this constant */
  const WeirTensor *x = &job->src[0];
  bool is_reduced[WEIR_MAX_RANK];
  WeirWalk outer, inner;
  if (!read_axes (job, is_reduced, error))
    return false;
  if (weir_ref_n (x) == 0)
    return true;
  weir_ref_split_axes (x, is_reduced, &outer, &inner);
  do {
    const float *src = weir_ref_f32 (x) + outer.offset[0];
    float *dst = weir_ref_dst_f32 (&job->dst[0]) + outer.offset[0];
    double sum = 0, squares = 0, n = 0;
    do {
      sum += (double) src[inner.offset[0]];
      n++;
    } while (weir_walk_next (&inner));
    double mean = sum / n;
    do
      squares += ((double) src[inner.offset[0]] - mean) * ((double) src[inner.offset[0]] - mean);
    while (weir_walk_next (&inner));
    double factor = 1 / (sqrt (squares / n) + epsilon);
    do
      dst[inner.offset[0]] = (float) (((double) src[inner.offset[0]] - mean) * factor);
    while (weir_walk_next (&inner));
  } while (weir_walk_next (&outer));
  return true;
}

bool weir_ref_lrn (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *x = &job->src[0];
  int64_t size = weir_node_int (job->node, "size", 1), n_channels = x->dims[1];
  int64_t n = weir_ref_product (x, 2, x->rank);
  double alpha = (double) weir_node_float (job->node, "alpha", 1e-4f) / (double) size;
  double beta = (double) weir_node_float (job->node, "beta", 0.75f);
  double bias = (double) weir_node_float (job->node, "bias", 1);
  for (int64_t image = 0; image < x->dims[0]; image++)
    for (int64_t c = 0; c < n_channels; c++) {
      const float *src = weir_ref_f32 (x) + image * n_channels * n;
      float *dst = weir_ref_dst_f32 (&job->dst[0]) + (image * n_channels + c) * n;
      int64_t first = MAX (0, c - (size - 1) / 2), end = MIN (n_channels, c + size / 2 + 1);
      for (int64_t i = 0; i < n; i++) {
        double squares = 0;
        for (int64_t k = first; k < end; k++)
          squares += (double) src[k * n + i] * (double) src[k * n + i];
        dst[i] = (float) ((double) src[c * n + i] / pow (bias + alpha * squares, beta));
      }
    }
  return true;
}

/* n elements, `stride` apart: shifted by the largest, so that exp never overflows. */
static void soften (const float *src, float *dst, int64_t n, int64_t stride, bool is_log)
{
  float largest = -INFINITY;
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    largest = MAX (largest, src[i * stride]);
  for (int64_t i = 0; i < n; i++) {
    float e = expf (src[i * stride] - largest);
    sum += (double) e;
    dst[i * stride] = is_log ? src[i * stride] - largest : e;
  }
  float shift = is_log ? (float) log (sum) : 0, factor = is_log ? 1 : (float) (1 / sum);
  for (int64_t i = 0; i < n; i++)
    dst[i * stride] = (dst[i * stride] - shift) * factor;
}

/* One at the first of the largest, nought elsewhere. */
bool weir_ref_hardmax (const WeirShapeJob *job, void *scratch, GError **error)
{
  WeirSoftmax s;
  if (!weir_softmax_resolve (job, &s, error))
    return false;
  for (int64_t outer = 0; outer < s.n_outer; outer++)
    for (int64_t inner = 0; inner < s.n_inner; inner++) {
      int64_t at = outer * s.n * s.n_inner + inner, best = 0;
      const float *src = weir_ref_f32 (&job->src[0]) + at;
      float *dst = weir_ref_dst_f32 (&job->dst[0]) + at;
      for (int64_t i = 1; i < s.n; i++)
        best = src[i * s.n_inner] > src[best * s.n_inner] ? i : best;
      for (int64_t i = 0; i < s.n; i++)
        dst[i * s.n_inner] = i == best;
    }
  return true;
}

bool weir_ref_softmax (const WeirShapeJob *job, void *scratch, GError **error)
{
  const float *src = weir_ref_f32 (&job->src[0]);
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  bool is_log = job->node->op == WEIR_OP_LOG_SOFTMAX;
  WeirSoftmax s;
  if (!weir_softmax_resolve (job, &s, error))
    return false;
  for (int64_t outer = 0; outer < s.n_outer; outer++)
    for (int64_t inner = 0; inner < s.n_inner; inner++) {
      int64_t at = outer * s.n * s.n_inner + inner;
      soften (src + at, dst + at, s.n, s.n_inner, is_log);
    }
  return true;
}
