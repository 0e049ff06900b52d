/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boxes as four distances from a point, each a distribution over bins whose mean it is (generalised
 * focal loss, Li et al. 2020). */
#pragma once

#include "engine/post/decoder.h"

G_BEGIN_DECLS

/* The corners of a candidate from 4 × n_bins numbers: left, top, right, bottom in strides, clipped
 * to the input. NaN stays. */
void weir_distances_place (const float *bins, uint32_t n_bins, double x_px, double y_px,
    double stride_px, const WeirInputSpec *input, WeirCandidate *candidate);

G_END_DECLS
