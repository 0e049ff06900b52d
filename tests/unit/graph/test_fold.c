/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* weir_fold: what becomes a constant, with which values, and what stays a node. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/formats/onnx_private.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/unit/formats/onnx_builder.h"

#define F32 ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

static WeirGraph *parse (const OnnxBuilder *builder)
{
  g_autoptr (GBytes) packed = onnx_builder_pack (builder);
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (packed, &n_bytes);
  WeirGraph *graph = weir_onnx_parse ("net.onnx", bytes, n_bytes, NULL, NULL);
  ck_assert_ptr_nonnull (graph);
  return graph;
}

static const WeirValue *value_named (const WeirGraph *graph, const char *name)
{
  for (uint32_t i = 0; i < graph->values->len; i++)
    if (strcmp (weir_graph_value (graph, i)->name, name) == 0)
      return weir_graph_value (graph, i);
  return NULL;
}

static OnnxBuilder *net (const char *output)
{
  OnnxBuilder *builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", F32, "1,3");
  onnx_builder_output (builder, output);
  return builder;
}

/* A chain of weights is computed; the node that reads it and the input stays. */
START_TEST (test_weights)
{
  g_autoptr (OnnxBuilder) builder = net ("y");
  onnx_builder_ramp (builder, "w", "2,3");
  Onnx__NodeProto *node = onnx_builder_node (builder, "Constant", "", "two", "value_float=2.0");
  node->name = (char *) "constant";
  onnx_builder_node (builder, "Transpose", "w", "t", "perm=1,0");
  onnx_builder_node (builder, "Mul", "t,two", "m", NULL);
  onnx_builder_node (builder, "MatMul", "x,m", "y", NULL);
  g_autoptr (WeirGraph) graph = parse (builder);
  g_autoptr (GError) error = NULL;
  ck_assert_msg (weir_fold (graph, weir_ref_evaluate, &error), "%s", error ? error->message : "");
  ck_assert_uint_eq (graph->nodes->len, 1);
  ck_assert_int_eq (weir_graph_node (graph, 0)->op, WEIR_OP_MAT_MUL);
  const WeirValue *m = value_named (graph, "m");
  ck_assert (m->is_constant && m->producer == WEIR_NONE);
  ck_assert_int_eq (m->tensor.dims[0], 3);
  static const float expected[] = { 0, 6, 2, 8, 4, 10 };
  ck_assert_mem_eq (weir_tensor_data (&m->tensor), expected, sizeof expected);
  ck_assert (weir_graph_sort (graph, NULL));
}
END_TEST

/* What comes from the input's shape may depend on the batch. */
START_TEST (test_shape_stays)
{
  g_autoptr (OnnxBuilder) builder = net ("y");
  onnx_builder_node (builder, "Shape", "x", "s", NULL);
  onnx_builder_node (builder, "Reshape", "x,s", "y", NULL);
  g_autoptr (WeirGraph) graph = parse (builder);
  ck_assert (weir_fold (graph, weir_ref_evaluate, NULL));
  ck_assert_uint_eq (graph->nodes->len, 2);
}
END_TEST

START_TEST (test_constant_output)
{
  g_autoptr (OnnxBuilder) builder = net ("y");
  onnx_builder_ramp (builder, "w", "2");
  onnx_builder_node (builder, "Neg", "w", "y", NULL);
  g_autoptr (WeirGraph) graph = parse (builder);
  ck_assert (weir_fold (graph, weir_ref_evaluate, NULL));
  ck_assert_uint_eq (graph->nodes->len, 0);
  ck_assert (weir_graph_value (graph, g_array_index (graph->outputs, uint32_t, 0))->is_constant);
}
END_TEST

