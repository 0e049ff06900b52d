/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many cores a process may use: its affinity, and the limits of control groups. */
#include "engine/base/cores.h"

#include "tests/run_suite.h"
#include <sched.h>

START_TEST (test_cores_of_cpu_max)
{
  static const struct {
    const char *text;
    uint32_t n;
  } rows[] = { { "max 100000\n", 0 }, { "100000 100000\n", 1 }, { "200000 100000\n", 2 },
    { "150000 100000\n", 2 }, { "50000 100000\n", 1 }, { "1000 100000", 1 }, { "", 0 }, { "\n", 0 },
    { "max", 0 }, { "100000", 0 }, { "100000 0\n", 0 }, { "0 100000\n", 1 },
    { "18446744073709551615 1\n", G_MAXINT32 }, { "x 100000\n", 0 } };
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++)
    ck_assert_uint_eq (weir_cores_of_cpu_max (rows[i].text), rows[i].n);
}
END_TEST

START_TEST (test_cores_of_affinity)
{
  cpu_set_t all, one;
  CPU_ZERO (&one);
  ck_assert_int_eq (sched_getaffinity (0, sizeof all, &all), 0);
  ck_assert_uint_ge (weir_n_cores (), 1);
  ck_assert_uint_le (weir_n_cores (), (guint) CPU_COUNT (&all));
  int first = 0;
  while (!CPU_ISSET (first, &all))
    first++;
  CPU_SET (first, &one);
  ck_assert_int_eq (sched_setaffinity (0, sizeof one, &one), 0);
  ck_assert_uint_eq (weir_n_cores (), 1);
  ck_assert_int_eq (sched_setaffinity (0, sizeof all, &all), 0);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("cores");
  TCase *tcase = tcase_create ("cores");
  tcase_add_test (tcase, test_cores_of_cpu_max);
  tcase_add_test (tcase, test_cores_of_affinity);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
