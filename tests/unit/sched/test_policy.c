/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policy and percentiles: the parts of the queue that are pure functions. */
#include "engine/sched/histogram.h"
#include "engine/sched/policy.h"

#include "tests/run_suite.h"
#include <glib.h>

static const struct {
  WeirQueueView view;
  uint32_t n;
  WeirCut cut;
} cuts[] = {
  { { 0, 1, 8, true, false }, 0, WEIR_CUT_NONE },
  { { 0, 2, 8, false, true }, 0, WEIR_CUT_NONE },
  { { 1, 1, 8, true, false }, 1, WEIR_CUT_IDLE },
  { { 1, 1, 1, true, false }, 1, WEIR_CUT_FULL },
  { { 6, 1, 4, true, false }, 4, WEIR_CUT_FULL },
  { { 6, 1, 6, true, false }, 6, WEIR_CUT_FULL },
  { { 6, 2, 8, true, false }, 3, WEIR_CUT_IDLE },
  { { 5, 2, 8, false, false }, 3, WEIR_CUT_COMPLETE },
  { { 5, 2, 8, true, true }, 3, WEIR_CUT_DRAIN },
  { { 1, 4, 8, false, false }, 1, WEIR_CUT_COMPLETE },
  /* while others work: less than an even share of all, so that something is left over */
  { { 3, 1, 8, true, false, 1, 1 }, 1, WEIR_CUT_IDLE },
  { { 4, 1, 8, true, false, 1, 1 }, 2, WEIR_CUT_IDLE },
  { { 5, 2, 8, true, false, 3, 2 }, 1, WEIR_CUT_IDLE },
  { { 2, 1, 8, true, false, 1, 1 }, 1, WEIR_CUT_IDLE },
  { { 1, 1, 8, false, false, 3, 1 }, 1, WEIR_CUT_COMPLETE },
  { { 1, 1, 8, false, false, 0, 3 }, 1, WEIR_CUT_COMPLETE },
  { { 20, 1, 8, true, false, 8, 1 }, 8, WEIR_CUT_FULL },
  { { 0, 1, 8, true, false, 8, 1 }, 0, WEIR_CUT_NONE },
};

START_TEST (test_policy_cut)
{
  WeirCut cut;
  ck_assert_uint_eq (weir_policy_cut (&cuts[_i].view, &cut), cuts[_i].n);
  ck_assert_int_eq (cut, cuts[_i].cut);
}
END_TEST

START_TEST (test_policy_never_starves_nor_exceeds)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  for (int i = 0; i < 100000; i++) {
    WeirQueueView view = { (uint32_t) g_rand_int_range (rand, 0, 2000),
      (uint32_t) g_rand_int_range (rand, 1, 64), (uint32_t) g_rand_int_range (rand, 1, 1025),
      g_rand_boolean (rand), g_rand_boolean (rand), (uint32_t) g_rand_int_range (rand, 0, 2000),
      (uint32_t) g_rand_int_range (rand, 0, 64) };
    WeirCut cut;
    uint32_t n = weir_policy_cut (&view, &cut);
    ck_assert_uint_le (n, view.batch_max);
    ck_assert_uint_le (n, view.n_queued);
    ck_assert ((n == 0) == (view.n_queued == 0));
    ck_assert ((n == 0) == (cut == WEIR_CUT_NONE));
  }
}
END_TEST

START_TEST (test_histogram_percentiles)
{
  WeirHistogram *histogram = g_new0 (WeirHistogram, 1);
  ck_assert_uint_eq (weir_histogram_percentile (histogram, 50), 0);
  for (uint64_t v = 1; v <= 10000; v++)
    weir_histogram_add (histogram, v);
  for (int percent = 10; percent < 100; percent += 10) {
    uint64_t value = weir_histogram_percentile (histogram, percent),
             exact = (uint64_t) percent * 100;
    ck_assert_uint_ge (value, exact);
    ck_assert_uint_le (value, exact + exact / 8 + 1);
  }
  weir_histogram_add (histogram, UINT64_MAX);
  g_free (histogram);
}
END_TEST

START_TEST (test_histogram_buckets_are_monotone)
{
  uint32_t last = 0;
  for (uint64_t v = 0; v < 100000; v++) {
    uint32_t bucket = weir_histogram_bucket (v);
    ck_assert (bucket == last || bucket == last + 1);
    last = bucket;
  }
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("policy");
  TCase *tcase = tcase_create ("policy");
  tcase_add_loop_test (tcase, test_policy_cut, 0, G_N_ELEMENTS (cuts));
  tcase_add_test (tcase, test_policy_never_starves_nor_exceeds);
  tcase_add_test (tcase, test_histogram_percentiles);
  tcase_add_test (tcase, test_histogram_buckets_are_monotone);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
