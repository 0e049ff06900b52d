/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fusing: rules in passes, each tried at every node until nothing changes.
 *
 * A rule that joins two nodes lets the first give the second's result, so names of outputs stay;
 * the second is left without sources and results, and the prune at the end drops it. Joined values
 * must have a single reader and not be outputs. Shapes are looked at for n = 1 and 2, so that what
 * only happens to agree at n = 1 is not taken for equal. */
#include "engine/graph/fuse.h"

#include "engine/error.h"
#include "engine/graph/passes.h"
#include "engine/graph/postop.h"

#include <string.h>

static void drop (WeirNode *node)
{
  node->n_src = node->n_dst = node->n_post = 0;
}

static void count (const WeirGraph *graph, uint32_t *n_uses)
{
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    for (uint32_t i = 0; i < node->n_src; i++)
      if (node->src[i] != WEIR_NONE)
        n_uses[node->src[i]]++;
  }
  for (uint32_t i = 0; i < graph->outputs->len; i++)
    n_uses[g_array_index (graph->outputs, uint32_t, i)] += 2; /* never private */
}

static bool is_read (const WeirNode *node, const uint32_t *n_uses)
{
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE && n_uses[node->dst[i]])
      return true;
  return node->n_dst == 0;
}

/* Counts readers, and drops nodes that have none: they would be readers of what stands before. */
static void count_uses (WeirFuse *fuse)
{
  const WeirGraph *graph = fuse->graph;
  g_array_set_size (fuse->n_uses, 0);
  g_array_set_size (fuse->n_uses, graph->values->len + 1);
  uint32_t *n_uses = (uint32_t *) fuse->n_uses->data;
  count (graph, n_uses);
  for (uint32_t id = graph->nodes->len; id-- > 0;) {
    WeirNode *node = weir_graph_node (graph, id);
    if (is_read (node, n_uses))
      continue;
    for (uint32_t i = 0; i < node->n_src; i++)
      if (node->src[i] != WEIR_NONE)
        n_uses[node->src[i]]--;
    drop (node);
  }
}

WeirNode *weir_fuse_producer (const WeirFuse *fuse, uint32_t value)
{
  if (value == WEIR_NONE)
    return NULL;
  uint32_t id = weir_graph_value (fuse->graph, value)->producer;
  WeirNode *node = id == WEIR_NONE ? NULL : weir_graph_node (fuse->graph, id);
  return node && node->n_dst ? node : NULL;
}

bool weir_fuse_is_private (const WeirFuse *fuse, uint32_t value)
{
  return g_array_index (fuse->n_uses, uint32_t, value) == 1;
}

const WeirTensor *weir_fuse_shape (const WeirFuse *fuse, uint32_t value)
{
  return value < fuse->shapes->n_values ? &fuse->shapes->values[value]
                                        : &weir_graph_value (fuse->graph, value)->tensor;
}

bool weir_fuse_same_shape (const WeirFuse *fuse, uint32_t a, uint32_t b)
{
  const WeirShapes *two = fuse->shapes_two;
  if (!weir_tensor_same_shape (weir_fuse_shape (fuse, a), weir_fuse_shape (fuse, b)))
    return false;
  return !two || (a < two->n_values && b < two->n_values &&
                     weir_tensor_same_shape (&two->values[a], &two->values[b]));
}

const WeirTensor *weir_fuse_constant (const WeirFuse *fuse, uint32_t value)
{
  if (value == WEIR_NONE)
    return NULL;
  const WeirValue *v = weir_graph_value (fuse->graph, value);
  return v->is_constant && v->tensor.dtype == WEIR_DTYPE_F32 && v->tensor.buffer ? &v->tensor
                                                                                 : NULL;
}

bool weir_fuse_is_number (const WeirFuse *fuse, uint32_t value, float expected)
{
  const WeirTensor *tensor = weir_fuse_constant (fuse, value);
  int64_t n;
  if (!tensor || !weir_tensor_n_elements (tensor, &n) || n != 1)
    return false;
  float difference = *(const float *) weir_tensor_data (tensor) - expected;
  return difference < 1e-6f && difference > -1e-6f;
}

uint32_t weir_fuse_add_constant (
    WeirFuse *fuse, const char *name, const WeirTensor *like, float **data)
{
  WeirTensor tensor = *like;
  size_t n_bytes;
  tensor.dtype = WEIR_DTYPE_F32;
  tensor.layout = WEIR_LAYOUT_PLAIN;
  tensor.offset_bytes = 0;
  if (!weir_tensor_bytes (&tensor, &n_bytes) ||
      !(tensor.buffer = weir_arena_try_alloc (fuse->graph->arena, n_bytes))) {
    fuse->is_out_of_memory = true;
    return WEIR_NONE;
  }
  *data = tensor.buffer;
  g_autofree char *full_name = g_strconcat (name, "/fused", NULL);
  return weir_graph_add_constant (fuse->graph, full_name, &tensor);
}

