/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirGraph: building, asking, sorting, pruning.
 *
 * Sorting is a depth-first walk from every node in its present order to the producers of what it
 * reads, so nodes that are sorted already keep their order. The walk has a stack of its own: its
 * depth comes from a file. */
#include "engine/graph/graph.h"

#include "engine/base/file.h"
#include "engine/error.h"

#include <string.h>

WeirGraph *weir_graph_new (const char *source)
{
  WeirGraph *graph = g_new0 (WeirGraph, 1);
  graph->arena = weir_arena_new ();
  graph->source = weir_arena_strdup (graph->arena, source ? source : "graph");
  graph->nodes = g_array_new (FALSE, FALSE, sizeof (WeirNode));
  graph->values = g_array_new (FALSE, FALSE, sizeof (WeirValue));
  graph->inputs = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  graph->outputs = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  graph->files = g_ptr_array_new_with_free_func ((GDestroyNotify) weir_file_free);
  return graph;
}

void weir_graph_free (WeirGraph *graph)
{
  if (!graph)
    return;
  g_array_unref (graph->nodes);
  g_array_unref (graph->values);
  g_array_unref (graph->inputs);
  g_array_unref (graph->outputs);
  g_ptr_array_unref (graph->files);
  weir_arena_free (graph->arena);
  g_free (graph);
}

WeirGraph *weir_graph_copy (const WeirGraph *graph)
{
  WeirGraph *copy = weir_graph_new (graph->source);
  copy->has_batch = graph->has_batch;
  copy->known = graph->known;
  g_array_append_vals (copy->nodes, graph->nodes->data, graph->nodes->len);
  g_array_append_vals (copy->values, graph->values->data, graph->values->len);
  g_array_append_vals (copy->inputs, graph->inputs->data, graph->inputs->len);
  g_array_append_vals (copy->outputs, graph->outputs->data, graph->outputs->len);
  for (uint32_t i = 0; i < copy->nodes->len; i++) {
    WeirNode *node = weir_graph_node (copy, i);
    node->src =
        weir_arena_memdup (copy->arena, node->src, weir_n_bytes (sizeof *node->src, node->n_src));
    node->dst =
        weir_arena_memdup (copy->arena, node->dst, weir_n_bytes (sizeof *node->dst, node->n_dst));
    node->attrs = weir_arena_memdup (
        copy->arena, node->attrs, weir_n_bytes (sizeof *node->attrs, node->n_attrs));
  }
  return copy;
}

uint32_t weir_graph_add_value (WeirGraph *graph, const char *name)
{
  WeirValue value = {
    .name = weir_arena_strdup (graph->arena, name ? name : ""),
    .producer = WEIR_NONE,
  };
  g_array_append_val (graph->values, value);
  return graph->values->len - 1;
}

uint32_t weir_graph_add_constant (WeirGraph *graph, const char *name, const WeirTensor *tensor)
{
  uint32_t id = weir_graph_add_value (graph, name);
  WeirValue *value = weir_graph_value (graph, id);
  value->is_constant = true;
  value->tensor = *tensor;
  return id;
}

uint32_t weir_graph_add_node (WeirGraph *graph, const WeirNode *node)
{
  WeirNode copy = *node;
  uint32_t id = graph->nodes->len;
  copy.name = weir_arena_strdup (graph->arena, node->name ? node->name : "");
  copy.src =
      weir_arena_memdup (graph->arena, node->src, weir_n_bytes (sizeof (uint32_t), node->n_src));
  copy.dst =
      weir_arena_memdup (graph->arena, node->dst, weir_n_bytes (sizeof (uint32_t), node->n_dst));
  for (uint32_t i = 0; i < copy.n_dst; i++)
    if (copy.dst[i] < graph->values->len)
      weir_graph_value (graph, copy.dst[i])->producer = id;
  g_array_append_val (graph->nodes, copy);
  return id;
}

const WeirAttr *weir_node_attr (const WeirNode *node, const char *name)
{
  for (uint32_t i = 0; i < node->n_attrs; i++)
    if (strcmp (node->attrs[i].name, name) == 0)
      return &node->attrs[i];
  return NULL;
}

