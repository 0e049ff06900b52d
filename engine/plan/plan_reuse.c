/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which sources a step may write its result over: those that nothing reads any more.
 *
 * Bytes are shared by views and by the same value in two layouts, so all instances on them are
 * asked. Readers are counted by value and node: a view still to come is a later reader. */
#include "engine/plan/plan_types.h"

void weir_plan_find_readers (WeirPlan *plan)
{
  const WeirGraph *graph = plan->target->graph;
  plan->last_reader = weir_arena_new_array (plan->arena, uint32_t, graph->values->len + 1);
  for (uint32_t id = 0; id < graph->nodes->len; id++) {
    const WeirNode *node = weir_graph_node (graph, id);
    bool is_tail = false; /* runs behind all steps */
    for (uint32_t i = 0; i < node->n_dst; i++)
      is_tail |= node->dst[i] != WEIR_NONE && plan->shapes->is_dynamic[node->dst[i]];
    for (uint32_t i = 0; i < node->n_src; i++)
      if (node->src[i] != WEIR_NONE && plan->last_reader[node->src[i]] != WEIR_NONE)
        plan->last_reader[node->src[i]] = is_tail ? WEIR_NONE : id;
  }
  for (uint32_t k = 0; k < graph->inputs->len; k++)
    plan->last_reader[g_array_index (graph->inputs, uint32_t, k)] = WEIR_NONE;
  for (uint32_t k = 0; k < graph->outputs->len; k++)
    plan->last_reader[g_array_index (graph->outputs, uint32_t, k)] = WEIR_NONE;
}

bool weir_plan_is_last_reader (
    const WeirPlan *plan, uint32_t node, const WeirStepSpec *spec, const uint32_t *src, uint32_t i)
{
  uint32_t root = weir_plan_instance (plan, src[i])->root;
  if (weir_plan_instance (plan, root)->tensor.buffer)
    return false;
  for (uint32_t k = 0; k < spec->n_src; k++)
    if (k != i && src[k] != WEIR_NONE && weir_plan_instance (plan, src[k])->root == root)
      return false;
  for (uint32_t id = root; id < plan->instances->len; id++) {
    const WeirInstance *instance = weir_plan_instance (plan, id);
    uint32_t last = plan->last_reader[instance->value];
    if (instance->root == root && (last == WEIR_NONE || last > node))
      return false;
  }
  return true;
}

uint32_t weir_plan_may_overwrite (
    const WeirPlan *plan, uint32_t node, const WeirStepSpec *spec, const uint32_t *src)
{
  uint32_t bits = 0;
  for (uint32_t i = 0; i < MIN (spec->n_src, 32); i++) {
    const WeirTensor *from = &spec->src[i], *to = &spec->dst[0];
    if (src[i] != WEIR_NONE && from->dtype == to->dtype && weir_tensor_same_shape (from, to) &&
        (from->layout == to->layout || weir_layouts_agree (from)) &&
        weir_plan_instance (plan, src[i])->on_device == (spec->dst_on_device & 1) &&
        weir_plan_is_last_reader (plan, node, spec, src, i))
      bits |= 1u << i;
  }
  return bits;
}
