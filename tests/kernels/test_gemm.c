/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products: every variant against the plain one, byte for byte, and that against a sum in
 * double. Buffers have exactly the size that is allowed, for the sanitizers. --bench times them. */
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

#include "tests/kernels/bench_gemm.h"
#include "tests/run_suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
#define N_VARIANTS (sizeof variants / sizeof *variants)

#define UNTOUCHED  1234.5f

typedef struct Row {
  size_t n_rows, n_inner, n_columns;
  size_t a_gap, dst_gap; /* floats between the rows */
  bool has_bias, adds;
  WeirActivation activation;
} Row;

static const Row rows[] = {
  { 1, 1, 1, 0, 0, false, false, { 0 } },
  { 29, 16, 16, 0, 0, true, false, { 0 } },
  { 57, 7, 5, 3, 2, true, true, { 0 } },
  { 43, 33, 24, 1, 8, true, false, { WEIR_ACTIVATION_CLIP, 0, 6, 0 } },
  { 43, 33, 32, 0, 0, true, true, { WEIR_ACTIVATION_CLIP, 0, INFINITY, 0 } },
  { 19, 64, 48, 0, 1, false, true, { WEIR_ACTIVATION_CLIP, -INFINITY, 1, 0 } },
  { 19, 20, 40, 0, 1, true, false, { WEIR_ACTIVATION_LEAKY_RELU, 0, 0, 0.1f } },
  { 30, 20, 72, 5, 0, true, true, { WEIR_ACTIVATION_HARD_SWISH, 0, 0, 0 } },
  { 30, 20, 72, 5, 0, true, true, { WEIR_ACTIVATION_ROUND_TO_CODES, -9, 246, 0.125f } },
  { 30, 20, 72, 5, 0, true, true, { WEIR_ACTIVATION_ROUND_TO_LEVELS, -2, 7, 0 } },
  { 31, 12, 23, 5, 1, true, true, { WEIR_ACTIVATION_SIGMOID, 0, 0, 0 } },
  { 17, 12, 80, 0, 0, true, false, { WEIR_ACTIVATION_SWISH, 0, 0, 1 } },
  { 300, 9, 17, 0, 3, true, false, { WEIR_ACTIVATION_SWISH, 0, 0, 1.7f } },
  { 600, 130, 100, 0, 0, true, true, { 0 } },
  { 3, 1024, 96, 0, 0, true, false, { 0 } },
  { 28, 2048, 33, 0, 0, true, false, { 0 } },
};

