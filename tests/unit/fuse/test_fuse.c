/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fusing: the graph computes the same as before (on the reference backend), with the nodes that are
 * expected to be left. */
#include "engine/graph/passes.h"
#include "tests/unit/cpu/net.h"

#include "tests/run_suite.h"
#include <string.h>

typedef struct Row {
  const char *name;
  void (*build) (Net *net);
  uint32_t n_nodes; /* after fusing */
  WeirOp has;       /* one that must be among them */
} Row;

static uint32_t conv (Net *net, uint32_t x, const char *weights, const char *attrs)
{
  uint32_t w = net_constant (net, weights, 0.5f, 0.0f);
  return net_op (net, "Conv", attrs, x, w);
}

static uint32_t batch_norm (Net *net, uint32_t x, const char *channels)
{
  uint32_t scale = net_constant (net, channels, 0.5f, 1.0f),
           shift = net_constant (net, channels, 0.5f, 0.0f),
           mean = net_constant (net, channels, 0.5f, 0.0f),
           variance = net_constant (net, channels, 0.5f, 1.0f);
  return net_op (net, "BatchNormalization", "epsilon=0.001f", x, scale, shift, mean, variance);
}

static uint32_t number (Net *net, float value)
{
  return net_constant (net, "", 0.0f, value);
}

static void conv_batch_norm_relu (Net *net)
{
  uint32_t x = net_input (net, "x", "3,6,6"), w = net_constant (net, "8,3,3,3", 0.5f, 0.0f);
  uint32_t y = net_op (net, "Conv", "", x, w, net_constant (net, "8", 0.5f, 0.0f));
  net_output (net, net_op (net, "Relu", "", batch_norm (net, y, "8")));
}

static void depthwise_batch_norm (Net *net)
{
  uint32_t x = net_input (net, "x", "6,6,6");
  net_output (net, batch_norm (net, conv (net, x, "6,1,3,3", "group=6"), "6"));
}

static void transposed_batch_norm (Net *net)
{
  uint32_t x = net_input (net, "x", "6,4,4"), w = net_constant (net, "6,4,2,2", 0.5f, 0.0f);
  uint32_t y = net_op (net, "ConvTranspose", "group=2 strides=[2,2]", x, w);
  net_output (net, batch_norm (net, y, "8"));
}

static void gemm_batch_norm (Net *net)
{
  uint32_t x = net_input (net, "x", "9"), w = net_constant (net, "7,9", 0.5f, 0.0f);
  uint32_t y = net_op (net, "Gemm", "transB=1 alpha=0.5f", x, w);
  net_output (net, batch_norm (net, y, "7"));
}

static void conv_arithmetic (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  x = net_op (net, "Mul", "", x, net_constant (net, "8,1,1", 0.5f, 1.0f));
  x = net_op (net, "Add", "", net_constant (net, "1,8,1,1", 0.5f, 1.0f), x);
  x = net_op (net, "Div", "", x, number (net, 3.0f));
  x = net_op (net, "Sub", "", number (net, 1.0f), x);
  net_output (net, net_op (net, "Sub", "", x, net_constant (net, "8,1,1", 0.5f, 1.0f)));
}

/* A constant per position is none per channel. */
static void conv_add_map (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,8,8"), "8,3,1,1", "");
  net_output (net, net_op (net, "Add", "", x, net_constant (net, "8", 0.5f, 1.0f)));
}

static void division_by_result (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  x = net_op (net, "Div", "", number (net, 3.0f), x);
  net_output (net, net_op (net, "Tanh", "", x)); /* tames what is divided by nearly nothing */
}

static void mat_mul_add (Net *net)
{
  uint32_t x = net_input (net, "x", "9");
  uint32_t y = net_op (net, "MatMul", "", x, net_constant (net, "9,5", 0.5f, 0.0f));
  net_output (net, net_op (net, "Add", "", y, net_constant (net, "5", 0.5f, 0.0f)));
}

static void mat_mul_stack_add (Net *net)
{
  uint32_t x = net_input (net, "x", "4,9");
  uint32_t y = net_op (net, "MatMul", "", x, net_constant (net, "9,5", 0.5f, 0.0f));
  y = net_op (net, "Mul", "", y, net_constant (net, "5", 0.5f, 0.0f));
  net_output (net, net_op (net, "Add", "", y, net_constant (net, "5", 0.5f, 0.0f)));
}

static void swish (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  net_output (net, net_op (net, "Mul", "", x, net_op (net, "Sigmoid", "", x)));
}

