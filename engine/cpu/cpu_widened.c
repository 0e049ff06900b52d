/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators on codes that run as floating ones between a dequantised copy of their sources and a
 * quantised copy of their result, both in scratch memory: pools and softmax, which have no 8-bit
 * form here; convolutions and products whose weights do not fit i8, or on a CPU that has no exact
 * products of 8 bits; ConvInteger and MatMulInteger.
 *
 * The sources become codes less their zero point, times a scale where the operator is not linear in
 * them. Sums of such small numbers are exact in f32 up to 2^24. */
#include "engine/cpu/cpu_int8.h"

#include <math.h>

#define MAX_WIDE (1 + WEIR_MAX_POST_OPS)

/* A source that is widened. */
typedef struct Wide {
  uint32_t src, zero; /* inputs; zero: read when it runs, WEIR_NONE: it is in `codes` */
  int64_t n;
  WeirCodes codes;
  size_t offset; /* in scratch */
} Wide;

typedef struct Kernel {
  WeirCpuKernel base;
  WeirCpuKernel *inner;
  char *name;    /* "f32 " and that of `inner` */
  WeirNode node; /* what `inner` computes */
  WeirStepSpec spec;
  WeirTensor src[3 + WEIR_MAX_POST_OPS], dst[1];
  WeirAttr attrs[1];
  float *weights, *bias; /* constants of `inner`: kept, for packed weights go by their address */
  uint32_t n_wide;
  Wide wide[MAX_WIDE];
  WeirDtype dst_dtype;
  WeirCodes to;
  int64_t n_dst;
  size_t dst_offset, inner_offset;
  const WeirByteKernels *kernels;
} Kernel;

static int64_t count (const WeirTensor *tensor)
{
  int64_t n = 0;
  weir_tensor_n_elements (tensor, &n);
  return n;
}

/* --- running --- */

static void widen (const Kernel *self, const Wide *wide, const WeirCpuBound *bound)
{
  WeirCodes codes = wide->codes;
  if (wide->zero != WEIR_NONE)
    codes.zero = (float) (uint8_t) (*(const uint8_t *) bound->src[wide->zero] ^ codes.flip);
  self->kernels->dequantise ((float *) (void *) ((char *) bound->scratch + wide->offset),
      bound->src[wide->src], codes, (size_t) wide->n);
}

static void narrow (const Kernel *self, const WeirCpuBound *bound)
{
  const float *values = (const float *) (const void *) ((char *) bound->scratch + self->dst_offset);
  if (self->dst_dtype != WEIR_DTYPE_I32) {
    self->kernels->quantise (bound->dst[0], values, self->to, (size_t) self->n_dst);
    return;
  }
  for (int64_t i = 0; i < self->n_dst; i++)
    ((int32_t *) bound->dst[0])[i] = (int32_t) lrintf (values[i]);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  for (uint32_t i = 0; i < self->n_wide; i++)
    widen (self, &self->wide[i], bound);
  if (!self->inner->run (bound->inner, error))
    return false;
  if (self->dst_dtype != WEIR_DTYPE_F32)
    narrow (self, bound);
  return true;
}

static bool bind (const WeirCpuKernel *kernel, WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) kernel;
  char *scratch = bound->scratch;
  void *src[G_N_ELEMENTS (self->src)] = { NULL }, *dst[1];
  for (uint32_t i = 0; i < self->spec.n_src; i++)
    src[i] = weir_tensor_data (&self->src[i]);
  src[0] = scratch + self->wide[0].offset;
  for (uint32_t i = 0, wide = 1; i < self->node.n_post; i++) {
    uint32_t k = self->node.post[i].src;
    if (k != WEIR_NONE && src[k] == NULL)
      src[k] = scratch + self->wide[wide++].offset;
  }
  dst[0] = self->dst_dtype == WEIR_DTYPE_F32 ? bound->dst[0] : scratch + self->dst_offset;
  WeirBinding binding = { .src = src, .dst = dst, .scratch = scratch + self->inner_offset };
  bound->inner = weir_cpu_bind (self->inner, &binding, error);
  return bound->inner != NULL;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  if (self->inner)
    self->inner->free (self->inner);
  g_free (self->name);
  g_free (self->weights);
  g_free (self->bias);
  g_free (self);
}

