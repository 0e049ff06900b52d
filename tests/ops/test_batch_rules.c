/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Graphs of one operator of OpenVINO IR: whether they are proved to run at any batch, and that
 * three samples at once then give what each gives alone. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/graph/batch_proof.h"
#include "engine/plan/backend.h"
#include "tests/ops/row.h"

#define N_SAMPLES 3

/* Inputs that are not constants carry the batch in `axis`. */
static const struct {
  const char *text;
  uint32_t axis;
  bool is_proved;
} rows[] = {
  { "openvino:FakeQuantize f32[1,3,4](-3,3) f32[]!{-1} f32[3,1]!{1,2,3} f32[]!{0} f32[]!{1} -> "
    "f32[]",
      0, true },
  { "openvino:FakeQuantize f32[1,3](-3,3) f32[]!{-1} f32[2,1]!{1,2} f32[]!{0} f32[]!{1} -> f32[]",
      0, false },
  { "openvino:MVN f32[1,3,4] i64[2]!{1,2} opset=6 -> f32[]", 0, true },
  { "openvino:MVN f32[1,3,4] i64[2]!{0,2} opset=6 -> f32[]", 0, false },
  { "openvino:MVN f32[1,3,4] across_channels=1 opset=2 -> f32[]", 0, true },
  { "openvino:NormalizeL2 f32[1,8] i64[1]!{-1} eps=0.1 -> f32[]", 0, true },
  { "openvino:NormalizeL2 f32[1,8] i64[1]!{0} eps=0.1 -> f32[]", 0, false },
  { "openvino:GRN f32[1,8,2] bias=0.1 -> f32[]", 0, true },
  { "openvino:GRN f32[8,1,2] bias=0.1 -> f32[]", 1, false },
  { "openvino:RegionYolo f32[1,12,2,2] num=2 coords=4 classes=1 axis=1 end_axis=3 -> f32[]", 0,
      true },
  { "openvino:RegionYolo f32[1,12,2,2] num=2 coords=4 classes=1 axis=0 end_axis=3 -> f32[]", 0,
      false },
  { "openvino:ReorgYolo f32[1,8,4,4] stride=2 -> f32[]", 0, true },
  { "openvino:ShuffleChannels f32[1,6,2] group=3 -> f32[]", 0, true },
  { "openvino:ShuffleChannels f32[2,6] axis=0 group=2 -> f32[]", 0, false },
  { "openvino:StridedSlice f32[1,3,4] i64[2]!{0,1} i64[2]!{0,3} begin_mask=[1,0] end_mask=[1,0] -> "
    "f32[]",
      0, true },
  { "openvino:StridedSlice f32[1,3,4] i64[2]!{0,0} i64[2]!{0,0} begin_mask=[1,0] end_mask=[1,0] "
    "shrink_axis_mask=[0,1] -> f32[]",
      0, true },
  { "openvino:StridedSlice f32[1,3,4] i64[1]!{0} i64[1]!{1} begin_mask=[0] end_mask=[0] -> f32[]",
      0, false },
  { "openvino:StridedSlice f32[1,3,4] i64[1]!{0} i64[1]!{1} i64[1]!{-1} begin_mask=[1] "
    "end_mask=[1] "
    "-> f32[]",
      0, false },
  { "openvino:Interpolate f32[1,2,3,3] i64[2]!{6,6} f32[2]!{2,2} i64[2]!{2,3} mode=linear_onnx "
    "shape_calculation_mode=sizes opset=4 -> f32[]",
      0, true },
  { "openvino:Interpolate f32[1,2,3,3] i64[4]!{1,2,6,6} f32[4]!{1,1,2,2} i64[4]!{0,1,2,3} "
    "mode=nearest shape_calculation_mode=sizes opset=4 -> f32[]",
      0, false },
  { "openvino:CTCGreedyDecoder f32[5,1,4] f32[5,1]!{1,1,1,1,0} opset=1 -> f32[]", 1, true },
  { "openvino:CTCGreedyDecoder f32[1,5,4] f32[1,5]!{1,1,1,1,0} opset=1 -> f32[]", 0, false },
  { "openvino:CTCGreedyDecoderSeqLen f32[1,5,4] i32[1](5,5.5) opset=6 -> f32[] -", 0, true },
  { "openvino:DetectionOutput f32[1,8] f32[1,6](0,1) "
    "f32[1,2,8]!{0.1,0.1,0.3,0.3,0.5,0.5,0.7,0.7,0.1,0.1,0.2,0.2,0.1,0.1,0.2,0.2} keep_top_k=[3] "
    "normalized=1 nms_threshold=0.5 code_type=CENTER_SIZE opset=8 -> f32[]",
      0, true },
  { "openvino:AdaptiveAvgPool f32[1,2,5] i64[1]!{3} opset=8 -> f32[]", 0, true },
  { "openvino:Bucketize f32[1,4] f32[2]!{0.2,0.6} opset=3 -> i64[]", 0, true },
  { "openvino:ExtractImagePatches f32[1,2,3,3] sizes=[2,2] strides=[1,1] rates=[1,1] -> f32[]", 0,
      true },
  { "openvino:TopK f32[1,6] i64[]!{2} axis=1 mode=max sort=index -> f32[] -", 0, true },
  { "openvino:ROIPooling f32[1,2,4,4] f32[3,5]!{0,0,0,1,1,0,0,0,1,1,0,0,0,1,1} pooled_h=2 "
    "pooled_w=2 "
    "-> f32[]",
      0, false },
  { "openvino:NonMaxSuppression f32[1,4,4] f32[1,2,4](0,1) i64[]!{3} f32[]!{0.5} opset=4 -> f32[]",
      0, false },
};

