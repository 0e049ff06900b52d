/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading quantised convolutions and matrix products. */
#include "engine/plan/int8_spec.h"

#include "engine/graph/geometry.h"

#include <math.h>

static const WeirTensor *find_src (const WeirStepSpec *spec, uint32_t i)
{
  return i < spec->n_src && spec->src[i].dtype != WEIR_DTYPE_NONE ? &spec->src[i] : NULL;
}

static int64_t count (const WeirTensor *tensor)
{
  int64_t n = 0;
  return weir_tensor_n_elements (tensor, &n) ? n : 0;
}

static bool is_usable (float scale)
{
  return isfinite (scale) && (scale > 0 || scale < 0);
}

bool weir_int8_scale_read (
    const WeirStepSpec *spec, uint32_t scale, uint32_t zero, WeirInt8Scale *result)
{
  const WeirTensor *s = find_src (spec, scale), *z = find_src (spec, zero);
  *result = (WeirInt8Scale){ 0 };
  if (!s || !s->buffer || s->dtype != WEIR_DTYPE_F32 || count (s) != 1 ||
      (z && (!z->buffer || count (z) != 1 || !weir_int8_is_code (z->dtype))))
    return false;
  result->scale = *(const float *) weir_tensor_data (s);
  result->zero = z ? weir_int8_code_at (z, 0) : 0;
  return isfinite (result->scale) && result->scale > 0;
}

static bool has_scales (const WeirInt8Spec *node)
{
  const WeirTensor *scales = node->scales;
  if (!scales || !scales->buffer || scales->dtype != WEIR_DTYPE_F32 || scales->rank > 1 ||
      (count (scales) != 1 && count (scales) != node->n_channels))
    return false;
  for (int64_t i = 0; i < count (scales); i++)
    if (!is_usable (((const float *) weir_tensor_data (scales))[i]))
      return false;
  return true;
}

static bool has_zeros (const WeirInt8Spec *node)
{
  const WeirTensor *zeros = node->zeros;
  return !zeros || (zeros->buffer && weir_int8_is_code (zeros->dtype) &&
                       (count (zeros) == 1 || count (zeros) == node->n_channels));
}

static bool has_bias (const WeirInt8Spec *node)
{
  const WeirTensor *bias = node->bias;
  return !bias ||
         (bias->buffer && (bias->dtype == WEIR_DTYPE_F32 || bias->dtype == WEIR_DTYPE_I32) &&
             (count (bias) == 1 || (count (bias) == node->n_channels &&
                                       bias->dims[bias->rank - 1] == node->n_channels)));
}

static bool is_convolution (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_QUANTISED_CONV || spec->node->op == WEIR_OP_Q_LINEAR_CONV;
}

/* Which of the weights' dims is that of the result's channels. */
static bool read_channels (const WeirStepSpec *spec, WeirInt8Spec *node)
{
  bool is_turned = weir_node_int (spec->node, "transB", 0) != 0;
  const WeirTensor *weights = node->weights;
  node->channel_axis = is_convolution (spec) || is_turned ? 0 : 1;
  if (!weights || !weights->buffer || !weir_int8_is_code (weights->dtype) ||
      (is_convolution (spec) ? spec->src[0].rank < 3 || spec->src[0].rank > 5
                             : weights->rank != 2 || spec->src[0].rank < 1 ||
                                   weir_node_int (spec->node, "transA", 0) != 0))
    return false;
  node->n_channels = weights->dims[node->channel_axis];
  node->n_inner = node->n_channels > 0 ? count (weights) / node->n_channels : 0;
  return node->n_inner > 0;
}

bool weir_int8_spec_read (const WeirStepSpec *spec, WeirInt8Spec *node)
{
  bool is_gemm = spec->node->op == WEIR_OP_Q_GEMM;
  uint32_t result = WEIR_QUANTISED_RESULT + is_gemm;
  *node = (WeirInt8Spec){ .weights = find_src (spec, WEIR_QUANTISED_WEIGHTS),
    .scales = find_src (spec, WEIR_QUANTISED_WEIGHTS + 1),
    .zeros = find_src (spec, WEIR_QUANTISED_WEIGHTS + 2),
    .bias = find_src (spec, is_gemm ? 6 : WEIR_QUANTISED_BIAS),
    .alpha = is_gemm ? weir_node_float (spec->node, "alpha", 1) : 1,
    .is_quantised = find_src (spec, result) != NULL };
  return (!node->is_quantised || weir_int8_scale_read (spec, result, result + 1, &node->dst)) &&
         weir_int8_scale_read (spec, 1, 2, &node->src) && weir_int8_is_code (spec->src[0].dtype) &&
         !spec->src[0].buffer && is_usable (node->alpha) && count (&spec->src[0]) > 0 &&
         count (&spec->dst[0]) > 0 && read_channels (spec, node) && has_scales (node) &&
         has_zeros (node) && has_bias (node);
}

int8_t *weir_int8_spec_codes (const WeirInt8Spec *node)
{
  int64_t n_channels = node->n_channels, n_inner = node->n_inner;
  bool is_turned = node->channel_axis == 1;
  g_autofree int8_t *codes = g_try_new (int8_t, (size_t) (n_channels * n_inner));
  for (int64_t i = 0; codes && i < n_channels * n_inner; i++) {
    int64_t channel = i / n_inner;
    int32_t code =
        weir_int8_code_at (node->weights, is_turned ? i % n_inner * n_channels + channel : i);
    if (node->zeros)
      code -= weir_int8_code_at (node->zeros, count (node->zeros) > 1 ? channel : 0);
    if (code < INT8_MIN || code > INT8_MAX)
      return NULL;
    codes[i] = (int8_t) code;
  }
  return g_steal_pointer (&codes);
}

double weir_int8_spec_step (const WeirInt8Spec *node, int64_t channel)
{
  const float *scales = weir_tensor_data (node->scales);
  return (double) node->src.scale * (double) scales[count (node->scales) > 1 ? channel : 0] *
         (double) node->alpha;
}

double weir_int8_spec_bias (const WeirInt8Spec *node, int64_t channel)
{
  if (!node->bias)
    return 0;
  const void *data = weir_tensor_data (node->bias);
  int64_t i = count (node->bias) > 1 ? channel : 0;
  return node->bias->dtype == WEIR_DTYPE_I32
             ? (double) ((const int32_t *) data)[i] * weir_int8_spec_step (node, channel)
             : (double) ((const float *) data)[i];
}
