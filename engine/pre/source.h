/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pixel formats as the kernels see them: which planes hold which samples. */
#pragma once

#include "engine/pre/pre.h"
#include "kernels/pixel.h"

G_BEGIN_DECLS

typedef struct WeirSourcePlane {
  uint8_t index;            /* in WeirFrame.planes */
  uint8_t x_shift, y_shift; /* subsampling; odd sizes are rounded up */
  uint8_t unit_bytes;       /* of one (subsampled) column */
} WeirSourcePlane;

typedef struct WeirSource {
  WeirSampleFormat samples;
  uint32_t n_bits;
  WeirSourcePlane planes[WEIR_MAX_PLANES]; /* in the kernels' order; unit_bytes 0 ends */
} WeirSource;

/* NULL where the format is unknown. */
const WeirSource *weir_source_find (WeirPixelFormat format);

void weir_source_code (const WeirSource *source, const WeirFrame *frame, WeirColorCode *code);

/* Rows of the planes that hold picture row y_px. */
void weir_source_rows (
    const WeirSource *source, const WeirFrame *frame, uint32_t y_px, const uint8_t *rows[3]);

G_END_DECLS
