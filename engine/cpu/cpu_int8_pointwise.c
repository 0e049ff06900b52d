/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions of codes with windows of one pixel by kernels of our own: oneDNN's lose much where
 * there are few channels, and pay for the source's zero point while they run. */
#include "engine/cpu/cpu_int8.h"

#include "kernels/gemm_int8.h"

#include <stdlib.h>

#define PARALLEL_PRODUCTS 1048576

typedef struct Kernel {
  WeirCpuKernel base;
  WeirGemmInt8Plan plan;
  WeirRequantise codes;
  const uint8_t *packed;
  int64_t grain; /* units */
} Kernel;

static bool is_pointwise (const WeirWindow *window)
{
  for (uint32_t i = 0; i < window->n_spatial; i++)
    if (window->kernel[i] != 1 || window->stride[i] != 1 || window->pad_begin[i] != 0 ||
        window->pad_end[i] != 0)
      return false;
  return true;
}

static bool make_plan (const WeirStepSpec *spec, const WeirInt8Spec *node, const WeirWindow *window,
    WeirGemmInt8Plan *plan)
{
  int64_t n = 0, n_channels = spec->src[0].dims[1];
  weir_tensor_n_elements (&spec->src[0], &n);
  if (!is_pointwise (window) || n_channels % 4 != 0 || node->weights->dims[1] != n_channels)
    return false;
  WeirGemmInt8 shape = { (size_t) (n / n_channels), 1, (size_t) n_channels,
    (size_t) node->n_channels };
  return weir_gemm_int8_plan (plan, &shape);
}

static void run_units (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirGemmInt8Job job = { .plan = &self->plan,
    .packed = self->packed,
    .codes = self->codes,
    .src = bound->src[0],
    .dst = bound->dst[0] };
  weir_gemm_int8_run (&job, (size_t) begin, (size_t) end);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  weir_cpu_for (
      self->base.device->n_threads, (int64_t) self->plan.n_units, self->grain, run_units, bound);
  return true;
}

static void release (WeirCpuKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  weir_cpu_blob_unref (kernel->device, self->packed, self->plan.packed_bytes);
  g_free (self);
}

WeirCpuKernel *weir_cpu_int8_pointwise_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const int8_t *codes, const WeirWindow *window)
{
  WeirGemmInt8Plan plan;
  g_autofree float *numbers = NULL;
  WeirRequantise requantise;
  if (!make_plan (spec, node, window, &plan) ||
      !weir_cpu_int8_requantise (spec, node, codes, &requantise, &numbers))
    return NULL;
  uint8_t *packed = aligned_alloc (64, (plan.packed_bytes + 63) & ~(size_t) 63);
  if (!packed)
    return NULL;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "pointwise", run);
  self->base.free = release;
  weir_gemm_int8_pack (&plan, packed, codes, &requantise);
  requantise.scale = requantise.bias = NULL;
  self->plan = plan;
  self->codes = requantise;
  self->packed = weir_cpu_blob_take (device, packed, plan.packed_bytes);
  const WeirGemmInt8 *shape = &plan.shape;
  size_t n_products = shape->n_rows * shape->n_columns * shape->n_results;
  self->grain = (int64_t) (PARALLEL_PRODUCTS / (n_products / plan.n_units + 1) + 1);
  return &self->base;
}
