/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans of small graphs: the fast backend gives what the reference gives, at every n, whatever
 * views, layouts and reorders lie between; slots in one block do not disturb each other. */
#include "engine/graph/passes.h"
#include "engine/plan/plan.h"

#include "tests/run_suite.h"
#include "tests/unit/plan/far_backend.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A chain of nodes behind a 1×1 convolution of 3 to 8 channels on [n, 3, 4, 6]. */
typedef struct Link {
  WeirOp op;
  int64_t ints[6]; /* perm, target shape or axes; ended by END */
  int64_t axis;
} Link;

#define END INT64_MIN

static const struct {
  const char *name;
  Link links[4];
  uint32_t n_links;
} chains[] = {
  { "transpose to last", { { WEIR_OP_TRANSPOSE, { 0, 2, 3, 1, END }, 0 } }, 1 },
  { "merge the pixels", { { WEIR_OP_RESHAPE, { 0, 8, 24, END }, 0 } }, 1 },
  { "merge, transpose of rank 3",
      { { WEIR_OP_RESHAPE, { 0, 8, 24, END }, 0 }, { WEIR_OP_TRANSPOSE, { 0, 2, 1, END }, 0 } },
      2 },
  { "merge, transpose there and back",
      { { WEIR_OP_RESHAPE, { 0, 8, 24, END }, 0 }, { WEIR_OP_TRANSPOSE, { 0, 2, 1, END }, 0 },
          { WEIR_OP_TRANSPOSE, { 0, 2, 1, END }, 0 } },
      3 },
  { "transpose, merge",
      { { WEIR_OP_TRANSPOSE, { 0, 2, 3, 1, END }, 0 }, { WEIR_OP_RESHAPE, { 0, -1, 4, END }, 0 } },
      2 },
  { "flatten", { { WEIR_OP_FLATTEN, { END }, 1 } }, 1 },
  { "shuffle channels",
      { { WEIR_OP_RESHAPE, { 0, 2, 4, 4, 6, END }, 0 },
          { WEIR_OP_TRANSPOSE, { 0, 2, 1, 3, 4, END }, 0 },
          { WEIR_OP_RESHAPE, { 0, 8, 4, 6, END }, 0 } },
      3 },
  { "softmax over merged pixels",
      { { WEIR_OP_RESHAPE, { 0, 8, 24, END }, 0 }, { WEIR_OP_SOFTMAX, { END }, 1 },
          { WEIR_OP_TRANSPOSE, { 0, 2, 1, END }, 0 } },
      3 },
  { "an odd transpose",
      { { WEIR_OP_TRANSPOSE, { 0, 3, 1, 2, END }, 0 }, { WEIR_OP_SIGMOID, { END }, 0 } }, 2 },
  { "pool to one pixel, flatten",
      { { WEIR_OP_GLOBAL_AVERAGE_POOL, { END }, 0 }, { WEIR_OP_FLATTEN, { END }, 1 } }, 2 },
};

static uint32_t count (const int64_t *ints)
{
  uint32_t n = 0;
  while (ints[n] != END)
    n++;
  return n;
}

static uint32_t add_constant (WeirGraph *graph, const char *name, WeirDtype dtype, uint32_t rank,
    const int64_t *dims, const void *data)
{
  WeirTensor tensor = { .dtype = dtype, .rank = rank };
  size_t n_bytes;
  memcpy (tensor.dims, dims, rank * sizeof *dims);
  ck_assert (weir_tensor_bytes (&tensor, &n_bytes));
  tensor.buffer = weir_arena_memdup (graph->arena, data, n_bytes);
  return weir_graph_add_constant (graph, name, &tensor);
}

