/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cutting primitives by items, rows or channels. */
#include "engine/cpu/cpu_parts.h"

#include "engine/cpu/cpu_crew.h"

/* A part has at least so many multiplications: some 40 µs, of which 2 are lost with each part. */
#define PART_WORK 1e6
/* And so many uses of each weight, which it reads from beyond the second-level cache at worst. */
#define PART_PIXELS 32
/* By channels are cut pictures of so many pixels at most; a part has so many weights and channels.
 */
#define CHANNEL_PIXELS  96
#define CHANNEL_WEIGHTS 65536
#define CHANNEL_STEP    16
#define NO_AXIS         UINT32_MAX
#define CHANNELS        1

/* Multiplications and comparisons of a run. */
static double count_work (const WeirDnnlSpec *dnnl)
{
  double work = 1;
  for (uint32_t i = 0; i < dnnl->dst.rank; i++)
    work *= (double) dnnl->dst.dims[i];
  for (uint32_t i = 0; i < dnnl->n_spatial; i++)
    work *= (double) dnnl->kernel[i];
  if (dnnl->kind == WEIR_DNNL_MATMUL)
    work *= (double) dnnl->src.dims[dnnl->src.rank - 1];
  else if (dnnl->weights.rank) /* [groups,] outputs, inputs, kernel */
    work *= (double) dnnl->weights.dims[dnnl->weights.rank - 1 - dnnl->n_spatial];
  return work;
}

/* How often each weight is used. */
static double count_pixels (const WeirDnnlSpec *dnnl)
{
  double n = (double) dnnl->dst.dims[0];
  for (uint32_t i = 2; i < dnnl->dst.rank; i++)
    n *= (double) dnnl->dst.dims[i];
  return n;
}

/* Into how many parts of channels: 1 where rows or items are to be cut. Items do not count, so that
 * an item's sums have the same order in any batch. */
static uint32_t count_channel_parts (const WeirDnnlSpec *dnnl, uint32_t n_threads)
{
  const WeirDnnlShape *dst = &dnnl->dst;
  int64_t n_pixels = 1, n_weights = 1;
  if (dnnl->kind != WEIR_DNNL_CONVOLUTION || !dnnl->packs_weights ||
      dnnl->weights.rank != 2 + dnnl->n_spatial || dst->strides[1] != 1)
    return 1;
  for (uint32_t i = 0; i < dnnl->n_post; i++)
    if (dnnl->post[i].op == WEIR_OP_ADD)
      return 1;
  for (uint32_t i = 2; i < dst->rank; i++)
    n_pixels *= dst->dims[i];
  for (uint32_t i = 0; i < dnnl->weights.rank; i++)
    n_weights *= dnnl->weights.dims[i];
  if (n_pixels > CHANNEL_PIXELS || (n_pixels >= 2 * PART_PIXELS && dst->dims[2] > 1))
    return 1;
  int64_t n_most =
      MAX (n_weights / CHANNEL_WEIGHTS, (int64_t) ((double) n_weights * n_pixels / PART_WORK));
  n_most = MIN (n_most, dst->dims[1] / (2 * CHANNEL_STEP));
  return (uint32_t) CLAMP (n_most, 1, (int64_t) MIN (n_threads, WEIR_CPU_MAX_PARTS));
}

/* The dimension that is cut: channels of small pictures, else items where there are enough, or
 * rows.
 */
static uint32_t choose_axis (const WeirDnnlSpec *dnnl, uint32_t n_parts)
{
  const WeirDnnlShape *dst = &dnnl->dst;
  if (count_channel_parts (dnnl, n_parts) > 1)
    return CHANNELS;
  if (dnnl->kind == WEIR_DNNL_MATMUL)
    return dst->rank == 2 ? 0 : NO_AXIS;
  if (dst->dims[0] >= n_parts)
    return 0;
  return dst->dims[0] == 1 && dst->rank >= 3 && dnnl->kind != WEIR_DNNL_DECONVOLUTION ? 2 : NO_AXIS;
}

/* First index of part k, one after the last of part k - 1. */
static int64_t begin_of (int64_t n, uint32_t n_parts, uint32_t k)
{
  return n * k / n_parts;
}

/* The source's rows that rows begin..end of the result need; what is outside it is `pads`. */
static void needed_rows (
    const WeirDnnlSpec *whole, int64_t begin, int64_t end, int64_t rows[2], int64_t pads[2])
{
  int64_t extent = (whole->kernel[0] - 1) * whole->dilation[0] + 1;
  int64_t first = begin * whole->stride[0] - whole->pad_begin[0];
  int64_t last = (end - 1) * whole->stride[0] - whole->pad_begin[0] + extent;
  rows[0] = MAX (first, 0);
  rows[1] = MIN (last, whole->src.dims[2]);
  pads[0] = rows[0] - first;
  pads[1] = last - rows[1];
}

