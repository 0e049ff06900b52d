/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of codes against a plain loop, byte for byte, with extremes: codes and weights at their
 * ends, results beyond the codes, any zero point. Buffers have exactly the size that is allowed,
 * for the sanitizers. --bench times them. */
#include "kernels/gemm_int8.h"
#include "kernels/kernels.h"

#include "tests/kernels/bench_int8.h"
#include "tests/kernels/int8_kit.h"
#include "tests/kernels/tile_emulator.h"
#include "tests/run_suite.h"

typedef struct Row {
  size_t rows, columns, results;
  uint8_t src_zero, low, high, flip;
  float step; /* of the sums: large ones saturate */
} Row;

static const Row rows[] = {
  { 1, 4, 1, 0, 0, 255, 0, 1e-2f }, { 2, 8, 15, 128, 0, 255, 0, 1e-2f },
  { 3, 12, 16, 255, 0, 255, 0x80, 1e-2f }, { 37, 16, 16, 3, 20, 130, 0, 1e-2f },
  { 13, 32, 24, 128, 0, 255, 0, 5e-3f }, { 5, 32, 31, 7, 0, 255, 0, 5e-3f },
  { 100, 16, 96, 9, 0, 255, 0, 5e-3f }, { 50, 64, 144, 0, 0, 200, 0x80, 2e-3f },
  { 49, 100, 33, 1, 0, 255, 0, 2e-3f }, { 23, 36, 48, 255, 0, 255, 0, 2e-3f },
  { 7, 36, 49, 255, 0, 255, 0, 2e-3f }, { 11, 700, 70, 128, 0, 255, 0, 5e-4f }, /* narrow blocks */
  { 35, 64, 32, 5, 0, 255, 0, 2e-3f },
  { 300, 500, 200, 128, 0, 255, 0, 1 }, /* several chunks of rows */
};

static uint8_t result_at (const Row *row, const WeirRequantise *codes, const uint8_t *src,
    const int8_t *weights, size_t n)
{
  int32_t sum = 0;
  for (size_t k = 0; k < row->columns; k++)
    sum += (src[k] - codes->src_zero) * weights[n * row->columns + k];
  return kit_code (codes, sum, n);
}

/* Unit by unit, the last first. */
static void check_row (const Row *row, const WeirGemmInt8Kernels *kernels)
{
  WeirGemmInt8 shape = { row->rows, 1, row->columns, row->results };
  uint8_t *src = kit_codes_new (row->rows * row->columns, 1);
  uint8_t *weights = kit_codes_new (row->results * row->columns, 2);
  float *scale = kit_numbers_new (row->results, 3, 0.5f * row->step, row->step);
  float *bias = kit_numbers_new (row->results, 4, -100, 300);
  uint8_t *got = kit_results_new (row->rows * row->results);
  WeirRequantise codes = { scale, bias, row->src_zero, row->low, row->high, row->flip };
  WeirGemmInt8Plan plan;
  ck_assert (weir_gemm_int8_plan (&plan, &shape));
  plan.kernels = kernels;
  uint8_t *packed = aligned_alloc (64, (plan.packed_bytes + 63) / 64 * 64);
  weir_gemm_int8_pack (&plan, packed, (const int8_t *) weights, &codes);
  WeirGemmInt8Job job = { &plan, packed, codes, src, got };
  for (size_t unit = plan.n_units; unit-- > 0;)
    weir_gemm_int8_run (&job, unit, unit + 1);
  for (size_t i = 0; i < row->rows * row->results; i++) {
    size_t y = i / row->results, n = i % row->results;
    uint8_t expected = result_at (row, &codes, src + y * row->columns, (const int8_t *) weights, n);
    ck_assert_msg (got[i] == expected, "row %d, row %d result %d: %d, not %d", (int) (row - rows),
        (int) y, (int) n, got[i], expected);
  }
  kit_results_free (got, row->rows * row->results);
  void *buffers[] = { src, weights, scale, bias, packed };
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
    free (buffers[i]);
}

static const unsigned variants[] = { WEIR_ISA_VNNI, WEIR_ISA_AMX };

START_TEST (test_equals_plain_loop)
{
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    check_row (&rows[i], weir_gemm_int8_kernels (variants[_i]));
}
END_TEST

/* One set of weights serves every number of rows, and so batches of any size. */
START_TEST (test_weights_suit_any_rows)
{
  WeirGemmInt8 few = { 1, 1, 160, 960 }, many = { 5000, 1, 160, 960 };
  WeirGemmInt8Plan a, b;
  ck_assert (weir_gemm_int8_plan (&a, &few) && weir_gemm_int8_plan (&b, &many));
  ck_assert_uint_eq (a.packed_bytes, b.packed_bytes);
  ck_assert_uint_eq (a.n_blocks, b.n_blocks);
}
END_TEST

int main (int argc, char **argv)
{
  if (!(weir_cpu_isa () & WEIR_ISA_VNNI))
    return 77;
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench_int8_pointwise ();
  Suite *suite = suite_create ("gemm int8");
  TCase *tcase = tcase_create ("gemm int8");
  for (int i = 0; i < (int) (sizeof variants / sizeof *variants); i++)
    if (weir_gemm_int8_kernels (variants[i]) && weir_may_test (variants[i]))
      tcase_add_loop_test (tcase, test_equals_plain_loop, i, i + 1);
  tcase_add_test (tcase, test_weights_suit_any_rows);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
