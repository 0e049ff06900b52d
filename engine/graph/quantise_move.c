/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dequantising (D) sinks and quantising (Q) rises over operators that only move elements, or choose
 * the largest; where they meet, both go. */
#include "engine/graph/quantise.h"

#include "engine/graph/postop.h"

#include <math.h>
#include <string.h>

bool weir_quantise_extrapolates (const WeirNode *node)
{
  return node->op == WEIR_OP_RESIZE &&
         strcmp (weir_node_string (node, "coordinate_transformation_mode", ""),
             "tf_crop_and_resize") == 0;
}

/* Operators whose result has elements of source 0 and no others: op (D (x)) is D (op (x)). */
static bool moves_elements (const WeirNode *node)
{
  static const bool table[WEIR_N_OPS] = {
    [WEIR_OP_MAX_POOL] = true,
    [WEIR_OP_EXPAND] = true,
    [WEIR_OP_GATHER] = true,
    [WEIR_OP_SLICE] = true,
    [WEIR_OP_SPLIT] = true,
    [WEIR_OP_TILE] = true,
    [WEIR_OP_TRANSPOSE] = true,
    [WEIR_OP_DEPTH_TO_SPACE] = true,
    [WEIR_OP_SPACE_TO_DEPTH] = true,
    [WEIR_OP_CHANNEL_SHUFFLE] = true,
    [WEIR_OP_FLATTEN] = true,
    [WEIR_OP_IDENTITY] = true,
    [WEIR_OP_RESHAPE] = true,
    [WEIR_OP_SQUEEZE] = true,
    [WEIR_OP_UNSQUEEZE] = true,
  };
  if (node->op == WEIR_OP_RESIZE || node->op == WEIR_OP_UPSAMPLE)
    return strcmp (weir_node_string (node, "mode", "nearest"), "nearest") == 0 &&
           !weir_quantise_extrapolates (node);
  return table[node->op] && !node->n_post;
}

