/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ROIPooling (Girshick, Fast R-CNN, 2015), PSROIPooling (Dai et al., R-FCN, 2016) and its
 * deformable kind (Dai et al., Deformable Convolutional Networks, 2017). Regions are image, x0, y0,
 * x1, y1. */
#include "engine/graph/openvino.h"
#include "engine/ref/ref.h"

#include <math.h>

/* One channel of one image. */
typedef struct Plane {
  const float *data;
  int64_t height, width;
} Plane;

/* Numbers of files and networks as places that fit an int64_t. */
static int64_t to_place (float x)
{
  return isnan (x) ? 0 : (int64_t) CLAMP (x, -0x1p40f, 0x1p40f);
}

/* The image of a region; false: there is none, the list has ended. */
static bool find_image (
    const WeirShapeJob *job, const float *roi, int64_t *image, bool *has_ended, GError **error)
{
  *has_ended = roi[0] < 0;
  *image = to_place (roi[0]);
  if (*has_ended || *image < job->src[0].dims[0])
    return true;
  return weir_job_fail (
      "a region is of image %g of %" G_GINT64_FORMAT, (double) roi[0], job->src[0].dims[0]);
}

static Plane find_plane (const WeirTensor *src, int64_t image, int64_t channel)
{
  int64_t n = src->dims[2] * src->dims[3];
  return (Plane){ weir_ref_f32 (src) + (image * src->dims[1] + channel) * n, src->dims[2],
    src->dims[3] };
}

/* Between four pixels; x and y lie inside the plane, but for the rounding of its size to a float.
 */
static float blend (const Plane *plane, float y, float x)
{
  int64_t top = MIN ((int64_t) floorf (y), plane->height - 1);
  int64_t left = MIN ((int64_t) floorf (x), plane->width - 1);
  int64_t bottom = MIN ((int64_t) ceilf (y), plane->height - 1);
  int64_t right = MIN ((int64_t) ceilf (x), plane->width - 1);
  const float *upper = plane->data + top * plane->width,
              *lower = plane->data + bottom * plane->width;
  float dx = x - (float) left, dy = y - (float) top;
  float a = upper[left] + (upper[right] - upper[left]) * dx;
  float b = lower[left] + (lower[right] - lower[left]) * dx;
  return a + (b - a) * dy;
}

/* --- ROIPooling --- */

/* Pixels of bin i of n, of `size` pixels from `first` on, within 0..limit. */
static void find_range (
    int64_t first, int64_t size, int64_t i, int64_t n, int64_t limit, int64_t range[2])
{
  float bin = (float) size / (float) n;
  range[0] = CLAMP ((int64_t) floorf ((float) i * bin) + first, 0, limit);
  range[1] = CLAMP ((int64_t) ceilf ((float) (i + 1) * bin) + first, 0, limit);
}

static float find_largest (const Plane *plane, const int64_t rows[2], const int64_t columns[2])
{
  float largest = rows[0] < rows[1] && columns[0] < columns[1] ? -G_MAXFLOAT : 0;
  for (int64_t y = rows[0]; y < rows[1]; y++)
    for (int64_t x = columns[0]; x < columns[1]; x++)
      largest = MAX (largest, plane->data[y * plane->width + x]);
  return largest;
}

static void pool_largest (
    const Plane *plane, const float *roi, float scale, const WeirTensor *dst, float *to)
{
  int64_t corner[5], rows[2], columns[2];
  for (int k = 1; k < 5; k++)
    corner[k] = to_place (roundf (roi[k] * scale));
  int64_t width = MAX (corner[3] - corner[1] + 1, 1), height = MAX (corner[4] - corner[2] + 1, 1);
  for (int64_t y = 0; y < dst->dims[2]; y++)
    for (int64_t x = 0; x < dst->dims[3]; x++) {
      find_range (corner[2], height, y, dst->dims[2], plane->height, rows);
      find_range (corner[1], width, x, dst->dims[3], plane->width, columns);
      *to++ = find_largest (plane, rows, columns);
    }
}

/* Place i of n between two fractions of a side of `size` pixels: from end to end. */
static float spread (float begin, float end, int64_t i, int64_t n, int64_t size)
{
  float last = (float) (size - 1);
  if (n == 1)
    return (begin + end) * last / 2;
  if (i == n - 1)
    return end * last;
  return (float) i * ((end - begin) * last / (float) (n - 1)) + begin * last;
}

