/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Walks from an output towards the inputs and stops at the first operator with weights: what lies
 * between is the network's own decoding. */
#include "engine/post/traits.h"

static bool has_weights (WeirOp op)
{
  return op == WEIR_OP_CONV || op == WEIR_OP_CONV_TRANSPOSE || op == WEIR_OP_GEMM ||
         op == WEIR_OP_MAT_MUL;
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

/* Traits by the operator that computes the values. */
static uint32_t last_traits (const WeirGraph *graph, uint32_t value)
{
  const WeirNode *node = producer (graph, value);
  for (guint steps = graph->nodes->len; steps && node && keeps_values (node) && node->n_src;
       steps--)
    node = producer (graph, node->src[0]);
  if (!node)
    return 0;
  WeirOp op = node->n_post ? node->post[node->n_post - 1].op : node->op;
  return op == WEIR_OP_SOFTMAX   ? WEIR_OUTPUT_SOFTMAX
         : op == WEIR_OP_SIGMOID ? WEIR_OUTPUT_SIGMOID
                                 : 0;
}

static bool node_has_exp (const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_post; i++)
    if (node->post[i].op == WEIR_OP_EXP)
      return true;
  return node->op == WEIR_OP_EXP;
}

/* Depth-first over values; every value once. */
static bool has_exp (const WeirGraph *graph, uint32_t output)
{
  g_autofree bool *seen = g_new0 (bool, graph->values->len);
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  g_array_append_val (stack, output);
  while (stack->len) {
    uint32_t value = g_array_index (stack, uint32_t, stack->len - 1);
    g_array_set_size (stack, stack->len - 1);
    const WeirNode *node = producer (graph, value);
    if (!node || seen[value])
      continue;
    seen[value] = true;
    if (node_has_exp (node))
      return true;
    if (!has_weights (node->op))
      g_array_append_vals (stack, node->src, node->n_src);
  }
  return false;
}

uint32_t weir_output_traits (const WeirGraph *graph, uint32_t k)
{
  if (k >= graph->outputs->len)
    return 0;
  uint32_t value = g_array_index (graph->outputs, uint32_t, k);
  return WEIR_OUTPUT_KNOWN | last_traits (graph, value) |
         (has_exp (graph, value) ? WEIR_OUTPUT_EXP : 0u);
}
