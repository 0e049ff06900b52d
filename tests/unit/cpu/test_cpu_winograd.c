/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolutions as a step: near the reference with every chain of post-ops, and the same bytes
 * alone, in a batch and in parts. */
#include "kernels/winograd.h"
#include "tests/run_suite.h"
#include "tests/unit/cpu/conv_step.h"

#define TOLERANCE 1e-5 /* beside the largest result; measured: 2e-6 */

#define SAME      "pads=[1,1,1,1]"
#define SMALL     "32,20,21", "48,32,3,3", "48", SAME, "48,20,21"
#define EQUAL     "32,24,24", "32,32,3,3", "32", SAME, "32,24,24"

static const ConvRow rows[] = {
  { SMALL },
  { "30,20,21", "44,30,3,3", NULL, "pads=[0,2,3,1]", "44,21,22" },
  { "64,30,30", "200,64,3,3", "200", "", "200,28,28", NO_RESIDUAL, { RELU } },
  { "400,17,18", "20,400,3,3", "20", SAME, "20,17,18" }, /* weights beyond the cache */
  { SMALL, NO_RESIDUAL, { { WEIR_OP_CLIP, -1, 1, WEIR_NONE } } },
  { SMALL, NO_RESIDUAL, { { WEIR_OP_LEAKY_RELU, 0.1f, 0, WEIR_NONE } } },
  { SMALL, NO_RESIDUAL, { { WEIR_OP_HARD_SWISH, 0, 0, WEIR_NONE } } },
  { SMALL, NO_RESIDUAL, { { WEIR_OP_SIGMOID, 0, 0, WEIR_NONE } } },
  { SMALL, NO_RESIDUAL, { SWISH } },
  { SMALL, NO_RESIDUAL, { TANH } },
  { SMALL, OF_OTHERS, { ADD_OF (3) } },
  { SMALL, OF_OTHERS, { ADD_OF (3), RELU } },
  { SMALL, OF_OTHERS, { ADD_OF (3), TANH, RELU } },
  { SMALL, OF_OTHERS, { SWISH, ADD_OF (3) } },
  { SMALL, OF_OTHERS, { RELU, ADD_OF (3), TANH } },
  { EQUAL, OF_ITSELF, { ADD_OF (3), RELU } },
  { EQUAL, OF_ITSELF, { RELU, ADD_OF (3) } },
};

START_TEST (test_near_the_reference)
{
  const WeirWinograd shape = { 0 };
  WeirWinogradKernels kernels;
  const char *name = weir_winograd_kernels (&shape, &kernels) ? "winograd" : NULL;
  check_near_reference (rows, G_N_ELEMENTS (rows), name, TOLERANCE);
}
END_TEST

START_TEST (test_same_bytes)
{
  check_same_bytes (rows, G_N_ELEMENTS (rows));
}
END_TEST

/* What would be slower goes to oneDNN: few channels; weights that cost more than they save. */
START_TEST (test_must_pay)
{
  static const ConvRow others[] = {
    { "3,60,60", "32,3,3,3", "32", SAME },
    { "256,4,4", "256,256,3,3", "256", SAME },
    { "32,20,20", "32,32,3,3", "32", "strides=[2,2] pads=[1,1,1,1]" },
    { "32,20,20", "32,32,3,3", "32", "dilations=[2,2] pads=[2,2,2,2]" },
    { "32,20,20", "32,16,3,3", "32", "group=2 pads=[1,1,1,1]" },
    { "32,20,20", "32,32,3,5", "32", "pads=[1,2,1,2]" },
  };
  check_other_way (others, G_N_ELEMENTS (others), "winograd");
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("winograd");
  TCase *tcase = tcase_create ("winograd");
  tcase_add_test (tcase, test_near_the_reference);
  tcase_add_test (tcase, test_same_bytes);
  tcase_add_test (tcase, test_must_pay);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
