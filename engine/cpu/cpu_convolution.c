/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conv and ConvTranspose through oneDNN, channels-last, 1 to 3 spatial dims. */
#include "engine/cpu/cpu.h"

static bool is_transposed (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_CONV_TRANSPOSE;
}

static bool resolve_window (const WeirStepSpec *spec, WeirWindow *window, GError **error)
{
  return is_transposed (spec) ? weir_window_resolve_transposed (spec->graph, spec->node, spec->src,
                                    &spec->src[1], window, error)
                              : weir_window_resolve (spec->graph, spec->node, spec->src,
                                    &spec->src[1], window, error);
}

static bool has_bias (const WeirStepSpec *spec)
{
  return spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
}

static bool is_constant_float (const WeirTensor *tensor)
{
  return tensor->buffer && (tensor->dtype == WEIR_DTYPE_F32 || tensor->dtype == WEIR_DTYPE_F16 ||
                               tensor->dtype == WEIR_DTYPE_BF16 || tensor->dtype == WEIR_DTYPE_F64);
}

bool weir_cpu_takes_stem (const WeirDevice *device, const WeirStepSpec *spec)
{
  WeirWindow window;
  return device->dtype == WEIR_DTYPE_BF16 && spec->node->op == WEIR_OP_CONV &&
         !weir_cpu_is_pointwise (spec) && resolve_window (spec, &window, NULL) &&
         weir_cpu_is_stem (spec, &window);
}

/* By a step, as f32: it is not rounded before the convolution does that. */
static bool is_made_as_f32 (const WeirStepSpec *spec)
{
  return spec->src[0].dtype == WEIR_DTYPE_F32 &&
         weir_graph_value (spec->graph, spec->node->src[0])->producer != WEIR_NONE;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  uint32_t rank = spec->src[0].rank;
  if (rank < 3 || rank > 5 || !weir_cpu_has_elements (&spec->src[0]) ||
      !weir_cpu_has_elements (&spec->dst[0]) || !is_constant_float (&spec->src[1]) ||
      (has_bias (spec) && !is_constant_float (&spec->src[2])) || !weir_cpu_accepts_post (spec))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  bool keeps_f32 = weir_cpu_is_depthwise (spec) && spec->src[0].dtype == WEIR_DTYPE_F32;
  src[0] = weir_cpu_format_last (keeps_f32 ? WEIR_DTYPE_F32 : device->dtype, rank);
  dst[0] = weir_cpu_format_last (weir_cpu_result_dtype (device, spec, 0), rank);
  if (weir_cpu_takes_stem (device, spec))
    src[0].dtype = is_made_as_f32 (spec) ? WEIR_DTYPE_F32 : WEIR_DTYPE_BF16;
  else if (weir_cpu_is_small_stem (spec))
    src[0].dtype = dst[0].dtype = WEIR_DTYPE_F32;
  weir_cpu_propose_post (spec, dst[0], src);
  return true;
}

/* ONNX has [outputs, inputs / groups, …] for Conv and [inputs, outputs / groups, …] for
 * ConvTranspose; oneDNN wants [groups,] outputs, inputs for both. */
WeirDnnlShape weir_cpu_weights_shape (const WeirTensor *tensor, int64_t groups, bool is_transposed)
{
  uint32_t first = groups > 1, n = tensor->rank;
  WeirDnnlShape shape = { .dtype = WEIR_DTYPE_F32, .rank = n + first };
  int64_t strides[WEIR_MAX_RANK];
  weir_tensor_strides (tensor, strides);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t to = first + (is_transposed && i < 2 ? 1 - i : i);
    shape.dims[to] = i == 0 ? tensor->dims[0] / groups : tensor->dims[i];
    shape.strides[to] = strides[i];
  }
  if (first) {
    shape.dims[0] = groups;
    shape.strides[0] = strides[0] * (tensor->dims[0] / groups);
  }
  return shape;
}

/* oneDNN derives the result's size from the pads: where an operator leaves the last source elements
 * out, the pad at the end is negative. */
void weir_cpu_fill_window (
    const WeirStepSpec *spec, const WeirWindow *window, bool is_transposed, WeirDnnlSpec *dnnl)
{
  dnnl->n_spatial = window->n_spatial;
  for (uint32_t i = 0; i < window->n_spatial; i++) {
    int64_t extent = (window->kernel[i] - 1) * window->dilation[i] + 1;
    int64_t n_src = spec->src[0].dims[2 + i], n_dst = spec->dst[0].dims[2 + i];
    if (is_transposed) {
      int64_t n = n_src;
      n_src = n_dst;
      n_dst = n;
    }
    dnnl->kernel[i] = window->kernel[i];
    dnnl->stride[i] = window->stride[i];
    dnnl->dilation[i] = window->dilation[i];
    dnnl->pad_begin[i] = window->pad_begin[i];
    dnnl->pad_end[i] = (n_dst - 1) * window->stride[i] + extent - n_src - window->pad_begin[i];
  }
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  int64_t groups = weir_node_int (spec->node, "group", 1), n_bias;
  WeirWindow window;
  WeirDnnlSpec dnnl = { .kind =
                            is_transposed (spec) ? WEIR_DNNL_DECONVOLUTION : WEIR_DNNL_CONVOLUTION,
    .src = weir_cpu_dnnl_shape (&spec->src[0]),
    .dst = weir_cpu_dnnl_shape (&spec->dst[0]) };
  float *bias = NULL;
  if (weir_cpu_is_depthwise (spec))
    return weir_cpu_depthwise_new (device, spec, scratch_bytes, error);
  if (weir_cpu_is_pointwise (spec))
    return weir_cpu_pointwise_new (device, spec, scratch_bytes, error);
  if (!resolve_window (spec, &window, error))
    return NULL;
  if (weir_cpu_takes_stem (device, spec)) /* may_join counts on it */
    return weir_cpu_stem_new (device, spec, &window, scratch_bytes, error);
  if (weir_cpu_is_winograd (spec, &window))
    return weir_cpu_winograd_new (device, spec, &window, scratch_bytes, error);
  weir_cpu_fill_window (spec, &window, is_transposed (spec), &dnnl);
  WeirCpuWeights weights = { .constant = &spec->src[1],
    .scale = 1.0f,
    .shape = weir_cpu_weights_shape (&spec->src[1], groups, is_transposed (spec)) };
  dnnl.weights = weights.shape;
  dnnl.weights.dtype = spec->src[0].dtype;
  if (has_bias (spec)) {
    bias = weir_cpu_constant_f32 (&spec->src[2], &n_bias);
    dnnl.bias = (WeirDnnlShape){
      .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { spec->dst[0].dims[1] }, .strides = { 1 }
    };
  }
  return weir_cpu_primitive_new (device, spec, &dnnl, &weights, bias, scratch_bytes, error);
}

const WeirCpuOp weir_cpu_convolution = { propose, compile };
