/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators that sample pictures at computed places, resolved into numbers: as geometry.h. */
#pragma once

#include "engine/graph/shape.h"

G_BEGIN_DECLS

typedef enum WeirSampleMode {
  WEIR_SAMPLE_LINEAR,
  WEIR_SAMPLE_NEAREST,
  WEIR_SAMPLE_CUBIC,
} WeirSampleMode;

typedef enum WeirSamplePadding {
  WEIR_SAMPLE_ZEROS,
  WEIR_SAMPLE_BORDER,
  WEIR_SAMPLE_REFLECTION,
} WeirSamplePadding;

/* GridSample: src[0] [N, C, spatial…], src[1] [N, spatial of dst…, n_spatial] in -1..1, last axis
 * first. */
typedef struct WeirGridSample {
  WeirSampleMode mode;
  WeirSamplePadding padding;
  bool aligns_corners;
  uint32_t n_spatial; /* 1..3 */
} WeirGridSample;
bool weir_grid_sample_resolve (
    const WeirShapeJob *job, WeirGridSample *grid_sample, GError **error);

/* RoiAlign, and ROIAlign of OpenVINO, whose maximum is that of blended samples and at least 0. */
typedef struct WeirRoiAlign {
  bool is_max, is_half_pixel, blends_first;
  int64_t height, width;
  int64_t n_samples;  /* of a bin along each axis; 0: as many as it has pixels */
  float scale, shift; /* shift: of corners before they are scaled */
} WeirRoiAlign;
bool weir_roi_align_resolve (const WeirShapeJob *job, WeirRoiAlign *roi_align, GError **error);

/* Col2Im: columns of src[0] [N, C * n_block, n_columns] are blocks that slide over the image. */
#define WEIR_MAX_IMAGE_DIMS 6
typedef struct WeirCol2Im {
  uint32_t n_dims;
  int64_t image[WEIR_MAX_IMAGE_DIMS], block[WEIR_MAX_IMAGE_DIMS], columns[WEIR_MAX_IMAGE_DIMS];
  int64_t stride[WEIR_MAX_IMAGE_DIMS], dilation[WEIR_MAX_IMAGE_DIMS], pad[WEIR_MAX_IMAGE_DIMS];
  int64_t n_block; /* product of block */
} WeirCol2Im;
bool weir_col2im_resolve (const WeirShapeJob *job, WeirCol2Im *col2im, GError **error);

G_END_DECLS
