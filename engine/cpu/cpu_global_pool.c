/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GlobalAveragePool, GlobalMaxPool, and ReduceMean over all spatial dims: sums over the pixels of a
 * channels-last picture. */
#include "engine/cpu/cpu.h"

#include "engine/cpu/cpu_rows.h"
#include "engine/graph/geometry.h"

#include <math.h>

#define PARALLEL_ELEMENTS 16384

typedef struct Kernel {
  WeirCpuKernel base;
  WeirDtype src_dtype, dst_dtype;
  bool is_max;
  int64_t n_items, n_pixels, n_channels;
} Kernel;

static bool covers_space (const WeirStepSpec *spec)
{
  bool is_reduced[WEIR_MAX_RANK] = { false };
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  if (spec->node->op != WEIR_OP_REDUCE_MEAN)
    return true;
  if (!weir_reduce_resolve (&job, is_reduced, NULL))
    return false;
  for (uint32_t i = 0; i < spec->src[0].rank; i++)
    if (is_reduced[i] != (i >= 2))
      return false;
  return true;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (spec->src[0].rank < 3 || spec->node->n_post || !weir_cpu_is_float (spec->src[0].dtype) ||
      !weir_cpu_has_elements (&spec->src[0]) || !covers_space (spec))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = weir_cpu_format_last (spec->src[0].dtype, spec->src[0].rank);
  dst[0] = weir_cpu_format_last (spec->src[0].dtype, spec->dst[0].rank);
  return true;
}

/* Channels from `begin` on of one item. Where they are few, as many pixels at once as fill a row.
 */
static void reduce (const Kernel *self, const WeirCpuBound *bound, int64_t item, int64_t begin)
{
  const WeirTensorKernels *kernels = self->base.device->kernels;
  float row[WEIR_CPU_ROW], result[WEIR_CPU_ROW];
  size_t n = (size_t) MIN (self->n_channels - begin, WEIR_CPU_ROW);
  int64_t n_at_once = CLAMP (WEIR_CPU_ROW / self->n_channels, 1, self->n_pixels);
  for (size_t i = 0; i < n * (size_t) n_at_once; i++)
    result[i] = self->is_max ? -INFINITY : 0.0f;
  for (int64_t pixel = 0; pixel < self->n_pixels; pixel += n_at_once) {
    int64_t at = (item * self->n_pixels + pixel) * self->n_channels + begin;
    size_t n_values = n * (size_t) MIN (n_at_once, self->n_pixels - pixel);
    const float *values =
        weir_cpu_row_load (kernels, self->src_dtype, bound->src[0], at, 1, n_values, row);
    (self->is_max ? kernels->accumulate_max : kernels->accumulate) (result, values, n_values);
  }
  for (size_t i = 1; i < (size_t) n_at_once; i++)
    (self->is_max ? kernels->accumulate_max : kernels->accumulate) (result, result + i * n, n);
  for (size_t i = 0; i < n && !self->is_max; i++)
    result[i] /= (float) self->n_pixels;
  weir_cpu_row_store (
      kernels, self->dst_dtype, bound->dst[0], item * self->n_channels + begin, n, result);
}

static void run_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  for (int64_t item = begin; item < end; item++)
    for (int64_t channel = 0; channel < self->n_channels; channel += WEIR_CPU_ROW)
      reduce (self, bound, item, channel);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t grain = PARALLEL_ELEMENTS / (self->n_pixels * self->n_channels) + 1;
  weir_cpu_for (self->base.device->n_threads, self->n_items, grain, run_part, bound);
  return true;
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0];
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "global pool", run);
  self->src_dtype = src->dtype;
  self->dst_dtype = spec->dst[0].dtype;
  self->is_max = spec->node->op == WEIR_OP_GLOBAL_MAX_POOL;
  self->n_items = src->dims[0];
  self->n_channels = src->dims[1];
  self->n_pixels = 1;
  for (uint32_t i = 2; i < src->rank; i++)
    self->n_pixels *= src->dims[i];
  return &self->base;
}

const WeirCpuOp weir_cpu_global_pool = { propose, compile };