static WeirGraph *make_graph (size_t k, const Row *row)
{
  WeirGraph *graph = row_make_graph (row);
  graph->has_batch = true;
  for (uint32_t i = 0; i < graph->inputs->len; i++)
    weir_graph_value (graph, g_array_index (graph->inputs, uint32_t, i))->batch_axis = rows[k].axis;
  return graph;
}

static int64_t product (const WeirTensor *tensor, uint32_t from, uint32_t to)
{
  int64_t n = 1;
  for (uint32_t i = from; i < to; i++)
    n *= tensor->dims[i];
  return n;
}

/* Sample i of an input along the batch's axis; the whole of what has none. */
static WeirTensor take_sample (
    const WeirTensor *tensor, bool has_batch, uint32_t axis, int64_t i, WeirArena *arena)
{
  size_t size = weir_dtype_bytes (tensor->dtype);
  WeirTensor sample = *tensor;
  if (!has_batch)
    return sample;
  size_t n_inner = (size_t) product (tensor, axis + 1, tensor->rank) * size;
  int64_t n_outer = product (tensor, 0, axis);
  sample.dims[axis] = 1;
  sample.buffer = weir_arena_alloc (arena, (size_t) n_outer * n_inner);
  for (int64_t o = 0; o < n_outer; o++)
    memcpy ((char *) sample.buffer + (size_t) o * n_inner,
        (char *) tensor->buffer + (size_t) (o * tensor->dims[axis] + i) * n_inner, n_inner);
  return sample;
}

/* Result 0 of the graph's node at batch n, from `src`. */
static WeirTensor evaluate (
    const WeirGraph *graph, uint32_t n, const WeirTensor *src, WeirArena *arena)
{
  g_autoptr (GError) error = NULL;
  const WeirNode *node = weir_graph_node (graph, 0);
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, n, weir_ref_evaluate, &error);
  ck_assert_msg (shapes != NULL, "%s", error ? error->message : "");
  WeirTensor dst[ROW_MAX_TENSORS] = { shapes->values[node->dst[0]] };
  size_t n_bytes = 0;
  ck_assert (weir_tensor_bytes (&dst[0], &n_bytes));
  dst[0].buffer = weir_arena_alloc (arena, n_bytes);
  ck_assert_msg (
      weir_ref_evaluate (graph, node, src, dst, &error), "%s", error ? error->message : "");
  return dst[0];
}

/* The row's inputs at N_SAMPLES: those with a batch are filled again. */
static void fill_inputs (const Row *row, uint32_t axis, WeirTensor *src, WeirArena *arena)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  for (uint32_t i = 0; i < row->node.n_src; i++) {
    size_t n_bytes = 0;
    src[i] = row->src[i].tensor;
    if (row->src[i].is_constant || src[i].dtype == WEIR_DTYPE_NONE)
      continue;
    src[i].dims[axis] = N_SAMPLES;
    ck_assert (weir_tensor_bytes (&src[i], &n_bytes));
    src[i].buffer = weir_arena_alloc (arena, n_bytes);
    for (size_t k = 0; k < n_bytes / 4; k++)
      if (src[i].dtype == WEIR_DTYPE_F32)
        ((float *) src[i].buffer)[k] = (float) g_rand_double_range (rand, 0, 1);
      else
        ((int32_t *) src[i].buffer)[k] = g_rand_int_range (rand, 1, 5);
  }
}

/* A batch of three against each sample alone. */
static void check_values (const WeirGraph *graph, const Row *row, uint32_t axis)
{
  g_autoptr (WeirArena) arena = weir_arena_new ();
  WeirTensor src[ROW_MAX_TENSORS], alone[ROW_MAX_TENSORS];
  fill_inputs (row, axis, src, arena);
  WeirTensor batch = evaluate (graph, N_SAMPLES, src, arena);
  ck_assert_int_eq (batch.dims[0], N_SAMPLES);
  for (int64_t i = 0; i < N_SAMPLES; i++) {
    size_t n_bytes = 0;
    for (uint32_t k = 0; k < row->node.n_src; k++)
      alone[k] = take_sample (&src[k], !row->src[k].is_constant, axis, i, arena);
    WeirTensor single = evaluate (graph, 1, alone, arena);
    ck_assert (weir_tensor_bytes (&single, &n_bytes));
    ck_assert_mem_eq ((char *) batch.buffer + (size_t) i * n_bytes, single.buffer, n_bytes);
  }
}

START_TEST (test_proof)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Row) row = row_parse ("rows", (uint32_t) _i, rows[_i].text, &error);
  ck_assert_msg (row != NULL, "%s", error ? error->message : "");
  g_autoptr (WeirGraph) graph = make_graph ((size_t) _i, row);
  g_autofree char *reason = weir_batch_prove (graph, weir_ref_evaluate);
  ck_assert_msg (
      !reason == rows[_i].is_proved, "%s: %s", rows[_i].text, reason ? reason : "proved");
  if (!reason)
    check_values (graph, row, rows[_i].axis);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("batch_rules");
  TCase *tcase = tcase_create ("batch_rules");
  tcase_add_loop_test (tcase, test_proof, 0, G_N_ELEMENTS (rows));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
