/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/graph/moves.h"

#include "engine/graph/geometry.h"

void weir_memory_order (const WeirTensor *tensor, uint32_t order[WEIR_MAX_RANK])
{
  bool is_last = tensor->layout == WEIR_LAYOUT_CHANNELS_LAST && tensor->rank >= 3;
  for (uint32_t i = 0; i < tensor->rank; i++)
    order[i] = i;
  if (!is_last)
    return;
  for (uint32_t i = 1; i + 1 < tensor->rank; i++)
    order[i] = i + 1;
  order[tensor->rank - 1] = 1;
}

void weir_tensor_strides (const WeirTensor *tensor, int64_t strides[WEIR_MAX_RANK])
{
  uint32_t order[WEIR_MAX_RANK];
  int64_t stride = 1;
  weir_memory_order (tensor, order);
  for (uint32_t i = tensor->rank; i-- > 0;) {
    strides[order[i]] = stride;
    stride *= tensor->dims[order[i]];
  }
}

/* Over the dims of `shape`, both sides with the strides of their tensors. */
static WeirMove *add_move (
    WeirMoves *moves, const WeirShapeJob *job, uint32_t src, uint32_t dst, const WeirTensor *shape)
{
  WeirMove *move = &moves->list[moves->n++];
  *move = (WeirMove){ .src = src, .dst = dst, .rank = shape->rank };
  memcpy (move->dims, shape->dims, sizeof shape->dims);
  weir_tensor_strides (&job->src[src], move->src_strides);
  weir_tensor_strides (&job->dst[dst], move->dst_strides);
  return move;
}

static bool has_elements (const WeirTensor *tensor)
{
  int64_t n;
  return weir_tensor_n_elements (tensor, &n) && n > 0;
}

static bool resolve_axis (
    const WeirShapeJob *job, int64_t fallback, uint32_t rank, uint32_t *axis, GError **error)
{
  return weir_axis_resolve (
      job->graph, job->node, weir_node_int (job->node, "axis", fallback), rank, axis, error);
}

