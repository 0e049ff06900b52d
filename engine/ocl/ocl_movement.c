/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that only move elements, in either layout: each is a list of strided copies. */
#include "engine/graph/geometry.h"
#include "engine/ocl/ocl.h"
#include "engine/ocl/ocl_copy.h"

#include <string.h>

typedef struct Part {
  uint32_t src, dst; /* which of the node's values */
  WeirOclCopy copy;
} Part;

typedef struct Kernel {
  WeirOclKernel base;
  bool fills; /* dst[0] with `fill` first */
  float fill;
  uint32_t dst_elements;
  WeirDtype dtype;
  uint32_t n_parts;
  Part parts[];
} Kernel;

static bool bind (const WeirOclBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  WeirOclDevice *device = self->base.device->ocl;
  if (self->fills &&
      !weir_ocl_bound_take (bound, weir_ocl_fill_new (device, bound->dst[0], self->dtype,
                                       self->dst_elements, self->fill, error)))
    return false;
  for (uint32_t i = 0; i < self->n_parts; i++) {
    const Part *part = &self->parts[i];
    if (!weir_ocl_bound_take (bound, weir_ocl_copy_new (device, &part->copy, bound->src[part->src],
                                         bound->dst[part->dst], error)))
      return false;
  }
  return true;
}

static Kernel *kernel_new (WeirDevice *device, const WeirStepSpec *spec, uint32_t n_parts)
{
  Kernel *self = (Kernel *) weir_ocl_kernel_new (
      device, spec, sizeof (Kernel) + n_parts * sizeof (Part), "copy", weir_ocl_run_calls);
  self->base.bind = bind;
  self->dtype = spec->dst[0].dtype;
  self->dst_elements = weir_ocl_n_elements (&spec->dst[0]);
  return self;
}

/* Sizes of what is on the device fit in 31 bits; strides are meant modulo 2^32. */
static WeirOclCopy *add_part (Kernel *self, const WeirStepSpec *spec, const WeirMove *move)
{
  Part *part = &self->parts[self->n_parts++];
  part->src = move->src;
  part->dst = move->dst;
  part->copy = (WeirOclCopy){ .src_dtype = spec->src[move->src].dtype,
    .dst_dtype = spec->dst[move->dst].dtype,
    .rank = move->rank,
    .src_offset = (uint32_t) move->src_offset,
    .dst_offset = (uint32_t) move->dst_offset };
  for (uint32_t i = 0; i < move->rank; i++) {
    part->copy.sizes[i] = (uint32_t) move->dims[i];
    part->copy.src_strides[i] = (uint32_t) move->src_strides[i];
    part->copy.dst_strides[i] = (uint32_t) move->dst_strides[i];
  }
  return &part->copy;
}

/* Over the dims of `shape`, both sides with the strides of their tensors. */
static WeirOclCopy *add_view (Kernel *self, const WeirStepSpec *spec, const WeirTensor *shape)
{
  WeirMove move = { .rank = shape->rank };
  memcpy (move.dims, shape->dims, sizeof shape->dims);
  weir_tensor_strides (&spec->src[0], move.src_strides);
  weir_tensor_strides (&spec->dst[0], move.dst_strides);
  return add_part (self, spec, &move);
}

/* One source, whose layout the results keep. */
static bool propose_same (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!weir_ocl_moves (&spec->src[0]) || spec->src[0].buffer || spec->node->n_post)
    return false;
  for (uint32_t i = 1; i < spec->n_src; i++)
    src[i] = weir_ocl_format_packed ();
  src[0] = weir_ocl_format_moved (device, &spec->src[0], spec->src[0].layout);
  for (uint32_t i = 0; i < spec->n_dst; i++) {
    if (spec->node->dst[i] == WEIR_NONE || !weir_ocl_moves (&spec->dst[i]))
      return false;
    dst[i] = src[0];
  }
  return true;
}

