/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shapes of operators whose results have as many elements as their data say. */
#include "engine/base/checked.h"
#include "engine/graph/geometry.h"
#include "engine/graph/indexing.h"
#include "engine/graph/selection.h"

#include <string.h>

static bool src_error (const WeirShapeJob *job, uint32_t i, const char *expected, GError **error)
{
  g_autofree char *shape = weir_tensor_describe (&job->src[i]);
  return weir_job_fail ("input %u is %s, expected %s", i, shape, expected);
}

static bool count_elements (const WeirShapeJob *job, int64_t *n, GError **error)
{
  return weir_tensor_n_elements (&job->src[0], n) || src_error (job, 0, "fewer elements", error);
}

bool weir_shape_non_zero (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t n;
  if (!count_elements (job, &n, error))
    return false;
  job->dst[0] = (WeirTensor){ .dtype = WEIR_DTYPE_I64, .rank = 2, .dims = { src->rank, n } };
  if (src->buffer)
    job->dst[0].dims[1] = weir_nonzero_count (src, n);
  else
    weir_job_set_bound (job);
  return true;
}

bool weir_shape_compress (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0], *condition = &job->src[1];
  WeirTensor *dst = &job->dst[0];
  WeirCompress compress;
  if (condition->rank != 1 || condition->dtype != WEIR_DTYPE_BOOL)
    return src_error (job, 1, "a list of bool", error);
  if (!weir_compress_resolve (job, &compress, error))
    return false;
  int64_t n = MIN (condition->dims[0], compress.n);
  if (condition->buffer)
    n = weir_nonzero_count (condition, n);
  else
    weir_job_set_bound (job);
  dst->dtype = src->dtype;
  dst->rank = compress.is_flat ? 1 : src->rank;
  memcpy (dst->dims, src->dims, sizeof dst->dims);
  dst->dims[compress.axis] = n;
  return true;
}

bool weir_shape_top_k (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  uint32_t axis;
  int64_t k;
  bool is_known;
  if (src->dtype == WEIR_DTYPE_BOOL)
    return src_error (job, 0, "numbers", error);
  if (!weir_top_k_resolve (job, &axis, &k, &is_known, error))
    return false;
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    job->dst[i].dtype = i ? WEIR_DTYPE_I64 : src->dtype;
    job->dst[i].rank = src->rank;
    memcpy (job->dst[i].dims, src->dims, sizeof src->dims);
    job->dst[i].dims[axis] = k;
  }
  if (!is_known)
    weir_job_set_bound (job);
  return true;
}

/* Indices, inverse and counts; the number of items is the bound. */
static void set_unique_dst (const WeirShapeJob *job, int64_t n_items, int64_t n_unique)
{
  for (uint32_t i = 1; i < job->node->n_dst; i++)
    job->dst[i] =
        (WeirTensor){ .dtype = WEIR_DTYPE_I64, .rank = 1, .dims = { i == 2 ? n_items : n_unique } };
}

bool weir_shape_unique (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  WeirTensor *dst = &job->dst[0];
  WeirUnique unique;
  uint32_t axis = 0;
  int64_t n, n_unique;
  bool is_flat = weir_node_attr (job->node, "axis") == NULL;
  if (!count_elements (job, &n, error))
    return false;
  if (!is_flat && !weir_axis_resolve (job->graph, job->node, weir_node_int (job->node, "axis", 0),
                      src->rank, &axis, error))
    return false;
  n = n_unique = is_flat ? n : src->dims[axis];
  if (n > INT32_MAX)
    return src_error (job, 0, "fewer elements", error);
  if (src->buffer) {
    if (!weir_unique_resolve (job, &unique, error))
      return false;
    n_unique = unique.n_unique;
    weir_unique_clear (&unique);
  } else {
    weir_job_set_bound (job);
  }
  dst->dtype = src->dtype;
  dst->rank = is_flat ? 1 : src->rank;
  memcpy (dst->dims, src->dims, sizeof dst->dims);
  dst->dims[axis] = n_unique;
  set_unique_dst (job, n, n_unique);
  return true;
}

/* What is known before the scores are: at most so many of each class. */
static bool bound_nms (const WeirShapeJob *job, int64_t *n_rows, GError **error)
{
  const WeirTensor *scores = &job->src[1], *most = weir_job_src (job, 2);
  int64_t n = 0, n_boxes = scores->dims[2];
  if (most && !most->buffer)
    n = n_boxes;
  else if (most && !weir_known_int (most, 0, &n))
    return src_error (job, 2, "one i64", error);
  if (!weir_checked_mul_i64 (scores->dims[0], scores->dims[1], n_rows) ||
      !weir_checked_mul_i64 (*n_rows, CLAMP (n, 0, n_boxes), n_rows))
    return src_error (job, 1, "fewer scores", error);
  return true;
}

static bool check_nms (const WeirShapeJob *job, bool *is_known, GError **error)
{
  const WeirTensor *boxes = &job->src[0], *scores = &job->src[1];
  int64_t n;
  *is_known = true;
  for (uint32_t i = 0; i < job->node->n_src; i++) {
    const WeirTensor *src = weir_job_src (job, i);
    *is_known = *is_known && (!src || src->buffer);
    if (src && i != 2 && src->dtype != WEIR_DTYPE_F32)
      return src_error (job, i, "f32", error);
    if (src && i >= 2 && (!weir_tensor_n_elements (src, &n) || n != 1))
      return src_error (job, i, "one number", error);
  }
  if (boxes->rank != 3 || boxes->dims[2] != 4 || boxes->dims[1] > INT32_MAX)
    return src_error (job, 0, "[images, boxes, 4]", error);
  if (scores->rank != 3 || scores->dims[0] != boxes->dims[0] || scores->dims[2] != boxes->dims[1])
    return src_error (job, 1, "[images, classes, boxes] as the boxes", error);
  return true;
}

bool weir_shape_non_max_suppression (const WeirShapeJob *job, GError **error)
{
  g_autoptr (GArray) rows = NULL;
  int64_t n_rows = 0;
  bool is_known;
  if (!check_nms (job, &is_known, error) || !bound_nms (job, &n_rows, error))
    return false;
  if (is_known && !weir_nms_select (job, &rows, error))
    return false;
  if (!is_known)
    weir_job_set_bound (job);
  job->dst[0] = (WeirTensor){
    .dtype = WEIR_DTYPE_I64, .rank = 2, .dims = { is_known ? (int64_t) rows->len : n_rows, 3 }
  };
  return true;
}
