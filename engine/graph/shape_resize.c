/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resize (opset 10 and on) and Upsample (7, 9) as one set of numbers.
 *
 * Opset 10's Resize and Upsample map coordinates asymmetrically and have no attributes but mode. */
#include "engine/graph/openvino.h"

#include <math.h>
#include <string.h>

#define MAX_DIM ((float) (1ll << 40))
/* Of an axis that changes: bounds the tables that interpolation needs. */
#define MAX_RESIZED_DIM (1 << 22)

static bool read_attrs (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  static const char *const modes[] = { "nearest", "linear", "cubic", "bilinear" };
  static const char *const coordinates[] = { "half_pixel", "half_pixel_symmetric",
    "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn",
    "tf_crop_and_resize" };
  static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor",
    "ceil" };
  bool is_old = job->node->op == WEIR_OP_UPSAMPLE || job->node->opset < 11;
  uint32_t mode = 0, transform = WEIR_RESIZE_ASYMMETRIC;
  uint32_t rounding = job->node->op == WEIR_OP_UPSAMPLE ? WEIR_RESIZE_FLOOR : WEIR_RESIZE_SIMPLE;
  if (!weir_shape_choice (job, "mode", "nearest", modes, G_N_ELEMENTS (modes), &mode, error))
    return false;
  if (!is_old && (!weir_shape_choice (job, "coordinate_transformation_mode", "half_pixel",
                      coordinates, G_N_ELEMENTS (coordinates), &transform, error) ||
                     !weir_shape_choice (job, "nearest_mode", "round_prefer_floor", roundings,
                         G_N_ELEMENTS (roundings), &rounding, error)))
    return false;
  resize->mode = mode == 3 ? WEIR_RESIZE_LINEAR : (WeirResizeMode) mode;
  resize->coordinates = (WeirResizeCoordinates) transform;
  resize->nearest = (WeirResizeNearest) rounding;
  resize->cubic_coeff_a = weir_node_float (job->node, "cubic_coeff_a", -0.75f);
  resize->exclude_outside = weir_node_int (job->node, "exclude_outside", 0) != 0;
  resize->antialias = weir_node_int (job->node, "antialias", 0) != 0;
  resize->extrapolation_value = weir_node_float (job->node, "extrapolation_value", 0);
  return true;
}

static bool apply_scale (
    const WeirShapeJob *job, WeirResize *resize, uint32_t axis, float scale, GError **error)
{
  /* In f32, as the scales are: 10 · 0.7 is 7, which in f64 it is not quite. */
  float n_dst = floorf ((float) job->src[0].dims[axis] * scale);
  if (!(scale > 0) || !(n_dst <= MAX_DIM))
    return weir_job_fail ("scale %g of axis %u is out of range", (double) scale, axis);
  resize->scale[axis] = (double) scale;
  resize->dst[axis] = (int64_t) n_dst;
  return true;
}

static bool apply_scales (const WeirShapeJob *job, WeirResize *resize, const float *scales,
    uint32_t n, const uint32_t *axes, uint32_t n_axes, GError **error)
{
  if (n != n_axes)
    return weir_job_fail ("%u scales, expected %u", n, n_axes);
  for (uint32_t i = 0; i < n; i++)
    if (!apply_scale (job, resize, axes[i], scales[i], error))
      return false;
  return true;
}

/* keep_aspect_ratio_policy: one scale for all axes, from the one that limits. */
static bool share_scale (const WeirShapeJob *job, WeirResize *resize, const uint32_t *axes,
    uint32_t n_axes, uint32_t policy)
{
  double scale = resize->scale[axes[0]];
  for (uint32_t i = 1; i < n_axes; i++)
    scale = policy == 1 ? MIN (scale, resize->scale[axes[i]]) : MAX (scale, resize->scale[axes[i]]);
  for (uint32_t i = 0; i < n_axes; i++) {
    double n_dst = floor (scale * (double) job->src[0].dims[axes[i]] + 0.5);
    if (!(n_dst <= (double) MAX_DIM))
      return false;
    resize->scale[axes[i]] = scale;
    resize->dst[axes[i]] = (int64_t) n_dst;
  }
  return true;
}

static bool apply_sizes (const WeirShapeJob *job, WeirResize *resize, const int64_t *sizes,
    uint32_t n, const uint32_t *axes, uint32_t n_axes, GError **error)
{
  static const char *const policies[] = { "stretch", "not_larger", "not_smaller" };
  uint32_t policy = 0;
  if (n != n_axes)
    return weir_job_fail ("%u sizes, expected %u", n, n_axes);
  if (!weir_shape_choice (job, "keep_aspect_ratio_policy", "stretch", policies,
          G_N_ELEMENTS (policies), &policy, error))
    return false;
  for (uint32_t i = 0; i < n; i++) {
    int64_t n_src = job->src[0].dims[axes[i]];
    if (sizes[i] < 0 || (n_src == 0 && sizes[i] > 0))
      return weir_job_fail ("axis %u cannot go from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                            " elements",
          axes[i], n_src, sizes[i]);
    resize->dst[axes[i]] = sizes[i];
    resize->scale[axes[i]] = n_src ? (double) sizes[i] / (double) n_src : 1;
  }
  return policy == 0 || n == 0 || share_scale (job, resize, axes, n_axes, policy) ||
         weir_job_fail ("sizes are out of range");
}

