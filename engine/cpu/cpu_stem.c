/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first convolution of a network in bf16, on pictures of few channels: rows of a window are
 * pieces of rows of pixels, side by side in memory, so that a row of results is a matrix product
 * whose rows overlap. What a strip of results reads is copied first, with the padding around it.
 *
 * Pixels of 8 bits are exact in bf16; where a normalisation came before, its step is joined with
 * this one, and what it gives is rounded. Of the weights, the sum of each channel of a window is
 * kept: rounded to nearest they cost small windows more accuracy than all other layers.
 *
 * An activation that comes first happens in registers; other post-ops follow row by row. */
#include "engine/cpu/cpu_crew.h"
#include "engine/cpu/cpu_packed.h"
#include "engine/cpu/cpu_round_sums.h"
#include "engine/cpu/cpu_row_posts.h"

#include "engine/graph/geometry.h"
#include "kernels/gemm.h"

#define MANY_PRODUCTS 64           /* of one result */
#define MUCH_WORK     8e6          /* multiplications of a picture */
#define STRIP_BYTES   (128u << 10) /* of the copy, in the second-level cache */
#define STRIP_ROWS    16
#define PART_WORK     5e5 /* multiplications that a thread must have */

typedef struct Kernel {
  WeirCpuKernel base;
  WeirGemmFn multiply;
  WeirGemm task; /* but for the addresses: one row of results */
  WeirCpuPacked *weights;
  float *bias;
  WeirDtype dtype; /* of results */
  size_t n_items, n_channels, src_height, dst_height, stride_y, pad_y;
  size_t n_src, n_pad, n_copy; /* elements of a row: of the source; zeros before it; of the copy */
  size_t src_bytes;            /* of an element */
  WeirCpuKernel *before;       /* what normalises the source; NULL: nothing does */
  WeirCpuAffine affine;        /* that */
  size_t strip_rows, n_strips; /* of results, of one picture */
  size_t part_bytes;
  int64_t n_parts;
  WeirCpuRowPosts posts;
} Kernel;

/* --- run --- */

/* n elements of whole pixels. */
static void round_pixels (const Kernel *self, uint16_t *dst, const float *src, size_t n)
{
  const WeirTensorKernels *kernels = self->base.device->kernels;
  const WeirCpuAffine *affine = &self->affine;
  float row[WEIR_CPU_ROW];
  if (!self->before) {
    kernels->bf16_from_f32 (dst, src, n);
    return;
  }
  for (size_t i = 0; i < n; i += affine->n) {
    size_t n_once = MIN (n - i, affine->n);
    kernels->affine (row, src + i, affine->scale, affine->shift, 1, n_once);
    kernels->bf16_from_f32 (dst + i, row, n_once);
  }
}

/* Row y of the padded picture. */
static void copy_row (const Kernel *self, const char *picture, size_t y, uint16_t *row)
{
  bool is_inside = y >= self->pad_y && y - self->pad_y < self->src_height;
  size_t begin = is_inside ? MIN (self->n_pad, self->n_copy) : self->n_copy;
  size_t n = MIN (self->n_src, self->n_copy - begin);
  const char *src =
      is_inside ? picture + (y - self->pad_y) * self->n_src * self->src_bytes : picture;
  memset (row, 0, begin * sizeof *row);
  if (self->src_bytes == sizeof *row)
    memcpy (row + begin, src, n * sizeof *row);
  else
    round_pixels (self, row + begin, (const float *) src, n);
  memset (row + begin + n, 0, (self->n_copy - begin - n) * sizeof *row);
}

static void run_strip (const WeirCpuBound *bound, size_t item, size_t begin, uint16_t *copy)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const char *picture =
      (const char *) bound->src[0] + item * self->src_height * self->n_src * self->src_bytes;
  size_t end = MIN (begin + self->strip_rows, self->dst_height), top = begin * self->stride_y;
  size_t n_rows = (end - begin - 1) * self->stride_y + self->task.n_segments;
  WeirGemm task = self->task;
  for (size_t i = 0; i < n_rows; i++)
    copy_row (self, picture, top + i, copy + i * self->n_copy);
  for (size_t y = begin; y < end; y++) {
    size_t at = (item * self->dst_height + y) * task.n_rows * task.dst_row;
    task.a = copy + (y - begin) * self->stride_y * self->n_copy;
    task.dst = (char *) bound->dst[0] + at * weir_dtype_bytes (self->dtype);
    self->multiply (&task);
    if (self->posts.n > 0)
      weir_cpu_row_posts_apply (&self->posts, self->base.device->kernels, bound, self->dtype,
          (int64_t) at, task.n_rows * task.dst_row);
  }
}