static void mish (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  uint32_t gate = net_op (net, "Tanh", "", net_op (net, "Softplus", "", x));
  net_output (net, net_op (net, "Mul", "", gate, x));
}

static void prelu_of_one_slope (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  net_output (net, net_op (net, "PRelu", "", x, net_constant (net, "1,1,1", 0.0f, 0.3f)));
}

static void prelu_of_channels (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  net_output (net, net_op (net, "PRelu", "", x, net_constant (net, "8,1,1", 0.5f, 0.0f)));
}

/* Of two: a residual; of one: nothing. */
static void sums (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6");
  uint32_t y = net_op (net, "Sum", "", conv (net, x, "8,8,1,1", ""), x);
  net_output (net, net_op (net, "Relu", "", net_op (net, "Max", "", y)));
}

/* Of three: not yet anything else. */
static void sum_of_three (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6");
  net_output (net, net_op (net, "Sum", "", conv (net, x, "8,8,1,1", ""), x, x));
}

static uint32_t shifted_clip (Net *net, uint32_t x)
{
  uint32_t y = net_op (net, "Add", "", x, number (net, 3.0f));
  return net_op (net, "Clip", "", y, number (net, 0.0f), number (net, 6.0f));
}

static void hard_swish_by_div (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  uint32_t y = net_op (net, "Mul", "", x, shifted_clip (net, x));
  net_output (net, net_op (net, "Div", "", y, number (net, 6.0f)));
}

static void hard_swish_by_gate (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  uint32_t gate = net_op (net, "Mul", "", number (net, 1.0f / 6.0f), shifted_clip (net, x));
  net_output (net, net_op (net, "Mul", "", gate, x));
}

static void hard_swish_by_hard_sigmoid (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  uint32_t gate = net_op (net, "HardSigmoid", "alpha=0.16666667f", x);
  net_output (net, net_op (net, "Mul", "", x, gate));
}

/* Other slopes are no HardSwish. */
static void hard_gate (Net *net)
{
  uint32_t x = net_input (net, "x", "3,6,6"), gate = net_op (net, "HardSigmoid", "", x);
  net_output (net, net_op (net, "Mul", "", x, gate));
}

static void residual (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6");
  uint32_t y = net_op (net, "Relu", "", conv (net, x, "8,8,3,3", "pads=[1,1,1,1]"));
  y = conv (net, y, "8,8,1,1", "");
  y = net_op (net, "Relu", "", net_op (net, "Add", "", y, x));
  net_output (net, y);
}

/* The main branch stands before the shortcut. */
static void residual_of_two (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6");
  uint32_t y = conv (net, x, "8,8,3,3", "pads=[1,1,1,1]");
  uint32_t z = batch_norm (net, conv (net, x, "8,8,1,1", ""), "8");
  net_output (net, net_op (net, "Add", "", y, z));
}

static uint32_t bottleneck (Net *net, uint32_t x)
{
  uint32_t y = net_op (net, "Relu", "", conv (net, x, "4,8,1,1", ""));
  return net_op (net, "Add", "", conv (net, y, "8,4,3,3", "pads=[1,1,1,1]"), x);
}

/* The second sum may take the first one's place. */
static void residuals (Net *net)
{
  uint32_t x = net_op (net, "Relu", "", bottleneck (net, net_input (net, "x", "8,6,6")));
  net_output (net, net_op (net, "Relu", "", bottleneck (net, bottleneck (net, x))));
}

/* The first sum is read once more, by way of a view. */
static void residual_read_again (Net *net)
{
  uint32_t x = net_op (net, "Relu", "", bottleneck (net, net_input (net, "x", "8,6,6")));
  uint32_t y = bottleneck (net, x);
  uint32_t z = net_op (net, "Reshape", "", x, net_ints (net, "0,8,-1"));
  net_output (net, net_op (net, "Exp", "", y));
  net_output (net, net_op (net, "Tanh", "", z));
}

/* What is added is also what is convolved. */
static void residual_of_source (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "3,6,6"), "8,3,1,1", "");
  x = net_op (net, "Add", "", conv (net, x, "8,8,3,3", "pads=[1,1,1,1]"), x);
  net_output (net, net_op (net, "Exp", "", x));
}

/* At n = 1 the constant-batch operand has the result's shape; at n = 2 it has not. */
static void residual_that_broadcasts (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6");
  uint32_t y = conv (net, x, "8,8,1,1", "");
  uint32_t mean = net_op (net, "ReduceMean", "axes=[0]", x);
  net_output (net, net_op (net, "Add", "", y, mean));
}

