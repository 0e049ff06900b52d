/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MVN, NormalizeL2 and GRN as one operation over a set of axes; RegionYolo. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"

#include <string.h>

static bool same_shape (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  if (!weir_dtype_is_floating (src->dtype))
    return weir_job_fail ("input is %s, expected a floating type", weir_dtype_name (src->dtype));
  job->dst[0] = (WeirTensor){ .dtype = src->dtype, .rank = src->rank };
  memcpy (job->dst[0].dims, src->dims, sizeof src->dims);
  return true;
}

static bool read_axes (const WeirShapeJob *job, bool is_reduced[WEIR_MAX_RANK], GError **error)
{
  uint32_t axes[WEIR_MAX_RANK], n;
  if (!weir_shape_axes (job, NULL, 1, job->src[0].rank, axes, &n, error))
    return false;
  for (uint32_t i = 0; i < n; i++)
    is_reduced[axes[i]] = true;
  return true;
}

static bool resolve_mvn (const WeirShapeJob *job, WeirNormalise *n, GError **error)
{
  static const char *const modes[] = { "inside_sqrt", "outside_sqrt", NULL };
  bool is_new = weir_job_src (job, 1) != NULL;
  uint32_t mode = 0;
  n->subtracts_mean = true;
  n->divides = weir_ov_bool (job->node, "normalize_variance", true);
  n->eps = weir_ov_float (job->node, "eps", 1e-9f);
  if (is_new && !weir_ov_choice (job, "eps_mode", modes, 0, &mode, error))
    return false;
  n->eps_mode = mode ? WEIR_EPS_OUTSIDE : WEIR_EPS_INSIDE;
  if (is_new)
    return read_axes (job, n->is_reduced, error);
  uint32_t first = weir_ov_bool (job->node, "across_channels", true) ? 1 : 2;
  for (uint32_t i = first; i < job->src[0].rank; i++)
    n->is_reduced[i] = true;
  return true;
}

static bool resolve_l2 (const WeirShapeJob *job, WeirNormalise *n, GError **error)
{
  static const char *const modes[] = { "add", "max", NULL };
  uint32_t mode;
  n->divides = n->takes_sum = true;
  n->eps = weir_ov_float (job->node, "eps", 0);
  if (!weir_ov_choice (job, "eps_mode", modes, 0, &mode, error))
    return false;
  n->eps_mode = mode ? WEIR_EPS_LEAST : WEIR_EPS_INSIDE;
  return read_axes (job, n->is_reduced, error);
}

bool weir_normalise_resolve (const WeirShapeJob *job, WeirNormalise *normalise, GError **error)
{
  memset (normalise, 0, sizeof *normalise);
  if (job->node->op == WEIR_OP_OV_MVN)
    return resolve_mvn (job, normalise, error);
  if (job->node->op == WEIR_OP_OV_NORMALIZE_L2)
    return resolve_l2 (job, normalise, error);
  if (job->src[0].rank < 2)
    return weir_job_fail ("input has no channels");
  normalise->divides = normalise->takes_sum = normalise->is_reduced[1] = true;
  normalise->eps = weir_ov_float (job->node, "bias", 0);
  return true;
}

static bool shape_normalise (const WeirShapeJob *job, GError **error)
{
  WeirNormalise normalise;
  return weir_normalise_resolve (job, &normalise, error) && same_shape (job, error);
}

bool weir_shape_ov_grn (const WeirShapeJob *job, GError **error)
{
  return shape_normalise (job, error);
}

bool weir_shape_ov_mvn (const WeirShapeJob *job, GError **error)
{
  return shape_normalise (job, error);
}

bool weir_shape_ov_normalize_l2 (const WeirShapeJob *job, GError **error)
{
  return shape_normalise (job, error);
}

bool weir_region_yolo_resolve (const WeirShapeJob *job, WeirRegionYolo *region, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t mask[WEIR_MAX_INTS], n_channels;
  uint32_t n_mask;
  if (!weir_ov_ints (job, "mask", mask, &n_mask, error))
    return false;
  if (src->rank != 4)
    return weir_job_fail ("input has %u dimensions, expected 4", src->rank);
  region->has_softmax = weir_ov_bool (job->node, "do_softmax", true);
  region->n_regions = region->has_softmax ? weir_node_int (job->node, "num", 0) : n_mask;
  region->n_coords = weir_node_int (job->node, "coords", 4);
  region->n_classes = weir_node_int (job->node, "classes", 0);
  region->n_images = src->dims[0];
  region->n_cells = src->dims[2] * src->dims[3];
  bool is_sane = region->n_coords >= 2 && region->n_coords <= INT32_MAX && region->n_classes >= 0 &&
                 region->n_classes <= INT32_MAX && region->n_regions > 0;
  if (!is_sane ||
      !weir_checked_mul_i64 (
          region->n_regions, region->n_coords + 1 + region->n_classes, &n_channels) ||
      n_channels > src->dims[1] || (region->has_softmax && n_channels != src->dims[1])) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("%" G_GINT64_FORMAT " regions of %" G_GINT64_FORMAT
                          " coordinates and %" G_GINT64_FORMAT " classes do not fit %s",
        region->n_regions, region->n_coords, region->n_classes, shape);
  }
  return true;
}

/* With softmax the axes from `axis` to `end_axis` become one. */
bool weir_shape_ov_region_yolo (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  WeirRegionYolo region;
  uint32_t first, last;
  if (!same_shape (job, error) || !weir_region_yolo_resolve (job, &region, error))
    return false;
  if (!region.has_softmax) {
    dst->dims[1] = region.n_regions * (region.n_coords + 1 + region.n_classes);
    return true;
  }
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 1), 4, &first, error) ||
      !weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "end_axis", -1), 4, &last, error))
    return false;
  if (first > last)
    return weir_job_fail ("axis %u lies behind end_axis %u", first, last);
  for (uint32_t i = first + 1; i <= last; i++)
    dst->dims[first] *= src->dims[i];
  for (uint32_t i = last + 1; i < 4; i++)
    dst->dims[first + i - last] = src->dims[i];
  dst->rank = 4 - (last - first);
  return true;
}