/* Every part has rows of the source. */
static bool have_rows (const WeirDnnlSpec *whole, uint32_t n_parts)
{
  int64_t rows[2], pads[2], n = whole->dst.dims[2];
  for (uint32_t k = 0; k < n_parts; k++) {
    needed_rows (whole, begin_of (n, n_parts, k), begin_of (n, n_parts, k + 1), rows, pads);
    if (rows[0] >= rows[1])
      return false;
  }
  return true;
}

uint32_t weir_cpu_count_parts (const WeirDnnlSpec *whole, uint32_t n_threads)
{
  uint32_t by_channels = count_channel_parts (whole, n_threads);
  if (by_channels > 1)
    return by_channels;
  double n_most = MIN (count_work (whole) / PART_WORK, WEIR_CPU_MAX_PARTS);
  if (whole->weights.rank)
    n_most = MIN (n_most, count_pixels (whole) / PART_PIXELS);
  uint32_t n_parts = MIN (n_threads, (uint32_t) n_most);
  uint32_t axis = n_parts > 1 ? choose_axis (whole, n_parts) : NO_AXIS;
  if (axis == NO_AXIS)
    return 1;
  n_parts = (uint32_t) MIN (n_parts, whole->dst.dims[axis]);
  return axis == 0 || have_rows (whole, n_parts) ? n_parts : 1;
}

/* Leaves `begin`..`end` of a dimension. Returns where that begins. The one item that rows are cut
 * of becomes as large as its rows: implementations know layouts by all their strides. */
static size_t narrow (WeirDnnlShape *shape, uint32_t axis, int64_t begin, int64_t end)
{
  shape->dims[axis] = end - begin;
  if (axis > 0)
    shape->strides[0] = shape->dims[axis] * shape->strides[axis];
  return (size_t) (begin * shape->strides[axis]) * weir_dtype_bytes (shape->dtype);
}

/* Channels begin..end, side by side, of every pixel. */
static WeirCpuPart cut_channels (WeirDnnlSpec *spec, int64_t begin, int64_t end)
{
  WeirDnnlShape *dst = &spec->dst;
  int64_t stride = end - begin;
  dst->dims[CHANNELS] = stride;
  for (uint32_t i = dst->rank; i-- > 2; stride *= dst->dims[i])
    dst->strides[i] = stride;
  dst->strides[0] = stride;
  spec->weights.dims[0] = end - begin;
  if (spec->bias.rank)
    spec->bias.dims[0] = end - begin;
  if (spec->n_scales > 1) {
    spec->n_scales = (uint32_t) (end - begin);
    spec->scales += begin;
  }
  return (WeirCpuPart){ .first_channel = begin, .n_channels = end - begin };
}

WeirCpuPart weir_cpu_cut_part (
    const WeirDnnlSpec *whole, uint32_t n_parts, uint32_t k, WeirDnnlSpec *spec)
{
  WeirCpuPart part = { 0 };
  uint32_t axis = n_parts > 1 ? choose_axis (whole, n_parts) : NO_AXIS;
  *spec = *whole;
  if (axis == NO_AXIS)
    return part;
  if (axis == CHANNELS) {
    int64_t n_steps = (whole->dst.dims[CHANNELS] + CHANNEL_STEP - 1) / CHANNEL_STEP;
    return cut_channels (spec, begin_of (n_steps, n_parts, k) * CHANNEL_STEP,
        MIN (begin_of (n_steps, n_parts, k + 1) * CHANNEL_STEP, whole->dst.dims[CHANNELS]));
  }
  int64_t begin = begin_of (whole->dst.dims[axis], n_parts, k);
  int64_t end = begin_of (whole->dst.dims[axis], n_parts, k + 1);
  int64_t rows[2] = { begin, end }, pads[2];
  if (axis == 2) {
    needed_rows (whole, begin, end, rows, pads);
    spec->pad_begin[0] = pads[0];
    spec->pad_end[0] = pads[1];
  }
  part.src_bytes = narrow (&spec->src, axis, rows[0], rows[1]);
  part.dst_bytes = narrow (&spec->dst, axis, begin, end);
  for (uint32_t i = 0; i < spec->n_post; i++)
    if (spec->post[i].op == WEIR_OP_ADD)
      part.added_bytes[i] = narrow (&spec->post[i].added, axis, begin, end);
  return part;
}
