/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Element-wise steps between convolutions in bf16, against the reference backend: alone, with
 * post-ops, with gates; whole rows, rows that end within a vector, more channels than a row has. */
#include "tests/run_suite.h"
#include "tests/unit/cpu/net.h"

typedef enum Second { NOTHING, TENSOR, GATE, NORM } Second;

typedef struct Row {
  const char *op, *attrs;
  Second second; /* what the operator reads beside the layer before */
  bool is_swapped;
  WeirPostOp post[2];
} Row;

#define ADDS(src)          \
  {                        \
    WEIR_OP_ADD, 0, 0, src \
  }
#define RELU                      \
  {                               \
    WEIR_OP_RELU, 0, 0, WEIR_NONE \
  }
#define TANH                      \
  {                               \
    WEIR_OP_TANH, 0, 0, WEIR_NONE \
  }

static const Row rows[] = {
  { "Relu", "", NOTHING },
  { "Neg", "", NOTHING },
  { "LeakyRelu", "alpha=0.1f", NOTHING },
  { "HardSwish", "", NOTHING },
  { "Sigmoid", "", NOTHING },
  { "Swish", "alpha=1.5f", NOTHING },
  { "Tanh", "", NOTHING }, /* not by the kernel of rows */
  { "BatchNormalization", "", NORM },
  { "BatchNormalization", "", NORM, .post = { RELU } },
  { "BatchNormalization", "", NORM, .post = { ADDS (5), RELU } },
  { "BatchNormalization", "", NORM, .post = { TANH } },
  { "Add", "", TENSOR },
  { "Add", "", TENSOR, .post = { RELU } },
  { "Add", "", TENSOR, .post = { ADDS (2) } },
  { "Add", "", GATE },
  { "Sub", "", TENSOR },
  { "Mul", "", TENSOR },
  { "Mul", "", GATE },
  { "Mul", "", GATE, .is_swapped = true },
  { "Mul", "", GATE, .post = { ADDS (2) } },
  { "Mul", "", GATE, .post = { ADDS (2), RELU } },
  { "Mul", "", GATE, .post = { RELU, ADDS (2) } },
};

static const struct {
  const char *picture, *channels; /* 3 → f32, more → bf16 */
  bool is_f32;                    /* what the layer before gives */
} shapes[] = { { "8,9,10", "16", false }, { "8,7,9", "19", false }, { "8,3,2", "1100", false },
  { "3,12,11", "24", true } };

/* A layer of a network. */
static uint32_t convolve (
    Net *net, uint32_t src, const char *to, const char *from, const char *window)
{
  g_autofree char *dims = g_strdup_printf ("%s,%s,%s", to, from, window);
  uint32_t weights = net_constant (net, dims, 0.2f, 0.0f);
  return net_op (net, "Conv", "", src, weights);
}

static void add_sources (Net *net, const Row *row, uint32_t x, int shape, uint32_t *src)
{
  const char *channels = shapes[shape].channels;
  uint32_t n = 0;
  src[n++] = x;
  if (row->second == TENSOR)
    src[n++] = convolve (net, x, channels, channels, "1,1");
  if (row->second == GATE)
    src[n++] = net_op (net, "GlobalAveragePool", "", x);
  for (uint32_t i = 0; i < 4 && row->second == NORM; i++)
    src[n++] = net_constant (net, channels, 0.3f, i == 3 ? 1.0f : 0.01f);
  if (row->is_swapped) {
    src[0] = src[1];
    src[1] = x;
  }
  for (uint32_t i = 0; i < 2; i++)
    if (row->post[i].op == WEIR_OP_ADD)
      src[n++] = convolve (net, x, channels, channels, "1,1");
  src[n] = NET_END;
}

static Net *build (const Row *row, int shape)
{
  Net *net = net_new ();
  uint32_t src[8], x = net_input (net, "x", shapes[shape].picture);
  bool is_f32 = shapes[shape].is_f32;
  x = convolve (net, x, shapes[shape].channels, is_f32 ? "3" : "8", is_f32 ? "3,3" : "1,1");
  add_sources (net, row, x, shape, src);
  uint32_t y = net_node (net, row->op, row->attrs, 1, src);
  WeirNode *node = weir_graph_node (net->graph, net->graph->nodes->len - 1);
  for (; node->n_post < 2 && row->post[node->n_post].op; node->n_post++)
    node->post[node->n_post] = row->post[node->n_post];
  net_output (net, convolve (net, y, "8", shapes[shape].channels, "1,1"));
  net_finish (net);
  return net;
}

/* The line of the plan's description that tells of the row's step. */
static char *step_of (const char *steps, const char *op)
{
  g_autofree char *pattern = g_strdup_printf ("' *%s' cpu .*", op);
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  return g_regex_match (regex, steps, 0, &match) ? g_match_info_fetch (match, 0) : NULL;
}

static void check (const Row *row, int shape)
{
  g_autoptr (Net) net = build (row, shape);
  NetRun ref = { &weir_backend_ref, WEIR_PRECISION_F32, 1, 2 };
  NetRun cpu = { &weir_backend_cpu, WEIR_PRECISION_BF16, 1, 2 };
  g_autofree char *steps = NULL;
  size_t n_expected, n_got;
  g_autofree float *expected = net_run (net, &ref, &n_expected, NULL);
  g_autofree float *got = net_run (net, &cpu, &n_got, &steps);
  ck_assert (expected && got && n_expected == n_got);
  g_autofree char *step = step_of (steps, row->op);
  bool gives_bf16 = row->second == NORM || !shapes[shape].is_f32;
  ck_assert_msg (step && (!gives_bf16 || strstr (step, "-> bf16")), "%s, shape %d:\n%s", row->op,
      shape, steps);
  double difference = net_difference (got, expected, n_got);
  ck_assert_msg (
      difference <= 2e-2, "%s, shape %d differs by %g\n%s", row->op, shape, difference, steps);
}

START_TEST (test_rows_between_layers)
{
  for (int shape = 0; shape < (int) G_N_ELEMENTS (shapes); shape++)
    check (&rows[_i], shape);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("cpu rows");
  TCase *tcase = tcase_create ("cpu rows");
  tcase_add_loop_test (tcase, test_rows_between_layers, 0, G_N_ELEMENTS (rows));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