static void pool_blended (const Plane *plane, const float *roi, const WeirTensor *dst, float *to)
{
  for (int64_t i = 0; i < dst->dims[2]; i++)
    for (int64_t j = 0; j < dst->dims[3]; j++) {
      float y = spread (roi[2], roi[4], i, dst->dims[2], plane->height);
      float x = spread (roi[1], roi[3], j, dst->dims[3], plane->width);
      bool is_inside =
          y >= 0 && x >= 0 && y <= (float) (plane->height - 1) && x <= (float) (plane->width - 1);
      *to++ = is_inside ? blend (plane, y, x) : 0;
    }
}

/* Rows from that of the first region without an image on are 0. */
bool weir_ref_ov_roi_pooling (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *rois = &job->src[1], *dst = &job->dst[0];
  bool is_max = g_ascii_strcasecmp (weir_node_string (job->node, "method", "max"), "max") == 0;
  float scale = weir_ov_float (job->node, "spatial_scale", 1), *to = weir_ref_dst_f32 (dst);
  int64_t n_cells = dst->dims[2] * dst->dims[3], image;
  bool has_ended = false;
  memset (to, 0, (size_t) weir_ref_n (dst) * sizeof *to);
  for (int64_t i = 0; i < rois->dims[0] && src->dims[2] && src->dims[3]; i++) {
    const float *roi = weir_ref_f32 (rois) + i * 5;
    if (!find_image (job, roi, &image, &has_ended, error))
      return false;
    for (int64_t c = 0; c < dst->dims[1] && !has_ended; c++, to += n_cells) {
      Plane plane = find_plane (src, image, c);
      if (is_max)
        pool_largest (&plane, roi, scale, dst, to);
      else
        pool_blended (&plane, roi, dst, to);
    }
    if (has_ended)
      break;
  }
  return true;
}

/* --- PSROIPooling --- */

/* Every cell of the result has a channel of its own. */
static float average_cell (
    const WeirPsRoi *r, const Plane *plane, const float *roi, int64_t row, int64_t column)
{
  float x0 = roundf (roi[1]) * r->scale, y0 = roundf (roi[2]) * r->scale;
  float width = ((roundf (roi[3]) + 1) * r->scale - x0) / (float) r->group;
  float height = ((roundf (roi[4]) + 1) * r->scale - y0) / (float) r->group;
  int64_t left = CLAMP (to_place (floorf (x0 + (float) column * width)), 0, plane->width - 1);
  int64_t top = CLAMP (to_place (floorf (y0 + (float) row * height)), 0, plane->height - 1);
  int64_t right = CLAMP (to_place (ceilf (x0 + (float) (column + 1) * width)), 0, plane->width);
  int64_t bottom = CLAMP (to_place (ceilf (y0 + (float) (row + 1) * height)), 0, plane->height);
  float sum = 0;
  for (int64_t y = top; y < bottom; y++)
    for (int64_t x = left; x < right; x++)
      sum += plane->data[y * plane->width + x];
  return right > left && bottom > top ? sum / (float) ((right - left) * (bottom - top)) : 0;
}

/* The place of cell i in bin k along an axis. */
static float bin_place (
    float begin, float end, int64_t k, int64_t n_bins, int64_t i, int64_t n, int64_t size)
{
  float bin = (end - begin) / (float) n_bins, last = (float) (size - 1);
  float first = begin + (float) k * bin;
  if (n == 1)
    return (first + first + bin) * last / 2;
  return (float) i * (bin * last / (float) (n - 1)) + first * last;
}

/* Every bin has channels of its own; each gives one sample to a cell. */
static float blend_cell (const WeirPsRoi *r, const WeirTensor *src, int64_t image, int64_t channel,
    const float *roi, int64_t row, int64_t column)
{
  float sum = 0;
  for (int64_t by = 0; by < r->n_bins_y; by++)
    for (int64_t bx = 0; bx < r->n_bins_x; bx++) {
      Plane plane = find_plane (src, image, (by * r->n_bins_x + bx) * r->n_channels + channel);
      float y = bin_place (
          roi[2] * r->scale, roi[4] * r->scale, by, r->n_bins_y, row, r->group, plane.height);
      float x = bin_place (
          roi[1] * r->scale, roi[3] * r->scale, bx, r->n_bins_x, column, r->group, plane.width);
      if (y >= 0 && x >= 0 && y < (float) plane.height && x < (float) plane.width)
        sum += blend (&plane, y, x);
    }
  return sum / (float) (r->n_bins_x * r->n_bins_y);
}