/* Both the sum and the convolution are wanted. */
static void shared_result (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6"), y = conv (net, x, "8,8,1,1", "");
  net_output (net, net_op (net, "Relu", "", y));
  net_output (net, net_op (net, "Sigmoid", "", y));
}

static void output_in_between (Net *net)
{
  uint32_t y = conv (net, net_input (net, "x", "8,6,6"), "8,8,1,1", "");
  net_output (net, y);
  net_output (net, net_op (net, "Relu", "", y));
}

static void shuffle (Net *net)
{
  uint32_t x = net_input (net, "x", "12,4,5");
  x = net_op (net, "Reshape", "", x, net_ints (net, "0,3,4,4,5"));
  x = net_op (net, "Transpose", "perm=[0,2,1,3,4]", x);
  net_output (net, net_op (net, "Reshape", "", x, net_ints (net, "-1,12,4,5")));
}

static void shuffle_flat (Net *net)
{
  uint32_t x = net_input (net, "x", "12,4,5");
  x = net_op (net, "Reshape", "", x, net_ints (net, "0,2,6,20"));
  x = net_op (net, "Transpose", "perm=[0,2,1,3]", x);
  net_output (net, net_op (net, "Reshape", "", x, net_ints (net, "0,12,4,5")));
}

/* The same chain, but the spatial dims move. */
static void no_shuffle (Net *net)
{
  uint32_t x = net_input (net, "x", "12,4,4");
  x = net_op (net, "Reshape", "", x, net_ints (net, "0,3,4,4,4"));
  x = net_op (net, "Transpose", "perm=[0,2,1,4,3]", x);
  net_output (net, net_op (net, "Reshape", "", x, net_ints (net, "0,12,4,4")));
}

static void transposes_cancel (Net *net)
{
  uint32_t x = net_op (net, "Relu", "", net_input (net, "x", "3,4,5"));
  uint32_t y = net_op (net, "Transpose", "perm=[0,2,3,1]", x);
  y = net_op (net, "Transpose", "perm=[0,3,1,2]", y);
  net_output (net, net_op (net, "Exp", "", y));
}

static void transposes_join (Net *net)
{
  uint32_t x = net_input (net, "x", "3,4,5");
  x = net_op (net, "Transpose", "perm=[0,2,3,1]", x);
  net_output (net, net_op (net, "Transpose", "perm=[0,2,1,3]", x));
}

static void pad_conv (Net *net)
{
  uint32_t x = net_input (net, "x", "3,6,6");
  x = net_op (net, "Pad", "", x, net_ints (net, "0,0,1,2,0,0,3,0"));
  net_output (net, conv (net, x, "8,3,3,3", "pads=[1,0,0,1]"));
}

/* Channels that are padded cannot go into the convolution. */
static void pad_channels (Net *net)
{
  uint32_t x = net_input (net, "x", "3,6,6");
  x = net_op (net, "Pad", "", x, net_ints (net, "0,1,1,0,0,0,0,0"));
  net_output (net, conv (net, x, "8,4,3,3", ""));
}

static void pad_with_ones (Net *net)
{
  uint32_t x = net_input (net, "x", "3,6,6");
  x = net_op (net, "Pad", "", x, net_ints (net, "0,0,1,1,0,0,1,1"), number (net, 1.0f));
  net_output (net, conv (net, x, "8,3,3,3", ""));
}

static void identities (Net *net)
{
  uint32_t x = net_op (net, "Identity", "", net_input (net, "x", "8,6,6"));
  x = net_op (net, "Dropout", "", conv (net, x, "8,8,1,1", ""));
  net_output (net, net_op (net, "Relu", "", x));
}

static uint32_t every_second (Net *net, uint32_t x, const char *axis, const char *start)
{
  return net_op (net, "Slice", "", x, net_ints (net, start), net_ints (net, "100000"),
      net_ints (net, axis), net_ints (net, "2"));
}

static uint32_t focus_parts (Net *net, uint32_t x)
{
  uint32_t even = every_second (net, x, "2", "0"), odd = every_second (net, x, "2", "1");
  return net_op (net, "Concat", "axis=1", every_second (net, even, "3", "0"),
      every_second (net, odd, "-1", "0"), every_second (net, even, "3", "1"),
      every_second (net, odd, "3", "1"));
}

