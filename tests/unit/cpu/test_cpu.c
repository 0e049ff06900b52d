/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CPU backend against the reference backend, operator by operator, in f32 and bf16. */
#include "engine/error.h"
#include "tests/unit/cpu/net.h"

#include "tests/run_suite.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One operator on random sources. Sources: the input, then constants by dims; "i:" ones are
 * integers. */
typedef struct Row {
  const char *op, *attrs;
  const char *input;        /* dims after the batch */
  const char *constants[4]; /* NULL ends; "-" is left out */
  const char *input_two;    /* a second input, after the first */
  bool on_ref;              /* the CPU backend leaves it to `ref` */
  uint32_t n_dst;           /* 0: 1 */
  bool is_positive;         /* inputs are made positive first */
  bool is_last;             /* inputs come channels-last */
} Row;

static const Row convolutions[] = {
  { "Conv", "pads=[1,1,1,1]", "3,17,19", { "8,3,3,3", "8" } },
  { "Conv", "", "16,8,8", { "24,16,1,1" } },
  { "Conv", "strides=[2,2] pads=[1,1,1,1]", "3,32,32", { "16,3,3,3", "16" } },
  { "Conv", "strides=[2,2] pads=[0,0,1,1]", "5,11,13", { "7,5,3,3", "7" } },
  { "Conv", "strides=[2,3] pads=[2,1,0,3]", "5,12,14", { "7,5,3,5", "7" } },
  { "Conv", "strides=[3,3]", "4,11,11", { "6,4,2,2" } },
  { "Conv", "dilations=[2,2] pads=[2,2,2,2]", "16,13,13", { "16,16,3,3", "16" } },
  { "Conv", "dilations=[3,5] pads=[3,5,3,5]", "32,20,20", { "16,32,3,3", "16" } },
  { "Conv", "group=16 pads=[1,1,1,1]", "16,14,14", { "16,1,3,3", "16" } },
  { "Conv", "group=13 pads=[1,1,1,1] strides=[2,2]", "13,15,15", { "13,1,3,3", "13" } },
  { "Conv", "group=48 pads=[2,2,2,2]", "48,9,9", { "48,1,5,5", "48" } },
  { "Conv", "group=24 pads=[1,1,1,1]", "24,9,37", { "24,1,3,3", "24" } },
  { "Conv", "group=24 pads=[2,2,2,2] strides=[2,2]", "24,19,21", { "24,1,5,5", "24" } },
  { "Conv", "group=35 pads=[0,1,1,2]", "35,6,5", { "35,1,3,3" } },
  { "Conv", "group=20 pads=[2,2,2,2] dilations=[2,2]", "20,12,23", { "20,1,3,3", "20" } },
  { "Conv", "group=20 pads=[3,3,3,3]", "20,12,11", { "20,1,7,7", "20" } },
  { "Conv", "group=20 pads=[0,3,0,3]", "20,6,11", { "20,1,1,7", "20" } },
  { "Conv", "group=20 pads=[1,1,1,1] strides=[3,3]", "20,12,11", { "20,1,3,3", "20" } },
  { "Conv", "group=20 pads=[1,1,1,1]", "20,1,1", { "20,1,3,3", "20" } },
  { "Conv", "group=20 pads=[2,2,2,2]", "20,2,3", { "20,1,5,5", "20" } },
  { "Conv", "group=64 pads=[1,1,1,1]", "64,40,80", { "64,1,3,3", "64" } },
  { "Conv", "group=4 pads=[1,1,1,1]", "16,7,7", { "32,4,3,3", "32" } },
  { "Conv", "group=3", "9,7,7", { "6,3,3,3" } },
  { "Conv", "auto_pad=SAME_UPPER strides=[2,2]", "3,10,10", { "8,3,3,3", "8" } },
  { "Conv", "auto_pad=SAME_LOWER", "3,10,10", { "8,3,4,4" } },
  { "Conv", "pads=[1,1]", "6,31", { "10,6,3", "10" } },
  { "Conv", "pads=[1,1,1,1,1,1]", "4,6,7,8", { "8,4,3,3,3", "8" } },
  { "Conv", "pads=[3,3,3,3] strides=[4,4]", "1,64,64", { "2,1,7,7" } },
  { "Conv", "", "127,5,5", { "131,127,1,1", "131" } },
  { "ConvTranspose", "strides=[2,2]", "8,5,6", { "8,6,2,2", "6" } },
  { "ConvTranspose", "strides=[2,2] pads=[1,1,1,1]", "8,5,6", { "8,6,4,4", "6" } },
  { "ConvTranspose", "strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]", "7,5,5", { "7,3,3,3" } },
  { "ConvTranspose", "group=4 strides=[2,2]", "8,5,6", { "8,3,2,2", "12" } },
  { "ConvTranspose", "dilations=[2,2]", "4,5,6", { "4,6,3,3", "6" } },
};

