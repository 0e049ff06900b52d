/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks from an output towards the inputs and stops at the first operator with weights: what lies
 * between is the network's own decoding. */
#include "engine/post/traits.h"

/* Convolutions and matrix products, quantised or not. */
static bool has_weights (WeirOp op)
{
  const char *name = weir_op_info (op)->name;
  return strstr (name, "Conv") || strstr (name, "MatMul") || strstr (name, "Gemm");
}

/* Operators that leave the values what they are. */
static bool keeps_values (const WeirNode *node)
{
  switch (node->op) {
  case WEIR_OP_CAST:
  case WEIR_OP_TRANSPOSE:
  case WEIR_OP_QUANTIZE_LINEAR:
  case WEIR_OP_DEQUANTIZE_LINEAR:
  case WEIR_OP_REORDER:
    return node->n_post == 0;
  default:
    return node->n_post == 0 && weir_op_info (node->op)->kind == WEIR_OP_KIND_VIEW;
  }
}

static const WeirNode *producer (const WeirGraph *graph, uint32_t value)
{
  if (value >= graph->values->len)
    return NULL;
  uint32_t node = weir_graph_value (graph, value)->producer;
  return node < graph->nodes->len ? weir_graph_node (graph, node) : NULL;
}

/* Operators that say something by their name alone ("weir:" aside). */
typedef struct Mark {
  const char *op;
  uint32_t traits;
} Mark;

static uint32_t find_marks (const Mark *marks, WeirOp op)
{
  const char *name = weir_op_info (op)->name, *prefix = strchr (name, ':');
  for (name = prefix ? prefix + 1 : name; marks->op; marks++)
    if (g_str_equal (marks->op, name))
      return marks->traits;
  return 0;
}

/* Traits by the operator that computes the values. */
static uint32_t last_traits (const WeirGraph *graph, uint32_t value)
{
  const WeirNode *node = producer (graph, value);
  for (guint steps = graph->nodes->len; steps && node && keeps_values (node) && node->n_src;
       steps--)
    node = producer (graph, node->src[0]);
  if (!node)
    return 0;
  static const Mark marks[] = { { "Softmax", WEIR_OUTPUT_SOFTMAX },
    { "Sigmoid", WEIR_OUTPUT_SIGMOID }, { "DetectionOutput", WEIR_OUTPUT_DETECTION_OUTPUT },
    { "RegionYolo", WEIR_OUTPUT_REGION }, { NULL, 0 } };
  return find_marks (marks, node->n_post ? node->post[node->n_post - 1].op : node->op);
}

static bool is_arithmetic (WeirOp op)
{
  return op == WEIR_OP_ADD || op == WEIR_OP_SUB || op == WEIR_OP_MUL || op == WEIR_OP_DIV;
}

/* Biases and scales of channels have one dim that is not 1. */
static bool is_grid (const WeirTensor *constant)
{
  uint32_t n_long = 0;
  for (uint32_t i = 0; i < constant->rank; i++)
    n_long += constant->dims[i] > 1;
  return n_long >= 2;
}

static uint32_t constant_traits (const WeirGraph *graph, const WeirNode *node)
{
  uint32_t traits = 0;
  for (uint32_t i = 0; i < node->n_src; i++) {
    if (node->src[i] >= graph->values->len)
      continue;
    const WeirValue *value = weir_graph_value (graph, node->src[i]);
    if (!value->is_constant)
      continue;
    if (node->op == WEIR_OP_CONCAT)
      traits |= WEIR_OUTPUT_CONSTANT_PART;
    else if (is_arithmetic (node->op) && is_grid (&value->tensor))
      traits |= WEIR_OUTPUT_GRID;
  }
  return traits;
}

static uint32_t node_traits (const WeirGraph *graph, const WeirNode *node)
{
  static const Mark marks[] = { { "Exp", WEIR_OUTPUT_EXP }, { "Sigmoid", WEIR_OUTPUT_ANY_SIGMOID },
    { "TopK", WEIR_OUTPUT_SELECTED }, { "NonMaxSuppression", WEIR_OUTPUT_SELECTED },
    { "MulticlassNms", WEIR_OUTPUT_SELECTED }, { "MatrixNms", WEIR_OUTPUT_SELECTED }, { NULL, 0 } };
  uint32_t traits = find_marks (marks, node->op) | constant_traits (graph, node);
  for (uint32_t i = 0; i < node->n_post; i++)
    traits |= find_marks (marks, node->post[i].op);
  return traits;
}

/* Depth-first over values, no further than operators with weights; every value once. */
static uint32_t decoding_traits (const WeirGraph *graph, uint32_t output)
{
  g_autofree bool *seen = g_new0 (bool, graph->values->len);
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  uint32_t traits = 0;
  g_array_append_val (stack, output);
  while (stack->len) {
    uint32_t value = g_array_index (stack, uint32_t, stack->len - 1);
    g_array_set_size (stack, stack->len - 1);
    const WeirNode *node = producer (graph, value);
    if (!node || seen[value])
      continue;
    seen[value] = true;
    traits |= node_traits (graph, node);
    if (!has_weights (node->op))
      g_array_append_vals (stack, node->src, node->n_src);
  }
  return traits;
}

/* x · Sigmoid (x), and x · Tanh (Softplus (x)). */
static uint32_t product_traits (const WeirGraph *graph, const WeirNode *node)
{
  for (uint32_t i = 0; node->op == WEIR_OP_MUL && i < node->n_src; i++) {
    const WeirNode *gate = producer (graph, node->src[i]);
    uint32_t other = node->src[1 - MIN (i, 1)];
    if (gate && gate->op == WEIR_OP_SIGMOID && gate->src[0] == other)
      return WEIR_OUTPUT_NET_SILU;
    const WeirNode *inner =
        gate && gate->op == WEIR_OP_TANH ? producer (graph, gate->src[0]) : NULL;
    if (inner && inner->op == WEIR_OP_SOFTPLUS && inner->src[0] == other)
      return WEIR_OUTPUT_NET_MISH;
  }
  return 0;
}

static uint32_t network_traits (const WeirGraph *graph)
{
  static const Mark marks[] = { { "Mish", WEIR_OUTPUT_NET_MISH }, { "Swish", WEIR_OUTPUT_NET_SILU },
    { "Split", WEIR_OUTPUT_NET_SPLIT }, { "Slice", WEIR_OUTPUT_NET_SPLIT },
    { "VariadicSplit", WEIR_OUTPUT_NET_SPLIT }, { "StridedSlice", WEIR_OUTPUT_NET_SPLIT },
    { NULL, 0 } };
  uint32_t traits = 0;
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    traits |= find_marks (marks, node->op) | product_traits (graph, node);
    for (uint32_t i = 0; i < node->n_post; i++)
      traits |= find_marks (marks, node->post[i].op);
  }
  return traits;
}

uint32_t weir_output_traits (const WeirGraph *graph, uint32_t k)
{
  if (k >= graph->outputs->len)
    return 0;
  uint32_t value = g_array_index (graph->outputs, uint32_t, k);
  return WEIR_OUTPUT_KNOWN | last_traits (graph, value) | decoding_traits (graph, value) |
         network_traits (graph);
}
