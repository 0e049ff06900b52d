/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions and matrix products of 8-bit tensors through oneDNN: QuantisedConv, QLinearConv,
 * QuantisedMatMul, QLinearMatMul, QGemm, with weights that are constant.
 *
 * The products of u8 and i8 are summed in 32 bits, exactly; the sums become floats, are scaled,
 * shifted, joined with post-ops and rounded to the result's type, halves to even. A result can
 * differ from the reference by one step where its value lies within float rounding of a half. */
#include "engine/cpu/cpu_int8.h"

#include "kernels/kernels.h"

#include <math.h>

static int64_t count (const WeirTensor *tensor)
{
  int64_t n = 0;
  weir_tensor_n_elements (tensor, &n);
  return n;
}

/* Index of a weight's channel. */
static int64_t channel_of (const WeirInt8Spec *node, int64_t i)
{
  int64_t n_inner = 1;
  for (uint32_t axis = node->channel_axis + 1; axis < node->weights->rank; axis++)
    n_inner *= node->weights->dims[axis];
  return i / n_inner % node->n_channels;
}

/* The weights less their zero points as i8: those of the constant, or in *own, newly allocated.
 * NULL where one does not fit. */
static const int8_t *find_codes (const WeirInt8Spec *node, int8_t **own)
{
  int64_t n = count (node->weights), n_zeros = node->zeros ? count (node->zeros) : 0;
  bool is_plain = node->weights->dtype == WEIR_DTYPE_I8;
  for (int64_t i = 0; i < n_zeros; i++)
    is_plain = is_plain && weir_int8_code_at (node->zeros, i) == 0;
  if (is_plain)
    return weir_tensor_data (node->weights);
  g_autofree int8_t *codes = g_try_new (int8_t, (size_t) n);
  for (int64_t i = 0; codes && i < n; i++) {
    int32_t code = weir_int8_code_at (node->weights, i);
    if (n_zeros)
      code -= weir_int8_code_at (node->zeros, n_zeros > 1 ? channel_of (node, i) : 0);
    if (code < INT8_MIN || code > INT8_MAX)
      return NULL;
    codes[i] = (int8_t) code;
  }
  return *own = g_steal_pointer (&codes);
}

bool weir_cpu_int8_read (const WeirStepSpec *spec, WeirInt8Spec *node)
{
  return weir_int8_spec_read (spec, node) && weir_cpu_int8_accepts_post (spec, node);
}

/* oneDNN multiplies u8 by i8. Without VNNI it adds two such products in 16 bits, where they may not
 * fit. */
static bool is_native (const WeirInt8Spec *node)
{
  g_autofree int8_t *own = NULL;
  return weir_cpu_has_int8 () && find_codes (node, &own) != NULL;
}

/* Formats of all sources but the first: constants as they are, added ones in the result's layout.
 */
static void propose_sources (const WeirStepSpec *spec, WeirLayout layout, WeirFormat *src)
{
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    uint32_t k = spec->node->post[i].src;
    if (k == WEIR_NONE)
      continue;
    bool is_float = weir_cpu_is_float (spec->src[k].dtype);
    src[k] = (WeirFormat){ is_float ? WEIR_DTYPE_F32 : spec->src[k].dtype, layout };
  }
}

static bool propose_convolution (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Spec node;
  if (!weir_cpu_int8_read (spec, &node))
    return false;
  if (!is_native (&node))
    return weir_cpu_widened_propose (device, spec, src, dst);
  src[0] = weir_cpu_format_last (spec->src[0].dtype, spec->src[0].rank);
  dst[0] = weir_cpu_format_last (spec->dst[0].dtype, spec->dst[0].rank);
  propose_sources (spec, dst[0].layout, src);
  return true;
}

static WeirCpuKernel *build (WeirDevice *device, const WeirStepSpec *spec, const WeirInt8Spec *node,
    bool folds_zero, WeirDnnlSpec *dnnl, size_t *scratch_bytes, GError **error)
{
  uint32_t post_src[WEIR_DNNL_MAX_POST];
  g_autofree int8_t *own = NULL;
  float *bias;
  const int8_t *codes = find_codes (node, &own);
  if (!codes || !weir_cpu_int8_fill (spec, node, codes, folds_zero, dnnl, post_src, &bias)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a quantised node that was not proposed");
    return NULL;
  }
  dnnl->weights.dtype = WEIR_DTYPE_I8;
  WeirCpuWeights weights = {
    .constant = node->weights, .scale = 1.0f, .shape = dnnl->weights, .codes = codes
  };
  WeirCpuKernel *kernel =
      weir_cpu_primitive_build (device, spec, dnnl, post_src, &weights, bias, scratch_bytes, error);
  g_free ((float *) dnnl->scales);
  return kernel;
}

