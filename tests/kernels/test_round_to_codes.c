/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounding to codes, as a loop and as an activation of sums, gives the bytes that quantising and
 * dequantising give, in every variant: around all halves, at the ends, and where nothing is finite.
 */
#include "kernels/byte_kernels.h"
#include "kernels/gemm.h"
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

#include "tests/run_suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned variants[] = { WEIR_ISA_C, WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
#define N_VARIANTS (sizeof variants / sizeof *variants)

typedef struct Row {
  float scale;
  int zero; /* 0 to 255 */
} Row;

static const Row rows[] = {
  { 1, 0 },
  { 0.0235294122f, 0 },
  { 0.0188792609f, 128 },
  { 0.1f, 255 },
  { 1.0f / 3, 7 },
  { 0x1.fffffep-3f, 100 }, /* whose reciprocal is the worst to round */
  { 0x1.000002p4f, 31 },
  { 0x1.6a09e6p-7f, 200 },
  { 0x1p-90f, 128 },
  { 0x1.8p89f, 128 },
};

#define PER_HALF 9
#define N_STEPS  520 /* from some below the lowest code to some above the highest */
#define N_VALUES (N_STEPS * PER_HALF + 12)

/* The halves, and what lies next to them as the division sees it. */
static void fill (float *values, float scale)
{
  static const float others[] = { 0, -0.0f, 1e-45f, -1e-45f, 1e-20f, -1e-20f, 3e38f, -3e38f,
    INFINITY, -INFINITY, NAN, -NAN };
  memcpy (values, others, sizeof others);
  values += sizeof others / sizeof *others;
  for (int i = 0; i < N_STEPS; i++) {
    float value = ((float) (i - N_STEPS / 2) + 0.5f) * scale;
    for (int k = 0; k < PER_HALF / 2; k++)
      value = nextafterf (value, -INFINITY);
    for (int k = 0; k < PER_HALF; k++, value = nextafterf (value, INFINITY))
      *values++ = value;
  }
}

static void fill_random (float *values, float scale, unsigned seed)
{
  for (size_t i = 0; i < N_VALUES; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = scale * 300 * ((float) (seed >> 8) / 8388608.0f - 1.0f);
  }
}

static void expect (float *expected, const float *values, const Row *row)
{
  const WeirByteKernels *kernels = weir_byte_kernels_variant (WEIR_ISA_C);
  WeirCodes codes = { row->scale, (float) row->zero, 0 };
  uint8_t *bytes = malloc (N_VALUES);
  kernels->quantise (bytes, values, codes, N_VALUES);
  kernels->dequantise (expected, bytes, codes, N_VALUES);
  free (bytes);
}

static void check (const float *got, const float *expected, const float *values, const Row *row,
    const char *what, unsigned isa)
{
  for (size_t i = 0; i < N_VALUES; i++)
    if (memcmp (&got[i], &expected[i], sizeof *got) != 0 &&
        !(isnan (got[i]) && isnan (expected[i])))
      ck_abort_msg ("%s, variant %u, scale %g: %.9g gives %.9g, expected %.9g", what, isa,
          (double) row->scale, (double) values[i], (double) got[i], (double) expected[i]);
}

static void check_variants (
    const float *values, const float *expected, const Row *row, WeirUnary op, WeirActivation rounds)
{
  float *got = malloc (N_VALUES * sizeof *got), one[WEIR_GEMM_PANEL] = { 1 };
  bool is_codes = op == WEIR_UNARY_ROUND_TO_CODES;
  for (size_t k = 0; k < N_VARIANTS; k++) {
    const WeirTensorKernels *kernels = weir_tensor_kernels_variant (variants[k]);
    WeirGemmFn multiply = weir_gemm_variant (variants[k]);
    WeirGemm task = { values, 1, one, NULL, got, 1, NULL, N_VALUES, 1, 1, rounds };
    if (kernels) {
      kernels->unary[op](got, values, N_VALUES, is_codes ? rounds.alpha : rounds.least,
          is_codes ? rounds.least : rounds.most);
      check (got, expected, values, row, "a loop", variants[k]);
    }
    if (multiply) {
      multiply (&task);
      check (got, expected, values, row, "an activation", variants[k]);
    }
  }
  free (got);
}

static void check_codes (const float *values, const Row *row)
{
  float *expected = malloc (N_VALUES * sizeof (float)), low = -(float) row->zero;
  WeirActivation rounds = { WEIR_ACTIVATION_ROUND_TO_CODES, low, low + 255, row->scale };
  expect (expected, values, row);
  check_variants (values, expected, row, WEIR_UNARY_ROUND_TO_CODES, rounds);
  free (expected);
}

/* The range that the codes of a row have. */
static void check_levels (const float *values, const Row *row)
{
  float *expected = malloc (N_VALUES * sizeof (float));
  float low = 0.0f - (float) row->zero * row->scale, high = (float) (255 - row->zero) * row->scale;
  WeirActivation rounds = { WEIR_ACTIVATION_ROUND_TO_LEVELS, low, high, 0 };
  WeirFakeRange range = { &low, &high, &low, &high, 255 };
  weir_tensor_kernels_variant (WEIR_ISA_C)->fake_quantize (expected, values, &range, 0, N_VALUES);
  check_variants (values, expected, row, WEIR_UNARY_ROUND_TO_LEVELS, rounds);
  free (expected);
}

START_TEST (test_as_quantised_and_dequantised)
{
  float *values = malloc (N_VALUES * sizeof *values);
  fill (values, rows[_i].scale);
  check_codes (values, &rows[_i]);
  check_levels (values, &rows[_i]);
  for (unsigned seed = 1; seed < 20; seed++) {
    fill_random (values, rows[_i].scale, seed);
    check_codes (values, &rows[_i]);
    check_levels (values, &rows[_i]);
  }
  free (values);
}
END_TEST

/* Scales as they come: any digits. */
START_TEST (test_any_scale)
{
  float *values = malloc (N_VALUES * sizeof *values);
  unsigned seed = 1;
  for (int i = 0; i < 200; i++) {
    seed = seed * 1664525u + 1013904223u;
    Row row = { ldexpf (1 + (float) (seed >> 9) * 0x1p-23f, -5), (int) (seed >> 3 & 255) };
    fill (values, row.scale);
    check_codes (values, &row);
    check_levels (values, &row);
  }
  free (values);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("round to codes");
  TCase *tcase = tcase_create ("round to codes");
  tcase_add_loop_test (tcase, test_as_quantised_and_dequantised, 0, sizeof rows / sizeof *rows);
  tcase_add_test (tcase, test_any_scale);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
