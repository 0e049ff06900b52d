/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Graphs of codes on the device against the reference: byte by byte where ONNX says what the bytes
 * are, or all scales are powers of two, so that no sum is rounded; else to one step. Nothing in
 * between is left to the host. */
#include "engine/graph/passes.h"
#include "tests/ocl/ocl_kit.h"
#include "tests/run_suite.h"
#include "tests/unit/cpu/net.h"

#include <math.h>
#include <string.h>

#define U8 WEIR_DTYPE_U8
#define I8 WEIR_DTYPE_I8

static bool is_few; /* cases: for simulators */

static uint32_t number (Net *net, float value)
{
  return net_constant (net, "", 0.0f, value);
}

/* A constant of random codes, ends of the range among them; "": the one code `value`. */
static uint32_t codes (Net *net, WeirDtype dtype, const char *dims, int value)
{
  WeirTensor tensor = weir_graph_value (net->graph, net_constant (net, dims, 0, 0))->tensor;
  int64_t n;
  weir_tensor_n_elements (&tensor, &n);
  uint8_t *data = weir_arena_new_array (net->graph->arena, uint8_t, (size_t) n);
  for (int64_t i = 0; i < n; i++) {
    net->seed = net->seed * 1664525u + 1013904223u;
    data[i] = (uint8_t) (!*dims ? (uint32_t) value : i % 11 == 3 ? 128 : net->seed >> 24);
  }
  tensor.dtype = dtype;
  tensor.buffer = data;
  return weir_graph_add_constant (net->graph, "codes", &tensor);
}

/* i32, within some thousands. */
static uint32_t whole_numbers (Net *net, const char *dims)
{
  WeirTensor tensor = weir_graph_value (net->graph, net_constant (net, dims, 3000, 0))->tensor;
  int64_t n;
  weir_tensor_n_elements (&tensor, &n);
  int32_t *data = weir_arena_new_array (net->graph->arena, int32_t, (size_t) n);
  for (int64_t i = 0; i < n; i++)
    data[i] = (int32_t) ((const float *) tensor.buffer)[i];
  tensor.dtype = WEIR_DTYPE_I32;
  tensor.buffer = data;
  return weir_graph_add_constant (net->graph, "bias", &tensor);
}

static uint32_t quantise (Net *net, uint32_t x, WeirDtype dtype, float scale, int zero)
{
  return net_op (net, "QuantizeLinear", "", x, number (net, scale), codes (net, dtype, "", zero));
}

static uint32_t dequantise (Net *net, uint32_t x, WeirDtype dtype, float scale, int zero)
{
  return net_op (net, "DequantizeLinear", "", x, number (net, scale), codes (net, dtype, "", zero));
}

static uint32_t pair (Net *net, uint32_t x, WeirDtype dtype, float scale, int zero)
{
  return dequantise (net, quantise (net, x, dtype, scale, zero), dtype, scale, zero);
}

static uint32_t input (Net *net, const char *dims, WeirDtype dtype, float scale, int zero)
{
  return quantise (net, net_input (net, "x", dims), dtype, scale, zero);
}

static void output (Net *net, uint32_t x, WeirDtype dtype, int zero)
{
  net_output (net, dequantise (net, x, dtype, 1, zero));
}

/* --- operators of ONNX --- */

typedef struct ProductRow {
  const char *op, *attrs, *src, *weights, *scales, *bias; /* dims; bias NULL: none */
  WeirDtype dtype;
  int src_zero, dst_zero;
  WeirDtype weights_dtype;
  int weights_zero;
} ProductRow;

static const ProductRow products[] = {
  { "QLinearConv", "pads=[1,1,1,1] strides=[2,2]", "3,13,11", "7,3,3,3", "7", "7", U8, 128, 3, I8 },
  { "QLinearConv", "", "32,7,5", "20,32,1,1", "20", "20", U8, 3, 0, I8 },
  { "QLinearConv", "group=8 pads=[1,1,1,1]", "8,9,7", "8,1,3,3", "8", "8", U8, 77, 255, I8 },
  { "QLinearConv", "group=5 strides=[2,1]", "5,9,7", "5,1,3,2", "", "5", I8, -3, 9, I8 },
  { "QLinearConv", "group=2 dilations=[2,1]", "6,9,7", "4,3,3,3", "4", NULL, I8, 127, -128, U8,
      128 },
  { "QLinearConv", "pads=[2,1]", "12,17", "9,12,5", "", "9", U8, 0, 100, I8 },
  { "QLinearMatMul", "", "3,37", "37,5", "5", NULL, U8, 113, 118, I8 },
  { "com.microsoft:QGemm", "transB=1 alpha=0.7f", "41", "13,41", "13", "13", U8, 113, 118, I8 },
};