static int64_t count_strips (const Kernel *self)
{
  return (int64_t) (self->n_strips * self->n_items);
}

static void run_strips (const WeirCpuBound *bound, int64_t part, int64_t begin, int64_t end)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  uint16_t *copy = (uint16_t *) ((char *) bound->scratch + (size_t) part * self->part_bytes);
  for (int64_t i = begin; i < end; i++)
    run_strip (
        bound, (size_t) i / self->n_strips, (size_t) i % self->n_strips * self->strip_rows, copy);
}

static void run_parts (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t n = count_strips (self);
  for (int64_t p = begin; p < end; p++)
    run_strips (bound, p, n * p / self->n_parts, n * (p + 1) / self->n_parts);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  if (self->n_parts > 1 && weir_cpu_crew_helps ())
    weir_cpu_for (self->base.device->n_threads, self->n_parts, 1, run_parts, bound);
  else
    run_strips (bound, 0, 0, count_strips (self));
  return true;
}

/* --- choice --- */

static bool is_stem (const WeirStepSpec *spec)
{
  return spec->node->op == WEIR_OP_CONV && spec->src[0].dims[1] <= WEIR_CPU_PICTURE_CHANNELS;
}

/* Of one result. */
static int64_t count_products (const WeirStepSpec *spec)
{
  const WeirTensor *weights = &spec->src[1];
  int64_t n = weights->dims[1];
  for (uint32_t i = 2; i < weights->rank; i++)
    n *= weights->dims[i];
  return n;
}

bool weir_cpu_is_small_stem (const WeirStepSpec *spec)
{
  return is_stem (spec) && count_products (spec) < MANY_PRODUCTS;
}

/* Of a picture. */
static bool is_much_work (const WeirStepSpec *spec)
{
  const WeirTensor *dst = &spec->dst[0];
  return (double) (dst->dims[1] * dst->dims[2] * dst->dims[3]) * (double) count_products (spec) >=
         MUCH_WORK;
}

bool weir_cpu_is_stem (const WeirStepSpec *spec, const WeirWindow *window)
{
  return is_stem (spec) && weir_gemm_bf16 () && spec->src[0].rank == 4 &&
         (!weir_cpu_is_small_stem (spec) || is_much_work (spec)) &&
         weir_node_int (spec->node, "group", 1) == 1 && window->dilation[0] == 1 &&
         window->dilation[1] == 1 && window->pad_begin[0] >= 0 && window->pad_begin[1] >= 0 &&
         weir_cpu_row_posts_can (spec);
}

/* --- compile --- */

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_cpu_packed_unref (kernel->device, self->weights);
  if (self->before)
    self->before->free (self->before);
  g_free (self->bias);
  g_free (self);
}

static void fill_shape (Kernel *self, const WeirStepSpec *spec, const WeirWindow *window)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  size_t n_channels = (size_t) src->dims[1], stride_x = (size_t) window->stride[1];
  size_t dst_width = (size_t) dst->dims[3], kernel_width = (size_t) window->kernel[1];
  self->dtype = dst->dtype;
  self->src_bytes = weir_dtype_bytes (src->dtype);
  self->n_items = (size_t) src->dims[0];
  self->n_channels = n_channels;
  self->src_height = (size_t) src->dims[2];
  self->dst_height = (size_t) dst->dims[2];
  self->stride_y = (size_t) window->stride[0];
  self->pad_y = (size_t) window->pad_begin[0];
  self->n_src = (size_t) src->dims[3] * n_channels;
  self->n_pad = (size_t) window->pad_begin[1] * n_channels;
  self->n_copy = ((dst_width - 1) * stride_x + kernel_width) * n_channels;
  self->task = (WeirGemm){ .a_row = stride_x * n_channels,
    .dst_row = (size_t) dst->dims[1],
    .n_rows = dst_width,
    .n_inner = kernel_width * n_channels,
    .n_columns = (size_t) dst->dims[1],
    .n_segments = (size_t) window->kernel[0],
    .a_segment = self->n_copy,
    .dst_is_f32 = dst->dtype == WEIR_DTYPE_F32 };
}

static size_t count_scratch (const Kernel *self)
{
  return self->part_bytes * (size_t) self->n_parts;
}

