/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WeirPlanes: an output that is a picture of several planes: heatmaps, class scores, prototypes. */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

/* Thread-safety: a value. */
typedef struct WeirPlanes {
  uint32_t n, width, height;
  size_t plane_step, row_step, pixel_step; /* in values */
} WeirPlanes;

/* Output k as planes: [1,C,h,w]; [1,h,w,C] where the picture's channels are its last dim too, or h
 * and w are those of the input; [1,h,w] and [h,w]: one plane. False for anything else. */
bool weir_facts_is_planes (const WeirModelFacts *facts, uint32_t k, WeirPlanes *planes);
/* True where the planes are as large as the input. */
bool weir_planes_are_full (const WeirModelFacts *facts, const WeirPlanes *planes);

static inline size_t weir_planes_n_values (const WeirPlanes *planes)
{
  return (size_t) planes->n * planes->width * planes->height;
}

/* The part of the planes that shows the region, without the borders of a letterbox; at least one
 * pixel. */
typedef struct WeirPlanesPart {
  uint32_t x, y, width, height;
} WeirPlanesPart;
WeirPlanesPart weir_planes_part (const WeirPlanes *planes, const WeirDecodeJob *job);

G_END_DECLS
