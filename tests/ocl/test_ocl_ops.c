/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators on the device against the reference, on odd and prime shapes. */
#include "tests/ocl/ocl_step.h"
#include "tests/post_ops.h"
#include "tests/run_suite.h"

static const StepRow unaries[] = {
  { "Relu", "", { "in 3,5,7" } },
  { "Sigmoid", "", { "in 13" } },
  { "LeakyRelu", "alpha=0.2f", { "in 4,8" } },
  { "HardSwish", "", { "in 8,3,1" } },
  { "Clip", "", { "in 5,4,4", "const ", "pos " } },
  { "Elu", "alpha=0.5f", { "in 3,2,3,5" } },
};

static const StepRow binaries[] = {
  { "Add", "", { "in 5,3,7", "in 5,3,7" } },
  { "Mul", "", { "in 8,3,5", "in 8,1,1" } },
  { "Mul", "", { "in 8,1,1", "in 8,3,5" } },
  { "Sub", "", { "in 5,3,7", "const 5,1,1" } },
  { "Sub", "", { "const 5,1,1", "in 5,3,7" } },
  { "Div", "", { "in 5,3,7", "pos " } },
  { "Add", "", { "in 5,3,7", "const 1,5,3,7" } },
  { "Add", "", { "in 5,3,7", "const 3,7" } },
  { "Add", "", { "in 5,3,7", "const 3,1" } },
  { "Max", "", { "in 4,6", "in 1,6" } },
  { "Min", "", { "in 4,6", "in 4,1" } },
  { "PRelu", "", { "in 7,3,5", "const 7,1,1" } },
  { "PRelu", "", { "in 8,3,5", "const 1" } },
  { "Mul", "", { "in 3,1,5", "in 1,7,5" } },
  { "Mul", "", { "in 8,3,5", "in 8,3,5", "in 8,3,5" }, { RELU, ADD_OF (2), RELU } },
  { "Add", "", { "in 8,3,5", "const 8,1,1" }, { { WEIR_OP_CLIP, 0, 6, WEIR_NONE } } },
  { "Mul", "", { "in 11", "in 11", "in 11" }, { ADD_OF (2) } },
};

static const StepRow channels[] = {
  { "BatchNormalization", "", { "in 7,3,5", "const 7", "const 7", "const 7", "pos 7" } },
  { "BatchNormalization", "epsilon=0.1f", { "in 13", "const 13", "const 13", "const 13", "pos 13" },
      { RELU } },
  { "ImageScaler", "scale=0.5f", { "in 3,5,7" } },
};

static const StepRow movements[] = {
  { "Concat", "axis=1", { "in 5,3,7", "in 3,3,7" } },
  { "Concat", "axis=1", { "in 8,3,5", "in 4,3,5", "in 12,3,5" } },
  { "Concat", "axis=2", { "in 5,6,7", "in 5,2,7" } },
  { "Concat", "axis=-1", { "in 5,6", "in 5,9" } },
  { "Concat", "axis=1", { "in 5", "in 7" } },
  { "Split", "axis=1", { "in 6,5,4" }, .n_dst = 3 },
  { "Split", "axis=3", { "in 6,5,4" }, .n_dst = 2 },
  { "Slice", "", { "in 8,9,10", "ints 1,2", "ints 7,100", "ints 1,3", "ints 2,3" } },
  { "Slice", "", { "in 8,9,10", "ints -1", "ints -100", "ints 2", "ints -1" } },
  { "Slice", "", { "in 8,9", "ints -1,-1", "ints -100,-100", "ints 2,1", "ints -2,-3" } },
  { "Transpose", "perm=[0,2,3,1]", { "in 5,6,7" } },
  { "Transpose", "perm=[0,3,1,2]", { "in 5,6,7" } },
  { "Transpose", "perm=[0,2,1]", { "in 40,30" } },
  { "Transpose", "perm=[0,3,2,1]", { "in 5,16,17" } },
  { "Transpose", "perm=[0,5,2,4,1,3]", { "in 3,5,2,4,3" } },
  { "DepthToSpace", "blocksize=2", { "in 12,5,6" } },
  { "DepthToSpace", "blocksize=2 mode=CRD", { "in 12,5,6" } },
  { "SpaceToDepth", "blocksize=2", { "in 3,10,6" } },
  { "ChannelShuffle", "group=2", { "in 58,5,6" } },
  { "ChannelShuffle", "group=3", { "in 12,5,6" } },
  { "Pad", "", { "in 3,5,6", "ints 0,0,1,2,0,0,3,0" } },
  { "Pad", "", { "in 3,5,6", "ints 0,1,1,2,0,0,-2,0", "const " } },
  { "Tile", "", { "in 3,1,5", "ints 1,2,7,3" } },
  { "Expand", "", { "in 3,1", "ints 4,1,3,7" } },
  { "Gather", "axis=1", { "in 3,5,7", "ints 2,1,0" } },
  { "Gather", "axis=3", { "in 3,5,7", "ints 0,2,4,1,1,-1" } },
  { "ChannelGather", "channels=[0,6,1,7,5,8,2] split=[7]", { "in 5,3,7", "in 4,3,7" } },
  { "ChannelGather", "channels=[3,8,1,4,6] split=[2,3]", { "in 5,6", "in 4,6" }, .n_dst = 2 },
  { "Crop", "border=[1,2,0,1]", { "in 4,7,6" } },
};

