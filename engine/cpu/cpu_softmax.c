/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Softmax and LogSoftmax, in f32: their results are read by decoders. */
#include "engine/cpu/cpu.h"

#include "engine/graph/geometry.h"

#define PARALLEL_ELEMENTS 8192

typedef struct Kernel {
  WeirCpuKernel base;
  WeirSoftmax shape; /* in the order of memory */
  bool is_log;
} Kernel;

/* The rows in the order of memory. Channels-last, only one over the channels is contiguous. */
static bool describe (const WeirStepSpec *spec, WeirLayout layout, WeirSoftmax *shape)
{
  const WeirTensor *src = &spec->src[0];
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  if (!weir_softmax_resolve (&job, shape, NULL))
    return false;
  if (layout == WEIR_LAYOUT_PLAIN)
    return true;
  if (shape->n_outer != src->dims[0] || shape->n != src->dims[1])
    return false;
  *shape = (WeirSoftmax){ shape->n_outer * shape->n_inner, shape->n, 1 };
  return true;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirSoftmax shape;
  WeirLayout layout = spec->src[0].layout;
  if (!weir_cpu_is_float (spec->src[0].dtype) || spec->node->n_post ||
      !weir_cpu_has_elements (&spec->src[0]))
    return false;
  if (!describe (spec, layout, &shape)) {
    layout = WEIR_LAYOUT_PLAIN;
    if (!describe (spec, layout, &shape))
      return false;
  }
  src[0] = dst[0] = (WeirFormat){ WEIR_DTYPE_F32, layout };
  return true;
}

static void run_part (const void *data, int64_t begin, int64_t end)
{
  const WeirCpuBound *bound = data;
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirTensorKernels *kernels = self->base.device->kernels;
  const WeirSoftmax *shape = &self->shape;
  int64_t n_each = shape->n * shape->n_inner;
  float *dst = bound->dst[0];
  const float *src = bound->src[0];
  if (shape->n_inner == 1) {
    kernels->softmax (dst + begin * n_each, src + begin * n_each, (size_t) (end - begin),
        (size_t) shape->n, self->is_log);
    return;
  }
  for (int64_t i = begin; i < end; i++)
    kernels->softmax_columns (dst + i * n_each, src + i * n_each, (size_t) shape->n,
        (size_t) shape->n_inner, (size_t) shape->n_inner, self->is_log);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  int64_t grain = PARALLEL_ELEMENTS / (self->shape.n * self->shape.n_inner) + 1;
  weir_cpu_for (self->base.device->n_threads, self->shape.n_outer, grain, run_part, bound);
  return true;
}

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_cpu_kernel_new (device, spec, sizeof *self, "softmax", run);
  describe (spec, spec->src[0].layout, &self->shape);
  self->is_log = spec->node->op == WEIR_OP_LOG_SOFTMAX;
  return &self->base;
}

const WeirCpuOp weir_cpu_softmax = { propose, compile };
