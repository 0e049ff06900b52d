/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions with 1x1 windows in f32 or bf16: channels-last pictures are matrices of pixels by
 * channels, so they are products with the weights.
 *
 * An activation and an addition before or behind it happen in registers, the addition in place
 * where nothing else reads what is added. In f32 other post-ops follow block by block, while the
 * results are in the second-level cache; in bf16 they would work on rounded sums, so those steps
 * are left to oneDNN. */
#include "engine/cpu/cpu.h"
#include "engine/cpu/cpu_packed.h"
#include "engine/cpu/cpu_rows.h"

#define BLOCK_ROWS 252
/* A part has so many multiplications, or reads so many weights: some 20 µs. */
#define PART_WORK    2.5e5
#define PART_WEIGHTS 131072

typedef struct Post {
  WeirUnaryFn fn; /* NULL: adds source src */
  float alpha, beta;
  uint32_t src;
} Post;

typedef struct Kernel {
  WeirCpuKernel base;
  WeirCpuPointwisePlan plan;
  WeirCpuPacked *weights;
  size_t panel_bytes; /* of weights */
  float *bias;
  /* Results in lines whose source pixels are a_row elements apart: all of them, or with strides one
   * row of a picture. */
  size_t line_rows, picture_lines, src_line, src_picture;
  uint32_t n_posts; /* that are not done in registers */
  Post posts[WEIR_MAX_POST_OPS];
} Kernel;

static bool is_one (const int64_t *values, uint32_t n)
{
  for (uint32_t i = 0; i < n; i++)
    if (values[i] != 1)
      return false;
  return true;
}

/* How many post-ops are done in registers. */
static uint32_t place_posts (const WeirNode *node, WeirCpuPointwisePlan *plan)
{
  uint32_t i = 0;
  plan->added = WEIR_NONE;
  if (i < node->n_post && node->post[i].op == WEIR_OP_ADD)
    plan->added = node->post[i++].src;
  if (i < node->n_post && weir_cpu_activation (&node->post[i], &plan->task.activation))
    i++;
  plan->task.adds_last =
      plan->added == WEIR_NONE && i < node->n_post && node->post[i].op == WEIR_OP_ADD;
  if (plan->task.adds_last)
    plan->added = node->post[i++].src;
  return i;
}

static bool are_in_registers (const WeirNode *node)
{
  WeirCpuPointwisePlan plan;
  return place_posts (node, &plan) == node->n_post;
}

static bool takes_posts (const WeirStepSpec *spec)
{
  const WeirNode *node = spec->node;
  if (spec->src[0].dtype == WEIR_DTYPE_BF16)
    return are_in_registers (node);
  for (uint32_t i = 0; i < node->n_post; i++)
    if (node->post[i].op != WEIR_OP_ADD && !weir_cpu_has_unary (node->post[i].op))
      return false;
  return true;
}

/* NULL: there is none for these types. */
static WeirGemmFn find_product (WeirDtype src, WeirDtype dst)
{
  if (src == WEIR_DTYPE_BF16 && weir_cpu_is_float (dst))
    return weir_gemm_bf16 ();
  return src == WEIR_DTYPE_F32 && dst == WEIR_DTYPE_F32 ? weir_gemm () : NULL;
}

/* Strides on two axes at most, and no padding that results would see. */
static bool takes_window (const WeirStepSpec *spec, const WeirWindow *window)
{
  bool is_dense = is_one (window->stride, window->n_spatial);
  for (uint32_t i = 0; i < window->n_spatial; i++)
    if (window->kernel[i] != 1 || window->pad_begin[i] != 0 ||
        (spec->dst[0].dims[2 + i] - 1) * window->stride[i] >= spec->src[0].dims[2 + i])
      return false;
  return is_dense || window->n_spatial == 2;
}

static bool resolve (const WeirStepSpec *spec, WeirWindow *window)
{
  return spec->node->op == WEIR_OP_CONV && weir_node_int (spec->node, "group", 1) == 1 &&
         find_product (spec->src[0].dtype, spec->dst[0].dtype) && takes_posts (spec) &&
         weir_window_resolve (
             spec->graph, spec->node, &spec->src[0], &spec->src[1], window, NULL) &&
         takes_window (spec, window);
}

bool weir_cpu_is_pointwise (const WeirStepSpec *spec)
{
  WeirWindow window;
  return resolve (spec, &window);
}

