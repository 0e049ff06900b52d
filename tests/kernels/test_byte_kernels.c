/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte kernels: values against their definition, every variant against the plain C one byte for
 * byte. Buffers have exactly the size that is allowed, for the sanitizers. */
#include "kernels/byte_kernels.h"
#include "kernels/kernels.h"

#include "tests/run_suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned variants[] = { WEIR_ISA_C, WEIR_ISA_AVX2, WEIR_ISA_AVX512, WEIR_ISA_VBMI };
#define N_VARIANTS (sizeof variants / sizeof *variants)

static const size_t lengths[] = { 1, 7, 16, 31, 64, 1025 };
#define N_LENGTHS (sizeof lengths / sizeof *lengths)

static const WeirCodes codes[] = {
  { 0.02f, 0, 0 },
  { 0.02f, 128, 0 },
  { 1.0f, 255, 0 },
  { 0.5f, 100, 0x80 },
  { 0.0078125f, 3, 0x80 },
};
#define N_CODES (sizeof codes / sizeof *codes)

static uint32_t next (uint32_t *seed)
{
  return (*seed = *seed * 1664525u + 1013904223u) >> 8;
}

static uint8_t *bytes_new (size_t n, uint32_t seed)
{
  uint8_t *bytes = malloc (n + !n);
  for (size_t i = 0; i < n; i++)
    bytes[i] = (uint8_t) next (&seed);
  return bytes;
}

static float *floats_new (size_t n, float scale, uint32_t seed)
{
  float *values = malloc (n * sizeof *values + !n);
  for (size_t i = 0; i < n; i++)
    values[i] = scale * ((float) next (&seed) / 8388608.0f - 1.0f);
  return values;
}

static double value_of (uint8_t code, WeirCodes c)
{
  return ((double) (code ^ c.flip) - (double) c.zero) * (double) c.scale;
}

static uint8_t code_of (double value, WeirCodes c)
{
  double code = rint (value / (double) c.scale) + (double) c.zero;
  return (uint8_t) ((uint8_t) fmin (fmax (code, 0), 255) ^ c.flip);
}

/* Where a value lies between two codes, float rounding decides. */
static void check_code (uint8_t got, double value, WeirCodes c)
{
  int difference = (got ^ c.flip) - (code_of (value, c) ^ c.flip);
  double steps = value / (double) c.scale;
  bool is_between = fabs (steps - floor (steps) - 0.5) < 1e-3;
  ck_assert_msg (difference == 0 || (is_between && abs (difference) == 1),
      "%.9g became code %u, expected %u", value, got, code_of (value, c));
}

START_TEST (test_quantise)
{
  for (size_t v = 0; v < N_VARIANTS; v++)
    for (size_t k = 0; k < N_CODES; k++)
      for (size_t l = 0; l < N_LENGTHS; l++) {
        const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
        size_t n = lengths[l];
        if (!kernels)
          continue;
        float *values = floats_new (n, codes[k].scale * 300, 5), *back = floats_new (n, 0, 0);
        uint8_t *got = bytes_new (n, 1);
        kernels->quantise (got, values, codes[k], n);
        kernels->dequantise (back, got, codes[k], n);
        for (size_t i = 0; i < n; i++) {
          check_code (got[i], (double) values[i], codes[k]);
          ck_assert_double_eq_tol ((double) back[i], value_of (got[i], codes[k]), 1e-5);
        }
        free (values);
        free (back);
        free (got);
      }
}
END_TEST

/* Halves go to the even code; what is no number is the lowest. */
START_TEST (test_quantise_ends)
{
  static const float values[] = { 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1e30f, -1e30f, INFINITY,
    -INFINITY, NAN };
  static const uint8_t expected[] = { 100, 102, 102, 100, 98, 255, 0, 255, 0, 0 };
  static const WeirCodes whole = { 1.0f, 100, 0 };
  for (size_t v = 0; v < N_VARIANTS; v++) {
    const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
    uint8_t got[sizeof expected];
    if (!kernels)
      continue;
    kernels->quantise (got, values, whole, sizeof got);
    ck_assert_mem_eq (got, expected, sizeof expected);
  }
}
END_TEST

typedef void (*BinaryFn) (uint8_t *dst, WeirCodes to, const uint8_t *a, size_t a_step,
    WeirCodes codes_a, const uint8_t *b, size_t b_step, WeirCodes codes_b, size_t n);

static void check_binary (BinaryFn fn, bool is_sum, size_t n, size_t a_step, size_t b_step)
{
  static const WeirCodes to = { 0.05f, 90, 0 };
  const WeirCodes a_codes = codes[1], b_codes = codes[3];
  uint8_t *a = bytes_new (a_step ? n : 1, 1), *b = bytes_new (b_step ? n : 1, 2),
          *got = bytes_new (n, 3);
  fn (got, to, a, a_step, a_codes, b, b_step, b_codes, n);
  for (size_t i = 0; i < n; i++) {
    double x = value_of (a[i * a_step], a_codes), y = value_of (b[i * b_step], b_codes);
    check_code (got[i], is_sum ? x + y : x * y, to);
  }
  free (a);
  free (b);
  free (got);
}

