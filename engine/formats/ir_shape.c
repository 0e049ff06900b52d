/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers of OpenVINO IR that change shapes and order, with ONNX's operators. */
#include "engine/formats/ir_private.h"

#include <string.h>

/* The result is i64; layers of i32 convert it. */
static bool emit_as (WeirIrJob *job, uint32_t value, const char *type)
{
  WeirDtype dtype = weir_ir_dtype (type);
  if (dtype != WEIR_DTYPE_I32 && dtype != WEIR_DTYPE_I64)
    return ir_refuse (job, "element type '%s' is not supported, expected i32 or i64", type);
  if (dtype == WEIR_DTYPE_I64) {
    weir_ir_alias (job, 0, value);
    return true;
  }
  WeirAttr to = weir_ir_attr_int ("to", weir_ir_onnx_type (dtype));
  return weir_ir_emit (job, WEIR_OP_CAST, 13, &value, 1, &to, 1);
}

/* The result takes the layer's name, as outputs are called by it. */
static uint32_t apply_i64 (WeirIrJob *job, WeirOp op, const WeirAttr *attrs, uint32_t n_attrs)
{
  uint32_t value = weir_graph_add_value (job->loader->graph, job->layer->name);
  weir_ir_emit_to (job, op, 13, job->src, 1, &value, 1, attrs, n_attrs);
  WeirIrInfo info = weir_ir_dst_info (job, 0);
  info.dtype = WEIR_DTYPE_I64;
  weir_ir_set_info (job, value, &info);
  return value;
}

bool weir_ir_convert_shape_of (WeirIrJob *job)
{
  return weir_ir_need (job, 1) && emit_as (job, apply_i64 (job, WEIR_OP_SHAPE, NULL, 0),
                                      weir_ir_string (job, "output_type", "i64"));
}

bool weir_ir_convert_non_zero (WeirIrJob *job)
{
  return weir_ir_need (job, 1) && emit_as (job, apply_i64 (job, WEIR_OP_NON_ZERO, NULL, 0),
                                      weir_ir_string (job, "output_type", "i64"));
}

/* Without special_zero a 0 is a dimension of no elements. */
bool weir_ir_convert_reshape (WeirIrJob *job)
{
  bool special;
  int64_t target[WEIR_MAX_RANK];
  uint32_t n;
  if (!weir_ir_need (job, 2) || !weir_ir_bool (job, "special_zero", false, &special))
    return false;
  bool may_be_zero = !special;
  if (may_be_zero && weir_ir_known_ints (job, 1, target, &n)) {
    may_be_zero = false;
    for (uint32_t i = 0; i < n; i++)
      may_be_zero = may_be_zero || target[i] == 0;
  }
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]) };
  WeirAttr attr = weir_ir_attr_int ("allowzero", may_be_zero);
  return weir_ir_emit (job, WEIR_OP_RESHAPE, 14, src, 2, &attr, may_be_zero);
}

/* With allow_axis_skip those of the axes that are not 1 stay. */
static bool skip_axes (WeirIrJob *job, int64_t axes[WEIR_MAX_RANK], uint32_t *n)
{
  uint32_t n_given, axis;
  WeirIrInfo src = weir_ir_info (job, job->src[0]);
  if (!weir_ir_need_ints (job, 1, axes, &n_given))
    return false;
  *n = 0;
  for (uint32_t i = 0; i < n_given; i++) {
    if (!weir_ir_check_axis (job, axes[i], src.rank, &axis))
      return false;
    if (src.dims[axis] < 0)
      return ir_refuse (job, "allow_axis_skip, but the size of axis %u is not known", axis);
    if (src.dims[axis] == 1)
      axes[(*n)++] = axis;
  }
  return true;
}

