/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators between dequantised sources and, most of them, a quantised result, as one node on 8-bit
 * tensors. */
#include "engine/graph/quantise.h"

#include <string.h>

/* --- convolutions and products: their results stay f32 until weir_fuse joins what follows --- */

/* The node on codes instead. */
static void become_quantised (WeirFuse *fuse, WeirNode *node, WeirOp op, uint32_t src,
    const WeirQuantiser *q, const WeirQuantisedWeights *weights, uint32_t bias)
{
  uint32_t *sources = weir_arena_new_array (fuse->graph->arena, uint32_t, WEIR_QUANTISED_N_SRC);
  const uint32_t all[WEIR_QUANTISED_N_SRC] = { src, q->scale, q->zero, weights->codes,
    weights->scales, weights->zero, WEIR_NONE, WEIR_NONE, bias };
  memcpy (sources, all, sizeof all);
  node->op = op;
  node->src = sources;
  node->n_src = WEIR_QUANTISED_N_SRC;
}

static bool quantise_conv (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  WeirQuantisedWeights weights;
  WeirNode *source = weir_quantise_find_source (fuse, node->src[0], &q);
  uint32_t bias = node->n_src > 2 ? node->src[2] : WEIR_NONE;
  if (node->op != WEIR_OP_CONV || !source || node->n_post ||
      (bias != WEIR_NONE && !weir_quantise_is_static (fuse, bias)) ||
      !weir_quantise_weights (fuse, node->src[1], 0, &weights))
    return false;
  become_quantised (fuse, node, WEIR_OP_QUANTISED_CONV, source->src[0], &q, &weights, bias);
  return true;
}

static bool is_one (float value)
{
  return value >= 1.0f && value <= 1.0f;
}

static bool quantise_product (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  WeirQuantisedWeights weights;
  bool is_gemm = node->op == WEIR_OP_GEMM;
  if ((!is_gemm && node->op != WEIR_OP_MAT_MUL) || node->n_post ||
      weir_fuse_shape (fuse, node->src[1])->rank != 2 ||
      weir_fuse_shape (fuse, node->dst[0])->rank < 2 ||
      !is_one (weir_node_float (node, "alpha", 1)) || !is_one (weir_node_float (node, "beta", 1)))
    return false;
  WeirNode *source = weir_quantise_find_source (fuse, node->src[0], &q);
  uint32_t axis = is_gemm && weir_node_int (node, "transB", 0) ? 0 : 1,
           bias = node->n_src > 2 ? node->src[2] : WEIR_NONE;
  int64_t n_columns = weir_fuse_shape (fuse, node->src[1])->dims[axis];
  if (!source || (bias != WEIR_NONE && !weir_quantise_row (fuse, bias, n_columns, &bias)) ||
      !weir_quantise_weights (fuse, node->src[1], axis, &weights))
    return false;
  become_quantised (fuse, node, WEIR_OP_QUANTISED_MAT_MUL, source->src[0], &q, &weights, bias);
  return true;
}

/* --- operators that need a quantiser behind them, too; `id` is the quantiser's --- */

static void replace (WeirFuse *fuse, WeirNode *node, WeirOp op, const uint32_t *src, uint32_t n_src)
{
  node->op = op;
  node->src = weir_arena_memdup (fuse->graph->arena, src, n_src * sizeof *src);
  node->n_src = n_src;
  node->n_attrs = 0;
}

static bool quantise_binary (WeirFuse *fuse, uint32_t id)
{
  static const WeirOp ops[WEIR_N_OPS] = {
    [WEIR_OP_ADD] = WEIR_OP_Q_LINEAR_ADD,
    [WEIR_OP_MUL] = WEIR_OP_Q_LINEAR_MUL,
  };
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  WeirQuantiser q, a, b;
  if (!before || !weir_quantise_is_quantiser (fuse, node, &q) || !ops[before->op] || before->n_post)
    return false;
  WeirNode *left = weir_quantise_find_source (fuse, before->src[0], &a);
  WeirNode *right = left ? weir_quantise_find_source (fuse, before->src[1], &b) : NULL;
  if (!right)
    return false;
  uint32_t src[] = { left->src[0], a.scale, a.zero, right->src[0], b.scale, b.zero, q.scale,
    q.zero };
  replace (fuse, node, ops[before->op], src, G_N_ELEMENTS (src));
  return true;
}

