/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirBoxes: the candidates of one picture, and how they become the objects of its result. */
#pragma once

#include "engine/post/decoder.h"
#include "engine/post/grid.h"

G_BEGIN_DECLS

/* Of more candidates only this many survive, the best. */
#define WEIR_MAX_CANDIDATES 30000u

/* Thread-safety: one thread. Memory is the result's arena. */
typedef struct WeirBoxes {
  WeirArena *arena;
  WeirCandidate *items;
  uint32_t n, capacity;
  float threshold;
  float iou_threshold; /* the caller's; a decoder sets WEIR_NO_NMS where the network has done it */
} WeirBoxes;

/* No two boxes overlap more than that. */
#define WEIR_NO_NMS 2.0f

void weir_boxes_init (WeirBoxes *boxes, const WeirDecodeJob *job, WeirResult *result);
/* Coordinates in network input pixels. Dropped: under the threshold, empty, NaN, infinite or
 * absurdly far away. */
void weir_boxes_add (WeirBoxes *boxes, const WeirCandidate *candidate);
/* The same for a box given by its centre. */
void weir_boxes_add_centre (WeirBoxes *boxes, double x_px, double y_px, double width_px,
    double height_px, WeirCandidate candidate);
/* Suppression, then result->objects. Afterwards items[i] is the candidate of objects[i].
 * `label` is the class's name where the model has no labels; NULL: its number. */
void weir_boxes_finish (
    WeirBoxes *boxes, const WeirDecodeJob *job, const char *label, WeirResult *result);

/* A point of the network's input in 0..1 of the region, unclipped. */
double weir_job_region_x (const WeirDecodeJob *job, double x_px);
double weir_job_region_y (const WeirDecodeJob *job, double y_px);

/* Gives the object a tensor [n_points, 2] of points x, y that are in pixels of the network's input;
 * none where one of them is not finite. `name` is static. */
void weir_object_add_points (WeirObject *object, const WeirDecodeJob *job, const char *name,
    const double *points_px, uint32_t n_points, WeirArena *arena);

/* Landmarks of a face: eyes, nose, corners of the mouth. */
#define WEIR_N_FACE_POINTS 5u

/* The same as tensor `landmarks` for points that are given as x, y from one place of the network's
 * input, in units of `unit_px`. */
void weir_object_add_landmarks (WeirObject *object, const WeirDecodeJob *job, double x_px,
    double y_px, double unit_px, const float *offsets, uint32_t n_points, WeirArena *arena);

/* The same for a face that row `row` of the grid gave; points[i]: the table of level i, offsets
 * from the cell's upper left corner in strides. */
void weir_grid_add_landmarks (const WeirGrid *grid, const float *const *points, uint32_t row,
    const WeirDecodeJob *job, WeirObject *object, WeirArena *arena);

/* Appends a tensor of values that are no coordinates, zeroed; its data. `name` is static. */
float *weir_object_add_values (
    WeirObject *object, const char *name, uint32_t rank, const int64_t *dims, WeirArena *arena);

/* nms.c: best first, at equal confidence the lower index. In place, without allocation. */
void weir_candidates_sort (WeirCandidate *candidates, uint32_t n);

G_END_DECLS
