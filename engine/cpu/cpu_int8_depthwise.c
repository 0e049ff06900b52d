/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Depthwise convolutions of codes by kernels of our own: oneDNN's reach a tenth of what the CPU
 * could do. */
#include "engine/cpu/cpu_int8.h"

#include "kernels/depthwise_int8.h"

#include <stdlib.h>

#define PARALLEL_ELEMENTS 16384

typedef struct Kernel {
  WeirCpuKernel base;
  WeirDepthwiseInt8Plan plan;
  WeirRequantise codes;
  const uint8_t *packed;
  int64_t grain; /* units */
} Kernel;

static bool make_plan (const WeirStepSpec *spec, const WeirInt8Spec *node, const WeirWindow *window,
    WeirDepthwiseInt8Plan *plan)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  if (window->n_spatial != 2 || node->weights->dims[1] != 1 || node->n_channels != src->dims[1] ||
      window->kernel[0] != window->kernel[1] || window->stride[0] != window->stride[1] ||
      window->dilation[0] != 1 || window->dilation[1] != 1 || window->pad_begin[0] < 0 ||
      window->pad_begin[1] < 0)
    return false;
  WeirDepthwiseInt8 shape = { .n_items = (size_t) src->dims[0],
    .n_channels = (size_t) src->dims[1],
    .src_height = (size_t) src->dims[2],
    .src_width = (size_t) src->dims[3],
    .dst_height = (size_t) dst->dims[2],
    .dst_width = (size_t) dst->dims[3],
    .kernel = (size_t) window->kernel[0],
    .stride = (size_t) window->stride[0],
    .pad_y = (size_t) window->pad_begin[0],
    .pad_x = (size_t) window->pad_begin[1] };
  return weir_depthwise_int8_plan (plan, &shape);
}

static void run_units (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirDepthwiseInt8Job job = { .plan = &self->plan,
    .packed = self->packed,
    .codes = self->codes,
    .src = bound->src[0],
    .dst = bound->dst[0] };
  weir_depthwise_int8_run (&job, (size_t) begin, (size_t) end);
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

WeirCpuKernel *weir_cpu_int8_depthwise_new (WeirDevice *device, const WeirStepSpec *spec,
    const WeirInt8Spec *node, const int8_t *codes, const WeirWindow *window)
{
  WeirDepthwiseInt8Plan plan;
  g_autofree float *numbers = NULL;
  WeirRequantise requantise;
  if (!make_plan (spec, node, window, &plan) ||
      !weir_cpu_int8_requantise (spec, node, codes, &requantise, &numbers))
    return NULL;
  uint8_t *packed = aligned_alloc (64, (plan.packed_bytes + 63) & ~(size_t) 63);
  if (!packed)
    return NULL;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "depthwise", run);
  self->base.free = release;
  self->plan = plan;
  weir_depthwise_int8_pack (&plan, packed, codes, &requantise);
  requantise.scale = requantise.bias = NULL;
  self->codes = requantise;
  self->packed = weir_cpu_blob_take (device, packed, plan.packed_bytes);
  int64_t n = 0;
  weir_tensor_n_elements (&spec->dst[0], &n);
  self->grain = PARALLEL_ELEMENTS / (n / (int64_t) plan.n_units + 1) + 1;
  return &self->base;
}
