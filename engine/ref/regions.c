/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RoiAlign (He et al., Mask R-CNN, 2017, as ONNX defines it) and MaxRoiPool (Girshick, Fast R-CNN,
 * 2015). */
#include "engine/graph/sampling.h"
#include "engine/ref/ref.h"

#include <math.h>

/* A plane and one region of it, in its pixels. */
typedef struct Region {
  const float *plane;
  int64_t height, width;
  float top, left, bin_height, bin_width;
  int64_t n_rows, n_columns; /* samples of a bin */
} Region;

/* Samples of one axis that lie in -1..n; the others are 0. `step` apart from `first` on. */
static void clip_samples (
    float first, float step, int64_t n, int64_t n_samples, int64_t *begin, int64_t *end)
{
  *begin = 0;
  *end = n_samples;
  if (!isfinite (first))
    *end = 0;
  if (!isfinite (first) || !(step > 0))
    return;
  /* Two more at each end for rounding: the loop asks again. */
  double low = floor ((-1 - (double) first) / (double) step) - 2;
  double high = ceil (((double) n - (double) first) / (double) step) + 2;
  *begin = (int64_t) CLAMP (low, 0, (double) n_samples);
  *end = (int64_t) CLAMP (high, 0, (double) n_samples);
}

/* Neighbours along an axis and the weight of the second; false outside. */
static bool find_neighbours (float x, int64_t n, int64_t *low, int64_t *high, float *weight)
{
  if (!(x >= -1 && x <= (float) n))
    return false;
  x = MAX (x, 0);
  *low = (int64_t) x;
  *high = *low + 1;
  if (*low >= n - 1) {
    *low = *high = n - 1;
    x = (float) *low;
  }
  *weight = x - (float) *low;
  return true;
}

/* One sample: the blend of four pixels, or the largest of the four weighted. */
static float sample_at (const Region *r, float y, float x, bool blends)
{
  int64_t y0, y1, x0, x1;
  float wy, wx;
  if (!find_neighbours (y, r->height, &y0, &y1, &wy) ||
      !find_neighbours (x, r->width, &x0, &x1, &wx))
    return 0;
  float a = (1 - wy) * (1 - wx) * r->plane[y0 * r->width + x0];
  float b = (1 - wy) * wx * r->plane[y0 * r->width + x1];
  float c = wy * (1 - wx) * r->plane[y1 * r->width + x0];
  float d = wy * wx * r->plane[y1 * r->width + x1];
  return blends ? a + b + c + d : fmaxf (fmaxf (a, b), fmaxf (c, d));
}

static float pool_bin (const WeirRoiAlign *align, const Region *r, int64_t row, int64_t column)
{
  bool blends = align->blends_first || !align->is_max;
  float step_y = r->bin_height / (float) r->n_rows, step_x = r->bin_width / (float) r->n_columns;
  float y0 = r->top + (float) row * r->bin_height, x0 = r->left + (float) column * r->bin_width;
  int64_t rows[2], columns[2];
  double sum = 0;
  clip_samples (y0, step_y, r->height, r->n_rows, &rows[0], &rows[1]);
  clip_samples (x0, step_x, r->width, r->n_columns, &columns[0], &columns[1]);
  bool is_whole = rows[1] - rows[0] == r->n_rows && columns[1] - columns[0] == r->n_columns;
  float largest = is_whole && !align->blends_first ? -INFINITY : 0; /* those left out are 0 */
  for (int64_t i = rows[0]; i < rows[1]; i++)
    for (int64_t j = columns[0]; j < columns[1]; j++) {
      float value =
          sample_at (r, y0 + ((float) i + 0.5f) * step_y, x0 + ((float) j + 0.5f) * step_x, blends);
      sum += (double) value;
      largest = fmaxf (largest, value);
    }
  double count = MAX ((double) r->n_rows * (double) r->n_columns, 1);
  if (align->is_max)
    return r->n_rows && r->n_columns ? largest : 0;
  return (float) (sum / count);
}

/* As many samples as the bin has pixels, none where that is no number. */
static int64_t count_samples (float bin, int64_t given)
{
  if (given > 0)
    return given;
  return bin > 0 && bin < 0x1p40f ? (int64_t) ceilf (bin) : 0;
}

