/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that only move elements, of any type and in either layout: each is a list of strided
 * copies, worked out when it is compiled. */
#include "engine/cpu/cpu.h"

#include "engine/base/half.h"
#include "engine/cpu/cpu_copy.h"
#include "engine/graph/geometry.h"

#include <string.h>

typedef struct Part {
  uint32_t src, dst; /* which of the node's values */
  WeirCpuCopy copy;
} Part;

typedef struct Kernel {
  WeirCpuKernel base;
  bool fills; /* dst[0] with `fill` first */
  size_t dst_bytes, fill_size;
  uint8_t fill[8];
  uint32_t n_parts;
  Part parts[];
} Kernel;

static void fill (const Kernel *self, uint8_t *dst)
{
  static const uint8_t zeros[8] = { 0 };
  if (memcmp (self->fill, zeros, sizeof zeros) == 0) {
    memset (dst, 0, self->dst_bytes);
    return;
  }
  for (size_t i = 0; i < self->dst_bytes; i += self->fill_size)
    memcpy (dst + i, self->fill, self->fill_size);
}

static bool run (const WeirCpuBound *bound, GError **error)
{
  const Kernel *self = (const Kernel *) bound->kernel;
  if (self->fills)
    fill (self, bound->dst[0]);
  for (uint32_t i = 0; i < self->n_parts; i++) {
    const Part *part = &self->parts[i];
    weir_cpu_copy_run (
        &part->copy, self->base.device->n_threads, bound->dst[part->dst], bound->src[part->src]);
  }
  return true;
}

static Kernel *kernel_new (WeirDevice *device, const WeirStepSpec *spec, uint32_t n_parts)
{
  return (Kernel *) weir_cpu_kernel_new (
      device, spec, sizeof (Kernel) + n_parts * sizeof (Part), "copy", run);
}

/* A part over the dims of `shape`, both sides with the strides of their tensors. */
static Part *add_part (
    Kernel *self, const WeirStepSpec *spec, uint32_t src, uint32_t dst, const WeirTensor *shape)
{
  Part *part = &self->parts[self->n_parts++];
  part->src = src;
  part->dst = dst;
  part->copy.src_dtype = spec->src[src].dtype;
  part->copy.dst_dtype = spec->dst[dst].dtype;
  part->copy.rank = shape->rank;
  memcpy (part->copy.dims, shape->dims, sizeof shape->dims);
  weir_cpu_strides (&spec->src[src], part->copy.src_strides);
  weir_cpu_strides (&spec->dst[dst], part->copy.dst_strides);
  return part;
}

static WeirCpuKernel *finish (Kernel *self)
{
  for (uint32_t i = 0; i < self->n_parts; i++)
    weir_cpu_copy_prepare (&self->parts[i].copy, self->base.device->kernels);
  return &self->base;
}

static bool can_move (const WeirStepSpec *spec)
{
  for (uint32_t i = 0; i < spec->n_dst; i++)
    if (spec->node->dst[i] == WEIR_NONE || !weir_cpu_has_elements (&spec->dst[i]))
      return false;
  return weir_cpu_has_elements (&spec->src[0]) && spec->node->n_post == 0;
}

/* One source, whose format the results keep. */
static bool propose_same (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!can_move (spec))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = weir_cpu_format_as_is ();
  src[0] = weir_cpu_format_of (&spec->src[0]);
  for (uint32_t i = 0; i < spec->n_dst; i++)
    dst[i] = src[0];
  return true;
}

static WeirShapeJob job_of (const WeirStepSpec *spec)
{
  return (
      WeirShapeJob){ .graph = spec->graph, .node = spec->node, .src = spec->src, .dst = spec->dst };
}

/* --- Concat, Split --- */

static bool concat_dtype (const WeirStepSpec *spec, WeirDtype *dtype)
{
  *dtype = spec->src[0].dtype;
  for (uint32_t i = 1; i < spec->n_src; i++) {
    WeirDtype other = spec->src[i].dtype;
    if (other == *dtype)
      continue;
    if (!weir_cpu_is_float (other) || !weir_cpu_is_float (*dtype))
      return false;
    *dtype = WEIR_DTYPE_F32;
  }
  return true;
}

/* The layout in which most elements come. */
static WeirLayout concat_layout (const WeirStepSpec *spec)
{
  int64_t balance = 0, n;
  for (uint32_t i = 0; i < spec->n_src; i++)
    if (!spec->src[i].buffer && weir_tensor_n_elements (&spec->src[i], &n))
      balance += spec->src[i].layout == WEIR_LAYOUT_CHANNELS_LAST ? n : -n;
  return balance > 0 && spec->dst[0].rank >= 3 ? WEIR_LAYOUT_CHANNELS_LAST : WEIR_LAYOUT_PLAIN;
}

