/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QuantisedConv, QLinearConv, QuantisedMatMul, QLinearMatMul and QGemm on the device, weights
 * constant.
 *
 * Sums are exact. Those of ONNX's operators become codes as the reference has it, bit by bit: the
 * bias is part of the sum, one product with a factor in f32, one rounding. Where bounds (Relu,
 * Clip) are all that is done to a result, numbers are in its steps and the bounds in its codes;
 * else it is computed in units and divided. */
#include "engine/ocl/ocl_int8.h"

#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_convolution.h"
#include "engine/ocl/ocl_posts.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define N_NUMBERS    3u      /* start, factor, bias */
#define FAR          1024.0f /* beyond all codes */
#define MAX_KERNEL_X 32u     /* of the depthwise way */

typedef struct Kernel {
  WeirOclKernel base;
  const WeirOclInt8Way *way;
  WeirOclInt8 node;
  WeirOclWeights *weights;
  WeirOclMemory *numbers;
  uint32_t added; /* source; WEIR_NONE */
} Kernel;

bool weir_ocl_codes_init (WeirOclCodes *codes, const WeirInt8Scale *scale, WeirDtype dtype)
{
  float low = (float) ((dtype == WEIR_DTYPE_I8 ? INT8_MIN : 0) - scale->zero);
  *codes = (WeirOclCodes){ scale->scale, 1.0f / scale->scale, low, low + 255, scale->zero };
  return codes->inverse <= FLT_MAX && codes->inverse >= FLT_MIN;
}

const char *weir_ocl_code_type (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 ? "uchar" : "char";
}

int32_t weir_ocl_code_offset (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_U8 ? INT8_MIN : 0;
}

/* --- what is done to sums --- */

/* Operators of ONNX, which have no post-ops, and a bias in steps of the sums. */
static bool is_onnx (const WeirStepSpec *spec)
{
  return spec->node->op != WEIR_OP_QUANTISED_CONV && spec->node->op != WEIR_OP_QUANTISED_MAT_MUL;
}

static bool is_convolution (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_QUANTISED_CONV || spec->node->op == WEIR_OP_Q_LINEAR_CONV;
}

/* Bounds of post-ops into those of the codes; false where others are among them. */
static bool fold_bounds (const WeirStepSpec *spec, const WeirInt8Spec *from, WeirOclCodes *codes)
{
  float low = -FAR, high = FAR;
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    const WeirPostOp *post = &spec->node->post[i];
    bool is_clip = post->op == WEIR_OP_CLIP;
    float bounds[2] = { is_clip ? post->alpha : 0, is_clip ? post->beta : FLT_MAX };
    if ((!is_clip && post->op != WEIR_OP_RELU) || !(bounds[0] <= bounds[1]))
      return false;
    for (uint32_t k = 0; k < 2; k++)
      bounds[k] = rintf (CLAMP (bounds[k] / from->dst.scale, -FAR, FAR));
    low = CLAMP (low, bounds[0], bounds[1]);
    high = CLAMP (high, bounds[0], bounds[1]);
  }
  float least = codes->low, most = codes->high;
  codes->low = CLAMP (low, least, most);
  codes->high = CLAMP (high, least, most);
  return true;
}

/* The source that a post-op adds; WEIR_NONE. */
static uint32_t added_of (const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++)
    if (node->post[i].op == WEIR_OP_ADD)
      return node->post[i].src;
  return WEIR_NONE;
}

/* *name: the type of its codes, as it is where floats are added. */
static bool fill_added (const WeirStepSpec *spec, WeirOclInt8 *node, const char **name)
{
  uint32_t i = added_of (spec->node);
  const WeirTensor *added = i < spec->n_src ? &spec->src[i] : NULL;
  WeirInt8Scale scale = { 1, 0 };
  if (i == WEIR_NONE)
    return true;
  if (!added || added->buffer || !weir_ocl_moves (added) ||
      !weir_tensor_same_shape (added, &spec->dst[0]))
    return false;
  if (weir_int8_is_code (added->dtype)) {
    if (!weir_int8_scale_read (spec, i + 1, i + 2, &scale))
      return false;
    *name = weir_ocl_code_type (added->dtype);
    node->added_bytes = 1;
  }
  node->rest.added_scale = scale.scale;
  node->rest.added_zero = (float) scale.zero;
  return true;
}

/* *in_units: numbers are in units, not in steps of the result. */
static bool fill_rest (
    const WeirStepSpec *spec, const WeirInt8Spec *from, WeirOclInt8 *node, bool *in_units)
{
  WeirOclPosts posts = { 0 };
  uint32_t n_before = WEIR_NONE;
  const char *added = "float";
  *in_units = !from->is_quantised;
  if (from->is_quantised && !weir_ocl_codes_init (&node->rest.codes, &from->dst, node->dst_dtype))
    return false;
  if (!from->is_quantised || !fold_bounds (spec, from, &node->rest.codes)) {
    *in_units = true;
    if (!weir_ocl_posts_split (spec->node->post, spec->node->n_post, &posts, &n_before) ||
        !fill_added (spec, node, &added))
      return false;
    node->parameters = posts.parameters;
  }
  g_autoptr (GString) options = g_string_new (from->is_quantised ? " -DTO_CODES" : "");
  if (from->is_quantised && *in_units)
    g_string_append (options, " -DIN_UNITS");
  if (n_before != WEIR_NONE)
    g_string_append_printf (options, " -DADDED=%s -DADDED_AFTER=%u", added, n_before);
  g_string_append (options, posts.options);
  return g_strlcpy (node->options, options->str, sizeof node->options) < sizeof node->options;
}

