/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every line of tests/ops/NAME.txt on every backend: the reference against written results or an
 * oracle, the others against the reference. */
#include "tests/run_suite.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "tests/ops/oracle.h"
#include "tests/ops/row.h"
#include "tests/ops/step.h"

#define RTOL 1e-5
#define ATOL 2e-6

/* The reference comes first. */
static const StepTarget targets[] = {
  { &weir_backend_ref, WEIR_PRECISION_F32, RTOL, ATOL },
  { &weir_backend_cpu, WEIR_PRECISION_F32, 1e-4, 1e-5 },
  /* Inputs and weights of about 1, rounded to 8 bits, in sums of up to some hundred terms. */
  { &weir_backend_cpu, WEIR_PRECISION_BF16, 0.02, 0.05 },
};

typedef struct Counts {
  uint32_t n_rows, n_refused[G_N_ELEMENTS (targets)];
  bool is_covered[WEIR_N_OPS];
} Counts;

static WeirDevice *devices[G_N_ELEMENTS (targets)];

/* src and dst of the row's one node. */
typedef struct Operands {
  const Row *row;
  const WeirGraph *graph;
  const WeirNode *node;
  WeirTensor src[ROW_MAX_TENSORS];
  bool is_constant[ROW_MAX_TENSORS];
  WeirArena *arena;
} Operands;

static void take_operands (Operands *op, const Row *row, const WeirGraph *graph, WeirArena *arena)
{
  *op = (Operands){ .row = row, .graph = graph, .arena = arena };
  op->node = weir_graph_node (graph, 0);
  for (uint32_t i = 0; i < row->node.n_src; i++) {
    op->src[i] = row->src[i].tensor;
    op->is_constant[i] = row->src[i].is_constant;
  }
}

/* As doubles, whatever the type. */
static char *check_oracle (const Row *row, const WeirTensor *dst)
{
  g_autofree double *expected = oracle_compute (row);
  WeirTensor wide_expected = *dst, wide = *dst;
  int64_t n;
  if (!weir_tensor_n_elements (dst, &n))
    return g_strdup ("has no size");
  g_autofree double *actual = g_new0 (double, (gsize) n + 1);
  for (int64_t i = 0; i < n; i++)
    actual[i] = step_element (dst, i);
  wide.dtype = wide_expected.dtype = WEIR_DTYPE_F64;
  wide.buffer = actual;
  wide_expected.buffer = expected;
  return step_compare (&wide, &wide_expected, RTOL, ATOL);
}

/* Where the results are not as the row or the oracle has them; newly allocated. */
static char *check_results (const Row *row, const WeirTensor *dst)
{
  for (uint32_t i = 0; i < row->node.n_dst; i++) {
    char *text = NULL;
    if (row->dst[i].has_contents)
      text = step_compare (&dst[i], &row->dst[i].tensor, RTOL, ATOL);
    else if (i == 0 && oracle_find (row->node.op))
      text = check_oracle (row, &dst[0]);
    else if (row->dst[i].tensor.dtype != WEIR_DTYPE_NONE)
      text = g_strdup_printf ("output %u has neither contents nor an oracle", i);
    if (text)
      return text;
  }
  return NULL;
}

static char *check_shapes (const Row *row, const WeirTensor *dst)
{
  for (uint32_t i = 0; i < row->node.n_dst; i++) {
    const WeirTensor *expected = &row->dst[i].tensor;
    if (expected->dtype == WEIR_DTYPE_NONE ||
        (dst[i].dtype == expected->dtype && weir_tensor_same_shape (&dst[i], expected)))
      continue;
    g_autofree char *a = weir_tensor_describe (&dst[i]);
    g_autofree char *b = weir_tensor_describe (expected);
    return g_strdup_printf ("output %u is inferred as %s, expected %s", i, a, b);
  }
  return NULL;
}

/* Results that are rounded to whole steps: where they lie by halves, rounding of floats decides. */
static bool is_rounded (const WeirNode *node, const WeirTensor *dst)
{
  const char *name = weir_op_info (node->op)->name;
  return (dst->dtype == WEIR_DTYPE_U8 || dst->dtype == WEIR_DTYPE_I8) &&
         (strstr (name, "QLinear") || strstr (name, "QGemm") || strstr (name, "weir:Quantised"));
}

/* What differs by more than a step, newly allocated. */
static char *compare_steps (const Operands *op, const WeirTensor *dst, const WeirTensor *reference)
{
  WeirTensor a, b;
  if (!step_convert (dst, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, &a, op->arena, NULL) ||
      !step_convert (reference, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, &b, op->arena, NULL))
    return g_strdup ("no memory");
  return step_compare (&a, &b, 0, 1);
}

