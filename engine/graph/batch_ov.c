/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What operators of OpenVINO IR do along the axis of the batch. */
#include "engine/graph/batch_proof.h"
#include "engine/graph/openvino.h"
#include "engine/graph/selection.h"

static const char *check_normalise (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirNormalise normalise;
  if (!weir_normalise_resolve (job, &normalise, NULL))
    return "its axes cannot be told";
  return normalise.is_reduced[batch_axis] ? "it normalises over the batch" : NULL;
}

static const char *check_strided_slice (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirStridedSlice slice;
  if (!weir_strided_slice_resolve (job, &slice, NULL))
    return "its range cannot be told";
  bool is_whole = slice.start[batch_axis] == 0 && slice.step[batch_axis] == 1;
  return is_whole ? NULL : "it reorders the batch";
}

static const char *check_shuffle_channels (const WeirShapeJob *job, uint32_t batch_axis)
{
  uint32_t axis;
  int64_t given = weir_node_int (job->node, "axis", 1);
  if (!weir_axis_resolve (job->graph, job->node, given, job->src[0].rank, &axis, NULL))
    return "its axis cannot be told";
  return axis == batch_axis ? "it reorders the batch" : NULL;
}

static const char *check_interpolate (const WeirShapeJob *job, uint32_t batch_axis)
{
  WeirResize resize;
  if (!weir_resize_resolve (job, &resize, NULL))
    return "its sizes cannot be told";
  bool is_kept = resize.src[batch_axis] == job->src[0].dims[batch_axis] &&
                 resize.dst[batch_axis] == resize.src[batch_axis];
  return is_kept ? NULL : "it resizes the batch";
}

static const char *check_top_k (const WeirShapeJob *job, uint32_t batch_axis)
{
  uint32_t axis;
  int64_t k;
  bool is_known;
  if (!weir_top_k_resolve (job, &axis, &k, &is_known, NULL))
    return "its axis cannot be told";
  return axis == batch_axis ? "it sorts the batch" : NULL;
}

/* The sequences are [steps, n, classes]. */
static const char *check_ctc (const WeirShapeJob *job, uint32_t batch_axis)
{
  return batch_axis == 1 ? NULL : "the batch is not dim 1 of its sequences";
}

const char *weir_batch_check_ov (const WeirShapeJob *job, uint32_t batch_axis)
{
  switch (job->node->op) {
  case WEIR_OP_OV_MVN:
  case WEIR_OP_OV_NORMALIZE_L2:
  case WEIR_OP_OV_GRN:
    return check_normalise (job, batch_axis);
  case WEIR_OP_OV_STRIDED_SLICE:
    return check_strided_slice (job, batch_axis);
  case WEIR_OP_OV_SHUFFLE_CHANNELS:
    return check_shuffle_channels (job, batch_axis);
  case WEIR_OP_OV_INTERPOLATE:
    return check_interpolate (job, batch_axis);
  case WEIR_OP_OV_TOP_K:
    return check_top_k (job, batch_axis);
  case WEIR_OP_OV_CTC_GREEDY_DECODER:
    return check_ctc (job, batch_axis);
  default:
    return NULL;
  }
}