/* A few bytes of file that ask for 16 GiB. */
START_TEST (test_huge_stays)
{
  g_autoptr (OnnxBuilder) builder = net ("y");
  onnx_builder_ints (builder, "dims", "1048576,4096");
  onnx_builder_node (builder, "ConstantOfShape", "dims", "y", NULL);
  g_autoptr (WeirGraph) graph = parse (builder);
  ck_assert (weir_fold (graph, weir_ref_evaluate, NULL));
  ck_assert_uint_eq (graph->nodes->len, 1);
}
END_TEST

/* A few kilobytes that ask for 2^40 products: neither folding nor shape inference computes them. */
START_TEST (test_endless_stays)
{
  g_autoptr (OnnxBuilder) builder = net ("y");
  onnx_builder_ramp (builder, "w", "1024");
  onnx_builder_node (builder, "Einsum", "w,w,w,w", "y", "equation='i,j,k,l->'");
  g_autoptr (WeirGraph) graph = parse (builder);
  ck_assert (weir_fold (graph, weir_ref_evaluate, NULL));
  ck_assert_uint_eq (graph->nodes->len, 1);
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, weir_ref_evaluate, NULL);
  ck_assert_ptr_nonnull (shapes);
  ck_assert_ptr_null (shapes->values[g_array_index (graph->outputs, uint32_t, 0)].buffer);
}
END_TEST

START_TEST (test_bad_constant)
{
  g_autoptr (OnnxBuilder) builder = net ("y");
  onnx_builder_ramp (builder, "a", "2");
  onnx_builder_ramp (builder, "b", "3");
  onnx_builder_node (builder, "Add", "a,b", "y", NULL);
  g_autoptr (WeirGraph) graph = parse (builder);
  g_autoptr (GError) error = NULL;
  ck_assert (!weir_fold (graph, weir_ref_evaluate, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "net.onnx: node 'make_y' (Add)"));
}
END_TEST

/* Weights of 32 KiB are transposed and doubled: what lies between is given back at once, the
 * weights themselves when neither the graph nor its copy reads them. */
START_TEST (test_forgotten)
{
  g_autoptr (OnnxBuilder) builder = onnx_builder_new (13);
  onnx_builder_input (builder, "x", F32, "1,128");
  onnx_builder_output (builder, "y");
  onnx_builder_ramp (builder, "w", "64,128");
  onnx_builder_node (builder, "Transpose", "w", "t", "perm=1,0");
  onnx_builder_node (builder, "Add", "t,t", "m", NULL);
  onnx_builder_node (builder, "MatMul", "x,m", "y", NULL);
  g_autoptr (WeirGraph) graph = parse (builder);
  g_autoptr (WeirGraph) copy = weir_graph_copy (graph);
  ck_assert (weir_fold (graph, weir_ref_evaluate, NULL));
  ck_assert (!value_named (graph, "t")->is_constant);
  ck_assert_ptr_null (value_named (graph, "t")->tensor.buffer);
  weir_graph_forget_constants (graph, copy);
  ck_assert (value_named (graph, "w")->is_constant);
  ck_assert (weir_fold (copy, weir_ref_evaluate, NULL));
  const WeirTensor *m = &value_named (graph, "m")->tensor;
  ck_assert_mem_eq (weir_tensor_data (m), weir_tensor_data (&value_named (copy, "m")->tensor),
      128 * 64 * sizeof (float));
  weir_graph_forget_constants (graph, copy);
  ck_assert (!value_named (graph, "w")->is_constant);
  const float *values = weir_tensor_data (m);
  for (uint32_t i = 0; i < 128 * 64; i++)
    ck_assert (values[i] == 2.0f * (float) (i % 64 * 128 + i / 64));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("fold");
  TCase *tcase = tcase_create ("fold");
  tcase_add_test (tcase, test_weights);
  tcase_add_test (tcase, test_shape_stays);
  tcase_add_test (tcase, test_constant_output);
  tcase_add_test (tcase, test_huge_stays);
  tcase_add_test (tcase, test_endless_stays);
  tcase_add_test (tcase, test_bad_constant);
  tcase_add_test (tcase, test_forgotten);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
