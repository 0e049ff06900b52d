/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantising: the graph computes the same as before, but for single steps where rounding decides,
 * on the reference and on the CPU backend, with the operators that are expected. */
#include "engine/graph/passes.h"
#include "tests/unit/cpu/net.h"

#include "tests/run_suite.h"
#include <math.h>
#include <string.h>

#define MAX_EXPECTED 6

typedef struct Row {
  const char *name;
  void (*build) (Net *net);
  uint32_t n_quantised, n_total; /* convolutions and products */
  struct {
    WeirOp op;
    uint32_t n;
  } expected[MAX_EXPECTED]; /* operators, how many are left */
} Row;

static uint32_t number (Net *net, float value)
{
  return net_constant (net, "", 0.0f, value);
}

/* Bytes as a constant of u8 or i8. NULL contents: any. */
static uint32_t bytes (
    Net *net, WeirDtype dtype, uint32_t rank, const int64_t *dims, const int *contents)
{
  WeirTensor tensor = { .dtype = dtype, .rank = rank };
  int64_t n;
  for (uint32_t i = 0; i < rank; i++)
    tensor.dims[i] = dims[i];
  weir_tensor_n_elements (&tensor, &n);
  int8_t *data = weir_arena_new_array (net->graph->arena, int8_t, (size_t) n);
  for (int64_t i = 0; i < n; i++) {
    net->seed = net->seed * 1664525u + 1013904223u;
    data[i] = contents ? (int8_t) contents[i] : (int8_t) (net->seed >> 24);
  }
  tensor.buffer = data;
  return weir_graph_add_constant (net->graph, "bytes", &tensor);
}

static uint32_t zero (Net *net, WeirDtype dtype, int value)
{
  return bytes (net, dtype, 0, NULL, &value);
}

static uint32_t quantise (Net *net, uint32_t x, WeirDtype dtype, float scale, int point)
{
  return net_op (net, "QuantizeLinear", "", x, number (net, scale), zero (net, dtype, point));
}

static uint32_t dequantise (Net *net, uint32_t x, WeirDtype dtype, float scale, int point)
{
  return net_op (net, "DequantizeLinear", "", x, number (net, scale), zero (net, dtype, point));
}

/* To codes and back. */
static uint32_t pair (Net *net, uint32_t x, WeirDtype dtype, float scale, int point)
{
  return dequantise (net, quantise (net, x, dtype, scale, point), dtype, scale, point);
}

static uint32_t u8_pair (Net *net, uint32_t x, float scale, int point)
{
  return pair (net, x, WEIR_DTYPE_U8, scale, point);
}

/* i8 weights [m, c, k, k] with a scale for each of m. */
static uint32_t weights (Net *net, int64_t m, int64_t c, int64_t k)
{
  int64_t dims[] = { m, c, k, k };
  g_autofree char *count = g_strdup_printf ("%d", (int) m);
  uint32_t codes = bytes (net, WEIR_DTYPE_I8, 4, dims, NULL);
  uint32_t scales = net_constant (net, count, 0.0005f, 0.002f);
  return net_op (net, "DequantizeLinear", "axis=0", codes, scales);
}

static uint32_t input (Net *net, const char *dims, float scale, int point)
{
  return u8_pair (net, net_input (net, "x", dims), scale, point);
}

static void conv_relu_pool (Net *net)
{
  uint32_t x = input (net, "3,12,12", 0.01f, 120);
  x = net_op (net, "Conv", "pads=[1,1,1,1]", x, weights (net, 8, 3, 3),
      net_constant (net, "8", 0.1f, 0.0f));
  x = net_op (net, "MaxPool", "kernel_shape=[2,2] strides=[2,2]", net_op (net, "Relu", "", x));
  net_output (net, u8_pair (net, x, 0.02f, 0));
}

static void depthwise_clip (Net *net)
{
  uint32_t x = net_op (net, "Conv", "group=8 pads=[1,1,1,1] strides=[2,2]",
      input (net, "8,9,9", 0.01f, 100), weights (net, 8, 1, 3));
  x = net_op (net, "Clip", "", x, number (net, 0.0f), number (net, 0.3f));
  net_output (net, u8_pair (net, x, 0.003f, 5));
}