static const Row pools[] = {
  { "MaxPool", "kernel_shape=[2,2] strides=[2,2]", "16,8,8" },
  { "MaxPool", "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]", "13,15,17" },
  { "MaxPool", "kernel_shape=[3,3] strides=[2,2] ceil_mode=1", "16,8,8" },
  { "MaxPool", "kernel_shape=[5,5] pads=[2,2,2,2]", "24,10,10" },
  { "MaxPool", "kernel_shape=[3,3] dilations=[2,2]", "8,11,11" },
  { "MaxPool", "kernel_shape=[3] strides=[2]", "8,11" },
  { "MaxPool", "kernel_shape=[2,3] strides=[1,2] pads=[0,2,1,0]", "70,9,11" },
  { "MaxPool", "kernel_shape=[3,2] strides=[3,1] pads=[2,0,0,1]", "5,9,11" },
  { "AveragePool", "kernel_shape=[2,2] strides=[2,2]", "16,8,8" },
  { "AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1]", "7,9,9" },
  { "AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1", "7,9,9" },
  { "AveragePool", "kernel_shape=[3,3] strides=[2,2] ceil_mode=1", "8,8,8" },
  { "AveragePool", "kernel_shape=[3,3] strides=[2,2] ceil_mode=1 count_include_pad=1", "8,8,8",
      .on_ref = true },
  { "GlobalAveragePool", "", "17,7,5" },
  { "GlobalAveragePool", "", "1030,3,3" },
  { "GlobalAveragePool", "", "16,20,9" },
  { "GlobalMaxPool", "", "6,23,21" },
  { "GlobalMaxPool", "", "16,7,5" },
  { "ReduceMean", "axes=[2,3]", "16,7,5" },
  { "ReduceMean", "axes=[-1,-2] keepdims=0", "16,7,5" },
  { "ReduceMean", "axes=[1]", "16,7,5", .on_ref = true },
};

static const Row matrices[] = {
  { "Gemm", "transB=1", "33", { "10,33", "10" } },
  { "Gemm", "", "64", { "64,17", "17" } },
  { "Gemm", "alpha=0.5f beta=2f transB=1", "20", { "7,20", "1,7" } },
  { "Gemm", "beta=3f", "20", { "20,7", "1" } },
  { "MatMul", "", "31", { "31,5" } },
  { "MatMul", "", "6,31", { "31,5" } },
  { "MatMul", "", "4,6,16", { "16,9" } },
  { "MatMul", "", "4,6,16", .input_two = "4,16,5" },
  { "MatMul", "", "6,16", .input_two = "16,5" },
};

