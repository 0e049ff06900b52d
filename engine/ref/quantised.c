/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear. */
#include "engine/ref/ref.h"

#include <math.h>

/* Which scale and zero point element (outer, i, inner) uses. */
static int64_t find_param (const WeirQuantisation *q, int64_t outer, int64_t i, int64_t inner)
{
  int64_t block = i / q->block;
  return q->is_blocked ? (outer * q->n_blocks + block) * q->n_inner + inner : block;
}

static double find_zero (const WeirTensor *zero, int64_t param)
{
  return zero ? weir_ref_load (zero->dtype, weir_tensor_data (zero), param) : 0;
}

/* rint: to nearest, halves to even. The store saturates. */
static void quantise (const WeirShapeJob *job, int64_t at, int64_t param)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  float scale = weir_ref_f32 (&job->src[1])[param];
  float x = (float) weir_ref_load (src->dtype, weir_tensor_data (src), at);
  weir_ref_store (dst->dtype, weir_tensor_data (dst), at,
      rint ((double) (x / scale)) + find_zero (weir_job_src (job, 2), param));
}

static bool for_each (
    const WeirShapeJob *job, void (*apply) (const WeirShapeJob *, int64_t, int64_t), GError **error)
{
  WeirQuantisation q;
  int64_t at = 0;
  if (!weir_quantisation_resolve (job, &q, error))
    return false;
  for (int64_t outer = 0; outer < q.n_outer; outer++)
    for (int64_t i = 0; i < q.n; i++)
      for (int64_t inner = 0; inner < q.n_inner; inner++)
        apply (job, at++, find_param (&q, outer, i, inner));
  return true;
}

bool weir_ref_quantize_linear (const WeirShapeJob *job, void *scratch, GError **error)
{
  return for_each (job, quantise, error);
}

/* n elements from `at` with one scale and zero point. */
static void dequantise (const WeirShapeJob *job, int64_t at, int64_t n, int64_t param)
{
  const WeirTensor *src = &job->src[0];
  double scale = (double) weir_ref_f32 (&job->src[1])[param];
  double zero = find_zero (weir_job_src (job, 2), param);
  const uint8_t *bytes = weir_tensor_data (src);
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  if (src->dtype == WEIR_DTYPE_U8)
    for (int64_t i = at; i < at + n; i++)
      dst[i] = (float) (((double) bytes[i] - zero) * scale);
  else if (src->dtype == WEIR_DTYPE_I8)
    for (int64_t i = at; i < at + n; i++)
      dst[i] = (float) (((double) (int8_t) bytes[i] - zero) * scale);
  else
    for (int64_t i = at; i < at + n; i++)
      dst[i] = (float) ((weir_ref_load (src->dtype, bytes, i) - zero) * scale);
}

bool weir_ref_dequantize_linear (const WeirShapeJob *job, void *scratch, GError **error)
{
  WeirQuantisation q;
  int64_t at = 0;
  if (!weir_quantisation_resolve (job, &q, error))
    return false;
  int64_t n_run = q.is_blocked ? 1 : q.n_inner;
  for (int64_t outer = 0; outer < q.n_outer; outer++)
    for (int64_t i = 0; i < q.n; i++)
      for (int64_t inner = 0; inner < q.n_inner; inner += n_run, at += n_run)
        dequantise (job, at, n_run, find_param (&q, outer, i, inner));
  return true;
}

/* The range of the values and of zero as 0..255. */
bool weir_ref_dynamic_quantize_linear (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  const float *x = weir_ref_f32 (src);
  float low = 0, high = 0;
  for (int64_t i = 0; i < weir_ref_n (src); i++) {
    low = MIN (low, x[i]);
    high = MAX (high, x[i]);
  }
  float scale = high > low ? (high - low) / 255.0f : 1.0f;
  double zero = CLAMP (rint ((double) (-low / scale)), 0, 255);
  for (int64_t i = 0; weir_tensor_data (dst) && i < weir_ref_n (src); i++)
    weir_ref_store (dst->dtype, weir_tensor_data (dst), i, rint ((double) (x[i] / scale)) + zero);
  if (weir_job_wants (job, 1))
    *weir_ref_dst_f32 (&job->dst[1]) = scale;
  if (weir_job_wants (job, 2))
    *(uint8_t *) weir_tensor_data (&job->dst[2]) = (uint8_t) zero;
  return true;
}