static uint32_t node_id (const WeirFuse *fuse, const WeirNode *node)
{
  return (uint32_t) (node - weir_graph_node (fuse->graph, 0));
}

void weir_fuse_absorb (WeirFuse *fuse, WeirNode *keeper, WeirNode *absorbed)
{
  weir_graph_value (fuse->graph, keeper->dst[0])->producer = WEIR_NONE;
  keeper->dst[0] = absorbed->dst[0];
  weir_graph_value (fuse->graph, keeper->dst[0])->producer = node_id (fuse, keeper);
  drop (absorbed);
}

bool weir_fuse_bypass (WeirFuse *fuse, WeirNode *node, uint32_t value)
{
  const GArray *outputs = fuse->graph->outputs;
  for (uint32_t i = 0; i < outputs->len; i++)
    if (g_array_index (outputs, uint32_t, i) == node->dst[0])
      return false;
  weir_graph_replace_uses (fuse->graph, node->dst[0], value);
  weir_graph_value (fuse->graph, node->dst[0])->producer = WEIR_NONE;
  drop (node);
  return true;
}

void weir_fuse_become_unary (WeirNode *node, WeirOp op, uint32_t src)
{
  node->op = op;
  node->n_src = 1;
  node->src[0] = src;
  node->n_attrs = 0;
}

/* --- post-ops --- */

static bool takes_residual (const WeirNode *node)
{
  return node && node->n_post < WEIR_MAX_POST_OPS &&
         (node->op == WEIR_OP_CONV || node->op == WEIR_OP_CONV_TRANSPOSE ||
             node->op == WEIR_OP_GEMM || node->op == WEIR_OP_MAT_MUL || node->op == WEIR_OP_MUL ||
             weir_fuse_is_open (node));
}

static bool takes_activation (const WeirNode *node)
{
  return takes_residual (node) || (node && node->n_post < WEIR_MAX_POST_OPS &&
                                      (node->op == WEIR_OP_BATCH_NORMALIZATION ||
                                          node->op == WEIR_OP_ADD || node->op == WEIR_OP_SUB));
}

static bool is_post (WeirOp op)
{
  static const bool table[WEIR_N_OPS] = {
    [WEIR_OP_RELU] = true,
    [WEIR_OP_CLIP] = true,
    [WEIR_OP_LEAKY_RELU] = true,
    [WEIR_OP_SIGMOID] = true,
    [WEIR_OP_HARD_SIGMOID] = true,
    [WEIR_OP_SWISH] = true,
    [WEIR_OP_HARD_SWISH] = true,
    [WEIR_OP_MISH] = true,
    [WEIR_OP_TANH] = true,
    [WEIR_OP_ELU] = true,
    [WEIR_OP_ROUND_TO_CODES] = true,
    [WEIR_OP_ROUND_TO_LEVELS] = true,
  };
  return table[op];
}

