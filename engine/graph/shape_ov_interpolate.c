/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interpolate of all opsets as a Resize.
 *
 * Kernels of "linear" and of the Pillow modes are cut off at the borders and normalised, which is
 * exclude_outside; without antialiasing that is the same as repeating the border. */
#include "engine/graph/openvino.h"

#include <math.h>

#define MAX_DIM ((float) (1ll << 40))

/* The rank from which opset 1's "linear" is a kernel in all axes at once. */
#define LINEAR_RANK 5

typedef enum Mode { NEAREST, LINEAR, LINEAR_ONNX, CUBIC, BILINEAR_PILLOW, BICUBIC_PILLOW } Mode;

static bool read_pads (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  int64_t begin[WEIR_MAX_INTS], end[WEIR_MAX_INTS];
  uint32_t n_begin, n_end;
  if (!weir_ov_ints (job, "pads_begin", begin, &n_begin, error) ||
      !weir_ov_ints (job, "pads_end", end, &n_end, error))
    return false;
  for (uint32_t i = 0; i < job->src[0].rank; i++) {
    int64_t before = i < n_begin ? begin[i] : 0, after = i < n_end ? end[i] : 0;
    if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX)
      return weir_job_fail ("pads of axis %u are out of range", i);
    resize->pad[i] = before;
    resize->src[i] = job->src[0].dims[i] + before + after;
  }
  return true;
}

static bool is_padded (const WeirShapeJob *job, const WeirResize *resize)
{
  for (uint32_t i = 0; i < job->src[0].rank; i++)
    if (resize->src[i] != job->src[0].dims[i])
      return true;
  return false;
}

static bool has_axes_2_3 (const WeirShapeJob *job)
{
  int64_t axes[WEIR_MAX_INTS];
  uint32_t n;
  return weir_ov_ints (job, "axes", axes, &n, NULL) && n == 2 && (axes[0] == 2 || axes[0] == 3) &&
         axes[1] == 5 - axes[0];
}

/* Opset 1 in the words of opset 4. */
static WeirResizeCoordinates find_old_coordinates (
    const WeirShapeJob *job, const WeirResize *resize, Mode mode)
{
  bool is_linear = mode == LINEAR || mode == LINEAR_ONNX;
  if (weir_ov_bool (job->node, "align_corners", true))
    return WEIR_RESIZE_ALIGN_CORNERS;
  if (is_linear && !is_padded (job, resize) && !(job->src[0].rank == 4 && has_axes_2_3 (job)))
    return WEIR_RESIZE_HALF_PIXEL;
  return WEIR_RESIZE_ASYMMETRIC;
}

static bool read_coordinates (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  static const char *const names[] = { "half_pixel", "pytorch_half_pixel", "asymmetric",
    "tf_half_pixel_for_nn", "align_corners", NULL };
  static const WeirResizeCoordinates coordinates[] = { WEIR_RESIZE_HALF_PIXEL,
    WEIR_RESIZE_PYTORCH_HALF_PIXEL, WEIR_RESIZE_ASYMMETRIC, WEIR_RESIZE_TF_HALF_PIXEL_FOR_NN,
    WEIR_RESIZE_ALIGN_CORNERS };
  static const char *const roundings[] = { "round_prefer_floor", "round_prefer_ceil", "floor",
    "ceil", "simple", NULL };
  uint32_t transform, rounding;
  if (!weir_ov_choice (job, "coordinate_transformation_mode", names, 0, &transform, error) ||
      !weir_ov_choice (job, "nearest_mode", roundings, 0, &rounding, error))
    return false;
  resize->coordinates = coordinates[transform];
  resize->nearest = (WeirResizeNearest) rounding;
  return true;
}

static const WeirResizeMode kernels[] = {
  [NEAREST] = WEIR_RESIZE_NEAREST,
  [LINEAR] = WEIR_RESIZE_LINEAR,
  [LINEAR_ONNX] = WEIR_RESIZE_LINEAR,
  [CUBIC] = WEIR_RESIZE_CUBIC,
  [BILINEAR_PILLOW] = WEIR_RESIZE_LINEAR,
  [BICUBIC_PILLOW] = WEIR_RESIZE_CUBIC,
};

bool weir_interpolate_attrs (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  static const char *const modes[] = { "nearest", "linear", "linear_onnx", "cubic",
    "bilinear_pillow", "bicubic_pillow", NULL };
  uint32_t mode;
  bool is_old = job->node->opset < 4;
  if (!weir_ov_choice (job, "mode", modes, 0, &mode, error) || !read_pads (job, resize, error))
    return false;
  if (is_old && mode == LINEAR && job->src[0].rank < LINEAR_RANK)
    mode = LINEAR_ONNX;
  bool is_pillow = mode == BILINEAR_PILLOW || mode == BICUBIC_PILLOW;
  bool antialias = mode == LINEAR && weir_ov_bool (job->node, "antialias", false);
  resize->mode = kernels[mode];
  resize->is_f32 = !is_pillow;
  resize->antialias = resize->exclude_outside = is_pillow || antialias;
  resize->cubic_coeff_a = is_old ? -0.75f : weir_ov_float (job->node, "cube_coeff", -0.75f);
  resize->nearest = WEIR_RESIZE_SIMPLE;
  resize->coordinates = WEIR_RESIZE_HALF_PIXEL;
  if (is_old)
    resize->coordinates = find_old_coordinates (job, resize, (Mode) mode);
  return is_old || is_pillow || read_coordinates (job, resize, error);
}

