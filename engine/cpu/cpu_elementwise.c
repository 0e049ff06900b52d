/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unary operators, BatchNormalization and ImageScaler: through the kernel of rows where that does
 * what is asked, else through the tensor kernels, bf16 by way of a small buffer. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/cpu_row_posts.h"
#include "engine/graph/postop.h"

#include <math.h>

#define PARALLEL_ELEMENTS 8192
#define N_NORM            5 /* sources of BatchNormalization */

/* --- unary --- */

typedef struct Unary {
  WeirCpuKernel base;
  WeirUnaryFn fn;
  float alpha, beta;
  WeirDtype dtype;
  int64_t n;
  WeirRowFn row; /* or NULL */
  WeirActivation activation;
  float *line; /* a row of factors, then one of what is added; or NULL */
} Unary;

static const struct {
  bool is_known;
  WeirUnary unary;
} unaries[WEIR_N_OPS] = {
  [WEIR_OP_ABS] = { true, WEIR_UNARY_ABS },
  [WEIR_OP_AFFINE] = { true, WEIR_UNARY_AFFINE },
  [WEIR_OP_CEIL] = { true, WEIR_UNARY_CEIL },
  [WEIR_OP_CELU] = { true, WEIR_UNARY_CELU },
  [WEIR_OP_CLIP] = { true, WEIR_UNARY_CLIP },
  [WEIR_OP_ELU] = { true, WEIR_UNARY_ELU },
  [WEIR_OP_ERF] = { true, WEIR_UNARY_ERF },
  [WEIR_OP_EXP] = { true, WEIR_UNARY_EXP },
  [WEIR_OP_FLOOR] = { true, WEIR_UNARY_FLOOR },
  [WEIR_OP_GELU] = { true, WEIR_UNARY_GELU },
  [WEIR_OP_HARD_SIGMOID] = { true, WEIR_UNARY_HARD_SIGMOID },
  [WEIR_OP_HARD_SWISH] = { true, WEIR_UNARY_HARD_SWISH },
  [WEIR_OP_LEAKY_RELU] = { true, WEIR_UNARY_LEAKY_RELU },
  [WEIR_OP_MISH] = { true, WEIR_UNARY_MISH },
  [WEIR_OP_NEG] = { true, WEIR_UNARY_NEG },
  [WEIR_OP_RECIPROCAL] = { true, WEIR_UNARY_RECIPROCAL },
  [WEIR_OP_RELU] = { true, WEIR_UNARY_RELU },
  [WEIR_OP_ROUND] = { true, WEIR_UNARY_ROUND },
  [WEIR_OP_ROUND_TO_CODES] = { true, WEIR_UNARY_ROUND_TO_CODES },
  [WEIR_OP_ROUND_TO_LEVELS] = { true, WEIR_UNARY_ROUND_TO_LEVELS },
  [WEIR_OP_SCALED_TANH] = { true, WEIR_UNARY_SCALED_TANH },
  [WEIR_OP_SELU] = { true, WEIR_UNARY_SELU },
  [WEIR_OP_SIGMOID] = { true, WEIR_UNARY_SIGMOID },
  [WEIR_OP_SIGN] = { true, WEIR_UNARY_SIGN },
  [WEIR_OP_SOFTSIGN] = { true, WEIR_UNARY_SOFTSIGN },
  [WEIR_OP_SQRT] = { true, WEIR_UNARY_SQRT },
  [WEIR_OP_QUICK_GELU] = { true, WEIR_UNARY_SWISH },
  [WEIR_OP_SWISH] = { true, WEIR_UNARY_SWISH },
  [WEIR_OP_TANH] = { true, WEIR_UNARY_TANH },
  [WEIR_OP_THRESHOLDED_RELU] = { true, WEIR_UNARY_THRESHOLDED_RELU },
};

bool weir_cpu_has_unary (WeirOp op)
{
  return unaries[op].is_known;
}

WeirUnaryFn weir_cpu_unary_fn (const WeirDevice *device, WeirOp op)
{
  return unaries[op].is_known ? device->kernels->unary[unaries[op].unary] : NULL;
}

static bool resolve (const WeirStepSpec *spec, WeirPostOp *post)
{
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  return weir_post_op_resolve (&job, post);
}