static uint32_t add_link (WeirGraph *graph, const Link *link, uint32_t src, uint32_t i)
{
  g_autofree char *name = g_strdup_printf ("link%u", i);
  uint32_t n = count (link->ints), sources[2] = { src, WEIR_NONE };
  uint32_t dst = weir_graph_add_value (graph, name);
  WeirNode node = { .op = link->op,
    .opset = 13,
    .name = weir_arena_strdup (graph->arena, name),
    .n_src = 1,
    .n_dst = 1,
    .src = sources,
    .dst = &dst };
  WeirAttr *attr = weir_arena_new_array (graph->arena, WeirAttr, 1);
  if (link->op == WEIR_OP_RESHAPE) {
    sources[1] = add_constant (graph, "target", WEIR_DTYPE_I64, 1, (int64_t[]){ n }, link->ints);
    node.n_src = 2;
  } else if (n) {
    *attr = (WeirAttr){ .name = "perm",
      .kind = WEIR_ATTR_INTS,
      .n = n,
      .ints = weir_arena_memdup (graph->arena, link->ints, n * sizeof (int64_t)) };
    node.n_attrs = 1;
  } else if (link->op == WEIR_OP_SOFTMAX || link->op == WEIR_OP_FLATTEN) {
    *attr = (WeirAttr){ .name = "axis", .kind = WEIR_ATTR_INT, .n = 1, .i = link->axis };
    node.n_attrs = 1;
  }
  node.attrs = attr;
  weir_graph_add_node (graph, &node);
  return dst;
}

static WeirGraph *build (const Link *links, uint32_t n_links)
{
  WeirGraph *graph = weir_graph_new ("test");
  float weights[8 * 3], bias[8];
  for (int i = 0; i < 24; i++)
    weights[i] = (float) ((i * 7) % 11 - 5) * 0.1f;
  for (int i = 0; i < 8; i++)
    bias[i] = (float) i * 0.05f;
  uint32_t input = weir_graph_add_value (graph, "input");
  weir_graph_value (graph, input)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 4, 6 } };
  uint32_t sources[3] = { input,
    add_constant (graph, "w", WEIR_DTYPE_F32, 4, (int64_t[]){ 8, 3, 1, 1 }, weights),
    add_constant (graph, "b", WEIR_DTYPE_F32, 1, (int64_t[]){ 8 }, bias) };
  uint32_t value = weir_graph_add_value (graph, "conv");
  WeirNode conv = { .op = WEIR_OP_CONV,
    .opset = 13,
    .name = "conv",
    .n_src = 3,
    .n_dst = 1,
    .src = sources,
    .dst = &value };
  weir_graph_add_node (graph, &conv);
  for (uint32_t i = 0; i < n_links; i++)
    value = add_link (graph, &links[i], value, i);
  g_array_append_val (graph->inputs, input);
  g_array_append_val (graph->outputs, value);
  graph->has_batch = true;
  g_autoptr (GError) error = NULL;
  ck_assert_msg (weir_graph_sort (graph, &error), "%s", error ? error->message : "");
  return graph;
}

/* Writes picture values in whatever format the slot wants. */
static void write_input (const WeirTensor *input, uint32_t n, uint32_t seed)
{
  float *data = weir_tensor_data (input);
  ck_assert_int_eq (input->dtype, WEIR_DTYPE_F32);
  for (uint32_t i = 0; i < n * 72; i++) {
    uint32_t row = i / 72, c = i / 24 % 3, pixel = i % 24;
    uint32_t at = input->layout == WEIR_LAYOUT_CHANNELS_LAST ? row * 72 + pixel * 3 + c : i;
    data[at] = (float) ((i * 31 + seed * 17) % 97) / 97.0f - 0.4f;
  }
}

static GArray *read_output (WeirSlot *slot)
{
  g_autoptr (GError) error = NULL;
  size_t n_bytes;
  ck_assert_msg (weir_slot_run (slot, &error), "%s", error ? error->message : "");
  const WeirTensor *output = weir_slot_output (slot, 0);
  ck_assert_int_eq (output->layout, WEIR_LAYOUT_PLAIN);
  ck_assert_int_eq (output->dtype, WEIR_DTYPE_F32);
  ck_assert (weir_tensor_bytes (output, &n_bytes));
  GArray *result = g_array_new (FALSE, FALSE, sizeof (float));
  g_array_append_vals (result, weir_tensor_data (output), (guint) (n_bytes / sizeof (float)));
  return result;
}

static GArray *run_slot (WeirSlot *slot, uint32_t n, uint32_t seed)
{
  write_input (weir_slot_input (slot, 0), n, seed);
  return read_output (slot);
}

static GArray *run (const WeirGraph *graph, const WeirBackend *backend, uint32_t n, uint32_t seed)
{
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirTarget) target = weir_target_new (graph, backend, &options, &error);
  ck_assert_msg (target != NULL, "%s", error ? error->message : "");
  weir_target_enter_thread (target);
  g_autoptr (WeirPlan) plan = weir_plan_new (target, n, &error);
  ck_assert_msg (plan != NULL, "%s", error ? error->message : "");
  g_autoptr (WeirSlot) slot = weir_slot_new (plan, NULL, &error);
  ck_assert_msg (slot != NULL, "%s", error ? error->message : "");
  return run_slot (slot, n, seed);
}

