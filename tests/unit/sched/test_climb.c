/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hill climbing over batch sizes on devices whose times are known. */
#include "engine/sched/climb.h"

#include <check.h>
#include <stdlib.h>

typedef struct Device {
  double fixed_us, per_item_us;
  uint32_t n_cached;  /* items that fit the cache */
  double uncached_us; /* more for each of a batch that does not */
} Device;

typedef struct Row {
  Device device;
  uint32_t n_max, n_queued; /* the largest batch, and how many items there are for one */
  uint32_t best;
} Row;

static const Row rows[] = {
  { { 0, 1000, 64, 0 }, 8, 8, 1 },    /* nothing to share */
  { { 20, 1000, 64, 0 }, 8, 8, 1 },   /* too little */
  { { 4000, 1000, 64, 0 }, 8, 8, 8 }, /* a GPU */
  { { 4000, 1000, 64, 0 }, 6, 6, 6 }, /* no power of two */
  { { 4000, 1000, 64, 0 }, 1, 8, 1 },
  { { 4000, 1000, 64, 0 }, 8, 3, 3 }, /* never more than three items */
  { { 0, 1000, 1, 150 }, 8, 8, 1 },   /* pictures that leave the cache */
  { { 1000, 1000, 2, 800 }, 8, 8, 2 },
  { { 100000, 1000, 1024, 0 }, 64, 64, 64 },
};

static uint64_t service_ns (const Device *device, uint32_t n)
{
  double us = device->fixed_us + n * device->per_item_us;
  if (n > device->n_cached)
    us += n * device->uncached_us;
  return (uint64_t) (1000 * us);
}

/* Runs batches of what there is; times are off by up to `noise`. */
static void run (WeirClimb *climb, WeirService *service, const Row *row, uint32_t n_batches,
    double noise, GRand *rand)
{
  for (uint32_t i = 0; i < n_batches; i++) {
    uint32_t n = MIN (weir_climb_next (climb, service, row->n_max), row->n_queued);
    ck_assert (n >= 1 && n <= row->n_max);
    double ns = (double) service_ns (&row->device, n) * (1 + noise * g_rand_double (rand));
    weir_service_add (service, n, (uint64_t) ns);
    weir_climb_step (climb, service, row->n_max);
  }
}

START_TEST (test_climb_finds_the_best)
{
  const Row *row = &rows[_i];
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  WeirService service = { 0 };
  WeirClimb climb = { 0 };
  ck_assert_uint_eq (weir_climb_next (&climb, &service, row->n_max), 1);
  run (&climb, &service, row, 200, 0, rand);
  uint32_t best = weir_climb_best (&climb, row->n_max);
  ck_assert_msg (MIN (best, row->n_queued) == row->best, "%u", best);
}
END_TEST

/* Of 2000 batches with 10 % of noise and a start that is three times slower nine in ten are of the
 * best size. */
START_TEST (test_climb_stays_there)
{
  static const int stays[] = { 0, 2, 6 };
  Row row = rows[stays[_i]], slow = row;
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  WeirService service = { 0 };
  WeirClimb climb = { 0 };
  uint32_t n_best = 0;
  slow.device.per_item_us *= 3;
  run (&climb, &service, &slow, 5, 0.1, rand);
  run (&climb, &service, &row, 300, 0.1, rand);
  for (uint32_t i = 0; i < 2000; i++) {
    n_best += weir_climb_next (&climb, &service, row.n_max) == row.best;
    run (&climb, &service, &row, 1, 0.1, rand);
  }
  ck_assert_msg (n_best >= 1800, "%u", n_best);
}
END_TEST

/* What once was best is left when the machine does something else. */
START_TEST (test_climb_follows)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  WeirService service = { 0 };
  WeirClimb climb = { 0 };
  run (&climb, &service, &rows[2], 200, 0, rand);
  ck_assert_uint_eq (weir_climb_best (&climb, 8), 8);
  run (&climb, &service, &rows[6], 2000, 0, rand);
  ck_assert_uint_eq (weir_climb_best (&climb, 8), 1);
  run (&climb, &service, &rows[2], 2000, 0, rand);
  ck_assert_uint_eq (weir_climb_best (&climb, 8), 8);
  ck_assert_uint_eq (weir_climb_best (&climb, 4), 4);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("climb");
  TCase *tcase = tcase_create ("climb");
  tcase_add_loop_test (tcase, test_climb_finds_the_best, 0, G_N_ELEMENTS (rows));
  tcase_add_loop_test (tcase, test_climb_stays_there, 0, 3);
  tcase_add_test (tcase, test_climb_follows);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  int n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
