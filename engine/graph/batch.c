/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a graph run at any n.
 *
 * Exporters bake the batch of 1 into targets of Reshape and sizes of Resize. A Reshape of rows that
 * are stacked along an axis (see batch_proof.c) is right for n samples exactly when the number in
 * the place of that axis grows with n: so it becomes -1, or 0 ("keep") where -1 is taken and the
 * number is kept. Which axis carries the batch is guessed here from the shapes at n = 1.
 *
 * Three attempts, each proved as a whole: the graph as it is; with constants changed; with computed
 * targets replaced by constants too. What does not help is undone. */
#include "engine/graph/passes.h"

#include "engine/error.h"
#include "engine/graph/batch_axes.h"
#include "engine/graph/batch_proof.h"
#include "engine/graph/geometry.h"

typedef enum Attempt { AS_IT_IS = 0, CONSTANTS, COMPUTED, N_ATTEMPTS } Attempt;

/* What it takes to undo the change of one node. */
typedef struct Change {
  uint32_t node, src_index, src;
  WeirAttr *attrs;
  uint32_t n_attrs;
} Change;

typedef struct Rewrite {
  WeirGraph *graph;
  const WeirShapes *shapes; /* at n = 1 */
  const uint32_t *axes;     /* of the batch, by value id; WEIR_NONE: none */
  Attempt attempt;
  GArray *changes; /* Change */
} Rewrite;

static bool can_batch (const WeirTensor *tensor, uint32_t axis)
{
  return axis < tensor->rank && (tensor->dims[axis] == 1 || tensor->dims[axis] < 0);
}

/* The batch is dim 0, but for the sequences [time, batch] of recurrent networks. */
static const char *check_inputs (const WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    WeirValue *value = weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, i));
    const WeirTensor *tensor = &value->tensor;
    const char *text = NULL;
    value->batch_axis = !can_batch (tensor, 0) && tensor->rank == 2 && can_batch (tensor, 1);
    if (tensor->rank == 0)
      text = "input '%s' has no dims, so none for a batch";
    else if (!can_batch (tensor, value->batch_axis))
      text = "input '%s' has a first dim that is neither 1 nor dynamic";
    if (text) {
      g_autoptr (GString) reason = g_string_new (text);
      g_string_replace (reason, "%s", value->name, 1);
      return weir_arena_strdup (graph->arena, reason->str);
    }
  }
  return graph->inputs->len ? NULL : "the graph has no inputs";
}

/* The list in input `i`, where it is known at n = 1 and this attempt may change it; else n = 0. */
static uint32_t read_target (
    const Rewrite *rewrite, const WeirNode *node, uint32_t i, int64_t target[WEIR_MAX_RANK])
{
  int64_t n;
  if (i >= node->n_src || node->src[i] == WEIR_NONE)
    return 0;
  const WeirTensor *tensor = &rewrite->shapes->values[node->src[i]];
  bool may_change =
      rewrite->attempt == COMPUTED || weir_graph_value (rewrite->graph, node->src[i])->is_constant;
  if (!may_change || !tensor->buffer || tensor->rank != 1)
    return 0;
  if (!weir_tensor_n_elements (tensor, &n) || n < 1 || n > WEIR_MAX_RANK)
    return 0;
  for (int64_t k = 0; k < n; k++)
    if (!weir_known_int (tensor, k, &target[k]))
      return 0;
  return (uint32_t) n;
}

/* Input `i` of the node becomes a new constant. */
static void replace_target (
    Rewrite *rewrite, uint32_t node_id, uint32_t i, const int64_t *target, uint32_t n)
{
  WeirGraph *graph = rewrite->graph;
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I64, .rank = 1, .dims = { n } };
  tensor.buffer = weir_arena_memdup (graph->arena, target, n * sizeof *target);
  uint32_t old = weir_graph_node (graph, node_id)->src[i];
  uint32_t id = weir_graph_add_constant (graph, weir_graph_value (graph, old)->name, &tensor);
  WeirNode *node = weir_graph_node (graph, node_id);
  Change change = { node_id, i, old, node->attrs, node->n_attrs };
  g_array_append_val (rewrite->changes, change);
  node->src[i] = id;
}

static void rewrite_reshape (Rewrite *rewrite, uint32_t node_id)
{
  const WeirNode *node = weir_graph_node (rewrite->graph, node_id);
  const WeirTensor *src = &rewrite->shapes->values[node->src[0]];
  const WeirTensor *dst = &rewrite->shapes->values[node->dst[0]];
  uint32_t src_axis = rewrite->axes[node->src[0]], axis = rewrite->axes[node->dst[0]];
  int64_t target[WEIR_MAX_RANK];
  uint32_t n = read_target (rewrite, node, 1, target);
  if (!n || n != dst->rank || axis >= n || src_axis >= src->rank)
    return;
  bool zero_keeps = !weir_node_int (node, "allowzero", 0);
  bool can_keep = zero_keeps && src_axis == axis && src->dims[axis] == dst->dims[axis];
  if (target[axis] == -1 || (target[axis] == 0 && can_keep))
    return;
  uint32_t free_axis = 0;
  while (free_axis < n && target[free_axis] != -1)
    free_axis++;
  if (free_axis < n && can_keep)
    target[axis] = 0;
  else {
    if (free_axis < n)
      target[free_axis] = dst->dims[free_axis];
    target[axis] = -1;
  }
  replace_target (rewrite, node_id, 1, target, n);
}

