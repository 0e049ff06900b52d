/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PriorBox and PriorBoxClustered: the grid's boxes, in fractions of the image. */
#include "engine/graph/openvino.h"
#include "engine/ref/ref.h"

static void put_box (
    const WeirPriorGrid *grid, const WeirPrior *prior, float x, float y, float *dst)
{
  float width = (float) grid->image_width, height = (float) grid->image_height;
  x += prior->dx;
  y += prior->dy;
  dst[0] = (x - prior->half_width) / width;
  dst[1] = (y - prior->half_height) / height;
  dst[2] = (x + prior->half_width) / width;
  dst[3] = (y + prior->half_height) / height;
  for (int k = 0; k < 4; k++) {
    if (grid->clips || (prior->is_clipped && k < 2))
      dst[k] = MAX (dst[k], 0);
    if (grid->clips || (prior->is_clipped && k >= 2))
      dst[k] = MIN (dst[k], 1);
  }
}

bool weir_ref_ov_prior_box (const WeirShapeJob *job, void *scratch, GError **error)
{
  g_auto (WeirPriorGrid) grid = { 0 };
  if (!weir_prior_grid_resolve (job, &grid, error))
    return false;
  float *dst = weir_ref_dst_f32 (&job->dst[0]), *variance = dst + job->dst[0].dims[1];
  for (int64_t r = 0; r < grid.height; r++)
    for (int64_t c = 0; c < grid.width; c++)
      for (uint32_t i = 0; i < grid.priors->len; i++) {
        put_box (&grid, &g_array_index (grid.priors, WeirPrior, i),
            ((float) c + grid.offset) * grid.step_x, ((float) r + grid.offset) * grid.step_y, dst);
        memcpy (variance, grid.variance, sizeof grid.variance);
        dst += 4;
        variance += 4;
      }
  return true;
}
