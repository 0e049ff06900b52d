/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes whose sizes only the data know: what a plan's tail gives, run after run, whatever the sizes
 * before were; and that such a graph does not batch. */
#include "engine/graph/passes.h"
#include "engine/plan/plan.h"

#include "tests/run_suite.h"
#include <string.h>

#define N_PIXELS 6

static uint32_t add (
    WeirGraph *graph, WeirOp op, const char *name, uint32_t a, uint32_t b, const WeirAttr *attr)
{
  uint32_t src[2] = { a, b }, dst = weir_graph_add_value (graph, name);
  WeirNode node = { .op = op,
    .opset = 18,
    .name = weir_arena_strdup (graph->arena, name),
    .n_src = b == WEIR_NONE ? 1 : 2,
    .n_dst = 1,
    .src = src,
    .dst = &dst,
    .n_attrs = attr ? 1 : 0,
    .attrs = attr ? weir_arena_memdup (graph->arena, attr, sizeof *attr) : NULL };
  weir_graph_add_node (graph, &node);
  return dst;
}

static uint32_t add_constant (WeirGraph *graph, WeirDtype dtype, const int64_t *dims, uint32_t rank,
    const void *data, size_t n)
{
  WeirTensor tensor = { .dtype = dtype, .rank = rank };
  memcpy (tensor.dims, dims, rank * sizeof *dims);
  tensor.buffer = weir_arena_memdup (graph->arena, data, n);
  return weir_graph_add_constant (graph, "constant", &tensor);
}

/* One channel of [n, 2, 2, 3] after a convolution, and of its values those above 0: their places,
 * themselves twice over, and how many they are as a shape gives it. */
static WeirGraph *build (void)
{
  static const float weights[2] = { 1, -1 };
  static const int64_t flat[1] = { -1 };
  WeirGraph *graph = weir_graph_new ("test");
  uint32_t x = weir_graph_add_value (graph, "x");
  weir_graph_value (graph, x)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { -1, 2, 2, 3 } };
  g_array_append_val (graph->inputs, x);
  uint32_t w =
      add_constant (graph, WEIR_DTYPE_F32, (int64_t[]){ 1, 2, 1, 1 }, 4, weights, sizeof weights);
  uint32_t target = add_constant (graph, WEIR_DTYPE_I64, (int64_t[]){ 1 }, 1, flat, sizeof flat);
  uint32_t conv = add (graph, WEIR_OP_CONV, "conv", x, w, NULL);
  uint32_t relu = add (graph, WEIR_OP_RELU, "relu", conv, WEIR_NONE, NULL);
  uint32_t row = add (graph, WEIR_OP_RESHAPE, "row", relu, target, NULL);
  uint32_t places = add (graph, WEIR_OP_NON_ZERO, "places", row, WEIR_NONE, NULL);
  WeirAttr axis = { .name = "axis", .kind = WEIR_ATTR_INT, .n = 1, .i = 0 };
  uint32_t values = add (graph, WEIR_OP_GATHER, "values", row, places, &axis);
  uint32_t doubled = add (graph, WEIR_OP_ADD, "doubled", values, values, NULL);
  uint32_t shape = add (graph, WEIR_OP_SHAPE, "shape", doubled, WEIR_NONE, NULL);
  g_array_append_val (graph->outputs, places);
  g_array_append_val (graph->outputs, doubled);
  g_array_append_val (graph->outputs, shape);
  g_array_append_val (graph->outputs, row);
  ck_assert (weir_graph_sort (graph, NULL));
  return graph;
}

static const float pictures[][N_PIXELS] = {
  { 0, 1, 0, 2, 3, 0 },
  { 0, 0, 0, 0, 0, 0 },
  { 1, 2, 3, 4, 5, 6 },
  { -1, -2, 7, 0, 0, 0 },
};

/* Channel 0 minus channel 1 is the picture; the tensor may be in either layout. */
static void write_picture (const WeirTensor *input, const float *picture)
{
  float *data = weir_tensor_data (input);
  for (uint32_t i = 0; i < N_PIXELS; i++) {
    bool is_last = input->layout == WEIR_LAYOUT_CHANNELS_LAST;
    data[is_last ? 2 * i : i] = picture[i] + 5;
    data[is_last ? 2 * i + 1 : i + N_PIXELS] = 5;
  }
}

static void check_run (const WeirSlot *slot, const float *picture)
{
  const WeirTensor *places = weir_slot_output (slot, 0), *doubled = weir_slot_output (slot, 1);
  const int64_t *shape = weir_tensor_data (weir_slot_output (slot, 2));
  int64_t n = 0;
  for (int64_t i = 0; i < N_PIXELS; i++) {
    ck_assert_float_eq (
        ((float *) weir_tensor_data (weir_slot_output (slot, 3)))[i], MAX (picture[i], 0));
    if (!(picture[i] > 0))
      continue;
    ck_assert_int_eq (((int64_t *) weir_tensor_data (places))[n], i);
    ck_assert_float_eq (((float *) weir_tensor_data (doubled))[n++], 2 * picture[i]);
  }
  ck_assert_uint_eq (places->rank, 2);
  ck_assert_int_eq (places->dims[0], 1);
  ck_assert_int_eq (places->dims[1], n);
  ck_assert_uint_eq (doubled->rank, 2);
  ck_assert_int_eq (doubled->dims[1], n);
  ck_assert_int_eq (shape[1], n);
}

START_TEST (test_tail_sizes_follow_the_data)
{
  static const WeirBackend *const backends[] = { &weir_backend_ref, &weir_backend_cpu };
  g_autoptr (WeirGraph) graph = build ();
  g_autoptr (GError) error = NULL;
  const char *reason;
  bool is_rewritten;
  WeirDeviceOptions options = { WEIR_PRECISION_F32, 1 };
  ck_assert (weir_batch_rewrite (graph, weir_ref_evaluate, &reason, &is_rewritten, NULL));
  ck_assert_ptr_nonnull (strstr (reason, "'places' (NonZero)"));
  ck_assert (weir_fuse (graph, weir_ref_evaluate, NULL));
  g_autoptr (WeirTarget) target = weir_target_new (graph, backends[_i], &options, &error);
  g_autoptr (WeirPlan) plan = weir_plan_new (target, 1, &error);
  ck_assert_msg (plan != NULL, "%s", error ? error->message : "");
  g_autoptr (WeirSlot) slot = weir_slot_new (plan, NULL, NULL);
  for (uint32_t run = 0; run < 3 * G_N_ELEMENTS (pictures); run++) {
    const float *picture = pictures[run * 5 % G_N_ELEMENTS (pictures)];
    write_picture (weir_slot_input (slot, 0), picture);
    ck_assert (weir_slot_run (slot, NULL));
    check_run (slot, picture);
  }
  g_autofree char *text = weir_plan_describe (plan);
  ck_assert_ptr_nonnull (strstr (text, "NonZero 'places' ref, of a size that the data decide"));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("tail");
  TCase *tcase = tcase_create ("tail");
  tcase_add_loop_test (tcase, test_tail_sizes_follow_the_data, 0, 2);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