static void focus (Net *net)
{
  uint32_t x = focus_parts (net, net_input (net, "x", "3,16,12"));
  net_output (net, conv (net, x, "8,12,3,3", "pads=[1,1,1,0]"));
}

/* The convolution's own stride would have to double too. */
static void focus_with_stride (Net *net)
{
  uint32_t x = focus_parts (net, net_input (net, "x", "3,16,12"));
  net_output (net, conv (net, x, "8,12,3,3", "strides=[2,2]"));
}

static void halves (Net *net)
{
  uint32_t x = conv (net, net_input (net, "x", "8,5,6"), "12,8,1,1", "");
  uint32_t y = net_op (net, "Reshape", "", x, net_ints (net, "-1,2,30"));
  y = net_op (net, "Transpose", "perm=[1,0,2]", y);
  y = net_op (net, "Reshape", "", y, net_ints (net, "2,-1,6,5,6"));
  uint32_t zero = net_ints (net, "0"), one = net_ints (net, "1");
  weir_graph_value (net->graph, zero)->tensor.rank = 0;
  weir_graph_value (net->graph, one)->tensor.rank = 0;
  net_output (net, net_op (net, "Gather", "axis=0", y, zero));
  net_output (net, net_op (net, "Gather", "axis=0", y, one));
}

/* A unit of ShuffleNet: concat, shuffle, two halves. */
static void shuffle_net (Net *net)
{
  uint32_t a = net_op (net, "Tanh", "", net_input (net, "a", "7,5,6")),
           b = net_op (net, "Exp", "", net_input (net, "b", "9,5,6"));
  uint32_t x = net_op (net, "Concat", "axis=1", a, b);
  x = net_op (net, "Reshape", "", x, net_ints (net, "0,2,8,5,6"));
  x = net_op (net, "Transpose", "perm=[0,2,1,3,4]", x);
  x = net_op (net, "Reshape", "", x, net_ints (net, "-1,16,5,6"));
  const uint32_t src[] = { x, NET_END };
  uint32_t half = net_node (net, "Split", "axis=1", 2, src);
  net_output (net, half);
  net_output (net, half + 1);
}

/* The shuffled value is wanted too: it is gathered by itself. */
static void shuffle_net_end (Net *net)
{
  uint32_t x = net_op (
      net, "Concat", "axis=-3", net_input (net, "a", "6,5,6"), net_input (net, "b", "6,5,6"));
  x = net_op (net, "Reshape", "", x, net_ints (net, "0,2,6,5,6"));
  x = net_op (net, "Transpose", "perm=[0,2,1,3,4]", x);
  x = net_op (net, "Reshape", "", x, net_ints (net, "-1,12,5,6"));
  net_output (net, x);
  net_output (net, net_op (net, "Slice", "", x, net_ints (net, "1"), net_ints (net, "10"),
                       net_ints (net, "1"), net_ints (net, "3")));
}

/* Rows of a Concat are no channels. */
static void parts_of_rows (Net *net)
{
  uint32_t x = net_op (
      net, "Concat", "axis=2", net_input (net, "a", "6,5,6"), net_input (net, "b", "6,5,6"));
  net_output (net,
      net_op (net, "Slice", "", x, net_ints (net, "3"), net_ints (net, "7"), net_ints (net, "2")));
}

/* Behind an activation: one step with what follows. */
static void scale_shift_relu (Net *net)
{
  uint32_t x = net_op (net, "Exp", "", net_input (net, "x", "6,5,4"));
  x = net_op (net, "Mul", "", x, net_constant (net, "6,1,1", 0.5f, 0.5f));
  x = net_op (net, "Sub", "", net_constant (net, "1,6,1,1", 0.5f, 0.0f), x);
  net_output (net, net_op (net, "Relu", "", net_op (net, "Div", "", x, number (net, 2.0f))));
}

/* The product is wanted too. */
static void scale_shared (Net *net)
{
  uint32_t x = net_op (
      net, "Mul", "", net_input (net, "x", "6,5,4"), net_constant (net, "6,1,1", 0.5f, 0.5f));
  net_output (net, x);
  net_output (net, net_op (net, "Add", "", x, net_constant (net, "6,1,1", 0.5f, 0.5f)));
}

/* A scale by columns is none by channels. */
static void scale_columns (Net *net)
{
  uint32_t x =
      net_op (net, "Mul", "", net_input (net, "x", "6,5,6"), net_constant (net, "6", 0.5f, 0.5f));
  net_output (net, net_op (net, "Add", "", x, net_constant (net, "6,1,1", 0.5f, 0.5f)));
}

