/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk of shape inference: batch, pinned dims, values known from shapes, limits, messages.
 * Shape functions of operators have their rows in tests/ops/NAME.txt. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/error.h"
#include "engine/plan/backend.h"

typedef struct Net {
  WeirGraph *graph;
  uint32_t x; /* f32[-1, 3, h, 4] */
} Net;

static Net make_net (int64_t h)
{
  Net net = { weir_graph_new ("net.onnx"), 0 };
  net.x = weir_graph_add_value (net.graph, "x");
  weir_graph_value (net.graph, net.x)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { -1, 3, h, 4 } };
  g_array_append_val (net.graph->inputs, net.x);
  net.graph->has_batch = true;
  return net;
}

static uint32_t add (Net *net, WeirOp op, uint32_t a, uint32_t b)
{
  uint32_t src[] = { a, b }, dst = weir_graph_add_value (net->graph, weir_op_info (op)->name);
  WeirNode node = { .op = op,
    .opset = 13,
    .name = weir_op_info (op)->name,
    .n_src = b == WEIR_NONE ? 1 : 2,
    .n_dst = 1,
    .src = src,
    .dst = &dst };
  weir_graph_add_node (net->graph, &node);
  return dst;
}

static uint32_t add_ints (Net *net, uint32_t rank, int64_t n, const int64_t *ints)
{
  WeirTensor tensor = { .dtype = WEIR_DTYPE_I64, .rank = rank, .dims = { n } };
  tensor.buffer = weir_arena_memdup (net->graph->arena, ints, (size_t) n * sizeof *ints);
  return weir_graph_add_constant (net->graph, "ints", &tensor);
}

/* Reshape to [n, 3 · h · 4] by way of Shape, Gather, Unsqueeze and Concat, as exporters write it.
 */
START_TEST (test_shape_arithmetic_is_known)
{
  Net net = make_net (5);
  g_autoptr (WeirGraph) graph = net.graph;
  static const int64_t zero[] = { 0 }, rest[] = { -1 };
  uint32_t n = add (&net, WEIR_OP_GATHER, add (&net, WEIR_OP_SHAPE, net.x, WEIR_NONE),
      add_ints (&net, 0, 1, zero));
  uint32_t target = add (&net, WEIR_OP_CONCAT,
      add (&net, WEIR_OP_UNSQUEEZE, n, add_ints (&net, 1, 1, zero)), add_ints (&net, 1, 1, rest));
  weir_graph_set_int (graph, weir_graph_node (graph, graph->nodes->len - 1), "axis", 0);
  uint32_t y = add (&net, WEIR_OP_RESHAPE, net.x, target);
  for (uint32_t batch = 1; batch < 4; batch++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, batch, weir_ref_evaluate, &error);
    ck_assert_msg (shapes != NULL, "%s", error ? error->message : "");
    ck_assert_uint_eq (shapes->values[y].rank, 2);
    ck_assert_int_eq (shapes->values[y].dims[0], batch);
    ck_assert_int_eq (shapes->values[y].dims[1], 60);
    ck_assert_ptr_null (shapes->values[y].buffer);
    ck_assert_ptr_nonnull (shapes->values[target].buffer);
    ck_assert_int_eq (((int64_t *) weir_tensor_data (&shapes->values[n]))[0], batch);
  }
}
END_TEST

