/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products of bf16: each variant against sums in double, and, where sums are exact, against
 * f32. Where the CPU has no tiles they are emulated, so that the variant for AMX is tested
 * wherever there is AVX512_BF16. */
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

#include "tests/kernels/gemm_kit.h"
#include "tests/kernels/tile_emulator.h"
#include "tests/run_suite.h"
#include <glib.h>

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

/* Is set before each test. */
static WeirGemmFn multiply;

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
  multiply (&task);
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
START_TEST (test_equals_f32)
{
  const Row *row = &rows[_i];
  Narrow data = narrow_data_new (row, true);
  float *wide = dst_new (row), *f32 = run_to_f32 (&data);
  uint16_t *dst = narrow_dst_new (row);
  data.wide.added = row->adds ? data.added_f32 : NULL;
  run (&data.wide, weir_gemm_variant (WEIR_ISA_C), wide, 0, row->n_rows);
  check_equal (f32, wide, n_dst (row), _i);
  data.task.dst = dst;
  multiply (&data.task);
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
START_TEST (test_parts)
{
  const Row *row = &rows[_i];
  Narrow data = narrow_data_new (row, false);
  uint16_t *dst = narrow_dst_new (row), *parts = malloc (n_dst (row) * sizeof *parts);
  size_t n_inner = row->n_inner + row->n_inner % 2, ends[] = { 0, row->n_rows / 3, row->n_rows };
  memcpy (parts, row->adds ? data.added : dst, n_dst (row) * sizeof *parts);
  data.task.dst = dst;
  multiply (&data.task);
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
      multiply (&task);
    }
  check_equal_bf16 (parts, dst, n_dst (row));
  free (parts);
  free (dst);
  narrow_data_free (&data);
}
END_TEST

/* Products are exact, so a sum is off by a rounding of each term; no activation is steeper than
 * 1.5, but those that round may take the next step. */
START_TEST (test_values)
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

START_TEST (test_at_extremes)
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
    multiply (&task);
    uint16_t *rounded = narrow_new (expected, n);
    check_equal_bf16 (dst, rounded, n - 1);
    ck_assert_int_eq ((dst[n - 1] & 0x7fff) > 0x7f80, isnan (expected[n - 1]));
    free (rounded);
  }
  free (a);
}
END_TEST

START_TEST (test_packed_form)
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

/* --- rows in two pieces, which overlap --- */

enum { N_ROWS = 33, STEP = 6, SEGMENT = 265, N_COLUMNS = 40, N_RESULTS = N_ROWS * N_COLUMNS };

static const size_t lengths[] = { 10, 64, 9, 37, 1 }; /* of a piece; even ones first */
#define N_LENGTHS (sizeof lengths / sizeof *lengths)
#define N_EVEN    2

typedef struct Pieces {
  uint16_t *source, *packed;
  uint16_t *copied; /* the pieces one behind the other, each with a zero where its length is odd */
  size_t depth;     /* of that */
  WeirGemm task;    /* but for dst */
} Pieces;

/* is_exact: products, and their sums, are. */
static uint16_t *numbers_new (size_t n, unsigned seed, bool is_exact)
{
  float *values = random_new (n, seed);
  for (size_t i = 0; i < n && is_exact; i++)
    values[i] = rintf (values[i] * 8) / 8;
  uint16_t *narrow = narrow_new (values, n);
  free (values);
  return narrow;
}

static Pieces pieces_new (size_t n_inner, bool is_exact)
{
  size_t padded = n_inner + n_inner % 2, depth = 2 * padded;
  Pieces pieces = { .depth = depth,
    .source = numbers_new (SEGMENT + (N_ROWS - 1) * STEP + n_inner, 5, is_exact),
    .packed = malloc (weir_gemm_packed_bf16 (depth, N_COLUMNS) * sizeof (uint16_t)),
    .copied = calloc (N_ROWS * depth, sizeof (uint16_t)) };
  uint16_t *weights = numbers_new (depth * N_COLUMNS, 6, is_exact);
  float *b = malloc (depth * N_COLUMNS * sizeof *b);
  weir_tensor_kernels ()->f32_from_bf16 (b, weights, depth * N_COLUMNS);
  for (size_t i = 0; i < depth * N_COLUMNS; i++)
    b[i] = i % padded < n_inner ? b[i] : 0;
  weir_gemm_pack_bf16 (pieces.packed, b, 1, depth, depth, N_COLUMNS);
  for (size_t i = 0; i < 2 * N_ROWS; i++)
    memcpy (pieces.copied + i * padded, pieces.source + i / 2 * STEP + i % 2 * SEGMENT,
        n_inner * sizeof (uint16_t));
  pieces.task = (WeirGemm){ pieces.source, STEP, pieces.packed, NULL, NULL, N_COLUMNS, NULL, N_ROWS,
    n_inner, N_COLUMNS, { WEIR_ACTIVATION_NONE }, 2, SEGMENT };
  free (b);
  free (weights);
  return pieces;
}