static bool resolve_post (const WeirFuse *fuse, const WeirNode *node, WeirPostOp *post)
{
  WeirTensor src[3] = { { 0 } };
  for (uint32_t i = 0; i < MIN (node->n_src, G_N_ELEMENTS (src)); i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = *weir_fuse_shape (fuse, node->src[i]);
  WeirShapeJob job = { .graph = fuse->graph, .node = node, .src = src };
  return weir_post_op_resolve (&job, post);
}

/* An activation into the node before it. */
static bool fuse_activation (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  WeirNode *before = weir_fuse_producer (fuse, node->src[0]);
  WeirPostOp post;
  if (!is_post (node->op) || !takes_activation (before) ||
      !weir_fuse_is_private (fuse, node->src[0]) || !resolve_post (fuse, node, &post))
    return false;
  before->post[before->n_post++] = post;
  weir_fuse_absorb (fuse, before, node);
  return true;
}

void weir_fuse_append_src (WeirFuse *fuse, WeirNode *node, uint32_t value)
{
  uint32_t *src = weir_arena_new_array (fuse->graph->arena, uint32_t, (size_t) node->n_src + 1);
  memcpy (src, node->src, node->n_src * sizeof *src);
  src[node->n_src++] = value;
  node->src = src;
}

/* Optional inputs must keep their places when a residual is appended. */
static void fill_optional (WeirFuse *fuse, WeirNode *node)
{
  uint32_t n = weir_fuse_is_open (node) ? WEIR_QUANTISED_N_SRC : weir_op_info (node->op)->max_src;
  while (node->n_src < n)
    weir_fuse_append_src (fuse, node, WEIR_NONE);
}

/* A residual Add into the node that gives operand `i`. */
static bool fuse_residual (WeirFuse *fuse, WeirNode *add, uint32_t i)
{
  uint32_t other = add->src[1 - i];
  WeirNode *before = weir_fuse_producer (fuse, add->src[i]);
  if (!takes_residual (before) || !weir_fuse_is_private (fuse, add->src[i]) ||
      weir_fuse_shape (fuse, other)->buffer || !weir_fuse_same_shape (fuse, add->src[i], other) ||
      !weir_fuse_same_shape (fuse, other, add->dst[0]))
    return false;
  fill_optional (fuse, before);
  before->post[before->n_post++] = (WeirPostOp){ .op = WEIR_OP_ADD, .src = before->n_src };
  weir_fuse_append_src (fuse, before, other);
  weir_fuse_absorb (fuse, before, add);
  return true;
}

/* Into the later of the two producers: the other's result is there by then. */
static bool fuse_add (WeirFuse *fuse, uint32_t id)
{
  WeirNode *node = weir_graph_node (fuse->graph, id);
  if (node->op != WEIR_OP_ADD || node->n_post)
    return false;
  uint32_t first = weir_graph_value (fuse->graph, node->src[0])->producer,
           second = weir_graph_value (fuse->graph, node->src[1])->producer;
  bool second_is_later = second != WEIR_NONE && (first == WEIR_NONE || second > first);
  return fuse_residual (fuse, node, second_is_later) ||
         fuse_residual (fuse, node, !second_is_later);
}

/* --- the pass --- */

#define MAX_RULES 12 /* with the NULL that ends a list */

static const WeirFuseRule passes[][MAX_RULES] = {
  { weir_fuse_identity, weir_fuse_shape_source, weir_fuse_variadic, weir_fuse_transposes,
      weir_fuse_shuffle, weir_fuse_pad, weir_fuse_hard_sigmoid, weir_fuse_gate, weir_fuse_slope,
      weir_fuse_focus, weir_fuse_halves },
  { weir_fuse_batch_norm, weir_fuse_constant_operand, weir_fuse_scales, weir_fuse_parts },
  { weir_fuse_scaled_input },
  { weir_fuse_split },
  { fuse_activation, fuse_add, weir_fuse_quantiser, weir_fuse_quantised_residual,
      weir_fuse_shuffled },
};

static bool is_dynamic (const WeirFuse *fuse, uint32_t value)
{
  return value < fuse->shapes->n_values && fuse->shapes->is_dynamic[value];
}

/* Rules compare sizes: those that only the data know must not be taken for equal. */
static bool is_static (const WeirFuse *fuse, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_src; i++)
    if (is_dynamic (fuse, node->src[i]))
      return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (is_dynamic (fuse, node->dst[i]))
      return false;
  return true;
}

static bool try_rules (WeirFuse *fuse, const WeirFuseRule *rules, uint32_t id)
{
  bool changed = false;
  for (uint32_t i = 0; rules[i]; i++) {
    const WeirNode *node = weir_graph_node (fuse->graph, id);
    if (!node->n_dst || !node->n_src || node->src[0] == WEIR_NONE || fuse->is_out_of_memory ||
        !is_static (fuse, node))
      break;
    if (rules[i](fuse, id)) {
      changed = true;
      count_uses (fuse);
    }
  }
  return changed;
}

static void run_pass (WeirFuse *fuse, const WeirFuseRule *rules)
{
  bool changed = true;
  while (changed && !fuse->is_out_of_memory) {
    changed = false;
    for (uint32_t id = 0; id < fuse->graph->nodes->len; id++)
      changed |= try_rules (fuse, rules, id);
  }
}

bool weir_fuse_apply (WeirGraph *graph, WeirEvaluateFn evaluate, const WeirFuseRule *const *lists,
    uint32_t n_lists, GError **error)
{
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, evaluate, error);
  if (!shapes)
    return false;
  g_autoptr (WeirShapes) two =
      graph->has_batch ? weir_shapes_infer (graph, 2, evaluate, NULL) : NULL;
  g_autoptr (GArray) n_uses = g_array_new (FALSE, TRUE, sizeof (uint32_t));
  WeirFuse fuse = {
    .graph = graph, .evaluate = evaluate, .shapes = shapes, .shapes_two = two, .n_uses = n_uses
  };
  count_uses (&fuse);
  for (uint32_t i = 0; i < n_lists; i++)
    run_pass (&fuse, lists[i]);
  if (fuse.is_out_of_memory) {
    g_set_error (
        error, WEIR_ERROR, WEIR_ERROR_MEMORY, "%s: no memory for fused weights", graph->source);
    return false;
  }
  weir_graph_prune (graph);
  return weir_graph_sort (graph, error);
}

bool weir_fuse (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error)
{
  static const WeirFuseRule *const lists[] = { passes[0], passes[1], passes[2], passes[3],
    passes[4] };
  return weir_fuse_apply (graph, evaluate, lists, G_N_ELEMENTS (lists), error);
}
