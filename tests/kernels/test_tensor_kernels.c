/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensor kernels: values against libm, every variant against the plain C one byte for byte. Buffers
 * have exactly the size that is allowed, for the sanitizers. */
#include "kernels/kernels.h"
#include "kernels/tensor_kernels.h"

#include "tests/run_suite.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned variants[] = { WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
#define N_VARIANTS (sizeof variants / sizeof *variants)

static const size_t lengths[] = { 1, 7, 16, 31, 64, 1025 };
#define N_LENGTHS (sizeof lengths / sizeof *lengths)

static float *random_new (size_t n, float scale, unsigned seed)
{
  float *values = malloc (n * sizeof *values + !n);
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = scale * ((float) (seed >> 8) / 8388608.0f - 1.0f);
  }
  return values;
}

static double expected_unary (WeirUnary op, double x, double alpha, double beta)
{
  double hard = fmax (0, fmin (1, alpha * x + beta));
  switch (op) {
  case WEIR_UNARY_ABS:
    return fabs (x);
  case WEIR_UNARY_AFFINE:
    return alpha * x + beta;
  case WEIR_UNARY_CEIL:
    return ceil (x);
  case WEIR_UNARY_CELU:
    return x > 0 ? x : alpha * expm1 (x / alpha);
  case WEIR_UNARY_CLIP:
    return fmin (fmax (x, alpha), beta);
  case WEIR_UNARY_ELU:
    return x > 0 ? x : alpha * expm1 (x);
  case WEIR_UNARY_ERF:
    return erf (x);
  case WEIR_UNARY_EXP:
    return exp (x);
  case WEIR_UNARY_FLOOR:
    return floor (x);
  case WEIR_UNARY_GELU:
    return alpha != 0 ? 0.5 * x * (1 + tanh (sqrt (2 / M_PI) * (x + 0.044715 * x * x * x)))
                      : 0.5 * x * (1 + erf (x / sqrt (2)));
  case WEIR_UNARY_HARD_SIGMOID:
    return hard;
  case WEIR_UNARY_HARD_SWISH:
    return x * fmax (0, fmin (1, x / 6 + 0.5));
  case WEIR_UNARY_LEAKY_RELU:
    return x < 0 ? alpha * x : x;
  case WEIR_UNARY_MISH:
    return x * tanh (log1p (exp (x)));
  case WEIR_UNARY_NEG:
    return -x;
  case WEIR_UNARY_RECIPROCAL:
    return 1 / x;
  case WEIR_UNARY_RELU:
    return fmax (x, 0);
  case WEIR_UNARY_ROUND:
    return nearbyint (x);
  case WEIR_UNARY_ROUND_TO_CODES:
    return nearbyint (fmin (fmax (x / alpha, beta), beta + 255)) * alpha;
  case WEIR_UNARY_ROUND_TO_LEVELS:
    x = fmin (fmax (x, alpha), beta);
    return nearbyint ((x - alpha) / (beta - alpha) * 255) / 255 * (beta - alpha) + alpha;
  case WEIR_UNARY_SCALED_TANH:
    return alpha * tanh (beta * x);
  case WEIR_UNARY_SELU:
    return beta * (x > 0 ? x : alpha * expm1 (x));
  case WEIR_UNARY_SIGMOID:
    return 1 / (1 + exp (-x));
  case WEIR_UNARY_SIGN:
    return x > 0 ? 1 : x < 0 ? -1 : 0;
  case WEIR_UNARY_SOFTSIGN:
    return x / (1 + fabs (x));
  case WEIR_UNARY_SQRT:
    return sqrt (x);
  case WEIR_UNARY_SWISH:
    return x / (1 + exp (-alpha * x));
  case WEIR_UNARY_TANH:
    return tanh (x);
  case WEIR_UNARY_THRESHOLDED_RELU:
    return x > alpha ? x : 0;
  default:
    return NAN;
  }
}

START_TEST (test_unary_values)
{
  static const float points[] = { -200, -90, -30, -5.5f, -1, -0.26f, -0.25f, -0.1f, -1e-3f, -1e-20f,
    1e-20f, 1e-3f, 0.1f, 0.25f, 0.26f, 1, 5.5f, 30, 88, 120 };
  const WeirTensorKernels *kernels = weir_tensor_kernels ();
  const size_t n = sizeof points / sizeof *points;
  float got[sizeof points / sizeof *points];
  for (unsigned op = 0; op < WEIR_N_UNARIES; op++) {
    kernels->unary[op](got, points, n, 0.3f, 0.4f);
    for (size_t i = 0; i < n; i++) {
      double x = points[i], expected = expected_unary (op, x, 0.3f, 0.4f);
      if ((op == WEIR_UNARY_SQRT && x < 0) || fabs (expected) > 3e38)
        continue;
      ck_assert_msg (fabs (got[i] - expected) <= 3e-7 * fmax (1, fabs (expected)),
          "unary %u of %g: %.9g, expected %.9g", op, x, got[i], expected);
    }
  }
}
END_TEST