/* --- DeformablePSROIPooling --- */

typedef struct Bin {
  float x, y, width, height; /* in pixels of the plane */
} Bin;

/* Cell (row, column) of region i, moved by its offset. */
static Bin find_bin (const WeirShapeJob *job, const WeirPsRoi *r, int64_t i, int64_t channel,
    int64_t row, int64_t column)
{
  const float *roi = weir_ref_f32 (&job->src[1]) + i * 5;
  const WeirTensor *offsets = weir_job_src (job, 2);
  float x0 = roundf (roi[1]) * r->scale - 0.5f, y0 = roundf (roi[2]) * r->scale - 0.5f;
  float width = MAX ((roundf (roi[3]) + 1) * r->scale - 0.5f - x0, 0.1f);
  float height = MAX ((roundf (roi[4]) + 1) * r->scale - 0.5f - y0, 0.1f);
  Bin bin = { .width = width / (float) r->group, .height = height / (float) r->group };
  bin.x = x0 + (float) column * bin.width;
  bin.y = y0 + (float) row * bin.height;
  if (offsets) {
    int64_t n_classes = offsets->dims[1] / 2, n = r->part_size;
    int64_t class = channel / (r->n_channels / n_classes);
    const float *x = weir_ref_f32 (offsets) + (i * n_classes + class) * 2 * n * n +
                     row * n / r->group * n + column * n / r->group;
    bin.x += x[0] * r->trans_std * width;
    bin.y += x[n * n] * r->trans_std * height;
  }
  return bin;
}

/* The mean of the samples that lie on the plane. */
static float sample_bin (const WeirPsRoi *r, const Plane *plane, const Bin *bin)
{
  float sum = 0, count = 0;
  for (int64_t i = 0; i < r->n_bins_y; i++)
    for (int64_t j = 0; j < r->n_bins_x; j++) {
      float y = bin->y + (float) i * (bin->height / (float) r->n_bins_y);
      float x = bin->x + (float) j * (bin->width / (float) r->n_bins_x);
      if (!(y >= -0.5f && x >= -0.5f && y <= (float) plane->height - 0.5f &&
              x <= (float) plane->width - 0.5f))
        continue;
      sum += blend (plane, CLAMP (y, 0, (float) (plane->height - 1)),
          CLAMP (x, 0, (float) (plane->width - 1)));
      count++;
    }
  return count > 0 ? sum / count : 0;
}

static float pool_cell (const WeirShapeJob *job, const WeirPsRoi *r, int64_t i, int64_t image,
    int64_t channel, int64_t row, int64_t column)
{
  const float *roi = weir_ref_f32 (&job->src[1]) + i * 5;
  Plane plane = find_plane (
      &job->src[0], image, r->is_bilinear ? 0 : (channel * r->group + row) * r->group + column);
  if (job->node->op == WEIR_OP_OV_DEFORMABLE_PS_ROI_POOLING) {
    Bin bin = find_bin (job, r, i, channel, row, column);
    return sample_bin (r, &plane, &bin);
  }
  return r->is_bilinear ? blend_cell (r, &job->src[0], image, channel, roi, row, column)
                        : average_cell (r, &plane, roi, row, column);
}

bool weir_ref_ov_ps_roi_pooling (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  float *to = weir_ref_dst_f32 (dst);
  bool has_ended = false;
  WeirPsRoi r;
  int64_t image;
  if (!weir_ps_roi_resolve (job, &r, error))
    return false;
  memset (to, 0, (size_t) weir_ref_n (dst) * sizeof *to);
  for (int64_t i = 0; i < dst->dims[0] && src->dims[2] && src->dims[3]; i++) {
    if (!find_image (job, weir_ref_f32 (&job->src[1]) + i * 5, &image, &has_ended, error))
      return false;
    if (has_ended)
      break;
    for (int64_t c = 0; c < r.n_channels; c++)
      for (int64_t y = 0; y < r.group; y++)
        for (int64_t x = 0; x < r.group; x++)
          *to++ = pool_cell (job, &r, i, image, c, y, x);
  }
  return true;
}
