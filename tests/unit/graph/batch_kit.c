/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Graphs node by node on the reference backend, in a batch and alone. */
#include "tests/unit/graph/batch_kit.h"

#include <check.h>
#include <math.h>

#include "engine/formats/formats.h"
#include "engine/formats/onnx_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"

OnnxBuilder *batch_kit_net (const char *dims)
{
  OnnxBuilder *builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims);
  onnx_builder_output (builder, "y");
  return builder;
}

WeirGraph *batch_kit_parse (const OnnxBuilder *builder)
{
  g_autoptr (GBytes) packed = onnx_builder_pack (builder);
  g_autoptr (GError) error = NULL;
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (packed, &n_bytes);
  WeirGraph *graph = weir_onnx_parse ("net.onnx", bytes, n_bytes, NULL, &error);
  ck_assert_msg (graph != NULL, "%s", error ? error->message : "");
  ck_assert_msg (weir_fold (graph, weir_ref_evaluate, &error), "%s", error ? error->message : "");
  return graph;
}

/* Computes every value at batch n; the first input's bytes are given. */
static WeirShapes *run_graph (const WeirGraph *graph, uint32_t n, const float *input)
{
  g_autoptr (GError) error = NULL;
  WeirShapes *shapes = weir_shapes_infer (graph, n, weir_ref_evaluate, &error);
  ck_assert_msg (shapes != NULL, "%s", error ? error->message : "");
  shapes->values[g_array_index (graph->inputs, uint32_t, 0)].buffer = (void *) input;
  for (uint32_t i = 0; i < graph->nodes->len; i++) {
    const WeirNode *node = weir_graph_node (graph, i);
    WeirTensor src[64] = { 0 }, dst[64] = { 0 };
    ck_assert (node->n_src <= 64 && node->n_dst <= 64);
    for (uint32_t k = 0; k < node->n_src; k++)
      if (node->src[k] != WEIR_NONE)
        src[k] = shapes->values[node->src[k]];
    for (uint32_t k = 0; k < node->n_dst; k++) {
      size_t n_bytes = 0;
      dst[k] = shapes->values[node->dst[k]];
      ck_assert (weir_tensor_bytes (&dst[k], &n_bytes));
      dst[k].buffer = weir_arena_alloc (shapes->arena, n_bytes);
      shapes->values[node->dst[k]] = dst[k];
    }
    ck_assert_msg (
        weir_ref_evaluate (graph, node, src, dst, &error), "%s", error ? error->message : "");
  }
  return shapes;
}

void batch_kit_check (const WeirGraph *graph)
{
  enum { N = 3 };
  const WeirTensor *input =
      &weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, 0))->tensor;
  size_t n_row = 1;
  for (uint32_t i = 1; i < input->rank; i++)
    n_row *= (size_t) input->dims[i];
  g_autofree float *samples = g_new (float, N *n_row);
  g_autoptr (GRand) random = g_rand_new_with_seed (11);
  for (size_t i = 0; i < N * n_row; i++)
    samples[i] = (float) g_rand_double_range (random, -1, 1);
  g_autoptr (WeirShapes) batch = run_graph (graph, N, samples);
  for (uint32_t n = 0; n < N; n++) {
    g_autoptr (WeirShapes) alone = run_graph (graph, 1, samples + n * n_row);
    for (uint32_t k = 0; k < graph->outputs->len; k++) {
      uint32_t id = g_array_index (graph->outputs, uint32_t, k);
      int64_t n_elements;
      ck_assert (weir_tensor_n_elements (&alone->values[id], &n_elements));
      const float *one = weir_tensor_data (&alone->values[id]);
      const float *all = (const float *) weir_tensor_data (&batch->values[id]) + n * n_elements;
      for (int64_t i = 0; i < n_elements; i++)
        ck_assert_msg (fabsf (one[i] - all[i]) <= 1e-5f * (1 + fabsf (one[i])),
            "sample %u, output %u, element %d: %g alone, %g in the batch", n, k, (int) i,
            (double) one[i], (double) all[i]);
    }
  }
}