/* --- Concat --- */

/* The layout in which most elements come. */
static WeirLayout concat_layout (const WeirStepSpec *spec)
{
  int64_t balance = 0;
  for (uint32_t i = 0; i < spec->n_src; i++) {
    int64_t n = weir_ocl_n_elements (&spec->src[i]);
    balance += spec->src[i].layout == WEIR_LAYOUT_CHANNELS_LAST ? n : -n;
  }
  return balance > 0 && spec->dst[0].rank >= 3 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
}

static bool propose_concat (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!weir_ocl_moves (&spec->dst[0]) || spec->node->n_post)
    return false;
  dst[0] = weir_ocl_format_moved (device, &spec->dst[0], concat_layout (spec));
  for (uint32_t i = 0; i < spec->n_src; i++) {
    src[i] = dst[0];
    if (!weir_ocl_moves (&spec->src[i]) || spec->src[i].buffer)
      return false;
  }
  return true;
}

/* --- Pad --- */

static bool propose_pad (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirPads pads;
  float number;
  WeirShapeJob job = weir_step_job (spec);
  return propose_same (device, spec, src, dst) && weir_pads_resolve (&job, &pads, NULL) &&
         pads.mode == WEIR_PAD_CONSTANT && weir_moves_pad_number (&job, &number);
}

/* --- Tile, Expand --- */

/* Dim i of the result repeats dim i of the source; Expand's may be missing, and has size 1. */
static WeirOclKernel *compile_tile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  const WeirTensor *src = &spec->src[0], *dst = &spec->dst[0];
  uint32_t strides[2][WEIR_MAX_RANK], missing = dst->rank - src->rank;
  Kernel *self = kernel_new (device, spec, 1);
  WeirOclCopy *copy = add_view (self, spec, dst);
  weir_ocl_strides (src, strides[0]);
  weir_ocl_strides (dst, strides[1]);
  copy->rank = 0;
  for (uint32_t i = 0; i < dst->rank; i++) {
    uint32_t n = i < missing ? 1 : (uint32_t) src->dims[i - missing];
    uint32_t n_times = (uint32_t) dst->dims[i] / n;
    uint32_t at = copy->rank;
    copy->sizes[at] = n_times;
    copy->src_strides[at] = 0;
    copy->dst_strides[at] = strides[1][i] * n;
    copy->rank += n_times > 1;
    at = copy->rank;
    copy->sizes[at] = n;
    copy->src_strides[at] = i < missing ? 0 : strides[0][i - missing];
    copy->dst_strides[at] = strides[1][i];
    copy->rank += n > 1;
  }
  return &self->base;
}

static bool propose_tile (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  uint32_t n_dims = 0;
  if (!propose_same (device, spec, src, dst))
    return false;
  if (spec->src[0].rank != spec->dst[0].rank)
    src[0] = dst[0] = weir_ocl_format_moved (device, &spec->src[0], WEIR_LAYOUT_PLAIN);
  for (uint32_t i = 0; i < spec->dst[0].rank; i++)
    n_dims += spec->dst[0].dims[i] > 1;
  for (uint32_t i = 0; i < spec->src[0].rank; i++)
    n_dims += spec->src[0].dims[i] > 1;
  return spec->src[0].rank <= spec->dst[0].rank && n_dims <= WEIR_OCL_COPY_RANK - 1;
}

/* --- Gather by numbers that are known --- */

#define MAX_RUNS 8u

/* Numbers that go on by one step: one copy. */
typedef struct Run {
  uint32_t first, step, n; /* step modulo 2^32 */
} Run;