/* Sizes of all axes become sizes of all axes but the first. */
static void rewrite_resize (Rewrite *rewrite, uint32_t node_id)
{
  WeirGraph *graph = rewrite->graph;
  WeirNode *node = weir_graph_node (graph, node_id);
  int64_t sizes[WEIR_MAX_RANK], *axes;
  uint32_t n = read_target (rewrite, node, 3, sizes);
  if (n < 2 || weir_node_attr (node, "axes") ||
      sizes[0] != rewrite->shapes->values[node->src[0]].dims[0])
    return;
  replace_target (rewrite, node_id, 3, sizes + 1, n - 1);
  node = weir_graph_node (graph, node_id);
  axes = weir_arena_new_array (graph->arena, int64_t, n - 1);
  for (uint32_t i = 1; i < n; i++)
    axes[i - 1] = i;
  WeirAttr *attrs = weir_arena_new_array (graph->arena, WeirAttr, (size_t) node->n_attrs + 1);
  if (node->n_attrs)
    memcpy (attrs, node->attrs, node->n_attrs * sizeof *attrs);
  attrs[node->n_attrs++] =
      (WeirAttr){ .name = "axes", .kind = WEIR_ATTR_INTS, .n = n - 1, .ints = axes };
  node->attrs = attrs;
}

/* Nodes that work on data, not on shapes: those that a batch axis leads to. */
static void rewrite_nodes (Rewrite *rewrite)
{
  for (uint32_t n = 0; n < rewrite->graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (rewrite->graph, n);
    if (node->dst[0] == WEIR_NONE || rewrite->axes[node->dst[0]] == WEIR_NONE)
      continue;
    if (node->op == WEIR_OP_RESHAPE)
      rewrite_reshape (rewrite, n);
    else if (node->op == WEIR_OP_RESIZE && rewrite->axes[node->dst[0]] == 0)
      rewrite_resize (rewrite, n);
  }
}

static void undo (Rewrite *rewrite, uint32_t n_values)
{
  for (uint32_t i = rewrite->changes->len; i-- > 0;) {
    const Change *change = &g_array_index (rewrite->changes, Change, i);
    WeirNode *node = weir_graph_node (rewrite->graph, change->node);
    node->src[change->src_index] = change->src;
    node->attrs = change->attrs;
    node->n_attrs = change->n_attrs;
  }
  g_array_set_size (rewrite->changes, 0);
  g_array_set_size (rewrite->graph->values, n_values);
}

/* True when the graph batches now; else it is as before, and *why (newly allocated) says why. */
static bool try_attempt (Rewrite *rewrite, WeirEvaluateFn evaluate, char **why)
{
  uint32_t n_values = rewrite->graph->values->len;
  if (rewrite->attempt != AS_IT_IS)
    rewrite_nodes (rewrite);
  if (rewrite->attempt != AS_IT_IS && !rewrite->changes->len)
    return false;
  g_free (*why);
  *why = weir_batch_prove (rewrite->graph, evaluate);
  if (*why)
    undo (rewrite, n_values);
  return !*why;
}

/* Without a batch, a first dim that the file leaves open is 1. */
static void pin_inputs (WeirGraph *graph)
{
  graph->has_batch = false;
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    WeirTensor *tensor =
        &weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, i))->tensor;
    for (uint32_t axis = 0; axis < 2 && axis < tensor->rank; axis++)
      if (tensor->dims[axis] < 0)
        tensor->dims[axis] = 1;
  }
}

bool weir_batch_rewrite (
    WeirGraph *graph, WeirEvaluateFn evaluate, const char **reason, bool *rewritten, GError **error)
{
  *rewritten = false;
  *reason = check_inputs (graph);
  if (*reason) {
    pin_inputs (graph);
    return true;
  }
  graph->has_batch = true;
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, evaluate, error);
  if (!shapes) {
    graph->has_batch = false;
    return false;
  }
  g_autofree char *why = NULL;
  g_autofree uint32_t *axes = weir_batch_axes (graph, shapes);
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (Change));
  Rewrite rewrite = { .graph = graph, .shapes = shapes, .axes = axes, .changes = changes };
  for (; rewrite.attempt < N_ATTEMPTS; rewrite.attempt++)
    if (try_attempt (&rewrite, evaluate, &why)) {
      *rewritten = changes->len > 0;
      return true;
    }
  pin_inputs (graph);
  *reason = weir_arena_strdup (graph->arena, why);
  return true;
}
