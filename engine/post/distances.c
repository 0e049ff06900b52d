/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The greatest bin is taken off before exp, so that nothing overflows. */
#include "engine/post/distances.h"

#include "engine/post/outputs.h"
#include <math.h>

/* Σ k · softmax (bins)[k] of n bins; NaN where they are not finite. */
static double mean (const float *bins, uint32_t n)
{
  float greatest;
  double sum = 0, weighted = 0;
  weir_argmax (bins, n, 1, &greatest);
  for (uint32_t k = 0; k < n; k++) {
    double weight = exp ((double) bins[k] - (double) greatest);
    sum += weight;
    weighted += k * weight;
  }
  return weighted / sum;
}

static double clip (double v, double most)
{
  return isnan (v) ? v : fmin (fmax (v, 0), most);
}

void weir_distances_place (const float *bins, uint32_t n_bins, double x_px, double y_px,
    double stride_px, const WeirInputSpec *input, WeirCandidate *candidate)
{
  double side[4], width = input->width_px, height = input->height_px;
  for (uint32_t k = 0; k < G_N_ELEMENTS (side); k++)
    side[k] = stride_px * mean (bins + (size_t) k * n_bins, n_bins);
  candidate->x0 = clip (x_px - side[0], width);
  candidate->y0 = clip (y_px - side[1], height);
  candidate->x1 = clip (x_px + side[2], width);
  candidate->y1 = clip (y_px + side[3], height);
}