static const Row elementwise[] = {
  { "Relu", "", "7,5,5" },
  { "Abs", "", "7,5,5" },
  { "Ceil", "", "7,5,5" },
  { "Floor", "", "7,5,5" },
  { "Clip", "", "7,5,5", { "=-0.5", "=0.25" } },
  { "Clip", "", "7,5,5", { "-", "=0.25" } },
  { "Elu", "alpha=0.7f", "7,5,5" },
  { "Exp", "", "1031" },
  { "HardSigmoid", "alpha=0.4f", "7,5,5" },
  { "HardSwish", "", "7,5,5" },
  { "LeakyRelu", "alpha=0.1f", "7,5,5" },
  { "Mish", "", "7,5,5" },
  { "Neg", "", "7,5,5" },
  { "Reciprocal", "", "7,5,5", .is_positive = true },
  { "Selu", "", "7,5,5" },
  { "Sigmoid", "", "3,50,70" },
  { "Softsign", "", "7,5,5" },
  { "Sqrt", "", "7,5,5", .is_positive = true },
  { "Swish", "alpha=1.5f", "7,5,5" },
  { "Tanh", "", "2,3000" },
  { "Add", "", "7,5,6", .input_two = "7,5,6" },
  { "Add", "", "7,5,6", .input_two = "7,1,1" },
  { "Mul", "", "7,1,1", .input_two = "7,5,6" },
  { "Mul", "", "7,5,6", .input_two = "1,5,6" },
  { "Sub", "", "7,5,6", { "7,1,1" } },
  { "Div", "", "7,5,6", { "1,7,1,1" } },
  { "Mul", "", "7,5,6", { "" } },
  { "Mul", "", "7,5,6", { "5,6" } },
  { "Add", "", "7,5,6", { "1,7,5,6" } },
  { "Add", "", "7", { "7" } },
  { "Add", "", "1,1,1", { "1,9,3,5" } },
  { "PRelu", "", "7,5,6", { "7,1,1" } },
  { "BatchNormalization", "", "19,5,6", { "19", "19", "19", "+19" } },
  { "BatchNormalization", "", "19,15,16", { "19", "19", "19", "+19" }, .is_last = true },
  { "BatchNormalization", "", "600,2,3", { "600", "600", "600", "+600" }, .is_last = true },
  { "BatchNormalization", "", "19", { "19", "19", "19", "+19" } },
  { "Mul", "", "7,1,1", .input_two = "7,20,30", .is_last = true },
  { "Sub", "", "16,20,9", .input_two = "16,1,1", .is_last = true },
  { "Add", "", "520,3,2", .input_two = "520,1,1", .is_last = true },
  { "PRelu", "", "16,20,9", { "16,1,1" }, .is_last = true },
  { "InstanceNormalization", "", "7,5,6", { "7", "7" } },
  { "InstanceNormalization", "", "16,70,80", { "16", "16" }, .is_last = true },
  { "InstanceNormalization", "epsilon=0.1f", "500,3,4", { "500", "500" }, .is_last = true },
  { "InstanceNormalization", "", "600,3,4", { "600", "600" }, .is_last = true },
  { "MeanVarianceNormalization", "axes=[2,3]", "5,20,19", .is_last = true },
  { "Softmax", "axis=1", "21" },
  { "Softmax", "axis=-1", "400,2" },
  { "Softmax", "axis=2", "4,300" },
  { "Softmax", "axis=1", "5,9,11" },
  { "Softmax", "axis=2", "5,9,11" },
  { "Softmax", "axis=1", "1500,3" },
  { "Softmax", "axis=1", "3000" },
  { "LogSoftmax", "axis=1", "21,3,3" },
  { "LogSoftmax", "axis=-1", "3,1500" },
};

static const Row movement[] = {
  { "Concat", "axis=1", "5,6,7", .input_two = "3,6,7" },
  { "Concat", "axis=2", "5,6,7", .input_two = "5,2,7" },
  { "Concat", "axis=-1", "5,6", .input_two = "5,9" },
  { "Concat", "axis=1", "5", .input_two = "7" },
  { "Split", "axis=1", "6,5,4", .n_dst = 3 },
  { "Split", "axis=3", "6,5,4", .n_dst = 2 },
  { "Slice", "", "8,9,10", { "i:1,2", "i:7,100", "i:1,3", "i:2,3" } },
  { "Slice", "", "8,9,10", { "i:-1", "i:-100", "i:2", "i:-1" } },
  { "Transpose", "perm=[0,2,3,1]", "5,6,7" },
  { "Transpose", "perm=[0,3,1,2]", "5,6,7" },
  { "Transpose", "perm=[0,2,1]", "40,30" },
  { "Transpose", "perm=[0,3,2,1]", "5,16,17" },
  { "DepthToSpace", "blocksize=2", "12,5,6" },
  { "DepthToSpace", "blocksize=2 mode=CRD", "12,5,6" },
  { "SpaceToDepth", "blocksize=2", "3,10,6" },
  { "ChannelShuffle", "group=2", "58,5,6" },
  { "ChannelShuffle", "group=3", "12,5,6" },
  { "Pad", "", "3,5,6", { "i:0,0,1,2,0,0,3,0" } },
  { "Pad", "", "3,5,6", { "i:0,1,1,2,0,0,-2,0", "=0.5" } },
  { "Pad", "mode=reflect", "3,5,6", { "i:0,0,1,2,0,0,3,0" }, .on_ref = true },
  { "Resize", "mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor", "5,6,7",
      { "-", "=1,1,2,2" } },
  { "Resize", "mode=nearest", "5,6,7", { "-", "-", "i:N,5,11,17" } },
  { "Resize", "mode=nearest coordinate_transformation_mode=align_corners nearest_mode=ceil",
      "5,6,7", { "-", "-", "i:N,5,3,17" } },
  { "Resize", "mode=linear", "5,6,7", { "-", "=1,1,2,2" } },
  { "Resize", "mode=linear coordinate_transformation_mode=align_corners", "5,6,7",
      { "-", "-", "i:N,5,13,9" } },
  { "Resize", "mode=linear coordinate_transformation_mode=asymmetric", "5,6,7",
      { "-", "=1,1,0.5,3" } },
  { "Resize", "mode=linear", "5,7", { "-", "=1,1,2" } },
  { "Resize", "mode=cubic", "5,6,7", { "-", "=1,1,2,2" }, .on_ref = true },
};