static const StepRow pools[] = {
  { "MaxPool", "kernel_shape=[2,2] strides=[2,2]", { "in 8,7,9" } },
  { "MaxPool", "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]", { "in 5,11,13" } },
  { "MaxPool", "kernel_shape=[3,3] strides=[2,2] ceil_mode=1", { "in 4,12,7" } },
  { "MaxPool", "kernel_shape=[5,3] pads=[2,0,1,2] dilations=[2,1]", { "in 3,13,7" } },
  { "MaxPool", "kernel_shape=[3] strides=[2]", { "in 8,17" } },
  { "MaxPool", "kernel_shape=[2,3,2] strides=[1,2,2]", { "in 3,4,7,5" } },
  { "AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1]", { "in 5,7,7" } },
  { "AveragePool", "kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1", { "in 8,7,7" } },
  { "AveragePool",
      "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1] count_include_pad=1 ceil_mode=1",
      { "in 3,8,6" } },
  { "AveragePool", "kernel_shape=[2,2] strides=[2,2] ceil_mode=1", { "in 4,7,5" } },
  { "AveragePool", "kernel_shape=[3,2] auto_pad=SAME_UPPER strides=[2,2]", { "in 3,8,5" } },
};

static const StepRow reductions[] = {
  { "GlobalAveragePool", "", { "in 37,5,7" } },
  { "GlobalAveragePool", "", { "in 4,131" } },
  { "GlobalMaxPool", "", { "in 8,13,1" } },
  { "ReduceMean", "axes=[2,3]", { "in 7,5,3" } },
  { "ReduceMean", "axes=[2,3] keepdims=0", { "in 7,5,3" } },
  { "ReduceMean", "axes=[-1]", { "in 5,37" } },
  { "ReduceMean", "axes=[-1] keepdims=0", { "in 3,5,37" } },
  { "ReduceMean", "axes=[1]", { "in 37,3,5" } },
  { "ReduceMean", "axes=[1] keepdims=0", { "in 37,3,5" } },
  { "ReduceMax", "axes=[3]", { "in 4,5,7" } },
  { "ReduceMin", "axes=[2,3]", { "in 4,5,7" } },
  { "ReduceSum", "keepdims=1", { "in 4,5,7", "ints 2,3" } },
  { "ReduceSum", "keepdims=0", { "in 300", "ints 1" } },
  { "ReduceL1", "axes=[1,2,3]", { "in 4,5,7" } },
  { "ReduceL2", "axes=[1]", { "in 40,3,5" } },
  { "ReduceSumSquare", "axes=[2] keepdims=0", { "in 4,5,7" } },
};

static const StepRow softmaxes[] = {
  { "Softmax", "axis=1", { "in 37" } },
  { "Softmax", "axis=-1", { "in 5,131" } },
  { "Softmax", "axis=1", { "in 21,3,5" } },
  { "Softmax", "axis=2", { "in 5,7,3" } },
  { "LogSoftmax", "axis=1", { "in 19,3,5" } },
  { "LogSoftmax", "axis=-1", { "in 3,7,2" } },
  { "Softmax", "axis=2", { "in 3,5,7" }, .opset = 11 },
};

