/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenVINO's NonMaxSuppression. */
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
