/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MaxPool of f32, bf16 or u8 pictures in own loops, channels-last, row by row: bound by the memory
 * that the source lies in, where oneDNN's loops reach half of that or less. */
#include "engine/cpu/cpu.h"
#include "kernels/max_pool.h"

#define MAX_WINDOW_ROWS   64
#define PARALLEL_ELEMENTS 8192

typedef struct Kernel {
  WeirCpuKernel base;
  WeirMaxPoolFn fn;
  WeirMaxPool shape; /* of a row */
  int64_t n_items, src_height, dst_height, kernel_height, stride, pad;
  size_t src_row_bytes, dst_row_bytes;
} Kernel;

static WeirMaxPoolFn find_fn (WeirDtype dtype)
{
  return dtype == WEIR_DTYPE_F32    ? weir_max_pool (WEIR_MAX_POOL_F32)
         : dtype == WEIR_DTYPE_BF16 ? weir_max_pool (WEIR_MAX_POOL_BF16)
         : dtype == WEIR_DTYPE_U8   ? weir_max_pool (WEIR_MAX_POOL_U8)
                                    : NULL;
}

bool weir_cpu_is_max_pool (const WeirStepSpec *spec, const WeirWindow *window)
{
  return spec->node->op == WEIR_OP_MAX_POOL && window->n_spatial == 2 && window->dilation[0] == 1 &&
         window->dilation[1] == 1 && window->kernel[0] <= MAX_WINDOW_ROWS &&
         find_fn (spec->src[0].dtype);
}

static void run_rows (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  const char *src = bound->src[0];
  char *dst = bound->dst[0];
  const void *rows[MAX_WINDOW_ROWS];
  for (int64_t i = begin; i < end; i++) {
    int64_t item = i / self->dst_height, top = i % self->dst_height * self->stride - self->pad;
    int64_t y_end = MIN (top + self->kernel_height, self->src_height);
    size_t n_rows = 0;
    for (int64_t y = MAX (top, 0); y < y_end; y++)
      rows[n_rows++] = src + (size_t) (item * self->src_height + y) * self->src_row_bytes;
    self->fn (&self->shape, dst + (size_t) i * self->dst_row_bytes, rows, n_rows);
  }
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t row_length = (int64_t) (self->shape.n_channels * self->shape.src_width) * self->stride;
  weir_cpu_for (self->base.device->n_threads, self->n_items * self->dst_height,
      PARALLEL_ELEMENTS / row_length + 1, run_rows, bound);
  return true;
}

WeirCpuKernel *weir_cpu_max_pool_new (
    WeirDevice *device, const WeirStepSpec *spec, const WeirWindow *window)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "max pool", run);
  size_t pixel_bytes = (size_t) src->dims[1] * weir_dtype_bytes (src->dtype);
  self->fn = find_fn (src->dtype);
  self->shape = (WeirMaxPool){ .n_channels = (size_t) src->dims[1],
    .kernel_width = (size_t) window->kernel[1],
    .stride = (size_t) window->stride[1],
    .pad = (size_t) window->pad_begin[1],
    .src_width = (size_t) src->dims[3],
    .dst_width = (size_t) dst->dims[3] };
  self->n_items = src->dims[0];
  self->src_height = src->dims[2];
  self->dst_height = dst->dims[2];
  self->kernel_height = window->kernel[0];
  self->stride = window->stride[0];
  self->pad = window->pad_begin[0];
  self->src_row_bytes = (size_t) src->dims[3] * pixel_bytes;
  self->dst_row_bytes = (size_t) dst->dims[3] * pixel_bytes;
  return &self->base;
}
