/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 1x1 and depthwise convolutions that run as one step: the bytes of the single steps, alone, in a
 * batch and in parts; and what is not taken. */
#include "tests/post_ops.h"
#include "tests/run_suite.h"
#include "tests/unit/cpu/net.h"

#include "kernels/gemm.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

#define BF16_TOLERANCE 5e-3 /* beside the largest result; measured: 3.6e-3 */

typedef struct Row {
  const char *src, *expand; /* weights; NULL: there is none */
  const char *depthwise, *attrs, *project;
  WeirPostOp post[3]; /* of each; a residual is added before the last */
  bool has_residual;  /* what the first reads */
  bool is_apart;      /* these are not one step */
} Row;

#define NONE \
  {          \
    0        \
  }
#define PADDED "pads=[1,1,1,1]"

/* Large enough in bf16. */
static const Row rows[] = {
  { "16,140,66", "67,16,1,1", "67,1,3,3", PADDED, "24,67,1,1", { CLIP_TO (0, 6), CLIP_TO (0, 6) } },
  { "16,140,66", "67,16,1,1", "67,1,3,3", PADDED, "16,67,1,1", { CLIP_TO (0, 6), RELU, SWISH },
      true },
  { "16,141,65", "67,16,1,1", "67,1,3,3", PADDED " strides=[2,2]", NULL, { RELU, CLIP_TO (0, 6) } },
  { "8,141,67", "96,8,1,1", "96,1,3,3", PADDED " strides=[2,2]", "20,96,1,1", { RELU, SWISH } },
  { "8,121,67", "96,8,1,1", "96,1,5,5", "pads=[2,2,2,2] strides=[1,2]", NULL, { SWISH } },
  { "8,200,60", "50,8,1,1", "50,1,3,3", "pads=[2,2,2,2] dilations=[2,2]", "8,50,1,1", { NONE },
      true },
  { "8,200,60", "50,8,1,1", "50,1,3,3", "", "8,50,1,1", { RELU } }, /* no padding */
  { "8,200,60", "50,8,1,1", "50,1,3,2", "pads=[2,0,0,1]", "8,50,1,1", { RELU } },
  { "64,149,60", NULL, "64,1,3,3", PADDED, "33,64,1,1", { NONE, RELU, RELU } },
  { "64,149,60", NULL, "64,1,3,3", PADDED, "64,64,1,1", { NONE, SWISH }, true },
  { "8,3,2800", "80,8,1,1", "80,1,3,3", PADDED, "8,80,1,1", { RELU } },
  { "16,20,20", "67,16,1,1", "67,1,3,3", PADDED, "24,67,1,1", { CLIP_TO (0, 6), CLIP_TO (0, 6) },
      false, true },
  { "16,140,66", "67,16,1,1", "67,1,3,3", PADDED, NULL, { TANH }, false, true },
};

static uint32_t add_conv (
    Net *net, uint32_t src, const char *weights, const char *attrs, uint32_t added)
{
  g_auto (GStrv) dims = g_strsplit (weights, ",", 2);
  uint32_t all[] = { src, net_constant (net, weights, 0.2f, 0.0f),
    net_constant (net, dims[0], 0.5f, 0.0f), added == WEIR_NONE ? NET_END : added, NET_END };
  return net_node (net, "Conv", attrs, 1, all);
}

static void append_post (Net *net, uint32_t dst, const WeirPostOp *post)
{
  for (uint32_t id = 0; id < net->graph->nodes->len; id++) {
    WeirNode *node = weir_graph_node (net->graph, id);
    if (node->dst[0] == dst && post->op)
      node->post[node->n_post++] = *post;
  }
}

/* is_seen: what is between is an output too, so nothing is joined. */
static Net *strips_net_new (const Row *row, bool is_seen)
{
  static const WeirPostOp add = { WEIR_OP_ADD, 0, 0, 3 };
  Net *net = net_new ();
  uint32_t x = net_op (net, "Abs", "", net_input (net, "x", row->src));
  uint32_t expanded = row->expand ? add_conv (net, x, row->expand, "", WEIR_NONE) : x;
  g_autofree char *attrs = g_strdup_printf ("group=%d %s", atoi (row->depthwise), row->attrs);
  uint32_t between = add_conv (net, expanded, row->depthwise, attrs, WEIR_NONE);
  uint32_t dst = row->project
                     ? add_conv (net, between, row->project, "", row->has_residual ? x : WEIR_NONE)
                     : between;
  if (row->expand)
    append_post (net, expanded, &row->post[0]);
  append_post (net, between, &row->post[1]);
  if (row->has_residual)
    append_post (net, dst, &add);
  if (row->project)
    append_post (net, dst, &row->post[2]);
  net_output (net, dst);
  if (is_seen && row->expand)
    net_output (net, expanded);
  if (is_seen && row->project)
    net_output (net, between);
  net_finish (net);
  return net;
}

