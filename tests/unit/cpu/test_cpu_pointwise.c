/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 1x1 convolutions as a step: near the reference with every chain of post-ops, and the same bytes
 * alone, in a batch, in parts and with other instructions. */
#include "tests/run_suite.h"
#include "tests/unit/cpu/conv_step.h"

#include "kernels/gemm.h"
#include <stdio.h>
#include <string.h>

#define TOLERANCE      2e-6 /* beside the largest result */
#define BF16_TOLERANCE 1e-2 /* the same; measured: 6.7e-3 */

#define SMALL          "20,9,11", "24,20,1,1", "24", "", "24,9,11"
#define EQUAL          "32,12,13", "32,32,1,1", "32", "", "32,12,13"

static const ConvRow rows[] = {
  { SMALL },
  { "30,41,50", "44,30,1,1", NULL, "", "44,41,50" },  /* several blocks, parts of rows */
  { "300,3,3", "700,300,1,1", "700", "", "700,3,3" }, /* parts of columns */
  { "300,3,3", "700,300,1,1", "700", "", "700,3,3", OF_OTHERS, { SWISH, ADD_OF (3), TANH } },
  { "1,1,1", "1,1,1,1", "1", "", "1,1,1" },
  { "20,60", "24,20,1", "24", "", "24,60", NO_RESIDUAL, { RELU } },
  { "5,3,4,6", "9,5,1,1,1", "9", "", "9,3,4,6", NO_RESIDUAL, { RELU } },
  { "20,9,11", "24,20,1,1", "24", "strides=[2,2]", "24,5,6" },
  { "20,9,12", "24,20,1,1", "24", "strides=[1,3]", "24,9,4", OF_OTHERS,
      { ADD_OF (3), RELU, TANH } },
  { "64,80,80", "64,64,1,1", "64", "strides=[2,1]", "64,40,80", OF_OTHERS, { SWISH, ADD_OF (3) } },
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

#define OF_SMALL "8,24,1,1" /* behind it */

/* Those to f32, then to bf16. */
static const ConvRow bf16_rows[] = {
  { SMALL, NO_RESIDUAL, { { 0 } }, true },
  { "30,41,50", "44,30,1,1", NULL, "", "44,41,50", NO_RESIDUAL, { RELU }, true },
  { "300,3,3", "700,300,1,1", "700", "", "700,3,3", NO_RESIDUAL, { SWISH }, true },
  { "5,3,4,6", "9,5,1,1,1", "9", "", "9,3,4,6", NO_RESIDUAL, { RELU }, true },
  { "20,9,12", "24,20,1,1", "24", "strides=[1,3]", "24,9,4", OF_OTHERS, { ADD_OF (3), RELU },
      true },
  { SMALL, OF_OTHERS, { SWISH, ADD_OF (3) }, true },
  { SMALL, NO_RESIDUAL, { { 0 } }, true, OF_SMALL },
  { "30,41,50", "44,30,1,1", NULL, "", "44,41,50", NO_RESIDUAL, { RELU }, true, "8,44,1,1" },
  { "300,3,3", "700,300,1,1", "700", "", "700,3,3", OF_OTHERS, { SWISH, ADD_OF (3) }, true,
      "8,700,1,1" },
  { "20,60", "24,20,1", "24", "", "24,60", NO_RESIDUAL, { RELU }, true, "8,24,1" },
  { "21,9,11", "24,21,1,1", "24", "strides=[2,2]", "24,5,6", OF_OTHERS, { ADD_OF (3) }, true,
      OF_SMALL },
  { SMALL, OF_OTHERS, { ADD_OF (3), SWISH }, true, OF_SMALL },
  { EQUAL, OF_ITSELF, { ADD_OF (3), RELU }, true, "8,32,1,1" },
  { EQUAL, OF_ITSELF, { RELU, ADD_OF (3) }, true, "8,32,1,1" },
};

START_TEST (test_near_the_reference)
{
  check_near_reference (rows, G_N_ELEMENTS (rows), "pointwise", TOLERANCE);
}
END_TEST

START_TEST (test_same_bytes)
{
  check_same_bytes (rows, G_N_ELEMENTS (rows));
}
END_TEST

static float *run_without (
    const Net *net, const NetRun *run, const char *isa, size_t *n, char **steps)
{
  g_autofree char *masked = g_strdup (g_getenv ("WEIR_CPU_DISABLE"));
  g_setenv ("WEIR_CPU_DISABLE", isa, TRUE);
  float *values = net_run (net, run, n, steps);
  if (masked)
    g_setenv ("WEIR_CPU_DISABLE", masked, TRUE);
  else
    g_unsetenv ("WEIR_CPU_DISABLE");
  return values;
}

START_TEST (test_same_bytes_without_avx512)
{
  const NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_F32, 1, 1 };
  for (uint32_t k = 0; k < G_N_ELEMENTS (rows); k++) {
    g_autoptr (Net) net = conv_net_new (&rows[k]);
    size_t n_all, n_less;
    g_autofree float *all = net_run (net, &cpu, &n_all, NULL);
    g_autofree float *less = run_without (net, &cpu, "avx512", &n_less, NULL);
    ck_assert (all && less && n_all == n_less);
    ck_assert_msg (memcmp (all, less, n_all * sizeof (float)) == 0, "row %u", k);
  }
}
END_TEST

