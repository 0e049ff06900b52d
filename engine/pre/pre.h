/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preprocessing: a region of a frame becomes one row of a network's input, in one fused pass.
 *
 * Definition (shared/golden: bilinear, half-pixel centres, edge pixels repeated, no antialiasing):
 * every source pixel the filter touches is converted to 8-bit R, G, B (Y'CbCr by the frame's matrix
 * and range in real numbers, P010 by its 10-bit range, each chroma sample serving its whole block,
 * rounded to nearest, halves up, clamped); the interpolated value is 8 bits, by the
 * fixed-point arithmetic of OpenCV's INTER_LINEAR (weights of 11 bits; kernels/pixel.h); gray =
 * 0.299 R + 0.587 G + 0.114 B of the 8-bit pixels, rounded; then x' = (x - mean[c]) * scale[c]. The
 * region alone is seen: its edges repeat, nothing outside it. */
#pragma once

#include "engine/error.h"
#include "engine/frame.h"
#include "engine/tensor.h"

G_BEGIN_DECLS

typedef enum WeirColor { WEIR_COLOR_RGB = 0, WEIR_COLOR_BGR, WEIR_COLOR_GRAY } WeirColor;

typedef enum WeirResize {
  WEIR_RESIZE_STRETCH = 0,
  WEIR_RESIZE_LETTERBOX_TOP_LEFT, /* nw = min (in_w, W · in_h div H), nh likewise, at (0, 0) */
  WEIR_RESIZE_LETTERBOX_CENTRE,   /* the same size, centred (odd remainder: one more after) */
  WEIR_RESIZE_CROP,               /* the largest centred part of the network's aspect */
} WeirResize;

/* What a network wants of a picture. Channels: 3 or 1. Mean and scale in the network's channel
 * order. */
typedef struct WeirInputSpec {
  uint32_t width_px, height_px, n_channels;
  WeirColor color;
  WeirResize resize;
  float mean[3], scale[3];
  uint8_t pad; /* 0..255, before mean and scale: what letterboxing fills with */
} WeirInputSpec;

/* Where the picture lies in the network's input, to invert it: input = region · scale + offset, in
 * pixels with edges at whole numbers (region x = 0 is its left edge). */
typedef struct WeirMapping {
  double scale_x, scale_y, offset_x_px, offset_y_px;
} WeirMapping;

void weir_pre_mapping (const WeirInputSpec *spec, const WeirRegion *region, WeirMapping *mapping);

/* Checks a frame and a region against each other: format known, planes there, strides large enough,
 * region inside the frame and not empty. Errors: OPTION, naming the numbers. */
bool weir_pre_check (const WeirFrame *frame, const WeirRegion *region, GError **error);

/* Thread-safety: one thread at a time. Tables and row buffers, grown when needed, kept. */
typedef struct WeirPre WeirPre;

WeirPre *weir_pre_new (const WeirInputSpec *spec);
void weir_pre_free (WeirPre *pre);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirPre, weir_pre_free)

/* Writes row `row` of `input` ([n, c, h, w]; F32, BF16 or U8 — U8 without mean and scale; plain or
 * channels-last). Frame and region must have passed weir_pre_check. Allocates only when a size is
 * larger than any before. */
void weir_pre_run (WeirPre *pre, const WeirFrame *frame, const WeirRegion *region,
    const WeirTensor *input, uint32_t row);

G_END_DECLS