bool weir_ir_convert_squeeze (WeirIrJob *job)
{
  int64_t axes[WEIR_MAX_RANK];
  uint32_t n;
  bool skips;
  if (!weir_ir_need (job, 1) || !weir_ir_bool (job, "allow_axis_skip", false, &skips))
    return false;
  uint32_t src[] = { job->src[0], weir_ir_as_ints (job, weir_ir_src (job, 1)) };
  if (skips && src[1] != WEIR_NONE) {
    if (!skip_axes (job, axes, &n))
      return false;
    if (!n)
      return weir_ir_emit (job, WEIR_OP_IDENTITY, 13, src, 1, NULL, 0);
    src[1] = weir_ir_add_ints (job, axes, n);
  }
  return weir_ir_emit (job, WEIR_OP_SQUEEZE, 13, src, 2, NULL, 0);
}

bool weir_ir_convert_unsqueeze (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2))
    return false;
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]) };
  return weir_ir_emit (job, WEIR_OP_UNSQUEEZE, 13, src, 2, NULL, 0);
}

/* An empty order turns all around, as none does in ONNX. */
bool weir_ir_convert_transpose (WeirIrJob *job)
{
  int64_t order[WEIR_MAX_RANK];
  uint32_t n;
  if (!weir_ir_need (job, 1) || !weir_ir_need_ints (job, 1, order, &n))
    return false;
  WeirAttr perm = weir_ir_attr_ints (job, "perm", order, n);
  return weir_ir_emit (job, WEIR_OP_TRANSPOSE, 13, job->src, 1, &perm, n > 0);
}

static bool emit_split (WeirIrJob *job, uint32_t sizes, int64_t axis)
{
  uint32_t n = job->layer->n_dst;
  const uint32_t src[] = { job->src[0], sizes };
  g_autofree uint32_t *dst = g_new (uint32_t, (size_t) n + 1);
  WeirAttr attr = weir_ir_attr_int ("axis", axis);
  for (uint32_t i = 0; i < n; i++) {
    dst[i] = weir_ir_dst (job, i);
    if (dst[i] == WEIR_NONE) /* every part counts, read or not */
      dst[i] = weir_graph_add_value (job->loader->graph, job->layer->name);
  }
  weir_ir_emit_to (job, WEIR_OP_SPLIT, 13, src, 2, dst, n, &attr, 1);
  return true;
}

static bool read_split_axis (WeirIrJob *job, int64_t *axis)
{
  uint32_t n;
  if (!weir_ir_need (job, 2) || !weir_ir_need_ints (job, 1, axis, &n))
    return false;
  return (n == 1 && job->layer->n_dst > 0) ||
         ir_malformed (job, "has %u axes and %u outputs, expected one axis and an output", n,
             job->layer->n_dst);
}

bool weir_ir_convert_split (WeirIrJob *job)
{
  int64_t axis[WEIR_MAX_RANK], n;
  if (!read_split_axis (job, axis) || !weir_ir_int (job, "num_splits", job->layer->n_dst, &n))
    return false;
  if (n != job->layer->n_dst)
    return ir_malformed (
        job, "num_splits is %" G_GINT64_FORMAT ", but it has %u outputs", n, job->layer->n_dst);
  return emit_split (job, WEIR_NONE, axis[0]);
}

/* Part i as a slice: from the front, or from the back behind the part that takes the rest. */
static uint32_t slice_part (
    WeirIrJob *job, const int64_t *sizes, uint32_t n, uint32_t free, uint32_t i, int64_t axis)
{
  int64_t start = 0, end = 0;
  for (uint32_t k = 0; k < i; k++)
    start += k < free ? sizes[k] : 0;
  for (uint32_t k = i + 1; k < n; k++)
    end += k > free ? sizes[k] : 0;
  if (i < free)
    end = start + sizes[i];
  else
    end = end ? -end : INT64_MAX;
  if (i > free)
    start = (end == INT64_MAX ? 0 : end) - sizes[i];
  const uint32_t src[] = { job->src[0], weir_ir_add_ints (job, &start, 1),
    weir_ir_add_ints (job, &end, 1), weir_ir_add_ints (job, &axis, 1) };
  return weir_ir_apply (job, WEIR_OP_SLICE, 13, src, 4, NULL, 0);
}

