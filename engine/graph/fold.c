/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Constant folding: nodes whose inputs are all constants are evaluated once and become constants.
 *
 * What comes from Shape stays: it depends on n. A result that would be too large, or take too long,
 * stays a node too, since a file of a few bytes can ask for any size. */
#include "engine/graph/passes.h"

#include "engine/base/checked.h"
#include "engine/error.h"
#include "engine/graph/cost.h"

/* Of all folded constants of a graph. */
#define MAX_FOLDED_BYTES ((size_t) 1 << 30)
/* Of one node: this, and so many times what it is made from. */
#define FREE_BYTES ((size_t) 16 << 20)
#define MAX_GROWTH 16
/* Of all nodes, as weir_node_steps counts: some ten seconds. */
#define MAX_STEPS 0x1p34

static bool is_foldable (const WeirGraph *graph, const WeirNode *node)
{
  if (node->n_post)
    return false;
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE && !weir_graph_value (graph, node->src[i])->is_constant)
      return false;
  return true;
}

static size_t limit_of (const WeirNode *node, const WeirTensor *src)
{
  size_t n_total = 0, n_bytes;
  for (uint32_t i = 0; i < node->n_src; i++)
    if (weir_tensor_bytes (&src[i], &n_bytes) && !weir_checked_add (n_total, n_bytes, &n_total))
      return MAX_FOLDED_BYTES;
  return MIN (n_total, MAX_FOLDED_BYTES) * MAX_GROWTH + FREE_BYTES;
}

/* Gives the results memory; false where they are too many bytes to be worth it. */
static bool allocate (
    WeirGraph *graph, const WeirNode *node, const WeirTensor *src, WeirTensor *dst, size_t *n_left)
{
  size_t n_total = 0, n_bytes;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE &&
        (!weir_tensor_bytes (&dst[i], &n_bytes) || !weir_checked_add (n_total, n_bytes, &n_total)))
      return false;
  if (n_total > *n_left || n_total > limit_of (node, src))
    return false;
  *n_left -= n_total;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE) {
      weir_tensor_bytes (&dst[i], &n_bytes);
      if (!(dst[i].buffer = weir_arena_try_alloc (graph->arena, n_bytes)))
        return false;
    }
  return true;
}

/* What folding may still cost. */
typedef struct Budget {
  size_t n_bytes;
  double n_steps;
} Budget;

static bool affords (
    Budget *budget, const WeirNode *node, const WeirTensor *src, const WeirTensor *dst)
{
  double n_steps = weir_node_steps (node, src, dst);
  if (!(n_steps <= budget->n_steps))
    return false;
  budget->n_steps -= n_steps;
  return true;
}

/* Who may go while others are folded: what was folded here and is read no more. */
typedef struct Reads {
  uint32_t *n_left; /* by value */
  bool *is_folded;
} Reads;

static void reads_clear (Reads *reads)
{
  g_free (reads->n_left);
  g_free (reads->is_folded);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reads, reads_clear)

static Reads count_reads (const WeirGraph *graph)
{
  const size_t n_values = (size_t) graph->values->len + 1;
  Reads reads = { g_new0 (uint32_t, n_values), g_new0 (bool, n_values) };
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    for (uint32_t i = 0; i < node->n_src; i++)
      if (node->src[i] != WEIR_NONE)
        reads.n_left[node->src[i]]++;
  }
  for (uint32_t i = 0; i < graph->outputs->len; i++)
    reads.n_left[g_array_index (graph->outputs, uint32_t, i)]++;
  return reads;
}

/* A chain of weights would lie in memory once for each of its nodes. */
static void forget_sources (WeirGraph *graph, const WeirNode *node, Reads *reads)
{
  for (uint32_t i = 0; i < node->n_src; i++) {
    const uint32_t id = node->src[i];
    if (id == WEIR_NONE || --reads->n_left[id] || !reads->is_folded[id])
      continue;
    WeirValue *value = weir_graph_value (graph, id);
    weir_arena_release (graph->arena, value->tensor.buffer, NULL, 0);
    value->is_constant = false;
    value->tensor = (WeirTensor){ 0 };
  }
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      reads->is_folded[node->dst[i]] = true;
}

static bool fold_node (WeirGraph *graph, const WeirNode *node, WeirEvaluateFn evaluate,
    Budget *budget, Reads *reads, GError **error)
{
  g_autofree WeirTensor *src = g_new0 (WeirTensor, (size_t) node->n_src + 1);
  g_autofree WeirTensor *dst = g_new0 (WeirTensor, (size_t) node->n_dst + 1);
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE)
      src[i] = weir_graph_value (graph, node->src[i])->tensor;
  WeirShapeJob job = { graph, node, src, dst, NULL };
  if (!weir_shape_node (&job, error))
    return false;
  if (!affords (budget, node, src, dst) || !allocate (graph, node, src, dst, &budget->n_bytes))
    return true;
  if (!evaluate (graph, node, src, dst, error))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE) {
      WeirValue *value = weir_graph_value (graph, node->dst[i]);
      value->tensor = dst[i];
      value->is_constant = true;
      value->producer = WEIR_NONE;
    }
  if (!graph->known) /* which knows tensors by where they are */
    forget_sources (graph, node, reads);
  return true;
}

/* What follows such a node is not foldable then. */
static bool is_quantiser (const WeirGraph *graph, const WeirNode *node)
{
  if (node->op == WEIR_OP_CAST) {
    WeirDtype dtype = weir_graph_value (graph, node->src[0])->tensor.dtype;
    return dtype == WEIR_DTYPE_U8 || dtype == WEIR_DTYPE_I8;
  }
  return node->op == WEIR_OP_DEQUANTIZE_LINEAR || node->op == WEIR_OP_OV_FAKE_QUANTIZE;
}

static bool fold (WeirGraph *graph, WeirEvaluateFn evaluate, bool keeps_quantisers, GError **error)
{
  Budget budget = { MAX_FOLDED_BYTES, MAX_STEPS };
  g_auto (Reads) reads = count_reads (graph);
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    if (is_foldable (graph, node) && !(keeps_quantisers && is_quantiser (graph, node)) &&
        !fold_node (graph, node, evaluate, &budget, &reads, error))
      return false;
  }
  weir_graph_prune (graph); /* nothing produces the folded values any more: their nodes go */
  return true;
}

bool weir_fold (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error)
{
  return fold (graph, evaluate, false, error);
}

bool weir_fold_but_quantisers (WeirGraph *graph, WeirEvaluateFn evaluate, GError **error)
{
  return fold (graph, evaluate, true, error);
}
