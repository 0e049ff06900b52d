/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operators of OpenVINO IR on regions of pictures: pooling them, and proposing them. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"

#include <string.h>

#define MAX_POOLED 65536

static bool is_picture (const WeirTensor *tensor)
{
  return tensor->rank == 4 && weir_dtype_is_floating (tensor->dtype);
}

/* src[0] is a picture and src[1] a list of regions of n_columns numbers. */
static bool check_regions (const WeirShapeJob *job, int64_t n_columns, GError **error)
{
  const WeirTensor *rois = &job->src[1];
  if (is_picture (&job->src[0]) && rois->rank == 2 && rois->dims[1] == n_columns &&
      weir_dtype_is_floating (rois->dtype))
    return true;
  g_autofree char *a = weir_tensor_describe (&job->src[0]);
  g_autofree char *b = weir_tensor_describe (rois);
  return weir_job_fail ("inputs are %s and %s, expected [n, channels, height, width] and "
                        "[regions, %" G_GINT64_FORMAT "]",
      a, b, n_columns);
}

static bool set_dst (
    const WeirShapeJob *job, int64_t n_channels, int64_t height, int64_t width, GError **error)
{
  if (n_channels < 1 || height < 1 || width < 1 || height > MAX_POOLED || width > MAX_POOLED)
    return weir_job_fail ("the size %" G_GINT64_FORMAT " × %" G_GINT64_FORMAT
                          " of %" G_GINT64_FORMAT " channels is out of range",
        height, width, n_channels);
  job->dst[0] = (WeirTensor){ .dtype = job->src[0].dtype,
    .rank = 4,
    .dims = { job->src[1].dims[0], n_channels, height, width } };
  return true;
}

/* Files have one list or two numbers, by age. */
static bool read_pooled (const WeirShapeJob *job, int64_t size[2], GError **error)
{
  static const char *const lists[] = { "output_roi", "output_size" };
  int64_t list[WEIR_MAX_INTS];
  uint32_t n;
  size[0] = weir_node_int (job->node, "pooled_h", 0);
  size[1] = weir_node_int (job->node, "pooled_w", 0);
  for (size_t i = 0; i < G_N_ELEMENTS (lists); i++) {
    if (!weir_ov_ints (job, lists[i], list, &n, error))
      return false;
    if (n == 2)
      memcpy (size, list, 2 * sizeof *size);
  }
  return true;
}

bool weir_shape_ov_roi_pooling (const WeirShapeJob *job, GError **error)
{
  static const char *const methods[] = { "max", "bilinear", NULL };
  int64_t size[2];
  uint32_t method;
  return check_regions (job, 5, error) && read_pooled (job, size, error) &&
         weir_ov_choice (job, "method", methods, 0, &method, error) &&
         set_dst (job, job->src[0].dims[1], size[0], size[1], error);
}

static bool read_bins (const WeirShapeJob *job, WeirPsRoi *r, GError **error)
{
  r->n_bins_x = weir_node_int (job->node, "spatial_bins_x", 1);
  r->n_bins_y = weir_node_int (job->node, "spatial_bins_y", 1);
  r->group = weir_node_int (job->node, "group_size", 1);
  r->n_channels = weir_node_int (job->node, "output_dim", 0);
  r->scale = weir_ov_float (job->node, "spatial_scale", 1);
  bool is_sane = r->n_bins_x >= 1 && r->n_bins_y >= 1 && r->n_bins_x <= MAX_POOLED &&
                 r->n_bins_y <= MAX_POOLED && r->group >= 1 && r->group <= MAX_POOLED &&
                 r->n_channels >= 1;
  return is_sane || weir_job_fail ("bins, group_size or output_dim are out of range");
}

bool weir_ps_roi_resolve (const WeirShapeJob *job, WeirPsRoi *ps_roi, GError **error)
{
  static const char *const modes[] = { "average", "bilinear", "bilinear_deformable", NULL };
  bool is_deformable = job->node->op == WEIR_OP_OV_DEFORMABLE_PS_ROI_POOLING;
  uint32_t mode;
  int64_t n_channels;
  memset (ps_roi, 0, sizeof *ps_roi);
  if (!read_bins (job, ps_roi, error) ||
      !weir_ov_choice (job, "mode", modes, is_deformable ? 2 : 0, &mode, error))
    return false;
  ps_roi->is_bilinear = mode == 1;
  ps_roi->part_size = weir_node_int (job->node, "part_size", 1);
  ps_roi->trans_std = weir_ov_float (job->node, "trans_std", 1);
  int64_t n_cells =
      ps_roi->is_bilinear ? ps_roi->n_bins_x * ps_roi->n_bins_y : ps_roi->group * ps_roi->group;
  if (!weir_checked_mul_i64 (ps_roi->n_channels, n_cells, &n_channels) ||
      job->src[0].dims[1] < n_channels)
    return weir_job_fail ("%" G_GINT64_FORMAT " channels, expected at least %" G_GINT64_FORMAT
                          " of %" G_GINT64_FORMAT " cells",
        job->src[0].dims[1], ps_roi->n_channels, n_cells);
  return true;
}