/* Where a target's results are not the reference's; newly allocated. */
static char *check_against (const Operands *op, const StepTarget *target, const WeirTensor *dst,
    const WeirTensor *reference)
{
  for (uint32_t i = 0; i < op->node->n_dst; i++) {
    if (op->node->dst[i] == WEIR_NONE)
      continue;
    g_autofree char *text = is_rounded (op->node, &dst[i])
                                ? compare_steps (op, &dst[i], &reference[i])
                                : step_compare (&dst[i], &reference[i], target->rtol, target->atol);
    if (text)
      return g_strdup_printf ("%s (%s), output %u: %s", target->backend->name,
          weir_precision_name (target->precision), i, text);
  }
  return NULL;
}

/* On all targets. What is wrong, newly allocated. */
static char *run_targets (Operands *op, const WeirTensor *inferred, Counts *counts, GError **error)
{
  WeirTensor results[G_N_ELEMENTS (targets)][ROW_MAX_TENSORS];
  for (size_t t = 0; t < G_N_ELEMENTS (targets); t++) {
    memcpy (results[t], inferred, sizeof results[t]);
    if (!devices[t])
      continue;
    StepResult result = step_run (&targets[t], devices[t], op->graph, op->node, op->src,
        op->is_constant, results[t], op->arena, error);
    counts->n_refused[t] += result == STEP_REFUSED;
    if (result == STEP_REFUSED)
      continue;
    if (result == STEP_FAILED)
      return g_strdup_printf ("%s: failed", targets[t].backend->name);
    char *text = t == 0 ? check_results (op->row, results[0])
                        : check_against (op, &targets[t], results[t], results[0]);
    if (text)
      return text;
  }
  return NULL;
}

static char *run_row (const Row *row, Counts *counts, GError **error)
{
  g_autoptr (WeirArena) arena = weir_arena_new ();
  g_autoptr (WeirGraph) graph = row_make_graph (row);
  g_autoptr (WeirShapes) shapes = weir_shapes_infer (graph, 1, weir_ref_evaluate, error);
  WeirTensor inferred[ROW_MAX_TENSORS] = { { 0 } };
  Operands op;
  if (row->expects_error) {
    if (shapes || !g_error_matches (*error, WEIR_ERROR, row->error_code))
      return g_strdup ("expected an error of this code");
    g_clear_error (error);
    return NULL;
  }
  if (!shapes)
    return g_strdup ("cannot infer shapes");
  counts->is_covered[row->node.op] = true;
  take_operands (&op, row, graph, arena);
  for (uint32_t i = 0; i < row->node.n_dst; i++)
    if (op.node->dst[i] != WEIR_NONE)
      inferred[i] = shapes->values[op.node->dst[i]];
  char *text = check_shapes (row, inferred);
  return text ? text : run_targets (&op, inferred, counts, error);
}

typedef bool (*RowFn) (const Row *row, void *data);

/* Calls fn for the rows of all files; the number of rows for which it is false or that do not
 * parse. */
static uint32_t for_each_row (RowFn fn, void *data)
{
  const char *root = g_getenv ("WEIR_SOURCE_ROOT");
  g_autofree char *folder = g_build_filename (root ? root : "..", "tests", "ops", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;
  uint32_t n_failed = 0;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;
    if (!g_str_has_suffix (name, ".txt") || !g_file_get_contents (path, &text, NULL, NULL))
      continue;
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    for (uint32_t i = 0; lines[i]; i++) {
      g_autoptr (GError) error = NULL;
      if (!*g_strstrip (lines[i]) || *lines[i] == '#')
        continue;
      g_autoptr (Row) row = row_parse (name, i + 1, lines[i], &error);
      if (!row)
        printf ("%s\n", error->message);
      n_failed += !row || !fn (row, data);
    }
  }
  return n_failed;
}

static bool try_row (const Row *row, void *data)
{
  Counts *counts = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = run_row (row, counts, &error);
  counts->n_rows++;
  if (text)
    printf ("%s:%u: %s%s%s\n  %s\n", row->file, row->line, text, error ? ": " : "",
        error ? error->message : "", row->text);
  return !text;
}

/* A precision that this machine has not leaves its device NULL. */
static bool open_devices (void)
{
  for (size_t t = 0; t < G_N_ELEMENTS (targets); t++) {
    WeirDeviceOptions options = { targets[t].precision, 1 };
    g_autoptr (GError) error = NULL;
    devices[t] = targets[t].backend->open (&options, &error);
    if (!devices[t]) {
      printf ("%s: skipped: %s\n", targets[t].backend->name, error->message);
      if (!g_error_matches (error, WEIR_ERROR, WEIR_ERROR_UNSUPPORTED))
        return false;
    } else if (targets[t].backend->enter_thread) {
      targets[t].backend->enter_thread (devices[t]);
    }
  }
  return devices[0] != NULL;
}

static void close_devices (void)
{
  for (size_t t = 0; t < G_N_ELEMENTS (targets); t++)
    if (devices[t])
      targets[t].backend->close (devices[t]);
}