static const StepRow normals[] = {
  { "MeanVarianceNormalization", "", { "in 7,5,3" } },
  { "MeanVarianceNormalization", "axes=[2,3]", { "in 37,5,3" } },
  { "MeanVarianceNormalization", "axes=[1]", { "in 37,3,5" } },
  { "InstanceNormalization", "epsilon=0.01f", { "in 7,5,11", "const 7", "const 7" } },
  { "LayerNormalization", "", { "in 5,37", "const 37", "const 37" } },
  { "LayerNormalization", "axis=1", { "in 5,3", "const 5,3" } },
  { "RMSNormalization", "", { "in 5,37", "const 37" } },
  { "GroupNormalization", "num_groups=3", { "in 12,5,3", "const 12", "const 12" }, .opset = 21 },
};

static const StepRow resizes[] = {
  { "Resize", "mode=nearest coordinate_transformation_mode=asymmetric nearest_mode=floor",
      { "in 5,3,7", "-", "-", "shape 5,6,14" } },
  { "Resize", "mode=nearest", { "in 8,7,5", "-", "-", "shape 8,4,9" } },
  { "Resize", "mode=nearest nearest_mode=ceil", { "in 3,5", "-", "-", "shape 3,13" } },
  { "Resize", "mode=nearest nearest_mode=round_prefer_ceil",
      { "in 4,6,6", "-", "-", "shape 4,9,4" } },
  { "Resize", "mode=linear", { "in 5,3,7", "-", "-", "shape 5,6,13" } },
  { "Resize", "mode=linear coordinate_transformation_mode=align_corners",
      { "in 8,5,7", "-", "-", "shape 8,9,4" } },
  { "Resize", "mode=linear coordinate_transformation_mode=asymmetric",
      { "in 3,5,7", "-", "-", "shape 3,11,13" } },
  { "Resize", "mode=linear coordinate_transformation_mode=pytorch_half_pixel",
      { "in 4,9", "-", "-", "shape 4,1" } },
};

static const StepRow matrices[] = {
  { "Gemm", "transB=1", { "in 37", "const 19,37", "const 19" } },
  { "Gemm", "alpha=0.5f beta=2.0f", { "in 37", "const 37,19", "const 1,19" }, { RELU } },
  { "Gemm", "", { "in 70", "const 70,131", "const " } },
  { "Gemm", "", { "in 13", "const 13,5", "-", "in 5" }, { RELU, ADD_OF (3), RELU } },
  { "Gemm", "", { "in 13", "const 13,5", "-", "in 5" }, { ADD_OF (3), RELU } },
  { "MatMul", "", { "in 67,37", "const 37,71" } },
  { "MatMul", "", { "in 67,37", "in 37,71" } },
  { "MatMul", "", { "in 3,5,7", "in 3,7,11" } },
  { "MatMul", "", { "in 3,5,7", "in 1,7,11" } },
  { "MatMul", "", { "in 1,65,3", "in 3,3,66" } },
  { "MatMul", "", { "in 5,7", "const 7" } },
  { "MatMul", "", { "in 17,13", "const 13,9", "in 17,9" }, { ADD_OF (2) } },
  { "MatMul", "", { "in 5,7", "const 1,7,3" } },
};

static const StepRow declined[] = {
  { "Acos", "", { "in 3,5,7" } },
  { "Max", "", { "in 4,6", "in 4,6", "in 4,6" } },
  { "Pow", "", { "in 4,6", "in 4,6" } },
  { "Pad", "mode=reflect", { "in 3,5,6", "ints 0,0,1,2,0,0,3,0" } },
  { "Pad", "mode=edge", { "in 3,5,6", "ints 0,0,1,2,0,0,3,0" } },
  { "MaxPool", "kernel_shape=[2,2]", { "in 3,5,6" }, .n_dst = 2 },
  { "ReduceProd", "axes=[2,3]", { "in 4,5,7" } },
  { "ReduceMean", "axes=[0,3]", { "in 4,5,7" } },
  { "Resize", "mode=cubic", { "in 4,5,7", "-", "-", "shape 4,9,9" } },
  { "Resize", "mode=linear antialias=1", { "in 4,5,7", "-", "-", "shape 4,3,3" } },
};