static void check_equal (const char *name, const GArray *a, const GArray *b)
{
  ck_assert_uint_eq (a->len, b->len);
  for (guint i = 0; i < a->len; i++) {
    float x = g_array_index (a, float, i), y = g_array_index (b, float, i);
    ck_assert_msg (
        fabsf (x - y) <= 1e-5f, "%s: element %u is %f, not %f", name, i, (double) y, (double) x);
  }
}

START_TEST (test_plan_backends_agree)
{
  g_autoptr (WeirGraph) graph = build (chains[_i].links, chains[_i].n_links);
  for (uint32_t n = 1; n <= 3; n++) {
    g_autoptr (GArray) expected = run (graph, &weir_backend_ref, n, n);
    g_autoptr (GArray) got = run (graph, &weir_backend_cpu, n, n);
    check_equal (chains[_i].name, expected, got);
  }
}
END_TEST

static void add_on_axis_1 (WeirGraph *graph, WeirOp op, const uint32_t *src, uint32_t n_src,
    const uint32_t *dst, uint32_t n_dst)
{
  WeirAttr *attr = weir_arena_new_array (graph->arena, WeirAttr, 1);
  *attr = (WeirAttr){ .name = "axis", .kind = WEIR_ATTR_INT, .n = 1, .i = 1 };
  WeirNode node = { .op = op,
    .opset = 11,
    .name = "many",
    .n_src = n_src,
    .n_dst = n_dst,
    .src = (uint32_t *) src,
    .dst = (uint32_t *) dst,
    .n_attrs = 1,
    .attrs = attr };
  weir_graph_add_node (graph, &node);
}

/* More values at a node than an integer has bits: the picture forty times, apart, together again.
 */
START_TEST (test_plan_of_many_values)
{
  enum { N = 40, N_ELEMENTS = 72 };
  g_autoptr (WeirGraph) graph = weir_graph_new ("test");
  uint32_t input = weir_graph_add_value (graph, "input"), pictures[N], parts[N];
  uint32_t all = weir_graph_add_value (graph, "all"), again = weir_graph_add_value (graph, "again");
  weir_graph_value (graph, input)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 4, 6 } };
  for (uint32_t i = 0; i < N; i++) {
    pictures[i] = input;
    parts[i] = weir_graph_add_value (graph, "part");
  }
  add_on_axis_1 (graph, WEIR_OP_CONCAT, pictures, N, &all, 1);
  add_on_axis_1 (graph, WEIR_OP_SPLIT, &all, 1, parts, N);
  add_on_axis_1 (graph, WEIR_OP_CONCAT, parts, N, &again, 1);
  g_array_append_val (graph->inputs, input);
  g_array_append_val (graph->outputs, again);
  graph->has_batch = true;
  ck_assert (weir_graph_sort (graph, NULL));
  g_autoptr (GArray) got = run (graph, _i ? &weir_backend_cpu : &weir_backend_ref, 1, 1);
  ck_assert_uint_eq (got->len, N * N_ELEMENTS);
  for (uint32_t i = N_ELEMENTS; i < got->len; i++)
    ck_assert (g_array_index (got, float, i) == g_array_index (got, float, i % N_ELEMENTS));
}
END_TEST

/* Whatever a backend with memory of its own leaves to others, only its own steps touch that. */
START_TEST (test_plan_with_two_memories)
{
  static const FarTaste tastes[] = {
    { 0 },
    { 0, { 0 }, true },
    { 1, { WEIR_OP_CONV } },
    { 2, { WEIR_OP_TRANSPOSE, WEIR_OP_SOFTMAX }, true },
    { 3, { WEIR_OP_CONV, WEIR_OP_SIGMOID, WEIR_OP_GLOBAL_AVERAGE_POOL } },
  };
  g_autoptr (WeirGraph) graph = build (chains[_i].links, chains[_i].n_links);
  for (uint32_t k = 0; k < G_N_ELEMENTS (tastes); k++)
    for (uint32_t n = 1; n <= 3; n++) {
      far_backend_set_taste (&tastes[k]);
      g_autoptr (GArray) expected = run (graph, &weir_backend_ref, n, n);
      g_autoptr (GArray) got = run (graph, &far_backend, n, n);
      check_equal (chains[_i].name, expected, got);
      ck_assert_uint_eq (far_backend_n_memories (), 0);
    }
}
END_TEST