static const WeirAttr *attr_of_kind (const WeirNode *node, const char *name, WeirAttrKind kind)
{
  const WeirAttr *attr = weir_node_attr (node, name);
  return attr && attr->kind == kind ? attr : NULL;
}

int64_t weir_node_int (const WeirNode *node, const char *name, int64_t fallback)
{
  const WeirAttr *attr = attr_of_kind (node, name, WEIR_ATTR_INT);
  return attr ? attr->i : fallback;
}

float weir_node_float (const WeirNode *node, const char *name, float fallback)
{
  const WeirAttr *attr = attr_of_kind (node, name, WEIR_ATTR_FLOAT);
  return attr ? attr->f : fallback;
}

const char *weir_node_string (const WeirNode *node, const char *name, const char *fallback)
{
  const WeirAttr *attr = attr_of_kind (node, name, WEIR_ATTR_STRING);
  return attr ? attr->s : fallback;
}

const int64_t *weir_node_ints (const WeirNode *node, const char *name, uint32_t *n)
{
  const WeirAttr *attr = attr_of_kind (node, name, WEIR_ATTR_INTS);
  *n = attr ? attr->n : 0;
  return attr && attr->n ? attr->ints : NULL;
}

void weir_graph_set_int (WeirGraph *graph, WeirNode *node, const char *name, int64_t value)
{
  WeirAttr attr = { .kind = WEIR_ATTR_INT, .n = 1, .i = value };
  for (uint32_t i = 0; i < node->n_attrs; i++)
    if (strcmp (node->attrs[i].name, name) == 0) {
      attr.name = node->attrs[i].name;
      node->attrs[i] = attr;
      return;
    }
  attr.name = weir_arena_strdup (graph->arena, name);
  WeirAttr *attrs = weir_arena_new_array (graph->arena, WeirAttr, (size_t) node->n_attrs + 1);
  if (node->n_attrs)
    memcpy (attrs, node->attrs, node->n_attrs * sizeof *attrs);
  attrs[node->n_attrs++] = attr;
  node->attrs = attrs;
}

uint32_t weir_graph_n_uses (const WeirGraph *graph, uint32_t value)
{
  uint32_t n_uses = 0;
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    for (uint32_t i = 0; i < node->n_src; i++)
      n_uses += node->src[i] == value;
  }
  for (uint32_t i = 0; i < graph->outputs->len; i++)
    n_uses += g_array_index (graph->outputs, uint32_t, i) == value;
  return n_uses;
}

void weir_graph_replace_uses (WeirGraph *graph, uint32_t from, uint32_t to)
{
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    WeirNode *node = weir_graph_node (graph, n);
    for (uint32_t i = 0; i < node->n_src; i++)
      if (node->src[i] == from)
        node->src[i] = to;
  }
  for (uint32_t i = 0; i < graph->outputs->len; i++)
    if (g_array_index (graph->outputs, uint32_t, i) == from)
      g_array_index (graph->outputs, uint32_t, i) = to;
}

bool weir_node_error (
    const WeirGraph *graph, const WeirNode *node, int code, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, WEIR_ERROR, code, "%s: node '%s' (%s): %s", graph->source, node->name,
      weir_op_info (node->op)->name, text);
  return false;
}

static bool graph_error (const WeirGraph *graph, GError **error, const char *what, const char *name)
{
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_FORMAT, "%s: %s '%s'", graph->source, what, name);
  return false;
}

static bool check_count (const WeirGraph *graph, const WeirNode *node, const char *what, uint32_t n,
    uint32_t least, uint32_t most, GError **error)
{
  if (n >= least && n <= most)
    return true;
  return weir_node_error (
      graph, node, WEIR_ERROR_FORMAT, error, "has %u %s, expected %u to %u", n, what, least, most);
}

static bool check_src (
    const WeirGraph *graph, const WeirNode *node, uint32_t i, uint32_t min_src, GError **error)
{
  uint32_t id = node->src[i];
  if (id == WEIR_NONE)
    return i >= min_src || weir_node_error (graph, node, WEIR_ERROR_FORMAT, error,
                               "input %u is not given, but required", i);
  if (id >= graph->values->len)
    return weir_node_error (graph, node, WEIR_ERROR_FORMAT, error, "input %u is value %u of %u", i,
        id, graph->values->len);
  return true;
}

