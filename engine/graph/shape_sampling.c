/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of operators that sample pictures at computed places, and of Col2Im. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"
#include "engine/graph/sampling.h"

#include <string.h>

/* A file that asks for more samples of each bin is not one of this world. */
#define MAX_BIN_SAMPLES 1024

static bool src_error (const WeirShapeJob *job, uint32_t i, const char *expected, GError **error)
{
  g_autofree char *shape = weir_tensor_describe (&job->src[i]);
  return weir_job_fail ("input %u is %s, expected %s", i, shape, expected);
}

static bool check_floating (const WeirShapeJob *job, uint32_t n, GError **error)
{
  for (uint32_t i = 0; i < MIN (n, job->node->n_src); i++)
    if (weir_job_src (job, i) && (!weir_dtype_is_floating (job->src[i].dtype)))
      return src_error (job, i, "a floating type", error);
  return true;
}

bool weir_grid_sample_resolve (const WeirShapeJob *job, WeirGridSample *grid_sample, GError **error)
{
  static const char *const modes[] = { "bilinear", "nearest", "bicubic", "linear", "cubic" };
  static const WeirSampleMode mode_of[] = { WEIR_SAMPLE_LINEAR, WEIR_SAMPLE_NEAREST,
    WEIR_SAMPLE_CUBIC, WEIR_SAMPLE_LINEAR, WEIR_SAMPLE_CUBIC };
  static const char *const paddings[] = { "zeros", "border", "reflection" };
  uint32_t mode, padding;
  if (!weir_shape_choice (job, "mode", "bilinear", modes, G_N_ELEMENTS (modes), &mode, error) ||
      !weir_shape_choice (
          job, "padding_mode", "zeros", paddings, G_N_ELEMENTS (paddings), &padding, error))
    return false;
  *grid_sample = (WeirGridSample){ mode_of[mode], (WeirSamplePadding) padding,
    weir_node_int (job->node, "align_corners", 0) != 0, job->src[0].rank - 2 };
  return true;
}

bool weir_shape_grid_sample (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *grid = &job->src[1];
  WeirTensor *dst = &job->dst[0];
  WeirGridSample grid_sample;
  if (src->rank < 3 || src->rank > 2 + WEIR_MAX_SPATIAL)
    return src_error (job, 0, "3 to 5 dimensions", error);
  if (grid->rank != src->rank || grid->dims[0] != src->dims[0] ||
      grid->dims[grid->rank - 1] != (int64_t) src->rank - 2 ||
      !weir_dtype_is_floating (grid->dtype))
    return src_error (job, 1, "one floating place in the input for each of the result", error);
  if (!weir_grid_sample_resolve (job, &grid_sample, error))
    return false;
  *dst = (WeirTensor){ .dtype = src->dtype, .rank = src->rank };
  dst->dims[0] = src->dims[0];
  dst->dims[1] = src->dims[1];
  bool is_empty = false;
  for (uint32_t i = 2; i < src->rank; i++) {
    dst->dims[i] = grid->dims[i - 1];
    is_empty |= src->dims[i] == 0;
    if (src->dims[i] > INT32_MAX)
      return src_error (job, 0, "dimensions below 2^31", error);
  }
  return !is_empty || src_error (job, 0, "pixels to sample", error);
}

bool weir_shape_affine_grid (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *theta = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  int64_t size[WEIR_MAX_INTS];
  uint32_t n;
  if (!check_floating (job, 1, error) || !weir_shape_ints (job, NULL, 1, size, &n, error))
    return false;
  if (n != 4 && n != 5)
    return weir_job_fail ("size has %u elements, expected 4 or 5", n);
  if (theta->rank != 3 || theta->dims[0] != size[0] || theta->dims[1] != n - 2 ||
      theta->dims[2] != n - 1)
    return src_error (job, 0, "one 2 x 3 or 3 x 4 matrix per picture of the size", error);
  *dst = (WeirTensor){ .dtype = theta->dtype, .rank = n, .dims = { size[0] } };
  for (uint32_t i = 2; i < n; i++) {
    if (size[i] < 1 || size[i] > INT32_MAX)
      return weir_job_fail ("size %" G_GINT64_FORMAT " is out of range", size[i]);
    dst->dims[i - 1] = size[i];
  }
  dst->dims[n - 1] = n - 2;
  return true;
}

/* ROIAlign of OpenVINO. */
static bool read_aligned (const WeirShapeJob *job, WeirRoiAlign *roi_align, GError **error)
{
  static const char *const modes[] = { "avg", "max", NULL };
  static const char *const aligned[] = { "asymmetric", "half_pixel_for_nn", "half_pixel", NULL };
  const WeirNode *node = job->node;
  uint32_t mode, how = 0;
  if (!weir_ov_choice (job, "mode", modes, 0, &mode, error) ||
      (node->opset >= 9 && !weir_ov_choice (job, "aligned_mode", aligned, 0, &how, error)))
    return false;
  *roi_align = (WeirRoiAlign){ .is_max = mode == 1,
    .is_half_pixel = how > 0,
    .blends_first = true,
    .height = weir_node_int (node, "pooled_h", 0),
    .width = weir_node_int (node, "pooled_w", 0),
    .n_samples = weir_node_int (node, "sampling_ratio", 0),
    .scale = weir_ov_float (node, "spatial_scale", 1),
    .shift = how == 2 ? 0.5f : 0 };
  return true;
}