/* ReduceMean over all that lies behind the channels, whose dims stay. */
static bool is_global_mean (const WeirFuse *fuse, const WeirNode *node)
{
  const WeirTensor *src = weir_fuse_shape (fuse, node->src[0]);
  WeirTensor sources[2] = { *src, { 0 } };
  bool is_reduced[WEIR_MAX_RANK];
  if (node->op == WEIR_OP_GLOBAL_AVERAGE_POOL)
    return true;
  if (node->n_src > 1 && node->src[1] != WEIR_NONE)
    sources[1] = *weir_fuse_shape (fuse, node->src[1]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = sources };
  if (node->op != WEIR_OP_REDUCE_MEAN || src->rank < 3 || !weir_node_int (node, "keepdims", 1) ||
      !weir_reduce_resolve (&job, is_reduced, NULL))
    return false;
  for (uint32_t i = 0; i < src->rank; i++)
    if (is_reduced[i] != (i >= 2))
      return false;
  return true;
}

static bool quantise_pool (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  WeirQuantiser q, from;
  if (!before || !before->n_src || before->src[0] == WEIR_NONE || before->n_post ||
      !weir_quantise_is_quantiser (fuse, node, &q))
    return false;
  WeirNode *source = weir_quantise_find_source (fuse, before->src[0], &from);
  bool is_window = before->op == WEIR_OP_AVERAGE_POOL;
  if (!source || (!is_window && !is_global_mean (fuse, before)))
    return false;
  uint32_t src[] = { source->src[0], from.scale, from.zero, q.scale, q.zero };
  replace (fuse, node,
      is_window ? WEIR_OP_Q_LINEAR_AVERAGE_POOL : WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL, src,
      G_N_ELEMENTS (src));
  if (is_window) {
    node->attrs = before->attrs;
    node->n_attrs = before->n_attrs;
    node->opset = before->opset;
  }
  return true;
}

/* A node that will compute on codes if its source is dequantised. */
static bool wants_codes (const WeirFuse *fuse, uint32_t value)
{
  for (uint32_t id = 0; id < fuse->graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (fuse->graph, id);
    if ((node->op == WEIR_OP_CONV || node->op == WEIR_OP_GEMM || node->op == WEIR_OP_MAT_MUL) &&
        node->n_src && node->src[0] == value && !weir_quantise_is_split (fuse, node))
      return true;
  }
  return false;
}

/* Concat of dequantised tensors before a convolution: they are brought to the coarsest of their
 * scales. The ranges of all of them must fit that scale around one zero point. */
static bool quantise_concat (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  if (node->op != WEIR_OP_CONCAT || node->n_post || node->n_src > WEIR_MAX_INTS ||
      !wants_codes (fuse, node->dst[0]))
    return false;
  WeirQuantiser all = { .scale_value = 0 }, q;
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (!weir_quantise_find_source (fuse, node->src[i], &q))
      return false;
    if (q.scale_value > all.scale_value)
      all = q;
  }
  double low = (weir_quantiser_lowest (&all) - all.zero_value) * (double) all.scale_value,
         high = low + 255 * (double) all.scale_value;
  uint32_t src[3 * WEIR_MAX_INTS + 2] = { all.scale, all.zero };
  for (uint32_t i = 0; i < node->n_src; i++) {
    uint32_t *part = src + 2 + 3 * i;
    part[0] = weir_quantise_find_source (fuse, node->src[i], &q)->src[0];
    part[1] = q.scale;
    part[2] = q.zero;
    double first = (weir_quantiser_lowest (&q) - q.zero_value) * (double) q.scale_value;
    if (first < low - (double) all.scale_value ||
        first + 255 * (double) q.scale_value > high + (double) all.scale_value)
      return false;
  }
  uint32_t n_src = 3 * node->n_src + 2, dst = node->dst[0];
  node->op = WEIR_OP_Q_LINEAR_CONCAT;
  node->src = weir_arena_memdup (fuse->graph->arena, src, n_src * sizeof *src);
  node->n_src = n_src;
  uint32_t narrow = weir_quantise_add_value (fuse, weir_graph_value (fuse->graph, dst)->name);
  node->dst[0] = narrow;
  weir_graph_value (fuse->graph, narrow)->producer = id;
  weir_quantise_add_node (fuse, WEIR_OP_DEQUANTIZE_LINEAR, narrow, &all, dst);
  return true;
}

const WeirFuseRule weir_quantise_computes[] = { quantise_concat, quantise_conv, weir_quantise_split,
  quantise_product, quantise_binary, quantise_pool, weir_quantise_lookup, NULL };