/* Padding is zero, which the source has as its zero point: only without it is the correction for
 * that the same for all of a channel. */
static bool has_padding (const WeirDnnlSpec *dnnl)
{
  for (uint32_t i = 0; i < dnnl->n_spatial; i++)
    if (dnnl->pad_begin[i] > 0 || dnnl->pad_end[i] > 0)
      return true;
  return false;
}

static WeirCpuKernel *compile_own (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const WeirWindow *window, size_t *scratch_bytes)
{
  g_autofree int8_t *own = NULL;
  const int8_t *codes = find_codes (node, &own);
  if (!codes)
    return NULL;
  WeirCpuKernel *kernel = weir_cpu_int8_depthwise_new (device, spec, node, codes, window);
  if (!kernel)
    kernel = weir_cpu_int8_pointwise_new (device, spec, node, codes, window);
  return kernel ? kernel
                : weir_cpu_int8_convolution_new (device, spec, node, codes, window, scratch_bytes);
}

static WeirCpuKernel *compile_convolution (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirInt8Spec node;
  WeirWindow window;
  if (!weir_cpu_int8_read (spec, &node) ||
      !weir_window_resolve (spec->graph, spec->node, spec->src, node.weights, &window, error))
    return NULL;
  if (!is_native (&node))
    return weir_cpu_widened_compile (device, spec, scratch_bytes, error);
  WeirCpuKernel *own = compile_own (device, spec, &node, &window, scratch_bytes);
  if (own)
    return own;
  int64_t groups = weir_node_int (spec->node, "group", 1);
  WeirDnnlSpec dnnl = { .kind = WEIR_DNNL_CONVOLUTION,
    .src = weir_cpu_dnnl_shape (&spec->src[0]),
    .weights = weir_cpu_weights_shape (node.weights, groups, false),
    .dst = weir_cpu_dnnl_shape (&spec->dst[0]),
    .bias = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { node.n_channels }, .strides = { 1 } } };
  weir_cpu_fill_window (spec, &window, false, &dnnl);
  return build (device, spec, &node, !has_padding (&dnnl), &dnnl, scratch_bytes, error);
}

/* --- products: the left operand as rows --- */

static bool propose_matrix (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Spec node;
  if (!weir_cpu_int8_read (spec, &node))
    return false;
  if (!is_native (&node))
    return weir_cpu_widened_propose (device, spec, src, dst);
  src[0] = (WeirFormat){ spec->src[0].dtype, WEIR_LAYOUT_PLAIN };
  dst[0] = (WeirFormat){ spec->dst[0].dtype, WEIR_LAYOUT_PLAIN };
  propose_sources (spec, WEIR_LAYOUT_PLAIN, src);
  return true;
}

static WeirDnnlShape as_rows (const WeirTensor *tensor, int64_t n_columns)
{
  return (WeirDnnlShape){ .dtype = tensor->dtype,
    .rank = 2,
    .dims = { count (tensor) / n_columns, n_columns },
    .strides = { n_columns, 1 } };
}

static WeirCpuKernel *compile_matrix (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirInt8Spec node;
  if (!weir_cpu_int8_read (spec, &node))
    return NULL;
  if (!is_native (&node))
    return weir_cpu_widened_compile (device, spec, scratch_bytes, error);
  int64_t n = node.n_channels, k = node.weights->dims[1 - node.channel_axis];
  bool is_row = node.channel_axis == 0;
  WeirDnnlSpec dnnl = { .kind = WEIR_DNNL_MATMUL,
    .src = as_rows (&spec->src[0], k),
    .dst = as_rows (&spec->dst[0], n),
    .weights = { .rank = 2, .dims = { k, n }, .strides = { is_row ? 1 : n, is_row ? k : 1 } },
    .bias = { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 1, n }, .strides = { n, 1 } } };
  return build (device, spec, &node, true, &dnnl, scratch_bytes, error);
}

const WeirCpuOp weir_cpu_quantised_convolution = { propose_convolution, compile_convolution };
const WeirCpuOp weir_cpu_quantised_matrix = { propose_matrix, compile_matrix };
