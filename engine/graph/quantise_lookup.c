/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on single elements between a dequantised tensor and a quantiser: a table of 256
 * results, for all channels or for each, which the operators themselves fill in. */
#include "engine/graph/quantise.h"

#include <string.h>

#define N_CODES      256
#define MAX_NODES    16u
#define MAX_CHANNELS 65536

/* What lies between. */
typedef struct Region {
  WeirFuse *fuse;
  uint32_t leaf;             /* the dequantised value; WEIR_NONE until it is met */
  uint32_t rank;             /* of all values */
  int64_t n_channels;        /* 1: no constant differs by channel */
  uint32_t n_nodes, depth;   /* depth: of the value at hand, for a bounded recursion */
  uint32_t nodes[MAX_NODES]; /* ids, each after those that it reads */
  WeirTensor results[MAX_NODES];
  GPtrArray *buffers;
} Region;

/* A constant of one element, or of one for each channel. */
static bool accept_constant (Region *region, uint32_t value)
{
  const WeirTensor *tensor = weir_fuse_constant (region->fuse, value);
  int64_t n, n_channels;
  if (!tensor || !weir_tensor_n_elements (tensor, &n) || tensor->rank > region->rank)
    return false;
  if (n == 1)
    return true;
  uint32_t missing = region->rank - tensor->rank;
  n_channels = missing <= 1 && tensor->rank ? tensor->dims[1 - missing] : 0;
  if (n != n_channels || n > MAX_CHANNELS || (region->n_channels > 1 && region->n_channels != n))
    return false;
  region->n_channels = n;
  return true;
}

static bool accept_node (const WeirNode *node)
{
  WeirOpKind kind = weir_op_info (node->op)->kind;
  return (kind == WEIR_OP_KIND_UNARY || kind == WEIR_OP_KIND_BINARY) && !node->n_post &&
         node->n_dst == 1;
}

/* Adds everything that leads to a value. */
static bool collect (Region *region, uint32_t value)
{
  WeirQuantiser q;
  const WeirGraph *graph = region->fuse->graph;
  if (weir_quantise_find_source (region->fuse, value, &q)) {
    bool is_same = region->leaf == WEIR_NONE || region->leaf == value;
    region->leaf = value;
    return is_same;
  }
  const WeirNode *node = weir_fuse_producer (region->fuse, value);
  if (!node)
    return accept_constant (region, value);
  uint32_t id = weir_graph_value (graph, value)->producer;
  for (uint32_t i = 0; i < region->n_nodes; i++)
    if (region->nodes[i] == id)
      return true;
  if (!accept_node (node) || weir_fuse_shape (region->fuse, value)->rank != region->rank ||
      region->depth == MAX_NODES)
    return false;
  region->depth++;
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE && !collect (region, node->src[i]))
      return false;
  region->depth--;
  if (region->n_nodes == MAX_NODES)
    return false;
  region->nodes[region->n_nodes++] = id;
  return true;
}

/* [channels, codes], or [codes] where all channels are alike. */
static WeirTensor new_tensor (Region *region, WeirDtype dtype)
{
  bool has_channels = region->n_channels > 1;
  WeirTensor tensor = { .dtype = dtype, .rank = has_channels ? 2 : 1 };
  tensor.dims[0] = has_channels ? region->n_channels : N_CODES;
  tensor.dims[1] = N_CODES;
  tensor.buffer =
      g_malloc ((size_t) region->n_channels * N_CODES * MAX (weir_dtype_bytes (dtype), 1));
  g_ptr_array_add (region->buffers, tensor.buffer);
  return tensor;
}

/* A source of a node in the shape of the table. */
static WeirTensor find_tensor (const Region *region, uint32_t value, const WeirTensor *leaf)
{
  if (value == region->leaf)
    return *leaf;
  for (uint32_t i = 0; i < region->n_nodes; i++)
    if (weir_graph_node (region->fuse->graph, region->nodes[i])->dst[0] == value)
      return region->results[i];
  WeirTensor constant = *weir_fuse_constant (region->fuse, value);
  int64_t n;
  weir_tensor_n_elements (&constant, &n);
  constant.rank = n == 1 ? 0 : 2;
  constant.dims[0] = n;
  constant.dims[1] = 1;
  return constant;
}