START_TEST (test_binary)
{
  for (size_t v = 0; v < N_VARIANTS; v++)
    for (size_t l = 0; l < N_LENGTHS; l++)
      for (size_t steps = 1; steps < 4; steps++) {
        const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
        if (!kernels)
          continue;
        check_binary (kernels->add, true, lengths[l], steps & 1, steps >> 1);
        check_binary (kernels->multiply, false, lengths[l], steps & 1, steps >> 1);
      }
}
END_TEST

START_TEST (test_look_up)
{
  uint8_t *table = bytes_new (256, 11);
  for (size_t v = 0; v < N_VARIANTS; v++)
    for (size_t l = 0; l < N_LENGTHS; l++) {
      const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
      size_t n = lengths[l];
      if (!kernels)
        continue;
      uint8_t *src = bytes_new (n, 12), *got = malloc (n);
      kernels->look_up (got, src, table, n);
      for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq (got[i], table[src[i]]);
      free (src);
      free (got);
    }
  free (table);
}
END_TEST

/* Slopes and offsets are such that no value lies between two codes by rounding alone. */
START_TEST (test_follow_lines)
{
  static const uint8_t bounds[][2] = { { 0, 255 }, { 0, 100 }, { 3, 200 }, { 7, 7 } };
  enum { N = 1025 };
  uint8_t *src = bytes_new (N, 13);
  float *scale = floats_new (N, 4, 14), *offset = floats_new (N, 300, 15);
  for (size_t i = 0; i < N; i++) {
    scale[i] = rintf (scale[i] * 64) / 64;
    offset[i] = rintf (offset[i] * 64) / 64;
  }
  for (size_t v = 0; v < N_VARIANTS; v++)
    for (size_t l = 0; l < N_LENGTHS; l++)
      for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
        uint8_t got[N];
        if (!kernels)
          continue;
        kernels->follow_lines (got, src, scale, offset, bounds[b][0], bounds[b][1], lengths[l]);
        for (size_t i = 0; i < lengths[l]; i++) {
          double value = rint ((double) src[i] * (double) scale[i] + (double) offset[i]);
          ck_assert_double_eq (got[i], fmin (fmax (value, bounds[b][0]), bounds[b][1]));
        }
      }
  free (src);
  free (scale);
  free (offset);
}
END_TEST

START_TEST (test_sums_and_ranges)
{
  for (size_t v = 0; v < N_VARIANTS; v++)
    for (size_t l = 0; l < N_LENGTHS; l++) {
      const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
      size_t n = lengths[l];
      if (!kernels)
        continue;
      uint8_t *bytes = bytes_new (n, 9);
      uint32_t *sums = calloc (n, sizeof *sums);
      float *values = floats_new (n, 3, 4), range[2], least = 0, most = 0;
      kernels->accumulate (sums, bytes, 0, n);
      kernels->accumulate (sums, bytes, 0x80, n);
      kernels->find_range (range, values, n);
      for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq (sums[i], bytes[i] + (uint32_t) (bytes[i] ^ 0x80));
        least = fminf (least, values[i]);
        most = fmaxf (most, values[i]);
      }
      ck_assert_float_eq (range[0], least);
      ck_assert_float_eq (range[1], most);
      free (bytes);
      free (sums);
      free (values);
    }
}
END_TEST

START_TEST (test_variants_agree)
{
  const WeirByteKernels *plain = weir_byte_kernels_variant (WEIR_ISA_C);
  enum { N = 1025 };
  float *values = floats_new (N, 4, 6);
  uint8_t *a = bytes_new (N, 7), *b = bytes_new (N, 8);
  for (size_t v = 1; v < N_VARIANTS; v++) {
    const WeirByteKernels *kernels = weir_byte_kernels_variant (variants[v]);
    uint8_t expected[4][N], got[4][N];
    if (!kernels)
      continue;
    plain->quantise (expected[0], values, codes[1], N);
    plain->add (expected[1], codes[1], a, 1, codes[0], b, 1, codes[3], N);
    plain->multiply (expected[2], codes[1], a, 1, codes[0], b, 1, codes[3], N);
    plain->follow_lines (expected[3], a, values, values, 0, 255, N);
    kernels->quantise (got[0], values, codes[1], N);
    kernels->add (got[1], codes[1], a, 1, codes[0], b, 1, codes[3], N);
    kernels->multiply (got[2], codes[1], a, 1, codes[0], b, 1, codes[3], N);
    kernels->follow_lines (got[3], a, values, values, 0, 255, N);
    ck_assert_mem_eq (got, expected, sizeof got);
  }
  free (values);
  free (a);
  free (b);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("byte kernels");
  TCase *tcase = tcase_create ("byte kernels");
  tcase_add_test (tcase, test_quantise);
  tcase_add_test (tcase, test_quantise_ends);
  tcase_add_test (tcase, test_binary);
  tcase_add_test (tcase, test_look_up);
  tcase_add_test (tcase, test_follow_lines);
  tcase_add_test (tcase, test_sums_and_ranges);
  tcase_add_test (tcase, test_variants_agree);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
