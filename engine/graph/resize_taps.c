/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/graph/resize_taps.h"

#include <math.h>

bool weir_resize_has_taps (const WeirShapeJob *job, WeirResize *resize)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  if ((src->rank != 3 && src->rank != 4) || src->dims[0] != dst->dims[0] ||
      src->dims[1] != dst->dims[1] || !weir_resize_resolve (job, resize, NULL) ||
      resize->mode == WEIR_RESIZE_CUBIC || resize->coordinates == WEIR_RESIZE_TF_CROP_AND_RESIZE)
    return false;
  for (uint32_t i = 0; i < src->rank; i++)
    if (resize->src[i] != src->dims[i])
      return false;
  if (resize->mode == WEIR_RESIZE_NEAREST)
    return true;
  for (uint32_t i = 2; i < src->rank; i++)
    if (resize->exclude_outside || (resize->antialias && resize->scale[i] < 1))
      return false;
  return true;
}

static double round_nearest (const WeirResize *resize, uint32_t axis, double x)
{
  WeirResizeNearest rounding = resize->nearest;
  if (rounding == WEIR_RESIZE_SIMPLE)
    rounding = resize->scale[axis] < 1 ? WEIR_RESIZE_CEIL : WEIR_RESIZE_FLOOR;
  switch (rounding) {
  case WEIR_RESIZE_CEIL:
    return ceil (x);
  case WEIR_RESIZE_FLOOR:
    return floor (x);
  case WEIR_RESIZE_ROUND_PREFER_CEIL:
    return floor (x + 0.5);
  default:
    return ceil (x - 0.5);
  }
}

void weir_resize_fill_taps (
    const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t n_dst, WeirResizeTap *taps)
{
  for (int64_t j = 0; j < n_dst; j++) {
    double x = n_src == n_dst ? (double) j : weir_resize_coordinate (resize, axis, n_src, j);
    if (resize->mode == WEIR_RESIZE_NEAREST && n_src != n_dst)
      x = round_nearest (resize, axis, x);
    x = CLAMP (x, 0.0, (double) (n_src - 1));
    taps[j].first = (int64_t) x;
    taps[j].second = MIN (taps[j].first + 1, n_src - 1);
    taps[j].weight = (float) (x - floor (x));
  }
}