static bool propose_concat (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirFormat format = { .layout = concat_layout (spec) };
  if (!weir_cpu_has_elements (&spec->dst[0]) || spec->node->n_post ||
      !concat_dtype (spec, &format.dtype))
    return false;
  for (uint32_t i = 0; i < spec->n_src; i++)
    src[i] = format;
  dst[0] = format;
  return true;
}

static WeirCpuKernel *compile_concat (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  uint32_t axis;
  int64_t at = 0;
  if (!weir_axis_resolve (spec->graph, spec->node, weir_node_int (spec->node, "axis", 1),
          spec->dst[0].rank, &axis, error))
    return NULL;
  Kernel *self = kernel_new (device, spec, spec->n_src);
  for (uint32_t i = 0; i < spec->n_src; i++) {
    if (!weir_cpu_has_elements (&spec->src[i]))
      continue;
    Part *part = add_part (self, spec, i, 0, &spec->src[i]);
    part->copy.dst_offset = at * part->copy.dst_strides[axis];
    at += spec->src[i].dims[axis];
  }
  return finish (self);
}

static WeirCpuKernel *compile_split (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  uint32_t axis;
  int64_t at = 0;
  if (!weir_axis_resolve (spec->graph, spec->node, weir_node_int (spec->node, "axis", 0),
          spec->src[0].rank, &axis, error))
    return NULL;
  Kernel *self = kernel_new (device, spec, spec->n_dst);
  for (uint32_t i = 0; i < spec->n_dst; i++) {
    Part *part = add_part (self, spec, 0, i, &spec->dst[i]);
    part->copy.src_offset = at * part->copy.src_strides[axis];
    at += spec->dst[i].dims[axis];
  }
  return finish (self);
}

/* --- Slice, Crop, Pad --- */

static WeirCpuKernel *compile_slice (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirSlice slice;
  WeirShapeJob job = job_of (spec);
  bool is_crop = spec->node->op == WEIR_OP_CROP;
  if (!(is_crop ? weir_crop_resolve : weir_slice_resolve) (&job, &slice, error))
    return NULL;
  Kernel *self = kernel_new (device, spec, 1);
  Part *part = add_part (self, spec, 0, 0, &spec->dst[0]);
  for (uint32_t i = 0; i < spec->src[0].rank; i++) {
    part->copy.src_offset += slice.start[i] * part->copy.src_strides[i];
    if (slice.dst[i] > 1) /* one element has no next one, and a step may be anything */
      part->copy.src_strides[i] *= slice.step[i];
  }
  return finish (self);
}

/* The value to pad with, as the bytes of an element. False where it is not known. */
static bool pad_value (const WeirStepSpec *spec, WeirDtype dtype, uint8_t value[8])
{
  bool is_given = spec->n_src > 2 && spec->src[2].dtype != WEIR_DTYPE_NONE;
  float number = weir_node_float (spec->node, "value", 0.0f);
  if (is_given && !spec->src[2].buffer)
    return false;
  if (is_given && !weir_known_float (&spec->src[2], 0, &number))
    return false;
  memset (value, 0, 8);
  if (number == 0.0f)
    return true;
  if (dtype == WEIR_DTYPE_F32)
    memcpy (value, &number, sizeof number);
  else if (dtype == WEIR_DTYPE_BF16)
    memcpy (value, &(uint16_t){ weir_f32_to_bf16 (number) }, sizeof (uint16_t));
  return weir_cpu_is_float (dtype);
}

static bool propose_pad (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  WeirPads pads;
  uint8_t value[8];
  WeirShapeJob job = job_of (spec);
  return propose_same (device, spec, src, dst) && weir_pads_resolve (&job, &pads, NULL) &&
         pads.mode == WEIR_PAD_CONSTANT && pad_value (spec, spec->src[0].dtype, value);
}