static bool read_axes (
    const WeirShapeJob *job, uint32_t axes[WEIR_MAX_RANK], uint32_t *n, GError **error)
{
  uint32_t rank = job->src[0].rank;
  int64_t given[WEIR_MAX_INTS];
  *n = 0;
  if (job->node->opset >= 4) {
    if (!weir_shape_axes (job, NULL, job->node->opset >= 11 ? 2 : 3, rank, axes, n, error))
      return false;
  } else {
    uint32_t n_given;
    if (!weir_ov_ints (job, "axes", given, &n_given, error))
      return false;
    for (; *n < MIN (n_given, WEIR_MAX_RANK); (*n)++)
      if (!weir_axis_resolve (job->graph, job->node, given[*n], rank, &axes[*n], error))
        return false;
  }
  if (*n == 0)
    for (; *n < rank; (*n)++)
      axes[*n] = *n;
  return true;
}

/* In f32, as the scales are. */
static bool apply_scales (const WeirShapeJob *job, uint32_t src_index, const uint32_t *axes,
    uint32_t n_axes, WeirResize *resize, GError **error)
{
  float scales[WEIR_MAX_INTS];
  uint32_t n;
  if (!weir_shape_floats (job, NULL, src_index, scales, &n, error))
    return false;
  if (n != n_axes)
    return weir_job_fail ("%u scales, expected %u", n, n_axes);
  for (uint32_t i = 0; i < n; i++) {
    float n_dst = floorf ((float) resize->src[axes[i]] * scales[i]);
    if (!(scales[i] > 0) || !(n_dst <= MAX_DIM))
      return weir_job_fail ("scale %g of axis %u is out of range", (double) scales[i], axes[i]);
    resize->dst[axes[i]] = (int64_t) n_dst;
    resize->scale[axes[i]] = (double) scales[i];
  }
  return true;
}

static bool apply_sizes (const WeirShapeJob *job, const uint32_t *axes, uint32_t n_axes,
    WeirResize *resize, GError **error)
{
  int64_t sizes[WEIR_MAX_INTS];
  uint32_t n;
  if (!weir_shape_ints (job, NULL, 1, sizes, &n, error))
    return false;
  if (n != n_axes)
    return weir_job_fail ("%u sizes, expected %u", n, n_axes);
  for (uint32_t i = 0; i < n; i++) {
    int64_t n_src = resize->src[axes[i]];
    if (sizes[i] < 0 || (n_src == 0 && sizes[i] > 0))
      return weir_job_fail ("axis %u cannot go from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                            " elements",
          axes[i], n_src, sizes[i]);
    resize->dst[axes[i]] = sizes[i];
    resize->scale[axes[i]] = n_src ? (double) ((float) sizes[i] / (float) n_src) : 1;
  }
  return true;
}

/* An axis that keeps its elements keeps them as they are; Pillow's kernels follow from the sizes.
 */
static void set_widths (const WeirShapeJob *job, WeirResize *resize)
{
  bool is_pillow = !resize->is_f32, shrinks = is_pillow;
  for (uint32_t i = 0; i < job->src[0].rank; i++) {
    if (resize->dst[i] == resize->src[i])
      resize->scale[i] = 1;
    else if (is_pillow)
      resize->scale[i] = (double) resize->dst[i] / (double) resize->src[i];
    shrinks = shrinks || resize->scale[i] < 1;
  }
  resize->antialias = resize->antialias && shrinks;
  resize->exclude_outside = resize->antialias;
  for (uint32_t i = 0; i < job->src[0].rank && resize->antialias; i++)
    resize->width[i] = is_pillow ? MAX (1, 1 / resize->scale[i]) : 1 / resize->scale[i];
}

bool weir_interpolate_resolve (const WeirShapeJob *job, WeirResize *resize, GError **error)
{
  static const char *const rules[] = { "sizes", "scales", NULL };
  uint32_t axes[WEIR_MAX_RANK], n_axes, rule = 0;
  if (!weir_interpolate_attrs (job, resize, error) || !read_axes (job, axes, &n_axes, error))
    return false;
  for (uint32_t i = 0; i < job->src[0].rank; i++)
    resize->dst[i] = resize->src[i];
  if (job->node->opset >= 4 &&
      !weir_ov_choice (job, "shape_calculation_mode", rules, 0, &rule, error))
    return false;
  bool has_applied =
      rule ? apply_scales (job, job->node->opset >= 11 ? 1 : 2, axes, n_axes, resize, error)
           : apply_sizes (job, axes, n_axes, resize, error);
  if (has_applied)
    set_widths (job, resize);
  return has_applied;
}
