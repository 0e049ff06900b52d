/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for every detector, whatever its outputs: checked for tables of families. */
#pragma once

#include "tests/unit/post/post_fixture.h"

#include <check.h>

#define FAMILY_TOLERANCE 1e-6

/* Fills `fixture` with one object whose box is 24..56 × 12..28 pixels in an input of 64×64, of
 * class `label_id`, and returns a pointer to one of the numbers its confidence is made of. */
typedef struct Family {
  const char *decoder;
  int32_t label_id;
  const char *label; /* without labels */
  double confidence;
  float *(*fill) (Fixture *fixture);
  bool is_open; /* takes any number of rows */
} Family;

/* Box, labels, threshold, letterboxing, hostile numbers, outputs of other sizes. The table stays
 * the caller's. */
void family_add_tests (TCase *tcase, const Family *families, int n);
void family_assert_box (
    const Fixture *fixture, double x_min, double y_min, double x_max, double y_max);