/* As many rows as fit in the cache, but for those that neighbours share. */
static void choose_strips (Kernel *self, size_t *scratch_bytes)
{
  size_t row_bytes = self->n_copy * sizeof (uint16_t), height = self->task.n_segments;
  size_t most = MAX (STRIP_BYTES / row_bytes, height);
  double work = (double) (self->n_items * self->dst_height * self->task.n_rows) *
                (double) (weir_gemm_depth (&self->task) * self->task.n_columns);
  self->strip_rows = MIN ((most - height) / self->stride_y + 1, STRIP_ROWS);
  self->n_strips = (self->dst_height + self->strip_rows - 1) / self->strip_rows;
  self->n_parts = (int64_t) CLAMP (work / PART_WORK, 1, (double) self->base.device->n_threads);
  self->n_parts = MIN (self->n_parts, count_strips (self));
  self->part_bytes =
      (((self->strip_rows - 1) * self->stride_y + height) * row_bytes + 63) & ~(size_t) 63;
  *scratch_bytes = count_scratch (self);
}

/* Rows of a window as they are packed. */
static size_t packed_rows (const WeirGemm *task)
{
  return task->n_segments * (task->n_inner + task->n_inner % 2);
}

/* From [outputs][channels][rows][columns], rounded, to the order in which windows are read:
 * channels last. */
static void pack (void *data, const float *values, const void *job)
{
  const Kernel *self = job;
  const WeirGemm *task = &self->task;
  size_t n_rows = packed_rows (task), row = n_rows / task->n_segments;
  size_t width = task->n_inner / self->n_channels, n_taps = task->n_segments * width;
  g_autofree float *windows = g_new0 (float, task->n_columns *n_rows);
  g_autofree float *taps = g_new (float, n_taps);
  for (size_t i = 0; i < task->n_columns; i++)
    for (size_t c = 0; c < self->n_channels; c++, values += n_taps) {
      memcpy (taps, values, n_taps * sizeof *taps);
      weir_cpu_round_keeping_sum (taps, n_taps);
      for (size_t k = 0; k < n_taps; k++)
        windows[i * n_rows + k / width * row + k % width * self->n_channels + c] = taps[k];
    }
  weir_gemm_pack_bf16 (data, windows, 1, n_rows, n_rows, task->n_columns);
}

static bool take_weights (Kernel *self, const WeirStepSpec *spec, GError **error)
{
  size_t n = weir_gemm_packed_bf16 (packed_rows (&self->task), self->task.n_columns);
  int64_t n_bias;
  if (spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE)
    self->task.bias = self->bias = weir_cpu_constant_f32 (&spec->src[2], &n_bias);
  self->weights = weir_cpu_packed_ref (self->base.device, &spec->src[1],
      "windows of bf16, sums kept", n * sizeof (uint16_t), pack, self, error);
  if (self->weights)
    self->task.b = weir_cpu_packed_data (self->weights);
  return self->weights != NULL;
}

WeirCpuKernel *weir_cpu_stem_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirWindow *window, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "bf16 stem", run);
  const WeirNode *node = spec->node;
  self->base.free = release;
  self->multiply = weir_gemm_bf16 ();
  fill_shape (self, spec, window);
  bool is_first = node->n_post && weir_cpu_activation (&node->post[0], &self->task.activation);
  weir_cpu_row_posts_take (&self->posts, device, spec, is_first);
  choose_strips (self, scratch_bytes);
  if (take_weights (self, spec, error))
    return &self->base;
  release (&self->base);
  return NULL;
}

/* --- with a normalisation --- */

/* Others than the convolution's own source would have other numbers behind those of the first. */
bool weir_cpu_may_join_stem (const WeirCpuKernel *first, const WeirStepSpec *second)
{
  WeirCpuAffine affine;
  for (uint32_t i = 0; i < second->node->n_post; i++)
    if (second->node->post[i].src != WEIR_NONE)
      return false;
  return weir_cpu_affine_rows (first, &affine) && second->src[0].dtype == WEIR_DTYPE_F32 &&
         weir_cpu_takes_stem (first->device, second);
}

WeirCpuKernel *weir_cpu_join_stem (
    WeirCpuKernel *first, WeirCpuKernel *second, size_t *scratch_bytes)
{
  Kernel *self = (Kernel *) second;
  self->before = first;
  weir_cpu_affine_rows (first, &self->affine);
  self->base.n_src += first->n_src;
  *scratch_bytes = count_scratch (self);
  return second;
}