static void conv_arithmetic (Net *net)
{
  uint32_t x = net_op (net, "Conv", "", input (net, "4,6,6", 0.01f, 128), weights (net, 8, 4, 1));
  x = net_op (net, "Mul", "", x, net_constant (net, "8,1,1", 0.5f, 1.0f));
  x = net_op (net, "Add", "", x, net_constant (net, "1,8,1,1", 0.5f, 0.0f));
  x = net_op (net, "LeakyRelu", "alpha=0.25f", x);
  net_output (net, u8_pair (net, x, 0.01f, 50));
}

static void sum_of_pairs (Net *net)
{
  uint32_t x = input (net, "8,6,6", 0.01f, 128);
  uint32_t y = net_op (net, "Conv", "", x, weights (net, 8, 8, 1));
  x = net_op (net, "Add", "", u8_pair (net, y, 0.02f, 130), x);
  net_output (net, u8_pair (net, net_op (net, "Relu", "", x), 0.02f, 0));
}

/* Without a quantiser between the convolution and the sum, they are one. */
static void residual (Net *net)
{
  uint32_t x = input (net, "8,6,6", 0.01f, 128);
  uint32_t y = net_op (net, "Conv", "", x, weights (net, 8, 8, 1));
  x = net_op (net, "Relu", "", net_op (net, "Add", "", y, x));
  net_output (net, u8_pair (net, x, 0.02f, 3));
}

static uint32_t mixed_concat (Net *net)
{
  uint32_t x = input (net, "8,6,6", 0.01f, 128);
  uint32_t a = net_op (net, "Conv", "", x, weights (net, 16, 8, 1)),
           b = net_op (net, "Conv", "pads=[1,1,1,1]", x, weights (net, 16, 8, 3));
  a = u8_pair (net, net_op (net, "Relu", "", a), 0.01f, 0);
  b = u8_pair (net, net_op (net, "Relu", "", b), 0.03f, 0);
  return net_op (net, "Concat", "axis=1", a, b);
}

static void concat_squeeze (Net *net)
{
  uint32_t x = net_op (net, "Conv", "", mixed_concat (net), weights (net, 4, 32, 1));
  x = net_op (net, "Add", "", x, net_constant (net, "1,4,1,1", 0.5f, 0.0f));
  net_output (net, u8_pair (net, net_op (net, "Relu", "", x), 0.05f, 0));
}

static void concat_wide (Net *net)
{
  net_output (net, net_op (net, "Conv", "", mixed_concat (net), weights (net, 32, 32, 1)));
}

static void concat_equal (Net *net)
{
  uint32_t x = input (net, "8,6,6", 0.01f, 128);
  uint32_t y = u8_pair (net, net_op (net, "Conv", "", x, weights (net, 8, 8, 1)), 0.02f, 128);
  uint32_t z = u8_pair (net, net_op (net, "Conv", "", x, weights (net, 8, 8, 1)), 0.02f, 128);
  x = net_op (net, "Concat", "axis=1", y, z);
  net_output (net, net_op (net, "Conv", "", x, weights (net, 4, 16, 1)));
}

static uint32_t fake (Net *net, uint32_t x, const char *levels, float low, float high)
{
  return net_op (net, "FakeQuantize", levels, x, number (net, low), number (net, high),
      number (net, low), number (net, high));
}

/* As the Open Model Zoo's files are: u8 codes 0..254 that become floats and are spread. */
static void fake_quantised (Net *net)
{
  int64_t dims[] = { 6, 4, 3, 3 };
  uint32_t codes = net_op (net, "Cast", "to=1", bytes (net, WEIR_DTYPE_U8, 4, dims, NULL));
  uint32_t ends = net_constant (net, "6,1,1,1", 0.05f, 0.2f);
  uint32_t low = net_op (net, "Neg", "", ends);
  uint32_t w = net_op (net, "FakeQuantize", "levels=255", codes, number (net, 0.0f),
      number (net, 254.0f), low, ends);
  uint32_t x = fake (net, net_input (net, "x", "4,8,8"), "levels=256", -1.28f, 1.27f);
  x = net_op (net, "Conv", "pads=[1,1,1,1]", x, w);
  x = net_op (net, "Add", "", x, net_constant (net, "1,6,1,1", 0.3f, 0.0f));
  net_output (net, fake (net, net_op (net, "Relu", "", x), "levels=256", 0.0f, 2.55f));
}

