/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of finished objects, as networks write them that suppress overlapping boxes themselves:
 * which column holds what. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

typedef struct WeirRowForm {
  uint32_t n_columns, score, label, corners; /* corners: x0, y0, x1, y1 from this column on */
  bool
      has_picture; /* column 0 is the picture's number in the batch; a negative one ends the rows */
  bool is_unit;    /* corners in 0..1; else in pixels of the input */
} WeirRowForm;

/* Output k, however many rows there are this time; nothing is suppressed. Dropped: rows of
 * other pictures than the first (a job has the outputs of one), of no class, and what WeirBoxes
 * drops. */
bool weir_row_form_decode (const WeirRowForm *form, const WeirDecodeJob *job, uint32_t k,
    WeirResult *result, GError **error);

G_END_DECLS