static bool evaluate (Region *region, const WeirNode *node, const WeirTensor *leaf, WeirTensor *dst)
{
  g_autofree WeirTensor *src = g_new0 (WeirTensor, (size_t) node->n_src + 1);
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = find_tensor (region, node->src[i], leaf);
  return region->fuse->evaluate (region->fuse->graph, node, src, dst, NULL);
}

/* A quantiser on any tensor: it has one scale and zero point. */
static bool evaluate_quantiser (
    const Region *region, const WeirNode *node, const WeirTensor *src, WeirTensor *dst)
{
  const WeirGraph *graph = region->fuse->graph;
  WeirTensor all[] = { *src, weir_graph_value (graph, node->src[1])->tensor,
    weir_graph_value (graph, node->src[2])->tensor };
  all[1].rank = all[2].rank = 0;
  return region->fuse->evaluate (graph, node, all, dst, NULL);
}

static WeirTensor all_codes (Region *region, WeirDtype dtype)
{
  WeirTensor codes = new_tensor (region, dtype);
  uint8_t *data = codes.buffer;
  for (int64_t i = 0; i < region->n_channels * N_CODES; i++)
    data[i] = (uint8_t) i;
  return codes;
}

static bool fill_table (Region *region, const WeirNode *quantiser, const WeirQuantiser *from,
    const WeirQuantiser *to, WeirTensor *table)
{
  const WeirNode *source =
      weir_quantise_find_source (region->fuse, region->leaf, &(WeirQuantiser){ 0 });
  WeirTensor codes = all_codes (region, from->dtype), leaf = new_tensor (region, WEIR_DTYPE_F32);
  if (!evaluate_quantiser (region, source, &codes, &leaf))
    return false;
  for (uint32_t i = 0; i < region->n_nodes; i++) {
    const WeirNode *node = weir_graph_node (region->fuse->graph, region->nodes[i]);
    region->results[i] = new_tensor (region, weir_fuse_shape (region->fuse, node->dst[0])->dtype);
    if (!evaluate (region, node, &leaf, &region->results[i]))
      return false;
  }
  *table = new_tensor (region, to->dtype);
  WeirTensor last = region->n_nodes ? region->results[region->n_nodes - 1] : leaf;
  return evaluate_quantiser (region, quantiser, &last, table);
}

bool weir_quantise_lookup (WeirFuse *fuse, uint32_t id)
{
  const WeirNode *node = weir_graph_node (fuse->graph, id);
  g_autoptr (GPtrArray) buffers = g_ptr_array_new_with_free_func (g_free);
  WeirQuantiser to, from;
  WeirTensor table;
  void *data;
  size_t n_bytes;
  if (!weir_quantise_is_quantiser (fuse, node, &to))
    return false;
  Region region = { .fuse = fuse,
    .leaf = WEIR_NONE,
    .rank = weir_fuse_shape (fuse, node->src[0])->rank,
    .n_channels = 1,
    .buffers = buffers };
  if (!collect (&region, node->src[0]) || region.leaf == WEIR_NONE ||
      !weir_fuse_same_shape (fuse, region.leaf, node->src[0])) /* constants can make it larger */
    return false;
  uint32_t codes = weir_quantise_find_source (fuse, region.leaf, &from)->src[0];
  if (!fill_table (&region, node, &from, &to, &table))
    return false;
  uint32_t constant = weir_quantise_add_constant (fuse, node->name, &table, &data);
  if (constant == WEIR_NONE || !weir_tensor_bytes (&table, &n_bytes))
    return false;
  memcpy (data, table.buffer, n_bytes);
  uint32_t *src = weir_arena_new_array (fuse->graph->arena, uint32_t, 2);
  src[0] = codes;
  src[1] = constant;
  WeirNode *quantiser = weir_graph_node (fuse->graph, id);
  quantiser->op = WEIR_OP_LOOKUP;
  quantiser->src = src;
  quantiser->n_src = 2;
  quantiser->n_attrs = 0;
  return true;
}