static WeirCpuKernel *compile_pad (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirPads pads;
  WeirShapeJob job = job_of (spec);
  WeirTensor inner = spec->src[0];
  if (!weir_pads_resolve (&job, &pads, error))
    return NULL;
  Kernel *self = kernel_new (device, spec, 1);
  for (uint32_t i = 0; i < inner.rank; i++)
    inner.dims[i] += MIN (pads.begin[i], 0) + MIN (pads.end[i], 0);
  self->fills = true;
  self->fill_size = weir_dtype_bytes (spec->dst[0].dtype);
  weir_tensor_bytes (&spec->dst[0], &self->dst_bytes);
  pad_value (spec, spec->dst[0].dtype, self->fill);
  if (weir_cpu_has_elements (&inner)) {
    Part *part = add_part (self, spec, 0, 0, &inner);
    for (uint32_t i = 0; i < inner.rank; i++) {
      part->copy.src_offset += MAX (-pads.begin[i], 0) * part->copy.src_strides[i];
      part->copy.dst_offset += MAX (pads.begin[i], 0) * part->copy.dst_strides[i];
    }
  }
  return finish (self);
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

static bool permute_transpose (const WeirStepSpec *spec, WeirCpuCopy *copy, GError **error)
{
  uint32_t perm[WEIR_MAX_RANK];
  int64_t strides[WEIR_MAX_RANK];
  WeirShapeJob job = job_of (spec);
  if (!weir_perm_resolve (&job, perm, error))
    return false;
  weir_cpu_strides (&spec->src[0], strides);
  for (uint32_t i = 0; i < spec->src[0].rank; i++)
    copy->src_strides[i] = strides[perm[i]];
  return true;
}

/* Replaces dim `at` by n_outer × its dim / n_outer on one side: strides and dims. */
static void split_dim (int64_t *values, uint32_t rank, uint32_t at, int64_t outer, int64_t inner)
{
  for (uint32_t i = rank; i > at + 1; i--)
    values[i] = values[i - 1];
  values[at] = outer;
  values[at + 1] = inner;
}

/* Channel i · n + k of src becomes k · group + i of dst, with n channels in each group. */
static void permute_shuffle (const WeirStepSpec *spec, WeirCpuCopy *copy)
{
  int64_t group = MAX (weir_node_int (spec->node, "group", 1), 1), n = copy->dims[1] / group;
  int64_t src = copy->src_strides[1], dst = copy->dst_strides[1];
  split_dim (copy->dims, copy->rank, 1, group, n);
  split_dim (copy->src_strides, copy->rank, 1, n * src, src);
  split_dim (copy->dst_strides, copy->rank, 1, dst, group * dst);
  copy->rank++;
}

/* The deep side has channels [block, block, c] (DCR) or [c, block, block] (CRD); the wide side has
 * height [h, block] and width [w, block]. Dims here: n, c, h, block, w, block. */
static void permute_blocks (const WeirStepSpec *spec, WeirCpuCopy *copy)
{
  bool to_space = spec->node->op == WEIR_OP_DEPTH_TO_SPACE;
  bool is_crd = to_space && g_strcmp0 (weir_node_string (spec->node, "mode", "DCR"), "CRD") == 0;
  const WeirTensor *deep = to_space ? &spec->src[0] : &spec->dst[0];
  int64_t block = MAX (weir_node_int (spec->node, "blocksize", 1), 1);
  int64_t n_channels = deep->dims[1] / (block * block);
  int64_t *d = to_space ? copy->src_strides : copy->dst_strides;
  int64_t *w = to_space ? copy->dst_strides : copy->src_strides;
  int64_t of_channel = d[1] * (is_crd ? block * block : 1),
          of_row = d[1] * (is_crd ? block : block * n_channels),
          of_column = d[1] * (is_crd ? 1 : n_channels);
  int64_t dims[6] = { deep->dims[0], n_channels, deep->dims[2], block, deep->dims[3], block };
  int64_t deep_strides[6] = { d[0], of_channel, d[2], of_row, d[3], of_column };
  int64_t wide_strides[6] = { w[0], w[1], w[2] * block, w[2], w[3] * block, w[3] };
  memcpy (copy->dims, dims, sizeof dims);
  memcpy (d, deep_strides, sizeof deep_strides);
  memcpy (w, wide_strides, sizeof wide_strides);
  copy->rank = 6;
}

static WeirCpuKernel *compile_permute (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = kernel_new (device, spec, 1);
  Part *part = add_part (self, spec, 0, 0, &spec->dst[0]);
  bool ok = true;
  if (spec->node->op == WEIR_OP_TRANSPOSE)
    ok = permute_transpose (spec, &part->copy, error);
  else if (spec->node->op == WEIR_OP_CHANNEL_SHUFFLE)
    permute_shuffle (spec, &part->copy);
  else
    permute_blocks (spec, &part->copy);
  if (ok)
    return finish (self);
  self->base.free (&self->base);
  return NULL;
}

/* --- Reorder --- */

static bool propose_reorder (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!can_move (spec) || !weir_cpu_copy_can (spec->src[0].dtype, spec->dst[0].dtype))
    return false;
  src[0] = weir_cpu_format_of (&spec->src[0]);
  dst[0] = weir_cpu_format_of (&spec->dst[0]);
  return true;
}

static WeirCpuKernel *compile_reorder (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  Kernel *self = kernel_new (device, spec, 1);
  add_part (self, spec, 0, 0, &spec->dst[0]);
  return finish (self);
}

const WeirCpuOp weir_cpu_concat = { propose_concat, compile_concat };
const WeirCpuOp weir_cpu_split = { propose_same, compile_split };
const WeirCpuOp weir_cpu_slice = { propose_same, compile_slice };
const WeirCpuOp weir_cpu_pad = { propose_pad, compile_pad };
const WeirCpuOp weir_cpu_permute = { propose_permute, compile_permute };
const WeirCpuOp weir_cpu_reorder = { propose_reorder, compile_reorder };