/* `producers` collects who makes each value; a second one, or one of an input or a constant, fails.
 */
static bool check_dst (
    const WeirGraph *graph, uint32_t node_id, uint32_t i, uint32_t *producers, GError **error)
{
  const WeirNode *node = weir_graph_node (graph, node_id);
  uint32_t id = node->dst[i];
  if (id == WEIR_NONE)
    return i >= weir_op_info (node->op)->min_dst ||
           weir_node_error (
               graph, node, WEIR_ERROR_FORMAT, error, "output %u is not given, but required", i);
  if (id >= graph->values->len)
    return weir_node_error (graph, node, WEIR_ERROR_FORMAT, error, "output %u is value %u of %u", i,
        id, graph->values->len);
  const WeirValue *value = weir_graph_value (graph, id);
  if (value->is_constant || producers[id] != WEIR_NONE)
    return weir_node_error (
        graph, node, WEIR_ERROR_FORMAT, error, "writes '%s', which exists already", value->name);
  producers[id] = node_id;
  return true;
}

static bool check_node (
    const WeirGraph *graph, uint32_t node_id, uint32_t *producers, GError **error)
{
  const WeirNode *node = weir_graph_node (graph, node_id);
  const WeirOpInfo *info = weir_op_info (node->op);
  if ((unsigned) node->op >= WEIR_N_OPS)
    return weir_node_error (graph, node, WEIR_ERROR_UNSUPPORTED, error, "unknown operator");
  /* Fused nodes read their residuals after the inputs of the operator. */
  uint32_t max_src = node->n_post ? UINT32_MAX : info->max_src;
  if (!check_count (graph, node, "inputs", node->n_src, info->min_src, max_src, error) ||
      !check_count (graph, node, "outputs", node->n_dst, info->min_dst, info->max_dst, error))
    return false;
  for (uint32_t i = 0; i < node->n_src; i++)
    if (!check_src (graph, node, i, info->min_src, error))
      return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (!check_dst (graph, node_id, i, producers, error))
      return false;
  return true;
}

/* Marks inputs and constants with a producer of their own kind, so that what is left has none. */
static bool check_sources (const WeirGraph *graph, const uint32_t *producers, GError **error)
{
  g_autofree uint8_t *is_input = g_malloc0 ((size_t) graph->values->len + 1);
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    uint32_t id = g_array_index (graph->inputs, uint32_t, i);
    if (id >= graph->values->len || producers[id] != WEIR_NONE ||
        weir_graph_value (graph, id)->is_constant || is_input[id])
      return graph_error (graph, error, "an input of the graph is made elsewhere too:",
          id < graph->values->len ? weir_graph_value (graph, id)->name : "?");
    is_input[id] = 1;
  }
  for (uint32_t n = 0; n < graph->nodes->len; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    for (uint32_t i = 0; i < node->n_src; i++) {
      uint32_t id = node->src[i];
      if (id != WEIR_NONE && !is_input[id] && producers[id] == WEIR_NONE &&
          !weir_graph_value (graph, id)->is_constant)
        return weir_node_error (graph, node, WEIR_ERROR_FORMAT, error,
            "reads '%s', which nothing makes", weir_graph_value (graph, id)->name);
    }
  }
  for (uint32_t i = 0; i < graph->outputs->len; i++) {
    uint32_t id = g_array_index (graph->outputs, uint32_t, i);
    if (id >= graph->values->len)
      return graph_error (graph, error, "no such output:", "?");
    if (!is_input[id] && producers[id] == WEIR_NONE && !weir_graph_value (graph, id)->is_constant)
      return graph_error (
          graph, error, "nothing makes the graph's output", weir_graph_value (graph, id)->name);
  }
  return true;
}

typedef struct Visit {
  uint32_t node, next_src;
} Visit;

typedef enum Mark { UNSEEN = 0, OPEN, DONE } Mark;