static uint32_t add_product (Net *net, const ProductRow *row, const float scales[3], bool is_open)
{
  uint32_t x = input (net, row->src, row->dtype, scales[0], row->src_zero);
  uint32_t s = number (net, scales[0]), z = codes (net, row->dtype, "", row->src_zero);
  uint32_t w = codes (net, row->weights_dtype, row->weights, 0),
           ws = net_constant (net, row->scales, scales[1] / 2, scales[1]),
           wz = codes (net, row->weights_dtype, "", row->weights_zero);
  uint32_t rs = is_open ? WEIR_NONE : number (net, scales[2]),
           rz = is_open ? WEIR_NONE : codes (net, row->dtype, "", row->dst_zero),
           b = row->bias ? whole_numbers (net, row->bias) : NET_END;
  return strstr (row->op, "QGemm")
             ? net_op (net, row->op, row->attrs, x, s, z, w, ws, wz, b, rs, rz)
             : net_op (net, row->op, row->attrs, x, s, z, w, ws, wz, rs, rz, b);
}

static void build_product (Net *net, int i)
{
  static const float scales[] = { 0.0066f, 0.00705f, 0.053f };
  output (
      net, add_product (net, &products[i], scales, false), products[i].dtype, products[i].dst_zero);
}

/* Sums of two and more lie exactly between two codes. */
static void build_product_between (Net *net, int i)
{
  static const float scales[] = { 0.0078125f, 0.0078125f, 0.015625f };
  output (
      net, add_product (net, &products[i], scales, false), products[i].dtype, products[i].dst_zero);
}

static void build_open_gemm (Net *net, int i)
{
  static const float scales[] = { 0.0066f, 0.00705f, 1 };
  net_output (net, add_product (net, &products[G_N_ELEMENTS (products) - 1], scales, true));
}

/* --- element by element --- */

static const struct {
  const char *op, *a, *b;
  WeirDtype dtype;
  int zeros[3];
} binaries[] = {
  { "com.microsoft:QLinearAdd", "8,5,7", "8,5,7", U8, { 128, 100, 3 } },
  { "com.microsoft:QLinearAdd", "7,5,3", "7,1,1", I8, { 0, -100, 127 } },
  { "com.microsoft:QLinearMul", "13", "13", U8, { 5, 128, 99 } },
  { "com.microsoft:QLinearMul", "5,1,1", "5,4,3", U8, { 128, 128, 128 } },
};

static void add_binary (Net *net, int i, const float scales[3])
{
  WeirDtype dtype = binaries[i].dtype;
  const int *zeros = binaries[i].zeros;
  uint32_t a = input (net, binaries[i].a, dtype, scales[0], zeros[0]);
  uint32_t b = input (net, binaries[i].b, dtype, scales[1], zeros[1]);
  uint32_t y = net_op (net, binaries[i].op, "", a, number (net, scales[0]),
      codes (net, dtype, "", zeros[0]), b, number (net, scales[1]),
      codes (net, dtype, "", zeros[1]), number (net, scales[2]), codes (net, dtype, "", zeros[2]));
  output (net, y, dtype, zeros[2]);
}

static void build_binary (Net *net, int i)
{
  static const float scales[] = { 0.0078125f, 0.00390625f, 0.015625f };
  add_binary (net, i, scales);
}

static void build_rounded_binary (Net *net, int i)
{
  static const float scales[] = { 0.0081f, 0.0073f, 0.0149f };
  add_binary (net, i, scales);
}

static const struct {
  const char *op, *attrs, *src;
  WeirDtype dtype;
  int zeros[2];
} pools[] = {
  { "com.microsoft:QLinearGlobalAveragePool", "", "7,4,2", U8, { 100, 80 } },
  { "com.microsoft:QLinearAveragePool", "kernel_shape=[2,2] strides=[2,2] pads=[1,1,0,0]", "5,7,9",
      I8, { -10, 8 } },
  { "com.microsoft:QLinearAveragePool",
      "kernel_shape=[2,4] strides=[2,3] pads=[1,1,1,1] count_include_pad=1", "3,6,11", U8,
      { 3, 0 } },
};

static void build_pool (Net *net, int i)
{
  WeirDtype dtype = pools[i].dtype;
  uint32_t x = input (net, pools[i].src, dtype, 0.0078125f, pools[i].zeros[0]);
  uint32_t y = net_op (net, pools[i].op, pools[i].attrs, x, number (net, 0.0078125f),
      codes (net, dtype, "", pools[i].zeros[0]), number (net, 0.00390625f),
      codes (net, dtype, "", pools[i].zeros[1]));
  output (net, y, dtype, pools[i].zeros[1]);
}

static const struct {
  const char *op, *attrs;
  WeirDtype dtype;
} unaries[] = {
  { "com.microsoft:QLinearSigmoid", "", U8 },
  { "com.microsoft:QLinearLeakyRelu", "alpha=0.1f", I8 },
};