/* A range without zero, and one that has it between two codes: no 8-bit tensor is like that. */
static void fake_off_grid (Net *net)
{
  uint32_t x = fake (net, net_input (net, "x", "4,6,6"), "levels=256", 0.5f, 1.5f);
  x = net_op (net, "Conv", "", x, weights (net, 4, 4, 1));
  x = fake (net, x, "levels=256", -1.0f, 1.0f);
  net_output (net, net_op (net, "Conv", "", x, weights (net, 4, 4, 1)));
}

/* Fewer levels than 8 bits have: what lies above the range is cut off before. */
static void fake_few_levels (Net *net)
{
  uint32_t x = fake (net, net_input (net, "x", "4,6,6"), "levels=16", 0.0f, 0.75f);
  net_output (net, net_op (net, "Conv", "", x, weights (net, 4, 4, 1)));
}

/* i8 weights that are cast, shifted and scaled. */
static void decompressed (Net *net)
{
  int64_t dims[] = { 8, 4, 1, 1 };
  int codes[32];
  for (int i = 0; i < 32; i++)
    codes[i] = i * 5 - 80;
  uint32_t w = net_op (net, "Cast", "to=1", bytes (net, WEIR_DTYPE_I8, 4, dims, codes));
  w = net_op (net, "Sub", "", w, net_constant (net, "1,1,1,1", 0.0f, 3.0f));
  w = net_op (net, "Mul", "", w, net_constant (net, "8,1,1,1", 0.001f, 0.004f));
  net_output (net, net_op (net, "Conv", "", input (net, "4,6,6", 0.01f, 128), w));
}

/* u8 weights around a zero point in the middle of nowhere do not fit i8. */
static void unfit_weights (Net *net)
{
  int64_t dims[] = { 2, 2, 1, 1 };
  static const int codes[] = { 0, 255, 20, 200 };
  uint32_t w =
      dequantise (net, bytes (net, WEIR_DTYPE_U8, 4, dims, codes), WEIR_DTYPE_U8, 0.01f, 90);
  net_output (net, net_op (net, "Conv", "", input (net, "2,4,4", 0.01f, 128), w));
}

static void tables (Net *net)
{
  uint32_t x = input (net, "8,6,6", 0.02f, 128);
  x = net_op (net, "Mul", "", x, net_op (net, "Sigmoid", "", x));
  x = u8_pair (net, x, 0.01f, 60);
  x = net_op (net, "Mul", "", x, net_constant (net, "1,8,1,1", 0.5f, 1.0f));
  x = net_op (net, "Relu", "", net_op (net, "Add", "", x, net_constant (net, "8,1,1", 0.5f, 0.0f)));
  net_output (net, net_op (net, "Conv", "", u8_pair (net, x, 0.02f, 4), weights (net, 4, 8, 1)));
}

static void moves (Net *net)
{
  uint32_t x = input (net, "8,6,6", 0.01f, 128);
  uint32_t halves = net_node (net, "Split", "axis=1", 2, (uint32_t[]){ x, NET_END });
  x = net_op (net, "Concat", "axis=1", halves + 1, halves);
  x = net_op (net, "Resize", "mode=nearest coordinate_transformation_mode=asymmetric", x, WEIR_NONE,
      net_constant (net, "4", 0.0f, 1.0f));
  x = net_op (net, "Pad", "", x, net_ints (net, "0,0,1,1,0,0,1,1"));
  x = net_op (net, "Transpose", "perm=[0,1,3,2]", x);
  net_output (net, net_op (net, "Conv", "", x, weights (net, 4, 8, 3)));
}

