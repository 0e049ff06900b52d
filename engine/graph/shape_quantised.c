/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QuantizeLinear, DynamicQuantizeLinear and DequantizeLinear: one scale per tensor, per index of an
 * axis, or per block. */
#include "engine/graph/geometry.h"

#include <string.h>

static bool scale_error (const WeirShapeJob *job, GError **error)
{
  g_autofree char *src = weir_tensor_describe (&job->src[0]);
  g_autofree char *scale = weir_tensor_describe (&job->src[1]);
  return weir_job_fail ("scale %s does not fit input %s: expected one number, one per index of the "
                        "axis, or one per block",
      scale, src);
}

static bool fits_blocks (
    const WeirTensor *src, const WeirTensor *scale, uint32_t axis, int64_t block, int64_t *n_blocks)
{
  WeirTensor expected = *src;
  int64_t n = src->dims[axis];
  expected.dims[axis] = *n_blocks = n / block + (n % block != 0);
  return weir_tensor_same_shape (&expected, scale);
}

bool weir_quantisation_resolve (
    const WeirShapeJob *job, WeirQuantisation *quantisation, GError **error)
{
  const WeirTensor *src = &job->src[0], *scale = &job->src[1];
  WeirQuantisation *q = quantisation;
  int64_t n_src, n_scales, block = weir_node_int (job->node, "block_size", 0);
  uint32_t axis;
  if (!weir_tensor_n_elements (src, &n_src) || !weir_tensor_n_elements (scale, &n_scales) ||
      block < 0)
    return scale_error (job, error);
  *q = (WeirQuantisation){ .n_outer = 1, .n = n_src, .n_inner = 1, .block = n_src, .n_blocks = 1 };
  if (block == 0 && n_scales == 1 && scale->rank <= 1)
    return true;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 1), src->rank, &axis, error))
    return false;
  q->n = src->dims[axis];
  q->is_blocked = block > 0;
  q->block = block ? block : 1;
  for (uint32_t i = 0; i < axis; i++)
    q->n_outer *= src->dims[i];
  for (uint32_t i = axis + 1; i < src->rank; i++)
    q->n_inner *= src->dims[i];
  q->n_blocks = q->n;
  if (q->is_blocked ? !fits_blocks (src, scale, axis, block, &q->n_blocks)
                    : scale->rank != 1 || scale->dims[0] != q->n)
    return scale_error (job, error);
  return true;
}

static bool is_quantised (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8 || dtype == WEIR_DTYPE_U16 ||
         dtype == WEIR_DTYPE_I16;
}

/* The scale is floating, the zero point of the quantised type and of the scale's shape. */
static bool check_params (const WeirShapeJob *job, WeirDtype quantised, GError **error)
{
  const WeirTensor *scale = &job->src[1], *zero = weir_job_src (job, 2);
  int64_t n_scales = 0, n_zeros = 0;
  if (!weir_dtype_is_floating (scale->dtype))
    return weir_job_fail ("scale is %s, expected a floating type", weir_dtype_name (scale->dtype));
  if (zero && (zero->dtype != quantised || !weir_tensor_n_elements (scale, &n_scales) ||
                  !weir_tensor_n_elements (zero, &n_zeros) || n_scales != n_zeros)) {
    g_autofree char *a = weir_tensor_describe (scale);
    g_autofree char *b = weir_tensor_describe (zero);
    return weir_job_fail (
        "zero point is %s with scale %s, expected as many %s", b, a, weir_dtype_name (quantised));
  }
  return true;
}

/* attribute output_dtype, or the fallback */
static WeirDtype read_output_dtype (const WeirShapeJob *job, WeirDtype fallback)
{
  int64_t type = weir_node_int (job->node, "output_dtype", 0);
  return type ? weir_dtype_from_onnx (type) : fallback;
}

static void set_dst (const WeirShapeJob *job, WeirDtype dtype)
{
  job->dst[0].dtype = dtype;
  job->dst[0].rank = job->src[0].rank;
  memcpy (job->dst[0].dims, job->src[0].dims, sizeof job->dst[0].dims);
}

bool weir_shape_quantize_linear (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *zero = weir_job_src (job, 2);
  WeirDtype dtype = zero ? zero->dtype : read_output_dtype (job, WEIR_DTYPE_U8);
  WeirQuantisation quantisation;
  if (!is_quantised (dtype) ||
      (!weir_dtype_is_floating (src->dtype) && src->dtype != WEIR_DTYPE_I32))
    return weir_job_refuse ("from %s to %s, expected a floating type or i32 to 8 or 16 bits",
        weir_dtype_name (src->dtype), weir_dtype_name (dtype));
  set_dst (job, dtype);
  return check_params (job, dtype, error) && weir_quantisation_resolve (job, &quantisation, error);
}

bool weir_shape_dequantize_linear (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirDtype dtype = read_output_dtype (job, job->src[1].dtype);
  WeirQuantisation quantisation;
  if ((!is_quantised (src->dtype) && src->dtype != WEIR_DTYPE_I32) ||
      !weir_dtype_is_floating (dtype))
    return weir_job_refuse ("from %s to %s, expected 8 or 16 bits or i32 to a floating type",
        weir_dtype_name (src->dtype), weir_dtype_name (dtype));
  set_dst (job, dtype);
  return check_params (job, src->dtype, error) &&
         weir_quantisation_resolve (job, &quantisation, error);
}

bool weir_shape_dynamic_quantize_linear (const WeirShapeJob *job, GError **error)
{
  if (!weir_dtype_is_floating (job->src[0].dtype))
    return weir_job_fail (
        "input is %s, expected a floating type", weir_dtype_name (job->src[0].dtype));
  set_dst (job, WEIR_DTYPE_U8);
  if (weir_job_wants (job, 1))
    job->dst[1] = (WeirTensor){ .dtype = WEIR_DTYPE_F32 };
  if (weir_job_wants (job, 2))
    job->dst[2] = (WeirTensor){ .dtype = WEIR_DTYPE_U8 };
  return true;
}
