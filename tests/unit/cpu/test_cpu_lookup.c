/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables as lines: found where rounded lines are what the tables hold, and refused elsewhere. */
#include "engine/cpu/cpu_int8.h"

#include "tests/run_suite.h"
#include <math.h>

#define N_CODES 256
#define N_LINES 500

static double next (uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return (double) (*seed >> 8) / 16777216.0;
}

static uint8_t code_of (double value, double low, double high)
{
  return (uint8_t) fmin (fmax (rint (value), low), high);
}

static void fill (uint8_t *table, double scale, double offset, double low, double high)
{
  for (int x = 0; x < N_CODES; x++)
    table[x] = code_of ((double) x * scale + offset, low, high);
}

static bool fits (const uint8_t *tables, size_t n)
{
  g_autofree float *scale = g_new (float, n), *offset = g_new (float, n);
  WeirCpuLines lines = { .scale = scale, .offset = offset };
  if (!weir_cpu_fit_lines (tables, n, &lines))
    return false;
  for (size_t i = 0; i < n * N_CODES; i++) {
    float value = (float) (i % N_CODES) * scale[i / N_CODES] + offset[i / N_CODES];
    ck_assert_uint_eq (tables[i], code_of ((double) value, lines.low, lines.high));
  }
  return true;
}

/* Slopes of both signs from flat to steep; some cross no code, some all. */
START_TEST (test_lines_are_found)
{
  g_autofree uint8_t *tables = g_malloc (N_LINES * N_CODES);
  uint32_t seed = 1;
  for (size_t i = 0; i < N_LINES; i++) {
    double scale = pow (2, 9 * next (&seed) - 6) * (next (&seed) < 0.5 ? -1 : 1);
    double middle = 256 * next (&seed);
    fill (tables + i * N_CODES, scale, 128 - middle * scale, 0, 255);
  }
  ck_assert (fits (tables, N_LINES));
}
END_TEST

/* Lines that go exactly through halves, hardly rise, or are cut by bounds of their own. */
START_TEST (test_edges)
{
  static const struct {
    double scale, offset, low, high;
  } rows[] = {
    { 0.5, 0, 0, 255 },
    { 0.5, 0.5, 0, 255 },
    { -0.25, 200, 0, 255 },
    { 1, 0, 0, 255 },
    { 0, 7, 0, 255 },
    { 0, -9, 0, 255 },
    { 1e-3, 3.4, 0, 255 },
    { 300, -30000, 0, 255 },
    { 0.9, -20.33, 17, 99 },
    { 2.1, 300, 0, 255 },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    uint8_t table[N_CODES];
    fill (table, rows[i].scale, rows[i].offset, rows[i].low, rows[i].high);
    ck_assert_msg (fits (table, 1), "row %zu", i);
  }
}
END_TEST

/* One code that is off by one is no line; nor are two slopes, or what comes back. */
START_TEST (test_others_are_refused)
{
  uint8_t tables[4][N_CODES];
  for (int x = 0; x < N_CODES; x++) {
    tables[0][x] = (uint8_t) (x == 100 ? 101 : x == 101 ? 100 : x);
    tables[1][x] = (uint8_t) (x < 128 ? x / 2 : x - 64);
    tables[2][x] = (uint8_t) abs (x - 128);
    tables[3][x] = (uint8_t) (x * 7);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (tables); i++)
    ck_assert_msg (!fits (tables[i], 1), "table %zu", i);
  fill (tables[0], 0.7, 3, 0, 255);
  ck_assert (!fits (tables[0], 2));
}
END_TEST

int main (void)
{
  Suite *suite = suite_create ("cpu lookup");
  TCase *tcase = tcase_create ("cpu lookup");
  tcase_add_test (tcase, test_lines_are_found);
  tcase_add_test (tcase, test_edges);
  tcase_add_test (tcase, test_others_are_refused);
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
