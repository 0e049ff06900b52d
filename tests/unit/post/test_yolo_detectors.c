/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The YOLO families on outputs made by hand. */
#include "tests/run_suite.h"
#include "tests/unit/post/detector_family.h"
#include <math.h>

static float *fill_v8 (Fixture *fixture)
{
  static const float column[] = { 40, 20, 32, 16, 0.1f, 0.72f };
  float *values = fixture_add_output (fixture, "output0", "1,6,84");
  for (uint32_t k = 0; k < G_N_ELEMENTS (column); k++)
    values[84 * k + 70] = column[k];
  return &values[84 * 5 + 70];
}

static float *fill_v8_turned (Fixture *fixture)
{
  static const float row[] = { 40, 20, 32, 16, 0.1f, 0.72f };
  float *values = fixture_add_output (fixture, "output0", "1,84,8");
  memcpy (values + 70 * 8, row, sizeof row);
  return values + 70 * 8 + 5;
}

static float *fill_v6 (Fixture *fixture)
{
  static const float row[] = { 40, 20, 32, 16, 1, 0.1f, 0.72f };
  float *values = fixture_add_output (fixture, "outputs", "1,84,7");
  memcpy (values + 83 * 7, row, sizeof row);
  fixture_set_traits (fixture, 0, WEIR_OUTPUT_GRID | WEIR_OUTPUT_CONSTANT_PART);
  return values + 83 * 7 + 6;
}

static const Family families[] = {
  { "yolo-v8", 1, "1", 0.72, fill_v8, false },
  { "yolo-v8", 1, "1", 0.72, fill_v8_turned, false },
  { "yolo-v8", 1, "1", 0.72, fill_v6, false },
};

int main (void)
{
  Suite *suite = suite_create ("yolo-detectors");
  TCase *tcase = tcase_create ("yolo");
  family_add_tests (tcase, families, G_N_ELEMENTS (families));
  suite_add_tcase (suite, tcase);
  return run_suite (suite, CK_FORK_GETENV);
}