START_TEST (test_bf16)
{
  check_near_reference (bf16_rows, G_N_ELEMENTS (bf16_rows), "pointwise", BF16_TOLERANCE);
  check_same_bytes (bf16_rows, G_N_ELEMENTS (bf16_rows));
}
END_TEST

/* oneDNN rounds the same sources and weights, so results in f32 differ as sums in f32 do. */
START_TEST (test_bf16_is_near_the_other_way)
{
  const NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 1 };
  for (uint32_t k = 0; k < G_N_ELEMENTS (bf16_rows) && !bf16_rows[k].next; k++) {
    g_autoptr (Net) net = conv_net_new (&bf16_rows[k]);
    g_autofree char *steps = NULL;
    size_t n_ours, n_theirs;
    g_autofree float *ours = net_run (net, &cpu, &n_ours, NULL);
    g_autofree float *theirs = run_without (net, &cpu, "bf16", &n_theirs, &steps);
    ck_assert (ours && theirs && n_ours == n_theirs);
    ck_assert_msg (!strstr (steps, "pointwise"), "row %u:\n%s", k, steps);
    ck_assert_double_le (net_difference (ours, theirs, n_ours), TOLERANCE);
  }
}
END_TEST

/* Post-ops that would work on rounded sums. */
START_TEST (test_bf16_others)
{
  static const ConvRow others[] = {
    { SMALL, NO_RESIDUAL, { TANH }, true },
    { SMALL, OF_OTHERS, { ADD_OF (3), TANH, RELU }, true },
    { SMALL, NO_RESIDUAL, { SWISH, RELU }, true },
  };
  check_other_way (others, G_N_ELEMENTS (others), "pointwise");
}
END_TEST

START_TEST (test_others)
{
  static const ConvRow others[] = {
    { "32,20,20", "32,16,1,1", "32", "group=2" },
    { "32,20,20", "32,32,1,1", "32", "pads=[1,1,1,1]" },
    { "32,20,20", "32,32,1,3", "32", "pads=[0,1,0,1]" },
  };
  check_other_way (others, G_N_ELEMENTS (others), "pointwise");
}
END_TEST

int main (void)
{
  if (!weir_gemm ()) {
    puts ("skipped: this CPU, or WEIR_CPU_DISABLE, leaves no fused multiply-add");
    return 77;
  }
  Suite *suite = suite_create ("pointwise");
  TCase *tcase = tcase_create ("pointwise");
  tcase_add_test (tcase, test_near_the_reference);
  tcase_add_test (tcase, test_same_bytes);
  tcase_add_test (tcase, test_same_bytes_without_avx512);
  tcase_add_test (tcase, test_others);
  tcase_add_test (tcase, test_bf16_others);
  if (weir_gemm_bf16 ()) {
    tcase_add_test (tcase, test_bf16);
    tcase_add_test (tcase, test_bf16_is_near_the_other_way);
  }
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