static bool read_coordinates (const WeirShapeJob *job, WeirRoiAlign *roi_align, GError **error)
{
  static const char *const modes[] = { "avg", "max" };
  static const char *const coordinates[] = { "half_pixel", "output_half_pixel" };
  const WeirNode *node = job->node;
  uint32_t mode, coordinate = 1; /* before opset 16 there was no choice */
  if (!weir_shape_choice (job, "mode", "avg", modes, G_N_ELEMENTS (modes), &mode, error))
    return false;
  if (node->opset >= 16 && !weir_shape_choice (job, "coordinate_transformation_mode", "half_pixel",
                               coordinates, G_N_ELEMENTS (coordinates), &coordinate, error))
    return false;
  *roi_align = (WeirRoiAlign){ .is_max = mode == 1,
    .is_half_pixel = coordinate == 0,
    .height = weir_node_int (node, "output_height", 1),
    .width = weir_node_int (node, "output_width", 1),
    .n_samples = weir_node_int (node, "sampling_ratio", 0),
    .scale = weir_node_float (node, "spatial_scale", 1) };
  return true;
}

bool weir_roi_align_resolve (const WeirShapeJob *job, WeirRoiAlign *roi_align, GError **error)
{
  if (job->node->op == WEIR_OP_OV_ROI_ALIGN ? !read_aligned (job, roi_align, error)
                                            : !read_coordinates (job, roi_align, error))
    return false;
  if (roi_align->height < 1 || roi_align->width < 1 || roi_align->height > INT32_MAX ||
      roi_align->width > INT32_MAX || roi_align->n_samples < 0 ||
      roi_align->n_samples > MAX_BIN_SAMPLES)
    return weir_job_fail ("height, width or sampling_ratio is out of range");
  return true;
}

bool weir_shape_roi_align (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *rois = &job->src[1], *batch = &job->src[2];
  WeirRoiAlign roi_align;
  if (!check_floating (job, 2, error) || !weir_roi_align_resolve (job, &roi_align, error))
    return false;
  if (src->rank != 4)
    return src_error (job, 0, "4 dimensions", error);
  if (rois->rank != 2 || rois->dims[1] != 4)
    return src_error (job, 1, "[regions, 4]", error);
  if (batch->rank != 1 || batch->dims[0] != rois->dims[0] ||
      (batch->dtype != WEIR_DTYPE_I64 && batch->dtype != WEIR_DTYPE_I32))
    return src_error (job, 2, "one i64 per region", error);
  job->dst[0] = (WeirTensor){ .dtype = src->dtype,
    .rank = 4,
    .dims = { rois->dims[0], src->dims[1], roi_align.height, roi_align.width } };
  return true;
}

bool weir_shape_max_roi_pool (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *rois = &job->src[1];
  uint32_t n;
  const int64_t *shape = weir_node_ints (job->node, "pooled_shape", &n);
  if (!check_floating (job, 2, error))
    return false;
  if (n != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > INT32_MAX || shape[1] > INT32_MAX)
    return weir_job_fail ("pooled_shape is not two positive numbers");
  if (src->rank != 4)
    return src_error (job, 0, "4 dimensions", error);
  if (rois->rank != 2 || rois->dims[1] != 5)
    return src_error (job, 1, "[regions, 5]", error);
  job->dst[0] = (WeirTensor){
    .dtype = src->dtype, .rank = 4, .dims = { rois->dims[0], src->dims[1], shape[0], shape[1] }
  };
  return true;
}

/* Attribute of `n` numbers in minimum..2^31 - 1, with a default for all. */
static bool read_attr (const WeirShapeJob *job, const char *name, uint32_t n, int64_t minimum,
    int64_t fallback, int64_t *result, GError **error)
{
  uint32_t n_ints;
  const int64_t *ints = weir_node_ints (job->node, name, &n_ints);
  if (n_ints && n_ints != n)
    return weir_job_fail ("%s has %u elements, expected %u", name, n_ints, n);
  for (uint32_t i = 0; i < n; i++) {
    result[i] = n_ints ? ints[i] : fallback;
    if (result[i] < minimum || result[i] > INT32_MAX)
      return weir_job_fail ("%s %" G_GINT64_FORMAT " is out of range", name, result[i]);
  }
  return true;
}

static bool count_columns (
    const WeirShapeJob *job, WeirCol2Im *c, const int64_t *pads, GError **error)
{
  int64_t n_columns = 1;
  c->n_block = 1;
  for (uint32_t i = 0; i < c->n_dims; i++) {
    c->pad[i] = pads[i];
    int64_t room =
        c->image[i] + pads[i] + pads[c->n_dims + i] - c->dilation[i] * (c->block[i] - 1) - 1;
    c->columns[i] = room < 0 ? 0 : room / c->stride[i] + 1;
    if (!weir_checked_mul_i64 (n_columns, c->columns[i], &n_columns) ||
        !weir_checked_mul_i64 (c->n_block, c->block[i], &c->n_block))
      return weir_job_fail ("too many blocks");
  }
  if (job->src[0].dims[1] % c->n_block || job->src[0].dims[2] != n_columns)
    return src_error (job, 0, "[N, channels * block, number of blocks]", error);
  return true;
}

