/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows the batch, axis 0 of the inputs, through operators that move axes: Transpose, Gather, and
 * views. A view keeps the order of elements, so the batch goes to the first axis that has as many
 * elements before it as there were. */
#include "engine/graph/batch_axes.h"

#include "engine/graph/openvino.h"

static int64_t n_before (const WeirTensor *tensor, uint32_t axis)
{
  int64_t n = 1;
  for (uint32_t i = 0; i < axis; i++)
    n *= tensor->dims[i];
  return n;
}

static uint32_t through_view (const WeirTensor *src, const WeirTensor *dst, uint32_t axis)
{
  for (uint32_t i = 0; i < dst->rank; i++)
    if (n_before (dst, i) == n_before (src, axis))
      return i;
  return WEIR_NONE;
}

static uint32_t through_transpose (
    const WeirGraph *graph, const WeirNode *node, const WeirTensor *src, uint32_t axis)
{
  uint32_t perm[WEIR_MAX_RANK];
  WeirShapeJob job = { graph, node, src, NULL, NULL };
  if (!weir_perm_resolve (&job, perm, NULL))
    return WEIR_NONE;
  for (uint32_t i = 0; i < src->rank; i++)
    if (perm[i] == axis)
      return i;
  return WEIR_NONE;
}

/* Axes after the gathered one move by the rank of the indices. */
static uint32_t through_gather (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    const WeirTensor *dst, uint32_t axis)
{
  uint32_t gathered;
  if (!weir_axis_resolve (graph, node, weir_node_int (node, "axis", 0), src->rank, &gathered, NULL))
    return WEIR_NONE;
  return axis < gathered ? axis : axis + dst->rank - src->rank;
}

static uint32_t through_strided_slice (
    const WeirGraph *graph, const WeirShapes *shapes, const WeirNode *node, uint32_t axis)
{
  WeirTensor src[4] = { { 0 } };
  WeirStridedSlice slice;
  for (uint32_t i = 0; i < MIN (node->n_src, G_N_ELEMENTS (src)); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = shapes->values[node->src[i]];
  WeirShapeJob job = { .graph = graph, .node = node, .src = src };
  return weir_strided_slice_resolve (&job, &slice, NULL) ? slice.dst_axis[axis] : WEIR_NONE;
}

/* The new axis moves those from its place on. */
static uint32_t through_one_hot (
    const WeirGraph *graph, const WeirNode *node, const WeirTensor *dst, uint32_t axis)
{
  uint32_t added;
  if (!weir_axis_resolve (graph, node, weir_node_int (node, "axis", -1), dst->rank, &added, NULL))
    return WEIR_NONE;
  return axis + (axis >= added);
}

/* Operators whose results have other dims than their first input, but for the first one. */
static bool keeps_first (WeirOp op)
{
  return op == WEIR_OP_AFFINE_GRID || op == WEIR_OP_COL2IM || op == WEIR_OP_EINSUM ||
         op == WEIR_OP_GATHER_ND;
}

/* Elsewhere axes are counted from the end, as broadcasting does; those that Reduce drops follow. */
static uint32_t through (const WeirGraph *graph, const WeirShapes *shapes, const WeirNode *node,
    const WeirTensor *src, const WeirTensor *dst, uint32_t axis)
{
  if (weir_op_info (node->op)->kind == WEIR_OP_KIND_VIEW)
    return through_view (src, dst, axis);
  if (node->op == WEIR_OP_TRANSPOSE)
    return through_transpose (graph, node, src, axis);
  if (node->op == WEIR_OP_GATHER)
    return through_gather (graph, node, src, dst, axis);
  if (node->op == WEIR_OP_OV_STRIDED_SLICE)
    return through_strided_slice (graph, shapes, node, axis);
  if (node->op == WEIR_OP_OV_DETECTION_OUTPUT || node->op == WEIR_OP_OV_CTC_GREEDY_DECODER)
    return 0;
  if (node->op == WEIR_OP_ONE_HOT)
    return through_one_hot (graph, node, dst, axis);
  if (keeps_first (node->op))
    return axis;
  return dst->rank > src->rank ? axis + dst->rank - src->rank : axis;
}

static uint32_t result_axis (const WeirGraph *graph, const WeirShapes *shapes, const WeirNode *node,
    const uint32_t *axes, uint32_t dst_id)
{
  const WeirTensor *dst = &shapes->values[dst_id];
  for (uint32_t i = 0; i < node->n_src && !dst->buffer; i++) {
    uint32_t id = node->src[i];
    if (id == WEIR_NONE || axes[id] == WEIR_NONE)
      continue;
    uint32_t axis = through (graph, shapes, node, &shapes->values[id], dst, axes[id]);
    return axis < dst->rank ? axis : WEIR_NONE;
  }
  return WEIR_NONE;
}

uint32_t *weir_batch_axes (const WeirGraph *graph, const WeirShapes *shapes)
{
  uint32_t *axes = g_new (uint32_t, (size_t) graph->values->len + 1);
  for (uint32_t id = 0; id < graph->values->len; id++)
    axes[id] = WEIR_NONE;
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    uint32_t id = g_array_index (graph->inputs, uint32_t, i);
    axes[id] = weir_graph_value (graph, id)->batch_axis;
  }
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    for (uint32_t i = 0; i < node->n_dst; i++)
      if (node->dst[i] != WEIR_NONE)
        axes[node->dst[i]] = result_axis (graph, shapes, node, axes, node->dst[i]);
  }
  return axes;
}