static void pools (Net *net)
{
  uint32_t x = net_op (net, "Conv", "", input (net, "8,6,6", 0.01f, 128), weights (net, 8, 8, 1));
  x = u8_pair (net, x, 0.02f, 128);
  x = net_op (net, "AveragePool", "kernel_shape=[2,2] strides=[2,2]", x);
  x = net_op (net, "ReduceMean", "axes=[2,3] keepdims=1", u8_pair (net, x, 0.02f, 128));
  x = net_op (net, "Flatten", "", u8_pair (net, x, 0.01f, 128));
  int64_t dims[] = { 5, 8 };
  uint32_t w = net_op (net, "DequantizeLinear", "axis=0", bytes (net, WEIR_DTYPE_I8, 2, dims, NULL),
      net_constant (net, "5", 0.001f, 0.003f));
  x = net_op (net, "Gemm", "transB=1", x, w, net_constant (net, "5", 0.5f, 0.0f));
  net_output (net, u8_pair (net, x, 0.01f, 128));
}

static void mat_mul (Net *net)
{
  int64_t dims[] = { 8, 5 };
  uint32_t w = net_op (net, "DequantizeLinear", "axis=1", bytes (net, WEIR_DTYPE_I8, 2, dims, NULL),
      net_constant (net, "5", 0.001f, 0.003f));
  uint32_t x = net_op (net, "MatMul", "", input (net, "3,8", 0.01f, 128), w);
  net_output (net, net_op (net, "Add", "", x, net_constant (net, "5", 0.5f, 0.0f)));
}

/* i8 everywhere: all of it becomes u8. */
static void signed_tensors (Net *net)
{
  uint32_t x = pair (net, net_input (net, "x", "8,6,6"), WEIR_DTYPE_I8, 0.01f, 3);
  uint32_t y = net_op (net, "Conv", "pads=[1,1,1,1]", x, weights (net, 8, 8, 3));
  y = pair (net, net_op (net, "Relu", "", y), WEIR_DTYPE_I8, 0.02f, -128);
  y = net_op (net, "Pad", "", y, net_ints (net, "0,0,1,0,0,0,0,1"));
  y = net_op (
      net, "Slice", "", y, net_ints (net, "1,0"), net_ints (net, "7,6"), net_ints (net, "2,3"));
  x = pair (net, net_op (net, "Add", "", x, y), WEIR_DTYPE_I8, 0.02f, -20);
  x = pair (net, net_op (net, "Sigmoid", "", x), WEIR_DTYPE_I8, 1.0f / 256, -128);
  x = net_op (net, "MaxPool", "kernel_shape=[2,2]", x);
  net_output (net, net_op (net, "Conv", "", x, weights (net, 4, 8, 1)));
}

/* Nobody but a question for its shape reads the floating tensor. */
static void asked_for_shape (Net *net)
{
  uint32_t x = net_op (net, "Conv", "", input (net, "8,6,6", 0.01f, 128), weights (net, 8, 8, 1));
  uint32_t shape = net_op (net, "Shape", "", x);
  x = u8_pair (net, x, 0.02f, 128);
  x = net_op (net, "Reshape", "", net_op (net, "Conv", "", x, weights (net, 8, 8, 1)), shape);
  net_output (net, x);
}

