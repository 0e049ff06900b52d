/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Candidates gather in a growing array of twice the limit at most: when that is full, the better
 * half stays. The order is total (confidence, index), so what stays does not depend on when it
 * happened. */
#include "engine/post/boxes.h"

#include "engine/post/outputs.h"
#include <float.h>
#include <math.h>

#define FIRST_CAPACITY 64u
/* Far outside any picture; its square is still far inside the range of double. */
#define MAX_COORDINATE_PX 1e9

void weir_boxes_init (WeirBoxes *boxes, const WeirDecodeJob *job, WeirResult *result)
{
  *boxes = (WeirBoxes){ .arena = result->arena,
    .threshold = job->options->threshold,
    .iou_threshold = job->options->iou_threshold };
}

static void keep_best (WeirBoxes *boxes)
{
  if (boxes->n <= WEIR_MAX_CANDIDATES)
    return;
  weir_candidates_sort (boxes->items, boxes->n);
  boxes->n = WEIR_MAX_CANDIDATES;
}

static void make_room (WeirBoxes *boxes)
{
  if (boxes->capacity >= 2 * WEIR_MAX_CANDIDATES) {
    keep_best (boxes);
    return;
  }
  uint32_t capacity =
      boxes->capacity ? MIN (2 * boxes->capacity, 2 * WEIR_MAX_CANDIDATES) : FIRST_CAPACITY;
  WeirCandidate *items = weir_arena_new_array (boxes->arena, WeirCandidate, capacity);
  if (boxes->n)
    memcpy (items, boxes->items, boxes->n * sizeof *items);
  boxes->items = items;
  boxes->capacity = capacity;
}

/* Written so that NaN fails. */
static bool is_near (double v_px)
{
  return fabs (v_px) <= MAX_COORDINATE_PX;
}

void weir_boxes_add (WeirBoxes *boxes, const WeirCandidate *candidate)
{
  if (!(candidate->confidence >= boxes->threshold && candidate->confidence <= FLT_MAX))
    return;
  if (!is_near (candidate->x0) || !is_near (candidate->y0) || !is_near (candidate->x1) ||
      !is_near (candidate->y1))
    return;
  if (candidate->x1 <= candidate->x0 || candidate->y1 <= candidate->y0)
    return;
  if (boxes->n == boxes->capacity)
    make_room (boxes);
  boxes->items[boxes->n++] = *candidate;
}

void weir_boxes_add_centre (WeirBoxes *boxes, double x_px, double y_px, double width_px,
    double height_px, WeirCandidate candidate)
{
  candidate.x0 = x_px - width_px / 2;
  candidate.y0 = y_px - height_px / 2;
  candidate.x1 = x_px + width_px / 2;
  candidate.y1 = y_px + height_px / 2;
  weir_boxes_add (boxes, &candidate);
}

double weir_job_region_x (const WeirDecodeJob *job, double x_px)
{
  return (x_px - job->mapping->offset_x_px) / job->mapping->scale_x / job->region_width_px;
}

double weir_job_region_y (const WeirDecodeJob *job, double y_px)
{
  return (y_px - job->mapping->offset_y_px) / job->mapping->scale_y / job->region_height_px;
}

static double clip (double v)
{
  return fmin (fmax (v, 0), 1);
}

/* False where nothing of it lies in the region. */
static bool place (const WeirDecodeJob *job, const WeirCandidate *candidate, WeirObject *object)
{
  object->x_min = clip (weir_job_region_x (job, candidate->x0));
  object->y_min = clip (weir_job_region_y (job, candidate->y0));
  object->x_max = clip (weir_job_region_x (job, candidate->x1));
  object->y_max = clip (weir_job_region_y (job, candidate->y1));
  return object->x_max > object->x_min && object->y_max > object->y_min;
}

void weir_boxes_finish (
    WeirBoxes *boxes, const WeirDecodeJob *job, const char *label, WeirResult *result)
{
  const WeirDecodeOptions *options = job->options;
  keep_best (boxes);
  uint32_t n = weir_nms (boxes->items, boxes->n, boxes->iou_threshold, options->max_detections);
  result->n_objects = 0;
  if (n == 0)
    return;
  result->objects = weir_arena_new_array (result->arena, WeirObject, n);
  for (uint32_t i = 0; i < n; i++) {
    const WeirCandidate *candidate = &boxes->items[i];
    WeirObject *object = &result->objects[result->n_objects];
    if (!place (job, candidate, object))
      continue;
    object->confidence = fminf (candidate->confidence, 1);
    object->label_id = candidate->label_id;
    object->label = weir_facts_label (job->facts, candidate->label_id, label, result->arena);
    boxes->items[result->n_objects++] = *candidate;
  }
  boxes->n = result->n_objects;
}

static WeirNamedTensor *append_tensor (WeirObject *object, WeirArena *arena)
{
  WeirNamedTensor *tensors = weir_arena_new_array (arena, WeirNamedTensor, object->n_tensors + 1);
  if (object->n_tensors)
    memcpy (tensors, object->tensors, object->n_tensors * sizeof *tensors);
  object->tensors = tensors;
  return &tensors[object->n_tensors++];
}

float *weir_object_add_values (
    WeirObject *object, const char *name, uint32_t rank, const int64_t *dims, WeirArena *arena)
{
  WeirNamedTensor *tensor = append_tensor (object, arena);
  tensor->name = name;
  tensor->rank = rank;
  tensor->is_values = true;
  tensor->n_elements = 1;
  for (uint32_t i = 0; i < rank; i++) {
    tensor->dims[i] = dims[i];
    tensor->n_elements *= (size_t) dims[i];
  }
  return tensor->data = weir_arena_new_array (arena, float, tensor->n_elements);
}

void weir_object_add_points (WeirObject *object, const WeirDecodeJob *job, const char *name,
    const double *points_px, uint32_t n_points, WeirArena *arena)
{
  float *data = weir_arena_new_array (arena, float, (size_t) n_points * 2);
  for (size_t k = 0; k < (size_t) n_points * 2; k += 2) {
    data[k] = (float) weir_job_region_x (job, points_px[k]);
    data[k + 1] = (float) weir_job_region_y (job, points_px[k + 1]);
    if (!isfinite (data[k]) || !isfinite (data[k + 1]))
      return;
  }
  *append_tensor (object, arena) = (WeirNamedTensor){ .name = name,
    .rank = 2,
    .dims = { n_points, 2 },
    .n_elements = (size_t) n_points * 2,
    .data = data };
}

void weir_object_add_landmarks (WeirObject *object, const WeirDecodeJob *job, double x_px,
    double y_px, double unit_px, const float *offsets, uint32_t n_points, WeirArena *arena)
{
  double *points_px = weir_arena_new_array (arena, double, (size_t) n_points * 2);
  for (size_t k = 0; k < (size_t) n_points * 2; k++)
    points_px[k] = (k % 2 ? y_px : x_px) + (double) offsets[k] * unit_px;
  weir_object_add_points (object, job, "landmarks", points_px, n_points, arena);
}

void weir_grid_add_landmarks (const WeirGrid *grid, const float *const *points, uint32_t row,
    const WeirDecodeJob *job, WeirObject *object, WeirArena *arena)
{
  WeirCell cell = weir_grid_locate (grid, row);
  const WeirGridLevel *level = &grid->levels[cell.level];
  double stride_px = level->stride_px;
  weir_object_add_landmarks (object, job, cell.x * stride_px, cell.y * stride_px, stride_px,
      points[cell.level] + (size_t) (row - level->first_row) * 2 * WEIR_N_FACE_POINTS,
      WEIR_N_FACE_POINTS, arena);
}