START_TEST (test_dynamic_dim_must_be_pinned)
{
  Net net = make_net (-1);
  g_autoptr (WeirGraph) graph = net.graph;
  g_autoptr (GError) error = NULL;
  add (&net, WEIR_OP_RELU, net.x, WEIR_NONE);
  ck_assert_ptr_null (weir_shapes_infer (graph, 2, weir_ref_evaluate, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  ck_assert_ptr_nonnull (strstr (error->message, "pinned"));
}
END_TEST

START_TEST (test_errors_name_file_node_and_shapes)
{
  Net net = make_net (5);
  g_autoptr (WeirGraph) graph = net.graph;
  g_autoptr (GError) error = NULL;
  static const int64_t target[] = { 7, 7 };
  add (&net, WEIR_OP_RESHAPE, net.x, add_ints (&net, 1, 2, target));
  ck_assert_ptr_null (weir_shapes_infer (graph, 2, weir_ref_evaluate, &error));
  static const char *const parts[] = { "net.onnx", "'Reshape'", "f32[2,3,5,4]", "[7,7]" };
  for (size_t i = 0; i < G_N_ELEMENTS (parts); i++)
    ck_assert_msg (strstr (error->message, parts[i]) != NULL, "%s", error->message);
}
END_TEST

/* A target that depends on data cannot be known, and says so. */
START_TEST (test_unknown_target_is_refused)
{
  Net net = make_net (5);
  g_autoptr (WeirGraph) graph = net.graph;
  g_autoptr (GError) error = NULL;
  uint32_t target = add (&net, WEIR_OP_CAST, net.x, WEIR_NONE);
  weir_graph_set_int (graph, weir_graph_node (graph, 0), "to", 7);
  add (&net, WEIR_OP_RESHAPE, net.x, target);
  ck_assert_ptr_null (weir_shapes_infer (graph, 1, weir_ref_evaluate, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED));
  ck_assert_ptr_nonnull (strstr (error->message, "depends on data"));
}
END_TEST

START_TEST (test_value_too_large)
{
  Net net = make_net ((int64_t) 1 << 36); /* over 2^40 bytes at n = 3 only */
  g_autoptr (WeirGraph) graph = net.graph;
  g_autoptr (GError) error = NULL;
  weir_graph_value (graph, net.x)->tensor.dims[1] = 1;
  add (&net, WEIR_OP_RELU, net.x, WEIR_NONE);
  g_autoptr (WeirShapes) small = weir_shapes_infer (graph, 1, weir_ref_evaluate, &error);
  ck_assert_ptr_nonnull (small);
  ck_assert_ptr_null (weir_shapes_infer (graph, 3, weir_ref_evaluate, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
}
END_TEST

START_TEST (test_broadcast)
{
  static const struct {
    WeirTensor a, b;
    bool fits;
    WeirTensor result;
  } rows[] = {
    { { .rank = 2, .dims = { 2, 3 } }, { .rank = 1, .dims = { 3 } }, true,
        { .rank = 2, .dims = { 2, 3 } } },
    { { .rank = 1, .dims = { 3 } }, { .rank = 3, .dims = { 4, 1, 1 } }, true,
        { .rank = 3, .dims = { 4, 1, 3 } } },
    { { .rank = 0 }, { .rank = 2, .dims = { 0, 5 } }, true, { .rank = 2, .dims = { 0, 5 } } },
    { { .rank = 1, .dims = { 0 } }, { .rank = 1, .dims = { 1 } }, true,
        { .rank = 1, .dims = { 0 } } },
    { { .rank = 1, .dims = { 0 } }, { .rank = 1, .dims = { 2 } }, false, { 0 } },
    { { .rank = 2, .dims = { 2, 3 } }, { .rank = 2, .dims = { 3, 2 } }, false, { 0 } },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    WeirTensor result = { 0 };
    ck_assert (weir_shape_broadcast (&rows[i].a, &rows[i].b, &result) == rows[i].fits);
    ck_assert (!rows[i].fits || weir_tensor_same_shape (&result, &rows[i].result));
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("shapes");
  TCase *tcase = tcase_create ("shapes");
  tcase_add_test (tcase, test_shape_arithmetic_is_known);
  tcase_add_test (tcase, test_dynamic_dim_must_be_pinned);
  tcase_add_test (tcase, test_errors_name_file_node_and_shapes);
  tcase_add_test (tcase, test_unknown_target_is_refused);
  tcase_add_test (tcase, test_value_too_large);
  tcase_add_test (tcase, test_broadcast);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
