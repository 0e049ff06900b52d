/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirResult: what one item (a frame or a crop) gave: objects, attributes, tensors. */
#pragma once

#include "export.h"

#include "tensor.h"

WEIR_BEGIN_PUBLIC

typedef enum WeirStatus {
  WEIR_STATUS_INFERRED = 0,
  WEIR_STATUS_SKIPPED,
  WEIR_STATUS_FAILED,
  WEIR_STATUS_REUSED,
} WeirStatus;

/* Strings and arrays below live in the result's arena (labels: in the model) and end with it. */

/* A tensor for the user: plain row-major f32. */
typedef struct WeirNamedTensor {
  const char *name;
  uint32_t rank;
  int64_t dims[WEIR_MAX_RANK];
  size_t n_elements;
  float *data;
  bool is_values; /* of an object: no coordinates, even where the last dim is 2 */
} WeirNamedTensor;

#define WEIR_NO_CLASS (-1) /* label_id of an answer that is no class: a text, a number */

/* One class of a classification, or another answer. */
typedef struct WeirClass {
  const char *label;
  int32_t label_id;
  float confidence; /* 0..1; NAN: the answer has none */
} WeirClass;

/* One named answer of a classifier; classes[0] is the best, at most top-k of them. A result may
 * hold several answers. */
typedef struct WeirAttribute {
  const char *name;
  uint32_t n_classes;
  WeirClass *classes;
} WeirAttribute;

/* One detected object. Corners in 0..1 of the item's picture: while a decoder runs, of its region;
 * in a finished request, of the whole frame. Clipped to 0..1, never empty. */
typedef struct WeirObject {
  double x_min, y_min, x_max, y_max;
  float confidence;
  int32_t label_id;
  const char *label;
  /* Coordinates, [n, 2], in 0..1 as the corners are, unclipped: "landmarks", "keypoints",
   * "rotated_box" (corners, clockwise). Values: "keypoints_confidence" [n], "mask" [h, w], 0..1
   * over the object's box. */
  uint32_t n_tensors;
  WeirNamedTensor *tensors;
} WeirObject;

typedef struct WeirArena WeirArena;

/* Thread-safety: one thread at a time. */
typedef struct WeirResult {
  WeirStatus status;
  const char *reason; /* why it is not inferred; NULL else */
  uint32_t n_objects;
  WeirObject *objects;
  uint32_t n_attributes;
  WeirAttribute *attributes;
  /* Of the whole item: outputs of the network; "segmentation" [h, w], numbers of classes;
   * "keypoints" [n, 2] with "keypoints_confidence" [n]. Coordinates are in 0..1 of the item's
   * region always. */
  uint32_t n_tensors;
  WeirNamedTensor *tensors;
  WeirArena *arena; /* owns all of the above, reset when the request is reused */
} WeirResult;

const char *weir_status_name (WeirStatus status);

WEIR_END_PUBLIC
