/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reductions and normalisations of OpenVINO IR. */
#include "engine/formats/ir_private.h"

#include <string.h>

/* An empty list of axes reduces nothing. */
static bool emit_reduce (WeirIrJob *job, WeirOp op, uint32_t data, uint32_t dst)
{
  bool keeps;
  if (!weir_ir_need (job, 2) || !weir_ir_bool (job, "keep_dims", false, &keeps))
    return false;
  const uint32_t src[] = { data, weir_ir_as_ints (job, job->src[1]) };
  const WeirAttr attrs[] = { weir_ir_attr_int ("keepdims", keeps),
    weir_ir_attr_int ("noop_with_empty_axes", 1) };
  weir_ir_emit_to (job, op, 18, src, 2, &dst, 1, attrs, 2);
  return true;
}

bool weir_ir_convert_reduce (WeirIrJob *job)
{
  uint32_t dst = weir_ir_dst (job, 0);
  return weir_ir_need (job, 2) && (dst != WEIR_NONE || ir_malformed (job, "has no output port")) &&
         emit_reduce (job, job->row->op, job->src[0], dst);
}

/* All true: the least is 1. Any: the largest. */
bool weir_ir_convert_logical_reduce (WeirIrJob *job)
{
  if (!weir_ir_need (job, 2))
    return false;
  uint32_t numbers = weir_ir_cast (job, job->src[0], WEIR_DTYPE_I32);
  uint32_t result = weir_graph_add_value (job->loader->graph, job->layer->name);
  WeirAttr to = weir_ir_attr_int ("to", weir_ir_onnx_type (WEIR_DTYPE_BOOL));
  return emit_reduce (job, job->row->op, numbers, result) &&
         weir_ir_emit (job, WEIR_OP_CAST, 13, &result, 1, &to, 1);
}

/* In the first version the data come third; they have channels, the other inputs are lists. */
bool weir_ir_convert_batch_norm (WeirIrJob *job)
{
  float epsilon;
  if (!weir_ir_need (job, 5) || !weir_ir_float (job, "epsilon", 1e-5f, &epsilon))
    return false;
  uint32_t src[5];
  memcpy (src, job->src, sizeof src);
  if (weir_ir_info (job, src[0]).rank < 2 && weir_ir_info (job, src[2]).rank >= 2) {
    src[0] = job->src[2];
    src[1] = job->src[0];
    src[2] = job->src[1];
  }
  WeirAttr attr = weir_ir_attr_float ("epsilon", epsilon);
  return weir_ir_emit (job, WEIR_OP_BATCH_NORMALIZATION, 15, src, 5, &attr, 1);
}

/* x / (bias + alpha · mean of squares over the window)^beta, for windows over other axes than the
 * channels. The mean is that of a pool that counts its padding. */
static bool lrn_by_pool (WeirIrJob *job, const bool is_window[WEIR_MAX_RANK], uint32_t rank,
    int64_t size, const float factors[3])
{
  int64_t kernel[WEIR_MAX_RANK], pads[2 * WEIR_MAX_RANK];
  uint32_t n = rank - 2;
  for (uint32_t i = 0; i < n; i++) {
    kernel[i] = is_window[2 + i] ? size : 1;
    pads[i] = (kernel[i] - 1) / 2;
    pads[n + i] = kernel[i] - 1 - pads[i];
  }
  const WeirAttr attrs[] = { weir_ir_attr_ints (job, "kernel_shape", kernel, n),
    weir_ir_attr_ints (job, "pads", pads, 2 * n), weir_ir_attr_int ("count_include_pad", 1) };
  uint32_t square = weir_ir_binary (job, WEIR_OP_MUL, job->src[0], job->src[0]);
  uint32_t mean = weir_ir_apply (job, WEIR_OP_AVERAGE_POOL, 11, &square, 1, attrs, 3);
  uint32_t scaled = weir_ir_binary (job, WEIR_OP_MUL, mean, weir_ir_add_float (job, factors[0]));
  uint32_t sum = weir_ir_binary (job, WEIR_OP_ADD, scaled, weir_ir_add_float (job, factors[2]));
  const uint32_t src[] = { job->src[0],
    weir_ir_binary (job, WEIR_OP_POW, sum, weir_ir_add_float (job, factors[1])) };
  return weir_ir_emit (job, WEIR_OP_DIV, 14, src, 2, NULL, 0);
}

bool weir_ir_convert_lrn (WeirIrJob *job)
{
  static const char *const names[] = { "alpha", "beta", "bias" };
  static const float fallbacks[] = { 1e-4f, 0.75f, 1 };
  int64_t size, axes[WEIR_MAX_RANK];
  float factors[3];
  uint32_t n, rank;
  bool is_window[WEIR_MAX_RANK] = { false };
  for (size_t i = 0; i < 3; i++)
    if (!weir_ir_float (job, names[i], fallbacks[i], &factors[i]))
      return false;
  if (!weir_ir_need (job, 1) || !weir_ir_int (job, "size", 1, &size) ||
      !weir_ir_need_ints (job, 1, axes, &n) || !weir_ir_rank (job, 0, &rank))
    return false;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t axis;
    if (!weir_ir_check_axis (job, axes[i], rank, &axis))
      return false;
    is_window[axis] = true;
  }
  if (size < 1 || size > INT32_MAX)
    return ir_malformed (job, "size %" G_GINT64_FORMAT " is out of range", size);
  if (n && (is_window[0] || (is_window[1] && n > 1)))
    return ir_refuse (job, "windows over the batch, or over channels and other axes, are not "
                           "supported");
  if (n && !is_window[1])
    return lrn_by_pool (job, is_window, rank, size, factors);
  const WeirAttr attrs[] = { weir_ir_attr_float ("alpha", factors[0]),
    weir_ir_attr_float ("beta", factors[1]), weir_ir_attr_float ("bias", factors[2]),
    weir_ir_attr_int ("size", size) };
  return weir_ir_emit (job, WEIR_OP_LRN, 13, job->src, 1, attrs, 4);
}
