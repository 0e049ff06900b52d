/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenVINO's NonMaxSuppression and Bucketize. */
#include "engine/graph/openvino.h"
#include "engine/ref/ref.h"

/* Rows [begin, n) of a [n, 3] tensor are -1. */
static void fill_unused (const WeirTensor *dst, int64_t begin)
{
  for (int64_t i = begin * 3; i < dst->dims[0] * 3; i++)
    weir_ref_store (dst->dtype, weir_tensor_data (dst), i, -1);
}

bool weir_ref_ov_non_max_suppression (const WeirShapeJob *job, void *scratch, GError **error)
{
  g_autoptr (GArray) rows = weir_ov_nms_select (job, error);
  const WeirTensor *index = &job->dst[0];
  bool has_scores = weir_job_wants (job, 1), has_number = weir_job_wants (job, 2);
  if (!rows)
    return false;
  int64_t n = MIN ((int64_t) rows->len, index->dims[0]);
  for (int64_t i = 0; i < n; i++) {
    const WeirOvNmsRow *row = &g_array_index (rows, WeirOvNmsRow, i);
    const int64_t place[3] = { row->image, row->label, row->box };
    const float score[3] = { (float) row->image, (float) row->label, row->score };
    for (int k = 0; k < 3; k++) {
      weir_ref_store_int (index->dtype, weir_tensor_data (index), i * 3 + k, place[k]);
      if (has_scores)
        weir_ref_dst_f32 (&job->dst[1])[i * 3 + k] = score[k];
    }
  }
  fill_unused (index, n);
  if (has_scores)
    fill_unused (&job->dst[1], n);
  if (has_number)
    weir_ref_store_int (job->dst[2].dtype, weir_tensor_data (&job->dst[2]), 0, n);
  return true;
}

/* How many of n ascending buckets lie below x, or at it where it belongs to the bucket on its
 * right. Numbers of all types are compared as doubles. */
static int64_t find_bucket (const WeirTensor *buckets, int64_t n, double x, bool with_right_bound)
{
  int64_t low = 0, high = n;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    double bound = weir_ref_load (buckets->dtype, weir_tensor_data (buckets), middle);
    if (with_right_bound ? bound < x : bound <= x)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool weir_ref_ov_bucketize (const WeirShapeJob *job, void *scratch, GError **error)
{
  const WeirTensor *src = &job->src[0], *dst = &job->dst[0];
  bool with_right_bound = weir_ov_bool (job->node, "with_right_bound", true);
  for (int64_t i = 0; i < weir_ref_n (src); i++) {
    double x = weir_ref_load (src->dtype, weir_tensor_data (src), i);
    weir_ref_store_int (dst->dtype, weir_tensor_data (dst), i,
        find_bucket (&job->src[1], job->src[1].dims[0], x, with_right_bound));
  }
  return true;
}