/* MaxPool's places, Dropout's mask. */
static bool has_one_result (const WeirNode *node)
{
  for (uint32_t i = 1; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      return false;
  return node->n_dst && node->dst[0] != WEIR_NONE;
}

static bool can_sink (const WeirNode *node)
{
  return moves_elements (node) && (node->op == WEIR_OP_SPLIT || has_one_result (node));
}

/* The results of node `id` become of 8 bits, and are dequantised to what they were. */
static void dequantise_results (WeirFuse *fuse, uint32_t id, const WeirQuantiser *quantiser)
{
  uint32_t n_dst = weir_graph_node (fuse->graph, id)->n_dst;
  for (uint32_t i = 0; i < n_dst; i++) {
    uint32_t old = weir_graph_node (fuse->graph, id)->dst[i];
    if (old == WEIR_NONE)
      continue;
    uint32_t narrow = weir_quantise_add_value (fuse, weir_graph_value (fuse->graph, old)->name);
    weir_graph_node (fuse->graph, id)->dst[i] = narrow;
    weir_graph_value (fuse->graph, narrow)->producer = id;
    weir_quantise_add_node (fuse, WEIR_OP_DEQUANTIZE_LINEAR, narrow, quantiser, old);
  }
}

static bool sink (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser quantiser;
  WeirNode *source = weir_quantise_find_source (fuse, node->src[0], &quantiser);
  if (!source || !can_sink (node))
    return false;
  node->src[0] = source->src[0];
  dequantise_results (fuse, id, &quantiser);
  return true;
}

/* Pad: the value that it puts in must be a code, too. */
static bool sink_pad (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  WeirNode *source = weir_quantise_find_source (fuse, node->src[0], &q);
  float value = weir_node_float (node, "value", 0);
  if (!source || node->op != WEIR_OP_PAD || node->opset < 11)
    return false;
  if (node->n_src > 2 && node->src[2] != WEIR_NONE) {
    const WeirTensor *constant = weir_fuse_constant (fuse, node->src[2]);
    if (!constant || !weir_known_float (constant, 0, &value))
      return false;
  }
  double code = rint ((double) (value / q.scale_value)) + q.zero_value;
  if (!(code >= weir_quantiser_lowest (&q) && code <= weir_quantiser_lowest (&q) + 255) ||
      fabs ((code - q.zero_value) * (double) q.scale_value - (double) value) >
          1e-6 * (double) q.scale_value)
    return false;
  uint32_t number = weir_quantise_add_number (fuse, node->name, q.dtype, code);
  if (number == WEIR_NONE)
    return false;
  while (node->n_src < 3)
    weir_fuse_append_src (fuse, node, WEIR_NONE);
  uint32_t *src = weir_arena_memdup (fuse->graph->arena, node->src, node->n_src * sizeof *src);
  src[0] = source->src[0];
  src[2] = number;
  node->src = src;
  dequantise_results (fuse, id, &q);
  return true;
}

/* Concat of tensors with one scale and zero point. */
static bool sink_concat (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser first, other;
  if (node->op != WEIR_OP_CONCAT || node->n_post ||
      !weir_quantise_find_source (fuse, node->src[0], &first))
    return false;
  for (uint32_t i = 1; i < node->n_src; i++)
    if (!weir_quantise_find_source (fuse, node->src[i], &other) ||
        !weir_quantiser_equal (&first, &other))
      return false;
  for (uint32_t i = 0; i < node->n_src; i++)
    node->src[i] = weir_quantise_find_source (fuse, node->src[i], &other)->src[0];
  dequantise_results (fuse, id, &first);
  return true;
}

/* Relu of what is not negative. */
static bool drop_relu (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  return node->op == WEIR_OP_RELU && !node->n_post &&
         weir_quantise_find_source (fuse, node->src[0], &q) &&
         q.zero_value == weir_quantiser_lowest (&q) && weir_fuse_bypass (fuse, node, node->src[0]);
}

/* Q (op (x)) is op (Q (x)). */
static bool rise (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  if (!before || !weir_quantise_is_quantiser (fuse, node, &q) || !moves_elements (before) ||
      !has_one_result (before) || !weir_fuse_is_private (fuse, node->src[0]) ||
      weir_graph_value (fuse->graph, before->src[0])->is_constant)
    return false;
  uint32_t source = before->src[0], dst = node->dst[0],
           before_id = weir_graph_value (fuse->graph, node->src[0])->producer;
  uint32_t narrow = weir_quantise_add_value (fuse, weir_graph_value (fuse->graph, source)->name);
  weir_graph_value (fuse->graph, node->src[0])->producer = WEIR_NONE;
  before->src[0] = narrow;
  before->dst[0] = dst;
  weir_graph_value (fuse->graph, dst)->producer = before_id;
  node->n_src = node->n_dst = 0; /* gone: a new one stands before */
  weir_quantise_add_node (fuse, WEIR_OP_QUANTIZE_LINEAR, source, &q, narrow);
  return true;
}

static bool rise_concat (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  if (!before || !weir_quantise_is_quantiser (fuse, node, &q) || before->op != WEIR_OP_CONCAT ||
      before->n_post || !weir_fuse_is_private (fuse, node->src[0]))
    return false;
  for (uint32_t i = 0; i < before->n_src; i++)
    if (weir_graph_value (fuse->graph, before->src[i])->is_constant)
      return false;
  uint32_t before_id = weir_graph_value (fuse->graph, node->src[0])->producer,
           n_src = before->n_src;
  weir_graph_value (fuse->graph, node->src[0])->producer = WEIR_NONE;
  before->dst[0] = node->dst[0];
  weir_graph_value (fuse->graph, before->dst[0])->producer = before_id;
  node->n_src = node->n_dst = 0;
  for (uint32_t i = 0; i < n_src; i++) {
    uint32_t source = weir_graph_node (fuse->graph, before_id)->src[i];
    uint32_t narrow = weir_quantise_add_value (fuse, weir_graph_value (fuse->graph, source)->name);
    weir_graph_node (fuse->graph, before_id)->src[i] = narrow;
    weir_quantise_add_node (fuse, WEIR_OP_QUANTIZE_LINEAR, source, &q, narrow);
  }
  return true;
}

bool weir_quantise_read_bounds (const WeirFuse *fuse, const WeirNode *node, float bounds[2])
{
  WeirTensor src[3] = { { 0 } };
  WeirPostOp post;
  if (!node || (node->op != WEIR_OP_RELU && node->op != WEIR_OP_CLIP) || node->n_post)
    return false;
  for (uint32_t i = 0; i < MIN (node->n_src, G_N_ELEMENTS (src)); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  if (!weir_post_op_resolve (&job, &post))
    return false;
  bounds[0] = node->op == WEIR_OP_RELU ? 0 : post.alpha;
  bounds[1] = node->op == WEIR_OP_RELU ? INFINITY : post.beta;
  return true;
}

bool weir_quantise_drop_bounds (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  const WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  float bounds[2];
  if (!weir_quantise_is_quantiser (fuse, node, &q) ||
      !weir_quantise_read_bounds (fuse, before, bounds))
    return false;
  float low = (float) (weir_quantiser_lowest (&q) - q.zero_value), high = low + 255;
  /* a bound that rounds to the last code changes nothing */
  if (!(rintf (bounds[0] / q.scale_value) <= low) || !(rintf (bounds[1] / q.scale_value) >= high))
    return false;
  node->src[0] = before->src[0];
  return true;
}

/* Q of D with the same scale and zero point. */
static bool drop_pair (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser to, from;
  if (!weir_quantise_is_quantiser (fuse, node, &to))
    return false;
  WeirNode *source = weir_quantise_find_source (fuse, node->src[0], &from);
  return source && weir_quantiser_equal (&to, &from) &&
         weir_fuse_bypass (fuse, node, source->src[0]);
}

/* The quantised tensor has the shape of what it is made from: asking that would keep it. */
static bool ask_shape (WeirFuse *fuse, uint32_t id)
{
  const WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser q;
  bool changed = false;
  if (!weir_quantise_is_quantiser (fuse, node, &q))
    return false;
  for (uint32_t i = 0; i < fuse->graph->nodes->len; i++) {
    WeirNode *other = weir_graph_node (fuse->graph, i);
    if (other->op != WEIR_OP_SHAPE || !other->n_src || other->src[0] != node->src[0])
      continue;
    other->src[0] = node->dst[0];
    changed = true;
  }
  return changed;
}

const WeirFuseRule weir_quantise_moves[] = { ask_shape, drop_pair, drop_relu,
  weir_quantise_drop_bounds, sink, sink_pad, sink_concat, rise, rise_concat, NULL };
