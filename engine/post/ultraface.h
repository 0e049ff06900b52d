/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two UltraFace families share: which output is which, and their priors. */
#pragma once

#include "engine/post/grid.h"
#include "engine/post/outputs.h"

G_BEGIN_DECLS

typedef struct WeirUltraface {
  uint32_t scores, boxes; /* which output */
  uint32_t n_rows;        /* of both */
} WeirUltraface;

/* Two outputs, scores [1,P,2] and boxes [1,P,4] in either order. */
bool weir_ultraface_fit (
    const WeirModelFacts *facts, const char *decoder, WeirUltraface *fit, GError **error);
/* Fits, and P is the number of priors at the input's size; *is_raw: the graph is known and does not
 * decode the boxes itself. */
bool weir_ultraface_match (const WeirModelFacts *facts, WeirUltraface *fit, bool *is_raw);
/* One row a prior: strides 8, 16, 32, 64 with 3, 2, 2, 3 box sizes a cell. */
bool weir_ultraface_priors (WeirGrid *grid, uint32_t width_px, uint32_t height_px);
uint32_t weir_ultraface_n_classes (const WeirModelFacts *facts);

G_END_DECLS