static void pieces_free (Pieces *pieces)
{
  free (pieces->source);
  free (pieces->packed);
  free (pieces->copied);
}

/* As if they were copied. */
static void check_segments (size_t n_inner, bool is_exact)
{
  Pieces pieces = pieces_new (n_inner, is_exact);
  uint16_t expected[N_RESULTS], got[N_RESULTS];
  WeirGemm plain = { pieces.copied, pieces.depth, pieces.packed, NULL, expected, N_COLUMNS, NULL,
    N_ROWS, pieces.depth, N_COLUMNS, { WEIR_ACTIVATION_NONE } };
  pieces.task.dst = got;
  multiply (&plain);
  multiply (&pieces.task);
  check_equal_bf16 (got, expected, N_RESULTS);
  pieces_free (&pieces);
}

START_TEST (test_segments)
{
  check_segments (lengths[_i], true);
}
END_TEST

/* Vectors sum pieces and copies in the same order. */
START_TEST (test_segments_in_order)
{
  check_segments (lengths[_i], false);
}
END_TEST

START_TEST (test_segments_by_parts)
{
  static const size_t ends[] = { 0, 5, N_ROWS };
  Pieces pieces = pieces_new (lengths[_i], false);
  uint16_t whole[N_RESULTS], parts[N_RESULTS];
  pieces.task.dst = whole;
  multiply (&pieces.task);
  for (size_t i = 0; i < 2; i++)
    for (size_t c = 0; c < N_COLUMNS; c += WEIR_GEMM_PANEL) {
      WeirGemm task = pieces.task;
      task.a = pieces.source + ends[i] * STEP;
      task.b = pieces.packed + c * pieces.depth;
      task.dst = parts + ends[i] * N_COLUMNS + c;
      task.n_rows = ends[i + 1] - ends[i];
      task.n_columns = N_COLUMNS - c < WEIR_GEMM_PANEL ? N_COLUMNS - c : WEIR_GEMM_PANEL;
      multiply (&task);
    }
  check_equal_bf16 (parts, whole, N_RESULTS);
  pieces_free (&pieces);
}
END_TEST

START_TEST (test_needs_the_instruction)
{
  ck_assert (!weir_gemm_bf16 () == !weir_cpu_has_bf16 ());
  g_autofree char *masked = g_strdup (g_getenv ("WEIR_CPU_DISABLE"));
  g_setenv ("WEIR_CPU_DISABLE", "bf16", TRUE);
  ck_assert (!weir_gemm_bf16 ());
  g_setenv ("WEIR_CPU_DISABLE", "amx", TRUE);
  ck_assert (!(weir_cpu_isa () & WEIR_ISA_AMX));
  if (weir_cpu_has_bf16 ())
    ck_assert (weir_gemm_bf16 () == weir_gemm_bf16_variant (WEIR_ISA_BF16));
  if (masked)
    g_setenv ("WEIR_CPU_DISABLE", masked, TRUE);
  else
    g_unsetenv ("WEIR_CPU_DISABLE");
}
END_TEST

/* NULL: the build or the CPU has none. */
static WeirGemmFn find (unsigned isa)
{
  if (!weir_cpu_has_bf16 () || (isa == WEIR_ISA_AMX && !weir_may_test (isa)))
    return NULL;
  return weir_gemm_bf16_variant (isa);
}

static void take_vectors (void)
{
  multiply = find (WEIR_ISA_BF16);
}

static void take_tiles (void)
{
  multiply = find (WEIR_ISA_AMX);
}

static TCase *variant_new (const char *name, void (*take) (void))
{
  TCase *tcase = tcase_create (name);
  tcase_add_checked_fixture (tcase, take, NULL);
  tcase_add_loop_test (tcase, test_equals_f32, 0, sizeof rows / sizeof *rows);
  tcase_add_loop_test (tcase, test_parts, 0, sizeof rows / sizeof *rows);
  tcase_add_loop_test (tcase, test_values, 0, sizeof rows / sizeof *rows);
  tcase_add_test (tcase, test_at_extremes);
  tcase_add_loop_test (tcase, test_segments, 0, N_LENGTHS);
  if (take == take_vectors)
    tcase_add_loop_test (tcase, test_segments_in_order, 0, N_EVEN);
  tcase_add_loop_test (tcase, test_segments_by_parts, 0, N_LENGTHS);
  return tcase;
}

int main (void)
{
  Suite *suite = suite_create ("gemm bf16");
  TCase *tcase = tcase_create ("any");
  tcase_add_test (tcase, test_packed_form);
  tcase_add_test (tcase, test_needs_the_instruction);
  suite_add_tcase (suite, tcase);
  if (find (WEIR_ISA_BF16))
    suite_add_tcase (suite, variant_new ("vectors", take_vectors));
  if (find (WEIR_ISA_AMX))
    suite_add_tcase (suite, variant_new ("tiles", take_tiles));
  return run_suite (suite, CK_FORK_GETENV);
}
