/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slices and pads of OpenVINO IR. */
#include "engine/formats/ir_private.h"

#include <string.h>

/* The masks of StridedSlice, one per element of begin; missing ones are 0. */
typedef struct Masks {
  bool begin[WEIR_MAX_RANK], end[WEIR_MAX_RANK], new_axis[WEIR_MAX_RANK], shrink[WEIR_MAX_RANK],
      ellipsis[WEIR_MAX_RANK];
} Masks;

static bool read_mask (WeirIrJob *job, const char *name, bool mask[WEIR_MAX_RANK])
{
  int64_t values[WEIR_MAX_RANK];
  uint32_t n;
  if (!weir_ir_ints (job, name, values, &n))
    return false;
  for (uint32_t i = 0; i < WEIR_MAX_RANK; i++)
    mask[i] = i < n && values[i];
  return true;
}

static bool read_masks (WeirIrJob *job, Masks *masks)
{
  return read_mask (job, "begin_mask", masks->begin) && read_mask (job, "end_mask", masks->end) &&
         read_mask (job, "new_axis_mask", masks->new_axis) &&
         read_mask (job, "shrink_axis_mask", masks->shrink) &&
         read_mask (job, "ellipsis_mask", masks->ellipsis);
}

/* What a StridedSlice with constant bounds is in ONNX: Slice, then Squeeze, then Unsqueeze. */
typedef struct Steps {
  int64_t start[WEIR_MAX_RANK], end[WEIR_MAX_RANK], step[WEIR_MAX_RANK], axes[WEIR_MAX_RANK];
  int64_t shrunk[WEIR_MAX_RANK], added[WEIR_MAX_RANK];
  uint32_t n, n_shrunk, n_added;
} Steps;

/* 1 in the masks of begin and end: the bound does not count. `size` is the axis' in the file. */
static void add_step (Steps *steps, const Masks *masks, uint32_t i, int64_t axis, int64_t size,
    const int64_t *begin, const int64_t *end, const int64_t *stride)
{
  int64_t step = masks->shrink[i] ? 1 : stride[i];
  int64_t start = begin[i], stop = end[i];
  if (masks->shrink[i]) {
    stop = start == -1 || start == INT64_MAX ? INT64_MAX : start + 1;
    steps->shrunk[steps->n_shrunk++] = axis;
  } else {
    start = !masks->begin[i] ? start : step < 0 ? INT64_MAX : 0;
    stop = !masks->end[i] ? stop : step < 0 ? INT64_MIN : INT64_MAX;
  }
  /* all of an axis, whatever its size will be: files bake a batch of 1 into the bounds */
  if (!masks->shrink[i] && start == 0 && step == 1 && (stop == INT64_MAX || stop == size))
    return;
  steps->start[steps->n] = start;
  steps->end[steps->n] = stop;
  steps->step[steps->n] = step;
  steps->axes[steps->n++] = axis;
}

static bool make_steps (WeirIrJob *job, const Masks *masks, const int64_t *begin,
    const int64_t *end, const int64_t *stride, uint32_t n, Steps *steps)
{
  uint32_t rank, n_new = 0, n_ellipsis = 0, axis = 0, dst = 0;
  WeirIrInfo src = weir_ir_info (job, job->src[0]);
  if (!weir_ir_rank (job, 0, &rank))
    return false;
  for (uint32_t i = 0; i < n; i++) {
    n_ellipsis += masks->ellipsis[i];
    n_new += masks->new_axis[i] && !masks->ellipsis[i];
  }
  if (n_ellipsis > 1 || n - n_new - n_ellipsis > rank || rank + n_new > WEIR_MAX_RANK)
    return ir_malformed (job, "has %u bounds for %u dimensions", n, rank);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t n_skipped = rank - (n - n_new - n_ellipsis);
    if (masks->ellipsis[i]) {
      axis += n_skipped;
      dst += n_skipped;
    } else if (masks->new_axis[i]) {
      steps->added[steps->n_added++] = dst++;
    } else {
      add_step (steps, masks, i, axis, src.dims[axis], begin, end, stride);
      axis++;
      dst += !masks->shrink[i];
    }
  }
  return true;
}