static void build_unary (Net *net, int i)
{
  WeirDtype dtype = unaries[i].dtype;
  uint32_t x = input (net, "7,5,3", dtype, 0.011f, 10);
  uint32_t y = net_op (net, unaries[i].op, unaries[i].attrs, x, number (net, 0.011f),
      codes (net, dtype, "", 10), number (net, 0.005f), codes (net, dtype, "", -30 & 127));
  output (net, y, dtype, -30 & 127);
}

static void build_concat (Net *net, int i)
{
  static const char *const dims[][2] = { { "5,3,7", "8,3,7" }, { "5,3,7", "5,4,7" } };
  WeirDtype dtype = i ? I8 : U8;
  uint32_t a = input (net, dims[i][0], dtype, 0.02f, 20),
           b = input (net, dims[i][1], dtype, 0.013f, 9);
  uint32_t y = net_op (net, "com.microsoft:QLinearConcat", i ? "axis=2" : "axis=1",
      number (net, 0.02f), codes (net, dtype, "", 20), a, number (net, 0.02f),
      codes (net, dtype, "", 20), b, number (net, 0.013f), codes (net, dtype, "", 9));
  output (net, y, dtype, 20);
}

/* What moves codes, or picks some. */
static void build_moves (Net *net, int i)
{
  WeirDtype dtype = i ? I8 : U8;
  uint32_t x = input (net, "6,9,10", dtype, 0.011f, 10);
  uint32_t parts = net_node (net, "Split", "axis=1", 2, (uint32_t[]){ x, NET_END });
  x = net_op (net, "Concat", "axis=1", parts + 1, parts);
  x = net_op (net, "MaxPool", "kernel_shape=[3,2] strides=[1,1] pads=[1,0,0,1]", x);
  x = net_op (net, "Slice", "", x, net_ints (net, "-1,1"), net_ints (net, "-100,9"),
      net_ints (net, "2,3"), net_ints (net, "-2,3"));
  x = net_op (net, "Pad", "", x, net_ints (net, "0,0,1,2,0,0,0,1"), codes (net, dtype, "", -100));
  x = net_op (net, "Resize", "mode=nearest coordinate_transformation_mode=asymmetric", x, WEIR_NONE,
      net_constant (net, "4", 0.0f, 1.0f));
  x = net_op (net, "Transpose", "perm=[0,3,1,2]", x);
  output (net, x, dtype, 10);
}

/* --- what the pass makes of floating graphs: weights, steps and biases are powers of two --- */

static uint32_t weights (Net *net, const char *dims, const char *count)
{
  uint32_t w = codes (net, I8, dims, 0);
  return net_op (net, "DequantizeLinear", "axis=0", w, net_constant (net, count, 0.0f, 0.0078125f));
}

static uint32_t exact_input (Net *net, const char *dims)
{
  return pair (net, net_input (net, "x", dims), U8, 0.0078125f, 120);
}

static void build_bounds (Net *net, int i)
{
  static const char *const attrs[] = { "pads=[1,1,1,1] strides=[2,2]", "group=8 pads=[1,1,1,1]" };
  uint32_t x = net_op (net, "Conv", attrs[i], exact_input (net, "8,9,7"),
      i ? weights (net, "8,1,3,3", "8") : weights (net, "8,8,3,3", "8"),
      net_constant (net, "8", 0.0f, 0.25f));
  x = i ? net_op (net, "Clip", "", x, number (net, -0.5f), number (net, 0.75f))
        : net_op (net, "Relu", "", x);
  net_output (net, pair (net, x, U8, 0.015625f, 5));
}

static void build_posts (Net *net, int i)
{
  uint32_t x = exact_input (net, "8,6,5"), y = pair (net, x, U8, 0.015625f, 101);
  y = net_op (net, "Conv", i ? "group=8" : "", y,
      i ? weights (net, "8,1,1,1", "8") : weights (net, "8,8,1,1", "8"));
  if (i < 2) /* a residual of codes */
    y = net_op (net, "Add", "", y, x);
  y = net_op (net, "LeakyRelu", "alpha=0.25f", y);
  net_output (net, i == 1 ? y : pair (net, y, U8, 0.03125f, 50));
}

