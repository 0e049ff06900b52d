/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* S(n) as it is learned: means, stalls, lasting changes, the line, what follows from it. */
#include "engine/sched/service.h"

#include "tests/run_suite.h"
#include <math.h>

#define MS UINT64_C (1000000)

static void add_times (WeirService *service, uint32_t n, uint64_t ns, int n_times)
{
  for (int i = 0; i < n_times; i++)
    weir_service_add (service, n, ns);
}

static void check_near (double value, double expected, double tolerance)
{
  ck_assert_msg (
      fabs (value - expected) <= tolerance * expected, "%g, expected is %g", value, expected);
}

START_TEST (test_service_knows_nothing_at_first)
{
  const WeirService service = { 0 };
  ck_assert_uint_eq (weir_service_ns (&service, 1), 0);
  ck_assert_uint_eq (weir_service_ns (&service, WEIR_MAX_BATCH), 0);
  ck_assert_uint_eq (weir_service_useful_batch (&service, 8), 8);
}
END_TEST

START_TEST (test_service_one_size_is_proportional)
{
  WeirService service = { 0 };
  add_times (&service, 4, 8 * MS, 3);
  ck_assert_uint_eq (weir_service_ns (&service, 4), 8 * MS);
  check_near ((double) weir_service_ns (&service, 1), 2.0 * MS, 1e-6);
  check_near ((double) weir_service_ns (&service, 16), 32.0 * MS, 1e-6);
  ck_assert (service.fixed_ns == 0);
  ck_assert_uint_eq (service.n_largest, 4);
  ck_assert_uint_eq (weir_service_ns (&service, 0), 0);
  ck_assert_uint_eq (weir_service_useful_batch (&service, 8), 1);
}
END_TEST

static const struct {
  double fixed_ms, per_item_ms;
  uint32_t useful_of_8, useful_of_64;
} lines[] = {
  { 5, 1, 7, 26 },
  { 1, 6, 2, 2 },
  { 0, 5, 1, 1 },
  { 20, 0, 8, 58 },
  { 2.5, 0.125, 7, 44 },
  { 0.05, 0.01, 7, 26 },
};

/* Three sizes tell the line whatever the unit; the others follow it, far beyond the largest. */
START_TEST (test_service_finds_the_line)
{
  static const uint32_t sizes[] = { 1, 2, 8 };
  const double fixed = lines[_i].fixed_ms * MS, per_item = lines[_i].per_item_ms * MS;
  WeirService service = { 0 };
  for (uint32_t k = 0; k < G_N_ELEMENTS (sizes); k++)
    add_times (&service, sizes[k], (uint64_t) (fixed + per_item * sizes[k]), 3);
  ck_assert (fabs (service.fixed_ns - fixed) <= 1e-4 * fixed + 10);
  ck_assert (fabs (service.per_item_ns - per_item) <= 1e-4 * per_item + 10);
  for (uint32_t n = 1; n <= WEIR_MAX_BATCH; n *= 2)
    check_near ((double) weir_service_ns (&service, n), fixed + per_item * n, 1e-3);
  ck_assert_uint_eq (weir_service_useful_batch (&service, 8), lines[_i].useful_of_8);
  ck_assert_uint_eq (weir_service_useful_batch (&service, 64), lines[_i].useful_of_64);
  ck_assert_uint_eq (weir_service_useful_batch (&service, 1), 1);
}
END_TEST

/* Every size of 1..32 with 10 % of noise, thousands of runs: both parts within 5 % of a batch. */
START_TEST (test_service_line_stands_noise)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  WeirService service = { 0 };
  for (int i = 0; i < 5000; i++) {
    int n = g_rand_int_range (rand, 1, 33);
    double ns = (4.0 + 1.0 * n) * MS * g_rand_double_range (rand, 0.9, 1.1);
    weir_service_add (&service, (uint32_t) n, (uint64_t) ns);
  }
  check_near (service.fixed_ns, 4.0 * MS, 0.1);
  check_near (service.per_item_ns, 1.0 * MS, 0.05);
  ck_assert_uint_eq (service.n_sizes, 32);
  for (uint32_t n = 1; n <= 64; n++)
    check_near ((double) weir_service_ns (&service, n), (4.0 + n) * MS, 0.08);
}
END_TEST

