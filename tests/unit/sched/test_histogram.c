/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Percentiles of durations. */
#include "engine/sched/histogram.h"

#include "tests/run_suite.h"
#include <glib.h>

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
  Suite *suite = suite_create ("histogram");
  TCase *tcase = tcase_create ("histogram");
  tcase_add_test (tcase, test_histogram_percentiles);
  tcase_add_test (tcase, test_histogram_buckets_are_monotone);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
