/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Traits of outputs: what stands between the last operator with weights and the output. */
#include "engine/post/traits.h"
#include "tests/run_suite.h"

enum { KNOWN = WEIR_OUTPUT_KNOWN };

/* A chain of operators from the input; those of two inputs take the graph's second input as well.
 */
static const struct {
  const char *what;
  WeirOp ops[6];
  uint32_t n_ops;
  WeirOp post; /* of the last operator; WEIR_OP_CAST: none */
  uint32_t traits;
} rows[] = {
  { "nothing", { 0 }, 0, WEIR_OP_CAST, KNOWN },
  { "a convolution", { WEIR_OP_CONV }, 1, WEIR_OP_CAST, KNOWN },
  { "softmax last", { WEIR_OP_CONV, WEIR_OP_SOFTMAX }, 2, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_SOFTMAX },
  { "softmax under views, casts and quantisation",
      { WEIR_OP_SOFTMAX, WEIR_OP_RESHAPE, WEIR_OP_CAST, WEIR_OP_TRANSPOSE, WEIR_OP_QUANTIZE_LINEAR,
          WEIR_OP_DEQUANTIZE_LINEAR },
      6, WEIR_OP_CAST, KNOWN | WEIR_OUTPUT_SOFTMAX },
  { "softmax not last", { WEIR_OP_SOFTMAX, WEIR_OP_RELU }, 2, WEIR_OP_CAST, KNOWN },
  { "sigmoid last", { WEIR_OP_GEMM, WEIR_OP_SIGMOID }, 2, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_SIGMOID | WEIR_OUTPUT_ANY_SIGMOID },
  { "sigmoid fused", { WEIR_OP_CONV }, 1, WEIR_OP_SIGMOID,
      KNOWN | WEIR_OUTPUT_SIGMOID | WEIR_OUTPUT_ANY_SIGMOID },
  { "sigmoid on the way", { WEIR_OP_CONV, WEIR_OP_SIGMOID, WEIR_OP_ABS }, 3, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_ANY_SIGMOID },
  { "mish", { WEIR_OP_CONV, WEIR_OP_MISH, WEIR_OP_CONV }, 3, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_NET_MISH },
  { "silu", { WEIR_OP_SWISH, WEIR_OP_CONV }, 2, WEIR_OP_CAST, KNOWN | WEIR_OUTPUT_NET_SILU },
  { "silu fused", { WEIR_OP_CONV, WEIR_OP_CONV }, 2, WEIR_OP_SWISH, KNOWN | WEIR_OUTPUT_NET_SILU },
  { "split", { WEIR_OP_SPLIT, WEIR_OP_CONV }, 2, WEIR_OP_CAST, KNOWN | WEIR_OUTPUT_NET_SPLIT },
  { "something fused after softmax", { WEIR_OP_SOFTMAX }, 1, WEIR_OP_RELU, KNOWN },
  { "log of softmax", { WEIR_OP_GEMM, WEIR_OP_LOG_SOFTMAX }, 2, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_LOG_SOFTMAX },
  { "hard sigmoid", { WEIR_OP_CONV, WEIR_OP_HARD_SIGMOID }, 2, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_SIGMOID },
  { "a part of a softmax", { WEIR_OP_SOFTMAX, WEIR_OP_SLICE }, 2, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_SOFTMAX | WEIR_OUTPUT_NET_SPLIT },
  { "exp on the way", { WEIR_OP_CONV, WEIR_OP_EXP, WEIR_OP_MUL, WEIR_OP_RESHAPE }, 4, WEIR_OP_CAST,
      KNOWN | WEIR_OUTPUT_EXP },
  { "exp fused", { WEIR_OP_CONV }, 1, WEIR_OP_EXP, KNOWN | WEIR_OUTPUT_EXP },
  { "exp before the weights", { WEIR_OP_EXP, WEIR_OP_CONV, WEIR_OP_ADD }, 3, WEIR_OP_CAST, KNOWN },
};

