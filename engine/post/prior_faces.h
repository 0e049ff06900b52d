/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faces with five landmarks as regressions against square priors at the centres of cells, as SSD
 * (Liu et al. 2016) has them: centre = prior + 0.1 · l · size, side = size · exp (variance · l). */
#pragma once

#include "engine/post/boxes.h"
#include "engine/post/grid.h"

G_BEGIN_DECLS

typedef struct WeirPriors {
  WeirGrid grid;                 /* one row a prior */
  uint16_t sizes_px[4][3];       /* of each level, n_per_cell of them */
  double variance_x, variance_y; /* of the logarithms of width and height */
} WeirPriors;

/* What a network says of the priors, a row each. */
typedef struct WeirPriorRows {
  float *confidences; /* NaN: none */
  const float *boxes, *points;
  size_t box_step, point_step; /* in values */
  int32_t label_id;
} WeirPriorRows;

/* Faces with tensor `landmarks`; ends with weir_job_attach. */
bool weir_priors_decode (const WeirPriors *priors, const WeirPriorRows *rows,
    const WeirDecodeJob *job, WeirResult *result, GError **error);

G_END_DECLS