/* --- the floating node --- */

static WeirTensor as_f32 (const WeirTensor *tensor)
{
  WeirTensor wide = *tensor;
  wide.dtype = WEIR_DTYPE_F32;
  wide.buffer = NULL;
  wide.offset_bytes = 0;
  return wide;
}

static void add_wide (
    Kernel *self, const WeirStepSpec *spec, uint32_t src, WeirCodes codes, uint32_t zero)
{
  self->wide[self->n_wide++] =
      (Wide){ .src = src, .zero = zero, .n = count (&spec->src[src]), .codes = codes };
}

/* The same operator, or what `op` says, on a floating source 0. */
static void begin (Kernel *self, const WeirStepSpec *spec, WeirOp op)
{
  self->node = *spec->node;
  self->node.op = op;
  self->node.n_src = 1;
  self->spec = (WeirStepSpec){ .graph = spec->graph,
    .node = &self->node,
    .n_src = 1,
    .n_dst = 1,
    .src = self->src,
    .dst = self->dst };
  self->src[0] = as_f32 (&spec->src[0]);
  self->dst[0] = as_f32 (&spec->dst[0]);
  self->dst_dtype = spec->dst[0].dtype;
  self->n_dst = count (&spec->dst[0]);
}

static bool fill_unary (Kernel *self, const WeirStepSpec *spec)
{
  bool is_pool = spec->node->op == WEIR_OP_Q_LINEAR_AVERAGE_POOL;
  WeirInt8Scale from, to;
  if (weir_node_int (spec->node, "channels_last", 0) || !weir_int8_scale_read (spec, 1, 2, &from) ||
      !weir_int8_scale_read (spec, 3, 4, &to))
    return false;
  begin (self, spec, is_pool ? WEIR_OP_AVERAGE_POOL : WEIR_OP_SOFTMAX);
  if (!is_pool) {
    bool has_axis = weir_node_attr (spec->node, "axis") != NULL;
    int64_t opset = weir_node_int (spec->node, "opset", spec->node->opset);
    self->node.opset = has_axis ? (uint32_t) CLAMP (opset, 1, 99) : 13;
  }
  add_wide (self, spec, 0, weir_cpu_codes (&from, spec->src[0].dtype), WEIR_NONE);
  self->to = weir_cpu_codes (&to, spec->dst[0].dtype);
  return true;
}

/* Codes less their zero points, times `scale` and, of `scales`, the channel's. */
static float *new_weights (const WeirTensor *codes, const WeirTensor *zeros,
    const WeirTensor *scales, double scale, uint32_t axis)
{
  int64_t n_inner = 1, n_zeros = zeros ? count (zeros) : 0, n_scales = scales ? count (scales) : 0;
  for (uint32_t i = axis + 1; i < codes->rank; i++)
    n_inner *= codes->dims[i];
  float *weights = g_try_new (float, (size_t) count (codes));
  for (int64_t i = 0; weights && i < count (codes); i++) {
    int64_t channel = i / n_inner % codes->dims[axis];
    int32_t code = weir_int8_code_at (codes, i);
    if (n_zeros)
      code -= weir_int8_code_at (zeros, n_zeros > 1 ? channel : 0);
    double step = scale;
    if (n_scales)
      step *= (double) ((const float *) weir_tensor_data (scales))[n_scales > 1 ? channel : 0];
    weights[i] = (float) (code * step);
  }
  return weights;
}

static void set_weights (Kernel *self, const WeirTensor *codes, float *weights)
{
  self->weights = weights;
  self->src[1] = as_f32 (codes);
  self->src[1].buffer = weights;
  self->node.n_src = self->spec.n_src = 2;
}

static void set_bias (Kernel *self, const WeirInt8Spec *node)
{
  self->bias = g_new (float, (size_t) node->n_channels);
  for (int64_t i = 0; i < node->n_channels; i++)
    self->bias[i] = (float) weir_int8_spec_bias (node, i);
  self->src[2] = (WeirTensor){
    .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { node->n_channels }, .buffer = self->bias
  };
  self->node.n_src = self->spec.n_src = 3;
}

