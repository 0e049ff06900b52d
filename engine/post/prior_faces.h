/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faces with five landmarks as regressions against square priors at the centres of cells, as SSD
 * (Liu et al. 2016) has them: centre = prior + 0.1 · l · size, side = size · exp (variance · l). */
#pragma once

#include "engine/post/boxes.h"
#include "engine/post/grid.h"

G_BEGIN_DECLS

#define WEIR_N_FACE_POINTS 5u

typedef struct WeirPriors {
  WeirGrid grid;                 /* one row a prior */
  uint16_t sizes_px[4][3];       /* of each level, n_per_cell of them */
  double variance_x, variance_y; /* of the logarithms of width and height */
} WeirPriors;

/* Box of prior `row` from its four numbers, added with the candidate's confidence. */
void weir_priors_add (
    const WeirPriors *priors, const float *location, WeirCandidate candidate, WeirBoxes *boxes);
/* Tensor `landmarks` of prior `row` from its ten numbers. */
void weir_priors_add_points (const WeirPriors *priors, const WeirDecodeJob *job, uint32_t row,
    const float *points, WeirArena *arena, WeirObject *object);

G_END_DECLS
