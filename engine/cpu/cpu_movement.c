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

static void add_part (Kernel *self, const WeirStepSpec *spec, const WeirMove *move)
{
  Part *part = &self->parts[self->n_parts++];
  part->src = move->src;
  part->dst = move->dst;
  part->copy = (WeirCpuCopy){ .src_dtype = spec->src[move->src].dtype,
    .dst_dtype = spec->dst[move->dst].dtype,
    .rank = move->rank,
    .src_offset = move->src_offset,
    .dst_offset = move->dst_offset };
  memcpy (part->copy.dims, move->dims, sizeof move->dims);
  memcpy (part->copy.src_strides, move->src_strides, sizeof move->src_strides);
  memcpy (part->copy.dst_strides, move->dst_strides, sizeof move->dst_strides);
  weir_cpu_copy_prepare (&part->copy, self->base.device->kernels);
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

/* --- Concat --- */

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

/* --- Pad --- */

/* The value to pad with, as the bytes of an element. False where it is not known. */
static bool pad_value (const WeirStepSpec *spec, WeirDtype dtype, uint8_t value[8])
{
  WeirShapeJob job = weir_step_job (spec);
  float number;
  if (!weir_moves_pad_number (&job, &number))
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
  WeirShapeJob job = weir_step_job (spec);
  return propose_same (device, spec, src, dst) && weir_pads_resolve (&job, &pads, NULL) &&
         pads.mode == WEIR_PAD_CONSTANT && pad_value (spec, spec->src[0].dtype, value);
}

/* --- Transpose, ChannelShuffle, DepthToSpace, SpaceToDepth, Reorder --- */

static bool propose_permute (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!propose_same (device, spec, src, dst))
    return false;
  if (spec->node->op == WEIR_OP_TRANSPOSE)
    dst[0].layout = WEIR_LAYOUT_PLAIN;
  return true;
}

static bool propose_reorder (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  if (!can_move (spec) || !weir_cpu_copy_can (spec->src[0].dtype, spec->dst[0].dtype))
    return false;
  src[0] = weir_cpu_format_of (&spec->src[0]);
  dst[0] = weir_cpu_format_of (&spec->dst[0]);
  return true;
}

/* --- Tile, Expand --- */

static bool propose_repeat (
    WeirDevice *device, const WeirStepSpec *spec, WeirFormat *src, WeirFormat *dst)
{
  return spec->src[0].rank == spec->dst[0].rank && 2 * spec->dst[0].rank <= WEIR_MOVE_RANK &&
         weir_cpu_has_elements (&spec->dst[0]) && propose_same (device, spec, src, dst);
}

/* --- all of them --- */

static WeirCpuKernel *compile (
    WeirDevice *device, const WeirStepSpec *spec, size_t *scratch_bytes, GError **error)
{
  WeirShapeJob job = weir_step_job (spec);
  g_autofree WeirMoves *moves = weir_moves_new (&job, error);
  if (!moves)
    return NULL;
  Kernel *self = (Kernel *) weir_cpu_kernel_new (
      device, spec, sizeof (Kernel) + moves->n * sizeof (Part), "copy", run);
  for (uint32_t i = 0; i < moves->n; i++)
    add_part (self, spec, &moves->list[i]);
  if (moves->fills) {
    self->fills = true;
    self->fill_size = weir_dtype_bytes (spec->dst[0].dtype);
    weir_tensor_bytes (&spec->dst[0], &self->dst_bytes);
    pad_value (spec, spec->dst[0].dtype, self->fill);
  }
  return &self->base;
}

const WeirCpuOp weir_cpu_concat = { propose_concat, compile };
const WeirCpuOp weir_cpu_split = { propose_same, compile };
const WeirCpuOp weir_cpu_slice = { propose_same, compile };
const WeirCpuOp weir_cpu_pad = { propose_pad, compile };
const WeirCpuOp weir_cpu_permute = { propose_permute, compile };
const WeirCpuOp weir_cpu_repeat = { propose_repeat, compile };
const WeirCpuOp weir_cpu_reorder = { propose_reorder, compile };
