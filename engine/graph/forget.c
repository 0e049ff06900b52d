/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Constants that passes have replaced: weights before they were folded, scaled or transposed. */
#include "engine/graph/graph.h"

static int compare_addresses (const void *a, const void *b)
{
  uintptr_t x = *(const uintptr_t *) a, y = *(const uintptr_t *) b;
  return (x > y) - (x < y);
}

static void keep (GArray *kept, const WeirTensor *tensor)
{
  uintptr_t address = (uintptr_t) tensor->buffer;
  if (address)
    g_array_append_val (kept, address);
}

static void keep_node (GArray *kept, const WeirGraph *graph, const WeirNode *node)
{
  for (uint32_t i = 0; i < node->n_src; i++)
    if (node->src[i] != WEIR_NONE)
      keep (kept, &weir_graph_value (graph, node->src[i])->tensor);
  for (uint32_t i = 0; i < node->n_attrs; i++)
    if (node->attrs[i].kind == WEIR_ATTR_TENSOR)
      keep (kept, &node->attrs[i].tensor);
}

static void keep_graph (GArray *kept, const WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->nodes->len; i++)
    keep_node (kept, graph, weir_graph_node (graph, i));
  for (uint32_t i = 0; i < graph->outputs->len; i++)
    keep (kept, &weir_graph_value (graph, g_array_index (graph->outputs, uint32_t, i))->tensor);
}

/* A buffer that is still read, from its start or by a view of it, keeps all that point at it. */
static bool is_kept (const GArray *kept, const void *buffer)
{
  uintptr_t address = (uintptr_t) buffer;
  return g_array_binary_search ((GArray *) kept, &address, compare_addresses, NULL);
}

void weir_graph_forget_constants (WeirGraph *graph, const WeirGraph *sharer)
{
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (uintptr_t));
  keep_graph (kept, graph);
  if (sharer)
    keep_graph (kept, sharer);
  g_array_sort (kept, compare_addresses);
  for (uint32_t i = 0; i < graph->values->len; i++) {
    WeirValue *value = weir_graph_value (graph, i);
    void *buffer = value->is_constant ? value->tensor.buffer : NULL;
    if (!buffer || is_kept (kept, buffer))
      continue;
    weir_arena_release (graph->arena, buffer, (const uintptr_t *) kept->data, kept->len);
    value->is_constant = false;
    value->tensor = (WeirTensor){ 0 };
  }
}
