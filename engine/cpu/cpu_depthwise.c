/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depthwise convolutions, row by row, in f32: there is too little arithmetic per byte for bf16 to
 * help, and its weights would cost accuracy.
 *
 * Source rows in bf16 are widened into a ring of as many rows as a window spans, each once. Relu
 * and Clip happen in registers; other post-ops, and bf16 results, go through a row buffer that
 * stays in the first-level cache. Each thread has a ring and a row of its own in the scratch
 * memory. */
#include "engine/cpu/cpu.h"

#include "engine/base/checked.h"
#include "engine/cpu/cpu_rows.h"
#include "engine/graph/geometry.h"
#include "kernels/depthwise.h"

#include <math.h>

#define MAX_WINDOW_ROWS   64
#define PARALLEL_ELEMENTS 32768

typedef struct RowPost {
  WeirUnaryFn fn; /* NULL: add src */
  float alpha, beta;
  uint32_t src;
} RowPost;

typedef struct Kernel {
  WeirCpuKernel base;
  WeirDepthwiseFn fn;
  WeirDepthwise shape;
  WeirDtype src_dtype, dst_dtype;
  int64_t n_items, src_height, dst_height;
  int64_t stride, dilation, pad;  /* down the rows */
  int64_t span, src_row, dst_row; /* rows of a window; elements of a row */
  int64_t n_parts;
  size_t part_bytes, weight_bytes;
  float *weights, *bias;
  uint32_t n_posts;
  RowPost posts[WEIR_MAX_POST_OPS];
} Kernel;

static bool resolve (const WeirStepSpec *spec, WeirWindow *window)
{
  return weir_window_resolve (spec->graph, spec->node, spec->src, &spec->src[1], window, NULL);
}

static bool is_clip (const WeirPostOp *post)
{
  return post->op == WEIR_OP_RELU || post->op == WEIR_OP_CLIP;
}

/* In f32 oneDNN is as fast, and faster where post-ops are more than a clip. */
static bool takes_posts (const WeirDevice *device, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    if (device->dtype == WEIR_DTYPE_F32 && !(i == 0 && is_clip (post)))
      return false;
    if (post->op != WEIR_OP_ADD && !weir_cpu_has_unary (post->op))
      return false;
  }
  return true;
}

bool weir_cpu_is_depthwise (const WeirDevice *device, const WeirStepSpec *spec)
{
  const WeirTensor *src = &spec->src[0], *weights = &spec->src[1];
  WeirWindow window;
  if (spec->node->op != WEIR_OP_CONV || src->rank != 4 || weights->rank != 4 ||
      weights->dims[1] != 1 || weights->dims[0] != src->dims[1] || src->dims[1] < 2 ||
      weir_node_int (spec->node, "group", 1) != src->dims[1] || !weir_depthwise () ||
      !resolve (spec, &window) || !takes_posts (device, spec->node))
    return false;
  return (window.kernel[0] - 1) * window.dilation[0] + 1 <= MAX_WINDOW_ROWS &&
         window.pad_begin[0] >= 0 && window.pad_begin[1] >= 0;
}

/* The ring and row buffers of one thread. */
typedef struct Part {
  float *ring, *row;
  int64_t in_ring[MAX_WINDOW_ROWS]; /* source row, counted over all items; -1: none */
} Part;

static const float *source_row (
    const Kernel *self, const WeirCpuBound *bound, Part *part, int64_t y)
{
  if (self->src_dtype == WEIR_DTYPE_F32)
    return (const float *) bound->src[0] + y * self->src_row;
  int64_t slot = y % self->span;
  float *row = part->ring + slot * self->src_row;
  if (part->in_ring[slot] != y)
    self->base.device->kernels->f32_from_bf16 (
        row, (const uint16_t *) bound->src[0] + y * self->src_row, (size_t) self->src_row);
  part->in_ring[slot] = y;
  return row;
}

/* Post-ops and storing of elements `at` on. */
static void finish_chunk (
    const Kernel *self, const WeirCpuBound *bound, const float *row, int64_t at, size_t n)
{
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float buffers[2][WEIR_CPU_ROW], added[WEIR_CPU_ROW];
  for (uint32_t i = 0; i < self->n_posts; i++) {
    const RowPost *post = &self->posts[i];
    if (post->fn)
      post->fn (buffers[i & 1], row, n, post->alpha, post->beta);
    else
      kernels->binary[WEIR_BINARY_ADD](buffers[i & 1], row, 1,
          weir_cpu_row_load (kernels, self->dst_dtype, bound->src[post->src], at, 1, n, added), 1,
          n);
    row = buffers[i & 1];
  }
  weir_cpu_row_store (kernels, self->dst_dtype, bound->dst[0], at, n, row);
}

static void run_row (const Kernel *self, const WeirCpuBound *bound, Part *part, int64_t i)
{
  const float *rows[MAX_WINDOW_ROWS];
  int64_t item = i / self->dst_height, top = i % self->dst_height * self->stride - self->pad;
  bool is_direct = self->n_posts == 0 && self->dst_dtype == WEIR_DTYPE_F32;
  float *dst = is_direct ? (float *) bound->dst[0] + i * self->dst_row : part->row;
  for (size_t ky = 0; ky < self->shape.kernel_height; ky++) {
    int64_t y = top + (int64_t) ky * self->dilation;
    rows[ky] = y < 0 || y >= self->src_height
                   ? NULL
                   : source_row (self, bound, part, item * self->src_height + y);
  }
  self->fn (&self->shape, dst, rows, self->weights, self->bias);
  for (int64_t at = 0; at < self->dst_row && !is_direct; at += WEIR_CPU_ROW)
    finish_chunk (self, bound, part->row + at, i * self->dst_row + at,
        (size_t) MIN (self->dst_row - at, WEIR_CPU_ROW));
}

