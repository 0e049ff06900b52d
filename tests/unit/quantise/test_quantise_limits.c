/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the quantising pass must keep its hands off: what it leaves gives what the floating form
 * gives, to one step. */
#include "engine/graph/passes.h"
#include "tests/unit/cpu/net.h"

#include "tests/run_suite.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

#define STEP 0.02f

typedef struct Row {
  const char *name;
  void (*build) (Net *net);
} Row;

/* n codes, each `step` after the one before, as a constant of type i8 or u8. */
static uint32_t codes (Net *net, WeirDtype dtype, WeirTensor shape, int first, int step)
{
  int64_t n;
  shape.dtype = dtype;
  weir_tensor_n_elements (&shape, &n);
  uint8_t *data = weir_arena_new_array (net->graph->arena, uint8_t, (size_t) n);
  for (int64_t i = 0; i < n; i++)
    data[i] = (uint8_t) (first + step * (int) i);
  shape.buffer = data;
  return weir_graph_add_constant (net->graph, "codes", &shape);
}

static uint32_t number (Net *net, float value)
{
  return net_constant (net, "", 0.0f, value);
}

static uint32_t zero_point (Net *net, WeirDtype dtype, int zero)
{
  return codes (net, dtype, (WeirTensor){ .rank = 0 }, zero, 0);
}

static uint32_t quantise (Net *net, uint32_t x, WeirDtype dtype, int zero)
{
  return net_op (net, "QuantizeLinear", "", x, number (net, STEP), zero_point (net, dtype, zero));
}

static uint32_t dequantise (Net *net, uint32_t x, WeirDtype dtype, int zero)
{
  return net_op (net, "DequantizeLinear", "", x, number (net, STEP), zero_point (net, dtype, zero));
}

static uint32_t round_to_codes (Net *net, uint32_t x, WeirDtype dtype, int zero)
{
  return dequantise (net, quantise (net, x, dtype, zero), dtype, zero);
}

/* The arithmetic between the quantisers makes the tensor larger. */
static void broadcast_by_channels (Net *net)
{
  uint32_t x = round_to_codes (net, net_input (net, "x", "1,4,4"), WEIR_DTYPE_U8, 90);
  x = net_op (net, "Mul", "", x, net_constant (net, "1,8,1,1", 0.5f, 0.5f));
  net_output (net, round_to_codes (net, x, WEIR_DTYPE_U8, 90));
}

/* Bools lie between the quantisers. */
static void leaky_by_where (Net *net)
{
  uint32_t x = round_to_codes (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_U8, 90);
  uint32_t is_positive = net_op (net, "Greater", "", x, number (net, 0));
  uint32_t small = net_op (net, "Mul", "", x, number (net, 0.25f));
  x = net_op (net, "Where", "", is_positive, x, small);
  net_output (net, round_to_codes (net, x, WEIR_DTYPE_U8, 90));
}

static void gate_by_and (Net *net)
{
  uint32_t x = round_to_codes (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_U8, 90);
  uint32_t is_small = net_op (net, "Less", "", x, number (net, 0.5f));
  uint32_t is_large = net_op (net, "Greater", "", x, number (net, -0.5f));
  uint32_t is_between = net_op (net, "And", "", is_small, is_large);
  x = net_op (net, "Where", "", is_between, x, number (net, 1));
  net_output (net, round_to_codes (net, x, WEIR_DTYPE_U8, 90));
}

/* A class token before the patches: one part is a constant. */
static void concat_constant (Net *net)
{
  WeirTensor shape = { .rank = 4, .dims = { 1, 1, 4, 4 } };
  uint32_t x = quantise (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_I8, -10);
  weir_graph_value (net->graph, g_array_index (net->graph->inputs, uint32_t, 0))->tensor.dims[0] =
      1;
  net->graph->has_batch = false;
  x = net_op (net, "Concat", "axis=1", codes (net, WEIR_DTYPE_I8, shape, -8, 1), x);
  net_output (net, dequantise (net, x, WEIR_DTYPE_I8, -10));
}

static void concat_dequantised_constant (Net *net)
{
  WeirTensor shape = { .rank = 4, .dims = { 1, 1, 4, 4 } };
  uint32_t x = round_to_codes (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_I8, -10);
  weir_graph_value (net->graph, g_array_index (net->graph->inputs, uint32_t, 0))->tensor.dims[0] =
      1;
  net->graph->has_batch = false;
  uint32_t token = dequantise (net, codes (net, WEIR_DTYPE_I8, shape, -8, 1), WEIR_DTYPE_I8, -10);
  x = net_op (net, "Concat", "axis=1", token, x);
  net_output (net, round_to_codes (net, x, WEIR_DTYPE_I8, -10));
}

