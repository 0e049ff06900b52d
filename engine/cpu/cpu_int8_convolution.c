/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of codes by kernels of our own: oneDNN's lose where there are three channels, and
 * pay for the source's zero point while they run. */
#include "engine/cpu/cpu_int8.h"

#include "kernels/convolution_int8.h"

#include <stdlib.h>

#define PARALLEL_PRODUCTS 1048576

typedef struct Kernel {
  WeirCpuKernel base;
  WeirConvolutionInt8Plan plan;
  WeirRequantise codes;
  const uint8_t *packed;
  int64_t n_parts;
  size_t part_bytes;
} Kernel;

static bool make_plan (const WeirStepSpec *spec, const WeirInt8Spec *node, const WeirWindow *window,
    WeirConvolutionInt8Plan *plan)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  if (window->n_spatial != 2 || node->weights->dims[1] != src->dims[1] ||
      window->dilation[0] != 1 || window->dilation[1] != 1 || window->pad_begin[0] < 0 ||
      window->pad_begin[1] < 0)
    return false;
  WeirConvolutionInt8 shape = { .n_items = (size_t) src->dims[0],
    .n_channels = (size_t) src->dims[1],
    .n_results = (size_t) node->n_channels,
    .src_height = (size_t) src->dims[2],
    .src_width = (size_t) src->dims[3],
    .dst_height = (size_t) dst->dims[2],
    .dst_width = (size_t) dst->dims[3],
    .kernel_height = (size_t) window->kernel[0],
    .kernel_width = (size_t) window->kernel[1],
    .stride_y = (size_t) window->stride[0],
    .stride_x = (size_t) window->stride[1],
    .pad_y = (size_t) window->pad_begin[0],
    .pad_x = (size_t) window->pad_begin[1] };
  return weir_convolution_int8_plan (plan, &shape);
}

static void run_parts (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirConvolutionInt8Job job = { .plan = &self->plan,
    .packed = self->packed,
    .codes = self->codes,
    .src = bound->src[0],
    .dst = bound->dst[0] };
  for (int64_t p = begin; p < end; p++) {
    int64_t n_units = (int64_t) self->plan.n_units;
    weir_convolution_int8_run (&job, (uint8_t *) bound->scratch + (size_t) p * self->part_bytes,
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
  weir_cpu_blob_unref (kernel->device, self->packed, self->plan.gemm.packed_bytes);
  g_free (self);
}

/* [results][channels][taps] as [results][taps][channels], newly allocated. */
static int8_t *codes_by_tap (const WeirConvolutionInt8 *shape, const int8_t *codes)
{
  size_t n_taps = shape->kernel_height * shape->kernel_width, n = shape->n_channels;
  int8_t *result = g_new (int8_t, shape->n_results * n * n_taps);
  for (size_t i = 0; i < shape->n_results; i++)
    for (size_t c = 0; c < n; c++)
      for (size_t tap = 0; tap < n_taps; tap++)
        result[(i * n_taps + tap) * n + c] = codes[(i * n + c) * n_taps + tap];
  return result;
}

static const uint8_t *pack (WeirDevice *device, const WeirConvolutionInt8Plan *plan,
    const int8_t *codes, const WeirRequantise *requantise)
{
  uint8_t *packed = aligned_alloc (64, (plan->gemm.packed_bytes + 63) & ~(size_t) 63);
  if (!packed)
    return NULL;
  g_autofree int8_t *by_tap = codes_by_tap (&plan->shape, codes);
  weir_gemm_int8_pack (&plan->gemm, packed, by_tap, requantise);
  return weir_cpu_blob_take (device, packed, plan->gemm.packed_bytes);
}

WeirCpuKernel *weir_cpu_int8_convolution_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const int8_t *codes, const WeirWindow *window, size_t *scratch_bytes)
{
  WeirConvolutionInt8Plan plan;
  g_autofree float *numbers = NULL;
  WeirRequantise requantise;
  if (!make_plan (spec, node, window, &plan) ||
      !weir_cpu_int8_requantise (spec, node, codes, &requantise, &numbers))
    return NULL;
  const uint8_t *packed = pack (device, &plan, codes, &requantise);
  if (!packed)
    return NULL;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "convolution", run);
  self->base.free = release;
  self->plan = plan;
  self->packed = packed;
  requantise.scale = requantise.bias = NULL;
  self->codes = requantise;
  const WeirGemmInt8 *shape = &plan.gemm.shape;
  int64_t n_results = 0;
  weir_tensor_n_elements (&spec->dst[0], &n_results);
  int64_t n_products = n_results * (int64_t) (shape->n_segments * shape->n_columns);
  self->n_parts = MIN (n_products / PARALLEL_PRODUCTS, (int64_t) plan.n_units);
  self->n_parts = CLAMP (self->n_parts, 1, (int64_t) device->n_threads);
  self->part_bytes = (plan.scratch_bytes + 63) & ~(size_t) 63;
  *scratch_bytes = self->part_bytes * (size_t) self->n_parts;
  return &self->base;
}
