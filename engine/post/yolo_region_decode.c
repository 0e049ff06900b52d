/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objectness is looked at first, in the domain the network gives it in; what is left is little. */
#include "engine/post/outputs.h"
#include "engine/post/yolo_region.h"

#include <math.h>

enum { X, Y, WIDTH, HEIGHT, OBJECTNESS, FIRST_CLASS };

/* One anchor of one cell. */
typedef struct Site {
  const float *values;
  size_t step;
  uint32_t column, row, anchor;
} Site;

static double value_at (const Site *site, uint32_t column)
{
  return (double) site->values[column * site->step];
}

/* Objectness × best class; NaN where one of them is not finite. */
static float rate (const WeirRegions *regions, const Site *site, int32_t *label_id)
{
  float best;
  const float *classes = site->values + FIRST_CLASS * site->step;
  *label_id = (int32_t) weir_argmax (classes, regions->n_classes, site->step, &best);
  double objectness = value_at (site, OBJECTNESS), class_score = (double) best;
  if (!isfinite (objectness) || !isfinite (class_score))
    return NAN;
  if (regions->is_softmax_raw)
    class_score = weir_softmax_of_best (classes, regions->n_classes, site->step, best);
  else if (regions->is_score_raw)
    class_score = weir_sigmoid (class_score);
  return (float) ((regions->is_score_raw ? weir_sigmoid (objectness) : objectness) * class_score);
}

static double size_of (const WeirRegions *regions, double v, double anchor_px)
{
  if (!regions->has_squares)
    return exp (v) * anchor_px;
  double doubled = 2 * (regions->is_box_raw ? weir_sigmoid (v) : v);
  return doubled * doubled * anchor_px;
}

static void add_site (const WeirRegions *regions, const WeirRegionLevel *level, const Site *site,
    uint32_t index, WeirBoxes *boxes)
{
  const double *anchor_px = level->anchors_px[site->anchor];
  double k = level->scale_xy, x = value_at (site, X), y = value_at (site, Y);
  WeirCandidate candidate = { .index = index };
  candidate.confidence = rate (regions, site, &candidate.label_id);
  if (!(candidate.confidence >= boxes->threshold))
    return;
  x = k * (regions->is_box_raw ? weir_sigmoid (x) : x) - (k - 1) / 2 + site->column;
  y = k * (regions->is_box_raw ? weir_sigmoid (y) : y) - (k - 1) / 2 + site->row;
  weir_boxes_add_centre (boxes, x * level->stride_px, y * level->stride_px,
      size_of (regions, value_at (site, WIDTH), anchor_px[0]),
      size_of (regions, value_at (site, HEIGHT), anchor_px[1]), candidate);
}

/* The least objectness, as the network gives it, that can reach the threshold: the classes are at
 * most 1. A little less, for rounding. */
static float least_objectness (const WeirRegions *regions, float threshold)
{
  if (!regions->is_score_raw)
    return threshold;
  if (threshold <= 0)
    return -INFINITY;
  return threshold < 1 ? logf (threshold / (1 - threshold)) - 0.01f : 0;
}

static uint32_t add_anchor (const WeirRegions *regions, const WeirRegionLevel *level,
    const float *values, uint32_t anchor, uint32_t index, WeirBoxes *boxes)
{
  float least = least_objectness (regions, boxes->threshold);
  for (uint32_t y = 0; y < level->height; y++)
    for (uint32_t x = 0; x < level->width; x++, index++) {
      Site site = { .values = values + anchor * level->anchor_step + y * level->y_step +
                              x * level->x_step,
        .step = level->column_step,
        .column = x,
        .row = y,
        .anchor = anchor };
      if (site.values[OBJECTNESS * site.step] >= least)
        add_site (regions, level, &site, index, boxes);
    }
  return index;
}

bool weir_regions_decode (const WeirDecodeJob *job, WeirResult *result, GError **error)
{
  const WeirRegions *regions = job->state;
  uint32_t index = 0;
  WeirBoxes boxes;
  weir_boxes_init (&boxes, job, result);
  if (isfinite (regions->iou_threshold) && boxes.iou_threshold == WEIR_IOU_THRESHOLD_DEFAULT)
    boxes.iou_threshold = regions->iou_threshold;
  for (uint32_t i = 0; i < regions->n_levels; i++) {
    const WeirRegionLevel *level = &regions->levels[i];
    size_t n = (size_t) level->width * level->height * regions->n_per_cell *
               (FIRST_CLASS + regions->n_classes);
    const float *values = weir_job_f32 (job, level->output, n, result->arena, error);
    if (!values)
      return false;
    for (uint32_t anchor = 0; anchor < regions->n_per_cell; anchor++)
      index = add_anchor (regions, level, values, anchor, index, &boxes);
  }
  weir_boxes_finish (&boxes, job, NULL, result);
  return weir_job_attach (job, false, result, error);
}