static void add_constant (Net *net)
{
  WeirTensor shape = { .rank = 3, .dims = { 3, 1, 1 } };
  uint32_t x = quantise (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_I8, -10);
  uint32_t scale = number (net, STEP), zero = zero_point (net, WEIR_DTYPE_I8, -10);
  x = net_op (net, "com.microsoft:QLinearAdd", "", x, scale, zero,
      codes (net, WEIR_DTYPE_I8, shape, -20, 7), scale, zero, scale, zero);
  net_output (net, dequantise (net, x, WEIR_DTYPE_I8, -10));
}

/* What it leaves out is 0 in codes, not in numbers. */
static void triangle (Net *net)
{
  uint32_t x = quantise (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_I8, -10);
  x = net_op (net, "Trilu", "upper=0", x);
  net_output (net, dequantise (net, x, WEIR_DTYPE_I8, -10));
}

/* Pixels outside are the number 0. */
static void resize_beyond (Net *net)
{
  uint32_t x = round_to_codes (net, net_input (net, "x", "3,4,4"), WEIR_DTYPE_U8, 90);
  uint32_t roi = net_constant (net, "8", 0, 0);
  float *range = weir_tensor_data (&weir_graph_value (net->graph, roi)->tensor);
  const float given[8] = { 0, 0, -0.5f, -0.5f, 1, 1, 1.5f, 1.5f };
  memcpy (range, given, sizeof given);
  x = net_op (net, "Resize",
      "mode=nearest coordinate_transformation_mode=tf_crop_and_resize extrapolation_value=0.0f", x,
      roi, WEIR_NONE, net_ints (net, "1,3,8,8"));
  weir_graph_value (net->graph, g_array_index (net->graph->inputs, uint32_t, 0))->tensor.dims[0] =
      1;
  net->graph->has_batch = false;
  net_output (net, round_to_codes (net, x, WEIR_DTYPE_U8, 90));
}

static const Row rows[] = {
  { "broadcast by channels", broadcast_by_channels },
  { "leaky by where", leaky_by_where },
  { "gate by and", gate_by_and },
  { "concat of a constant", concat_constant },
  { "concat of a dequantised constant", concat_dequantised_constant },
  { "sum with a constant", add_constant },
  { "triangle", triangle },
  { "resize beyond the picture", resize_beyond },
};

static void check_row (const Row *row, const NetRun *run)
{
  g_autoptr (Net) plain = net_new ();
  g_autoptr (Net) quantised = net_new ();
  g_autoptr (GError) error = NULL;
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 1 };
  uint32_t n_quantised, n_total;
  size_t n_expected, n_got;
  row->build (plain);
  row->build (quantised);
  net_finish (plain);
  net_finish (quantised);
  bool ok = weir_quantise (quantised->graph, weir_ref_evaluate, &n_quantised, &n_total, &error) &&
            weir_fold (quantised->graph, weir_ref_evaluate, &error) &&
            weir_fuse (quantised->graph, weir_ref_evaluate, &error);
  ck_assert_msg (ok, "%s: %s", row->name, error ? error->message : "");
  g_autofree float *expected = net_run (plain, &ref, &n_expected, NULL);
  g_autofree float *got = net_run (quantised, run, &n_got, NULL);
  ck_assert_msg (expected && got && n_expected == n_got, "%s does not run", row->name);
  for (size_t i = 0; i < n_got; i++)
    ck_assert_msg (fabsf (got[i] - expected[i]) <= 1.01f * STEP,
        "%s, %s: element %zu is %g, not %g", row->name, run->backend->name, i, (double) got[i],
        (double) expected[i]);
}

START_TEST (test_quantise_limits)
{
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 1 };
  NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_INT8, 1, 1 };
  check_row (&rows[_i], &ref);
  check_row (&rows[_i], &cpu);
}
END_TEST

static void *quantise_chain (void *unused)
{
  g_autoptr (Net) net = net_new ();
  g_autoptr (GError) error = NULL;
  uint32_t n_quantised, n_total;
  uint32_t x = round_to_codes (net, net_input (net, "x", "3"), WEIR_DTYPE_U8, 90);
  for (int i = 0; i < 15000; i++)
    x = net_op (net, "Tanh", "", x);
  net_output (net, round_to_codes (net, x, WEIR_DTYPE_U8, 90));
  net_finish (net);
  ck_assert (weir_quantise (net->graph, weir_ref_evaluate, &n_quantised, &n_total, &error));
  ck_assert_uint_eq (net_count (net, WEIR_OP_LOOKUP), 0);
  return NULL;
}

/* A long chain between quantisers, on the small stack that an application's thread may have. */
START_TEST (test_quantise_chain)
{
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init (&attributes);
  pthread_attr_setstacksize (&attributes, 512 << 10);
  ck_assert_int_eq (pthread_create (&thread, &attributes, quantise_chain, NULL), 0);
  pthread_join (thread, NULL);
  pthread_attr_destroy (&attributes);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("quantise_limits");
  TCase *tcase = tcase_create ("quantise_limits");
  tcase_add_loop_test (tcase, test_quantise_limits, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_quantise_chain);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
