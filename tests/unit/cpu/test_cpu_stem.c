/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* First layers in bf16: near the reference with strides, pads and post-ops of all kinds, and the
 * same bytes alone, in a batch and in parts; small windows with few results stay in f32. */
#include "tests/run_suite.h"
#include "tests/unit/cpu/conv_step.h"

#include "kernels/gemm.h"
#include <stdio.h>
#include <string.h>

#define TOLERANCE 4e-3 /* of bf16, beside the largest result; 2.5e-3 at most was measured */

#define PLAIN     "3,29,31", "24,3,7,7", "24", "pads=[3,3,3,3]", "24,29,31"

static const ConvRow rows[] = {
  { PLAIN },
  { "3,60,64", "32,3,7,7", NULL, "strides=[2,2] pads=[3,3,3,3]", "32,30,32", NO_RESIDUAL,
      { RELU } },
  { "3,60,64", "16,3,6,6", "16", "strides=[2,2] pads=[2,2,2,2]", "16,30,32", NO_RESIDUAL,
      { SWISH } },
  { "3,30,33", "5,3,5,5", "5", "strides=[2,3] pads=[0,1,0,1]", "5,13,11", NO_RESIDUAL,
      { RELU, TANH } },
  { "1,20,20", "7,1,9,8", "7", "", "7,12,13" },
  { "4,9,200", "40,4,5,5", "40", "strides=[1,2] pads=[2,2,2,2]", "40,9,100", OF_OTHERS,
      { RELU, ADD_OF (3) } },
  { "2,7,7", "17,2,7,7", "17", "pads=[9,9,9,9]", "17,19,19" }, /* windows beside the picture */
  { "3,300,40", "16,3,7,7", "16", "strides=[4,4] pads=[3,3,3,3]", "16,75,10", OF_OTHERS,
      { ADD_OF (3), RELU } },
  { "3,256,256", "24,3,3,3", "24", "strides=[2,2] pads=[0,0,1,1]", "24,128,128", NO_RESIDUAL,
      { RELU } }, /* small windows, many results */
};

static float *run (
    const Net *net, uint32_t n_threads, uint32_t n_items, bool in_parts, size_t *n, char **steps)
{
  NetRun how = { &weir_backend_cpu, WEIR_PRECISION_BF16, n_threads, n_items, in_parts };
  return net_run (net, &how, n, steps);
}

START_TEST (test_near_the_reference)
{
  const NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 2 };
  g_autoptr (Net) net = conv_net_new (&rows[_i]);
  g_autofree char *steps = NULL;
  size_t n_expected, n_got;
  g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
  g_autofree float *got = run (net, 1, 2, false, &n_got, &steps);
  ck_assert (expected && got && n_expected == n_got);
  ck_assert_msg (strstr (steps, "bf16 stem"), "goes another way:\n%s", steps);
  ck_assert_double_le (net_difference (got, expected, n_got), TOLERANCE);
}
END_TEST

START_TEST (test_same_bytes)
{
  g_autoptr (Net) net = conv_net_new (&rows[_i]);
  size_t n_batch, n_alone, n_parts;
  g_autofree float *of_batch = run (net, 1, 3, false, &n_batch, NULL);
  g_autofree float *of_alone = run (net, 1, 1, false, &n_alone, NULL);
  g_autofree float *of_parts = run (net, 3, 1, true, &n_parts, NULL);
  ck_assert (of_batch && of_alone && of_parts && n_batch == 3 * n_alone && n_parts == n_alone);
  ck_assert (memcmp (of_batch, of_alone, n_alone * sizeof (float)) == 0);
  ck_assert (memcmp (of_parts, of_alone, n_alone * sizeof (float)) == 0);
}
END_TEST

