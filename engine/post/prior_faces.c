/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In pixels of the input a prior's centre is (cell + 0.5) · stride: its size in 0..1 cancels out.
 */
#include "engine/post/prior_faces.h"

#include "engine/post/outputs.h"
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

static void add_box (
    const WeirPriors *priors, const float *location, WeirCandidate candidate, WeirBoxes *boxes)
{
  Prior prior = locate (priors, candidate.index);
  weir_boxes_add_centre (boxes, prior.x_px + CENTRE_VARIANCE * (double) location[0] * prior.size_px,
      prior.y_px + CENTRE_VARIANCE * (double) location[1] * prior.size_px,
      prior.size_px * exp (priors->variance_x * (double) location[2]),
      prior.size_px * exp (priors->variance_y * (double) location[3]), candidate);
}

bool weir_priors_decode (const WeirPriors *priors, const WeirPriorRows *rows,
    const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  for (uint32_t i = 0; i < priors->grid.n_rows; i++) {
    WeirCandidate candidate = {
      .confidence = rows->confidences[i], .label_id = rows->label_id, .index = i
    };
    if (candidate.confidence >= boxes.threshold)
      add_box (priors, rows->boxes + i * rows->box_step, candidate, &boxes);
  }
  weir_boxes_finish (&boxes, job, "face", result);
  for (uint32_t i = 0; i < result->n_objects; i++) {
    uint32_t row = boxes.items[i].index;
    Prior prior = locate (priors, row);
    weir_object_add_landmarks (&result->objects[i], job, prior.x_px, prior.y_px,
        CENTRE_VARIANCE * prior.size_px, rows->points + row * rows->point_step, WEIR_N_FACE_POINTS,
        result->arena);
  }
  return weir_job_attach (job, false, result, error);
}