bool weir_col2im_resolve (const WeirShapeJob *job, WeirCol2Im *col2im, GError **error)
{
  int64_t image[WEIR_MAX_INTS], block[WEIR_MAX_INTS], pads[2 * WEIR_MAX_IMAGE_DIMS];
  uint32_t n, n_block;
  if (job->src[0].rank != 3)
    return src_error (job, 0, "3 dimensions", error);
  if (!weir_shape_ints (job, "image_shape", 1, image, &n, error) ||
      !weir_shape_ints (job, "block_shape", 2, block, &n_block, error))
    return false;
  if (n < 1 || n > WEIR_MAX_IMAGE_DIMS || n_block != n)
    return weir_job_fail (
        "image_shape has %u elements and block_shape %u, expected 1 to 6 of both", n, n_block);
  col2im->n_dims = n;
  for (uint32_t i = 0; i < n; i++) {
    col2im->image[i] = image[i];
    col2im->block[i] = block[i];
    if (image[i] < 0 || image[i] > INT32_MAX || block[i] < 1 || block[i] > INT32_MAX)
      return weir_job_fail ("a dimension of the image or the block is out of range");
  }
  return read_attr (job, "strides", n, 1, 1, col2im->stride, error) &&
         read_attr (job, "dilations", n, 1, 1, col2im->dilation, error) &&
         read_attr (job, "pads", 2 * n, 0, 0, pads, error) &&
         count_columns (job, col2im, pads, error);
}

bool weir_shape_col2im (const WeirShapeJob *job, GError **error)
{
  WeirTensor *dst = &job->dst[0];
  WeirCol2Im col2im;
  if (!weir_col2im_resolve (job, &col2im, error))
    return false;
  if (job->src[0].dtype == WEIR_DTYPE_BOOL)
    return src_error (job, 0, "numbers", error);
  *dst = (WeirTensor){ .dtype = job->src[0].dtype, .rank = 2 + col2im.n_dims };
  dst->dims[0] = job->src[0].dims[0];
  dst->dims[1] = job->src[0].dims[1] / col2im.n_block;
  memcpy (dst->dims + 2, col2im.image, col2im.n_dims * sizeof *col2im.image);
  return true;
}

static bool check_deform_groups (const WeirShapeJob *job, const WeirWindow *window, GError **error)
{
  const WeirTensor *src = &job->src[0], *weights = &job->src[1], *offset = &job->src[2];
  const WeirTensor *bias = weir_job_src (job, 3), *mask = weir_job_src (job, 4);
  int64_t group = weir_node_int (job->node, "group", 1);
  int64_t n_groups = weir_node_int (job->node, "offset_group", 1), n_points = n_groups, n_channels;
  if (group < 1 || weights->dims[0] % group ||
      !weir_checked_mul_i64 (weights->dims[1], group, &n_channels) || n_channels != src->dims[1])
    return src_error (job, 1, "weights of the input's channels in groups", error);
  if (n_groups < 1 || src->dims[1] % n_groups)
    return weir_job_fail (
        "offset_group %" G_GINT64_FORMAT " does not divide the channels", n_groups);
  for (uint32_t i = 0; i < window->n_spatial; i++)
    if (!weir_checked_mul_i64 (n_points, window->kernel[i], &n_points) || n_points > INT32_MAX)
      return src_error (job, 1, "a smaller kernel", error);
  WeirTensor expected = { .rank = src->rank, .dims = { src->dims[0] } };
  memcpy (expected.dims + 2, window->dst, window->n_spatial * sizeof *window->dst);
  expected.dims[1] = n_points * window->n_spatial;
  if (!weir_tensor_same_shape (offset, &expected))
    return src_error (job, 2, "one offset per axis, kernel point and place of the result", error);
  expected.dims[1] = n_points;
  if (mask && !weir_tensor_same_shape (mask, &expected))
    return src_error (job, 4, "one factor per kernel point and place of the result", error);
  if (bias && (bias->rank != 1 || bias->dims[0] != weights->dims[0]))
    return src_error (job, 3, "one number per channel of the result", error);
  return true;
}

bool weir_shape_deform_conv (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  WeirWindow window;
  if (!check_floating (job, 5, error) ||
      !weir_window_resolve (job->graph, job->node, src, &job->src[1], &window, error) ||
      !check_deform_groups (job, &window, error))
    return false;
  *dst = (WeirTensor){
    .dtype = src->dtype, .rank = src->rank, .dims = { src->dims[0], job->src[1].dims[0] }
  };
  memcpy (dst->dims + 2, window.dst, window.n_spatial * sizeof *window.dst);
  return true;
}