/* Appends `start` and what it needs to `order`, needs first. */
static bool visit (const WeirGraph *graph, const uint32_t *producers, uint32_t start,
    uint8_t *marks, GArray *stack, GArray *order, GError **error)
{
  Visit first = { start, 0 };
  g_array_append_val (stack, first);
  marks[start] = OPEN;
  while (stack->len) {
    Visit *top = &g_array_index (stack, Visit, stack->len - 1);
    const WeirNode *node = weir_graph_node (graph, top->node);
    if (top->next_src == node->n_src) {
      marks[top->node] = DONE;
      g_array_append_val (order, top->node);
      g_array_set_size (stack, stack->len - 1);
      continue;
    }
    uint32_t src = node->src[top->next_src++];
    uint32_t producer = src == WEIR_NONE ? WEIR_NONE : producers[src];
    if (producer == WEIR_NONE || marks[producer] == DONE)
      continue;
    if (marks[producer] == OPEN)
      return weir_node_error (
          graph, node, WEIR_ERROR_FORMAT, error, "is part of a cycle: it needs its own result");
    marks[producer] = OPEN;
    Visit next = { producer, 0 };
    g_array_append_val (stack, next);
  }
  return true;
}

/* Keeps the nodes named in `order`, in that order, and renumbers the producers. */
static void take_order (WeirGraph *graph, const GArray *order)
{
  GArray *nodes = g_array_sized_new (FALSE, FALSE, sizeof (WeirNode), order->len);
  for (uint32_t v = 0; v < graph->values->len; v++)
    weir_graph_value (graph, v)->producer = WEIR_NONE;
  for (uint32_t n = 0; n < order->len; n++) {
    const WeirNode *node = weir_graph_node (graph, g_array_index (order, uint32_t, n));
    g_array_append_vals (nodes, node, 1);
    for (uint32_t i = 0; i < node->n_dst; i++)
      if (node->dst[i] != WEIR_NONE)
        weir_graph_value (graph, node->dst[i])->producer = n;
  }
  g_array_unref (graph->nodes);
  graph->nodes = nodes;
}

bool weir_graph_sort (WeirGraph *graph, GError **error)
{
  uint32_t n_nodes = graph->nodes->len, n_values = graph->values->len;
  g_autofree uint32_t *producers = g_new (uint32_t, (size_t) n_values + 1);
  for (uint32_t v = 0; v < n_values; v++)
    producers[v] = WEIR_NONE;
  for (uint32_t n = 0; n < n_nodes; n++)
    if (!check_node (graph, n, producers, error))
      return false;
  if (!check_sources (graph, producers, error))
    return false;

  g_autofree uint8_t *marks = g_malloc0 ((size_t) n_nodes + 1);
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (Visit));
  g_autoptr (GArray) order = g_array_sized_new (FALSE, FALSE, sizeof (uint32_t), n_nodes);
  for (uint32_t n = 0; n < n_nodes; n++)
    if (marks[n] == UNSEEN && !visit (graph, producers, n, marks, stack, order, error))
      return false;
  take_order (graph, order);
  return true;
}

/* A queue of values somebody reads; each is taken up once. */
static void want (const WeirGraph *graph, uint32_t value, uint8_t *is_live, GArray *queue)
{
  uint32_t producer = value == WEIR_NONE ? WEIR_NONE : weir_graph_value (graph, value)->producer;
  if (producer == WEIR_NONE || is_live[producer])
    return;
  is_live[producer] = 1;
  g_array_append_val (queue, producer);
}

void weir_graph_prune (WeirGraph *graph)
{
  g_autofree uint8_t *is_live = g_malloc0 ((size_t) graph->nodes->len + 1);
  g_autoptr (GArray) queue = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (uint32_t i = 0; i < graph->outputs->len; i++)
    want (graph, g_array_index (graph->outputs, uint32_t, i), is_live, queue);
  while (queue->len) {
    const WeirNode *node = weir_graph_node (graph, g_array_index (queue, uint32_t, queue->len - 1));
    g_array_set_size (queue, queue->len - 1);
    for (uint32_t i = 0; i < node->n_src; i++)
      want (graph, node->src[i], is_live, queue);
  }
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (uint32_t n = 0; n < graph->nodes->len; n++)
    if (is_live[n])
      g_array_append_val (order, n);
  take_order (graph, order);
}