static float *random_new (size_t n, unsigned seed)
{
  float *values = malloc (n * sizeof *values);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float) (seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

/* n_rows rows of n, `gap` apart; nothing behind the last one. */
static float *rows_new (size_t n_rows, size_t n, size_t gap, unsigned seed)
{
  float *values = random_new (n_rows * (n + gap) - gap, seed);
  for (size_t r = 0; r + 1 < n_rows; r++)
    for (size_t i = 0; i < gap; i++)
      values[r * (n + gap) + n + i] = UNTOUCHED;
  return values;
}

typedef struct Data {
  WeirGemm task;
  const Row *row;
  const float *added; /* NULL: where row->adds, what dst holds */
  float *a, *b, *packed, *bias;
} Data;

static Data data_new (const Row *row)
{
  Data data = { .row = row,
    .a = rows_new (row->n_rows, row->n_inner, row->a_gap, 1),
    .b = random_new (row->n_columns * row->n_inner, 2),
    .bias = random_new (row->n_columns, 3),
    .packed = malloc (weir_gemm_packed_floats (row->n_inner, row->n_columns) * sizeof (float)) };
  weir_gemm_pack (data.packed, data.b, 1, row->n_inner, row->n_inner, row->n_columns);
  data.task = (WeirGemm){ .a = data.a,
    .a_row = row->n_inner + row->a_gap,
    .b = data.packed,
    .bias = row->has_bias ? data.bias : NULL,
    .dst_row = row->n_columns + row->dst_gap,
    .n_rows = row->n_rows,
    .n_inner = row->n_inner,
    .n_columns = row->n_columns,
    .activation = row->activation };
  return data;
}

static void data_free (Data *data)
{
  free (data->a);
  free (data->b);
  free (data->packed);
  free (data->bias);
}

static float *dst_new (const Row *row)
{
  return rows_new (row->n_rows, row->n_columns, row->dst_gap, 4);
}

/* Of rows begin to end - 1. */
static void run (const Data *data, WeirGemmFn fn, float *dst, size_t begin, size_t end)
{
  WeirGemm task = data->task;
  task.a += begin * task.a_row;
  task.dst = dst + begin * task.dst_row;
  task.added = data->added ? data->added + begin * task.dst_row : data->row->adds ? task.dst : NULL;
  task.n_rows = end - begin;
  fn (&task);
}

static void check_untouched (const Row *row, const float *dst)
{
  for (size_t r = 0; r + 1 < row->n_rows; r++)
    for (size_t i = 0; i < row->dst_gap; i++)
      ck_assert_float_eq (dst[r * (row->n_columns + row->dst_gap) + row->n_columns + i], UNTOUCHED);
}

static void check_equal (const float *values, const float *expected, size_t n, int row)
{
  for (size_t i = 0; i < n; i++)
    ck_assert_msg (memcmp (&values[i], &expected[i], sizeof *values) == 0,
        "row %d, value %zu: %.9g instead of %.9g", row, i, (double) values[i],
        (double) expected[i]);
}

START_TEST (test_variants_equal_plain_one)
{
  const Row *row = &rows[_i];
  Data data = data_new (row);
  size_t n = row->n_rows * (row->n_columns + row->dst_gap) - row->dst_gap;
  float *expected = dst_new (row);
  run (&data, weir_gemm_variant (WEIR_ISA_C), expected, 0, row->n_rows);
  check_untouched (row, expected);
  for (size_t k = 0; k < N_VARIANTS; k++) {
    WeirGemmFn fn = weir_gemm_variant (variants[k]);
    if (!fn)
      continue;
    float *dst = dst_new (row);
    run (&data, fn, dst, 0, row->n_rows);
    check_equal (dst, expected, n, _i);
    free (dst);
    if (row->adds)
      data.added = dst_new (row);
    dst = dst_new (row);
    run (&data, fn, dst, 0, row->n_rows / 3);
    run (&data, fn, dst, row->n_rows / 3, row->n_rows);
    check_equal (dst, expected, n, _i);
    free (dst);
    free ((float *) data.added);
    data.added = NULL;
  }
  free (expected);
  data_free (&data);
}
END_TEST

/* Rows of windows, which overlap, over rows of pixels: as if they were copied one after the other.
 */
START_TEST (test_segments)
{
  enum { N_ROWS = 33, STEP = 6, N_INNER = 9, N_SEGMENTS = 4, SEGMENT = 211, N_COLUMNS = 40 };
  enum {
    DEPTH = N_INNER * N_SEGMENTS,
    N_SOURCE = (N_SEGMENTS - 1) * SEGMENT + (N_ROWS - 1) * STEP + N_INNER
  };
  float *source = random_new (N_SOURCE, 5), *b = random_new (DEPTH * N_COLUMNS, 6),
        *copied = malloc (N_ROWS * DEPTH * sizeof *copied);
  float *packed = malloc (weir_gemm_packed_floats (DEPTH, N_COLUMNS) * sizeof *packed);
  float expected[N_ROWS * N_COLUMNS], got[N_ROWS * N_COLUMNS];
  weir_gemm_pack (packed, b, 1, DEPTH, DEPTH, N_COLUMNS);
  for (size_t i = 0; i < N_ROWS * N_SEGMENTS; i++)
    memcpy (copied + i * N_INNER, source + i / N_SEGMENTS * STEP + i % N_SEGMENTS * SEGMENT,
        N_INNER * sizeof *copied);
  WeirGemm plain = { copied, DEPTH, packed, NULL, expected, N_COLUMNS, NULL, N_ROWS, DEPTH,
    N_COLUMNS, { WEIR_ACTIVATION_NONE } };
  WeirGemm pieces = plain;
  pieces.a = source;
  pieces.a_row = STEP;
  pieces.n_inner = N_INNER;
  pieces.n_segments = N_SEGMENTS;
  pieces.a_segment = SEGMENT;
  pieces.dst = got;
  weir_gemm_variant (WEIR_ISA_C) (&plain);
  weir_gemm_variant (WEIR_ISA_C) (&pieces);
  check_equal (got, expected, N_ROWS * N_COLUMNS, -1);
  for (size_t k = 0; k < N_VARIANTS; k++)
    if (weir_gemm_variant (variants[k])) {
      memset (got, 0, sizeof got);
      weir_gemm_variant (variants[k]) (&pieces);
      check_equal (got, expected, N_ROWS * N_COLUMNS, -1);
    }
  free (source);
  free (b);
  free (copied);
  free (packed);
}
END_TEST

static double activated (const WeirActivation *activation, double x)
{
  switch (activation->kind) {
  case WEIR_ACTIVATION_CLIP:
    return fmin (fmax (x, activation->least), activation->most);
  case WEIR_ACTIVATION_LEAKY_RELU:
    return x < 0 ? x * activation->alpha : x;
  case WEIR_ACTIVATION_HARD_SWISH:
    return x * fmin (fmax (x / 6 + 0.5, 0), 1);
  case WEIR_ACTIVATION_ROUND_TO_CODES:
    return fmin (fmax (rint (x / activation->alpha), activation->least), activation->most) *
           activation->alpha;
  case WEIR_ACTIVATION_SIGMOID:
    return 1 / (1 + exp (-x));
  case WEIR_ACTIVATION_SWISH:
    return x / (1 + exp (-activation->alpha * x));
  case WEIR_ACTIVATION_ROUND_TO_LEVELS: {
    double range = (double) activation->most - (double) activation->least;
    x = fmin (fmax (x, activation->least), activation->most) - (double) activation->least;
    return rint (x / range * 255) / 255 * range + (double) activation->least;
  }
  default:
    return x;
  }
}

START_TEST (test_values)
{
  const Row *row = &rows[_i];
  Data data = data_new (row);
  float *dst = dst_new (row), *before = dst_new (row);
  run (&data, weir_gemm_variant (WEIR_ISA_C), dst, 0, row->n_rows);
  for (size_t r = 0; r < row->n_rows; r++)
    for (size_t c = 0; c < row->n_columns; c++) {
      size_t at = r * data.task.dst_row + c;
      double sum = (row->has_bias ? data.bias[c] : 0) + (row->adds ? before[at] : 0);
      for (size_t k = 0; k < row->n_inner; k++)
        sum += (double) data.a[r * data.task.a_row + k] * data.b[c * row->n_inner + k];
      ck_assert_double_eq_tol (dst[at], activated (&row->activation, sum), 2e-4);
    }
  free (dst);
  free (before);
  data_free (&data);
}
END_TEST

/* Sums far beyond those of a network. */
START_TEST (test_activations_at_extremes)
{
  static const float values[] = { 0, -0.0f, 1e-30f, -1e-30f, 5, -5, 86.9f, -86.9f, 88, -88, 200,
    -200, 1e30f, -1e30f, INFINITY, -INFINITY, NAN };
  size_t n = sizeof values / sizeof *values;
  float one[WEIR_GEMM_PANEL] = { 1 };
  for (size_t k = 0; k < N_VARIANTS; k++)
    for (int kind = WEIR_ACTIVATION_NONE; kind <= WEIR_ACTIVATION_ROUND_TO_LEVELS; kind++) {
      float dst[32], expected[32];
      WeirGemm task = { values, 1, one, NULL, expected, 1, NULL, n, 1, 1, { kind, -3, 252, 1 } };
      weir_gemm_variant (WEIR_ISA_C) (&task);
      task.dst = dst;
      WeirGemmFn fn = weir_gemm_variant (variants[k]);
      if (fn) {
        fn (&task);
        check_equal (dst, expected, n - 1, kind);
        ck_assert_int_eq (isnan (dst[n - 1]), isnan (expected[n - 1]));
      }
    }
}
END_TEST

int main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench_gemm ();
  Suite *suite = suite_create ("gemm");
  TCase *tcase = tcase_create ("gemm");
  tcase_add_loop_test (tcase, test_variants_equal_plain_one, 0, sizeof rows / sizeof *rows);
  tcase_add_loop_test (tcase, test_values, 0, sizeof rows / sizeof *rows);
  tcase_add_test (tcase, test_activations_at_extremes);
  tcase_add_test (tcase, test_segments);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
