/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depthwise convolutions. With AVX512_BF16 those of bf16 are sums of products of bf16; what is
 * stored as bf16 elsewhere is computed in f32.
 *
 * An activation that comes first happens in registers; other post-ops, and bf16 where no kernel
 * takes it, go through a row buffer that stays in the first-level cache. Each thread has scratch
 * memory of its own. */
#include "engine/cpu/cpu.h"

#include "engine/graph/geometry.h"

#define PARALLEL_ELEMENTS 8192

G_STATIC_ASSERT (WEIR_MAX_POST_OPS <= WEIR_DEPTHWISE_MAX_POSTS);

typedef struct Kernel {
  WeirCpuKernel base;
  WeirDepthwisePlan plan;
  int64_t n_parts;
  size_t part_bytes, weight_bytes;
  float *weights;
  uint32_t post_src[WEIR_DEPTHWISE_MAX_POSTS];
} Kernel;

static bool takes_posts (const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++)
    if (node->post[i].op != WEIR_OP_ADD && !weir_cpu_has_unary (node->post[i].op))
      return false;
  return true;
}

/* Those that do not happen in registers. */
static size_t count_posts (const WeirNode *node)
{
  WeirActivation activation;
  bool is_first = node->n_post && weir_cpu_activation (&node->post[0], &activation);
  return node->n_post - is_first;
}

static void fill_posts (
    const WeirDevice *device, const WeirNode *node, WeirDepthwise *shape, uint32_t *post_src)
{
  shape->n_posts = 0;
  for (uint32_t i = 0; i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    if (i == 0 && weir_cpu_activation (post, &shape->activation))
      continue;
    post_src[shape->n_posts] = post->op == WEIR_OP_ADD ? post->src : WEIR_NONE;
    shape->posts[shape->n_posts++] = (WeirDepthwisePost){
      .fn = weir_cpu_unary_fn (device, post->op), .alpha = post->alpha, .beta = post->beta
    };
  }
}

static void fill_shape (const WeirStepSpec *spec, const WeirWindow *window, WeirDepthwise *shape)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  *shape = (WeirDepthwise){ .n_items = (size_t) src->dims[0],
    .n_channels = (size_t) src->dims[1],
    .src_height = (size_t) src->dims[2],
    .src_width = (size_t) src->dims[3],
    .dst_height = (size_t) dst->dims[2],
    .dst_width = (size_t) dst->dims[3],
    .kernel_height = (size_t) window->kernel[0],
    .kernel_width = (size_t) window->kernel[1],
    .stride_y = (size_t) window->stride[0],
    .stride_x = (size_t) window->stride[1],
    .dilation_y = (size_t) window->dilation[0],
    .dilation_x = (size_t) window->dilation[1],
    .pad_y = (size_t) window->pad_begin[0],
    .pad_x = (size_t) window->pad_begin[1],
    .src_is_bf16 = src->dtype == WEIR_DTYPE_BF16,
    .dst_is_bf16 = dst->dtype == WEIR_DTYPE_BF16,
    .n_posts = count_posts (spec->node) };
}

/* False where it is no depthwise convolution that the kernels take. */
static bool make_plan (const WeirStepSpec *spec, WeirDepthwisePlan *plan)
{
  const WeirTensor *src = &spec->src[0], *weights = &spec->src[1];
  const WeirDepthwiseKernels *kernels = weir_depthwise_kernels ();
  WeirWindow window;
  WeirDepthwise shape;
  if (spec->node->op != WEIR_OP_CONV || src->rank != 4 || weights->rank != 4 ||
      weights->dims[1] != 1 || weights->dims[0] != src->dims[1] || src->dims[1] < 2 ||
      weir_node_int (spec->node, "group", 1) != src->dims[1] || !kernels ||
      !takes_posts (spec->node) ||
      !weir_window_resolve (spec->graph, spec->node, src, weights, &window, NULL) ||
      window.pad_begin[0] < 0 || window.pad_begin[1] < 0)
    return false;
  fill_shape (spec, &window, &shape);
  return weir_depthwise_plan (plan, &shape, kernels);
}

bool weir_cpu_is_depthwise (const WeirStepSpec *spec)
{
  WeirDepthwisePlan plan;
  return make_plan (spec, &plan);
}

bool weir_cpu_is_depthwise_strip (const WeirStepSpec *spec)
{
  WeirDepthwisePlan plan;
  return make_plan (spec, &plan) && plan.reads_src && plan.writes_dst;
}

static void run_parts (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirDepthwiseJob job = {
    .plan = &self->plan, .src = bound->src[0], .dst = bound->dst[0], .weights = self->weights
  };
  for (size_t i = 0; i < self->plan.shape.n_posts; i++)
    job.added[i] = self->post_src[i] == WEIR_NONE ? NULL : bound->src[self->post_src[i]];
  for (int64_t p = begin; p < end; p++) {
    int64_t n_units = (int64_t) self->plan.n_units;
    weir_depthwise_run (&job, (char *) bound->scratch + (size_t) p * self->part_bytes,
        (size_t) (n_units * p / self->n_parts), (size_t) (n_units * (p + 1) / self->n_parts));
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
  g_free (self);
}

static void take_weights (Kernel *self, const WeirStepSpec *spec)
{
  int64_t n;
  bool has_bias = spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
  g_autofree float *weights = weir_cpu_constant_f32 (&spec->src[1], &n);
  g_autofree float *bias = has_bias ? weir_cpu_constant_f32 (&spec->src[2], &n) : NULL;
  self->weights = g_new (float, self->plan.n_weight_floats);
  self->weight_bytes = self->plan.n_weight_floats * sizeof (float);
  weir_depthwise_pack_weights (&self->plan, self->weights, weights, bias);
  weir_mutex_lock (&self->base.device->lock);
  self->base.device->weight_bytes += self->weight_bytes;
  weir_mutex_unlock (&self->base.device->lock);
}

WeirCpuKernel *weir_cpu_depthwise_new (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "f32 depthwise", run);
  self->base.free = release;
  if (!make_plan (spec, &self->plan)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a convolution that was not proposed");
    g_free (self);
    return NULL;
  }
  if (spec->src[0].dtype == WEIR_DTYPE_F32 || self->plan.rounds_weights)
    self->base.name = "depthwise";
  const WeirDepthwise *shape = &self->plan.shape;
  size_t n_elements = shape->n_items * shape->dst_height * shape->dst_width * shape->n_channels;
  fill_posts (device, spec->node, &self->plan.shape, self->post_src);
  take_weights (self, spec);
  self->n_parts = (int64_t) MIN (n_elements / PARALLEL_ELEMENTS, self->plan.n_units);
  self->n_parts = CLAMP (self->n_parts, 1, (int64_t) device->n_threads);
  self->part_bytes = (self->plan.scratch_bytes + 63) & ~(size_t) 63;
  *scratch_bytes = self->part_bytes * (size_t) self->n_parts;
  return &self->base;
}

const WeirDepthwisePlan *weir_cpu_depthwise_strips (
    const WeirCpuKernel *kernel, const float **weights)
{
  const Kernel *self = (const Kernel *) kernel;
  if (kernel->run != run || !self->plan.reads_src || !self->plan.writes_dst)
    return NULL;
  *weights = self->weights;
  return &self->plan;
}