static bool concat (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  uint32_t axis;
  int64_t at = 0;
  if (!resolve_axis (job, 1, job->dst[0].rank, &axis, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_src; i++) {
    if (!has_elements (&job->src[i]))
      continue;
    WeirMove *move = add_move (moves, job, i, 0, &job->src[i]);
    move->dst_offset = at * move->dst_strides[axis];
    at += job->src[i].dims[axis];
  }
  return true;
}

static bool split (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  uint32_t axis;
  int64_t at = 0;
  if (!resolve_axis (job, 0, job->src[0].rank, &axis, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    WeirMove *move = add_move (moves, job, 0, i, &job->dst[i]);
    move->src_offset = at * move->src_strides[axis];
    at += job->dst[i].dims[axis];
  }
  return true;
}

static bool slice (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  WeirSlice slice;
  bool is_crop = job->node->op == WEIR_OP_CROP;
  if (!(is_crop ? weir_crop_resolve : weir_slice_resolve) (job, &slice, error))
    return false;
  WeirMove *move = add_move (moves, job, 0, 0, &job->dst[0]);
  for (uint32_t i = 0; i < job->src[0].rank; i++) {
    move->src_offset += slice.start[i] * move->src_strides[i];
    if (slice.dst[i] > 1) /* one element has no next one, and a step may be anything */
      move->src_strides[i] *= slice.step[i];
  }
  return true;
}

bool weir_moves_pad_number (const WeirShapeJob *job, float *number)
{
  const WeirTensor *given = weir_job_src (job, 2);
  int64_t code;
  *number = weir_node_float (job->node, "value", 0.0f);
  if (!given || !given->buffer)
    return !given;
  if (!weir_known_int (given, 0, &code))
    return weir_known_float (given, 0, number);
  *number = (float) code;
  return true;
}

static bool pad (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  WeirPads pads;
  WeirTensor inner = job->src[0];
  if (!weir_pads_resolve (job, &pads, error))
    return false;
  for (uint32_t i = 0; i < inner.rank; i++)
    inner.dims[i] += MIN (pads.begin[i], 0) + MIN (pads.end[i], 0);
  moves->fills = true;
  if (!has_elements (&inner)) /* all of it is cropped */
    return true;
  WeirMove *move = add_move (moves, job, 0, 0, &inner);
  for (uint32_t i = 0; i < inner.rank; i++) {
    move->src_offset += MAX (-pads.begin[i], 0) * move->src_strides[i];
    move->dst_offset += MAX (pads.begin[i], 0) * move->dst_strides[i];
  }
  return true;
}

static bool reorder (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  add_move (moves, job, 0, 0, &job->dst[0]);
  return true;
}

static bool transpose (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  uint32_t perm[WEIR_MAX_RANK];
  int64_t strides[WEIR_MAX_RANK];
  if (!weir_perm_resolve (job, perm, error))
    return false;
  WeirMove *move = add_move (moves, job, 0, 0, &job->dst[0]);
  weir_tensor_strides (&job->src[0], strides);
  for (uint32_t i = 0; i < job->src[0].rank; i++)
    move->src_strides[i] = strides[perm[i]];
  return true;
}

/* Replaces dim `at` by outer × inner on one side: strides, dims. */
static void split_dim (int64_t *values, uint32_t rank, uint32_t at, int64_t outer, int64_t inner)
{
  for (uint32_t i = rank; i > at + 1; i--)
    values[i] = values[i - 1];
  values[at] = outer;
  values[at + 1] = inner;
}

/* Each dim of dst is one of src some times over. */
static bool repeat (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  if (src->rank != dst->rank || 2 * src->rank > WEIR_MOVE_RANK)
    return weir_job_refuse ("it has too many dims to repeat");
  WeirMove *move = add_move (moves, job, 0, 0, src);
  for (uint32_t i = src->rank; i-- > 0;) {
    if (dst->dims[i] == src->dims[i])
      continue;
    split_dim (move->dims, move->rank, i, dst->dims[i] / src->dims[i], src->dims[i]);
    split_dim (move->src_strides, move->rank, i, 0, move->src_strides[i]);
    split_dim (move->dst_strides, move->rank, i, move->dst_strides[i] * src->dims[i],
        move->dst_strides[i]);
    move->rank++;
  }
  return true;
}

/* Channel i · n + k of src becomes k · group + i of dst, with n channels in each group. */
static bool shuffle (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  WeirMove *move = add_move (moves, job, 0, 0, &job->dst[0]);
  int64_t group = MAX (weir_node_int (job->node, "group", 1), 1), n = move->dims[1] / group;
  int64_t src = move->src_strides[1], dst = move->dst_strides[1];
  split_dim (move->dims, move->rank, 1, group, n);
  split_dim (move->src_strides, move->rank, 1, n * src, src);
  split_dim (move->dst_strides, move->rank, 1, dst, group * dst);
  move->rank++;
  return true;
}

/* The deep side has channels [block, block, c] (DCR) or [c, block, block] (CRD); the wide side has
 * height [h, block] and width [w, block]. Dims here: n, c, h, block, w, block. */
static bool blocks (const WeirShapeJob *job, WeirMoves *moves, GError **error)
{
  bool to_space = job->node->op == WEIR_OP_DEPTH_TO_SPACE;
  bool is_crd = to_space && g_strcmp0 (weir_node_string (job->node, "mode", "DCR"), "CRD") == 0;
  const WeirTensor *deep = to_space ? &job->src[0] : &job->dst[0];
  WeirMove *move = add_move (moves, job, 0, 0, &job->dst[0]);
  int64_t block = MAX (weir_node_int (job->node, "blocksize", 1), 1);
  int64_t n_channels = deep->dims[1] / (block * block);
  int64_t *d = to_space ? move->src_strides : move->dst_strides;
  int64_t *w = to_space ? move->dst_strides : move->src_strides;
  int64_t of_channel = d[1] * (is_crd ? block * block : 1),
          of_row = d[1] * (is_crd ? block : block * n_channels),
          of_column = d[1] * (is_crd ? 1 : n_channels);
  int64_t dims[6] = { deep->dims[0], n_channels, deep->dims[2], block, deep->dims[3], block };
  int64_t deep_strides[6] = { d[0], of_channel, d[2], of_row, d[3], of_column };
  int64_t wide_strides[6] = { w[0], w[1], w[2] * block, w[2], w[3] * block, w[3] };
  memcpy (move->dims, dims, sizeof dims);
  memcpy (d, deep_strides, sizeof deep_strides);
  memcpy (w, wide_strides, sizeof wide_strides);
  move->rank = 6;
  return true;
}

static const struct {
  WeirOp op;
  bool (*fill) (const WeirShapeJob *job, WeirMoves *moves, GError **error);
} movers[] = {
  { WEIR_OP_CONCAT, concat },
  { WEIR_OP_SPLIT, split },
  { WEIR_OP_SLICE, slice },
  { WEIR_OP_CROP, slice },
  { WEIR_OP_PAD, pad },
  { WEIR_OP_TRANSPOSE, transpose },
  { WEIR_OP_CHANNEL_SHUFFLE, shuffle },
  { WEIR_OP_DEPTH_TO_SPACE, blocks },
  { WEIR_OP_SPACE_TO_DEPTH, blocks },
  { WEIR_OP_REORDER, reorder },
  { WEIR_OP_TILE, repeat },
  { WEIR_OP_EXPAND, repeat },
};

WeirMoves *weir_moves_new (const WeirShapeJob *job, GError **error)
{
  uint32_t n = MAX (job->node->n_src, job->node->n_dst);
  g_autofree WeirMoves *moves = g_malloc0 (sizeof *moves + n * sizeof moves->list[0]);
  for (uint32_t i = 0; i < G_N_ELEMENTS (movers); i++)
    if (movers[i].op == job->node->op)
      return movers[i].fill (job, moves, error) ? g_steal_pointer (&moves) : NULL;
  weir_job_refuse ("it does not move elements");
  return NULL;
}