static const Row rows[] = {
  { "conv, relu, pool", conv_relu_pool, 1, 1,
      { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_RELU, 0 }, { WEIR_OP_QUANTIZE_LINEAR, 1 } } },
  { "depthwise, clip", depthwise_clip, 1, 1,
      { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_CLIP, 0 } } },
  { "conv, arithmetic", conv_arithmetic, 1, 1,
      { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_MUL, 0 }, { WEIR_OP_ADD, 0 } } },
  { "sum of pairs", sum_of_pairs, 1, 1,
      { { WEIR_OP_Q_LINEAR_ADD, 1 }, { WEIR_OP_ADD, 0 }, { WEIR_OP_RELU, 0 } } },
  { "residual", residual, 1, 1,
      { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_ADD, 0 }, { WEIR_OP_DEQUANTIZE_LINEAR, 1 } } },
  { "concat, squeeze", concat_squeeze, 4, 4,
      { { WEIR_OP_QUANTISED_CONV, 4 }, { WEIR_OP_CONCAT, 0 }, { WEIR_OP_ADD, 0 } } },
  { "concat, wide", concat_wide, 3, 3, { { WEIR_OP_Q_LINEAR_CONCAT, 1 }, { WEIR_OP_CONCAT, 0 } } },
  { "concat of equals", concat_equal, 3, 3,
      { { WEIR_OP_CONCAT, 1 }, { WEIR_OP_DEQUANTIZE_LINEAR, 0 } } },
  { "FakeQuantize", fake_quantised, 1, 1,
      { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_OV_FAKE_QUANTIZE, 0 } } },
  { "FakeQuantize off the grid", fake_off_grid, 0, 2,
      { { WEIR_OP_CONV, 2 }, { WEIR_OP_OV_FAKE_QUANTIZE, 2 } } },
  { "FakeQuantize of few levels", fake_few_levels, 1, 1,
      { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_CLIP, 1 } } },
  { "decompressed weights", decompressed, 1, 1, { { WEIR_OP_QUANTISED_CONV, 1 } } },
  { "weights that do not fit", unfit_weights, 0, 1, { { WEIR_OP_CONV, 1 } } },
  { "tables", tables, 1, 1,
      { { WEIR_OP_LOOKUP, 2 }, { WEIR_OP_SIGMOID, 0 }, { WEIR_OP_RELU, 0 } } },
  { "moves", moves, 1, 1, { { WEIR_OP_QUANTISED_CONV, 1 }, { WEIR_OP_DEQUANTIZE_LINEAR, 0 } } },
  { "pools, gemm", pools, 2, 2,
      { { WEIR_OP_Q_LINEAR_AVERAGE_POOL, 1 }, { WEIR_OP_Q_LINEAR_GLOBAL_AVERAGE_POOL, 1 },
          { WEIR_OP_QUANTISED_MAT_MUL, 1 } } },
  { "matmul, add", mat_mul, 1, 1, { { WEIR_OP_QUANTISED_MAT_MUL, 1 }, { WEIR_OP_ADD, 0 } } },
  { "i8 tensors", signed_tensors, 2, 2,
      { { WEIR_OP_QUANTISED_CONV, 2 }, { WEIR_OP_LOOKUP, 1 }, { WEIR_OP_Q_LINEAR_ADD, 1 } } },
  { "asked for its shape", asked_for_shape, 2, 2,
      { { WEIR_OP_QUANTISED_CONV, 2 }, { WEIR_OP_QUANTIZE_LINEAR, 1 } } },
};

static void check_counts (const Row *row, const Net *net)
{
  for (uint32_t i = 0; i < MAX_EXPECTED; i++) {
    WeirOp op = row->expected[i].op;
    if (op != WEIR_OP_CONV || row->expected[i].n) /* else the row has fewer */
      ck_assert_msg (net_count (net, op) == row->expected[i].n, "%s: %u times %s, expected %u",
          row->name, net_count (net, op), weir_op_info (op)->name, row->expected[i].n);
  }
}

static void quantise_net (const Row *row, Net *net)
{
  g_autoptr (GError) error = NULL;
  uint32_t n_quantised, n_total;
  row->build (net);
  net_finish (net);
  bool ok = weir_fold_but_quantisers (net->graph, weir_ref_evaluate, &error) &&
            weir_quantise (net->graph, weir_ref_evaluate, &n_quantised, &n_total, &error) &&
            weir_fold (net->graph, weir_ref_evaluate, &error) &&
            weir_fuse (net->graph, weir_ref_evaluate, &error);
  ck_assert_msg (ok, "%s: %s", row->name, error ? error->message : "");
  ck_assert_msg (n_quantised == row->n_quantised && n_total == row->n_total,
      "%s: %u of %u in 8 bits, expected %u of %u", row->name, n_quantised, n_total,
      row->n_quantised, row->n_total);
  check_counts (row, net);
}