static void set_region (const WeirRoiAlign *r, const float *roi, Region *region)
{
  float shift = r->is_half_pixel ? 0.5f : 0;
  float height = (roi[3] + r->shift) * r->scale - shift;
  float width = (roi[2] + r->shift) * r->scale - shift;
  region->left = (roi[0] + r->shift) * r->scale - shift;
  region->top = (roi[1] + r->shift) * r->scale - shift;
  height -= region->top;
  width -= region->left;
  if (!r->is_half_pixel) { /* at least a pixel */
    height = fmaxf (height, 1);
    width = fmaxf (width, 1);
  }
  region->bin_height = height / (float) r->height;
  region->bin_width = width / (float) r->width;
  region->n_rows = count_samples (region->bin_height, r->n_samples);
  region->n_columns = count_samples (region->bin_width, r->n_samples);
}

bool weir_ref_roi_align (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0];
  float *dst = weir_ref_dst_f32 (&job->dst[0]);
  Region region = { .height = src->dims[2], .width = src->dims[3] };
  WeirRoiAlign r;
  int64_t image;
  if (!weir_roi_align_resolve (job, &r, error))
    return false;
  for (int64_t i = 0; weir_ref_n (&job->dst[0]) && i < job->dst[0].dims[0]; i++) {
    if (!weir_ref_index (job, &job->src[2], i, src->dims[0], &image, error))
      return false;
    set_region (&r, weir_ref_f32 (&job->src[1]) + i * 4, &region);
    for (int64_t c = 0; c < src->dims[1]; c++) {
      region.plane = weir_ref_f32 (src) + (image * src->dims[1] + c) * region.height * region.width;
      for (int64_t row = 0; row < r.height; row++)
        for (int64_t column = 0; column < r.width; column++)
          *dst++ = region.height && region.width ? pool_bin (&r, &region, row, column) : 0;
    }
  }
  return true;
}

/* Pixels of bin i of n_bins, of a region of `size` pixels that begins at `first`. */
static void bin_range (
    double first, double size, int64_t i, int64_t n_bins, int64_t n, int64_t *begin, int64_t *end)
{
  double bin = size / (double) n_bins;
  *begin = (int64_t) CLAMP (floor ((double) i * bin) + first, 0, (double) n);
  *end = (int64_t) CLAMP (ceil ((double) (i + 1) * bin) + first, 0, (double) n);
}

static float max_of (
    const float *plane, int64_t width, const int64_t rows[2], const int64_t cols[2])
{
  float largest = rows[0] < rows[1] && cols[0] < cols[1] ? -INFINITY : 0;
  for (int64_t y = rows[0]; y < rows[1]; y++)
    for (int64_t x = cols[0]; x < cols[1]; x++)
      largest = MAX (largest, plane[y * width + x]);
  return largest;
}

/* Corner k of a region: rounded to a pixel, within what numbers can be. */
static double corner (const float *roi, int k, float scale)
{
  double x = round ((double) (roi[k] * scale));
  return isnan (x) ? 0 : CLAMP (x, -0x1p40, 0x1p40);
}

bool weir_ref_max_roi_pool (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  float scale = weir_node_float (job->node, "spatial_scale", 1), *to = weir_ref_dst_f32 (dst);
  int64_t height = src->dims[2], width = src->dims[3], rows[2], cols[2];
  for (int64_t i = 0; weir_ref_n (dst) && i < dst->dims[0]; i++) {
    const float *roi = weir_ref_f32 (&job->src[1]) + i * 5;
    if (!(roi[0] >= 0 && roi[0] < (float) src->dims[0]))
      return weir_job_fail (
          "region %" G_GINT64_FORMAT " is of picture %g, which is not there", i, (double) roi[0]);
    double left = corner (roi, 1, scale), top = corner (roi, 2, scale);
    double n_columns = MAX (corner (roi, 3, scale) - left + 1, 1);
    double n_rows = MAX (corner (roi, 4, scale) - top + 1, 1);
    for (int64_t c = 0; c < src->dims[1]; c++) {
      const float *plane =
          weir_ref_f32 (src) + ((int64_t) roi[0] * src->dims[1] + c) * height * width;
      for (int64_t y = 0; y < dst->dims[2]; y++)
        for (int64_t x = 0; x < dst->dims[3]; x++) {
          bin_range (top, n_rows, y, dst->dims[2], height, &rows[0], &rows[1]);
          bin_range (left, n_columns, x, dst->dims[3], width, &cols[0], &cols[1]);
          *to++ = max_of (plane, width, rows, cols);
        }
    }
  }
  return true;
}