/* One size may be -1: the rest. */
bool weir_ir_convert_variadic_split (WeirIrJob *job)
{
  int64_t axis[WEIR_MAX_RANK], sizes[WEIR_MAX_RANK];
  uint32_t n, free, n_dst = job->layer->n_dst;
  if (!read_split_axis (job, axis) || !weir_ir_need (job, 3))
    return false;
  bool is_known = weir_ir_known_ints (job, 2, sizes, &n);
  for (free = 0; is_known && free < n && sizes[free] >= 0;)
    free++;
  if (!is_known || free == n)
    return emit_split (job, weir_ir_as_ints (job, job->src[2]), axis[0]);
  if (n != n_dst)
    return ir_malformed (job, "has %u sizes for %u outputs", n, n_dst);
  for (uint32_t i = 0; i < n; i++)
    if ((i != free && sizes[i] < 0) || sizes[i] > INT32_MAX)
      return ir_malformed (job, "size %" G_GINT64_FORMAT " is out of range", sizes[i]);
  for (uint32_t i = 0; i < n; i++) {
    if (i && weir_ir_dst (job, i) == WEIR_NONE)
      continue;
    uint32_t part = slice_part (job, sizes, n, free, i, axis[0]);
    weir_ir_rename (job, i, part);
  }
  return true;
}

/* Repeats and dimensions are aligned at the last one. */
bool weir_ir_convert_tile (WeirIrJob *job)
{
  int64_t ones[WEIR_MAX_RANK] = { 1, 1, 1, 1, 1, 1, 1, 1 }, axes[WEIR_MAX_RANK];
  uint32_t rank;
  if (!weir_ir_need (job, 2) || !weir_ir_rank (job, 0, &rank))
    return false;
  uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]) };
  WeirIrInfo repeats = weir_ir_info (job, job->src[1]);
  int64_t n = repeats.rank == 1 ? repeats.dims[0] : rank;
  if (n > WEIR_MAX_RANK)
    return ir_refuse (
        job, "%" G_GINT64_FORMAT " repeats, at most %d are supported", n, WEIR_MAX_RANK);
  for (uint32_t i = rank; i < n; i++)
    axes[i - rank] = i - rank;
  if (n > rank)
    src[0] = weir_ir_unsqueeze (job, src[0], axes, (uint32_t) n - rank);
  if (n >= 0 && n < rank) {
    const uint32_t parts[] = {
      weir_ir_add_list (job,
          weir_ir_info (job, src[1]).dtype == WEIR_DTYPE_I32 ? WEIR_DTYPE_I32 : WEIR_DTYPE_I64,
          ones, rank - (uint32_t) n, 1),
      src[1]
    };
    WeirAttr axis = weir_ir_attr_int ("axis", 0);
    src[1] = weir_ir_apply (job, WEIR_OP_CONCAT, 13, parts, 2, &axis, 1);
  }
  return weir_ir_emit (job, WEIR_OP_TILE, 13, src, 2, NULL, 0);
}

/* Explicit mode: axes_mapping tells where the data's dimensions go; all others are new. */
static bool place_axes (WeirIrJob *job, uint32_t *data)
{
  int64_t mapping[WEIR_MAX_RANK], axes[WEIR_MAX_RANK];
  uint32_t n, n_new = 0, rank;
  WeirIrInfo target = weir_ir_info (job, job->src[1]);
  if (!weir_ir_need (job, 3) || !weir_ir_need_ints (job, 2, mapping, &n) ||
      !weir_ir_rank (job, 0, &rank))
    return false;
  if (target.rank != 1 || target.dims[0] < 0 || target.dims[0] > WEIR_MAX_RANK)
    return ir_refuse (job, "the number of dimensions of the result is not known");
  if (n != rank && !(rank == 0 || (rank == 1 && n == 0)))
    return ir_malformed (job, "maps %u axes of %u", n, rank);
  for (uint32_t i = 1; i < n; i++)
    if (mapping[i] <= mapping[i - 1])
      return ir_refuse (job, "axes_mapping does not rise, which is not supported");
  for (int64_t i = 0, k = 0; i < target.dims[0]; i++)
    if (rank && k < n && mapping[k] == i)
      k++;
    else
      axes[n_new++] = i;
  if (n_new + rank == target.dims[0])
    *data = weir_ir_unsqueeze (job, *data, axes, n_new);
  return true;
}

