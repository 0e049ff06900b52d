/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirKnown: what is found again, and what is not; inference with it gives what it gives without.
 */
#include "engine/error.h"
#include "engine/graph/known.h"
#include "engine/graph/passes.h"
#include "engine/plan/backend.h"
#include "tests/run_suite.h"
#include <string.h>

static uint8_t codes[] = { 0, 1, 128, 255 };
static float scales[] = { 0.5f }, other_scales[] = { 2.0f };
static uint32_t n_evaluated;

static bool evaluate (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    WeirTensor *dst, GError **error)
{
  n_evaluated++;
  return weir_ref_evaluate (graph, node, src, dst, error);
}

static uint32_t add_constant (WeirGraph *graph, WeirDtype dtype, int64_t n, void *data)
{
  WeirTensor tensor = { .dtype = dtype, .rank = n > 1 ? 1 : 0, .dims = { n }, .buffer = data };
  return weir_graph_add_constant (graph, "constant", &tensor);
}

/* y = x + dequantised weights. */
static WeirGraph *make_graph (void)
{
  WeirGraph *graph = weir_graph_new ("net");
  WeirAttr *attr = weir_arena_new_array (graph->arena, WeirAttr, 1);
  *attr = (WeirAttr){ .name = "axis", .kind = WEIR_ATTR_INT, .n = 1, .i = 0 };
  uint32_t x = weir_graph_add_value (graph, "x"), w = weir_graph_add_value (graph, "w"),
           y = weir_graph_add_value (graph, "y");
  uint32_t src[] = { add_constant (graph, WEIR_DTYPE_U8, G_N_ELEMENTS (codes), codes),
    add_constant (graph, WEIR_DTYPE_F32, 1, scales) };
  weir_graph_value (graph, x)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { -1, G_N_ELEMENTS (codes) } };
  WeirNode node = { .op = WEIR_OP_DEQUANTIZE_LINEAR,
    .opset = 13,
    .name = "dequantize",
    .n_src = 2,
    .src = src,
    .n_dst = 1,
    .dst = &w,
    .n_attrs = 1,
    .attrs = attr };
  weir_graph_add_node (graph, &node);
  uint32_t operands[] = { x, w };
  node = (WeirNode){ .op = WEIR_OP_ADD,
    .opset = 13,
    .name = "add",
    .n_src = 2,
    .src = operands,
    .n_dst = 1,
    .dst = &y };
  weir_graph_add_node (graph, &node);
  g_array_append_val (graph->inputs, x);
  g_array_append_val (graph->outputs, y);
  graph->has_batch = true;
  return graph;
}

/* The weights that inference at n finds. */
static void assert_weights (const WeirGraph *graph, uint32_t n, float scale)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, n, evaluate, &error);
  ck_assert_msg (shapes != NULL, "%s", error ? error->message : "");
  const float *w = weir_tensor_data (&shapes->values[weir_graph_node (graph, 0)->dst[0]]);
  ck_assert_ptr_nonnull (w);
  for (uint32_t i = 0; i < G_N_ELEMENTS (codes); i++)
    ck_assert_float_eq (w[i], (float) codes[i] * scale);
}

START_TEST (test_known_computes_once)
{
  g_autoptr (WeirGraph) graph = make_graph ();
  g_autoptr (WeirKnown) known = weir_known_new ();
  n_evaluated = 0;
  assert_weights (graph, 1, 0.5f);
  assert_weights (graph, 2, 0.5f);
  ck_assert_uint_eq (n_evaluated, 2);
  graph->known = known;
  for (uint32_t n = 1; n < 5; n++)
    assert_weights (graph, n, 0.5f);
  ck_assert_uint_eq (n_evaluated, 3);
}
END_TEST

/* As passes rewrite: in place. */
static void change_source (WeirGraph *graph)
{
  uint32_t id = add_constant (graph, WEIR_DTYPE_F32, 1, other_scales);
  weir_graph_node (graph, 0)->src[1] = id;
}

static void change_attribute (WeirGraph *graph)
{
  weir_graph_set_int (graph, weir_graph_node (graph, 0), "axis", -1);
}

static void change_opset (WeirGraph *graph)
{
  weir_graph_node (graph, 0)->opset = 19;
}

static void change_name (WeirGraph *graph)
{
  weir_graph_node (graph, 0)->name = "another";
}

static const struct {
  void (*change) (WeirGraph *);
  float scale;
  uint32_t n_evaluated;
} changes[] = { { change_source, 2.0f, 2 }, { change_attribute, 0.5f, 2 },
  { change_opset, 0.5f, 2 }, { change_name, 0.5f, 1 } };

START_TEST (test_known_notices_changes)
{
  g_autoptr (WeirGraph) graph = make_graph ();
  g_autoptr (WeirKnown) known = weir_known_new ();
  graph->known = known;
  n_evaluated = 0;
  assert_weights (graph, 1, 0.5f);
  changes[_i].change (graph);
  assert_weights (graph, 1, changes[_i].scale);
  assert_weights (graph, 2, changes[_i].scale);
  ck_assert_uint_eq (n_evaluated, changes[_i].n_evaluated);
}
END_TEST

static bool give_up (const WeirGraph *graph, const WeirNode *node, const WeirTensor *src,
    WeirTensor *dst, GError **error)
{
  return weir_node_error (graph, node, WEIR_ERROR_SHAPE, error, "fails");
}

/* What failed to be computed is not known. */
START_TEST (test_known_not_after_a_failure)
{
  g_autoptr (WeirGraph) graph = make_graph ();
  g_autoptr (WeirKnown) known = weir_known_new ();
  g_autoptr (GError) error = NULL;
  graph->known = known;
  ck_assert_ptr_null (weir_shapes_infer (graph, 1, give_up, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  assert_weights (graph, 1, 0.5f);
}
END_TEST

START_TEST (test_known_bounds_its_memory)
{
  g_autoptr (WeirGraph) graph = make_graph ();
  g_autoptr (WeirKnown) known = weir_known_new ();
  const WeirNode *node = weir_graph_node (graph, 0);
  WeirTensor dst = { .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { 12 << 20 } };
  ck_assert (weir_known_allocate (known, node, &dst));
  ck_assert (!weir_known_allocate (known, node, &dst));
  dst.dims[0] = INT64_MAX;
  ck_assert (!weir_known_allocate (known, node, &dst));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("known");
  TCase *tcase = tcase_create ("known");
  tcase_add_test (tcase, test_known_computes_once);
  tcase_add_loop_test (tcase, test_known_notices_changes, 0, G_N_ELEMENTS (changes));
  tcase_add_test (tcase, test_known_not_after_a_failure);
  tcase_add_test (tcase, test_known_bounds_its_memory);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