static bool propose_unary (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirPostOp post;
  if (!unaries[spec->node->op].is_known || spec->node->n_post ||
      !weir_cpu_is_float (spec->src[0].dtype) || !weir_cpu_has_elements (&spec->src[0]) ||
      !resolve (spec, &post))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = dst[0] = weir_cpu_format_of (&spec->src[0]);
  return true;
}

static void unary_row (const WeirCpuBound *bound, int64_t at, size_t n)
{
  const Unary *self = (const Unary *) bound->kernel;
  WeirRow row = { .n = n,
    .src = weir_cpu_row_operand (self->dtype, bound->src[0], at),
    .activation = &self->activation,
    .dst_type = WEIR_ROW_BF16,
    .dst = (uint16_t *) bound->dst[0] + at };
  if (self->line) {
    row.scale = (WeirRowOperand){ WEIR_ROW_F32, self->line };
    row.shift = (WeirRowOperand){ WEIR_ROW_F32, self->line + WEIR_CPU_ROW };
  }
  self->row (&row);
}

static void unary_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Unary *self = (const Unary *) bound->kernel;
  for (int64_t i = begin; i < end && self->row; i += WEIR_CPU_ROW)
    unary_row (bound, i, (size_t) MIN (end - i, WEIR_CPU_ROW));
  if (self->row)
    return;
  if (self->dtype == WEIR_DTYPE_F32) {
    self->fn ((float *) bound->dst[0] + begin, (const float *) bound->src[0] + begin,
        (size_t) (end - begin), self->alpha, self->beta);
    return;
  }
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float x[WEIR_CPU_ROW], y[WEIR_CPU_ROW];
  for (int64_t i = begin; i < end; i += WEIR_CPU_ROW) {
    size_t n = (size_t) MIN (end - i, WEIR_CPU_ROW);
    const float *row = weir_cpu_row_load (kernels, self->dtype, bound->src[0], i, 1, n, x);
    self->fn (y, row, n, self->alpha, self->beta);
    weir_cpu_row_store (kernels, self->dtype, bound->dst[0], i, n, y);
  }
}

static bool run_unary (const WeirCpuBound *bound, GError **error)
{
  const Unary *self = (const Unary *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n, PARALLEL_ELEMENTS, unary_part, bound);
  return true;
}

static void free_unary (WeirCpuKernel *kernel)
{
  Unary *self = (Unary *) kernel;
  g_free (self->line);
  g_free (self);
}

static float *line_new (float factor, float added)
{
  float *line = g_new (float, (gsize) 2 * WEIR_CPU_ROW);
  for (size_t i = 0; i < WEIR_CPU_ROW; i++) {
    line[i] = factor;
    line[WEIR_CPU_ROW + i] = added;
  }
  return line;
}

/* Of bf16, for f32 is done in one pass anyway. To add -0 leaves every number as it is. */
static void choose_unary_row (Unary *self, const WeirPostOp *post)
{
  bool is_line = post->op == WEIR_OP_AFFINE || post->op == WEIR_OP_NEG;
  if (self->dtype != WEIR_DTYPE_BF16 || !weir_row_fn () ||
      (!is_line && !weir_cpu_activation (post, &self->activation)))
    return;
  self->row = weir_row_fn ();
  if (is_line)
    self->line =
        post->op == WEIR_OP_NEG ? line_new (-1, -0.0f) : line_new (post->alpha, post->beta);
}

static WeirCpuKernel *compile_unary (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirPostOp post;
  Unary *self =
      (Unary *) weir_cpu_kernel_new (device, spec, sizeof *self, "elementwise", run_unary);
  resolve (spec, &post);
  self->base.free = free_unary;
  self->fn = weir_cpu_unary_fn (device, spec->node->op);
  self->alpha = post.alpha;
  self->beta = post.beta;
  self->dtype = spec->src[0].dtype;
  weir_tensor_n_elements (&spec->src[0], &self->n);
  choose_unary_row (self, &post);
  return &self->base;
}

/* --- BatchNormalization that fusing left over --- */

typedef struct Affine {
  WeirCpuKernel base;
  WeirDtype src_dtype, dst_dtype;
  bool is_last;
  int64_t n, n_channels;
  int64_t n_row; /* of one channel; is_last: of whole pixels, as many as scale and shift are for */
  float *scale, *shift;
  WeirCpuRowPosts posts;
  WeirRowFn row; /* or NULL */
  WeirActivation activation;
} Affine;