static void check_row (const Row *row, const NetRun *run)
{
  g_autoptr (Net) plain = net_new ();
  g_autoptr (Net) quantised = net_new ();
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, run->n };
  size_t n_expected, n_got;
  row->build (plain);
  net_finish (plain);
  quantise_net (row, quantised);
  g_autofree float *expected = net_run (plain, &ref, &n_expected, NULL);
  g_autofree float *got = net_run (quantised, run, &n_got, NULL);
  ck_assert_msg (expected && got && n_expected == n_got, "%s does not run", row->name);
  /* a step that falls the other way is 1/255 of a range, a mistake is more */
  ck_assert_msg (net_difference (got, expected, n_got) <= 0.03, "%s, n = %u, %s: differs by %g",
      row->name, run->n, run->backend->name, net_difference (got, expected, n_got));
}

START_TEST (test_quantise_same_results)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    for (uint32_t n = 1; n <= 2; n++) {
      NetRun ref = { &weir_backend_ref, WEIR_PRECISION_INT8, 1, n };
      NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_INT8, 1, n };
      check_row (&rows[i], &ref);
      check_row (&rows[i], &cpu);
    }
}
END_TEST

/* Only u8 is left of i8 tensors. */
START_TEST (test_quantise_unsigned)
{
  static const Row row = { "i8 tensors", signed_tensors, 2, 2, { { WEIR_OP_QUANTISED_CONV, 2 } } };
  g_autoptr (Net) net = net_new ();
  quantise_net (&row, net);
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (net->graph, 1, weir_ref_evaluate, NULL);
  ck_assert (shapes);
  for (uint32_t id = 0; id < shapes->n_values; id++)
    ck_assert (shapes->values[id].buffer || shapes->values[id].dtype != WEIR_DTYPE_I8);
}
END_TEST

/* A graph for f32 beside it must not change with the copy. */
START_TEST (test_quantise_copy)
{
  g_autoptr (Net) net = net_new ();
  uint32_t n_quantised, n_total;
  conv_relu_pool (net);
  net_finish (net);
  uint32_t n_nodes = net->graph->nodes->len, n_values = net->graph->values->len;
  g_autoptr (WeirGraph) copy = weir_graph_copy (net->graph);
  ck_assert (weir_quantise (copy, weir_ref_evaluate, &n_quantised, &n_total, NULL));
  ck_assert_uint_eq (n_quantised, 1);
  ck_assert_uint_eq (net->graph->nodes->len, n_nodes);
  ck_assert_uint_eq (net->graph->values->len, n_values);
  ck_assert_uint_eq (net_count (net, WEIR_OP_CONV), 1);
  ck_assert (weir_graph_sort (net->graph, NULL));
}
END_TEST

/* --- in floats --- */

/* All steps are powers of two and all sums whole numbers of them, so whatever the order of a sum it
 * is exact, many lie between two codes, and every backend must give the same bytes. */
static uint32_t exact_weights (Net *net, int64_t m, int64_t c, int64_t k)
{
  int64_t dims[] = { m, c, k, k };
  return dequantise (net, bytes (net, WEIR_DTYPE_I8, 4, dims, NULL), WEIR_DTYPE_I8, 0x1p-7f, 0);
}

static void chain_of_pairs (Net *net)
{
  uint32_t x = pair (net, net_input (net, "x", "3,12,12"), WEIR_DTYPE_I8, 0x1p-6f, 3);
  x = net_op (net, "Conv", "pads=[1,1,1,1] strides=[2,2]", x, exact_weights (net, 8, 3, 3));
  x = u8_pair (net, net_op (net, "Relu", "", x), 0x1p-5f, 0);
  uint32_t y = net_op (net, "Conv", "", x, exact_weights (net, 24, 8, 1));
  y = net_op (net, "Clip", "", y, number (net, 0.0f), number (net, 6.0f));
  y = pair (net, y, WEIR_DTYPE_I8, 0x1p-6f, -128);
  y = net_op (net, "Conv", "group=24 pads=[1,1,1,1]", y, exact_weights (net, 24, 1, 3));
  y = pair (net, y, WEIR_DTYPE_I8, 0x1p-4f, -100);
  y = pair (
      net, net_op (net, "Conv", "", y, exact_weights (net, 8, 24, 1)), WEIR_DTYPE_U8, 0.25f, 90);
  net_output (net, u8_pair (net, net_op (net, "Add", "", x, y), 0.5f, 20));
}

