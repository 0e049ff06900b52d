/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In pixels of the input a prior's centre is (cell + 0.5) · stride: its size in 0..1 cancels out.
 */
#include "engine/post/prior_faces.h"

#include <math.h>

#define CENTRE_VARIANCE 0.1

typedef struct Prior {
  double x_px, y_px, size_px;
} Prior;

static Prior locate (const WeirPriors *priors, uint32_t row)
{
  WeirCell cell = weir_grid_locate (&priors->grid, row);
  double stride_px = priors->grid.levels[cell.level].stride_px;
  return (Prior){ (cell.x + 0.5) * stride_px, (cell.y + 0.5) * stride_px,
    priors->sizes_px[cell.level][cell.k] };
}

void weir_priors_add (
    const WeirPriors *priors, const float *location, WeirCandidate candidate, WeirBoxes *boxes)
{
  Prior prior = locate (priors, candidate.index);
  weir_boxes_add_centre (boxes, prior.x_px + CENTRE_VARIANCE * (double) location[0] * prior.size_px,
      prior.y_px + CENTRE_VARIANCE * (double) location[1] * prior.size_px,
      prior.size_px * exp (priors->variance_x * (double) location[2]),
      prior.size_px * exp (priors->variance_y * (double) location[3]), candidate);
}

void weir_priors_add_points (const WeirPriors *priors, const WeirDecodeJob *job, uint32_t row,
    const float *points, WeirArena *arena, WeirObject *object)
{
  double points_px[2 * WEIR_N_FACE_POINTS];
  Prior prior = locate (priors, row);
  for (uint32_t k = 0; k < 2 * WEIR_N_FACE_POINTS; k++)
    points_px[k] =
        (k % 2 ? prior.y_px : prior.x_px) + CENTRE_VARIANCE * (double) points[k] * prior.size_px;
  weir_object_add_points (object, job, "landmarks", points_px, WEIR_N_FACE_POINTS, arena);
}