/* Offsets [regions, 2 classes, part_size, part_size]. */
static bool check_offsets (const WeirShapeJob *job, const WeirPsRoi *r, GError **error)
{
  const WeirTensor *offsets = weir_job_src (job, 2);
  if (!offsets)
    return true;
  if (is_picture (offsets) && offsets->dims[0] == job->src[1].dims[0] && offsets->dims[1] >= 2 &&
      offsets->dims[1] % 2 == 0 && r->n_channels % (offsets->dims[1] / 2) == 0 &&
      r->part_size >= 1 && offsets->dims[2] == r->part_size && offsets->dims[3] == r->part_size)
    return true;
  g_autofree char *shape = weir_tensor_describe (offsets);
  return weir_job_fail (
      "offsets %s do not fit a part_size of %" G_GINT64_FORMAT, shape, r->part_size);
}

bool weir_shape_ov_ps_roi_pooling (const WeirShapeJob *job, GError **error)
{
  WeirPsRoi r;
  return check_regions (job, 5, error) && weir_ps_roi_resolve (job, &r, error) &&
         check_offsets (job, &r, error) && set_dst (job, r.n_channels, r.group, r.group, error);
}

static bool check_proposal_src (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *score = &job->src[0], *delta = &job->src[1], *size = &job->src[2];
  int64_t n_numbers, n_deltas;
  if (is_picture (score) && is_picture (delta) && score->dims[0] == delta->dims[0] &&
      score->dims[1] % 2 == 0 && weir_checked_mul_i64 (score->dims[1], 2, &n_deltas) &&
      delta->dims[1] == n_deltas && score->dims[2] == delta->dims[2] &&
      score->dims[3] == delta->dims[3] && weir_dtype_is_floating (size->dtype) &&
      weir_tensor_n_elements (size, &n_numbers) && (n_numbers == 3 || n_numbers == 4))
    return true;
  g_autofree char *a = weir_tensor_describe (score);
  g_autofree char *b = weir_tensor_describe (delta);
  g_autofree char *c = weir_tensor_describe (size);
  return weir_job_fail ("scores %s, deltas %s and image size %s do not fit", a, b, c);
}

bool weir_proposal_resolve (const WeirShapeJob *job, WeirProposal *proposal, GError **error)
{
  const WeirNode *node = job->node;
  const WeirTensor *score = &job->src[0];
  WeirProposal *p = proposal;
  int64_t n_anchors;
  memset (p, 0, sizeof *p);
  if (!check_proposal_src (job, error) ||
      !weir_ov_floats (job, "ratio", p->ratio, &p->n_ratios, error) ||
      !weir_ov_floats (job, "scale", p->scale, &p->n_scales, error))
    return false;
  n_anchors = (int64_t) p->n_ratios * p->n_scales;
  p->base_size = weir_ov_float (node, "base_size", 16);
  p->n_before = weir_node_int (node, "pre_nms_topn", 6000);
  p->n_after = weir_node_int (node, "post_nms_topn", 300);
  p->nms_threshold = weir_ov_float (node, "nms_thresh", 0.7f);
  p->stride = weir_ov_float (node, "feat_stride", 1);
  p->min_size = weir_ov_float (node, "min_size", 1);
  p->size_scale = weir_ov_float (node, "box_size_scale", 1);
  p->coordinate_scale = weir_ov_float (node, "box_coordinate_scale", 1);
  p->clips_before = weir_ov_bool (node, "clip_before_nms", true);
  p->clips_after = weir_ov_bool (node, "clip_after_nms", false);
  p->normalizes = weir_ov_bool (node, "normalize", false);
  p->is_tensorflow =
      g_ascii_strcasecmp (weir_node_string (node, "framework", ""), "tensorflow") == 0;
  if (n_anchors != score->dims[1] / 2 || n_anchors < 1 || p->n_before < 1 || p->n_after < 1 ||
      p->n_before > INT32_MAX || p->n_after > INT32_MAX)
    return weir_job_fail (
        "%u ratios, %u scales or the numbers of boxes do not fit %" G_GINT64_FORMAT " scores",
        p->n_ratios, p->n_scales, score->dims[1]);
  p->n_boxes = n_anchors * score->dims[2] * score->dims[3];
  if (p->n_boxes > INT32_MAX)
    return weir_job_fail ("too many boxes");
  p->n_before = MIN (p->n_before, p->n_boxes);
  return true;
}

bool weir_shape_ov_proposal (const WeirShapeJob *job, GError **error)
{
  WeirProposal proposal;
  int64_t n_rows;
  if (!weir_proposal_resolve (job, &proposal, error))
    return false;
  if (!weir_checked_mul_i64 (job->src[0].dims[0], proposal.n_after, &n_rows))
    return weir_job_fail ("too many rows");
  job->dst[0] = (WeirTensor){ .dtype = job->src[0].dtype, .rank = 2, .dims = { n_rows, 5 } };
  if (weir_job_wants (job, 1))
    job->dst[1] = (WeirTensor){ .dtype = job->src[0].dtype, .rank = 1, .dims = { n_rows } };
  return true;
}