/* "": a scalar; "i:1,2" integers, N the batch; "=1,2" these floats; "+8" positive; "8,3" random. */
static uint32_t add_constant (Net *net, const char *text, uint32_t n)
{
  if (strcmp (text, "-") == 0)
    return WEIR_NONE;
  if (g_str_has_prefix (text, "i:")) {
    g_autofree char *batch = g_strdup_printf ("%u", n);
    g_auto (GStrv) parts = g_strsplit (text + 2, "N", -1);
    g_autofree char *values = g_strjoinv (batch, parts);
    return net_ints (net, values);
  }
  if (*text != '=')
    return net_constant (net, *text == '+' ? text + 1 : text, 0.3f, *text == '+' ? 1.0f : 0.01f);
  g_auto (GStrv) parts = g_strsplit (text + 1, ",", -1);
  uint32_t n_values = g_strv_length (parts);
  g_autofree char *dims = n_values > 1 ? g_strdup_printf ("%u", n_values) : g_strdup ("");
  uint32_t id = net_constant (net, dims, 0.0f, 0.0f);
  for (uint32_t i = 0; i < n_values; i++)
    ((float *) weir_graph_value (net->graph, id)->tensor.buffer)[i] =
        (float) g_ascii_strtod (parts[i], NULL);
  return id;
}

static Net *build (const Row *row, uint32_t n)
{
  Net *net = net_new ();
  uint32_t src[8], n_src = 0, n_dst = MAX (row->n_dst, 1);
  src[n_src++] = net_input (net, "x", row->input);
  if (row->is_positive) {
    uint32_t one = add_constant (net, "=1.5", n);
    src[0] = net_op (net, "Add", "", src[0], one);
  }
  if (row->input_two)
    src[n_src++] = net_input (net, "y", row->input_two);
  for (uint32_t i = 0; i < n_src && row->is_last; i++) /* pools give channels-last */
    src[i] = net_op (net, "MaxPool", "kernel_shape=[1,1]", src[i]);
  for (uint32_t i = 0; i < G_N_ELEMENTS (row->constants) && row->constants[i]; i++)
    src[n_src++] = add_constant (net, row->constants[i], n);
  src[n_src] = NET_END;
  uint32_t dst = net_node (net, row->op, row->attrs, n_dst, src);
  for (uint32_t i = 0; i < n_dst; i++)
    net_output (net, dst + i);
  net_finish (net);
  return net;
}

static bool runs_on (const char *steps, const char *op, const char *backend)
{
  g_autofree char *pattern = g_strdup_printf (" '%s' %s ", op, backend);
  return strstr (steps, pattern) || !strstr (steps, op); /* or it is a view */
}

static void check_row (const Row *row, WeirPrecision precision, uint32_t n_threads, uint32_t n)
{
  g_autoptr (Net) net = build (row, n);
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, n };
  NetRun cpu = { &weir_backend_cpu, precision, n_threads, n };
  g_autofree char *steps = NULL, *what = NULL;
  size_t n_expected, n_got;
  what = g_strdup_printf ("%s %s of %s, n = %u, %s, %u threads", row->op, row->attrs, row->input, n,
      weir_precision_name (precision), n_threads);
  g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
  g_autofree float *got = net_run (net, &cpu, &n_got, &steps);
  ck_assert_msg (expected && got && n_expected == n_got, "%s does not run", what);
  ck_assert_msg (
      runs_on (steps, row->op, row->on_ref ? "ref" : "cpu"), "%s runs elsewhere:\n%s", what, steps);
  double difference = net_difference (got, expected, n_got);
  double limit = precision == WEIR_PRECISION_BF16 ? 2e-2 : 1e-5;
  ck_assert_msg (difference <= limit, "%s: differs by %g\n%s", what, difference, steps);
}

