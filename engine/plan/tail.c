/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shape inference and evaluation, node by node, in an arena that every run starts anew. */
#include "engine/plan/tail.h"

#include <string.h>

struct WeirTail {
  const WeirPlan *plan;
  WeirArena *arena;   /* results of the last run */
  WeirTensor *values; /* by value id; those that the plan knows, or that were set, stay */
  GArray *src, *dst;  /* WeirTensor, of the node at hand */
};

WeirTail *weir_tail_new (const WeirPlan *plan)
{
  WeirTail *tail = g_new0 (WeirTail, 1);
  const WeirShapes *shapes = plan->shapes;
  tail->plan = plan;
  tail->arena = weir_arena_new ();
  tail->values = g_memdup2 (shapes->values, shapes->n_values * sizeof *shapes->values);
  tail->src = g_array_new (FALSE, TRUE, sizeof (WeirTensor));
  tail->dst = g_array_new (FALSE, TRUE, sizeof (WeirTensor));
  return tail;
}

void weir_tail_free (WeirTail *tail)
{
  if (!tail)
    return;
  weir_arena_free (tail->arena);
  g_array_unref (tail->src);
  g_array_unref (tail->dst);
  g_free (tail->values);
  g_free (tail);
}

void weir_tail_set_source (WeirTail *tail, uint32_t value, const WeirTensor *tensor)
{
  tail->values[value] = *tensor;
}

const WeirTensor *weir_tail_value (const WeirTail *tail, uint32_t value)
{
  return &tail->values[value];
}

/* A tensor without elements gets an address too: it is known. */
static bool allocate (WeirTail *tail, const WeirShapeJob *job, GError **error)
{
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    size_t n_bytes;
    if (job->node->dst[i] == WEIR_NONE)
      continue;
    job->dst[i].buffer = NULL;
    if (weir_tensor_bytes (&job->dst[i], &n_bytes))
      job->dst[i].buffer = weir_arena_try_alloc (tail->arena, MAX (n_bytes, 1));
    if (!job->dst[i].buffer) {
      g_autofree char *shape = weir_tensor_describe (&job->dst[i]);
      return weir_node_error (
          job->graph, job->node, WEIR_ERROR_MEMORY, error, "no memory for its result %s", shape);
    }
  }
  return true;
}

static bool run_node (WeirTail *tail, const WeirNode *node, GError **error)
{
  static const WeirTensor absent;
  g_array_set_size (tail->src, 0);
  for (uint32_t i = 0; i < node->n_src; i++)
    g_array_append_vals (
        tail->src, node->src[i] == WEIR_NONE ? &absent : &tail->values[node->src[i]], 1);
  g_array_set_size (tail->dst, 0);
  g_array_set_size (tail->dst, node->n_dst); /* cleared: the array was made so */
  WeirTensor *dst = (WeirTensor *) (void *) tail->dst->data;
  const WeirTensor *src = (const WeirTensor *) (void *) tail->src->data;
  WeirShapeJob job = { tail->plan->target->graph, node, src, dst, NULL };
  if (!weir_shape_node (&job, error) || !allocate (tail, &job, error) ||
      !weir_ref_evaluate (job.graph, node, src, dst, error))
    return false;
  for (uint32_t i = 0; i < node->n_dst; i++)
    if (node->dst[i] != WEIR_NONE)
      tail->values[node->dst[i]] = dst[i];
  return true;
}

bool weir_tail_run (WeirTail *tail, GError **error)
{
  const GArray *nodes = tail->plan->tail;
  weir_arena_reset (tail->arena);
  for (uint32_t i = 0; i < nodes->len; i++)
    if (!run_node (tail,
            weir_graph_node (tail->plan->target->graph, g_array_index (nodes, uint32_t, i)), error))
      return false;
  return true;
}
