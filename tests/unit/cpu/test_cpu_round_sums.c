/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounding to bf16 that keeps sums: every value becomes one of its neighbours, and the sum is as
 * near as steps between neighbours can bring it. */
#include "tests/run_suite.h"

#include "engine/base/half.h"
#include "engine/cpu/cpu_round_sums.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#define N_SETS 2000
#define MOST   49

static double sum_of (const float *values, size_t n)
{
  double sum = 0;
  for (size_t i = 0; i < n; i++)
    sum += (double) values[i];
  return sum;
}

START_TEST (test_random)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  double nearest_error = 0, kept_error = 0;
  for (int set = 0; set < N_SETS; set++) {
    size_t n = (size_t) g_rand_int_range (rand, 1, MOST + 1);
    float exact[MOST] = { 0 }, rounded[MOST];
    double error = 0;
    for (size_t i = 0; i < n; i++) {
      exact[i] =
          (float) (g_rand_double_range (rand, -1, 1) * exp2 (-g_rand_int_range (rand, 0, 9)));
      error += (double) weir_bf16_to_f32 (weir_f32_to_bf16 (exact[i])) - (double) exact[i];
    }
    memcpy (rounded, exact, sizeof rounded);
    weir_cpu_round_keeping_sum (rounded, n);
    for (size_t i = 0; i < n; i++) {
      float below = weir_bits_f32 (weir_f32_bits (exact[i]) & 0xffff0000u);
      float above = weir_bits_f32 ((weir_f32_bits (exact[i]) & 0xffff0000u) + 0x10000u);
      ck_assert_msg (rounded[i] == below || rounded[i] == above, "%g became %g", (double) exact[i],
          (double) rounded[i]);
    }
    double kept = sum_of (rounded, n) - sum_of (exact, n);
    ck_assert_double_le (fabs (kept), fabs (error));
    nearest_error += error * error;
    kept_error += kept * kept;
  }
  ck_assert_double_lt (kept_error, 0.03 * nearest_error);
}
END_TEST

/* Where the sum can be kept at less cost it is: of 1 + 3/8 of a step and 1 + 4/8 of it (which is
 * rounded to even, down), the latter goes up. */
START_TEST (test_cheapest)
{
  const float step = 0x1p-7f;
  float values[] = { 1 + 0.375f * step, 1 + 0.5f * step };
  weir_cpu_round_keeping_sum (values, 2);
  ck_assert (values[0] == 1 && values[1] == 1 + step);
}
END_TEST

START_TEST (test_unchanged)
{
  const float values[] = { 0, -0.0f, 1, -1.5f, 0x1p-133f, 0x1.fep127f, -255 };
  float rounded[G_N_ELEMENTS (values)];
  memcpy (rounded, values, sizeof values);
  weir_cpu_round_keeping_sum (rounded, G_N_ELEMENTS (values));
  ck_assert (memcmp (rounded, values, sizeof values) == 0);
  weir_cpu_round_keeping_sum (rounded, 0);
}
END_TEST

START_TEST (test_not_finite)
{
  const float values[] = { NAN, INFINITY, -INFINITY, 0x1.fffffep127f, 1.001f, 1.003f };
  float rounded[G_N_ELEMENTS (values)];
  memcpy (rounded, values, sizeof values);
  weir_cpu_round_keeping_sum (rounded, G_N_ELEMENTS (values));
  for (size_t i = 0; i < G_N_ELEMENTS (values); i++)
    ck_assert_uint_eq (weir_f32_to_bf16 (rounded[i]), weir_f32_to_bf16 (values[i]));
}
END_TEST

START_TEST (test_many)
{
  static float values[1025];
  for (size_t i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = 1 + 0.4f * 0x1p-7f;
  weir_cpu_round_keeping_sum (values, G_N_ELEMENTS (values));
  for (size_t i = 0; i < G_N_ELEMENTS (values); i++)
    ck_assert (values[i] == 1);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("round sums");
  TCase *tcase = tcase_create ("round sums");
  tcase_add_test (tcase, test_random);
  tcase_add_test (tcase, test_cheapest);
  tcase_add_test (tcase, test_unchanged);
  tcase_add_test (tcase, test_not_finite);
  tcase_add_test (tcase, test_many);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