bool weir_ir_convert_broadcast (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2))
    return false;
  uint32_t data = job->src[0];
  bool is_explicit =
      weir_ir_is (job, "mode", "numpy", "explicit") || weir_ir_is (job, "mode", "numpy", "none");
  if (weir_ir_is (job, "mode", "numpy", "pdpd"))
    return ir_refuse (job, "mode 'pdpd' is not supported");
  if (is_explicit && !place_axes (job, &data))
    return false;
  const uint32_t src[] = { data, weir_ir_as_ints (job, job->src[1]) };
  return weir_ir_emit (job, WEIR_OP_EXPAND, 13, src, 2, NULL, 0);
}

/* dims as a list of numbers: 0 for a batch that may be any. */
static bool known_dims (WeirIrJob *job, WeirIrInfo *info, uint32_t least_rank)
{
  *info = weir_ir_info (job, job->src[0]);
  for (uint32_t i = 1; i < info->rank; i++)
    if (info->dims[i] < 0 || info->dims[i] > INT32_MAX)
      return ir_refuse (job, "sizes of the input are not known");
  return (info->has_rank && info->rank >= least_rank) ||
         ir_malformed (
             job, "input has %u dimensions, expected at least %u", info->rank, least_rank);
}

/* Of channels: the engine's own operator. */
bool weir_ir_convert_shuffle_channels (WeirIrJob *job)
{
  int64_t group, axis;
  uint32_t rank, at;
  if (!weir_ir_need (job, 1) || !weir_ir_int (job, "group", 1, &group) ||
      !weir_ir_int (job, "axis", 1, &axis) || !weir_ir_rank (job, 0, &rank) ||
      !weir_ir_check_axis (job, axis, rank, &at))
    return false;
  WeirAttr attr = weir_ir_attr_int ("group", group);
  return at == 1 ? weir_ir_emit (job, WEIR_OP_CHANNEL_SHUFFLE, 13, job->src, 1, &attr, 1)
                 : weir_ir_emit_row (job, job->src, 1);
}

/* [N, blocks…, C', D1, …] or [N, C', blocks…, D1, …], interleaved with the spatial axes. */
static bool emit_depth_to_space (WeirIrJob *job, int64_t block, bool blocks_first)
{
  WeirIrInfo info;
  int64_t dims[WEIR_MAX_RANK * 2], perm[WEIR_MAX_RANK * 2], dst[WEIR_MAX_RANK], n_blocks = 1;
  if (!known_dims (job, &info, 3))
    return false;
  uint32_t k = info.rank - 2;
  if (2 * k + 2 > WEIR_MAX_RANK)
    return ir_refuse (job, "%u dimensions are not supported", info.rank);
  for (uint32_t i = 0; i < k && n_blocks <= INT32_MAX; i++)
    n_blocks *= block;
  if (info.dims[1] % n_blocks)
    return ir_malformed (job, "block_size does not divide the channels");
  uint32_t channel = blocks_first ? k + 1 : 1, first_block = blocks_first ? 1 : 2;
  dims[0] = dst[0] = 0;
  dims[channel] = dst[1] = info.dims[1] / n_blocks;
  perm[0] = 0;
  perm[1] = channel;
  for (uint32_t i = 0; i < k; i++) {
    dims[first_block + i] = block;
    dims[k + 2 + i] = info.dims[2 + i];
    dst[2 + i] = info.dims[2 + i] * block;
    perm[2 + 2 * i] = k + 2 + i;
    perm[3 + 2 * i] = first_block + i;
  }
  uint32_t split = weir_ir_reshape (job, job->src[0], dims, 2 * k + 2);
  const uint32_t src[] = { weir_ir_transpose (job, split, perm, 2 * k + 2),
    weir_ir_add_ints (job, dst, info.rank) };
  return weir_ir_emit (job, WEIR_OP_RESHAPE, 13, src, 2, NULL, 0);
}