/* Behind a layer that computes in f32 what others read as bf16 is that already; not before the
 * first layer, which may want more. */
static WeirDtype affine_dtype (WeirDevice *device, const WeirStepSpec *spec)
{
  const WeirTensor *src = &spec->src[0];
  return src->layout == WEIR_LAYOUT_CHANNELS_LAST && src->dims[1] > WEIR_CPU_PICTURE_CHANNELS
             ? weir_cpu_result_dtype (device, spec, 0)
             : src->dtype;
}

static bool propose_batch_norm (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!weir_cpu_row_posts_can (spec) || !weir_cpu_is_float (spec->src[0].dtype) ||
      spec->src[0].rank < 2 || !weir_cpu_has_elements (&spec->src[0]) ||
      weir_node_int (spec->node, "training_mode", 0))
    return false;
  for (uint32_t i = 1; i < spec->n_dst; i++)
    if (spec->node->dst[i] != WEIR_NONE)
      return false;
  for (uint32_t i = 1; i < N_NORM; i++) {
    if (!spec->src[i].buffer || spec->src[i].dtype != WEIR_DTYPE_F32)
      return false;
    src[i] = weir_cpu_format_as_is ();
  }
  src[0] = dst[0] = weir_cpu_format_of (&spec->src[0]);
  if (dst[0].dtype == WEIR_DTYPE_F32)
    dst[0].dtype = affine_dtype (device, spec);
  for (uint32_t i = N_NORM; i < spec->n_src; i++) /* what post-ops add */
    src[i] = (WeirFormat){ spec->src[i].dtype, dst[0].layout };
  return true;
}

static void affine_row (const WeirCpuBound *bound, int64_t at, size_t n)
{
  const Affine *self = (const Affine *) bound->kernel;
  bool is_bf16 = self->dst_dtype == WEIR_DTYPE_BF16;
  self->row (&(WeirRow){ .n = n,
      .src = weir_cpu_row_operand (self->src_dtype, bound->src[0], at),
      .scale = { WEIR_ROW_F32, self->scale },
      .shift = { WEIR_ROW_F32, self->shift },
      .activation = &self->activation,
      .dst_type = is_bf16 ? WEIR_ROW_BF16 : WEIR_ROW_F32,
      .dst = (uint8_t *) bound->dst[0] + at * (is_bf16 ? 2 : 4) });
}

static void affine_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Affine *self = (const Affine *) bound->kernel;
  for (int64_t row = begin; row < end && self->row; row++)
    affine_row (bound, row * self->n_row, (size_t) MIN (self->n_row, self->n - row * self->n_row));
  if (self->row)
    return;
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float buffers[2][WEIR_CPU_ROW];
  for (int64_t row = begin; row < end; row++)
    for (int64_t i = 0; i < self->n_row && row * self->n_row + i < self->n; i += WEIR_CPU_ROW) {
      int64_t at = row * self->n_row + i, k = self->is_last ? i : row % self->n_channels;
      size_t n = (size_t) MIN (MIN (self->n_row - i, self->n - at), WEIR_CPU_ROW);
      const float *values =
          weir_cpu_row_load (kernels, self->src_dtype, bound->src[0], at, 1, n, buffers[1]);
      bool is_direct = self->dst_dtype == WEIR_DTYPE_F32 && self->posts.n == 0;
      float *dst = is_direct ? (float *) bound->dst[0] + at : buffers[0];
      kernels->affine (dst, values, self->scale + k, self->shift + k, self->is_last, n);
      if (!is_direct)
        weir_cpu_row_store (kernels, self->dst_dtype, bound->dst[0], at, n,
            weir_cpu_row_posts_run (&self->posts, kernels, bound->src, at, n, dst, buffers));
    }
}

static bool run_affine (const WeirCpuBound *bound, GError **error)
{
  const Affine *self = (const Affine *) bound->kernel;
  int64_t n_rows = (self->n + self->n_row - 1) / self->n_row;
  weir_cpu_for (self->base.device->n_threads, n_rows, PARALLEL_ELEMENTS / self->n_row + 1,
      affine_part, bound);
  return true;
}

