/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TopK and Bucketize. NonMaxSuppression: as many rows as it selects from opset 5 on; before that as
 * many as there can be, unused ones -1. */
#include "engine/base/checked.h"
#include "engine/graph/openvino.h"
#include "engine/graph/selection.h"

#include <string.h>

static bool read_index_type (const WeirShapeJob *job, const char *name, const char *fallback,
    WeirDtype *dtype, GError **error)
{
  *dtype = weir_ov_dtype (weir_node_string (job->node, name, fallback));
  return *dtype == WEIR_DTYPE_I64 || *dtype == WEIR_DTYPE_I32 ||
         weir_job_refuse ("%s is not i32 or i64", name);
}

static bool check_boxes (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *boxes = &job->src[0], *scores = &job->src[1];
  if (boxes->rank == 3 && scores->rank == 3 && boxes->dims[2] == 4 &&
      boxes->dims[0] == scores->dims[0] && boxes->dims[1] == scores->dims[2] &&
      boxes->dims[1] <= INT32_MAX && weir_dtype_is_floating (boxes->dtype) &&
      weir_dtype_is_floating (scores->dtype))
    return true;
  g_autofree char *a = weir_tensor_describe (boxes);
  g_autofree char *b = weir_tensor_describe (scores);
  return weir_job_fail (
      "boxes %s and scores %s are not [n, boxes, 4] and [n, classes, boxes]", a, b);
}

static bool check_limits (const WeirShapeJob *job, GError **error)
{
  static const char *const encodings[] = { "corner", "center", NULL };
  uint32_t encoding;
  int64_t n;
  if (!weir_ov_choice (job, "box_encoding", encodings, 0, &encoding, error))
    return false;
  for (uint32_t i = 2; i < job->node->n_src; i++) {
    const WeirTensor *limit = weir_job_src (job, i);
    bool is_index = limit && (limit->dtype == WEIR_DTYPE_I64 || limit->dtype == WEIR_DTYPE_I32);
    bool is_right = limit && (i == 2 ? is_index : weir_dtype_is_floating (limit->dtype));
    if (limit && (!is_right || !weir_tensor_n_elements (limit, &n) || n != 1)) {
      g_autofree char *shape = weir_tensor_describe (limit);
      return weir_job_fail ("input %u is %s, expected one number", i, shape);
    }
  }
  return true;
}

/* The most rows that there can be. */
static bool count_most (const WeirShapeJob *job, int64_t *n, GError **error)
{
  const WeirTensor *scores = &job->src[1], *most = weir_job_src (job, 2);
  int64_t n_boxes = scores->dims[2], per_class = most ? n_boxes : 0;
  if (most && most->buffer && weir_known_int (most, 0, &per_class))
    per_class = CLAMP (per_class, 0, n_boxes);
  bool is_oldest = job->node->opset < 4;
  if (!weir_checked_mul_i64 (per_class, scores->dims[1], n) ||
      !weir_checked_mul_i64 (*n, scores->dims[0], n))
    return weir_job_fail ("too many rows");
  if (is_oldest)
    *n = MIN (n_boxes, per_class * scores->dims[1]);
  return true;
}

static bool all_known (const WeirShapeJob *job)
{
  for (uint32_t i = 0; i < job->node->n_src; i++)
    if (weir_job_src (job, i) && !job->src[i].buffer)
      return false;
  return true;
}

bool weir_shape_ov_non_max_suppression (const WeirShapeJob *job, GError **error)
{
  WeirDtype index;
  int64_t n;
  if (!read_index_type (job, "output_type", "i64", &index, error))
    return false;
  if (!check_boxes (job, error) || !check_limits (job, error) || !count_most (job, &n, error))
    return false;
  if (job->node->opset >= 5 && all_known (job)) {
    g_autoptr (GArray) rows = weir_ov_nms_select (job, error);
    if (!rows)
      return false;
    n = rows->len;
  } else if (job->node->opset >= 5) {
    weir_job_set_bound (job);
  }
  job->dst[0] = (WeirTensor){ .dtype = index, .rank = 2, .dims = { n, 3 } };
  if (weir_job_wants (job, 1))
    job->dst[1] = (WeirTensor){ .dtype = WEIR_DTYPE_F32, .rank = 2, .dims = { n, 3 } };
  if (weir_job_wants (job, 2))
    job->dst[2] = (WeirTensor){ .dtype = index, .rank = 1, .dims = { 1 } };
  return true;
}

bool weir_shape_ov_top_k (const WeirShapeJob *job, GError **error)
{
  static const char *const modes[] = { "max", "min", NULL };
  static const char *const orders[] = { "value", "index", "none", NULL };
  uint32_t axis, mode, order;
  int64_t k;
  bool is_known;
  WeirDtype index;
  if (!weir_ov_choice (job, "mode", modes, 0, &mode, error) ||
      !weir_ov_choice (job, "sort", orders, 0, &order, error) ||
      !read_index_type (job, "index_element_type", "i32", &index, error) ||
      !weir_top_k_resolve (job, &axis, &k, &is_known, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    job->dst[i] = (WeirTensor){ .dtype = i ? index : job->src[0].dtype, .rank = job->src[0].rank };
    memcpy (job->dst[i].dims, job->src[0].dims, sizeof job->dst[i].dims);
    job->dst[i].dims[axis] = k;
  }
  if (!is_known)
    weir_job_set_bound (job);
  return true;
}

bool weir_shape_ov_bucketize (const WeirShapeJob *job, GError **error)
{
  WeirDtype index;
  if (job->src[1].rank != 1)
    return weir_job_fail ("buckets have %u dimensions, expected 1", job->src[1].rank);
  if (!read_index_type (job, "output_type", "i64", &index, error))
    return false;
  job->dst[0] = (WeirTensor){ .dtype = index, .rank = job->src[0].rank };
  memcpy (job->dst[0].dims, job->src[0].dims, sizeof job->dst[0].dims);
  return true;
}
