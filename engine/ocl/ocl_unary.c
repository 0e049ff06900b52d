/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of one number: in whatever layout they come. */
#include "engine/graph/postop.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_elementwise.h"

typedef struct Kernel {
  WeirOclKernel base;
  WeirPostOp post;
  uint32_t n;
  WeirDtype dtype;
} Kernel;

static bool resolve (const WeirStepSpec *spec, WeirPostOp *post)
{
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  return weir_post_op_resolve (&job, post);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirOclPosts posts;
  WeirPostOp post;
  if (spec->node->n_post || !weir_ocl_takes (&spec->src[0]) || spec->src[0].buffer ||
      !resolve (spec, &post) || !weir_ocl_posts_init (&posts, &post, 1))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = dst[0] = weir_ocl_format_as (device, spec->src[0].layout);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirOclElementwise job = { .op = self->post.op,
    .rank = 1,
    .sizes = { self->n },
    .n_src = 1,
    .src = { { bound->src[0], { 1 } } },
    .dst = { bound->dst[0], { 1 } },
    .dtype = self->dtype,
    .posts = &self->post,
    .n_posts = 1 };
  return weir_ocl_bound_take (
      bound, weir_ocl_elementwise_new (self->base.device->ocl, &job, error));
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof *self, "elementwise", weir_ocl_run_calls);
  self->base.bind = bind;
  self->n = weir_ocl_n_elements (&spec->dst[0]);
  self->dtype = spec->dst[0].dtype;
  resolve (spec, &self->post);
  return &self->base;
}

const WeirOclOp weir_ocl_unary = { propose, compile };
