/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products: every variant against the plain one, byte for byte, and that against a sum in
 * double; those of bf16 against both, too. Buffers have exactly the size that is allowed, for the
 * sanitizers. --bench times them. */
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

#include "tests/kernels/bench_gemm.h"
#include "tests/run_suite.h"
#include <glib.h>
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
  bool adds_last;
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
  { 61, 15, 23, 1, 1, true, true, { WEIR_ACTIVATION_SWISH, 0, 0, 1 }, true },
  { 29, 8, 64, 0, 0, true, true, { WEIR_ACTIVATION_CLIP, 0, 1, 0 }, true },
  { 15, 3, 32, 0, 0, false, true, { 0 }, true },
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
    .activation = row->activation,
    .adds_last = row->adds_last };
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
  task.a = data->a + begin * task.a_row;
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

/* What row r, column c is; *terms: all that is summed, by absolute value. */
static double expected_at (
    const Row *row, const float *bias, double added, const float *a, const float *b, double *terms)
{
  double sum = bias ? *bias : 0;
  *terms = fabs (sum) + fabs (added);
  for (size_t k = 0; k < row->n_inner; k++) {
    double product = (double) a[k] * (double) b[k];
    sum += product;
    *terms += fabs (product);
  }
  return row->adds_last ? activated (&row->activation, sum) + added
                        : activated (&row->activation, sum + added);
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

/* Sums far beyond those of a network. */
static const float extremes[] = { 0, -0.0f, 1e-30f, -1e-30f, 5, -5, 86.9f, -86.9f, 88, -88, 200,
  -200, 1e30f, -1e30f, INFINITY, -INFINITY, NAN };
#define N_EXTREMES (sizeof extremes / sizeof *extremes)

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

/* --- bf16 --- */

#define UNIT_F32 0x1p-24 /* that one rounding is off by, beside the result */
#define NAN_BF16 0x7fc0

static uint16_t *narrow_new (const float *values, size_t n)
{
  uint16_t *narrow = malloc (n * sizeof *narrow);
  weir_tensor_kernels ()->bf16_from_f32 (narrow, values, n);
  return narrow;
}

static void round_values (float *values, size_t n)
{
  uint16_t *narrow = narrow_new (values, n);
  weir_tensor_kernels ()->f32_from_bf16 (values, narrow, n);
  free (narrow);
}

static size_t n_a (const Row *row)
{
  return row->n_rows * (row->n_inner + row->a_gap) - row->a_gap;
}

static size_t n_dst (const Row *row)
{
  return row->n_rows * (row->n_columns + row->dst_gap) - row->dst_gap;
}

typedef struct Narrow {
  Data wide; /* of the same values, rounded to bf16 */
  WeirGemm task;
  uint16_t *a, *packed;
  float *added_f32;
  uint16_t *added;
} Narrow;

/* is_exact: of values of which sums are exact. Between rows there is NaN. */
static Narrow narrow_data_new (const Row *row, bool is_exact)
{
  Narrow data = { .wide = data_new (row), .added_f32 = dst_new (row) };
  Data *wide = &data.wide;
  float *values[] = { wide->a, wide->b, wide->bias, data.added_f32 };
  size_t n[] = { n_a (row), row->n_inner * row->n_columns, row->n_columns, n_dst (row) };
  for (size_t i = 0; i < sizeof n / sizeof *n; i++) {
    for (size_t k = 0; k < n[i] && is_exact; k++)
      values[i][k] = rintf (values[i][k] * 8) / 8;
    round_values (values[i], n[i]);
  }
  weir_gemm_pack (wide->packed, wide->b, 1, row->n_inner, row->n_inner, row->n_columns);
  data.a = narrow_new (wide->a, n_a (row));
  for (size_t i = 0; i < n_a (row); i++)
    if (i % wide->task.a_row >= row->n_inner)
      data.a[i] = NAN_BF16;
  data.added = narrow_new (data.added_f32, n_dst (row));
  data.packed = malloc (weir_gemm_packed_bf16 (row->n_inner, row->n_columns) * sizeof (uint16_t));
  weir_gemm_pack_bf16 (data.packed, wide->b, 1, row->n_inner, row->n_inner, row->n_columns);
  data.task = wide->task;
  data.task.a = data.a;
  data.task.b = data.packed;
  data.task.added = row->adds ? data.added : NULL;
  return data;
}

static void narrow_data_free (Narrow *data)
{
  data_free (&data->wide);
  free (data->a);
  free (data->packed);
  free (data->added);
  free (data->added_f32);
}

/* With results in f32. */
static float *run_to_f32 (const Narrow *data)
{
  float *dst = dst_new (data->wide.row);
  WeirGemm task = data->task;
  task.dst = dst;
  task.dst_is_f32 = true;
  task.added = task.added ? data->added_f32 : NULL;
  weir_gemm_bf16 () (&task);
  return dst;
}

static void check_equal_bf16 (const uint16_t *values, const uint16_t *expected, size_t n)
{
  for (size_t i = 0; i < n; i++)
    ck_assert_msg (
        values[i] == expected[i], "value %zu: %04x instead of %04x", i, values[i], expected[i]);
}

/* What is between the rows of dst is there before, and must stay. */
static uint16_t *narrow_dst_new (const Row *row)
{
  float *values = dst_new (row);
  uint16_t *dst = narrow_new (values, n_dst (row));
  free (values);
  return dst;
}

/* Where sums are exact nothing but the last rounding differs from the products in f32. */
START_TEST (test_bf16_equals_f32)
{
  const Row *row = &rows[_i];
  Narrow data = narrow_data_new (row, true);
  float *wide = dst_new (row), *f32 = run_to_f32 (&data);
  uint16_t *dst = narrow_dst_new (row);
  data.wide.added = row->adds ? data.added_f32 : NULL;
  run (&data.wide, weir_gemm_variant (WEIR_ISA_C), wide, 0, row->n_rows);
  check_equal (f32, wide, n_dst (row), _i);
  data.task.dst = dst;
  weir_gemm_bf16 () (&data.task);
  uint16_t *expected = narrow_new (wide, n_dst (row));
  check_equal_bf16 (dst, expected, n_dst (row));
  free (expected);
  free (dst);
  free (f32);
  free (wide);
  narrow_data_free (&data);
}
END_TEST

/* In place, rows and columns by parts. */
START_TEST (test_bf16_parts)
{
  const Row *row = &rows[_i];
  Narrow data = narrow_data_new (row, false);
  uint16_t *dst = narrow_dst_new (row), *parts = malloc (n_dst (row) * sizeof *parts);
  size_t n_inner = row->n_inner + row->n_inner % 2, ends[] = { 0, row->n_rows / 3, row->n_rows };
  memcpy (parts, row->adds ? data.added : dst, n_dst (row) * sizeof *parts);
  data.task.dst = dst;
  weir_gemm_bf16 () (&data.task);
  for (size_t i = 0; i < 2; i++)
    for (size_t c = 0; c < row->n_columns; c += WEIR_GEMM_PANEL) {
      WeirGemm task = data.task;
      size_t n_left = row->n_columns - c;
      task.a = data.a + ends[i] * task.a_row;
      task.b = data.packed + c * n_inner;
      task.bias = task.bias ? task.bias + c : NULL;
      task.dst = parts + ends[i] * task.dst_row + c;
      task.added = row->adds ? task.dst : NULL;
      task.n_rows = ends[i + 1] - ends[i];
      task.n_columns = n_left < WEIR_GEMM_PANEL ? n_left : WEIR_GEMM_PANEL;
      weir_gemm_bf16 () (&task);
    }
  check_equal_bf16 (parts, dst, n_dst (row));
  free (parts);
  free (dst);
  narrow_data_free (&data);
}
END_TEST

/* Products are exact, so a sum is off by a rounding of each term; no activation is steeper than
 * 1.5, but those that round may take the next step. */
START_TEST (test_bf16_values)
{
  const Row *row = &rows[_i];
  const WeirActivation *activation = &row->activation;
  Narrow data = narrow_data_new (row, false);
  float *dst = run_to_f32 (&data);
  double step = activation->kind == WEIR_ACTIVATION_ROUND_TO_CODES ? (double) activation->alpha
                : activation->kind == WEIR_ACTIVATION_ROUND_TO_LEVELS
                    ? ((double) activation->most - (double) activation->least) / 255
                    : 0;
  for (size_t r = 0; r < row->n_rows; r++)
    for (size_t c = 0; c < row->n_columns; c++) {
      size_t at = r * data.task.dst_row + c;
      double terms, expected = expected_at (row, row->has_bias ? &data.wide.bias[c] : NULL,
                        row->adds ? data.added_f32[at] : 0, data.wide.a + r * data.task.a_row,
                        data.wide.b + c * row->n_inner, &terms);
      double n_roundings = (double) row->n_inner + 2;
      ck_assert_double_eq_tol (
          dst[at], expected, 1.5 * n_roundings * UNIT_F32 * terms + 8 * UNIT_F32 + step);
    }
  free (dst);
  narrow_data_free (&data);
}
END_TEST

START_TEST (test_bf16_at_extremes)
{
  size_t n = N_EXTREMES;
  float values[N_EXTREMES], one[WEIR_GEMM_PANEL] = { 1 };
  uint16_t packed[2 * WEIR_GEMM_PANEL], *a = narrow_new (extremes, n);
  weir_tensor_kernels ()->f32_from_bf16 (values, a, n);
  weir_gemm_pack_bf16 (packed, one, 1, 1, 1, 1);
  for (int kind = WEIR_ACTIVATION_NONE; kind <= WEIR_ACTIVATION_ROUND_TO_LEVELS; kind++) {
    float expected[N_EXTREMES];
    uint16_t dst[N_EXTREMES];
    WeirGemm task = { values, 1, one, NULL, expected, 1, NULL, n, 1, 1, { kind, -3, 252, 1 } };
    weir_gemm_variant (WEIR_ISA_C) (&task);
    task.a = a;
    task.b = packed;
    task.dst = dst;
    weir_gemm_bf16 () (&task);
    uint16_t *rounded = narrow_new (expected, n);
    check_equal_bf16 (dst, rounded, n - 1);
    ck_assert_int_eq ((dst[n - 1] & 0x7fff) > 0x7f80, isnan (expected[n - 1]));
    free (rounded);
  }
  free (a);
}
END_TEST

START_TEST (test_bf16_packed_form)
{
  enum { N_INNER = 3, N_COLUMNS = 17, N_PANELS = 2 };
  float b[N_INNER * N_COLUMNS];
  uint16_t packed[N_PANELS * 4 * WEIR_GEMM_PANEL];
  for (size_t i = 0; i < N_INNER * N_COLUMNS; i++)
    b[i] = (float) i + 1;
  ck_assert_uint_eq (weir_gemm_packed_bf16 (N_INNER, N_COLUMNS), sizeof packed / sizeof *packed);
  weir_gemm_pack_bf16 (packed, b, N_COLUMNS, 1, N_INNER, N_COLUMNS);
  for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
    size_t k = i / (2 * WEIR_GEMM_PANEL) % 2 * 2 + i % 2;
    size_t c = i / (4 * WEIR_GEMM_PANEL) * WEIR_GEMM_PANEL + i / 2 % WEIR_GEMM_PANEL;
    float value = k < N_INNER && c < N_COLUMNS ? b[k * N_COLUMNS + c] : 0, got;
    weir_tensor_kernels ()->f32_from_bf16 (&got, &packed[i], 1);
    ck_assert_float_eq (got, value);
  }
}
END_TEST

