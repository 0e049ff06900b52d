/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many cores a process may use: its affinity, and the limits of control groups. */
#include "engine/base/cores.h"

#include "tests/run_suite.h"
#include <glib/gstdio.h>
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

static void write_limit (const char *folder, const char *group, const char *text)
{
  g_autofree char *inner = g_build_filename (folder, group, NULL),
                  *path = g_build_filename (inner, "cpu.max", NULL);
  ck_assert_int_eq (g_mkdir_with_parents (inner, 0700), 0);
  ck_assert (g_file_set_contents (path, text, -1, NULL));
}

static void forget (const char *folder, const char *group)
{
  g_autofree char *inner = g_build_filename (folder, group, NULL),
                  *path = g_build_filename (inner, "cpu.max", NULL);
  g_remove (path);
  g_rmdir (inner);
}

/* The least of the group and those around it; others do not count. */
START_TEST (test_cores_in_groups)
{
  static const char *const limits[][2] = { { "", "700000 100000\n" }, { "pods", "300000 100000\n" },
    { "pods/camera", "500000 100000\n" }, { "pods/other", "100000 100000\n" },
    { "free", "max 100000\n" } };
  static const struct {
    const char *groups;
    uint32_t n;
  } rows[] = { { "0::/pods/camera\n", 3 }, { "0::/pods/other\n", 1 }, { "0::/free\n", 7 },
    { "0::/\n", 7 }, { "3:cpu:/pods/other\n0::/free\n", 7 }, { "0::/nowhere/at/all\n", 7 },
    { "3:cpu:/pods/other\n", 16 }, { "0::/../pods/other\n", 16 }, { "0::\n", 16 }, { "", 16 } };
  g_autofree char *folder = g_dir_make_tmp ("weir-cores-XXXXXX", NULL);
  for (uint32_t i = 0; i < G_N_ELEMENTS (limits); i++)
    write_limit (folder, limits[i][0], limits[i][1]);
  for (uint32_t i = 0; i < G_N_ELEMENTS (rows); i++)
    ck_assert_uint_eq (weir_cores_in_groups (folder, rows[i].groups, 16), rows[i].n);
  ck_assert_uint_eq (weir_cores_in_groups (folder, "0::/free\n", 2), 2);
  for (uint32_t i = G_N_ELEMENTS (limits); i-- > 0;)
    forget (folder, limits[i][0]);
  forget (folder, "pods");
  forget (folder, "");
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
  tcase_add_test (tcase, test_cores_in_groups);
  tcase_add_test (tcase, test_cores_of_affinity);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