static uint32_t add_node (WeirGraph *graph, WeirOp op, uint32_t src, uint32_t other, WeirOp post)
{
  uint32_t sources[] = { src, other };
  uint32_t dst = weir_graph_add_value (graph, "v");
  WeirNode node = { .op = op,
    .opset = 17,
    .name = "node",
    .n_src = weir_op_info (op)->min_src > 1 ? 2 : 1,
    .n_dst = 1,
    .src = sources,
    .dst = &dst };
  if (post != WEIR_OP_CAST) {
    node.n_post = 1;
    node.post[0] = (WeirPostOp){ .op = post, .src = WEIR_NONE };
  }
  weir_graph_add_node (graph, &node);
  return dst;
}

START_TEST (test_output_traits)
{
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  uint32_t value = weir_graph_add_value (graph, "x"), other = weir_graph_add_value (graph, "y");
  g_array_append_val (graph->inputs, value);
  g_array_append_val (graph->inputs, other);
  for (uint32_t i = 0; i < rows[_i].n_ops; i++)
    value = add_node (graph, rows[_i].ops[i], value, other,
        i + 1 == rows[_i].n_ops ? rows[_i].post : WEIR_OP_CAST);
  g_array_append_val (graph->outputs, value);
  ck_assert_msg (weir_output_traits (graph, 0) == rows[_i].traits, "%s: %x", rows[_i].what,
      weir_output_traits (graph, 0));
  ck_assert_uint_eq (weir_output_traits (graph, 1), 0);
}
END_TEST

/* An Exp in the second branch of a join is found too. */
START_TEST (test_output_traits_branches)
{
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  uint32_t x = weir_graph_add_value (graph, "x");
  uint32_t left = add_node (graph, WEIR_OP_CONV, x, x, WEIR_OP_CAST);
  uint32_t right = add_node (graph, WEIR_OP_EXP, left, 0, WEIR_OP_CAST);
  uint32_t sum = add_node (graph, WEIR_OP_MUL, left, right, WEIR_OP_CAST);
  g_array_append_val (graph->outputs, sum);
  ck_assert_uint_eq (weir_output_traits (graph, 0), KNOWN | WEIR_OUTPUT_EXP);
}
END_TEST

/* Constants: what is added after the weights, or joined. */
START_TEST (test_output_traits_constants)
{
  static const struct {
    WeirOp op;
    uint32_t rank;
    int64_t dims[4];
    uint32_t traits;
  } cases[] = {
    { WEIR_OP_ADD, 3, { 1, 2, 8400 }, WEIR_OUTPUT_GRID },
    { WEIR_OP_MUL, 2, { 8400, 2 }, WEIR_OUTPUT_GRID },
    { WEIR_OP_ADD, 4, { 1, 85, 1, 1 }, 0 },
    { WEIR_OP_MUL, 0, { 0 }, 0 },
    { WEIR_OP_MAX_POOL, 2, { 8400, 2 }, 0 },
    { WEIR_OP_CONCAT, 3, { 1, 8400, 1 }, WEIR_OUTPUT_CONSTANT_PART | WEIR_OUTPUT_NET_CONCAT },
  };
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  WeirTensor tensor = { .dtype = WEIR_DTYPE_F32, .rank = cases[_i].rank, .buffer = graph };
  memcpy (tensor.dims, cases[_i].dims, sizeof cases[_i].dims);
  uint32_t x = weir_graph_add_value (graph, "x"), constant;
  constant = weir_graph_add_constant (graph, "c", &tensor);
  uint32_t conv = add_node (graph, WEIR_OP_CONV, x, x, WEIR_OP_CAST);
  uint32_t sources[] = { conv, constant }, dst = weir_graph_add_value (graph, "y");
  WeirNode node = { .op = cases[_i].op,
    .opset = 17,
    .name = "n",
    .n_src = 2,
    .n_dst = 1,
    .src = sources,
    .dst = &dst };
  weir_graph_add_node (graph, &node);
  g_array_append_val (graph->outputs, dst);
  ck_assert_uint_eq (weir_output_traits (graph, 0), KNOWN | cases[_i].traits);
}
END_TEST