static void run_parts (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t n_rows = self->n_items * self->dst_height;
  for (int64_t p = begin; p < end; p++) {
    Part part = { .ring = (float *) ((char *) bound->scratch + (size_t) p * self->part_bytes) };
    part.row = part.ring + (self->src_dtype == WEIR_DTYPE_F32 ? 0 : self->span * self->src_row);
    for (int64_t i = 0; i < self->span; i++)
      part.in_ring[i] = -1;
    for (int64_t i = n_rows * p / self->n_parts; i < n_rows * (p + 1) / self->n_parts; i++)
      run_row (self, bound, &part, i);
  }
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (self->base.device->n_threads, self->n_parts, 1, run_parts, bound);
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_mutex_lock (&kernel->device->lock);
  kernel->device->weight_bytes -= self->weight_bytes;
  weir_mutex_unlock (&kernel->device->lock);
  g_free (self->weights);
  g_free (self->bias);
  g_free (self);
}

/* Weights with the channels last; zeros for a bias that is not there. */
static void take_weights (Kernel *self, const WeirStepSpec *spec)
{
  int64_t n_channels = spec->src[1].dims[0], n_taps = spec->src[1].dims[2] * spec->src[1].dims[3],
          n;
  g_autofree float *weights = weir_cpu_constant_f32 (&spec->src[1], &n);
  bool has_bias = spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
  self->weights = g_new (float, (size_t) n);
  for (int64_t c = 0; c < n_channels; c++)
    for (int64_t tap = 0; tap < n_taps; tap++)
      self->weights[tap * n_channels + c] = weights[c * n_taps + tap];
  self->bias =
      has_bias ? weir_cpu_constant_f32 (&spec->src[2], &n) : g_new0 (float, (size_t) n_channels);
  self->weight_bytes = (size_t) (n_channels * (n_taps + 1)) * sizeof (float);
  weir_mutex_lock (&self->base.device->lock);
  self->base.device->weight_bytes += self->weight_bytes;
  weir_mutex_unlock (&self->base.device->lock);
}

static void take_posts (Kernel *self, const WeirNode *node)
{
  self->shape.least = -INFINITY;
  self->shape.most = INFINITY;
  for (uint32_t i = 0; i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    if (i == 0 && is_clip (post)) {
      self->shape.least = post->op == WEIR_OP_RELU ? 0.0f : post->alpha;
      self->shape.most = post->op == WEIR_OP_RELU ? INFINITY : post->beta;
      continue;
    }
    self->posts[self->n_posts++] = (RowPost){ .fn = weir_cpu_unary_fn (self->base.device, post->op),
      .alpha = post->alpha,
      .beta = post->beta,
      .src = post->src };
  }
}

static void take_shape (Kernel *self, const WeirStepSpec *spec, const WeirWindow *window)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  self->shape.n_channels = (size_t) src->dims[1];
  self->shape.kernel_height = (size_t) window->kernel[0];
  self->shape.kernel_width = (size_t) window->kernel[1];
  self->shape.stride = (size_t) window->stride[1];
  self->shape.dilation = (size_t) window->dilation[1];
  self->shape.pad = (size_t) window->pad_begin[1];
  self->shape.src_width = (size_t) src->dims[3];
  self->shape.dst_width = (size_t) dst->dims[3];
  self->src_dtype = src->dtype;
  self->dst_dtype = dst->dtype;
  self->n_items = src->dims[0];
  self->src_height = src->dims[2];
  self->dst_height = dst->dims[2];
  self->stride = window->stride[0];
  self->dilation = window->dilation[0];
  self->pad = window->pad_begin[0];
  self->span = (window->kernel[0] - 1) * window->dilation[0] + 1;
  self->src_row = src->dims[3] * src->dims[1];
  self->dst_row = dst->dims[3] * dst->dims[1];
}

static bool take_scratch (Kernel *self, size_t *scratch_bytes)
{
  int64_t n_rows = self->n_items * self->dst_height;
  int64_t n_ring = self->src_dtype == WEIR_DTYPE_F32 ? 0 : self->span * self->src_row;
  self->n_parts = n_rows * self->dst_row / PARALLEL_ELEMENTS;
  self->n_parts = CLAMP (self->n_parts, 1, (int64_t) self->base.device->n_threads);
  self->n_parts = MIN (self->n_parts, n_rows);
  return weir_checked_mul ((size_t) (n_ring + self->dst_row), sizeof (float), &self->part_bytes) &&
         weir_checked_align (self->part_bytes, 64, &self->part_bytes) &&
         weir_checked_mul (self->part_bytes, (size_t) self->n_parts, scratch_bytes);
}

WeirCpuKernel *weir_cpu_depthwise_new (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirWindow window;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "depthwise", run);
  self->base.free = release;
  self->fn = weir_depthwise ();
  take_posts (self, spec->node);
  if (resolve (spec, &window)) {
    take_shape (self, spec, &window);
    take_weights (self, spec);
    if (take_scratch (self, scratch_bytes))
      return &self->base;
  }
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_MEMORY, "a depthwise convolution is too large");
  release (&self->base);
  return NULL;
}