static bool emit_steps (WeirIrJob *job, const Steps *steps)
{
  uint32_t value = job->src[0];
  if (steps->n) {
    const uint32_t src[] = { value, weir_ir_add_ints (job, steps->start, steps->n),
      weir_ir_add_ints (job, steps->end, steps->n), weir_ir_add_ints (job, steps->axes, steps->n),
      weir_ir_add_ints (job, steps->step, steps->n) };
    value = weir_ir_apply (job, WEIR_OP_SLICE, 13, src, 5, NULL, 0);
  }
  if (steps->n_shrunk) {
    const uint32_t src[] = { value, weir_ir_add_ints (job, steps->shrunk, steps->n_shrunk) };
    value = weir_ir_apply (job, WEIR_OP_SQUEEZE, 13, src, 2, NULL, 0);
  }
  value = weir_ir_unsqueeze (job, value, steps->added, steps->n_added);
  weir_ir_rename (job, 0, value);
  return true;
}

bool weir_ir_convert_strided_slice (WeirIrJob *job)
{
  int64_t begin[WEIR_MAX_RANK], end[WEIR_MAX_RANK], stride[WEIR_MAX_RANK];
  uint32_t n, n_end, n_stride = 0;
  Masks masks;
  Steps steps = { .n = 0 };
  if (!weir_ir_need (job, 3) || !read_masks (job, &masks))
    return false;
  bool has_stride = weir_ir_src (job, 3) != WEIR_NONE;
  if (!weir_ir_known_ints (job, 1, begin, &n) || !weir_ir_known_ints (job, 2, end, &n_end) ||
      (has_stride && !weir_ir_known_ints (job, 3, stride, &n_stride)))
    return weir_ir_emit_row (job, job->src, job->n_src);
  if (n_end != n || (has_stride && n_stride != n))
    return ir_malformed (job, "has %u begins, %u ends and %u strides", n, n_end, n_stride);
  for (uint32_t i = n_stride; i < n; i++)
    stride[i] = 1;
  return make_steps (job, &masks, begin, end, stride, n, &steps) && emit_steps (job, &steps);
}

/* Data, start, stop, step, axes: ONNX has the last two the other way round. */
bool weir_ir_convert_slice (WeirIrJob *job)
{
  if (!weir_ir_need (job, 4))
    return false;
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]),
    weir_ir_as_ints (job, job->src[2]), weir_ir_as_ints (job, weir_ir_src (job, 4)),
    weir_ir_as_ints (job, job->src[3]) };
  return weir_ir_emit (job, WEIR_OP_SLICE, 13, src, 5, NULL, 0);
}

/* `value` turned around along the axis, from `start` to `end`. */
static uint32_t reverse_part (
    WeirIrJob *job, uint32_t value, int64_t axis, int64_t start, int64_t end)
{
  const int64_t step = -1;
  const uint32_t src[] = { value, weir_ir_add_ints (job, &start, 1),
    weir_ir_add_ints (job, &end, 1), weir_ir_add_ints (job, &axis, 1),
    weir_ir_add_ints (job, &step, 1) };
  return weir_ir_apply (job, WEIR_OP_SLICE, 13, src, 5, NULL, 0);
}

/* The edge itself is mirrored too: what lies before is the first `begin` elements backwards. */
static bool pad_symmetric (WeirIrJob *job)
{
  int64_t begin[WEIR_MAX_RANK], end[WEIR_MAX_RANK];
  uint32_t n, n_end, value = job->src[0];
  if (!weir_ir_need_ints (job, 1, begin, &n) || !weir_ir_need_ints (job, 2, end, &n_end))
    return false;
  if (n != n_end)
    return ir_malformed (job, "has %u pads before and %u behind", n, n_end);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t parts[3], n_parts = 0;
    if (begin[i] < 0 || end[i] < 0 || begin[i] > INT32_MAX || end[i] > INT32_MAX)
      return ir_refuse (job, "symmetric pads below 0 are not supported");
    if (begin[i])
      parts[n_parts++] = reverse_part (job, value, i, begin[i] - 1, INT64_MIN);
    parts[n_parts++] = value;
    if (end[i])
      parts[n_parts++] = reverse_part (job, value, i, INT64_MAX, -end[i] - 1);
    WeirAttr axis = weir_ir_attr_int ("axis", i);
    if (n_parts > 1)
      value = weir_ir_apply (job, WEIR_OP_CONCAT, 13, parts, n_parts, &axis, 1);
  }
  weir_ir_rename (job, 0, value);
  return true;
}