bool weir_cpu_is_pointwise_strip (const WeirStepSpec *spec)
{
  WeirWindow window;
  return resolve (spec, &window) && is_one (window.stride, window.n_spatial) &&
         are_in_registers (spec->node);
}

static void apply_posts (const WeirCpuBound *bound, size_t at, size_t n)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirTensorKernels *kernels = bound->kernel->device->kernels;
  float buffer[WEIR_CPU_ROW];
  for (uint32_t i = 0; i < self->n_posts; i++) {
    const Post *post = &self->posts[i];
    for (size_t begin = 0; begin < n; begin += WEIR_CPU_ROW) {
      size_t n_at_once = MIN (WEIR_CPU_ROW, n - begin);
      float *dst = (float *) bound->dst[0] + at + begin;
      if (!post->fn) {
        kernels->accumulate (dst, (const float *) bound->src[post->src] + at + begin, n_at_once);
        continue;
      }
      post->fn (buffer, dst, n_at_once, post->alpha, post->beta);
      memcpy (dst, buffer, n_at_once * sizeof *dst);
    }
  }
}

/* Rows of one line. */
static void run_block (const WeirCpuBound *bound, WeirGemm *task, size_t row, size_t column)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirCpuPointwisePlan *plan = &self->plan;
  size_t line = row / self->line_rows, at = row * task->dst_row + column;
  size_t from = line / self->picture_lines * self->src_picture +
                line % self->picture_lines * self->src_line + row % self->line_rows * task->a_row;
  task->a = (const char *) bound->src[0] + from * plan->src_bytes;
  task->dst = (char *) bound->dst[0] + at * plan->dst_bytes;
  task->added = plan->added == WEIR_NONE
                    ? NULL
                    : (const char *) bound->src[plan->added] + at * plan->dst_bytes;
  plan->multiply (task);
  if (task->n_columns == task->dst_row)
    apply_posts (bound, at, task->n_rows * task->n_columns);
  else
    for (size_t r = 0; r < task->n_rows; r++)
      apply_posts (bound, at + r * task->dst_row, task->n_columns);
}

static void run_rows (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirGemm task = self->plan.task;
  for (size_t row = (size_t) begin; row < (size_t) end; row += task.n_rows) {
    size_t n_line = self->line_rows - row % self->line_rows;
    task.n_rows = MIN (MIN (n_line, (size_t) end - row), BLOCK_ROWS);
    run_block (bound, &task, row, 0);
  }
}

/* All rows, of some panels of columns. */
static void run_panels (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  size_t column = (size_t) begin * WEIR_GEMM_PANEL;
  WeirGemm task = self->plan.task;
  task.n_columns = MIN (task.n_columns, (size_t) end * WEIR_GEMM_PANEL) - column;
  task.b = (const char *) task.b + (size_t) begin * self->panel_bytes;
  if (task.bias)
    task.bias += column;
  for (size_t row = 0; row < self->plan.task.n_rows; row += task.n_rows) {
    task.n_rows = MIN (self->line_rows, self->plan.task.n_rows - row);
    run_block (bound, &task, row, column);
  }
}

/* Few rows are not cut, since every part would read all weights. */
static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  uint32_t n_threads = self->base.device->n_threads;
  int64_t n_rows = (int64_t) self->plan.task.n_rows;
  int64_t n_panels = (int64_t) (self->plan.task.n_columns + WEIR_GEMM_PANEL - 1) / WEIR_GEMM_PANEL;
  double n_weights = (double) self->plan.task.n_inner * (double) (n_panels * WEIR_GEMM_PANEL);
  double n_parts = MAX (n_weights * (double) n_rows / PART_WORK, n_weights / PART_WEIGHTS);
  if (n_rows >= (int64_t) n_threads * BLOCK_ROWS || n_panels < n_threads)
    weir_cpu_for (n_threads, n_rows, (int64_t) ((double) n_rows / n_parts), run_rows, bound);
  else
    weir_cpu_for (n_threads, n_panels, (int64_t) ((double) n_panels / n_parts), run_panels, bound);
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_cpu_packed_unref (kernel->device, self->weights);
  g_free (self->bias);
  g_free (self);
}

