/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The heads of YOLO v2 to v7 that leave boxes relative to anchors: per stride a map of cells with a
 * few anchors each, of every anchor x, y, w, h, objectness and class scores.
 *
 * With s the sigmoid: x = (k · s (tx) - (k - 1) / 2 + column) · stride; w = exp (tw) · anchor, or
 * (2 s (tw))² · anchor from v5 on, where k is 2. Redmon and Farhadi 2017 and 2018; k: Bochkovskiy,
 * Wang and Liao 2020. */
#pragma once

#include "engine/post/boxes.h"

G_BEGIN_DECLS

#define WEIR_MAX_REGIONS 4u
#define WEIR_MAX_ANCHORS 9u /* of a cell */

/* Of COCO at strides 8, 16, 32: v3's, which v5 took over, and v4's, which v7 did. */
#define WEIR_ANCHORS_V3                                                                       \
  {                                                                                           \
    { 10, 13, 16, 30, 33, 23 }, { 30, 61, 62, 45, 59, 119 }, { 116, 90, 156, 198, 373, 326 }, \
  }
#define WEIR_ANCHORS_V4                                                                        \
  {                                                                                            \
    { 12, 16, 19, 36, 40, 28 }, { 36, 75, 76, 55, 72, 146 }, { 142, 110, 192, 243, 459, 401 }, \
  }

/* What a family publishes for its networks on COCO, finest stride first. */
typedef struct WeirRegionFamily {
  const char *name; /* decoder, for messages */
  uint32_t n_levels, n_per_cell;
  bool has_squares;      /* w = (2 s (tw))² · anchor */
  bool has_softmax;      /* of the classes; else a sigmoid each */
  bool has_cell_anchors; /* anchors are in cells, not in pixels */
  float scale_xy[WEIR_MAX_REGIONS];
  float anchors[WEIR_MAX_REGIONS][2 * WEIR_MAX_ANCHORS];
} WeirRegionFamily;

typedef struct WeirRegionLevel {
  uint32_t output, stride_px, width, height;
  size_t anchor_step, column_step, y_step, x_step; /* in values */
  double scale_xy;
  double anchors_px[WEIR_MAX_ANCHORS][2];
} WeirRegionLevel;

/* Thread-safety: a value. Levels stand finest stride first, whatever the order of the outputs. */
typedef struct WeirRegions {
  uint32_t n_levels, n_per_cell, n_classes;
  WeirRegionLevel levels[WEIR_MAX_REGIONS];
  bool is_box_raw, is_score_raw; /* the sigmoid is still to be done */
  bool has_softmax, has_squares; /* as in the family */
  bool is_softmax_raw;
  float iou_threshold; /* what a model-proc file says; NAN: nothing */
} WeirRegions;

/* All outputs as maps of n_per_cell anchors: [1,A·(5 + C),H,W], [1,H,W,A·(5 + C)], [1,A,H,W,5 + C],
 * [1,H,W,A,5 + C]; a RegionYolo that has flattened its only map: [1,A·(5 + C)·H·W]. Only shapes are
 * looked at; anchors are not set. */
bool weir_regions_fit (const WeirModelFacts *facts, uint32_t n_per_cell, uint32_t width_px,
    uint32_t height_px, WeirRegions *regions, const char *decoder, GError **error);
/* True where the number of classes is 80, 20 or 1, that of the labels, or could not be that of a
 * feature map. */
bool weir_regions_is_plausible (const WeirModelFacts *facts, const WeirRegions *regions);
/* Fits, then takes anchors and the rest from the model-proc file and metadata "weir.anchors" and
 * "weir.masks", else from the family: the one of n_families that has as many levels as the model
 * has outputs, or the first. Newly allocated (g_free); NULL and an error. */
WeirRegions *weir_regions_new (const WeirModelFacts *facts, const WeirRegionFamily *families,
    uint32_t n_families, const WeirInputSpec *input, GError **error);
/* job->state is a WeirRegions. */
bool weir_regions_decode (const WeirDecodeJob *job, WeirResult *result, GError **error);
/* WeirDecoder.n_classes of maps with n_per_cell anchors. */
uint32_t weir_regions_n_classes (const WeirModelFacts *facts, uint32_t n_per_cell);

G_END_DECLS