bool weir_ir_convert_pad (WeirIrJob *job)
{
  static const char *const modes[] = { "constant", "edge", "reflect" };
  int64_t pads[2 * WEIR_MAX_RANK];
  uint32_t n, n_end, list;
  const char *name = weir_ir_string (job, "pad_mode", "constant"), *mode = NULL;
  if (!weir_ir_need (job, 3))
    return false;
  if (g_ascii_strcasecmp (name, "symmetric") == 0)
    return pad_symmetric (job);
  for (size_t i = 0; i < G_N_ELEMENTS (modes); i++)
    mode = g_ascii_strcasecmp (name, modes[i]) == 0 ? modes[i] : mode;
  if (!mode)
    return ir_refuse (job, "pad_mode '%s' is unknown", name);
  if (weir_ir_known_ints (job, 1, pads, &n) && weir_ir_known_ints (job, 2, pads + n, &n_end) &&
      n == n_end) {
    list = weir_ir_add_ints (job, pads, 2 * n);
  } else {
    const uint32_t parts[] = { weir_ir_cast (job, job->src[1], WEIR_DTYPE_I64),
      weir_ir_cast (job, job->src[2], WEIR_DTYPE_I64) };
    WeirAttr axis = weir_ir_attr_int ("axis", 0);
    list = weir_ir_apply (job, WEIR_OP_CONCAT, 13, parts, 2, &axis, 1);
  }
  bool is_constant = strcmp (mode, "constant") == 0;
  const uint32_t src[] = { job->src[0], list, is_constant ? weir_ir_src (job, 3) : WEIR_NONE };
  WeirAttr attr = weir_ir_attr_text ("mode", mode);
  return weir_ir_emit (job, WEIR_OP_PAD, 13, src, 3, &attr, 1);
}

/* Axes as numbers, or one truth value per dimension. */
bool weir_ir_convert_reverse (WeirIrJob *job)
{
  int64_t values[WEIR_MAX_RANK];
  uint32_t n, value = weir_ir_src (job, 0);
  bool is_mask = weir_ir_is (job, "mode", "index", "mask");
  if (!weir_ir_need (job, 1) || !weir_ir_need_ints (job, 1, values, &n))
    return false;
  for (uint32_t i = 0; i < n; i++)
    if (!is_mask || values[i])
      value = reverse_part (job, value, is_mask ? i : values[i], INT64_MAX, INT64_MIN);
  weir_ir_rename (job, 0, value);
  return true;
}

/* The three lists of SpaceToBatch and BatchToSpace, and the dims. */
typedef struct Blocks {
  int64_t block[WEIR_MAX_RANK], begin[WEIR_MAX_RANK], end[WEIR_MAX_RANK];
  WeirIrInfo src;
  uint32_t n; /* axes beyond the batch */
} Blocks;

static bool read_blocks (WeirIrJob *job, Blocks *b)
{
  uint32_t n_begin, n_end;
  if (!weir_ir_need (job, 4) || !weir_ir_need_ints (job, 1, b->block, &b->n) ||
      !weir_ir_need_ints (job, 2, b->begin, &n_begin) ||
      !weir_ir_need_ints (job, 3, b->end, &n_end))
    return false;
  if (!weir_ir_static_dims (job, 0, 0, &b->src))
    return ir_refuse (job, "sizes of the input are not known");
  if (b->n != n_begin || b->n != n_end || b->n != b->src.rank || b->n < 2 ||
      2 * b->n - 1 > WEIR_MAX_RANK)
    return ir_refuse (job, "%u blocks for %u dimensions are not supported", b->n, b->src.rank);
  for (uint32_t i = 0; i < b->n; i++)
    if (b->block[i] < 1 || b->block[i] > 65536 || b->begin[i] < 0 || b->begin[i] > 65536 ||
        b->end[i] < 0 || b->end[i] > 65536 || b->block[0] != 1)
      return ir_malformed (job, "a block, pad or crop is out of range");
  b->n--;
  return true;
}