START_TEST (test_others)
{
  static const ConvRow others[] = {
    { "3,29,31", "24,3,3,3", "24", "pads=[1,1,1,1]" },
    { "3,220,220", "24,3,3,3", "24", "strides=[2,2] pads=[1,1,1,1]" }, /* 7.84 million products */
    { "5,29,31", "24,5,7,7", "24", "pads=[3,3,3,3]" },
    { "4,29,31", "24,2,7,7", "24", "pads=[3,3,3,3] group=2" },
    { "3,29,31", "24,3,7,7", "24", "pads=[6,6,6,6] dilations=[2,2]" },
    { "3,290", "24,3,40", "24", "" },
  };
  for (uint32_t k = 0; k < G_N_ELEMENTS (others); k++) {
    g_autoptr (Net) net = conv_net_new (&others[k]);
    g_autofree char *steps = NULL;
    size_t n;
    g_autofree float *got = run (net, 1, 1, false, &n, &steps);
    ck_assert_msg (got && !strstr (steps, "stem"), "row %u:\n%s", k, steps);
  }
}
END_TEST

/* A picture that is normalised first. */
static Net *normalised_net_new (
    const char *n_channels, const char *src, const char *weights, const char *attrs)
{
  Net *net = net_new ();
  uint32_t x = net_input (net, "x", src);
  uint32_t of_channels[4], n_of_channels = G_N_ELEMENTS (of_channels);
  for (uint32_t i = 0; i < n_of_channels; i++) /* scale, shift, mean, variance: above 0 */
    of_channels[i] = net_constant (net, n_channels, 0.3f, i == 3 ? 2.0f : 0.5f);
  uint32_t all[] = { x, of_channels[0], of_channels[1], of_channels[2], of_channels[3], NET_END };
  uint32_t y = net_node (net, "BatchNormalization", "", 1, all);
  uint32_t dst = net_op (net, "Conv", attrs, y, net_constant (net, weights, 0.1f, 0.0f));
  net_output (net, dst);
  net_finish (net);
  return net;
}

START_TEST (test_normalised)
{
  const NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 3 };
  static const char *const nets[][4] = {
    { "3", "3,29,31", "24,3,7,7", "pads=[3,3,3,3]" },
    { "3", "3,40,700", "16,3,7,7", "strides=[2,2] pads=[3,3,3,3]" }, /* rows in several pieces */
    { "3", "3,256,256", "24,3,3,3", "strides=[2,2] pads=[0,0,1,1]" },
    { "4", "4,128,128", "96,4,3,3",
        "pads=[1,1,1,1]" }, /* as a product of tiles it would pay, too */
  };
  const char *const *row = nets[_i];
  g_autoptr (Net) net = normalised_net_new (row[0], row[1], row[2], row[3]);
  g_autofree char *steps = NULL;
  size_t n_expected, n_got, n_alone, n_parts;
  g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
  g_autofree float *got = run (net, 1, 3, false, &n_got, &steps);
  g_autofree float *alone = run (net, 1, 1, false, &n_alone, NULL);
  g_autofree float *parts = run (net, 3, 3, true, &n_parts, NULL);
  ck_assert (expected && got && alone && parts && n_expected == n_got && n_parts == n_got);
  ck_assert_msg (strstr (steps, "bf16 stem") && !strstr (steps, "elementwise"), "%s", steps);
  ck_assert_double_le (net_difference (got, expected, n_got), TOLERANCE);
  ck_assert (memcmp (got, alone, n_alone * sizeof (float)) == 0);
  ck_assert (memcmp (got, parts, n_got * sizeof (float)) == 0);
}
END_TEST

int main (void)
{
  if (!weir_gemm_bf16 ()) {
    puts ("skipped: this CPU, or WEIR_CPU_DISABLE, leaves no AVX512-BF16");
    return 77;
  }
  Suite *suite = suite_create ("stem");
  TCase *tcase = tcase_create ("stem");
  tcase_add_loop_test (tcase, test_near_the_reference, 0, (int) G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_same_bytes, 0, (int) G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_others);
  tcase_add_loop_test (tcase, test_normalised, 0, 4);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