/* How many there are; 0: too many, a number out of range, or not known. */
static uint32_t find_runs (const WeirTensor *indices, int64_t n_src, Run runs[MAX_RUNS])
{
  uint32_t n_runs = 0;
  for (uint32_t i = 0; i < weir_ocl_n_elements (indices); i++) {
    int64_t index;
    if (!indices->buffer || !weir_known_int (indices, i, &index))
      return 0;
    index += index < 0 ? n_src : 0;
    if (index < 0 || index >= n_src)
      return 0;
    Run *run = n_runs ? &runs[n_runs - 1] : NULL;
    uint32_t step = run ? (uint32_t) index - (run->first + (run->n - 1) * run->step) : 0;
    if (run && (run->n == 1 || step == run->step)) {
      run->step = step;
      run->n++;
    } else if (n_runs == MAX_RUNS) {
      return 0;
    } else {
      runs[n_runs++] = (Run){ (uint32_t) index, 0, 1 };
    }
  }
  return n_runs;
}

static uint32_t gather_runs (const WeirStepSpec *spec, uint32_t *axis, Run runs[MAX_RUNS])
{
  const WeirTensor *src = &spec->src[0];
  if (!weir_axis_resolve (
          spec->graph, spec->node, weir_node_int (spec->node, "axis", 0), src->rank, axis, NULL))
    return 0;
  return find_runs (&spec->src[1], src->dims[*axis], runs);
}

static bool propose_gather (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  Run runs[MAX_RUNS];
  uint32_t axis;
  if (spec->src[1].rank > 1 || !propose_same (device, spec, src, dst))
    return false;
  if (spec->src[1].rank == 0)
    src[0] = dst[0] = weir_ocl_format_moved (device, &spec->src[0], WEIR_LAYOUT_PLAIN);
  return gather_runs (spec, &axis, runs) > 0;
}

/* Of one number without a dim of its own, the result has that dim of size 1 here. */
static WeirOclKernel *compile_gather (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Run runs[MAX_RUNS];
  uint32_t axis, at = 0, n_runs = gather_runs (spec, &axis, runs);
  WeirTensor dst = spec->src[0];
  dst.layout = spec->dst[0].layout;
  dst.dims[axis] = weir_ocl_n_elements (&spec->src[1]);
  Kernel *self = kernel_new (device, spec, n_runs);
  for (uint32_t i = 0; i < n_runs; i++) {
    WeirOclCopy *copy = add_view (self, spec, &dst);
    weir_ocl_strides (&dst, copy->dst_strides);
    copy->sizes[axis] = runs[i].n;
    copy->src_offset = runs[i].first * copy->src_strides[axis];
    copy->src_strides[axis] *= runs[i].step;
    copy->dst_offset = at * copy->dst_strides[axis];
    at += runs[i].n;
  }
  return &self->base;
}

/* --- Transpose, ChannelShuffle, DepthToSpace, SpaceToDepth --- */

static bool propose_permute (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!propose_same (device, spec, src, dst))
    return false;
  if (spec->node->op == WEIR_OP_TRANSPOSE)
    dst[0].layout = WEIR_LAYOUT_PLAIN;
  return true;
}

/* --- all but Tile and Gather --- */

static WeirOclKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirShapeJob job = weir_step_job (spec);
  g_autofree WeirMoves *moves = weir_moves_new (&job, error);
  if (!moves)
    return NULL;
  Kernel *self = kernel_new (device, spec, moves->n);
  for (uint32_t i = 0; i < moves->n; i++)
    add_part (self, spec, &moves->list[i]);
  self->fills = moves->fills;
  if (moves->fills)
    weir_moves_pad_number (&job, &self->fill);
  return &self->base;
}

const WeirOclOp weir_ocl_concat = { propose_concat, compile };
const WeirOclOp weir_ocl_split = { propose_same, compile };
const WeirOclOp weir_ocl_slice = { propose_same, compile };
const WeirOclOp weir_ocl_pad = { propose_pad, compile };
const WeirOclOp weir_ocl_tile = { propose_tile, compile_tile };
const WeirOclOp weir_ocl_gather = { propose_gather, compile_gather };
const WeirOclOp weir_ocl_permute = { propose_permute, compile };
