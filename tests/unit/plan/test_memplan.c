/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory planner: nothing that lives at the same time overlaps, and space is reused. */
#include "engine/plan/memplan.h"

#include "tests/run_suite.h"
#include <glib.h>

static bool share_bytes (const WeirLifetime *a, const WeirLifetime *b)
{
  return a->offset_bytes < b->offset_bytes + b->n_bytes &&
         b->offset_bytes < a->offset_bytes + a->n_bytes;
}

static bool live_together (const WeirLifetime *a, const WeirLifetime *b)
{
  return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

static void check_plan (const WeirLifetime *items, uint32_t n, size_t total)
{
  for (uint32_t i = 0; i < n; i++) {
    ck_assert_uint_eq (items[i].offset_bytes % WEIR_MEMPLAN_ALIGNMENT, 0);
    ck_assert_uint_le (items[i].offset_bytes + items[i].n_bytes, total);
    for (uint32_t k = 0; k < i; k++)
      ck_assert (!live_together (&items[i], &items[k]) || !share_bytes (&items[i], &items[k]));
  }
}

START_TEST (test_memplan_chain_reuses_two_buffers)
{
  WeirLifetime items[10];
  size_t total;
  for (uint32_t i = 0; i < 10; i++)
    items[i] = (WeirLifetime){ .n_bytes = 1000, .first_step = i, .last_step = i + 1 };
  ck_assert (weir_memplan (items, 10, &total));
  check_plan (items, 10, total);
  ck_assert_uint_eq (total, 2 * 1024);
}
END_TEST

START_TEST (test_memplan_random_never_overlaps)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  for (int round = 0; round < 50; round++) {
    WeirLifetime items[120];
    size_t total, sum = 0;
    for (uint32_t i = 0; i < 120; i++) {
      uint32_t first = (uint32_t) g_rand_int_range (rand, 0, 100);
      items[i] = (WeirLifetime){ .n_bytes = (size_t) g_rand_int_range (rand, 0, 5000),
        .first_step = first,
        .last_step = first + (uint32_t) g_rand_int_range (rand, 0, 8) };
      sum += (items[i].n_bytes + 63) & ~(size_t) 63;
    }
    ck_assert (weir_memplan (items, 120, &total));
    check_plan (items, 120, total);
    ck_assert_uint_lt (total, sum / 3);
  }
}
END_TEST

START_TEST (test_memplan_refuses_overflow)
{
  WeirLifetime items[] = { { .n_bytes = SIZE_MAX - 10, .last_step = 1 },
    { .n_bytes = 1000, .last_step = 1 } };
  size_t total;
  ck_assert (!weir_memplan (items, 2, &total));
}
END_TEST

START_TEST (test_memplan_empty)
{
  size_t total = 1;
  ck_assert (weir_memplan (NULL, 0, &total));
  ck_assert_uint_eq (total, 0);
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("memplan");
  TCase *tcase = tcase_create ("memplan");
  tcase_add_test (tcase, test_memplan_chain_reuses_two_buffers);
  tcase_add_test (tcase, test_memplan_random_never_overlaps);
  tcase_add_test (tcase, test_memplan_refuses_overflow);
  tcase_add_test (tcase, test_memplan_empty);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