static void fill_shape (Kernel *self, const WeirStepSpec *spec, const WeirWindow *window)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  size_t n_rows = (size_t) dst->dims[0], n_inner = (size_t) src->dims[1];
  for (uint32_t i = 0; i < window->n_spatial; i++)
    n_rows *= (size_t) dst->dims[2 + i];
  self->plan = (WeirCpuPointwisePlan){ .task = { .a_row = n_inner,
                                           .dst_row = (size_t) dst->dims[1],
                                           .n_rows = n_rows,
                                           .n_inner = n_inner,
                                           .n_columns = (size_t) dst->dims[1],
                                           .dst_is_f32 = dst->dtype == WEIR_DTYPE_F32 },
    .multiply = find_product (src->dtype, dst->dtype),
    .src_bytes = weir_dtype_bytes (src->dtype),
    .dst_bytes = weir_dtype_bytes (dst->dtype) };
  self->line_rows = n_rows;
  self->picture_lines = 1;
  if (is_one (window->stride, window->n_spatial))
    return;
  self->line_rows = (size_t) dst->dims[3];
  self->picture_lines = (size_t) dst->dims[2];
  self->src_line = (size_t) (window->stride[0] * src->dims[3]) * n_inner;
  self->src_picture = (size_t) (src->dims[2] * src->dims[3]) * n_inner;
  self->plan.task.a_row = (size_t) window->stride[1] * n_inner;
}

static void fill_posts (Kernel *self, const WeirStepSpec *spec)
{
  const WeirNode *node = spec->node;
  for (uint32_t i = place_posts (node, &self->plan); i < node->n_post; i++) {
    const WeirPostOp *post = &node->post[i];
    self->posts[self->n_posts++] = (Post){ .fn = weir_cpu_unary_fn (self->base.device, post->op),
      .alpha = post->alpha,
      .beta = post->beta,
      .src = post->src };
  }
  uint32_t added = self->plan.added;
  if (added < 32 && (spec->may_overwrite >> added & 1) && node->src[added] != node->src[0])
    self->base.overwritten = added;
}

static void pack_f32 (void *data, const float *values, const void *job)
{
  const WeirGemm *task = job;
  weir_gemm_pack (data, values, 1, task->n_inner, task->n_inner, task->n_columns);
}

static void pack_bf16 (void *data, const float *values, const void *job)
{
  const WeirGemm *task = job;
  weir_gemm_pack_bf16 (data, values, 1, task->n_inner, task->n_inner, task->n_columns);
}

static bool take_weights (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  WeirDevice *device = self->base.device;
  WeirGemm *task = &self->plan.task;
  bool is_bf16 = spec->src[0].dtype == WEIR_DTYPE_BF16;
  size_t n_panels = (task->n_columns + WEIR_GEMM_PANEL - 1) / WEIR_GEMM_PANEL;
  int64_t n_bias;
  self->panel_bytes =
      is_bf16 ? weir_gemm_packed_bf16 (task->n_inner, WEIR_GEMM_PANEL) * sizeof (uint16_t)
              : weir_gemm_packed_floats (task->n_inner, WEIR_GEMM_PANEL) * sizeof (float);
  if (spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE)
    task->bias = self->bias = weir_cpu_constant_f32 (&spec->src[2], &n_bias);
  self->weights = weir_cpu_packed_ref (device, &spec->src[1],
      is_bf16 ? "panels of outputs in bf16" : "panels of outputs", n_panels * self->panel_bytes,
      is_bf16 ? pack_bf16 : pack_f32, task, error);
  if (self->weights)
    task->b = weir_cpu_packed_data (self->weights);
  return self->weights != NULL;
}

WeirCpuKernel *weir_cpu_pointwise_new (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "pointwise", run);
  WeirWindow window;
  self->base.free = release;
  *scratch_bytes = 0;
  if (!resolve (spec, &window)) {
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_INTERNAL, "a convolution that was not proposed");
    release (&self->base);
    return NULL;
  }
  fill_shape (self, spec, &window);
  fill_posts (self, spec);
  if (!take_weights (self, spec, error)) {
    release (&self->base);
    return NULL;
  }
  return &self->base;
}

const WeirCpuPointwisePlan *weir_cpu_pointwise_strips (const WeirCpuKernel *kernel)
{
  const Kernel *self = (const Kernel *) kernel;
  if (kernel->run != run || self->n_posts || self->line_rows != self->plan.task.n_rows)
    return NULL;
  return &self->plan;
}