/* --- numbers --- */

typedef struct Channel {
  int32_t start;
  float factor, bias;
} Channel;

/* False where a sum may not fit 32 bits. */
static bool fill_start (const WeirStepSpec *spec, const WeirInt8Spec *from, const int8_t *codes,
    int64_t channel, int32_t *start)
{
  int64_t sum = 0, sum_abs = 0, bias = 0, n = 0;
  int64_t zero = from->src.zero + weir_ocl_code_offset (spec->src[0].dtype);
  for (int64_t i = 0; i < from->n_inner; i++) {
    int32_t code = codes[channel * from->n_inner + i];
    sum += code;
    sum_abs += ABS (code);
  }
  if (from->bias && is_onnx (spec)) {
    weir_tensor_n_elements (from->bias, &n);
    bias = ((const int32_t *) weir_tensor_data (from->bias))[n > 1 ? channel : 0];
  }
  int64_t first = bias - zero * sum;
  *start = (int32_t) first;
  return sum_abs * UINT8_MAX + ABS (bias) < INT32_MAX && first == *start;
}

/* In the arithmetic of the reference where results are to be those of ONNX. */
static Channel describe_channel (
    const WeirStepSpec *spec, const WeirInt8Spec *from, int64_t channel, bool in_units)
{
  const float *scales = weir_tensor_data (from->scales);
  int64_t n = 0;
  weir_tensor_n_elements (from->scales, &n);
  float factor = from->src.scale * scales[n > 1 ? channel : 0] * from->alpha;
  double result = in_units ? 1.0 : (double) from->dst.scale;
  if (is_onnx (spec))
    return (Channel){ .factor = in_units ? factor : factor / from->dst.scale };
  return (Channel){ .factor = (float) (weir_int8_spec_step (from, channel) / result),
    .bias = (float) (weir_int8_spec_bias (from, channel) / result) };
}

/* Newly allocated: those of all channels, n (filled up to fours) of each kind. NULL: too large. */
static int32_t *make_numbers (const WeirStepSpec *spec, const WeirInt8Spec *from,
    const int8_t *codes, bool in_units, uint32_t n)
{
  g_autofree int32_t *numbers = g_new0 (int32_t, (size_t) n * N_NUMBERS);
  for (int64_t i = 0; i < from->n_channels; i++) {
    Channel channel = describe_channel (spec, from, i, in_units);
    if (!fill_start (spec, from, codes, i, &channel.start))
      return NULL;
    numbers[i] = channel.start;
    memcpy (&numbers[n + i], &channel.factor, sizeof channel.factor);
    memcpy (&numbers[2 * n + i], &channel.bias, sizeof channel.bias);
  }
  return g_steal_pointer (&numbers);
}

static uint32_t round_up (int64_t n_channels)
{
  return ((uint32_t) n_channels + 3) / 4 * 4;
}

/* --- steps --- */

/* A product's left operand as pixels of one picture. */
static bool fill_matrix (const WeirStepSpec *spec, const WeirInt8Spec *from, WeirOclWindow *window)
{
  const WeirTensor *src = &spec->src[0];
  uint32_t n = weir_ocl_n_elements (src), n_inner = (uint32_t) from->n_inner;
  *window = (WeirOclWindow){ .n_items = n / n_inner,
    .groups = 1,
    .src_channels = n_inner,
    .dst_channels = (uint32_t) from->n_channels };
  for (uint32_t d = 0; d < 3; d++)
    window->src[d] = window->dst[d] = window->kernel[d] = window->stride[d] = window->dilation[d] =
        1;
  return src->dims[src->rank - 1] == from->n_inner &&
         weir_ocl_n_elements (&spec->dst[0]) == window->n_items * window->dst_channels;
}

static const WeirOclInt8Way *find_way (const WeirOclWindow *window)
{
  bool is_depthwise = window->groups > 1 && window->groups == window->src_channels &&
                      window->groups == window->dst_channels && window->kernel[2] <= MAX_KERNEL_X;
  const WeirOclInt8Way *way =
      is_depthwise ? &weir_ocl_int8_way_depthwise : &weir_ocl_int8_way_product;
  /* what is too large for kernels of floats is so for these */
  return weir_ocl_window_is_taken (window) && way->n_bytes (window) ? way : NULL;
}

