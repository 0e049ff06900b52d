/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirGraph: building, attributes, uses, sorting with its checks, pruning; the operator table. */
#include "tests/run_suite.h"
#include <string.h>

#include "engine/error.h"
#include "engine/graph/graph.h"

/* A node of `op` from values a and b (WEIR_NONE: none) to value c. */
static uint32_t add (WeirGraph *graph, WeirOp op, uint32_t a, uint32_t b, uint32_t c)
{
  uint32_t src[] = { a, b }, dst[] = { c };
  WeirNode node = { .op = op, .opset = 13, .name = weir_op_info (op)->name, .n_dst = 1 };
  node.n_src = b != WEIR_NONE ? 2 : a != WEIR_NONE ? 1 : 0;
  node.src = src;
  node.dst = dst;
  return weir_graph_add_node (graph, &node);
}

/* x → Relu → h → Sigmoid → y, and h + y = z; the nodes in the order given by `order`. */
static WeirGraph *make_graph (const int order[3])
{
  WeirGraph *graph = weir_graph_new ("net.onnx");
  uint32_t x = weir_graph_add_value (graph, "x"), h = weir_graph_add_value (graph, "h");
  uint32_t y = weir_graph_add_value (graph, "y"), z = weir_graph_add_value (graph, "z");
  for (int i = 0; i < 3; i++)
    if (order[i] == 0)
      add (graph, WEIR_OP_RELU, x, WEIR_NONE, h);
    else if (order[i] == 1)
      add (graph, WEIR_OP_SIGMOID, h, WEIR_NONE, y);
    else
      add (graph, WEIR_OP_ADD, h, y, z);
  g_array_append_val (graph->inputs, x);
  g_array_append_val (graph->outputs, z);
  return graph;
}

START_TEST (test_sort_orders)
{
  static const int orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 2, 0, 1 } };
  static const WeirOp expected[] = { WEIR_OP_RELU, WEIR_OP_SIGMOID, WEIR_OP_ADD };
  g_autoptr (WeirGraph) graph = make_graph (orders[_i]);
  g_autoptr (GError) error = NULL;
  ck_assert_msg (weir_graph_sort (graph, &error), "%s", error ? error->message : "");
  for (uint32_t n = 0; n < 3; n++) {
    const WeirNode *node = weir_graph_node (graph, n);
    ck_assert_int_eq (node->op, expected[n]);
    ck_assert_uint_eq (weir_graph_value (graph, node->dst[0])->producer, n);
  }
}
END_TEST

static void break_cycle (WeirGraph *graph)
{
  weir_graph_node (graph, 0)->src[0] = 3; /* Relu reads z */
}

static void break_range (WeirGraph *graph)
{
  weir_graph_node (graph, 1)->src[0] = 99;
}

static void break_producer (WeirGraph *graph)
{
  weir_graph_node (graph, 1)->dst[0] = 1;
}

static void break_missing (WeirGraph *graph)
{
  g_array_set_size (graph->inputs, 0);
}

static void break_count (WeirGraph *graph)
{
  weir_graph_node (graph, 2)->n_src = 1;
}

static void break_required (WeirGraph *graph)
{
  weir_graph_node (graph, 2)->src[1] = WEIR_NONE;
}

static void break_output (WeirGraph *graph)
{
  uint32_t loose = weir_graph_add_value (graph, "loose");
  g_array_append_val (graph->outputs, loose);
}

static void break_constant (WeirGraph *graph)
{
  weir_graph_value (graph, 2)->is_constant = true;
}

static const struct {
  void (*harm) (WeirGraph *);
  const char *says;
} bad_graphs[] = {
  { break_cycle, "cycle" },
  { break_range, "net.onnx: node 'Sigmoid' (Sigmoid): input 0 is value 99" },
  { break_producer, "writes 'h', which exists already" },
  { break_missing, "reads 'x', which nothing makes" },
  { break_count, "has 1 inputs, expected 2 to 2" },
  { break_required, "input 1 is not given" },
  { break_output, "'loose'" },
  { break_constant, "writes 'y', which exists already" },
};

START_TEST (test_sort_refuses)
{
  static const int order[] = { 0, 1, 2 };
  g_autoptr (WeirGraph) graph = make_graph (order);
  g_autoptr (GError) error = NULL;
  bad_graphs[_i].harm (graph);
  ck_assert (!weir_graph_sort (graph, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_FORMAT));
  ck_assert_msg (strstr (error->message, bad_graphs[_i].says) != NULL, "%s", error->message);
}
END_TEST

/* The walk must not recurse: a chain as deep as a file may make it. */
START_TEST (test_sort_is_deep)
{
  enum { N = 200000 };
  g_autoptr (WeirGraph) graph = weir_graph_new ("deep");
  for (uint32_t i = 0; i <= N; i++)
    weir_graph_add_value (graph, "v");
  for (uint32_t i = N; i > 0; i--)
    add (graph, WEIR_OP_RELU, i - 1, WEIR_NONE, i);
  uint32_t first = 0, last = N;
  g_array_append_val (graph->inputs, first);
  g_array_append_val (graph->outputs, last);
  ck_assert (weir_graph_sort (graph, NULL));
  ck_assert_uint_eq (weir_graph_node (graph, 0)->src[0], 0);
  ck_assert_uint_eq (weir_graph_node (graph, N - 1)->dst[0], N);
}
END_TEST