static void build_chain (Net *net, int i)
{
  uint32_t x = exact_input (net, "8,6,7");
  uint32_t a = net_op (net, "Conv", "pads=[1,1,1,1]", x, weights (net, "8,8,3,3", "8")),
           b = net_op (net, "Conv", "", x, weights (net, "4,8,1,1", "4"));
  a = pair (net, net_op (net, "Relu", "", a), U8, 0.03125f, 0);
  b = pair (net, b, U8, 0.03125f, 0);
  x = net_op (net, "Concat", "axis=1", a, b);
  x = net_op (net, "Mul", "", x, net_constant (net, "1,12,1,1", 0.5f, 1.0f));
  x = net_op (net, "Add", "", x, net_constant (net, "12,1,1", 0.5f, 0.0f));
  x = pair (net, x, U8, 0.03125f, 90);
  x = pair (net, net_op (net, "GlobalAveragePool", "", x), U8, 0.015625f, 128);
  x = net_op (net, "Gemm", "transB=1", net_op (net, "Flatten", "", x), weights (net, "5,12", "5"),
      net_constant (net, "5", 0.5f, 0.0f));
  net_output (net, x);
}

typedef struct Row {
  void (*build) (Net *net, int i);
  int n; /* of its variants */
  bool is_fused;
  double tolerance; /* 1: a step */
} Row;

static const Row rows[] = {
  { build_product, G_N_ELEMENTS (products), false, 0 },
  { build_product_between, G_N_ELEMENTS (products), false, 0 }, { build_open_gemm, 1, false, 0 },
  { build_binary, G_N_ELEMENTS (binaries), false, 0 },
  { build_rounded_binary, G_N_ELEMENTS (binaries), false, 1 },
  { build_pool, G_N_ELEMENTS (pools), false, 0 }, { build_unary, G_N_ELEMENTS (unaries), false, 0 },
  { build_concat, 2, false, 0 }, { build_moves, 2, false, 0 }, { build_bounds, 2, true, 0 },
  { build_posts, 3, true, 0 }, { build_chain, 1, true, 1e-6 }, /* its result is f32 */
};

static void fuse (Net *net)
{
  g_autoptr (GError) error = NULL;
  uint32_t n_quantised, n_total;
  bool ok = weir_fold_but_quantisers (net->graph, weir_ref_evaluate, &error) &&
            weir_quantise (net->graph, weir_ref_evaluate, &n_quantised, &n_total, &error) &&
            weir_fold (net->graph, weir_ref_evaluate, &error) &&
            weir_fuse (net->graph, weir_ref_evaluate, &error);
  ocl_must (ok, error);
  ck_assert_uint_eq (n_quantised, n_total);
}

static void check (const Row *row, int i, uint32_t n)
{
  g_autoptr (Net) net = net_new ();
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_INT8, 1, n };
  NetRun run = { &weir_backend_ocl, WEIR_PRECISION_INT8, 1, n, .match = ocl_kit_match () };
  g_autofree char *steps = NULL;
  size_t n_expected, n_got;
  row->build (net, i);
  net_finish (net);
  if (row->is_fused)
    fuse (net);
  g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
  g_autofree float *got = net_run (net, &run, &n_got, &steps);
  ck_assert (expected && got && n_got == n_expected);
  ck_assert_msg (!strstr (steps, " ref "), "left to the host:\n%s", steps);
  double difference = 0;
  for (size_t k = 0; k < n_got; k++)
    difference = MAX (difference, fabs ((double) got[k] - (double) expected[k]));
  ck_assert_msg (difference <= row->tolerance, "row %d, variant %d, batch %u: differs by %g:\n%s",
      (int) (row - rows), i, n, difference, steps);
}

START_TEST (test_ocl_int8_steps)
{
  for (int i = 0; i < rows[_i].n; i++)
    for (uint32_t n = 1; n <= (is_few ? 1 : 3); n += 2)
      check (&rows[_i], i, n);
}
END_TEST

/* What has no kernel: weights that do not fit i8. */
START_TEST (test_ocl_int8_declined)
{
  static const ProductRow row = { "QLinearConv", "", "3,5,5", "16,3,1,1", "", NULL, U8, 0, 0, U8,
    90 };
  static const float scales[] = { 0.01f, 0.01f, 0.01f };
  g_autoptr (Net) net = net_new ();
  NetRun run = { &weir_backend_ocl, WEIR_PRECISION_INT8, 1, 1, .match = ocl_kit_match () };
  g_autofree char *steps = NULL;
  size_t n;
  output (net, add_product (net, &row, scales, false), U8, 0);
  net_finish (net);
  g_autofree float *got = net_run (net, &run, &n, &steps);
  ck_assert (got);
  ck_assert_msg (strstr (steps, " ref ") != NULL, "%s", steps);
}
END_TEST

/* "few": one batch of each. */
int main (int argc, char **argv)
{
  is_few = argc > 1;
  ocl_kit_start ();
  Suite *suite = suite_create ("ocl int8 steps");
  TCase *tcase = tcase_create ("ocl int8 steps");
  tcase_set_timeout (tcase, 300);
  tcase_add_loop_test (tcase, test_ocl_int8_steps, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_ocl_int8_declined);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