/* Post-ops add to inputs behind these; those of 8 bits are widened. */
static void set_posts (Kernel *self, const WeirStepSpec *spec)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++) {
    WeirPostOp *post = &self->node.post[i];
    if (post->src == WEIR_NONE)
      continue;
    WeirInt8Scale q;
    weir_int8_scale_read (spec, post->src + 1, post->src + 2, &q);
    add_wide (self, spec, post->src, weir_cpu_codes (&q, spec->src[post->src].dtype), WEIR_NONE);
    self->src[self->spec.n_src] = as_f32 (&spec->src[post->src]);
    post->src = self->spec.n_src++;
    self->node.n_src = self->spec.n_src;
  }
}

static bool has_f32_added (const WeirStepSpec *spec)
{
  for (uint32_t i = 0; i < spec->node->n_post; i++)
    if (spec->node->post[i].src != WEIR_NONE &&
        !weir_int8_is_code (spec->src[spec->node->post[i].src].dtype))
      return true;
  return false;
}

/* The left operand of a product as rows, on which Gemm works. */
static void flatten (Kernel *self, const WeirInt8Spec *node)
{
  bool is_transposed = node->channel_axis == 0;
  int64_t k = node->weights->dims[1 - node->channel_axis];
  self->attrs[0] =
      (WeirAttr){ .name = "transB", .kind = WEIR_ATTR_INT, .n = 1, .i = is_transposed };
  self->node.attrs = self->attrs;
  self->node.n_attrs = 1;
  self->src[0].rank = self->dst[0].rank = 2;
  self->src[0].dims[0] = self->dst[0].dims[0] = self->wide[0].n / k;
  self->src[0].dims[1] = k;
  self->dst[0].dims[1] = node->n_channels;
  for (uint32_t i = 3; i < self->spec.n_src; i++)
    self->src[i] = self->dst[0];
}

static bool fill_compute (Kernel *self, const WeirStepSpec *spec, const WeirInt8Spec *node)
{
  bool is_conv =
      spec->node->op == WEIR_OP_QUANTISED_CONV || spec->node->op == WEIR_OP_Q_LINEAR_CONV;
  WeirInt8Scale plain = { 1, node->src.zero };
  if (has_f32_added (spec))
    return false;
  begin (self, spec, is_conv ? WEIR_OP_CONV : WEIR_OP_GEMM);
  add_wide (self, spec, 0, weir_cpu_codes (&plain, spec->src[0].dtype), WEIR_NONE);
  float *weights = new_weights (node->weights, node->zeros, node->scales,
      (double) node->src.scale * (double) node->alpha, node->channel_axis);
  if (!weights)
    return false;
  set_weights (self, node->weights, weights);
  set_bias (self, node);
  set_posts (self, spec);
  if (!is_conv)
    flatten (self, node);
  if (node->is_quantised)
    self->to = weir_cpu_codes (&node->dst, spec->dst[0].dtype);
  return true;
}

/* ConvInteger, MatMulInteger: weights and their zero points are constants, the source's zero point
 * comes when it runs. */
static bool fill_integer (Kernel *self, const WeirStepSpec *spec)
{
  bool is_conv = spec->node->op == WEIR_OP_CONV_INTEGER;
  const WeirTensor *weights = &spec->src[1],
                   *zeros = spec->n_src > 3 && spec->src[3].dtype ? &spec->src[3] : NULL;
  bool has_zero = spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
  if (!weights->buffer || (zeros && !zeros->buffer) || weights->rank < 2 ||
      (!is_conv && weights->rank != 2) || (has_zero && count (&spec->src[2]) != 1) ||
      (zeros && zeros->rank > 1) || spec->src[0].rank < 2)
    return false;
  begin (self, spec, is_conv ? WEIR_OP_CONV : WEIR_OP_MAT_MUL);
  WeirInt8Scale plain = { 1, 0 };
  add_wide (self, spec, 0, weir_cpu_codes (&plain, spec->src[0].dtype), has_zero ? 2 : WEIR_NONE);
  float *data = new_weights (weights, zeros, NULL, 1, is_conv ? 0 : 1);
  if (data)
    set_weights (self, weights, data);
  return data != NULL;
}

