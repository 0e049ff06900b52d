/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacking, normalising and comparing tensors for `weir run`. */
#include "engine/cli/cli_data.h"

#include "tests/run_suite.h"
#include <math.h>

static WeirTensor vector (float *values, int64_t n)
{
  return (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 1, .dims = { n }, .buffer = values };
}

static const struct {
  float got[2], expected[2];
  double atol, rtol;
  size_t n_beyond;
  double max_abs, max_rel;
} comparisons[] = {
  { { 1, 2 }, { 1, 2 }, 0, 0, 0, 0, 0 },
  { { 1, 2.5f }, { 1, 2 }, 0.5, 0, 0, 0.5, 0.25 },
  { { 1, 2.5f }, { 1, 2 }, 0, 0.25, 0, 0.5, 0.25 },
  { { 1, 2.5f }, { 1, 2 }, 0.1, 0.1, 1, 0.5, 0.25 },
  { { 0, 0 }, { 0, 0 }, 0, 0, 0, 0, 0 },
  { { 1, 0 }, { 0, 1 }, 0.5, 0, 2, 1, 1 },
  { { NAN, INFINITY }, { NAN, INFINITY }, 0, 0, 0, 0, 0 },
  { { NAN, 1 }, { 1, 1 }, 1e9, 1e9, 1, INFINITY, 0 },
  { { 1, -INFINITY }, { 1, INFINITY }, 1e9, 0, 1, INFINITY, 0 },
};

START_TEST (test_cli_data_compare)
{
  float got[2] = { comparisons[_i].got[0], comparisons[_i].got[1] };
  float expected[2] = { comparisons[_i].expected[0], comparisons[_i].expected[1] };
  WeirTensor a = vector (got, 2), b = vector (expected, 2);
  CliDifference difference;
  ck_assert (
      cli_tensor_compare (&a, &b, comparisons[_i].atol, comparisons[_i].rtol, &difference, NULL));
  ck_assert_uint_eq (difference.n_beyond, comparisons[_i].n_beyond);
  ck_assert (difference.max_abs == comparisons[_i].max_abs);
  if (isfinite (comparisons[_i].max_abs))
    ck_assert_double_eq_tol (difference.max_rel, comparisons[_i].max_rel, 1e-9);
}
END_TEST

START_TEST (test_cli_data_normalise)
{
  uint8_t pixels[] = { 0, 10, 20, 30, 40, 255 };
  WeirTensor src = { .dtype = WEIR_DTYPE_U8, .rank = 3, .dims = { 1, 3, 2 }, .buffer = pixels };
  g_autoptr (GArray) means = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) scale = g_array_new (FALSE, FALSE, sizeof (double));
  static const double m[] = { 10, 20, 55 }, s = 0.5;
  static const float with_both[] = { -5, 0, 0, 5, -7.5f, 100 };
  CliTensor dst = { 0 };
  g_array_append_vals (means, m, 3);
  g_array_append_val (scale, s);
  ck_assert (cli_tensor_normalise (&dst, &src, means, scale, NULL));
  for (int i = 0; i < 6; i++)
    ck_assert (((float *) dst.tensor.buffer)[i] == with_both[i]);
  cli_tensor_clear (&dst);
  ck_assert (cli_tensor_normalise (&dst, &src, NULL, NULL, NULL));
  for (int i = 0; i < 6; i++)
    ck_assert (((float *) dst.tensor.buffer)[i] == (float) pixels[i]);
  cli_tensor_clear (&dst);
  g_autoptr (GError) error = NULL;
  g_array_set_size (means, 2);
  ck_assert (!cli_tensor_normalise (&dst, &src, means, NULL, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_OPTION));
}
END_TEST

START_TEST (test_cli_data_stack)
{
  float a[] = { 1, 2 }, b[] = { 3, 4 }, c[] = { 5, 6, 7 };
  WeirTensor x = vector (a, 2), y = vector (b, 2), longer = vector (c, 3), view;
  const WeirTensor *pair[] = { &x, &y }, *unlike[] = { &x, &longer };
  CliTensor stacked = { 0 };
  g_autoptr (GError) error = NULL;
  ck_assert (cli_tensor_stack (&stacked, pair, 2, 0, NULL));
  ck_assert_int_eq (stacked.tensor.dims[0], 4);
  ck_assert (cli_tensor_block (&stacked.tensor, 1, 2, &view));
  ck_assert_int_eq (view.dims[0], 2);
  ck_assert (((float *) weir_tensor_data (&view))[0] == 3);
  ck_assert (!cli_tensor_block (&stacked.tensor, 0, 3, &view));
  cli_tensor_clear (&stacked);
  WeirTensor left = { .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { 2, 1 }, .buffer = a };
  WeirTensor right = left;
  right.buffer = b;
  ck_assert (cli_tensor_stack (&stacked, (const WeirTensor *[]){ &left, &right }, 2, 1, NULL));
  ck_assert_int_eq (stacked.tensor.dims[1], 2);
  ck_assert_mem_eq (stacked.tensor.buffer, ((float[]){ 1, 3, 2, 4 }), 4 * sizeof (float));
  cli_tensor_clear (&stacked);
  ck_assert (!cli_tensor_stack (&stacked, unlike, 2, 0, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_SHAPE));
  WeirTensor huge = vector (a, INT64_MAX / 2);
  const WeirTensor *pair_of_huge[] = { &huge, &huge };
  g_clear_error (&error);
  ck_assert (!cli_tensor_stack (&stacked, pair_of_huge, 2, 0, &error));
  ck_assert (g_error_matches (error, WEIR_ERROR, WEIR_ERROR_MEMORY));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("cli-data");
  TCase *tcase = tcase_create ("tensors");

  tcase_add_loop_test (tcase, test_cli_data_compare, 0, G_N_ELEMENTS (comparisons));
  tcase_add_test (tcase, test_cli_data_normalise);
  tcase_add_test (tcase, test_cli_data_stack);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