static void many_post_ops (Net *net)
{
  uint32_t x = net_input (net, "x", "8,6,6"), y = conv (net, x, "8,8,1,1", "");
  y = net_op (net, "Tanh", "", net_op (net, "LeakyRelu", "alpha=0.2f", y));
  y = net_op (net, "Elu", "alpha=0.5f", net_op (net, "HardSwish", "", y));
  net_output (net, net_op (net, "Clip", "", y, number (net, -0.1f), number (net, 0.4f)));
}

static void scaled_input (Net *net)
{
  uint32_t x = net_input (net, "x", "6,9,9");
  x = net_op (net, "Mul", "", x, net_constant (net, "6,1,1", 0.5f, 1.0f));
  net_output (net, conv (net, net_op (net, "Div", "", x, number (net, 3.0f)), "9,2,3,3",
                       "group=3 pads=[1,1,1,1]"));
}

/* Its shape is that of the input itself. */
static void scaled_input_of_shape (Net *net)
{
  uint32_t x = net_input (net, "x", "6,9,9");
  uint32_t scaled = net_op (net, "Mul", "", x, number (net, 3.0f));
  uint32_t shape = net_op (net, "Shape", "", scaled);
  net_output (net, conv (net, scaled, "9,6,3,3", "pads=[1,1,1,1]"));
  net_output (net, net_op (net, "Reshape", "", net_op (net, "Tanh", "", x), shape));
}

static void shifted_input (Net *net)
{
  uint32_t x = net_input (net, "x", "6,9,9");
  x = net_op (net, "Sub", "", net_constant (net, "6,1,1", 0.5f, 1.0f), x);
  net_output (net, conv (net, x, "9,2,3,3", "group=3"));
}

/* What is shifted is not zero beyond the edge. */
static void shifted_padded_input (Net *net)
{
  uint32_t x = net_input (net, "x", "6,9,9");
  x = net_op (net, "Add", "", x, net_constant (net, "6,1,1", 0.5f, 1.0f));
  net_output (net, conv (net, x, "8,6,3,3", "pads=[1,1,1,1]"));
}

static const Row rows[] = {
  { "scaled input", scaled_input, 1, WEIR_OP_CONV },
  { "scaled input, its shape", scaled_input_of_shape, 4, WEIR_OP_CONV },
  { "shifted input", shifted_input, 1, WEIR_OP_CONV },
  { "shifted, padded input", shifted_padded_input, 2, WEIR_OP_ADD },
  { "conv, batch norm, relu", conv_batch_norm_relu, 1, WEIR_OP_CONV },
  { "depthwise, batch norm", depthwise_batch_norm, 1, WEIR_OP_CONV },
  { "transposed, batch norm", transposed_batch_norm, 1, WEIR_OP_CONV_TRANSPOSE },
  { "gemm, batch norm", gemm_batch_norm, 1, WEIR_OP_GEMM },
  { "conv, arithmetic", conv_arithmetic, 1, WEIR_OP_CONV },
  { "conv, map", conv_add_map, 2, WEIR_OP_ADD },
  { "division by a result", division_by_result, 3, WEIR_OP_DIV },
  { "matmul, add", mat_mul_add, 1, WEIR_OP_GEMM },
  { "stack of matmul, mul, add", mat_mul_stack_add, 2, WEIR_OP_ADD },
  { "swish", swish, 1, WEIR_OP_CONV },
  { "sums", sums, 1, WEIR_OP_CONV },
  { "sum of three", sum_of_three, 2, WEIR_OP_SUM },
  { "mish", mish, 1, WEIR_OP_CONV },
  { "hard swish by div", hard_swish_by_div, 1, WEIR_OP_CONV },
  { "hard swish by gate", hard_swish_by_gate, 1, WEIR_OP_CONV },
  { "hard swish by hard sigmoid", hard_swish_by_hard_sigmoid, 1, WEIR_OP_CONV },
  { "prelu of one slope", prelu_of_one_slope, 1, WEIR_OP_CONV },
  { "prelu of channels", prelu_of_channels, 2, WEIR_OP_PRELU },
  { "hard gate", hard_gate, 2, WEIR_OP_HARD_SIGMOID },
  { "residual", residual, 2, WEIR_OP_CONV },
  { "residuals", residuals, 6, WEIR_OP_CONV },
  { "residual read again", residual_read_again, 7, WEIR_OP_TANH },
  { "residual of source", residual_of_source, 3, WEIR_OP_EXP },
  { "residual of two", residual_of_two, 2, WEIR_OP_CONV },
  { "residual that broadcasts", residual_that_broadcasts, 3, WEIR_OP_ADD },
  { "shared result", shared_result, 3, WEIR_OP_CONV },
  { "output in between", output_in_between, 2, WEIR_OP_RELU },
  { "shuffle", shuffle, 1, WEIR_OP_CHANNEL_SHUFFLE },
  { "shuffle over flat space", shuffle_flat, 1, WEIR_OP_CHANNEL_SHUFFLE },
  { "no shuffle", no_shuffle, 3, WEIR_OP_RESHAPE },
  { "transposes cancel", transposes_cancel, 2, WEIR_OP_EXP },
  { "transposes join", transposes_join, 1, WEIR_OP_TRANSPOSE },
  { "pad, conv", pad_conv, 1, WEIR_OP_CONV },
  { "pad of channels", pad_channels, 2, WEIR_OP_PAD },
  { "pad with ones", pad_with_ones, 2, WEIR_OP_PAD },
  { "identities", identities, 1, WEIR_OP_CONV },
  { "focus", focus, 1, WEIR_OP_CONV },
  { "focus with stride", focus_with_stride, 8, WEIR_OP_CONCAT },
  { "halves", halves, 3, WEIR_OP_SLICE },
  { "shuffle net", shuffle_net, 3, WEIR_OP_CHANNEL_GATHER },
  { "shuffle net's end", shuffle_net_end, 2, WEIR_OP_CHANNEL_GATHER },
  { "parts of rows", parts_of_rows, 2, WEIR_OP_SLICE },
  { "scale, shift, relu", scale_shift_relu, 2, WEIR_OP_BATCH_NORMALIZATION },
  { "scale shared", scale_shared, 2, WEIR_OP_ADD },
  { "scale of columns", scale_columns, 2, WEIR_OP_MUL },
  { "many post-ops", many_post_ops, 2, WEIR_OP_CLIP },
};

