/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is learned of a stream's arrivals: its rhythm, or how soon it follows its results. */
#include "engine/sched/arrivals.h"

#include "tests/run_suite.h"
#include <glib.h>

#define MS(n) ((uint64_t) ((n) *1000000))

/* n arrivals every interval_ms from *now_ns on; each is done after done_ms. */
static void run (
    WeirArrivals *arrivals, uint64_t *now_ns, uint32_t n, double interval_ms, double done_ms)
{
  for (uint32_t i = 0; i < n; i++) {
    *now_ns += MS (interval_ms);
    weir_arrivals_add (arrivals, *now_ns, 1, false);
    weir_arrivals_end (arrivals, *now_ns + MS (done_ms));
  }
}

static double expected_ms (const WeirArrivals *arrivals, uint64_t now_ns)
{
  WeirExpected expected;
  if (!weir_arrivals_expect (arrivals, now_ns, &expected))
    return -1;
  ck_assert_uint_ge (expected.at_ns, now_ns);
  ck_assert_uint_gt (expected.latest_ns, expected.at_ns);
  return (double) (expected.at_ns - arrivals->last_ns) / MS (1);
}

START_TEST (test_arrivals_nothing_is_known)
{
  WeirArrivals arrivals = { 0 };
  uint64_t now_ns = MS (1000);
  ck_assert_double_lt (expected_ms (&arrivals, now_ns), 0);
  run (&arrivals, &now_ns, 2, 33, 5);
  ck_assert_double_lt (expected_ms (&arrivals, now_ns), 0);
  ck_assert (!weir_arrivals_is_paced (&arrivals, now_ns));
}
END_TEST

START_TEST (test_arrivals_camera)
{
  WeirArrivals arrivals = { 0 };
  uint64_t now_ns = MS (1000);
  run (&arrivals, &now_ns, 20, 33, 5);
  ck_assert (weir_arrivals_is_paced (&arrivals, now_ns));
  ck_assert_double_eq_tol (expected_ms (&arrivals, now_ns), 33, 0.1);
  ck_assert_double_eq_tol (expected_ms (&arrivals, now_ns + MS (20)), 33, 0.1);
  ck_assert_double_eq_tol (weir_arrivals_rate (&arrivals, now_ns) * 1e9, 1000 / 33.0, 0.1);
  /* one that does not come is not waited for: the next is */
  ck_assert_double_eq_tol (expected_ms (&arrivals, now_ns + MS (40)), 66, 0.1);
  /* and after three nobody is */
  ck_assert_double_lt (expected_ms (&arrivals, now_ns + MS (150)), 0);
  ck_assert (!weir_arrivals_is_paced (&arrivals, now_ns + MS (150)));
  weir_arrivals_break (&arrivals);
  ck_assert_double_lt (expected_ms (&arrivals, now_ns), 0);
}
END_TEST

/* Frames that were left out do not change the rhythm; a rhythm that has changed is learned, be it
 * the double after some that came together. */
START_TEST (test_arrivals_rhythm_changes)
{
  static const double rhythms[][2] = { { 33, 66 }, { 100, 200 }, { 66, 33 }, { 40, 41 },
    { 10, 100 } };
  for (guint i = 0; i < G_N_ELEMENTS (rhythms); i++) {
    WeirArrivals arrivals = { 0 };
    uint64_t now_ns = MS (1000);
    run (&arrivals, &now_ns, 8, rhythms[i][0], 3);
    run (&arrivals, &now_ns, 60, rhythms[i][1], 3);
    ck_assert_double_eq_tol (expected_ms (&arrivals, now_ns), rhythms[i][1], rhythms[i][1] / 20);
    now_ns += MS (rhythms[i][1] * 2);
    run (&arrivals, &now_ns, 1, rhythms[i][1], 3);
    ck_assert_double_eq_tol (expected_ms (&arrivals, now_ns), rhythms[i][1], rhythms[i][1] / 20);
  }
}
END_TEST

/* Who waits for results is expected after one, and not before. */
START_TEST (test_arrivals_caller)
{
  static const double services[] = { 8, 20, 5, 13, 9, 30, 6, 11 };
  WeirArrivals arrivals = { 0 };
  uint64_t now_ns = MS (1000);
  for (int i = 0; i < 24; i++) {
    weir_arrivals_add (&arrivals, now_ns, 1, false);
    now_ns += MS (services[i % 8]);
    ck_assert (i < 8 || expected_ms (&arrivals, now_ns) < 0);
    weir_arrivals_end (&arrivals, now_ns);
    ck_assert (i < 8 || (expected_ms (&arrivals, now_ns) < services[i % 8] + 0.3 &&
                            expected_ms (&arrivals, now_ns) > services[i % 8]));
    now_ns += MS (0.1);
  }
  ck_assert (!weir_arrivals_is_paced (&arrivals, now_ns));
}
END_TEST

/* One that finds no room is no camera, however regular. */
START_TEST (test_arrivals_blocked)
{
  WeirArrivals arrivals = { 0 };
  for (int i = 0; i < 20; i++) {
    weir_arrivals_add (&arrivals, MS (1000 + 10 * i), 1, true);
    weir_arrivals_end (&arrivals, MS (1005 + 10 * i));
  }
  ck_assert (!weir_arrivals_is_paced (&arrivals, MS (1195)));
}
END_TEST

/* What still ran when the rhythm broke is no result that the next arrival follows. */
START_TEST (test_arrivals_end_after_break)
{
  WeirArrivals arrivals = { 0 };
  uint64_t now_ns = MS (1000);
  run (&arrivals, &now_ns, 20, 6, 5);
  ck_assert_double_eq_tol (arrivals.after_ns.mean, MS (1), 1000);
  weir_arrivals_break (&arrivals);
  weir_arrivals_end (&arrivals, now_ns + MS (5));
  now_ns += MS (60e3);
  run (&arrivals, &now_ns, 2, 6, 5);
  ck_assert_double_eq_tol (arrivals.after_ns.mean, MS (1), 1000);
  ck_assert_double_eq_tol (arrivals.interval_ns.mean, MS (6), 1000);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("arrivals");
  TCase *tcase = tcase_create ("arrivals");
  tcase_add_test (tcase, test_arrivals_nothing_is_known);
  tcase_add_test (tcase, test_arrivals_camera);
  tcase_add_test (tcase, test_arrivals_rhythm_changes);
  tcase_add_test (tcase, test_arrivals_caller);
  tcase_add_test (tcase, test_arrivals_blocked);
  tcase_add_test (tcase, test_arrivals_end_after_break);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
