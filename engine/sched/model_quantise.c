/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The second graph of a quantised model: the one that runs in 8 bits. */
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "engine/sched/model_types.h"

/* DequantizeLinear alone does not tell: a file may hold nothing but its weights so. */
static bool is_quantiser (WeirOp op)
{
  static const bool table[WEIR_N_OPS] = {
    [WEIR_OP_QUANTIZE_LINEAR] = true,
    [WEIR_OP_OV_FAKE_QUANTIZE] = true,
    [WEIR_OP_DYNAMIC_QUANTIZE_LINEAR] = true,
    [WEIR_OP_CONV_INTEGER] = true,
    [WEIR_OP_MAT_MUL_INTEGER] = true,
    [WEIR_OP_Q_LINEAR_CONV] = true,
    [WEIR_OP_Q_LINEAR_MAT_MUL] = true,
    [WEIR_OP_Q_GEMM] = true,
  };
  return table[op];
}

static bool has_quantisers (const WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->nodes->len; i++)
    if (is_quantiser (weir_graph_node (graph, i)->op))
      return true;
  return false;
}

bool weir_model_quantise (WeirModel *model, GError **error)
{
  if (!has_quantisers (model->graph))
    return true;
  g_autoptr (WeirGraph) graph = weir_graph_copy (model->graph);
  if (!weir_quantise (graph, weir_ref_evaluate, &model->n_quantised, &model->n_computing, error) ||
      !weir_fold (graph, weir_ref_evaluate, error) || !weir_fuse (graph, weir_ref_evaluate, error))
    return false;
  if (model->n_computing)
    model->quantised = g_steal_pointer (&graph);
  return true;
}