/* --- propose and compile --- */

static bool fill (Kernel *self, const WeirStepSpec *spec)
{
  WeirInt8Spec node;
  if (spec->src[0].buffer || !weir_int8_is_code (spec->src[0].dtype) ||
      !weir_cpu_has_elements (&spec->src[0]) || !weir_cpu_has_elements (&spec->dst[0]))
    return false;
  switch (spec->node->op) {
  case WEIR_OP_Q_LINEAR_AVERAGE_POOL:
  case WEIR_OP_Q_LINEAR_SOFTMAX:
    return fill_unary (self, spec);
  case WEIR_OP_CONV_INTEGER:
  case WEIR_OP_MAT_MUL_INTEGER:
    return fill_integer (self, spec);
  default:
    return weir_cpu_int8_read (spec, &node) && fill_compute (self, spec, &node);
  }
}

static const WeirCpuOp *inner_op (const Kernel *self)
{
  switch (self->node.op) {
  case WEIR_OP_AVERAGE_POOL:
    return &weir_cpu_pool;
  case WEIR_OP_SOFTMAX:
    return &weir_cpu_softmax;
  case WEIR_OP_CONV:
    return &weir_cpu_convolution;
  default:
    return &weir_cpu_matrix;
  }
}

/* What the inner kernel wants of source 0 and gives: f32, in one layout. */
static bool propose_inner (WeirDevice *device, Kernel *self, WeirFormat *src, WeirFormat *dst)
{
  WeirFormat all[G_N_ELEMENTS (self->src)], result[1];
  if (!inner_op (self)->propose (device, &self->spec, all, result) ||
      all[0].dtype != WEIR_DTYPE_F32 || result[0].dtype != WEIR_DTYPE_F32)
    return false;
  *src = all[0];
  *dst = result[0];
  return true;
}

bool weir_cpu_widened_propose (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  Kernel *self = g_new0 (Kernel, 1);
  WeirFormat inner_src, inner_dst;
  bool ok = fill (self, spec) && propose_inner (device, self, &inner_src, &inner_dst);
  for (uint32_t i = 0; ok && i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  if (ok && spec->n_src > 2 && self->wide[0].zero != WEIR_NONE)
    src[self->wide[0].zero] = weir_cpu_format_of (&spec->src[self->wide[0].zero]);
  for (uint32_t i = 0; ok && i < self->n_wide; i++)
    src[self->wide[i].src] =
        (WeirFormat){ spec->src[self->wide[i].src].dtype, i ? inner_dst.layout : inner_src.layout };
  if (ok)
    dst[0] = (WeirFormat){ spec->dst[0].dtype, inner_dst.layout };
  release (&self->base);
  return ok;
}

static size_t align (size_t n_bytes)
{
  return (n_bytes + 63) & ~(size_t) 63;
}

WeirCpuKernel *weir_cpu_widened_compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, NULL, run);
  size_t inner_bytes = 0, at = 0;
  self->base.bind = bind;
  self->base.free = release;
  self->kernels = weir_byte_kernels ();
  if (!fill (self, spec)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "no memory for widened weights");
    release (&self->base);
    return NULL;
  }
  for (uint32_t i = 0; i < self->n_wide; i++) {
    self->wide[i].offset = at;
    at += align ((size_t) self->wide[i].n * sizeof (float));
  }
  self->dst_offset = at;
  at += self->dst_dtype == WEIR_DTYPE_F32 ? 0 : align ((size_t) self->n_dst * sizeof (float));
  self->inner_offset = at;
  self->inner = inner_op (self)->compile (device, &self->spec, &inner_bytes, error);
  *scratch_bytes = at + inner_bytes;
  if (self->inner) {
    self->base.name = self->name = g_strconcat ("f32 ", self->inner->name, NULL);
    return &self->base;
  }
  release (&self->base);
  return NULL;
}

const WeirCpuOp weir_cpu_widened = { weir_cpu_widened_propose, weir_cpu_widened_compile };
