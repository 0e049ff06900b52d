/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 3x3 convolutions as a step: near the reference with every chain of post-ops, and the same bytes
 * alone, in a batch and in parts. */
#include "kernels/kernels.h"
#include "kernels/winograd.h"
#include "tests/run_suite.h"
#include "tests/unit/cpu/conv_step.h"

#include <string.h>

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

#define BF16_TOLERANCE 5e-3 /* beside the largest result; measured: 3.2e-3 */

/* Two convolutions; the first gives bf16 where the network runs in that. `added`: it adds a second
 * input. */
static Net *pair_net_new (const WeirPostOp *post, uint32_t n_post, bool adds)
{
  Net *net = net_new ();
  uint32_t src = net_op (net, "Abs", "", net_input (net, "x", "32,20,21"));
  uint32_t added = adds ? net_op (net, "Neg", "", net_input (net, "r", "48,20,21")) : NET_END;
  uint32_t weights[] = { net_constant (net, "48,32,3,3", 0.1f, 0.0f),
    net_constant (net, "40,48,3,3", 0.1f, 0.0f) };
  uint32_t bias[] = { net_constant (net, "48", 0.5f, 0.0f), net_constant (net, "40", 0.5f, 0.0f) };
  uint32_t middle = net_op (net, "Conv", SAME, src, weights[0], bias[0], added);
  WeirNode *node = weir_graph_node (net->graph, net->graph->nodes->len - 1);
  for (; node->n_post < n_post; node->n_post++)
    node->post[node->n_post] = post[node->n_post];
  net_output (net, net_op (net, "Conv", SAME, middle, weights[1], bias[1]));
  net_finish (net);
  return net;
}

/* Post-ops that the kernel does in registers, and others. */
static const struct {
  WeirPostOp post[2];
  uint32_t n_post;
  bool adds;
} pairs[] = {
  { { RELU }, 1, false },
  { { SWISH }, 1, false },
  { { ADD_OF (3), RELU }, 2, true },
  { { RELU, ADD_OF (3) }, 2, true },
  { { TANH, RELU }, 2, false },
};

/* Not where oneDNN has AMX, which is faster. */
static bool takes_bf16 (void)
{
  const WeirWinograd shape = { .src_is_bf16 = true, .dst_is_bf16 = true };
  WeirWinogradKernels kernels;
  return weir_winograd_kernels (&shape, &kernels) &&
         (!weir_cpu_has_bf16 () || (weir_cpu_isa () & WEIR_ISA_BF16));
}

START_TEST (test_bf16_is_near_the_reference)
{
  const NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 2 };
  const NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 2 };
  for (uint32_t k = 0; takes_bf16 () && k < G_N_ELEMENTS (pairs); k++) {
    g_autoptr (Net) net = pair_net_new (pairs[k].post, pairs[k].n_post, pairs[k].adds);
    g_autofree char *steps = NULL;
    size_t n_expected, n_got;
    g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
    g_autofree float *got = net_run (net, &cpu, &n_got, &steps);
    ck_assert (expected && got && n_expected == n_got);
    const char *first = strstr (steps, "winograd");
    ck_assert_msg (first && strstr (first + 1, "winograd"), "row %u:\n%s", k, steps);
    double difference = net_difference (got, expected, n_got);
    ck_assert_msg (difference <= BF16_TOLERANCE, "row %u differs by %g\n%s", k, difference, steps);
  }
}
END_TEST

START_TEST (test_same_bytes_in_bf16)
{
  const NetRun batch = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 3 };
  const NetRun alone = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 1 };
  const NetRun parts = { &weir_backend_cpu, WEIR_PRECISION_BF16, 3, 1, true };
  for (uint32_t k = 0; takes_bf16 () && k < G_N_ELEMENTS (pairs); k++) {
    g_autoptr (Net) net = pair_net_new (pairs[k].post, pairs[k].n_post, pairs[k].adds);
    size_t n_batch, n_alone, n_parts;
    g_autofree float *of_batch = net_run (net, &batch, &n_batch, NULL);
    g_autofree float *of_alone = net_run (net, &alone, &n_alone, NULL);
    g_autofree float *of_parts = net_run (net, &parts, &n_parts, NULL);
    ck_assert (of_batch && of_alone && of_parts && n_batch == 3 * n_alone && n_parts == n_alone);
    ck_assert_mem_eq (of_batch, of_alone, n_alone * sizeof (float));
    ck_assert_mem_eq (of_parts, of_alone, n_alone * sizeof (float));
  }
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
  tcase_add_test (tcase, test_bf16_is_near_the_reference);
  tcase_add_test (tcase, test_same_bytes_in_bf16);
  tcase_add_test (tcase, test_must_pay);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
