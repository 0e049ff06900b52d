/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products: every variant against the plain one, byte for byte, and that against a sum in
 * double. --bench times them. */
#include "kernels/gemm.h"
#include "kernels/kernels.h"

#include "tests/kernels/bench_gemm.h"
#include "tests/kernels/gemm_kit.h"
#include "tests/run_suite.h"

static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
#define N_VARIANTS (sizeof variants / sizeof *variants)

static void check_untouched (const Row *row, const float *dst)
{
  for (size_t r = 0; r + 1 < row->n_rows; r++)
    for (size_t i = 0; i < row->dst_gap; i++)
      ck_assert_float_eq (dst[r * (row->n_columns + row->dst_gap) + row->n_columns + i], UNTOUCHED);
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

START_TEST (test_values)
{
  const Row *row = &rows[_i];
  Data data = data_new (row);
  float *dst = dst_new (row), *before = dst_new (row);
  run (&data, weir_gemm_variant (WEIR_ISA_C), dst, 0, row->n_rows);
  for (size_t r = 0; r < row->n_rows; r++)
    for (size_t c = 0; c < row->n_columns; c++) {
      size_t at = r * data.task.dst_row + c;
      double terms, expected = expected_at (row, row->has_bias ? &data.bias[c] : NULL,
                        row->adds ? before[at] : 0, data.a + r * data.task.a_row,
                        data.b + c * row->n_inner, &terms);
      ck_assert_double_eq_tol (dst[at], expected, 2e-4);
    }
  free (dst);
  free (before);
  data_free (&data);
}
END_TEST

START_TEST (test_activations_at_extremes)
{
  size_t n = N_EXTREMES;
  float one[WEIR_GEMM_PANEL] = { 1 };
  for (size_t k = 0; k < N_VARIANTS; k++)
    for (int kind = WEIR_ACTIVATION_NONE; kind <= WEIR_ACTIVATION_ROUND_TO_LEVELS; kind++) {
      float dst[N_EXTREMES], expected[N_EXTREMES];
      WeirGemm task = { extremes, 1, one, NULL, expected, 1, NULL, n, 1, 1, { kind, -3, 252, 1 } };
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