static void pairs_of_products (Net *net)
{
  int64_t dims[] = { 16, 8 };
  uint32_t w =
      dequantise (net, bytes (net, WEIR_DTYPE_I8, 2, dims, NULL), WEIR_DTYPE_I8, 0x1p-7f, 0);
  uint32_t x = u8_pair (net, net_input (net, "x", "5,16"), 0x1p-6f, 128);
  x = net_op (net, "LeakyRelu", "alpha=0.25f",
      u8_pair (net, net_op (net, "MatMul", "", x, w), 0x1p-4f, 77));
  net_output (net, net_op (net, "Mul", "", x, net_constant (net, "", 0.0f, 2.0f)));
}

/* Every reader has a dequantiser of its own. */
static void many_readers (Net *net)
{
  uint32_t x = quantise (net, net_input (net, "x", "8,6,6"), WEIR_DTYPE_U8, 0x1p-6f, 128);
  uint32_t y = dequantise (net, x, WEIR_DTYPE_U8, 0x1p-6f, 128),
           z = dequantise (net, x, WEIR_DTYPE_U8, 0x1p-6f, 128);
  net_output (
      net, net_op (net, "Add", "", net_op (net, "Conv", "", y, exact_weights (net, 8, 8, 1)), z));
}

/* What is no pair: codes that are read with another scale too, one scale for each channel. */
static void no_pairs (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6");
  uint32_t y = quantise (net, x, WEIR_DTYPE_U8, 0x1p-6f, 128);
  net_output (net, dequantise (net, y, WEIR_DTYPE_U8, 0x1p-5f, 128));
  net_output (net, dequantise (net, y, WEIR_DTYPE_U8, 0x1p-6f, 128));
  uint32_t scales = net_constant (net, "8", 0.0f, 0x1p-6f);
  y = net_op (net, "QuantizeLinear", "axis=1", x, scales);
  net_output (net, net_op (net, "DequantizeLinear", "axis=1", y, scales));
}

/* A bound that something else reads, and one that does more than the codes' ends. */
static void bounds_that_stay (Net *net)
{
  uint32_t x =
      net_op (net, "Conv", "", input (net, "8,6,6", 0x1p-6f, 128), exact_weights (net, 8, 8, 1));
  x = net_op (net, "Relu", "", x);
  net_output (net, x);
  uint32_t y = net_op (net, "Conv", "", u8_pair (net, x, 0x1p-4f, 0), exact_weights (net, 4, 8, 1));
  net_output (net, u8_pair (net, net_op (net, "Relu", "", y), 0x1p-4f, 40));
}

/* On ranges with and without zero at an end; one onto another range stays. */
static void levels (Net *net)
{
  uint32_t x = fake (net, net_input (net, "x", "4,6,6"), "levels=256", -1.28f, 1.27f);
  x = net_op (net, "Relu", "", fake (net, x, "levels=256", -0.3f, 0.7f));
  x = net_op (net, "Relu", "", fake (net, x, "levels=256", 0.0f, 0.6f));
  x = net_op (net, "MaxPool", "kernel_shape=[2,2]", x);
  x = net_op (net, "Relu", "", x);
  x = fake (net, net_op (net, "Clip", "", x, number (net, 0.0f), number (net, 6.0f)), "levels=256",
      0.0f, 0.5f);
  net_output (net, net_op (net, "FakeQuantize", "levels=256", x, number (net, 0.0f),
                       number (net, 0.5f), number (net, 0.0f), number (net, 1.0f)));
}