START_TEST (test_prune_drops_unread)
{
  static const int order[] = { 0, 1, 2 };
  g_autoptr (WeirGraph) graph = make_graph (order);
  uint32_t a = weir_graph_add_value (graph, "a"), b = weir_graph_add_value (graph, "b");
  add (graph, WEIR_OP_EXP, 1, WEIR_NONE, a);
  add (graph, WEIR_OP_LOG, a, WEIR_NONE, b);
  weir_graph_prune (graph);
  ck_assert_uint_eq (graph->nodes->len, 3);
  ck_assert_uint_eq (weir_graph_value (graph, b)->producer, WEIR_NONE);
  g_array_index (graph->outputs, uint32_t, 0) = 1;
  weir_graph_prune (graph);
  ck_assert_uint_eq (graph->nodes->len, 1);
  ck_assert_int_eq (weir_graph_node (graph, 0)->op, WEIR_OP_RELU);
}
END_TEST

START_TEST (test_uses)
{
  static const int order[] = { 0, 1, 2 };
  g_autoptr (WeirGraph) graph = make_graph (order);
  ck_assert_uint_eq (weir_graph_n_uses (graph, 0), 1);
  ck_assert_uint_eq (weir_graph_n_uses (graph, 1), 2);
  ck_assert_uint_eq (weir_graph_n_uses (graph, 3), 1);
  weir_graph_replace_uses (graph, 1, 0);
  weir_graph_replace_uses (graph, 3, 2);
  ck_assert_uint_eq (weir_graph_n_uses (graph, 1), 0);
  ck_assert_uint_eq (weir_graph_n_uses (graph, 0), 3);
  ck_assert_uint_eq (g_array_index (graph->outputs, uint32_t, 0), 2);
}
END_TEST

START_TEST (test_attributes)
{
  static const int order[] = { 0, 1, 2 };
  static const int64_t pads[] = { 1, 2 };
  g_autoptr (WeirGraph) graph = make_graph (order);
  WeirAttr attrs[] = {
    { .name = "alpha", .kind = WEIR_ATTR_FLOAT, .n = 1, .f = 0.5f },
    { .name = "pads", .kind = WEIR_ATTR_INTS, .n = 2, .ints = pads },
    { .name = "mode", .kind = WEIR_ATTR_STRING, .n = 1, .s = "linear" },
  };
  WeirNode *node = weir_graph_node (graph, 0);
  node->attrs = attrs;
  node->n_attrs = 3;
  uint32_t n;
  ck_assert_float_eq (weir_node_float (node, "alpha", 1), 0.5f);
  ck_assert_float_eq (weir_node_float (node, "beta", 1), 1.0f);
  ck_assert_int_eq (weir_node_int (node, "alpha", 7), 7); /* of another kind */
  ck_assert_str_eq (weir_node_string (node, "mode", ""), "linear");
  ck_assert_ptr_eq (weir_node_ints (node, "pads", &n), pads);
  ck_assert_uint_eq (n, 2);
  ck_assert_ptr_null (weir_node_ints (node, "mode", &n));
  ck_assert_uint_eq (n, 0);
  weir_graph_set_int (graph, node, "group", 4);
  weir_graph_set_int (graph, node, "group", 5);
  weir_graph_set_int (graph, node, "alpha", 6);
  ck_assert_uint_eq (node->n_attrs, 4);
  ck_assert_int_eq (weir_node_int (node, "group", 0), 5);
  ck_assert_int_eq (weir_node_int (node, "alpha", 0), 6);
  ck_assert_str_eq (weir_node_string (node, "mode", ""), "linear");
}
END_TEST

START_TEST (test_operators)
{
  for (unsigned op = 0; op < WEIR_N_OPS; op++) {
    const WeirOpInfo *info = weir_op_info ((WeirOp) op);
    ck_assert_msg (
        info->min_src <= info->max_src && info->min_dst <= info->max_dst && info->max_dst, "%s",
        info->name);
    bool is_internal =
        g_str_has_prefix (info->name, "weir:") || g_str_has_prefix (info->name, "openvino:");
    ck_assert_msg (
        weir_op_find (info->name) == (is_internal ? WEIR_N_OPS : (WeirOp) op), "%s", info->name);
  }
  ck_assert_int_eq (weir_op_find ("Conv"), WEIR_OP_CONV);
  ck_assert_int_eq (weir_op_find ("conv"), WEIR_N_OPS);
  ck_assert_int_eq (weir_op_find (""), WEIR_N_OPS);
  ck_assert_str_eq (weir_op_info (WEIR_N_OPS)->name, "?");
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("graph");
  TCase *tcase = tcase_create ("graph");
  tcase_add_loop_test (tcase, test_sort_orders, 0, 4);
  tcase_add_loop_test (tcase, test_sort_refuses, 0, (int) G_N_ELEMENTS (bad_graphs));
  tcase_add_test (tcase, test_sort_is_deep);
  tcase_add_test (tcase, test_prune_drops_unread);
  tcase_add_test (tcase, test_uses);
  tcase_add_test (tcase, test_attributes);
  tcase_add_test (tcase, test_operators);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