/* x · Sigmoid (x) anywhere in the network. */
START_TEST (test_output_traits_products)
{
  static const WeirOp gates[][2] = { { WEIR_OP_SIGMOID, WEIR_OP_CAST },
    { WEIR_OP_SOFTPLUS, WEIR_OP_TANH } };
  static const uint32_t traits[] = { WEIR_OUTPUT_NET_SILU, WEIR_OUTPUT_NET_MISH };
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  uint32_t x = weir_graph_add_value (graph, "x");
  uint32_t gate = add_node (graph, gates[_i][0], x, x, WEIR_OP_CAST);
  if (gates[_i][1] != WEIR_OP_CAST)
    gate = add_node (graph, gates[_i][1], gate, x, WEIR_OP_CAST);
  uint32_t product = add_node (graph, WEIR_OP_MUL, gate, x, WEIR_OP_CAST);
  uint32_t conv = add_node (graph, WEIR_OP_CONV, product, x, WEIR_OP_CAST);
  g_array_append_val (graph->outputs, conv);
  ck_assert_uint_eq (weir_output_traits (graph, 0), KNOWN | traits[_i]);
}
END_TEST

/* A join is what all its parts are. */
START_TEST (test_output_traits_joins)
{
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  uint32_t x = weir_graph_add_value (graph, "x");
  uint32_t class = add_node (graph, WEIR_OP_SIGMOID, x, 0, WEIR_OP_CAST);
  uint32_t box = add_node (graph, WEIR_OP_CONV, x, x, WEIR_OP_CAST);
  uint32_t parts[][2] = { { class, class }, { class, box } };
  for (uint32_t i = 0; i < 2; i++) {
    uint32_t dst = weir_graph_add_value (graph, "joined");
    WeirNode node = { .op = WEIR_OP_CONCAT,
      .opset = 17,
      .name = "node",
      .n_src = 2,
      .n_dst = 1,
      .src = parts[i],
      .dst = &dst };
    weir_graph_add_node (graph, &node);
    g_array_append_val (graph->outputs, dst);
  }
  uint32_t all = KNOWN | WEIR_OUTPUT_ANY_SIGMOID | WEIR_OUTPUT_NET_CONCAT;
  ck_assert_uint_eq (weir_output_traits (graph, 0), all | WEIR_OUTPUT_SIGMOID);
  ck_assert_uint_eq (weir_output_traits (graph, 1), all);
}
END_TEST

/* RegionYolo of two maps: the coarser one's mask first, whatever their order. */
START_TEST (test_output_anchors)
{
  static const float anchors[] = { 10, 14, 23, 27, 37.5f, 58, 81, 82 };
  static const int64_t masks[][2] = { { 0, 1 }, { 2, 3 } };
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  g_autoptr (GHashTable) metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  uint32_t x = weir_graph_add_value (graph, "x");
  for (uint32_t i = 0; i < 2; i++) {
    WeirAttr attrs[] = { { .name = "anchors", .kind = WEIR_ATTR_FLOATS, .n = 8, .floats = anchors },
      { .name = "mask", .kind = WEIR_ATTR_INTS, .n = 2, .ints = masks[i] },
      { .name = "do_softmax", .kind = WEIR_ATTR_INT, .n = 1, .i = 0 } };
    uint32_t dst = weir_graph_add_value (graph, "y");
    WeirNode node = { .op = WEIR_OP_OV_REGION_YOLO,
      .name = "region",
      .n_src = 1,
      .n_dst = 1,
      .src = &x,
      .dst = &dst,
      .n_attrs = 3,
      .attrs = weir_arena_memdup (graph->arena, attrs, sizeof attrs) };
    weir_graph_add_node (graph, &node);
    g_array_append_val (graph->outputs, dst);
  }
  weir_output_anchors (graph, metadata);
  ck_assert_str_eq (g_hash_table_lookup (metadata, "weir.anchors"), "10,14,23,27,37.5,58,81,82");
  ck_assert_str_eq (g_hash_table_lookup (metadata, "weir.masks"), "2,3,0,1");
  ck_assert_uint_eq (weir_output_traits (graph, 1), KNOWN | WEIR_OUTPUT_REGION);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("output-traits");
  TCase *tcase = tcase_create ("traits");
  tcase_add_loop_test (tcase, test_output_traits, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_output_traits_branches);
  tcase_add_loop_test (tcase, test_output_traits_constants, 0, 6);
  tcase_add_loop_test (tcase, test_output_traits_products, 0, 2);
  tcase_add_test (tcase, test_output_traits_joins);
  tcase_add_test (tcase, test_output_anchors);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
