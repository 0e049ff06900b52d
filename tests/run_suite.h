/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every test program ends with: run the suite, exit status 1 where a test failed. */
#pragma once

#include <check.h>

/* CK_FORK_GETENV: each test in a process of its own unless CK_FORK=no. CK_NOFORK: all in this one,
 * for tests with threads or with state that later ones use. */
static inline int run_suite (Suite *suite, enum fork_status fork_status)
{
  SRunner *runner = srunner_create (suite);
  srunner_set_fork_status (runner, fork_status);
  srunner_run_all (runner, CK_ENV);
  int n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return n_failed != 0;
}