static void check_row (const Row *row, const NetRun *run, double limit)
{
  g_autoptr (Net) plain = net_new ();
  g_autoptr (Net) fused = net_new ();
  g_autoptr (GError) error = NULL;
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, run->n };
  size_t n_expected, n_got;
  row->build (plain);
  row->build (fused);
  net_finish (plain);
  net_finish (fused);
  ck_assert_msg (weir_fuse (fused->graph, weir_ref_evaluate, &error), "%s: %s", row->name,
      error ? error->message : "");
  ck_assert_msg (fused->graph->nodes->len == row->n_nodes, "%s: %u nodes, expected %u", row->name,
      fused->graph->nodes->len, row->n_nodes);
  ck_assert_msg (
      net_count (fused, row->has), "%s: no %s is left", row->name, weir_op_info (row->has)->name);
  g_autofree float *expected = net_run (plain, &ref, &n_expected, NULL);
  g_autofree float *got = net_run (fused, run, &n_got, NULL);
  ck_assert_msg (expected && got && n_expected == n_got, "%s does not run", row->name);
  ck_assert_msg (net_difference (got, expected, n_got) <= limit, "%s, n = %u, %s: differs by %g",
      row->name, run->n, run->backend->name, net_difference (got, expected, n_got));
}

START_TEST (test_fuse_same_results)
{
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    for (uint32_t n = 1; n <= 3; n++) {
      NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, n };
      NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_F32, 1, n };
      check_row (&rows[i], &ref, 1e-5);
      check_row (&rows[i], &cpu, 1e-5);
    }
}
END_TEST

/* Names of outputs stay when their node goes. */
START_TEST (test_fuse_output_names)
{
  g_autoptr (Net) net = net_new ();
  conv_batch_norm_relu (net);
  net_finish (net);
  uint32_t output = g_array_index (net->graph->outputs, uint32_t, 0);
  g_autofree char *name = g_strdup (weir_graph_value (net->graph, output)->name);
  ck_assert (weir_fuse (net->graph, weir_ref_evaluate, NULL));
  output = g_array_index (net->graph->outputs, uint32_t, 0);
  ck_assert_str_eq (weir_graph_value (net->graph, output)->name, name);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("fuse");
  TCase *tcase = tcase_create ("fuse");
  tcase_add_test (tcase, test_fuse_same_results);
  tcase_add_test (tcase, test_fuse_output_names);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