START_TEST (test_rows)
{
  Counts counts = { 0 };
  ck_assert (open_devices ());
  uint32_t n_failed = for_each_row (try_row, &counts);
  printf ("%u rows, %u failed\n", counts.n_rows, n_failed);
  for (size_t t = 0; t < G_N_ELEMENTS (targets); t++)
    printf ("  %s (%s): %u left to another backend\n", targets[t].backend->name,
        weir_precision_name (targets[t].precision), counts.n_refused[t]);
  close_devices ();
  ck_assert_uint_eq (n_failed, 0);
  ck_assert_uint_gt (counts.n_rows, 0);
  for (int op = 0; op < WEIR_N_OPS; op++)
    ck_assert_msg (counts.is_covered[op], "%s has no row in tests/ops/*.txt",
        weir_op_info ((WeirOp) op)->name);
}
END_TEST

/* Where element (n, c, h, w) lies in memory, for both layouts and several types. */
START_TEST (test_reorder_places)
{
  static const WeirDtype dtypes[] = { WEIR_DTYPE_F32, WEIR_DTYPE_F16, WEIR_DTYPE_BF16,
    WEIR_DTYPE_U8, WEIR_DTYPE_I32 };
  g_autoptr (WeirArena) arena = weir_arena_new ();
  float values[2 * 3 * 4 * 5];
  WeirTensor plain = {
    .dtype = WEIR_DTYPE_F32, .rank = 4, .dims = { 2, 3, 4, 5 }, .buffer = values
  };
  for (int i = 0; i < 120; i++)
    values[i] = (float) i;
  for (size_t k = 0; k < G_N_ELEMENTS (dtypes); k++) {
    WeirTensor last, back;
    ck_assert (step_convert (&plain, dtypes[k], WEIR_LAYOUT_CHANNELS_LAST, &last, arena, NULL));
    for (int i = 0; i < 120; i++) {
      int w = i % 5, h = i / 5 % 4, c = i / 20 % 3, n = i / 60;
      ck_assert_double_eq (step_element (&last, ((n * 4 + h) * 5 + w) * 3 + c), i);
    }
    ck_assert (step_convert (&last, WEIR_DTYPE_F32, WEIR_LAYOUT_PLAIN, &back, arena, NULL));
    ck_assert_mem_eq (back.buffer, values, sizeof values);
  }
}
END_TEST

/* Out of range for integers: the nearest value; NaN: 0. */
START_TEST (test_cast_saturates)
{
  static const struct {
    float value;
    WeirDtype dtype;
    double expected;
  } rows[] = {
    { 300, WEIR_DTYPE_U8, 255 },
    { -1, WEIR_DTYPE_U8, 0 },
    { -1e9f, WEIR_DTYPE_I8, -128 },
    { 1e10f, WEIR_DTYPE_I32, 2147483647 },
    { -3e19f, WEIR_DTYPE_I64, -0x1p63 },
    { 3e19f, WEIR_DTYPE_U64, 0x1p64 },
    { (float) NAN, WEIR_DTYPE_I32, 0 },
    { -2.9f, WEIR_DTYPE_I16, -2 },
    { 0.1f, WEIR_DTYPE_BOOL, 1 },
  };
  g_autoptr (WeirArena) arena = weir_arena_new ();
  for (size_t k = 0; k < G_N_ELEMENTS (rows); k++) {
    float value = rows[k].value;
    WeirTensor src = { .dtype = WEIR_DTYPE_F32, .buffer = &value }, dst;
    ck_assert (step_convert (&src, rows[k].dtype, WEIR_LAYOUT_PLAIN, &dst, arena, NULL));
    ck_assert_double_eq (step_element (&dst, 0), rows[k].expected);
  }
}
END_TEST

/* An index is data: it fails when the step runs, and the step can be run again. */
START_TEST (test_gather_index_out_of_range)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Row) row = row_parse ("test", 1, "Gather f32[3] i64[1]{3} -> f32[1]", &error);
  g_autoptr (WeirGraph) graph = row_make_graph (row);
  WeirTensor src[] = { row->src[0].tensor, row->src[1].tensor }, dst = row->dst[0].tensor;
  ck_assert (!weir_ref_evaluate (graph, weir_graph_node (graph, 0), src, &dst, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  g_clear_error (&error);
  *(int64_t *) src[1].buffer = -3;
  ck_assert (weir_ref_evaluate (graph, weir_graph_node (graph, 0), src, &dst, &error));
  ck_assert_double_eq (step_element (&dst, 0), step_element (&src[0], 0));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("ops");
  TCase *tcase = tcase_create ("ops");
  tcase_add_test (tcase, test_rows);
  tcase_add_test (tcase, test_reorder_places);
  tcase_add_test (tcase, test_cast_saturates);
  tcase_add_test (tcase, test_gather_index_out_of_range);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
