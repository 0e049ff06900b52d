/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Binary operators with broadcasting. The result has the layout of the larger source; a source of
 * fewer dims is plain, and walked by its own strides. */
#include "engine/ocl/ocl_constants.h"
#include "engine/ocl/ocl_elementwise.h"
#include "engine/ocl/ocl_stages.h"

typedef struct Kernel {
  WeirOclKernel base;
  WeirOclElementwise job; /* without addresses */
  WeirOclStages stages;
  WeirOclWeights *constants[2]; /* NULL: the source is none */
  uint32_t n;
} Kernel;

/* The source whose layout the result takes: the larger; of two, the one that is channels-last. */
static uint32_t leader (const WeirStepSpec *spec)
{
  uint32_t a = weir_ocl_n_elements (&spec->src[0]), b = weir_ocl_n_elements (&spec->src[1]);
  if (a != b && !spec->src[b > a].buffer)
    return b > a;
  if (spec->src[0].buffer)
    return 1;
  return !spec->src[1].buffer && spec->src[1].layout == WEIR_LAYOUT_CHANNELS_LAST;
}

static WeirLayout result_layout (const WeirStepSpec *spec)
{
  const WeirTensor *lead = &spec->src[leader (spec)];
  return lead->rank == spec->dst[0].rank ? lead->layout : WEIR_LAYOUT_PLAIN;
}

static WeirTensor in_layout (const WeirTensor *tensor, uint32_t rank, WeirLayout layout)
{
  WeirTensor copy = *tensor;
  copy.layout = tensor->rank == rank ? layout : WEIR_LAYOUT_PLAIN;
  return copy;
}

/* By dim of the result; 0 where the source is repeated. */
static void broadcast_strides (
    const WeirTensor *src, const WeirTensor *dst, uint32_t strides[WEIR_MAX_RANK])
{
  uint32_t own[WEIR_MAX_RANK], missing = dst->rank - src->rank;
  weir_ocl_strides (src, own);
  for (uint32_t i = 0; i < dst->rank; i++) {
    bool is_repeated = i < missing || src->dims[i - missing] == 1;
    strides[i] = is_repeated ? 0 : own[i - missing];
  }
}

/* Dims in the order of memory. */
static void describe (
    const WeirStepSpec *spec, WeirLayout layout, WeirDtype dtype, WeirOclElementwise *job)
{
  WeirTensor dst = in_layout (&spec->dst[0], spec->dst[0].rank, layout);
  uint32_t order[WEIR_MAX_RANK], strides[3][WEIR_MAX_RANK];
  *job = (WeirOclElementwise){ .op = spec->node->op, .rank = dst.rank, .n_src = 2, .dtype = dtype };
  weir_memory_order (&dst, order);
  for (uint32_t k = 0; k < 2; k++) {
    WeirTensor src = in_layout (&spec->src[k], dst.rank, layout);
    broadcast_strides (&src, &dst, strides[k]);
  }
  weir_ocl_strides (&dst, strides[2]);
  for (uint32_t i = 0; i < dst.rank; i++) {
    job->sizes[i] = (uint32_t) dst.dims[order[i]];
    job->src[0].strides[i] = strides[0][order[i]];
    job->src[1].strides[i] = strides[1][order[i]];
    job->dst.strides[i] = strides[2][order[i]];
  }
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirOclElementwise job;
  WeirOclStages stages;
  if (spec->n_src < 2 || (spec->n_src > 2 && !spec->node->n_post) ||
      !weir_ocl_takes (&spec->src[0]) || !weir_ocl_takes (&spec->src[1]) ||
      !weir_ocl_takes (&spec->dst[0]) || (spec->src[0].buffer && spec->src[1].buffer) ||
      !weir_ocl_stages_init (&stages, spec))
    return false;
  WeirLayout layout = result_layout (spec);
  describe (spec, layout, device->dtype, &job);
  if (!weir_ocl_elementwise_can (&job))
    return false;
  dst[0] = weir_ocl_format_as (device, layout);
  for (uint32_t k = 0; k < 2; k++) {
    bool is_whole = spec->src[k].rank == spec->dst[0].rank;
    src[k] = is_whole ? dst[0] : weir_ocl_format_plain (device);
    if (spec->src[k].buffer)
      src[k] = weir_ocl_format_packed ();
  }
  weir_ocl_stages_propose (&stages, dst[0], src);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirOclElementwise job = self->job;
  for (uint32_t k = 0; k < 2; k++)
    job.src[k].address =
        self->constants[k] ? weir_ocl_weights_address (self->constants[k]) : bound->src[k];
  job.dst.address = bound->dst[0];
  job.posts = self->stages.stages[0].posts;
  job.n_posts = self->stages.stages[0].n_posts;
  return weir_ocl_bound_take (
             bound, weir_ocl_elementwise_new (self->base.device->ocl, &job, error)) &&
         weir_ocl_stages_take (&self->stages, 1, bound, self->n, job.dtype, error);
}

static void release (WeirOclKernel *kernel)
{
  Kernel *self = (Kernel *) kernel;
  for (uint32_t k = 0; k < 2; k++)
    weir_ocl_weights_unref (kernel->device, self->constants[k]);
  g_free (self);
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *dst = &spec->dst[0];
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof *self, "elementwise", weir_ocl_run_calls);
  self->base.bind = bind;
  self->base.free = release;
  self->n = weir_ocl_n_elements (dst);
  weir_ocl_stages_init (&self->stages, spec);
  describe (spec, dst->layout, dst->dtype, &self->job);
  for (uint32_t k = 0; k < 2; k++) {
    const WeirTensor *src = &spec->src[k];
    if (!src->buffer)
      continue;
    self->constants[k] = weir_ocl_constant_ref (
        device, src, src->rank == dst->rank ? dst->layout : WEIR_LAYOUT_PLAIN, error);
    if (!self->constants[k]) {
      release (&self->base);
      return NULL;
    }
  }
  return &self->base;
}

const WeirOclOp weir_ocl_binary = { propose, compile };
