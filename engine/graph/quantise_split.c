/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A convolution of few channels over a Concat of tensors with different scales, as a sum of
 * convolutions over each of them.
 *
 * Bringing the tensors to one scale would round them once more. The parts need no common scale, and
 * where the result has far fewer channels than the Concat, writing and adding it for each of them
 * costs less than writing the Concat. */
#include "engine/graph/quantise.h"

#include <string.h>

#define MAX_PARTS 4u
/* Channels of the Concat for one of the result: partial results are f32, written and read. */
#define LEAST_RATIO 4

static uint32_t bias_of (const WeirNode *node)
{
  return node->n_src > 2 ? node->src[2] : WEIR_NONE;
}

static bool is_plain_conv (const WeirFuse *fuse, const WeirNode *node)
{
  const WeirTensor *weights = weir_fuse_shape (fuse, node->src[1]);
  return weir_node_int (node, "group", 1) == 1 && !node->n_post && weights->rank >= 3 &&
         weights->dims[1] >= LEAST_RATIO * weights->dims[0];
}

/* Channels along axis 1 of dequantised tensors, not all with one scale and zero point. */
static bool is_mixed_concat (const WeirFuse *fuse, const WeirNode *node)
{
  WeirQuantiser first, q;
  bool is_mixed = false;
  int64_t axis = weir_node_int (node, "axis", 1);
  if (node->op != WEIR_OP_CONCAT || node->n_post || node->n_src < 2 || node->n_src > MAX_PARTS ||
      (axis != 1 && axis + weir_fuse_shape (fuse, node->dst[0])->rank != 1))
    return false;
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (!weir_quantise_find_source (fuse, node->src[i], i ? &q : &first))
      return false;
    is_mixed |= i && !weir_quantiser_equal (&first, &q);
  }
  return is_mixed;
}

bool weir_quantise_is_split (const WeirFuse *fuse, const WeirNode *node)
{
  const WeirNode *concat =
      node->op == WEIR_OP_CONV ? weir_fuse_producer (fuse, node->src[0]) : NULL;
  return concat && is_mixed_concat (fuse, concat) && is_plain_conv (fuse, node) &&
         (bias_of (node) == WEIR_NONE || weir_quantise_is_static (fuse, bias_of (node)));
}

/* The codes of input channels [first, first + n). */
static uint32_t add_slice (
    WeirFuse *fuse, const char *name, uint32_t codes, int64_t first, int64_t n)
{
  const WeirTensor all = weir_graph_value (fuse->graph, codes)->tensor;
  WeirTensor shape = all;
  int64_t n_inner = 1;
  void *data;
  shape.dims[1] = n;
  for (uint32_t i = 2; i < all.rank; i++)
    n_inner *= all.dims[i];
  uint32_t id = weir_quantise_add_constant (fuse, name, &shape, &data);
  for (int64_t k = 0; id != WEIR_NONE && k < all.dims[0]; k++)
    memcpy ((int8_t *) data + k * n * n_inner,
        (const int8_t *) weir_tensor_data (&all) + (k * all.dims[1] + first) * n_inner,
        (size_t) (n * n_inner));
  return id;
}

/* The value behind a constant that is added to the node's result, if one is: the sum comes after
 * it, so that the constant can become a bias. */
static uint32_t find_end (const WeirFuse *fuse, uint32_t value)
{
  if (!weir_fuse_is_private (fuse, value))
    return value;
  for (uint32_t id = 0; id < fuse->graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (fuse->graph, id);
    if (node->op != WEIR_OP_ADD || node->n_post || !node->n_dst)
      continue;
    for (uint32_t i = 0; i < 2; i++)
      if (node->src[i] == value && weir_quantise_is_static (fuse, node->src[1 - i]) &&
          weir_fuse_same_shape (fuse, value, node->dst[0]))
        return node->dst[0];
  }
  return value;
}

/* `end` is what was there plus `part`. */
static void add_sum (WeirFuse *fuse, uint32_t end, uint32_t part)
{
  const char *name = weir_graph_value (fuse->graph, end)->name;
  uint32_t before = weir_quantise_add_value (fuse, name),
           producer = weir_graph_value (fuse->graph, end)->producer;
  weir_graph_node (fuse->graph, producer)->dst[0] = before;
  weir_graph_value (fuse->graph, before)->producer = producer;
  uint32_t src[] = { before, part };
  WeirNode node = { .op = WEIR_OP_ADD,
    .opset = 13,
    .name = weir_graph_value (fuse->graph, end)->name,
    .n_src = 2,
    .n_dst = 1,
    .src = src,
    .dst = &end };
  weir_graph_add_node (fuse->graph, &node);
}

/* Node `id` becomes the convolution over the first part; the others are new. */
static bool split (WeirFuse *fuse, uint32_t id, const WeirQuantisedWeights *weights,
    const uint32_t *parts, uint32_t n_parts)
{
  uint32_t bias = bias_of (weir_graph_node (fuse->graph, id)), codes[MAX_PARTS],
           end = find_end (fuse, weir_graph_node (fuse->graph, id)->dst[0]);
  int64_t first = 0;
  for (uint32_t i = 0; i < n_parts; i++) {
    int64_t n = weir_fuse_shape (fuse, parts[i])->dims[1];
    codes[i] = add_slice (fuse, weir_graph_node (fuse->graph, id)->name, weights->codes, first, n);
    if (codes[i] == WEIR_NONE)
      return false;
    first += n;
  }
  for (uint32_t i = 0; i < n_parts; i++) {
    WeirQuantiser q;
    uint32_t source = weir_quantise_find_source (fuse, parts[i], &q)->src[0];
    WeirNode node = *weir_graph_node (fuse->graph, id);
    uint32_t all[WEIR_QUANTISED_N_SRC] = { source, q.scale, q.zero, codes[i], weights->scales,
      weights->zero, WEIR_NONE, WEIR_NONE, i ? WEIR_NONE : bias };
    node.op = WEIR_OP_QUANTISED_CONV;
    node.n_src = WEIR_QUANTISED_N_SRC;
    node.src = weir_arena_memdup (fuse->graph->arena, all, sizeof all);
    if (i == 0) {
      *weir_graph_node (fuse->graph, id) = node;
      continue;
    }
    uint32_t dst = weir_quantise_add_value (fuse, node.name);
    node.dst = &dst;
    weir_graph_add_node (fuse->graph, &node);
    add_sum (fuse, end, dst);
  }
  return true;
}

bool weir_quantise_split (WeirFuse *fuse, uint32_t id)
{
  const WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirQuantisedWeights weights;
  uint32_t parts[MAX_PARTS];
  if (!weir_quantise_is_split (fuse, node) ||
      !weir_quantise_weights (fuse, node->src[1], 0, &weights))
    return false;
  const WeirNode *concat = weir_fuse_producer (fuse, node->src[0]);
  uint32_t n_parts = concat->n_src;
  memcpy (parts, concat->src, n_parts * sizeof *parts);
  return split (fuse, id, &weights, parts, n_parts);
}