static void fill_nan (const WeirTensor *tensor)
{
  size_t n_bytes;
  ck_assert (weir_tensor_bytes (tensor, &n_bytes));
  memset (weir_tensor_data (tensor), 0xff, n_bytes);
}

/* A picture that is on the device is read there, wherever its readers run; the host's place is not
 * looked at, until it is used again. */
START_TEST (test_plan_with_a_picture)
{
  static const FarTaste tastes[] = { { 0 }, { 1, { WEIR_OP_TRANSPOSE }, true } };
  static const FarTaste elsewhere = { 1, { WEIR_OP_CONV } };
  g_autoptr (WeirGraph) graph = build (chains[_i].links, chains[_i].n_links);
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  for (uint32_t k = 0; k < G_N_ELEMENTS (tastes); k++) {
    far_backend_set_taste (&tastes[k]);
    g_autoptr (GArray) expected = run (graph, &weir_backend_ref, 2, 5);
    g_autoptr (WeirTarget) target = weir_target_new (graph, &far_backend, &options, NULL);
    weir_target_set_picture (target, 0);
    g_autoptr (WeirPlan) plan = weir_plan_new (target, 2, NULL);
    g_autoptr (WeirSlot) slot = weir_slot_new (plan, NULL, NULL);
    ck_assert_ptr_nonnull (weir_slot_picture (slot));
    WeirTensor picture = *weir_slot_picture (slot);
    picture.buffer = far_backend_reach (weir_tensor_data (&picture));
    write_input (&picture, 2, 5);
    fill_nan (weir_slot_input (slot, 0));
    weir_slot_use_picture (slot, true);
    g_autoptr (GArray) got = read_output (slot);
    check_equal (chains[_i].name, expected, got);
    fill_nan (&picture);
    weir_slot_use_picture (slot, false);
    g_autoptr (GArray) again = run_slot (slot, 2, 5);
    check_equal (chains[_i].name, expected, again);
  }
  far_backend_set_taste (&elsewhere);
  g_autoptr (WeirTarget) target = weir_target_new (graph, &far_backend, &options, NULL);
  weir_target_set_picture (target, 0);
  g_autoptr (WeirPlan) plan = weir_plan_new (target, 2, NULL);
  g_autoptr (WeirSlot) slot = weir_slot_new (plan, NULL, NULL);
  ck_assert_ptr_null (weir_slot_picture (slot)); /* nobody reads it there */
}
END_TEST

/* A second input, which the host takes the Sigmoid of. */
static WeirGraph *build_two_inputs (void)
{
  g_autoptr (GError) error = NULL;
  WeirGraph *graph = build (chains[9].links, chains[9].n_links); /* of a small output */
  uint32_t src = weir_graph_add_value (graph, "second"), dst = weir_graph_add_value (graph, "host");
  WeirNode node = { .op = WEIR_OP_SIGMOID,
    .opset = 13,
    .name = "sigmoid",
    .n_src = 1,
    .n_dst = 1,
    .src = &src,
    .dst = &dst };
  weir_graph_value (graph, src)->tensor =
      (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 1, 3, 4, 6 } };
  weir_graph_add_node (graph, &node);
  g_array_append_val (graph->inputs, src);
  g_array_append_val (graph->outputs, dst);
  ck_assert_msg (weir_graph_sort (graph, &error), "%s", error ? error->message : "");
  return graph;
}

/* What is on its way to the device is not written over by the host's steps. */
START_TEST (test_plan_inputs_stay)
{
  g_autoptr (WeirGraph) graph = build_two_inputs ();
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  g_autoptr (GArray) expected = run (graph, &weir_backend_ref, 2, 5);
  far_backend_set_taste (&(FarTaste){ 1, { WEIR_OP_SIGMOID } });
  g_autoptr (WeirTarget) target = weir_target_new (graph, &far_backend, &options, NULL);
  g_autoptr (WeirPlan) plan = weir_plan_new (target, 2, NULL);
  g_autoptr (WeirSlot) slot = weir_slot_new (plan, NULL, NULL);
  write_input (weir_slot_input (slot, 1), 2, 9);
  g_autoptr (GArray) got = run_slot (slot, 2, 5);
  check_equal ("two inputs", expected, got);
}
END_TEST

