/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which part of a region a network sees, and where in its input that part lies. */
#pragma once

#include "engine/pre/pre.h"

G_BEGIN_DECLS

typedef struct WeirPlace {
  WeirRegion src;                           /* of the frame */
  uint32_t x_px, y_px, width_px, height_px; /* of the network's input; the rest is padding */
} WeirPlace;

/* Region and spec are not empty. */
WeirPlace weir_place (const WeirInputSpec *spec, const WeirRegion *region);

G_END_DECLS
