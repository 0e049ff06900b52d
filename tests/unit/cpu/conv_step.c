/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds networks of one convolution, and compares how they run. */
#include "tests/unit/cpu/conv_step.h"

#include <check.h>
#include <string.h>

Net *conv_net_new (const ConvRow *row)
{
  Net *net = net_new ();
  uint32_t x = net_input (net, "x", row->src);
  /* An operator before it, so that nothing else reads a residual that is the source. */
  uint32_t src = net_op (net, "Abs", "", x);
  uint32_t w = net_constant (net, row->weights, 0.1f, 0.0f);
  uint32_t b = row->bias ? net_constant (net, row->bias, 0.5f, 0.0f) : WEIR_NONE;
  uint32_t residual = row->residual == OF_ITSELF ? src : NET_END;
  if (row->residual == OF_OTHERS)
    residual = net_op (net, "Neg", "", net_input (net, "r", row->dst));
  uint32_t all[] = { src, w, b, residual, NET_END };
  uint32_t dst = net_node (net, "Conv", row->attrs, 1, all);
  for (uint32_t id = 0; id < net->graph->nodes->len; id++) {
    WeirNode *node = weir_graph_node (net->graph, id);
    for (; node->dst[0] == dst && node->n_post < 4 && row->post[node->n_post].op; node->n_post++)
      node->post[node->n_post] = row->post[node->n_post];
  }
  net_output (net,
      row->next ? net_op (net, "Conv", "", dst, net_constant (net, row->next, 0.1f, 0.0f)) : dst);
  net_finish (net);
  return net;
}

static WeirPrecision precision_of (const ConvRow *row)
{
  return row->is_bf16 ? WEIR_PRECISION_BF16 : WEIR_PRECISION_F32;
}

void check_near_reference (const ConvRow *rows, uint32_t n, const char *name, double tolerance)
{
  for (uint32_t k = 0; k < n; k++) {
    g_autoptr (Net) net = conv_net_new (&rows[k]);
    NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 2 };
    NetRun cpu = { &weir_backend_cpu, precision_of (&rows[k]), 1, 2 };
    g_autofree char *steps = NULL;
    size_t n_expected, n_got;
    g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
    g_autofree float *got = net_run (net, &cpu, &n_got, &steps);
    ck_assert_msg (expected && got && n_expected == n_got, "row %u does not run", k);
    ck_assert_msg (!name || strstr (steps, name), "row %u goes another way:\n%s", k, steps);
    ck_assert_msg (net_difference (got, expected, n_got) <= tolerance, "row %u differs by %g\n%s",
        k, net_difference (got, expected, n_got), steps);
  }
}

void check_same_bytes (const ConvRow *rows, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) {
    g_autoptr (Net) net = conv_net_new (&rows[k]);
    NetRun batch = { &weir_backend_cpu, precision_of (&rows[k]), 1, 3 };
    NetRun alone = { &weir_backend_cpu, precision_of (&rows[k]), 1, 1 };
    NetRun parts = { &weir_backend_cpu, precision_of (&rows[k]), 3, 1, true };
    size_t n_batch, n_alone, n_parts;
    g_autofree float *of_batch = net_run (net, &batch, &n_batch, NULL);
    g_autofree float *of_alone = net_run (net, &alone, &n_alone, NULL);
    g_autofree float *of_parts = net_run (net, &parts, &n_parts, NULL);
    ck_assert (of_batch && of_alone && of_parts && n_batch == 3 * n_alone && n_parts == n_alone);
    ck_assert_msg (memcmp (of_batch, of_alone, n_alone * sizeof (float)) == 0, "row %u: batch", k);
    ck_assert_msg (memcmp (of_parts, of_alone, n_alone * sizeof (float)) == 0, "row %u: parts", k);
  }
}

void check_other_way (const ConvRow *rows, uint32_t n, const char *name)
{
  for (uint32_t k = 0; k < n; k++) {
    g_autoptr (Net) net = conv_net_new (&rows[k]);
    NetRun cpu = { &weir_backend_cpu, precision_of (&rows[k]), 1, 1 };
    g_autofree char *steps = NULL;
    size_t n_got;
    g_autofree float *got = net_run (net, &cpu, &n_got, &steps);
    ck_assert_msg (got && !strstr (steps, name), "row %u:\n%s", k, steps);
  }
}