/* Begins of all axes, then their ends. */
static bool read_roi (const WeirShapeJob *job, WeirResize *resize, const uint32_t *axes,
    uint32_t n_axes, GError **error)
{
  float roi[WEIR_MAX_INTS];
  uint32_t n;
  if (resize->coordinates != WEIR_RESIZE_TF_CROP_AND_RESIZE)
    return true;
  if (!weir_shape_floats (job, "roi", 1, roi, &n, error))
    return false;
  if (n != 2 * n_axes)
    return weir_job_fail ("roi has %u elements, expected %u", n, 2 * n_axes);
  for (uint32_t i = 0; i < n_axes; i++) {
    resize->roi_begin[axes[i]] = roi[i];
    resize->roi_end[axes[i]] = roi[n_axes + i];
    if (!isfinite (roi[i]) || !isfinite (roi[n_axes + i]))
      return weir_job_fail ("roi is not finite");
  }
  return true;
}

static bool read_target (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  bool has_roi = job->node->op == WEIR_OP_RESIZE && job->node->opset >= 11;
  float scales[WEIR_MAX_INTS];
  int64_t sizes[WEIR_MAX_INTS];
  uint32_t axes[WEIR_MAX_RANK], n_axes, n_scales, n_sizes = 0;
  if (!weir_shape_floats (job, "scales", has_roi ? 2 : 1, scales, &n_scales, error) ||
      (has_roi && !weir_shape_ints (job, "sizes", 3, sizes, &n_sizes, error)) ||
      !weir_shape_axes (job, "axes", WEIR_NONE, job->src[0].rank, axes, &n_axes, error))
    return false;
  if (!n_axes)
    for (uint32_t i = 0; i < job->src[0].rank; i++)
      axes[n_axes++] = i;
  if ((n_scales > 0) == (n_sizes > 0) && n_axes)
    return weir_job_fail ("expected either scales or sizes");
  if (!read_roi (job, resize, axes, n_axes, error))
    return false;
  return n_scales ? apply_scales (job, resize, scales, n_scales, axes, n_axes, error)
                  : apply_sizes (job, resize, sizes, n_sizes, axes, n_axes, error);
}

bool weir_resize_resolve (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  memset (resize, 0, sizeof *resize);
  for (uint32_t i = 0; i < job->src[0].rank; i++) {
    resize->scale[i] = resize->width[i] = 1;
    resize->src[i] = resize->dst[i] = job->src[0].dims[i];
    resize->roi_end[i] = 1;
  }
  if (job->node->op == WEIR_OP_OV_INTERPOLATE)
    return weir_interpolate_resolve (job, resize, error);
  if (!read_attrs (job, resize, error) || !read_target (job, resize, error))
    return false;
  for (uint32_t i = 0; i < job->src[0].rank && resize->antialias; i++)
    resize->width[i] = MAX (1, 1 / resize->scale[i]);
  return true;
}

bool weir_shape_resize (const WeirShapeJob *job, GError **error)
{
  WeirResize resize;
  WeirTensor *dst = &job->dst[0];
  if (!weir_resize_resolve (job, &resize, error))
    return false;
  for (uint32_t i = 0; i < job->src[0].rank; i++)
    if ((resize.dst[i] != job->src[0].dims[i] || resize.scale[i] != 1 ||
            resize.coordinates == WEIR_RESIZE_TF_CROP_AND_RESIZE) &&
        MAX (resize.dst[i], resize.src[i]) > MAX_RESIZED_DIM)
      return weir_job_refuse ("axis %u from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                              " elements, expected at most 2^22",
          i, job->src[0].dims[i], resize.dst[i]);
  dst->dtype = job->src[0].dtype;
  dst->rank = job->src[0].rank;
  memcpy (dst->dims, resize.dst, sizeof dst->dims);
  return true;
}

static float coordinate_f32 (const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t j)
{
  float scale = (float) resize->scale[axis], x = (float) j, n_dst = (float) resize->dst[axis];
  switch (resize->coordinates) {
  case WEIR_RESIZE_ALIGN_CORNERS:
    return n_dst <= 1 ? 0 : x * ((float) n_src - 1) / (n_dst - 1);
  case WEIR_RESIZE_ASYMMETRIC:
    return x / scale;
  case WEIR_RESIZE_TF_HALF_PIXEL_FOR_NN:
    return (x + 0.5f) / scale;
  case WEIR_RESIZE_PYTORCH_HALF_PIXEL:
    return n_dst > 1 ? (x + 0.5f) / scale - 0.5f : 0;
  default:
    return (x + 0.5f) / scale - 0.5f;
  }
}

double weir_resize_coordinate (const WeirResize *resize, uint32_t axis, int64_t n_src, int64_t j)
{
  if (resize->is_f32)
    return (double) coordinate_f32 (resize, axis, n_src, j);
  double scale = resize->scale[axis], x = (double) j, n = (double) n_src;
  double n_exact = scale * n, n_dst = (double) resize->dst[axis];
  switch (resize->coordinates) {
  case WEIR_RESIZE_ALIGN_CORNERS:
    return n_exact == 1 || n_dst <= 1 ? 0 : x * (n - 1) / (n_exact - 1);
  case WEIR_RESIZE_ASYMMETRIC:
    return x / scale;
  case WEIR_RESIZE_TF_HALF_PIXEL_FOR_NN:
    return (x + 0.5) / scale;
  case WEIR_RESIZE_PYTORCH_HALF_PIXEL:
    return n_dst > 1 ? (x + 0.5) / scale - 0.5 : 0;
  case WEIR_RESIZE_TF_CROP_AND_RESIZE: {
    double begin = (double) resize->roi_begin[axis], size = (double) resize->roi_end[axis] - begin;
    return (n - 1) * (begin + size * (n_dst > 1 ? x / (n_dst - 1) : 0.5));
  }
  case WEIR_RESIZE_HALF_PIXEL_SYMMETRIC:
    return n / 2 * (1 - n_dst / n_exact) + (x + 0.5) / scale - 0.5;
  case WEIR_RESIZE_HALF_PIXEL:
  default:
    return (x + 0.5) / scale - 0.5;
  }
}