START_TEST (test_bf16_segments)
{
  enum { N_ROWS = 33, STEP = 6, N_INNER = 10, SEGMENT = 205, N_COLUMNS = 40 };
  enum { DEPTH = 2 * N_INNER, N_SOURCE = SEGMENT + (N_ROWS - 1) * STEP + N_INNER };
  float *source_f32 = random_new (N_SOURCE, 5), *b = random_new (DEPTH * N_COLUMNS, 6);
  uint16_t *source = narrow_new (source_f32, N_SOURCE), copied[N_ROWS * DEPTH];
  uint16_t *packed = malloc (weir_gemm_packed_bf16 (DEPTH, N_COLUMNS) * sizeof *packed);
  uint16_t expected[N_ROWS * N_COLUMNS], got[N_ROWS * N_COLUMNS];
  weir_gemm_pack_bf16 (packed, b, 1, DEPTH, DEPTH, N_COLUMNS);
  for (size_t i = 0; i < 2 * N_ROWS; i++)
    memcpy (
        copied + i * N_INNER, source + i / 2 * STEP + i % 2 * SEGMENT, N_INNER * sizeof *copied);
  WeirGemm plain = { copied, DEPTH, packed, NULL, expected, N_COLUMNS, NULL, N_ROWS, DEPTH,
    N_COLUMNS, { WEIR_ACTIVATION_NONE } };
  WeirGemm pieces = { source, STEP, packed, NULL, got, N_COLUMNS, NULL, N_ROWS, N_INNER, N_COLUMNS,
    { WEIR_ACTIVATION_NONE }, 2, SEGMENT };
  weir_gemm_bf16 () (&plain);
  weir_gemm_bf16 () (&pieces);
  check_equal_bf16 (got, expected, N_ROWS * N_COLUMNS);
  free (packed);
  free (source);
  free (b);
  free (source_f32);
}
END_TEST

START_TEST (test_bf16_needs_the_instruction)
{
  ck_assert (!weir_gemm_bf16 () == !(weir_cpu_isa () & WEIR_ISA_BF16));
  g_autofree char *masked = g_strdup (g_getenv ("WEIR_CPU_DISABLE"));
  g_setenv ("WEIR_CPU_DISABLE", "bf16", TRUE);
  ck_assert (!weir_gemm_bf16 ());
  if (masked)
    g_setenv ("WEIR_CPU_DISABLE", masked, TRUE);
  else
    g_unsetenv ("WEIR_CPU_DISABLE");
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
  tcase_add_test (tcase, test_bf16_packed_form);
  tcase_add_test (tcase, test_bf16_needs_the_instruction);
  if (weir_gemm_bf16 ()) {
    tcase_add_loop_test (tcase, test_bf16_equals_f32, 0, sizeof rows / sizeof *rows);
    tcase_add_loop_test (tcase, test_bf16_parts, 0, sizeof rows / sizeof *rows);
    tcase_add_loop_test (tcase, test_bf16_values, 0, sizeof rows / sizeof *rows);
    tcase_add_test (tcase, test_bf16_at_extremes);
    tcase_add_test (tcase, test_bf16_segments);
  }
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
