/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Global pools and reductions (kernels/ocl/reduce.cl) over dims that are neighbours in memory, in
 * one of the two layouts. */
#include "engine/graph/geometry.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_program.h"
#include "engine/ocl/ocl_rows.h"

/* What is reduced, in the order of memory. */
typedef struct Shape {
  WeirLayout src, dst;
  WeirOclRows rows;
} Shape;

typedef struct Kernel {
  WeirOclKernel base;
  Shape shape;
  WeirDtype dtype;
  float scale;
  cl_program program;
} Kernel;

static const struct {
  const char *options; /* NULL: there is no kernel */
  bool is_mean, is_global;
} kinds[WEIR_N_OPS] = {
  [WEIR_OP_GLOBAL_AVERAGE_POOL] = { "", true, true },
  [WEIR_OP_GLOBAL_MAX_POOL] = { " -DKIND_MAX", false, true },
  [WEIR_OP_REDUCE_L1] = { " -DKIND_SUM_ABS", false, false },
  [WEIR_OP_REDUCE_L2] = { " -DKIND_SUM_SQUARES -DROOT", false, false },
  [WEIR_OP_REDUCE_MAX] = { " -DKIND_MAX", false, false },
  [WEIR_OP_REDUCE_MEAN] = { "", true, false },
  [WEIR_OP_REDUCE_MIN] = { " -DKIND_MIN", false, false },
  [WEIR_OP_REDUCE_SUM] = { "", false, false },
  [WEIR_OP_REDUCE_SUM_SQUARE] = { " -DKIND_SUM_SQUARES", false, false },
};

static bool find_reduced (const WeirStepSpec *spec, bool is_reduced[WEIR_MAX_RANK])
{
  WeirShapeJob job = {
    .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst
  };
  for (uint32_t i = 0; i < WEIR_MAX_RANK; i++)
    is_reduced[i] = i >= 2 && i < spec->src[0].rank;
  return kinds[spec->node->op].is_global || weir_reduce_resolve (&job, is_reduced, NULL);
}

/* The layout of the result in which its elements lie as `order` (dims of the source, in the order
 * of memory) leaves them. */
static bool find_layout (
    const WeirStepSpec *spec, const uint32_t *order, const bool *is_reduced, WeirLayout *layout)
{
  WeirTensor dst = spec->dst[0];
  bool keeps = dst.rank == spec->src[0].rank;
  for (uint32_t k = 0; k < 2; k++) {
    uint32_t wanted[WEIR_MAX_RANK], places[WEIR_MAX_RANK], n_gone = 0, n = 0, i = 0;
    for (uint32_t d = 0; d < spec->src[0].rank; d++) {
      n_gone += !keeps && is_reduced[d];
      places[d] = d - n_gone;
    }
    *layout = dst.layout = k == 0 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
    weir_memory_order (&dst, wanted);
    for (uint32_t at = 0; at < spec->src[0].rank; at++) {
      uint32_t d = order[at];
      if (is_reduced[d] || spec->src[0].dims[d] == 1)
        continue;
      while (i < dst.rank && dst.dims[wanted[i]] == 1)
        i++;
      n += i < dst.rank && wanted[i] == places[d];
      i++;
    }
    uint32_t n_large = 0;
    for (uint32_t d = 0; d < dst.rank; d++)
      n_large += dst.dims[d] != 1;
    if (n == n_large && (k == 1 || dst.rank >= 3))
      return true;
  }
  return false;
}

/* False where what is reduced is not one block of dims in that layout. */
static bool describe (const WeirStepSpec *spec, WeirLayout layout, Shape *shape)
{
  WeirTensor src = spec->src[0];
  uint32_t order[WEIR_MAX_RANK];
  bool is_reduced[WEIR_MAX_RANK];
  src.layout = shape->src = layout;
  if (!find_reduced (spec, is_reduced) || !weir_ocl_rows_describe (&shape->rows, &src, is_reduced))
    return false;
  weir_memory_order (&src, order);
  return find_layout (spec, order, is_reduced, &shape->dst);
}

static bool propose (WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  Shape shape;
  WeirLayout layout = spec->src[0].layout;
  WeirLayout other = layout == WEIR_LAYOUT_PLAIN ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
  if (!kinds[spec->node->op].options || spec->node->n_post || !weir_ocl_takes (&spec->src[0]) ||
      spec->src[0].buffer || !weir_ocl_takes (&spec->dst[0]))
    return false;
  if (!describe (spec, layout, &shape) &&
      (spec->src[0].rank < 3 || !describe (spec, other, &shape)))
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = weir_ocl_format_as (device, shape.src);
  dst[0] = weir_ocl_format_as (device, shape.dst);
  return true;
}

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  const WeirOclRows *rows = &self->shape.rows;
  uint32_t element_bytes = (uint32_t) weir_dtype_bytes (self->dtype);
  const cl_uint n_outer = rows->n_outer, n = rows->n, n_inner = rows->n_inner;
  return weir_ocl_bound_take (
      bound, weir_ocl_call_new (self->base.device->ocl, self->program, "reduce",
                 weir_ocl_rows_grid (rows), error, WEIR_OCL_ADDRESS (bound->src[0], element_bytes),
                 WEIR_OCL_ADDRESS (bound->dst[0], element_bytes), WEIR_OCL_VALUE (n_outer),
                 WEIR_OCL_VALUE (n), WEIR_OCL_VALUE (n_inner), WEIR_OCL_VALUE (self->scale)));
}

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self =
      (Kernel *) weir_ocl_kernel_new (device, spec, sizeof *self, "reduce", weir_ocl_run_calls);
  self->base.bind = bind;
  self->dtype = spec->dst[0].dtype;
  describe (spec, spec->src[0].layout, &self->shape);
  self->scale = kinds[spec->node->op].is_mean ? 1.0f / (float) self->shape.rows.n : 1.0f;
  weir_ocl_rows_choose (&self->shape.rows, device->ocl);
  g_autofree char *options = g_strdup_printf ("-DCOLUMNS=%u -DLINES=%u%s%s",
      self->shape.rows.columns, self->shape.rows.lines, weir_ocl_dtype_option (self->dtype),
      kinds[spec->node->op].options);
  self->program = weir_ocl_program_get (device->ocl, "reduce", options, error);
  if (self->program)
    return &self->base;
  g_free (self);
  return NULL;
}

const WeirOclOp weir_ocl_reduce = { propose, compile };
