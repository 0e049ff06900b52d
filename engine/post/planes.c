/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layouts of planes, and where the region lies in them. */
#include "engine/post/planes.h"

#include "engine/post/outputs.h"
#include <math.h>

/* Larger ones are no picture; it keeps products within 64 bits. */
#define MAX_SIZE_PX  65535
#define MAX_N_PLANES 65535

static bool set_planes (
    WeirPlanes *planes, int64_t n, int64_t height, int64_t width, bool is_channels_last)
{
  if (n < 1 || height < 1 || width < 1 || n > MAX_N_PLANES || height > MAX_SIZE_PX ||
      width > MAX_SIZE_PX)
    return false;
  *planes =
      (WeirPlanes){ .n = (uint32_t) n, .width = (uint32_t) width, .height = (uint32_t) height };
  planes->pixel_step = is_channels_last ? planes->n : 1;
  planes->row_step = planes->pixel_step * planes->width;
  planes->plane_step = is_channels_last ? 1 : planes->row_step * planes->height;
  return true;
}

/* Pictures of the model have their channels last, or this output has the size of the input when it
 * is read so and has not when it is not. */
static bool is_channels_last (const WeirModelFacts *facts, const int64_t *dims)
{
  uint32_t width_px, height_px;
  if (!weir_facts_input_size (facts, &width_px, &height_px))
    return false;
  const int64_t *input = facts->inputs[facts->picture].dims;
  if (input[1] == height_px && input[2] == width_px && (input[3] == 3 || input[3] == 1))
    return !(dims[2] == height_px && dims[3] == width_px);
  return dims[1] == height_px && dims[2] == width_px && dims[3] != width_px;
}

bool weir_facts_is_planes (const WeirModelFacts *facts, uint32_t k, WeirPlanes *planes)
{
  const WeirTensor *output = &facts->outputs[k];
  const int64_t *dims = output->dims;
  if (output->rank == 2)
    return set_planes (planes, 1, dims[0], dims[1], false);
  if (output->rank == 3)
    return dims[0] == 1 && set_planes (planes, 1, dims[1], dims[2], false);
  if (output->rank != 4 || dims[0] != 1)
    return false;
  if (is_channels_last (facts, dims))
    return set_planes (planes, dims[3], dims[1], dims[2], true);
  return set_planes (planes, dims[1], dims[2], dims[3], false);
}

bool weir_planes_are_full (const WeirModelFacts *facts, const WeirPlanes *planes)
{
  uint32_t width_px, height_px;
  return weir_facts_input_size (facts, &width_px, &height_px) && planes->width == width_px &&
         planes->height == height_px;
}

/* Of a line of n pixels of the planes, `ratio` of them for a pixel of the input. */
static void cut (
    uint32_t n, double ratio, double first_px, double n_px, uint32_t *start, uint32_t *length)
{
  double low = rint (first_px * ratio), high = rint ((first_px + n_px) * ratio);
  low = fmin (fmax (low, 0), n - 1.0);
  high = fmin (fmax (high, low + 1), n);
  *start = (uint32_t) low;
  *length = (uint32_t) (high - low);
}

WeirPlanesPart weir_planes_part (const WeirPlanes *planes, const WeirDecodeJob *job)
{
  WeirPlanesPart part;
  const WeirMapping *mapping = job->mapping;
  cut (planes->width, (double) planes->width / job->input->width_px, mapping->offset_x_px,
      job->region_width_px * mapping->scale_x, &part.x, &part.width);
  cut (planes->height, (double) planes->height / job->input->height_px, mapping->offset_y_px,
      job->region_height_px * mapping->scale_y, &part.y, &part.height);
  return part;
}