static void check_rows (const Row *rows, size_t n_rows)
{
  static const uint32_t batches[] = { 1, 2, 3, 5 };
  for (size_t i = 0; i < n_rows; i++) {
    for (uint32_t k = 0; k < G_N_ELEMENTS (batches); k++)
      check_row (&rows[i], WEIR_PRECISION_F32, 1 + k % 2, batches[k]);
    check_row (&rows[i], WEIR_PRECISION_BF16, 1, 2);
  }
}

#define TEST_ROWS(name, rows)               \
  START_TEST (name)                         \
  {                                         \
    check_rows (rows, G_N_ELEMENTS (rows)); \
  }                                         \
  END_TEST

TEST_ROWS (test_cpu_convolutions, convolutions)
TEST_ROWS (test_cpu_pools, pools)
TEST_ROWS (test_cpu_matrices, matrices)
TEST_ROWS (test_cpu_elementwise, elementwise)
TEST_ROWS (test_cpu_movement, movement)

/* Post-ops as fusing makes them, on the node itself. */
static const struct {
  WeirPostOp post[3];
  bool has_residual;
} posts[] = {
  { { { WEIR_OP_RELU, 0, 0, WEIR_NONE } } },
  { { { WEIR_OP_CLIP, 0, 6, WEIR_NONE } } },
  { { { WEIR_OP_LEAKY_RELU, 0.1f, 0, WEIR_NONE } } },
  { { { WEIR_OP_SIGMOID, 0, 0, WEIR_NONE } } },
  { { { WEIR_OP_HARD_SIGMOID, 0.2f, 0.5f, WEIR_NONE } } },
  { { { WEIR_OP_SWISH, 1, 0, WEIR_NONE } } },
  { { { WEIR_OP_HARD_SWISH, 0, 0, WEIR_NONE } } },
  { { { WEIR_OP_TANH, 0, 0, WEIR_NONE } } },
  { { { WEIR_OP_ELU, 0.8f, 0, WEIR_NONE } } },
  { { { WEIR_OP_MISH, 0, 0, WEIR_NONE } } },
  { { { WEIR_OP_ADD, 0, 0, 3 }, { WEIR_OP_RELU, 0, 0, WEIR_NONE } }, true },
  { { { WEIR_OP_SWISH, 1, 0, WEIR_NONE }, { WEIR_OP_ADD, 0, 0, 3 } }, true },
};

/* What carries the post-ops; all give 12 channels. */
static const struct {
  const char *op, *attrs, *src, *weights, *dst;
} carriers[] = {
  { "Conv", "", "5,9,9", "12,5,3,3", "12,7,7" },
  { "Conv", "group=12", "12,9,9", "12,1,3,3", "12,7,7" },
  { "ConvTranspose", "", "5,9,9", "5,12,1,1", "12,9,9" },
  { "Gemm", "", "20", "20,12", "12" },
};

static Net *build_post (uint32_t k, uint32_t carrier)
{
  Net *net = net_new ();
  uint32_t x = net_input (net, "x", carriers[carrier].src);
  uint32_t w = net_constant (net, carriers[carrier].weights, 0.5f, 0.0f);
  uint32_t b = net_constant (net, "12", 0.5f, 0.0f);
  uint32_t residual = posts[k].has_residual ? net_input (net, "r", carriers[carrier].dst) : NET_END;
  uint32_t src[] = { x, w, b, residual, NET_END };
  uint32_t dst = net_node (net, carriers[carrier].op, carriers[carrier].attrs, 1, src);
  WeirNode *node = weir_graph_node (net->graph, 0);
  for (; node->n_post < 3 && posts[k].post[node->n_post].op; node->n_post++)
    node->post[node->n_post] = posts[k].post[node->n_post];
  net_output (net, dst);
  net_finish (net);
  return net;
}

START_TEST (test_cpu_post_ops)
{
  for (uint32_t k = 0; k < G_N_ELEMENTS (posts); k++)
    for (uint32_t i = 0; i < 2 * G_N_ELEMENTS (carriers); i++) {
      g_autoptr (Net) net = build_post (k, i / 2);
      bool is_bf16 = i & 1;
      NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 3 };
      NetRun cpu = { &weir_backend_cpu, is_bf16 ? WEIR_PRECISION_BF16 : WEIR_PRECISION_F32, 1, 3 };
      g_autofree char *steps = NULL;
      size_t n_expected, n_got;
      g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
      g_autofree float *got = net_run (net, &cpu, &n_got, &steps);
      ck_assert_msg (expected && got && n_expected == n_got, "post-op %u does not run", k);
      ck_assert_msg (strstr (steps, " cpu "), "post-op %u runs elsewhere:\n%s", k, steps);
      ck_assert_msg (net_difference (got, expected, n_got) <= (is_bf16 ? 2e-2 : 1e-5),
          "post-op %u differs by %g\n%s", k, net_difference (got, expected, n_got), steps);
    }
}
END_TEST

