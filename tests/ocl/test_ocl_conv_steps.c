/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conv and ConvTranspose as a plan has them: attributes, packed weights, post-ops, batches. */
#include "tests/ocl/ocl_step.h"
#include "tests/run_suite.h"

static const StepRow taken[] = {
  { "Conv", "pads=[1,1,1,1]", { "in 3,9,7", "const 8,3,3,3", "const 8" } },
  { "Conv", "strides=[2,2] auto_pad=SAME_UPPER", { "in 4,9,8", "const 5,4,3,3" } },
  { "Conv", "strides=[2,2] auto_pad=SAME_LOWER", { "in 4,9,8", "const 5,4,3,3" } },
  { "Conv", "dilations=[2,1] group=2", { "in 6,11,5", "const 4,3,3,3", "const 4" } },
  { "Conv", "", { "in 7,5,3", "const 12,7,1,1", "const 12" },
      .post = { { WEIR_OP_RELU, 0, 0, WEIR_NONE } } },
  { "Conv", "pads=[1,1,1,1]", { "in 3,9,7", "const 8,3,3,3", "const 8", "in 8,9,7" },
      .post = { { WEIR_OP_SWISH, 1, 0, WEIR_NONE }, { WEIR_OP_ADD, 0, 0, 3 } } },
  { "Conv", "", { "in 8,3,5", "const 8,8,1,1", "const 8", "in 8,3,5" },
      .post = { { WEIR_OP_ADD, 0, 0, 3 }, { WEIR_OP_RELU, 0, 0, WEIR_NONE } } },
  { "Conv", "pads=[1,1,1,1] group=6", { "in 6,7,5", "const 6,1,3,3", "const 6" } },
  { "Conv", "pads=[1,1,1,1] group=3", { "in 3,7,5", "const 6,1,3,3", "const 6" } },
  { "Conv", "pads=[0,3] strides=[2]", { "in 5,19", "const 3,5,4", "const 3" } },
  { "Conv", "pads=[1,1,0,0,1,1]", { "in 2,3,5,4", "const 4,2,2,3,3", "const 4" } },
  { "ConvTranspose", "strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]",
      { "in 4,5,3", "const 4,7,3,3", "const 7" } },
  { "ConvTranspose", "strides=[2,3] dilations=[2,1] group=2", { "in 4,3,5", "const 4,2,2,3" } },
  { "ConvTranspose", "strides=[2,2] group=8 pads=[1,1,1,1]", { "in 8,5,3", "const 8,1,4,4" } },
  { "ConvTranspose", "strides=[2,2] output_shape=[9,8] auto_pad=SAME_UPPER",
      { "in 4,5,4", "const 4,4,3,3", "const 4" } },
  { "ConvTranspose", "strides=[3]", { "in 3,7", "const 3,5,4", "const 5" } },
};

static const StepRow declined[] = {
  { "Conv", "", { "in 3,9,7", "in 3,3,3" } },             /* weights that are computed */
  { "Conv", "", { "in 3,9,7", "const 2,3,3,3", "in " } }, /* … a bias */
  { "Conv", "", { "const 1,3,9,7", "const 2,3,3,3" } },   /* nothing that changes */
  { "ConvTranspose", "strides=[300,300]", { "in 2,1,1", "const 2,3,1,1" } }, /* 90000 phases */
};

START_TEST (test_ocl_conv_steps)
{
  static const StepCase cases[] = {
    { WEIR_LAYOUT_CHANNELS_LAST, WEIR_PRECISION_F32, 1 },
    { WEIR_LAYOUT_PLAIN, WEIR_PRECISION_F32, 3 },
    { WEIR_LAYOUT_CHANNELS_LAST, WEIR_PRECISION_F16, 2 },
  };
  static const double tolerances[] = { 1e-5, 1e-5, 2e-3 };
  uint32_t row = (uint32_t) _i;
  for (uint32_t k = 0; k < G_N_ELEMENTS (cases); k++)
    step_check (&taken[row], &cases[k], tolerances[k]);
}
END_TEST

START_TEST (test_ocl_conv_steps_declined)
{
  step_check_declined (&declined[_i]);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ocl conv steps");
  TCase *tcase = tcase_create ("ocl conv steps");
  step_start ();
  tcase_add_loop_test (tcase, test_ocl_conv_steps, 0, G_N_ELEMENTS (taken));
  tcase_add_loop_test (tcase, test_ocl_conv_steps_declined, 0, G_N_ELEMENTS (declined));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_NOFORK);
}