/* Pad, then [N, D1 / b1, b1, …] with the blocks brought to the front of the batch. */
bool weir_ir_convert_space_to_batch (WeirIrJob *job)
{
  Blocks b;
  int64_t pads[2 * WEIR_MAX_RANK], dims[2 * WEIR_MAX_RANK], perm[2 * WEIR_MAX_RANK],
      dst[WEIR_MAX_RANK];
  if (!read_blocks (job, &b))
    return false;
  uint32_t rank = b.src.rank, n = b.n;
  memcpy (pads, b.begin, rank * sizeof *pads);
  memcpy (pads + rank, b.end, rank * sizeof *pads);
  dims[0] = b.src.dims[0];
  dst[0] = -1;
  perm[n] = 0;
  for (uint32_t i = 0; i < n; i++) {
    int64_t size = b.src.dims[i + 1] + b.begin[i + 1] + b.end[i + 1];
    if (size % b.block[i + 1])
      return ir_malformed (job, "block %u does not divide its axis", i + 1);
    dims[1 + 2 * i] = dst[1 + i] = size / b.block[i + 1];
    dims[2 + 2 * i] = b.block[i + 1];
    perm[i] = 2 + 2 * i;
    perm[n + 1 + i] = 1 + 2 * i;
  }
  const uint32_t padded[] = { job->src[0], weir_ir_add_ints (job, pads, 2 * rank) };
  uint32_t value = weir_ir_apply (job, WEIR_OP_PAD, 13, padded, 2, NULL, 0);
  value = weir_ir_transpose (job, weir_ir_reshape (job, value, dims, 2 * n + 1), perm, 2 * n + 1);
  const uint32_t src[] = { value, weir_ir_add_ints (job, dst, rank) };
  return weir_ir_emit (job, WEIR_OP_RESHAPE, 13, src, 2, NULL, 0);
}

/* The other way round, and a crop. */
bool weir_ir_convert_batch_to_space (WeirIrJob *job)
{
  Blocks b;
  int64_t dims[2 * WEIR_MAX_RANK], perm[2 * WEIR_MAX_RANK], whole[WEIR_MAX_RANK],
      end[WEIR_MAX_RANK], axes[WEIR_MAX_RANK];
  if (!read_blocks (job, &b))
    return false;
  uint32_t rank = b.src.rank, n = b.n;
  dims[n] = -1;
  perm[0] = n;
  whole[0] = -1;
  for (uint32_t i = 0; i < n; i++) {
    dims[i] = b.block[i + 1];
    dims[n + 1 + i] = b.src.dims[i + 1];
    perm[1 + 2 * i] = n + 1 + i;
    perm[2 + 2 * i] = i;
    whole[1 + i] = b.src.dims[i + 1] * b.block[i + 1];
  }
  for (uint32_t i = 0; i < rank; i++) {
    axes[i] = i;
    end[i] = b.end[i] ? -b.end[i] : INT64_MAX;
  }
  uint32_t value = weir_ir_reshape (job, job->src[0], dims, 2 * n + 1);
  value = weir_ir_reshape (job, weir_ir_transpose (job, value, perm, 2 * n + 1), whole, rank);
  const uint32_t src[] = { value, weir_ir_add_ints (job, b.begin, rank),
    weir_ir_add_ints (job, end, rank), weir_ir_add_ints (job, axes, rank) };
  return weir_ir_emit (job, WEIR_OP_SLICE, 13, src, 4, NULL, 0);
}