static float *run_row (const Row *row, bool is_seen, const NetRun *run, size_t *n, char **steps)
{
  g_autoptr (Net) net = strips_net_new (row, is_seen);
  float *values = net_run (net, run, n, steps);
  ck_assert (values != NULL);
  return values;
}

static bool takes (WeirPrecision precision)
{
  return precision == WEIR_PRECISION_F32 || weir_gemm_bf16 ();
}

START_TEST (test_same_bytes)
{
  static const NetRun runs[] = {
    { &weir_backend_cpu, WEIR_PRECISION_F32, 1, 1 },
    { &weir_backend_cpu, WEIR_PRECISION_F32, 1, 3 },
    { &weir_backend_cpu, WEIR_PRECISION_F32, 3, 1, true },
    { &weir_backend_cpu, WEIR_PRECISION_F32, 2, 3, true },
    { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 1 },
    { &weir_backend_cpu, WEIR_PRECISION_BF16, 2, 3, true },
  };
  const Row *row = &rows[_i];
  for (uint32_t k = 0; k < G_N_ELEMENTS (runs) && takes (runs[k].precision); k++) {
    g_autofree char *steps = NULL, *single_steps = NULL;
    size_t n, n_single;
    g_autofree float *got = run_row (row, false, &runs[k], &n, &steps);
    g_autofree float *expected = run_row (row, true, &runs[k], &n_single, &single_steps);
    ck_assert_msg (!strstr (single_steps, "strips"), "%s", single_steps);
    ck_assert_msg (!strstr (steps, "strips") == row->is_apart, "run %u:\n%s", k, steps);
    ck_assert_uint_le (n, n_single);
    ck_assert_msg (memcmp (got, expected, n * sizeof *got) == 0, "run %u:\n%s", k, steps);
  }
}
END_TEST

START_TEST (test_near_the_reference)
{
  static const NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_F32, 1, 1 },
                      bf16 = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 1 },
                      ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 1 };
  size_t n, n_expected;
  g_autofree float *got = run_row (&rows[_i], false, &cpu, &n, NULL);
  g_autofree float *expected = run_row (&rows[_i], false, &ref, &n_expected, NULL);
  ck_assert_uint_eq (n, n_expected);
  ck_assert_double_le (net_difference (got, expected, n), 5e-6);
  if (takes (bf16.precision)) {
    g_autofree float *rounded = run_row (&rows[_i], false, &bf16, &n, NULL);
    ck_assert_double_le (net_difference (rounded, expected, n), BF16_TOLERANCE);
  }
}
END_TEST

/* What is between has no memory: at any batch less than a picture of it more than its ends. */
START_TEST (test_memory)
{
  const WeirDeviceOptions options = { .precision = WEIR_PRECISION_F32, .n_threads = 1 };
  size_t bytes[2];
  for (int is_seen = 0; is_seen < 2; is_seen++) {
    g_autoptr (Net) net = strips_net_new (&rows[0], is_seen);
    g_autoptr (WeirTarget) target = weir_target_new (net->graph, &weir_backend_cpu, &options, NULL);
    g_autoptr (WeirPlan) plan = weir_plan_new (target, 8, NULL);
    ck_assert (plan != NULL);
    bytes[is_seen] = weir_plan_slot_bytes (plan);
  }
  ck_assert_uint_gt (bytes[1], bytes[0] + 8 * 140 * 66 * 67 * sizeof (float));
}
END_TEST

int main (void)
{
  if (!weir_gemm ()) {
    puts ("skipped: this CPU, or WEIR_CPU_DISABLE, leaves no fused multiply-add");
    return 77;
  }
  Suite *suite = suite_create ("strips");
  TCase *tcase = tcase_create ("strips");
  tcase_add_loop_test (tcase, test_same_bytes, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_near_the_reference, 0, G_N_ELEMENTS (rows));
  tcase_add_test (tcase, test_memory);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