START_TEST (test_plan_passes_keep_results)
{
  g_autoptr (WeirGraph) plain = build (chains[_i].links, chains[_i].n_links);
  g_autoptr (WeirGraph) passed = build (chains[_i].links, chains[_i].n_links);
  ck_assert (weir_fold (passed, weir_ref_evaluate, NULL));
  ck_assert (weir_fuse (passed, weir_ref_evaluate, NULL));
  weir_graph_prune (passed);
  g_autoptr (GArray) expected = run (plain, &weir_backend_ref, 2, 5);
  g_autoptr (GArray) got = run (passed, &weir_backend_cpu, 2, 5);
  check_equal (chains[_i].name, expected, got);
}
END_TEST

START_TEST (test_plan_slots_share_a_block)
{
  g_autoptr (WeirGraph) graph = build (chains[6].links, chains[6].n_links);
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  g_autoptr (WeirTarget) target = weir_target_new (graph, &weir_backend_cpu, &options, NULL);
  g_autoptr (WeirPlan) one = weir_plan_new (target, 1, NULL),
                       three = weir_plan_new (target, 3, NULL);
  ck_assert_uint_ge (weir_plan_slot_bytes (three), weir_plan_slot_bytes (one));
  void *block = aligned_alloc (64, weir_plan_slot_bytes (three));
  {
    g_autoptr (WeirSlot) a = weir_slot_new (one, block, NULL),
                         b = weir_slot_new (three, block, NULL);
    g_autoptr (GArray) first = run_slot (a, 1, 1);
    g_autoptr (GArray) other = run_slot (b, 3, 9);
    g_autoptr (GArray) again = run_slot (a, 1, 1);
    g_autoptr (GArray) other_again = run_slot (b, 3, 9);
    check_equal ("the first slot after the other ran", first, again);
    check_equal ("the other slot after the first ran", other, other_again);
  }
  free (block);
}
END_TEST

/* Rounding a picture to bf16 costs the most accuracy of all. */
START_TEST (test_plan_pictures_enter_in_f32)
{
  g_autoptr (WeirGraph) graph = build (NULL, 0);
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_BF16, .n_threads = 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirTarget) target = weir_target_new (graph, &weir_backend_cpu, &options, &error);
  if (!target) {
    printf ("skipped: %s\n", error->message);
    return;
  }
  g_autoptr (WeirPlan) plan = weir_plan_new (target, 1, NULL);
  g_autoptr (WeirSlot) slot = weir_slot_new (plan, NULL, NULL);
  ck_assert_int_eq (weir_target_precision (target), WEIR_PRECISION_BF16);
  ck_assert_int_eq (weir_slot_input (slot, 0)->dtype, WEIR_DTYPE_F32);
}
END_TEST

START_TEST (test_plan_weights_are_packed_once)
{
  g_autoptr (WeirGraph) graph = build (NULL, 0);
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  g_autoptr (WeirTarget) target = weir_target_new (graph, &weir_backend_cpu, &options, NULL);
  g_autoptr (WeirPlan) one = weir_plan_new (target, 1, NULL);
  size_t n_bytes = weir_target_weight_bytes (target);
  ck_assert_ptr_nonnull (one);
  ck_assert_uint_gt (n_bytes, 0);
  for (uint32_t n = 2; n <= 8; n++) {
    g_autoptr (WeirPlan) plan = weir_plan_new (target, n, NULL);
    ck_assert_ptr_nonnull (plan);
    ck_assert_uint_eq (weir_target_weight_bytes (target), n_bytes);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("plan");
  TCase *tcase = tcase_create ("plan");
  tcase_add_loop_test (tcase, test_plan_of_many_values, 0, 2);
  tcase_add_loop_test (tcase, test_plan_backends_agree, 0, G_N_ELEMENTS (chains));
  tcase_add_loop_test (tcase, test_plan_with_two_memories, 0, G_N_ELEMENTS (chains));
  tcase_add_test (tcase, test_plan_inputs_stay);
  tcase_add_loop_test (tcase, test_plan_with_a_picture, 0, G_N_ELEMENTS (chains));
  tcase_add_loop_test (tcase, test_plan_passes_keep_results, 0, G_N_ELEMENTS (chains));
  tcase_add_test (tcase, test_plan_slots_share_a_block);
  tcase_add_test (tcase, test_plan_pictures_enter_in_f32);
  tcase_add_test (tcase, test_plan_weights_are_packed_once);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