/* Without alpha Gelu goes by erf: both parts of its approximation, and where they meet. */
START_TEST (test_gelu)
{
  for (int i = -800; i <= 800; i++) {
    float x = (float) i / 100, got;
    weir_tensor_kernels ()->unary[WEIR_UNARY_GELU](&got, &x, 1, 0, 0);
    ck_assert_double_eq_tol (got, expected_unary (WEIR_UNARY_GELU, x, 0, 0), 6e-7);
  }
}
END_TEST

/* A long row far from nought, where a plain sum of f32 would lose what matters. */
START_TEST (test_moments)
{
  const size_t n = 100003;
  float *row = random_new (n, 1, 5), scale[2] = { 2, 3 }, shift[2] = { 1, 0 }, got[2];
  const float src[2] = { 5, 7 };
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++)
    sum += row[i] += 100;
  for (size_t i = 0; i < n; i++)
    squares += (row[i] - 100.0) * (row[i] - 100.0);
  ck_assert_double_eq_tol (weir_tensor_kernels ()->mean (row, n), sum / (double) n, 1e-5);
  ck_assert_double_eq_tol (
      weir_tensor_kernels ()->spread (row, n, 100), squares / (double) n, 1e-6);
  weir_tensor_kernels ()->normalise (got, src, scale, shift, 1, 4, 0.5f, 2);
  ck_assert_float_eq (got[0], 2);
  ck_assert_float_eq (got[1], 4.5f);
  free (row);
}
END_TEST

START_TEST (test_unary_not_finite)
{
  const WeirTensorKernels *kernels = weir_tensor_kernels ();
  const float points[] = { NAN, INFINITY, -INFINITY };
  float got[3];
  kernels->unary[WEIR_UNARY_EXP](got, points, 3, 0, 0);
  ck_assert (isnan (got[0]) && isinf (got[1]) && got[2] >= 0 && got[2] < 1e-37f);
  kernels->unary[WEIR_UNARY_SIGMOID](got, points, 3, 0, 0);
  ck_assert (isnan (got[0]) && got[1] >= 1 && got[2] < 1e-37f);
}
END_TEST

static void check_bytes (const void *a, const void *b, size_t n, const char *what, unsigned isa)
{
  ck_assert_msg (memcmp (a, b, n) == 0, "%s differs from plain C, variant %u", what, isa);
}

static void check_rows (
    const WeirTensorKernels *c, const WeirTensorKernels *v, unsigned isa, size_t n)
{
  float *a = random_new (n, 9, 1), *b = random_new (n, 3, 2), *x = random_new (n, 1, 3),
        *y = random_new (n, 1, 3);
  uint16_t *bf16_x = malloc (2 * n), *bf16_y = malloc (2 * n);
  const float *rows[4] = { a, b, b, a };
  const float weights[4] = { 0.1f, 0.2f, 0.3f, 0.4f };
  for (unsigned op = 0; op < WEIR_N_UNARIES; op++) {
    c->unary[op](x, a, n, 0.3f, 0.4f);
    v->unary[op](y, a, n, 0.3f, 0.4f);
    check_bytes (x, y, n * sizeof *x, "a unary kernel", isa);
  }
  for (unsigned op = 0; op < WEIR_N_BINARIES; op++)
    for (unsigned steps = 1; steps < 4; steps++) {
      c->binary[op](x, a, steps & 1, b, steps >> 1, n);
      v->binary[op](y, a, steps & 1, b, steps >> 1, n);
      check_bytes (x, y, n * sizeof *x, "a binary kernel", isa);
    }
  c->affine (x, a, b, b, 1, n);
  v->affine (y, a, b, b, 1, n);
  check_bytes (x, y, n * sizeof *x, "affine", isa);
  for (size_t step = 0; step < 2 && n; step++) {
    WeirFakeRange range = { b, a, a, b, 255 };
    c->fake_quantize (x, a, &range, step, n);
    v->fake_quantize (y, a, &range, step, n);
    check_bytes (x, y, n * sizeof *x, "fake_quantize", isa);
  }
  for (unsigned step = 0; step < 2; step++) {
    c->normalise (x, a, b, b, step, 0.5f, 1.5f, n);
    v->normalise (y, a, b, b, step, 0.5f, 1.5f, n);
    check_bytes (x, y, n * sizeof *x, "normalise", isa);
  }
  double moments[2][2] = { { c->mean (a, n), c->spread (a, n, 0.5f) },
    { v->mean (a, n), v->spread (a, n, 0.5f) } };
  check_bytes (moments[0], moments[1], sizeof moments[0], "mean or spread", isa);
  c->blend (x, rows, weights, n);
  v->blend (y, rows, weights, n);
  check_bytes (x, y, n * sizeof *x, "blend", isa);
  c->accumulate_squares (x, a, b, n);
  v->accumulate_squares (y, a, b, n);
  check_bytes (x, y, n * sizeof *x, "accumulate_squares", isa);
  c->bf16_from_f32 (bf16_x, a, n);
  v->bf16_from_f32 (bf16_y, a, n);
  check_bytes (bf16_x, bf16_y, 2 * n, "bf16_from_f32", isa);
  c->f32_from_bf16 (x, bf16_x, n);
  v->f32_from_bf16 (y, bf16_x, n);
  check_bytes (x, y, n * sizeof *x, "f32_from_bf16", isa);
  for (unsigned is_log = 0; is_log < 2; is_log++) {
    c->softmax (x, a, 1, n, is_log);
    v->softmax (y, a, 1, n, is_log);
    check_bytes (x, y, n * sizeof *x, "softmax", isa);
  }
  free (a);
  free (b);
  free (x);
  free (y);
  free (bf16_x);
  free (bf16_y);
}

