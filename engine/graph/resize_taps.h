/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resizing nearest and linear as tables: which places of the source a place of the result is made
 * of, axis by axis. */
#pragma once

#include "engine/graph/geometry.h"

G_BEGIN_DECLS

/* Places of the source along an axis, and the weight of the second (the first has the rest). */
typedef struct WeirResizeTap {
  int64_t first, second;
  float weight;
} WeirResizeTap;

/* True where tables over the last one or two of 3 or 4 dims say it all: src[0] is resized as a
 * whole, nearest or linear, and nothing beyond its ends is looked at. */
bool weir_resize_has_taps (const WeirShapeJob *job, WeirResize *resize);
/* Those of axis `axis`, one for each place of the result, from a size to the other. */
void weir_resize_fill_taps (
    const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t n_dst, WeirResizeTap *taps);

G_END_DECLS