static const struct {
  const StepRow *rows;
  uint32_t n;
  double f32, f16; /* tolerances */
} tables[] = {
  { unaries, G_N_ELEMENTS (unaries), 1e-6, 2e-3 },
  { binaries, G_N_ELEMENTS (binaries), 1e-6, 3e-3 },
  { channels, G_N_ELEMENTS (channels), 1e-6, 2e-3 },
  { matrices, G_N_ELEMENTS (matrices), 2e-6, 4e-3 },
  { movements, G_N_ELEMENTS (movements), 0, 6e-4 },
  { pools, G_N_ELEMENTS (pools), 1e-6, 1e-3 },
  { reductions, G_N_ELEMENTS (reductions), 1e-6, 1e-3 },
  { softmaxes, G_N_ELEMENTS (softmaxes), 1e-6, 1e-3 },
  { normals, G_N_ELEMENTS (normals), 3e-6, 4e-3 },
  { resizes, G_N_ELEMENTS (resizes), 2e-6, 2e-3 },
};

static bool is_few; /* cases: for simulators */

START_TEST (test_ocl_ops)
{
  static const StepCase cases[] = {
    { WEIR_LAYOUT_CHANNELS_LAST, WEIR_PRECISION_F32, 3 },
    { WEIR_LAYOUT_CHANNELS_LAST, WEIR_PRECISION_F32, 1 },
    { WEIR_LAYOUT_PLAIN, WEIR_PRECISION_F32, 2 },
    { WEIR_LAYOUT_CHANNELS_LAST, WEIR_PRECISION_F16, 2 },
    { WEIR_LAYOUT_PLAIN, WEIR_PRECISION_F16, 1 },
  };
  for (uint32_t i = 0; i < tables[_i].n; i++)
    for (uint32_t k = 0; k < (is_few ? 1 : G_N_ELEMENTS (cases)); k++) {
      bool is_half = cases[k].precision == WEIR_PRECISION_F16;
      step_check (&tables[_i].rows[i], &cases[k], is_half ? tables[_i].f16 : tables[_i].f32);
    }
}
END_TEST

/* More squares than there are groups in a dimension. */
START_TEST (test_ocl_many_squares)
{
  static const StepRow row = { "Transpose", "perm=[0,1,3,2]", { "in 17000,8,9" } };
  static const StepCase one = { WEIR_LAYOUT_PLAIN, WEIR_PRECISION_F32, 1 };
  step_check (&row, &one, 0);
}
END_TEST

START_TEST (test_ocl_reorders)
{
  static const char *const shapes[] = { "1,3,5,7", "2,17,9,11", "3,40,33", "2,3,4,5,6" };
  static const WeirDtype dtypes[] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16 };
  for (uint32_t i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (uint32_t k = 0; k < 16; k++) {
      WeirFormat from = { dtypes[k & 1], k >> 1 & 1, true },
                 to = { dtypes[k >> 2 & 1], k >> 3 & 1, true };
      step_check_reorder (shapes[i], from, to);
    }
}
END_TEST

START_TEST (test_ocl_ops_declined)
{
  for (uint32_t i = 0; i < G_N_ELEMENTS (declined); i++)
    step_check_declined (&declined[i]);
}
END_TEST

/* "few": one case of each row. */
int main (int argc, char **argv)
{
  is_few = argc > 1;
  step_start ();
  Suite *suite = suite_create ("ocl ops");
  TCase *tcase = tcase_create ("ocl ops");
  tcase_set_timeout (tcase, 300);
  tcase_add_loop_test (tcase, test_ocl_ops, 0, G_N_ELEMENTS (tables));
  tcase_add_test (tcase, test_ocl_reorders);
  if (!is_few)
    tcase_add_test (tcase, test_ocl_many_squares);
  tcase_add_test (tcase, test_ocl_ops_declined);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
