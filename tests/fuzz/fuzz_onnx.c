/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: bytes to graph, folded, made to batch, fused, and quantised. With a fuzzing engine
 * this is its target; without one, main replays the corpus and mutates it with a fixed seed. */
#include "engine/error.h"
#include "engine/formats/onnx_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/fuzz/replay.h"

static void pin_dynamic (WeirGraph *graph)
{
  for (uint32_t i = 0; i < graph->inputs->len; i++) {
    WeirTensor *tensor =
        &weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, i))->tensor;
    for (uint32_t k = 1; k < tensor->rank; k++)
      if (tensor->dims[k] < 0)
        tensor->dims[k] = 8;
  }
}

/* As a model does it: the graph for f32, and the one for 8 bits. */
static bool prepare (WeirGraph *graph, GError **error)
{
  const char *reason;
  bool rewritten;
  uint32_t n_quantised, n_total;
  if (!weir_fold_but_quantisers (graph, weir_ref_evaluate, error) ||
      !weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &rewritten, error))
    return false;
  g_autoptr (WeirGraph) copy = weir_graph_copy (graph);
  return weir_quantise (copy, weir_ref_evaluate, &n_quantised, &n_total, error) &&
         weir_fold (copy, weir_ref_evaluate, error) && weir_fuse (copy, weir_ref_evaluate, error) &&
         weir_fold (graph, weir_ref_evaluate, error) &&
         weir_quantise_floats (graph, weir_ref_evaluate, error) &&
         weir_fuse (graph, weir_ref_evaluate, error);
}

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirGraph) graph = weir_onnx_parse ("fuzz.onnx", bytes, n_bytes, NULL, &error);
  if (graph) {
    pin_dynamic (graph);
    prepare (graph, &error);
  }
  if (error && (error->domain != WEIR_ERROR || !g_utf8_validate (error->message, -1, NULL)))
    g_error ("not an error of ours: %s", error->message);
  return 0;
}

#ifndef WEIR_FUZZ_ENGINE
int main (int argc, char **argv)
{
  return fuzz_replay (argc, argv);
}
#endif
