/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AdaptiveAvgPool and AdaptiveMaxPool: as many windows as the second input says. */
#include "engine/graph/openvino.h"

#include <string.h>

bool weir_shape_ov_adaptive_pool (const WeirShapeJob *job, GError **error)
{
  const WeirTensor *src = &job->src[0];
  int64_t size[WEIR_MAX_INTS];
  uint32_t n;
  WeirDtype index = weir_ov_dtype (weir_node_string (job->node, "index_element_type", "i64"));
  if (!weir_shape_ints (job, NULL, 1, size, &n, error))
    return false;
  if (src->rank < 3 || src->rank > 2 + WEIR_MAX_SPATIAL || n != src->rank - 2 ||
      !weir_dtype_is_floating (src->dtype)) {
    g_autofree char *shape = weir_tensor_describe (src);
    return weir_job_fail ("%u sizes do not fit %s", n, shape);
  }
  if (index != WEIR_DTYPE_I64 && index != WEIR_DTYPE_I32)
    return weir_job_refuse ("index_element_type is not i32 or i64");
  for (uint32_t i = 0; i < job->node->n_dst; i++) {
    job->dst[i] = (WeirTensor){ .dtype = i ? index : src->dtype, .rank = src->rank };
    memcpy (job->dst[i].dims, src->dims, 2 * sizeof *src->dims);
    for (uint32_t k = 0; k < n; k++) {
      if (size[k] < 0 || (src->dims[2 + k] == 0 && size[k] > 0))
        return weir_job_fail ("size %" G_GINT64_FORMAT " of axis %u", size[k], 2 + k);
      job->dst[i].dims[2 + k] = size[k];
    }
  }
  return true;
}
