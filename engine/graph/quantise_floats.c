/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pairs of quantisers in a graph that computes in floats. To codes and back is one function of
 * single elements, so it fuses like an activation; as two nodes it would be two passes over memory
 * that keep everything else apart. */
#include "engine/graph/quantise.h"

#include "engine/graph/passes.h"

/* For which kernels are exact. */
#define LEAST 0x1p-90f
#define MOST  0x1p90f

/* Exporters give every reader a DequantizeLinear of its own: one is enough. */
static bool join_readers (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantiser own, other;
  if (node->op != WEIR_OP_DEQUANTIZE_LINEAR || weir_fuse_is_private (fuse, node->src[0]) ||
      !weir_quantise_find_source (fuse, node->dst[0], &own))
    return false;
  for (uint32_t i = 0; i < fuse->graph->nodes->len; i++) {
    WeirNode *later = weir_graph_node (fuse->graph, i);
    if (i != id && later->n_dst && later->n_src && later->src[0] == node->src[0] &&
        weir_quantise_find_source (fuse, later->dst[0], &other) == later &&
        weir_quantiser_equal (&own, &other) && weir_fuse_bypass (fuse, later, node->dst[0]))
      return true;
  }
  return false;
}

/* A bound that others see too stays where it is: what stands before it takes it as a post-op. */
static bool drop_bounds (WeirFuse *fuse, uint32_t id)
{
  const WeirNode *node = weir_graph_node (fuse->graph, id);
  return weir_fuse_is_private (fuse, node->src[0]) && weir_quantise_drop_bounds (fuse, id);
}

static void become (WeirFuse *fuse, WeirNode *node, WeirOp op, uint32_t src,
    const char *const names[2], const float values[2])
{
  weir_fuse_become_unary (node, op, src);
  node->attrs = weir_arena_new_array (fuse->graph->arena, WeirAttr, 2);
  node->n_attrs = 2;
  for (int i = 0; i < 2; i++)
    node->attrs[i] =
        (WeirAttr){ .name = names[i], .kind = WEIR_ATTR_FLOAT, .n = 1, .f = values[i] };
}

static bool join_pair (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  WeirQuantiser to, from;
  if (!before || node->op != WEIR_OP_DEQUANTIZE_LINEAR ||
      !weir_fuse_is_private (fuse, node->src[0]) ||
      weir_fuse_shape (fuse, before->src[0])->dtype != WEIR_DTYPE_F32 ||
      weir_fuse_shape (fuse, node->dst[0])->dtype != WEIR_DTYPE_F32 ||
      !weir_quantise_find_source (fuse, node->dst[0], &from) ||
      !weir_quantise_is_quantiser (fuse, before, &to) || !weir_quantiser_equal (&to, &from) ||
      to.scale_value < LEAST || to.scale_value > MOST)
    return false;
  static const char *const names[] = { "scale", "low" };
  float values[] = { to.scale_value, (float) (weir_quantiser_lowest (&to) - to.zero_value) };
  become (fuse, node, WEIR_OP_ROUND_TO_CODES, before->src[0], names, values);
  return true;
}

/* The ends of a range, equal for input i and two further on. */
static bool read_end (const WeirFuse *fuse, const WeirNode *node, uint32_t i, float *end)
{
  const WeirTensor *from = weir_fuse_constant (fuse, node->src[i]),
                   *to = weir_fuse_constant (fuse, node->src[i + 2]);
  int64_t n_from, n_to;
  if (!from || !to || !weir_tensor_n_elements (from, &n_from) || n_from != 1 ||
      !weir_tensor_n_elements (to, &n_to) || n_to != 1)
    return false;
  *end = *(const float *) weir_tensor_data (from) + 0.0f; /* makes one of two zeros */
  return *end == *(const float *) weir_tensor_data (to) && *end >= -MOST && *end <= MOST;
}

/* FakeQuantize as it stands before most layers, without a bound before it that does no more. */
static bool round_to_levels (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  float ends[2], bounds[2];
  if (node->op != WEIR_OP_OV_FAKE_QUANTIZE || node->n_post ||
      weir_node_int (node, "levels", 256) != 256 || !read_end (fuse, node, 1, &ends[0]) ||
      !read_end (fuse, node, 2, &ends[1]) || !(ends[1] - ends[0] >= LEAST) ||
      weir_fuse_shape (fuse, node->src[0])->dtype != WEIR_DTYPE_F32 ||
      !weir_fuse_same_shape (fuse, node->src[0], node->dst[0]))
    return false;
  static const char *const names[] = { "low", "high" };
  const WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  bool is_bounded = weir_quantise_read_bounds (fuse, before, bounds) && bounds[0] <= ends[0] &&
                    bounds[1] >= ends[1] && weir_fuse_is_private (fuse, node->src[0]);
  become (
      fuse, node, WEIR_OP_ROUND_TO_LEVELS, is_bounded ? before->src[0] : node->src[0], names, ends);
  return true;
}

static bool has_quantisers (const WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->nodes->len; i++)
    if (weir_graph_node (graph, i)->op == WEIR_OP_QUANTIZE_LINEAR ||
        weir_graph_node (graph, i)->op == WEIR_OP_OV_FAKE_QUANTIZE)
      return true;
  return false;
}

bool weir_quantise_floats (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error)
{
  static const WeirFuseRule rules[] = { weir_quantise_add_zero, join_readers, drop_bounds,
    join_pair, round_to_levels, NULL };
  static const WeirFuseRule *const lists[] = { rules };
  return !has_quantisers (graph) ||
         weir_fuse_apply (graph, evaluate, lists, G_N_ELEMENTS (lists), error);
}
