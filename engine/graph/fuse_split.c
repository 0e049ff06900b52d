/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Convolutions over a Concat of channels as sums of convolutions over its parts, each added to the
 * one before in place.
 *
 * A Concat copies all its channels, a partial result only those of the convolution: where there are
 * far fewer, as in the squeeze of SqueezeNet, that is less. */
#include "engine/graph/fuse.h"

#include <string.h>

#define MAX_PARTS 4
/* Channels of the Concat for each one of the partial results. */
#define LEAST_RATIO 2

static bool is_by_channel (const WeirFuse *fuse, const WeirNode *concat)
{
  int64_t rank = weir_fuse_shape (fuse, concat->dst[0])->rank;
  int64_t axis = weir_node_int (concat, "axis", 1);
  if (concat->op != WEIR_OP_CONCAT || concat->n_post || rank < 3 ||
      (axis != 1 && axis != 1 - rank) || concat->n_src < 2 || concat->n_src > MAX_PARTS)
    return false;
  for (uint32_t i = 0; i < concat->n_src; i++)
    if (concat->src[i] >= fuse->shapes->n_values ||
        weir_fuse_shape (fuse, concat->src[i])->buffer ||
        weir_fuse_shape (fuse, concat->src[i])->dims[1] < 1)
      return false;
  return true;
}

/* Channels of a convolution's result; 0 for what cannot be taken apart. */
static int64_t count_results (const WeirFuse *fuse, const WeirNode *conv, uint32_t value)
{
  const WeirTensor *weights =
      conv->op == WEIR_OP_CONV ? weir_fuse_constant (fuse, conv->src[1]) : NULL;
  return weights && weights->rank >= 3 && !conv->n_post && conv->src[0] == value &&
                 weir_node_int (conv, "group", 1) == 1 &&
                 weights->dims[1] == weir_fuse_shape (fuse, value)->dims[1]
             ? weights->dims[0]
             : 0;
}

/* All that read the Concat are convolutions with few results. */
static bool pays (const WeirFuse *fuse, const WeirNode *concat)
{
  uint32_t value = concat->dst[0], n_readers = 0;
  int64_t n_results = 0;
  for (uint32_t id = 0; id < fuse->graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (fuse->graph, id);
    for (uint32_t i = 0; node->n_dst && i < node->n_src; i++) {
      int64_t n = node->src[i] == value ? count_results (fuse, node, value) : 1;
      if (n == 0)
        return false;
      n_results += node->src[i] == value ? n : 0;
      n_readers += node->src[i] == value;
    }
  }
  return n_readers == g_array_index (fuse->n_uses, uint32_t, value) &&
         weir_fuse_shape (fuse, value)->dims[1] >= LEAST_RATIO * n_results * (concat->n_src - 1);
}

/* The weights of input channels [first, first + n). */
static uint32_t add_slice (WeirFuse *fuse, const WeirNode *conv, int64_t first, int64_t n)
{
  const WeirTensor all = *weir_fuse_constant (fuse, conv->src[1]);
  const float *src = weir_tensor_data (&all);
  WeirTensor shape = all;
  int64_t n_inner = 1;
  float *dst;
  shape.dims[1] = n;
  for (uint32_t i = 2; i < all.rank; i++)
    n_inner *= all.dims[i];
  uint32_t id = weir_fuse_add_constant (fuse, conv->name, &shape, &dst);
  for (int64_t k = 0; id != WEIR_NONE && k < all.dims[0]; k++)
    memcpy (dst + k * n * n_inner, src + (k * all.dims[1] + first) * n_inner,
        (size_t) (n * n_inner) * sizeof *dst);
  return id;
}

/* A convolution like node `id` over one part, added to value `before`. Returns its result. */
static uint32_t add_part (
    WeirFuse *fuse, uint32_t id, uint32_t part, uint32_t weights, uint32_t before)
{
  WeirNode node = *weir_graph_node (fuse->graph, id);
  uint32_t bias = node.n_src > 2 && before == WEIR_NONE ? node.src[2] : WEIR_NONE;
  uint32_t src[] = { part, weights, bias, before };
  uint32_t dst = weir_graph_add_value (fuse->graph, node.name);
  node.n_src = before == WEIR_NONE ? 3 : 4;
  node.n_post = before != WEIR_NONE;
  node.post[0] = (WeirPostOp){ .op = WEIR_OP_ADD, .src = 3 };
  node.src = src;
  node.dst = &dst;
  weir_graph_add_node (fuse->graph, &node);
  return dst;
}

/* Node `id` becomes the convolution over the last part. */
static bool split (WeirFuse *fuse, uint32_t id, const uint32_t *parts, uint32_t n_parts)
{
  uint32_t weights[MAX_PARTS], before = WEIR_NONE;
  int64_t first = 0;
  for (uint32_t i = 0; i < n_parts; i++) {
    int64_t n = weir_fuse_shape (fuse, parts[i])->dims[1];
    weights[i] = add_slice (fuse, weir_graph_node (fuse->graph, id), first, n);
    if (weights[i] == WEIR_NONE)
      return false;
    first += n;
  }
  for (uint32_t i = 0; i + 1 < n_parts; i++)
    before = add_part (fuse, id, parts[i], weights[i], before);
  uint32_t src[] = { parts[n_parts - 1], weights[n_parts - 1], WEIR_NONE, before };
  WeirNode *node = weir_graph_node (fuse->graph, id);
  node->src = weir_arena_memdup (fuse->graph->arena, src, sizeof src);
  node->n_src = G_N_ELEMENTS (src);
  node->n_post = 1;
  node->post[0] = (WeirPostOp){ .op = WEIR_OP_ADD, .src = 3 };
  return true;
}

bool weir_fuse_split (WeirFuse *fuse, uint32_t id)
{
  const WeirNode *node = weir_graph_node (fuse->graph, id);
  const WeirNode *concat =
      node->op == WEIR_OP_CONV ? weir_fuse_producer (fuse, node->src[0]) : NULL;
  uint32_t parts[MAX_PARTS], n_parts;
  if (!concat || !is_by_channel (fuse, concat) || !pays (fuse, concat))
    return false;
  n_parts = concat->n_src;
  memcpy (parts, concat->src, n_parts * sizeof *parts);
  return split (fuse, id, parts, n_parts);
}
