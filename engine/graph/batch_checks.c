/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Indices count within the axis that they address, so that axis may not be the batch; along others
 * each sample must meet its own indices. */
#include "engine/graph/batch_checks.h"

#include "engine/graph/einsum.h"
#include "engine/graph/geometry.h"
#include "engine/graph/selection.h"

const char *weir_batch_check_elements (const WeirShapeJob *job, uint32_t batch_axis)
{
  const WeirTensor *data = &job->src[0], *indices = &job->src[1];
  uint32_t axis;
  if (!weir_axis_resolve (
          job->graph, job->node, weir_node_int (job->node, "axis", 0), data->rank, &axis, NULL))
    return "its axis cannot be told";
  if (axis == batch_axis)
    return "its indices count over the batch";
  return indices->dims[batch_axis] == data->dims[batch_axis]
             ? NULL
             : "its indices are not those of each sample";
}

const char *weir_batch_check_gather_nd (const WeirShapeJob *job, uint32_t batch_axis)
{
  return weir_node_int (job->node, "batch_dims", 0) > 0 ? NULL : "its indices count over the batch";
}

const char *weir_batch_check_scatter_nd (const WeirShapeJob *job, uint32_t batch_axis)
{
  return "its indices count over the batch";
}

const char *weir_batch_check_top_k (const WeirShapeJob *job, uint32_t batch_axis)
{
  uint32_t axis;
  int64_t k;
  bool is_known;
  if (!weir_top_k_resolve (job, &axis, &k, &is_known, NULL))
    return "its axis cannot be told";
  return axis == batch_axis ? "it selects over the batch" : NULL;
}

const char *weir_batch_check_reverse_sequence (const WeirShapeJob *job, uint32_t batch_axis)
{
  return weir_node_int (job->node, "time_axis", 0) == batch_axis ? "it reorders the batch" : NULL;
}

const char *weir_batch_check_regions (const WeirShapeJob *job, uint32_t batch_axis)
{
  return "its regions name pictures of the batch";
}

const char *weir_batch_compare_einsum (const WeirShapeJob *one, const WeirShapeJob *two)
{
  WeirEinsum a, b;
  if (!weir_einsum_resolve (one, &a, NULL) || !weir_einsum_resolve (two, &b, NULL))
    return "its equation cannot be told";
  for (uint32_t i = a.n_dst; i < a.n_axes; i++)
    if (a.dims[i] != b.dims[i])
      return "it sums over the batch";
  return NULL;
}
