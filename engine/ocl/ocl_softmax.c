/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Softmax and LogSoftmax (kernels/ocl/softmax.cl). */
#include "engine/graph/geometry.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_rows.h"

typedef struct Kernel {
  WeirOclKernel base;
  WeirOclRows rows;
  WeirDtype dtype;
  cl_program program;
} Kernel;

/* The rows in the order of memory. Channels-last, there are those over the channels, and those over
 * all spatial dims. */
static bool describe (const WeirStepSpec *spec, WeirLayout layout, WeirOclRows *rows)
{
  const WeirTensor *src = &spec->src[0];
  WeirSoftmax shape;
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  if (!weir_softmax_resolve (&job, &shape, NULL))
    return false;
  *rows = (WeirOclRows){ (uint32_t) shape.n_outer, (uint32_t) shape.n, (uint32_t) shape.n_inner };
  if (layout == WEIR_LAYOUT_PLAIN)
    return true;
  if (shape.n_outer == src->dims[0] && shape.n == src->dims[1]) {
    *rows = (WeirOclRows){ (uint32_t) (shape.n_outer * shape.n_inner), (uint32_t) shape.n, 1 };
    return true;
  }
  if (shape.n_outer == src->dims[0] * src->dims[1] && shape.n_inner == 1) {
    *rows = (WeirOclRows){ (uint32_t) src->dims[0], (uint32_t) shape.n, (uint32_t) src->dims[1] };
    return true;
  }
  return false;
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirOclRows rows;
  WeirLayout layout = spec->src[0].layout;
  if (!weir_ocl_takes (&spec->src[0]) || spec->src[0].buffer || spec->node->n_post)
    return false;
  if (!describe (spec, layout, &rows)) {
    layout = WEIR_LAYOUT_PLAIN;
    if (!describe (spec, layout, &rows))
      return false;
  }
  src[0] = dst[0] = weir_ocl_format_as (device, layout);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const cl_uint n_outer = self->rows.n_outer, n = self->rows.n, n_inner = self->rows.n_inner;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  return weir_ocl_bound_take (bound,
      weir_ocl_call_new (self->base.device->ocl, self->program, "softmax",
          weir_ocl_rows_grid (&self->rows), error, WEIR_OCL_ADDRESS (bound->src[0], element_bytes),
          WEIR_OCL_ADDRESS (bound->dst[0], element_bytes), WEIR_OCL_VALUE (n_outer),
          WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (n_inner)));
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "softmax", weir_ocl_run_calls);
  self->base.bind = bind;
  self->dtype = spec->dst[0].dtype;
  describe (spec, spec->src[0].layout, &self->rows);
  weir_ocl_rows_choose (&self->rows, device->ocl);
  g_autofree char *options = g_strdup_printf ("-DCOLUMNS=%u -DLINES=%u%s%s", self->rows.columns,
      self->rows.lines, weir_ocl_dtype_option (self->dtype),
      spec->node->op == WEIR_OP_LOG_SOFTMAX ? " -DIS_LOG" : "");
  self->program = weir_ocl_program_get (device->ocl, "softmax", options, error);
  if (self->program)
    return &self->base;
  g_free (self);
  return NULL;
}

const WeirOclOp weir_ocl_softmax = { propose, compile };