static void free_affine (WeirCpuKernel *kernel)
{
  Affine *self = (Affine *) kernel;
  g_free (self->scale);
  g_free (self->shift);
  g_free (self);
}

static void choose_affine_row (Affine *self, const WeirStepSpec *spec)
{
  WeirCpuRowTail tail;
  if (!self->is_last || !weir_cpu_row_tail (spec, &tail) || tail.added != WEIR_NONE)
    return;
  self->row = weir_row_fn ();
  self->activation = tail.activation;
}

/* With room for the channels' scale and shift, which affine_finish repeats to n_row of them. */
static Affine *affine_new (WeirDevice *device, const WeirStepSpec *spec)
{
  const WeirTensor *src = &spec->src[0];
  Affine *self =
      (Affine *) weir_cpu_kernel_new (device, spec, sizeof *self, "elementwise", run_affine);
  self->base.free = free_affine;
  self->src_dtype = src->dtype;
  self->dst_dtype = spec->dst[0].dtype;
  self->is_last = src->layout == WEIR_LAYOUT_CHANNELS_LAST || src->rank == 2;
  self->n_channels = src->dims[1];
  weir_tensor_n_elements (src, &self->n);
  self->n_row = self->is_last ? MAX (WEIR_CPU_ROW / self->n_channels, 1) * self->n_channels
                              : self->n / (src->dims[0] * self->n_channels);
  size_t n = (size_t) (self->is_last ? self->n_row : self->n_channels);
  self->scale = g_new (float, n);
  self->shift = g_new (float, n);
  weir_cpu_row_posts_take (&self->posts, device, spec, 0);
  choose_affine_row (self, spec);
  return self;
}

static WeirCpuKernel *affine_finish (Affine *self)
{
  for (int64_t i = self->n_channels; i < self->n_row && self->is_last; i++) {
    self->scale[i] = self->scale[i - self->n_channels];
    self->shift[i] = self->shift[i - self->n_channels];
  }
  return &self->base;
}

bool weir_cpu_affine_rows (const WeirCpuKernel *kernel, WeirCpuAffine *affine)
{
  const Affine *self = (const Affine *) kernel;
  if (kernel->run != run_affine || self->src_dtype != WEIR_DTYPE_F32 ||
      self->dst_dtype != WEIR_DTYPE_F32 || !self->is_last || self->posts.n > 0)
    return false;
  *affine = (WeirCpuAffine){ self->scale, self->shift, (size_t) self->n_row };
  return true;
}

static WeirCpuKernel *compile_batch_norm (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  double epsilon = (double) weir_node_float (spec->node, "epsilon", 1e-5f);
  const float *scale = weir_tensor_data (&spec->src[1]), *shift = weir_tensor_data (&spec->src[2]);
  const float *mean = weir_tensor_data (&spec->src[3]),
              *variance = weir_tensor_data (&spec->src[4]);
  Affine *self = affine_new (device, spec);
  for (int64_t c = 0; c < self->n_channels; c++) {
    double factor = scale[c] / sqrt (variance[c] + epsilon);
    self->scale[c] = (float) factor;
    self->shift[c] = (float) (shift[c] - mean[c] * factor);
  }
  return affine_finish (self);
}

static bool propose_image_scaler (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (spec->node->n_post || !weir_cpu_is_float (spec->src[0].dtype) ||
      !weir_cpu_has_elements (&spec->src[0]))
    return false;
  src[0] = dst[0] = weir_cpu_format_of (&spec->src[0]);
  return true;
}

static WeirCpuKernel *compile_image_scaler (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirAttr *bias = weir_node_attr (spec->node, "bias");
  bool has_bias = bias && bias->kind == WEIR_ATTR_FLOATS && bias->n;
  Affine *self = affine_new (device, spec);
  for (int64_t c = 0; c < self->n_channels; c++) {
    self->scale[c] = weir_node_float (spec->node, "scale", 1);
    self->shift[c] = has_bias ? bias->floats[c] : 0;
  }
  return affine_finish (self);
}

const WeirCpuOp weir_cpu_unary = { propose_unary, compile_unary };
const WeirCpuOp weir_cpu_batch_norm = { propose_batch_norm, compile_batch_norm };
const WeirCpuOp weir_cpu_image_scaler = { propose_image_scaler, compile_image_scaler };