static bool read_block (WeirIrJob *job, int64_t *block, bool *blocks_first, uint32_t *rank)
{
  if (!weir_ir_need (job, 1) || !weir_ir_int (job, "block_size", 1, block) ||
      !weir_ir_rank (job, 0, rank))
    return false;
  *blocks_first = weir_ir_is (job, "mode", "blocks_first", "blocks_first");
  if (!*blocks_first && !weir_ir_is (job, "mode", "", "depth_first"))
    return ir_refuse (job, "mode '%s' is unknown", weir_ir_string (job, "mode", ""));
  return (*block >= 1 && *block <= 65536) ||
         ir_malformed (job, "block_size %" G_GINT64_FORMAT " is out of range", *block);
}

bool weir_ir_convert_depth_to_space (WeirIrJob *job)
{
  int64_t block;
  bool blocks_first;
  uint32_t rank;
  if (!read_block (job, &block, &blocks_first, &rank))
    return false;
  if (rank != 4)
    return emit_depth_to_space (job, block, blocks_first);
  const WeirAttr attrs[] = { weir_ir_attr_int ("blocksize", block),
    weir_ir_attr_text ("mode", blocks_first ? "DCR" : "CRD") };
  return weir_ir_emit (job, WEIR_OP_DEPTH_TO_SPACE, 13, job->src, 1, attrs, 2);
}

static bool emit_space_to_depth (WeirIrJob *job, int64_t block, bool blocks_first)
{
  WeirIrInfo info;
  int64_t dims[WEIR_MAX_RANK * 2], perm[WEIR_MAX_RANK * 2], dst[WEIR_MAX_RANK];
  if (!known_dims (job, &info, 3))
    return false;
  uint32_t k = info.rank - 2;
  if (2 * k + 2 > WEIR_MAX_RANK)
    return ir_refuse (job, "%u dimensions are not supported", info.rank);
  uint32_t channel = blocks_first ? k + 1 : 1, first_block = blocks_first ? 1 : 2;
  dims[0] = dst[0] = perm[0] = 0;
  dims[1] = info.dims[1];
  dst[1] = -1;
  perm[channel] = 1;
  for (uint32_t i = 0; i < k; i++) {
    if (info.dims[2 + i] % block)
      return ir_malformed (job, "block_size does not divide the sizes");
    dims[2 + 2 * i] = dst[2 + i] = info.dims[2 + i] / block;
    dims[3 + 2 * i] = block;
    perm[first_block + i] = 3 + 2 * i;
    perm[k + 2 + i] = 2 + 2 * i;
  }
  uint32_t split = weir_ir_reshape (job, job->src[0], dims, 2 * k + 2);
  const uint32_t src[] = { weir_ir_transpose (job, split, perm, 2 * k + 2),
    weir_ir_add_ints (job, dst, info.rank) };
  return weir_ir_emit (job, WEIR_OP_RESHAPE, 13, src, 2, NULL, 0);
}

bool weir_ir_convert_space_to_depth (WeirIrJob *job)
{
  int64_t block;
  bool blocks_first;
  uint32_t rank;
  if (!read_block (job, &block, &blocks_first, &rank))
    return false;
  if (rank != 4 || !blocks_first)
    return emit_space_to_depth (job, block, blocks_first);
  WeirAttr attr = weir_ir_attr_int ("blocksize", block);
  return weir_ir_emit (job, WEIR_OP_SPACE_TO_DEPTH, 13, job->src, 1, &attr, 1);
}