static const Row float_rows[] = {
  { "a chain", chain_of_pairs, 0, 0,
      { { WEIR_OP_ROUND_TO_CODES, 1 }, { WEIR_OP_RELU, 0 }, { WEIR_OP_CLIP, 0 }, { WEIR_OP_ADD, 0 },
          { WEIR_OP_QUANTIZE_LINEAR, 0 }, { WEIR_OP_DEQUANTIZE_LINEAR, 0 } } },
  { "products", pairs_of_products, 0, 0,
      { { WEIR_OP_ROUND_TO_CODES, 1 }, { WEIR_OP_QUANTIZE_LINEAR, 0 },
          { WEIR_OP_DEQUANTIZE_LINEAR, 0 } } },
  { "many readers", many_readers, 0, 0,
      { { WEIR_OP_ROUND_TO_CODES, 1 }, { WEIR_OP_QUANTIZE_LINEAR, 0 },
          { WEIR_OP_DEQUANTIZE_LINEAR, 0 } } },
  { "no pairs", no_pairs, 0, 0,
      { { WEIR_OP_ROUND_TO_CODES, 0 }, { WEIR_OP_QUANTIZE_LINEAR, 2 },
          { WEIR_OP_DEQUANTIZE_LINEAR, 3 } } },
  { "levels", levels, 0, 0,
      { { WEIR_OP_ROUND_TO_LEVELS, 4 }, { WEIR_OP_OV_FAKE_QUANTIZE, 1 }, { WEIR_OP_RELU, 2 },
          { WEIR_OP_CLIP, 0 } } },
  { "bounds that stay", bounds_that_stay, 0, 0,
      { { WEIR_OP_ROUND_TO_CODES, 2 }, { WEIR_OP_QUANTIZE_LINEAR, 0 } } },
};

static void join_pairs (const Row *row, Net *net)
{
  g_autoptr (GError) error = NULL;
  row->build (net);
  net_finish (net);
  bool ok = weir_fold (net->graph, weir_ref_evaluate, &error) &&
            weir_quantise_floats (net->graph, weir_ref_evaluate, &error) &&
            weir_fuse (net->graph, weir_ref_evaluate, &error);
  ck_assert_msg (ok, "%s: %s", row->name, error ? error->message : "");
  check_counts (row, net);
}

/* No step that rounds to codes is left to another backend. */
static void check_backend (const Row *row, const NetRun *run, const char *steps)
{
  g_auto (GStrv) lines = g_strsplit (steps, "\n", 0);
  for (char **line = lines; *line; line++)
    ck_assert_msg (!strstr (*line, "RoundToCodes") || strstr (*line, run->backend->name), "%s: %s",
        row->name, *line);
}

START_TEST (test_pairs_in_floats)
{
  static const WeirBackend *const backends[] = { &weir_backend_ref, &weir_backend_cpu };
  const Row *row = &float_rows[_i];
  for (uint32_t i = 0; i < 2 * G_N_ELEMENTS (backends); i++) {
    NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 1 + i / 2 }, run = ref;
    g_autoptr (Net) plain = net_new ();
    g_autoptr (Net) joined = net_new ();
    g_autofree char *steps = NULL;
    size_t n_expected, n_got;
    run.backend = backends[i % 2];
    row->build (plain);
    net_finish (plain);
    join_pairs (row, joined);
    g_autofree float *expected = net_run (plain, &ref, &n_expected, NULL);
    g_autofree float *got = net_run (joined, &run, &n_got, &steps);
    ck_assert_msg (expected && got && n_expected == n_got, "%s does not run", row->name);
    ck_assert_msg (memcmp (expected, got, n_got * sizeof *got) == 0,
        "%s, n = %u, %s: other bytes\n%s", row->name, run.n, run.backend->name, steps);
    check_backend (row, &run, steps);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("quantise");
  TCase *tcase = tcase_create ("quantise");
  tcase_add_test (tcase, test_quantise_same_results);
  tcase_add_test (tcase, test_quantise_unsigned);
  tcase_add_test (tcase, test_quantise_copy);
  tcase_add_loop_test (tcase, test_pairs_in_floats, 0, G_N_ELEMENTS (float_rows));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