/* Times for which the best line would have a negative part. */
START_TEST (test_service_line_is_never_negative)
{
  static const struct {
    uint64_t small_ns, large_ns; /* of 1 and 8 */
  } rows[] = {
    { 1 * MS, 20 * MS }, /* worse than proportional */
    { 9 * MS, 5 * MS },  /* larger batches quicker */
    { 5 * MS, 5 * MS },
    { 0, 0 },
    { 0, UINT64_MAX },
    { UINT64_MAX, 0 },
    { UINT64_MAX, UINT64_MAX },
  };
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    WeirService service = { 0 };
    weir_service_add (&service, 1, rows[i].small_ns);
    weir_service_add (&service, 8, rows[i].large_ns);
    ck_assert (isfinite (service.fixed_ns) && service.fixed_ns >= 0);
    ck_assert (isfinite (service.per_item_ns) && service.per_item_ns >= 0);
    for (uint32_t n = 1; n <= WEIR_MAX_BATCH; n++)
      ck_assert_uint_le (weir_service_ns (&service, n), WEIR_MAX_BATCH * WEIR_SERVICE_MAX_NS);
    ck_assert_uint_le (weir_service_useful_batch (&service, 8), 8);
  }
}
END_TEST

/* A size that the line does not fit answers its own mean once it ran often. */
START_TEST (test_service_own_mean_beats_the_line)
{
  WeirService service = { 0 };
  add_times (&service, 1, 5 * MS, 8);
  add_times (&service, 8, 12 * MS, 8);
  add_times (&service, 4, 11 * MS, 2);
  ck_assert_uint_ne (weir_service_ns (&service, 4), 11 * MS);
  add_times (&service, 4, 11 * MS, 1);
  ck_assert_uint_eq (weir_service_ns (&service, 4), 11 * MS);
}
END_TEST

START_TEST (test_service_clips_a_stall)
{
  WeirService service = { 0 };
  add_times (&service, 2, 10 * MS, 20);
  weir_service_add (&service, 2, 5000 * MS);
  check_near ((double) weir_service_ns (&service, 2), 12.5 * MS, 1e-6);
  add_times (&service, 2, 10 * MS, 12);
  check_near ((double) weir_service_ns (&service, 2), 10.0 * MS, 0.06);
}
END_TEST

START_TEST (test_service_first_runs_count_alike)
{
  WeirService service = { 0 };
  weir_service_add (&service, 1, 10 * MS);
  weir_service_add (&service, 1, 14 * MS);
  weir_service_add (&service, 1, 12 * MS);
  check_near ((double) weir_service_ns (&service, 1), 12.0 * MS, 1e-6);
}
END_TEST

START_TEST (test_service_forgets_a_stall_at_first)
{
  WeirService service = { 0 };
  weir_service_add (&service, 1, 900 * MS);
  add_times (&service, 1, 10 * MS, 3);
  check_near ((double) weir_service_ns (&service, 1), 10.0 * MS, 1e-6);
}
END_TEST

/* The time changes for good: known within so many runs. */
START_TEST (test_service_follows_a_lasting_change)
{
  static const struct {
    uint64_t before_ns, after_ns;
    int n_runs;
  } rows[] = {
    { 10 * MS, 20 * MS, 24 },
    { 10 * MS, 100 * MS, 32 },
    { 10 * MS, 10000 * MS, 60 },
    { 100 * MS, 10 * MS, 40 },
    { 0, 10 * MS, 72 },
  };
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    WeirService service = { 0 };
    add_times (&service, 3, rows[i].before_ns, 1000);
    add_times (&service, 3, rows[i].after_ns, rows[i].n_runs);
    check_near ((double) weir_service_ns (&service, 3), (double) rows[i].after_ns, 0.06);
  }
}
END_TEST

START_TEST (test_service_set_is_known)
{
  WeirService service = { 0 };
  weir_service_set (&service, 1, 5.0 * MS, 3);
  weir_service_set (&service, 8, 12.0 * MS, 100);
  weir_service_set (&service, 8, 12.0 * MS, 100);
  ck_assert_uint_eq (service.n_sizes, 2);
  ck_assert_uint_eq (service.n_largest, 8);
  check_near ((double) weir_service_ns (&service, 4), 8.0 * MS, 1e-6);
  ck_assert_uint_eq (weir_service_ns (&service, 8), 12 * MS);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("service");
  TCase *tcase = tcase_create ("service");
  tcase_add_test (tcase, test_service_knows_nothing_at_first);
  tcase_add_test (tcase, test_service_one_size_is_proportional);
  tcase_add_loop_test (tcase, test_service_finds_the_line, 0, G_N_ELEMENTS (lines));
  tcase_add_test (tcase, test_service_line_stands_noise);
  tcase_add_test (tcase, test_service_line_is_never_negative);
  tcase_add_test (tcase, test_service_own_mean_beats_the_line);
  tcase_add_test (tcase, test_service_clips_a_stall);
  tcase_add_test (tcase, test_service_first_runs_count_alike);
  tcase_add_test (tcase, test_service_forgets_a_stall_at_first);
  tcase_add_test (tcase, test_service_follows_a_lasting_change);
  tcase_add_test (tcase, test_service_set_is_known);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