/* All but weights and numbers; NULL: no way. */
static const WeirOclInt8Way *describe (
    const WeirStepSpec *spec, WeirInt8Spec *from, WeirOclInt8 *node, bool *in_units)
{
  WeirDtype bias_dtype = is_onnx (spec) ? WEIR_DTYPE_I32 : WEIR_DTYPE_F32;
  *node = (WeirOclInt8){
    .src_dtype = spec->src[0].dtype, .dst_dtype = WEIR_DTYPE_F32, .added_bytes = sizeof (float)
  };
  if (!weir_ocl_takes_codes (&spec->src[0]) || !weir_ocl_moves (&spec->dst[0]) ||
      !weir_int8_spec_read (spec, from) || (from->bias && from->bias->dtype != bias_dtype) ||
      weir_int8_is_code (spec->dst[0].dtype) != from->is_quantised ||
      (is_onnx (spec) && spec->node->n_post) || spec->dst[0].rank < 1)
    return NULL;
  if (from->is_quantised)
    node->dst_dtype = spec->dst[0].dtype;
  bool has_window = is_convolution (spec) ? weir_ocl_convolution_window (
                                                spec, from->weights, WEIR_DTYPE_F32, &node->window)
                                          : fill_matrix (spec, from, &node->window);
  node->window.dtype = WEIR_DTYPE_F32;
  node->window.posts = NULL;
  node->window.n_posts = 0;
  node->zero = from->src.zero + weir_ocl_code_offset (node->src_dtype);
  node->rest.n = (cl_int) round_up (from->n_channels);
  return has_window && fill_rest (spec, from, node, in_units) ? find_way (&node->window) : NULL;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirInt8Spec from;
  WeirOclInt8 node;
  bool in_units;
  if (!describe (spec, &from, &node, &in_units))
    return false;
  g_autofree int8_t *codes = weir_int8_spec_codes (&from);
  g_autofree int32_t *numbers =
      codes ? make_numbers (spec, &from, codes, in_units, (uint32_t) node.rest.n) : NULL;
  if (!numbers)
    return false;
  uint32_t added = added_of (spec->node);
  WeirLayout layout = is_convolution (spec) ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = (WeirFormat){ node.src_dtype, layout, true };
  dst[0] = (WeirFormat){ node.dst_dtype, layout, true };
  if (added != WEIR_NONE)
    src[added] = (WeirFormat){ node.added_bytes == 1 ? spec->src[added].dtype : WEIR_DTYPE_F32,
      layout, true };
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirOclInt8Places places = { .src = bound->src[0],
    .dst = bound->dst[0],
    .added = self->added == WEIR_NONE ? NULL : bound->src[self->added],
    .weights = weir_ocl_weights_address (self->weights),
    .numbers = self->numbers->base };
  return weir_ocl_bound_take (
      bound, self->way->call_new (self->base.device->ocl, &self->node, &places, error));
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_ocl_weights_unref (kernel->device, self->weights);
  weir_ocl_table_free (kernel->device, self->numbers);
  g_free (self);
}

/* Weights are told apart by what is taken from them as well; newly allocated. */
static char *name_form (const Kernel *self, const WeirInt8Spec *from)
{
  uint32_t hash = 0;
  int64_t n = 0;
  const uint8_t *zeros = from->zeros ? weir_tensor_data (from->zeros) : NULL;
  if (zeros)
    weir_tensor_n_elements (from->zeros, &n);
  for (int64_t i = 0; i < n; i++)
    hash = hash * 16777619u + zeros[i];
  return g_strdup_printf ("%s, %u groups, dilation %u, zeros %u %08x", self->way->name,
      self->node.window.groups, self->node.window.dilation[2], (uint32_t) n, hash);
}

static bool take_constants (
    Kernel *self, const WeirStepSpec *spec, const WeirInt8Spec *from, bool in_units, GError **error)
{
  WeirDevice *device = self->base.device;
  uint32_t n = (uint32_t) self->node.rest.n;
  g_autofree int8_t *codes = weir_int8_spec_codes (from);
  g_autofree int32_t *numbers = codes ? make_numbers (spec, from, codes, in_units, n) : NULL;
  if (!numbers) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for packed weights",
        weir_ocl_device_label (device->ocl));
    return false;
  }
  g_autofree char *form = name_form (self, from);
  const WeirOclInt8Weights weights = { &self->node.window, codes };
  self->weights = weir_ocl_weights_ref_bytes (device, from->weights, form,
      self->way->n_bytes (&self->node.window), self->way->pack, &weights, error);
  self->numbers = self->weights ? weir_ocl_table_new (device, numbers,
                                      (size_t) n * N_NUMBERS * sizeof *numbers, error)
                                : NULL;
  return self->numbers != NULL;
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, NULL, weir_ocl_run_calls);
  WeirInt8Spec from;
  bool in_units;
  self->base.free = release;
  self->base.bind = bind;
  self->added = added_of (spec->node);
  self->way = describe (spec, &from, &self->node, &in_units);
  if (!self->way)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a quantised node that was not proposed");
  else
    self->base.name = self->way->name;
  if (self->way && take_constants (self, spec, &from, in_units, error))
    return &self->base;
  release (&self->base);
  return NULL;
}

const WeirOclOp weir_ocl_int8_product = { propose, compile };