/* Plans for other batches bring no second copy of the weights; they go with the last plan. */
START_TEST (test_cpu_weights_shared)
{
  g_autoptr (Net) net = net_new ();
  uint32_t x = net_input (net, "x", "16,20,20");
  uint32_t w = net_constant (net, "32,16,3,3", 0.5f, 0.0f);
  uint32_t y = net_op (net, "Conv", "pads=[1,1,1,1]", x, w);
  net_output (net, y);
  net_finish (net);
  WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  g_autoptr (WeirTarget) target = weir_target_new (net->graph, &weir_backend_cpu, &options, NULL);
  WeirPlan *one = weir_plan_new (target, 1, NULL);
  size_t n_bytes = weir_target_weight_bytes (target);
  ck_assert_uint_ge (n_bytes, 32 * 16 * 9 * sizeof (float));
  WeirPlan *many = weir_plan_new (target, 7, NULL);
  ck_assert_uint_eq (weir_target_weight_bytes (target), n_bytes);
  weir_plan_free (one);
  ck_assert_uint_eq (weir_target_weight_bytes (target), n_bytes);
  weir_plan_free (many);
  ck_assert_uint_eq (weir_target_weight_bytes (target), 0);
}
END_TEST

/* In bf16 what follows the last convolution is computed in f32. */
START_TEST (test_cpu_tail_is_f32)
{
  g_autoptr (Net) net = net_new ();
  uint32_t x = net_input (net, "x", "16,6,6");
  uint32_t w = net_constant (net, "16,16,1,1", 0.5f, 0.0f);
  uint32_t a = net_op (net, "Conv", "", x, w);
  uint32_t b = net_op (net, "Conv", "", a, w);
  net_output (net, net_op (net, "Exp", "", b));
  net_finish (net);
  NetRun run = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 1 };
  g_autofree char *steps = NULL;
  size_t n;
  g_autofree float *got = net_run (net, &run, &n, &steps);
  ck_assert_ptr_nonnull (got);
  ck_assert_msg (strstr (steps, "-> bf16[1,16,6,6]:nhwc"), "%s", steps);
  ck_assert_msg (strstr (steps, "-> f32[1,16,6,6]:nhwc"), "%s", steps);
}
END_TEST

START_TEST (test_cpu_precision)
{
  static const struct {
    WeirPrecision asked;
    bool is_possible;
  } rows[] = {
    { WEIR_PRECISION_AUTO, true }, { WEIR_PRECISION_F32, true }, { WEIR_PRECISION_F16, false },
    { WEIR_PRECISION_INT8, true }, /* of the quantised steps; the session refuses other models */
  };
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    WeirDeviceOptions options = { .precision = rows[i].asked, .n_threads = 1 };
    g_autoptr (GError) error = NULL;
    WeirDevice *device = weir_backend_cpu.open (&options, &error);
    ck_assert_int_eq (device != NULL, rows[i].is_possible);
    if (device) {
      ck_assert_int_ne (weir_backend_cpu.precision (device), WEIR_PRECISION_AUTO);
      weir_backend_cpu.close (device);
    } else {
      ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED));
    }
  }
}
END_TEST

int main (void)
{
  const struct {
    const char *name;
    const TTest *test;
  } tests[] = {
    { "convolutions", test_cpu_convolutions },
    { "pools", test_cpu_pools },
    { "matrices", test_cpu_matrices },
    { "elementwise", test_cpu_elementwise },
    { "movement", test_cpu_movement },
    { "post-ops", test_cpu_post_ops },
    { "weights", test_cpu_weights_shared },
    { "tail", test_cpu_tail_is_f32 },
    { "precision", test_cpu_precision },
  };
  Suite *suite = suite_create ("cpu");
  for (size_t i = 0; i < G_N_ELEMENTS (tests); i++) {
    TCase *tcase = tcase_create (tests[i].name);
    tcase_add_test (tcase, tests[i].test);
    suite_add_tcase (suite, tcase);
  }
  return run_suite (suite, CK_FORK_GETENV);
}