START_TEST (test_variants_agree)
{
  const WeirTensorKernels *c = weir_tensor_kernels_variant (WEIR_ISA_C);
  ck_assert_ptr_nonnull (c);
  for (size_t i = 0; i < N_VARIANTS; i++) {
    const WeirTensorKernels *v = weir_tensor_kernels_variant (variants[i]);
    for (size_t k = 0; v && k < N_LENGTHS; k++)
      check_rows (c, v, variants[i], lengths[k]);
  }
}
END_TEST

/* Rows of two have a loop of their own. */
START_TEST (test_softmax_of_pairs)
{
  static const unsigned all[] = { WEIR_ISA_C, WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
  enum { N = 101 };
  float src[2 * N], dst[2 * N], first[2 * N];
  for (int i = 0; i < 2 * N; i++)
    src[i] = (float) (i * 37 % 64) / 3.0f - 10.0f;
  for (size_t v = 0; v < sizeof all / sizeof *all; v++) {
    const WeirTensorKernels *kernels = weir_tensor_kernels_variant (all[v]);
    if (!kernels)
      continue;
    kernels->softmax (dst, src, N, 2, false);
    for (int i = 0; i < 2 * N; i++) {
      double other = exp ((double) src[i ^ 1] - (double) src[i]);
      ck_assert_double_eq_tol ((double) dst[i], 1 / (1 + other), 1e-6);
    }
    if (v == 0)
      memcpy (first, dst, sizeof dst);
    ck_assert_mem_eq (dst, first, sizeof dst);
  }
}
END_TEST

/* Buffers of exactly the size that is allowed, for the sanitizers. */
static void check_interleave (
    const WeirTensorKernels *kernels, size_t n_channels, size_t plane, size_t n)
{
  size_t n_src = (n_channels - 1) * plane + n;
  float *src = malloc (n_src * sizeof *src), *dst = malloc (n_channels * n * sizeof *dst);
  for (size_t i = 0; i < n_src; i++)
    src[i] = (float) i;
  kernels->interleave (dst, src, n_channels, plane, n);
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < n_channels; c++)
      ck_assert_float_eq (dst[i * n_channels + c], (float) (c * plane + i));
  free (src);
  free (dst);
}

START_TEST (test_interleave)
{
  static const unsigned all[] = { WEIR_ISA_C, WEIR_ISA_AVX2, WEIR_ISA_AVX512 };
  static const size_t channels[] = { 1, 2, 3, 4, 5, 19 }, pixels[] = { 1, 7, 16, 65, 200 };
  for (size_t v = 0; v < sizeof all / sizeof *all; v++) {
    const WeirTensorKernels *kernels = weir_tensor_kernels_variant (all[v]);
    for (size_t c = 0; kernels && c < sizeof channels / sizeof *channels; c++)
      for (size_t k = 0; k < sizeof pixels / sizeof *pixels; k++)
        for (size_t gap = 0; gap < 6; gap += 5)
          check_interleave (kernels, channels[c], pixels[k] + gap, pixels[k]);
  }
}
END_TEST

START_TEST (test_bf16_rounding)
{
  static const struct {
    uint32_t f32;
    uint16_t bf16;
  } rows[] = {
    { 0x3f800000, 0x3f80 }, { 0x3f808000, 0x3f80 },                         /* half way: to even */
    { 0x3f818000, 0x3f82 }, { 0x3f808001, 0x3f81 }, { 0x7f7fffff, 0x7f80 }, /* beyond the largest */
    { 0xff800000, 0xff80 }, { 0x7f800001, 0x7fc0 },                         /* a NaN stays one */
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    float value;
    uint16_t got;
    memcpy (&value, &rows[i].f32, sizeof value);
    weir_tensor_kernels ()->bf16_from_f32 (&got, &value, 1);
    ck_assert_msg (
        got == rows[i].bf16, "%08x: %04x, expected %04x", rows[i].f32, got, rows[i].bf16);
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("tensor kernels");
  TCase *tcase = tcase_create ("tensor kernels");
  tcase_add_test (tcase, test_unary_values);
  tcase_add_test (tcase, test_gelu);
  tcase_add_test (tcase, test_moments);
  tcase_add_test (tcase, test_unary_not_finite);
  tcase_add_test (tcase, test_variants_agree);
  tcase_add_test (tcase, test_softmax_of_pairs);
  tcase_add_test (tcase, test_interleave);
  tcase_add_test (tcase, test_bf16_rounding);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
