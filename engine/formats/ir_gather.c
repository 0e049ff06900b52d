/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layers of OpenVINO IR that pick elements. */
#include "engine/formats/ir_private.h"

#include <string.h>

/* Batch dimensions before the axis: GatherND with the axis brought right behind them. */
static bool gather_batches (WeirIrJob *job, uint32_t indices, uint32_t axis, uint32_t n_batch)
{
  int64_t perm[WEIR_MAX_RANK * 2], last = -1;
  uint32_t rank, indices_rank;
  if (!weir_ir_rank (job, 0, &rank) || !weir_ir_rank (job, 1, &indices_rank))
    return false;
  if (n_batch > axis || n_batch > indices_rank ||
      rank + indices_rank - n_batch - 1 > WEIR_MAX_RANK || indices_rank == WEIR_MAX_RANK)
    return ir_malformed (job, "batch_dims %u does not fit axis %u and %u dimensions of indices",
        n_batch, axis, indices_rank);
  weir_ir_move_axis (perm, rank, axis, n_batch);
  const uint32_t src[] = { weir_ir_transpose (job, job->src[0], perm, rank),
    weir_ir_unsqueeze (job, indices, &last, 1) };
  WeirAttr attr = weir_ir_attr_int ("batch_dims", n_batch);
  uint32_t value = weir_ir_apply (job, WEIR_OP_GATHER_ND, 13, src, 2, &attr, 1);
  /* [batch, indices, before the axis, behind it]: the indices go behind what is before the axis */
  uint32_t n_indices = indices_rank - n_batch, n_before = axis - n_batch, n = 0;
  for (uint32_t i = 0; i < n_batch; i++)
    perm[n++] = i;
  for (uint32_t i = 0; i < n_before; i++)
    perm[n++] = n_batch + n_indices + i;
  for (uint32_t i = 0; i < n_indices; i++)
    perm[n++] = n_batch + i;
  for (; n < rank + indices_rank - n_batch - 1; n++)
    perm[n] = n;
  weir_ir_rename (job, 0, weir_ir_transpose (job, value, perm, n));
  return true;
}

bool weir_ir_convert_gather (WeirIrJob *job)
{
  int64_t n_batch;
  uint32_t rank, axis;
  if (!weir_ir_need (job, 2) || !weir_ir_rank (job, 0, &rank) ||
      !weir_ir_axis (job, 2, 0, rank, &axis) || !weir_ir_int (job, "batch_dims", 0, &n_batch))
    return false;
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]) };
  if (n_batch < 0)
    n_batch += weir_ir_info (job, job->src[1]).rank;
  if (n_batch < 0 || n_batch > WEIR_MAX_RANK)
    return ir_malformed (job, "batch_dims %" G_GINT64_FORMAT " is out of range", n_batch);
  if (n_batch > 0)
    return gather_batches (job, src[1], axis, (uint32_t) n_batch);
  WeirAttr attr = weir_ir_attr_int ("axis", axis);
  return weir_ir_emit (job, WEIR_OP_GATHER, 13, src, 2, &attr, 1);
}

bool weir_ir_convert_gather_elements (WeirIrJob *job)
{
  int64_t axis;
  if (!weir_ir_need (job, 2) || !weir_ir_int (job, "axis", 0, &axis))
    return false;
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]) };
  WeirAttr attr = weir_ir_attr_int ("axis", axis);
  return weir_ir_emit (job, WEIR_OP_GATHER_ELEMENTS, 13, src, 2, &attr, 1);
}

/* Before opset 8 the batch dimensions of the result are one. */
bool weir_ir_convert_gather_nd (WeirIrJob *job)
{
  int64_t n_batch, target[WEIR_MAX_RANK];
  if (!weir_ir_need (job, 2) || !weir_ir_int (job, "batch_dims", 0, &n_batch))
    return false;
  const uint32_t src[] = { job->src[0], weir_ir_as_ints (job, job->src[1]) };
  WeirAttr attr = weir_ir_attr_int ("batch_dims", n_batch);
  if (job->layer->opset >= 8 || n_batch < 2)
    return weir_ir_emit (job, WEIR_OP_GATHER_ND, 13, src, 2, &attr, 1);
  WeirIrInfo dst = weir_ir_dst_info (job, 0);
  target[0] = -1;
  for (uint32_t i = 1; i < dst.rank; i++) {
    target[i] = dst.dims[i];
    if (target[i] < 0)
      return ir_refuse (job, "sizes of the result are not known");
  }
  uint32_t value = weir_ir_apply (job, WEIR_OP_GATHER_ND, 13, src, 2, &attr, 1);
  const uint32_t list[] = { value, weir_ir_add_ints (job, target, dst.rank) };
  return weir_ir_emit (job, WEIR_OP_RESHAPE, 13, list, 2, NULL, 0);
}

/* Both values as one list of two; a negative index is off, not counted from the end. */
bool weir_ir_convert_one_hot (WeirIrJob *job)
{
  int64_t axis, one = 1;
  if (!weir_ir_need (job, 4) || !weir_ir_int (job, "axis", -1, &axis))
    return false;
  WeirDtype dtype = weir_ir_info (job, job->src[0]).dtype;
  dtype = dtype == WEIR_DTYPE_NONE ? WEIR_DTYPE_I64 : dtype;
  const uint32_t values[] = { weir_ir_reshape (job, job->src[3], &one, 1),
    weir_ir_reshape (job, job->src[2], &one, 1) };
  WeirAttr first = weir_ir_attr_int ("axis", 0), attr = weir_ir_attr_int ("axis", axis);
  uint32_t zero = weir_ir_add_scalar (job, dtype, 0);
  const uint32_t choice[] = { weir_ir_binary (job, WEIR_OP_LESS, job->src[0], zero),
    weir_ir_cast (job, job->src[1], dtype), job->src[0] };
  const uint32_t src[] = { weir_ir_apply (job, WEIR_OP_WHERE, 16, choice, 3, NULL, 0), job->src[1],
    weir_ir_apply (job, WEIR_OP_CONCAT, 13, values, 2, &first, 1) };
  return weir_ir_emit (job, WEIR_OP_ONE_HOT, 11, src, 3, &attr, 1);
}

/* Indices as the layer's type. */
static bool emit_top_k (WeirIrJob *job, const uint32_t *src, const WeirAttr *attrs)
{
  uint32_t dst[] = { weir_graph_add_value (job->loader->graph, job->layer->name),
    weir_graph_add_value (job->loader->graph, job->layer->name) };
  weir_ir_emit_to (job, WEIR_OP_TOP_K, 11, src, 2, dst, 2, attrs, 3);
  weir_ir_rename (job, 0, dst[0]);
  const char *type = weir_ir_string (job, "index_element_type", "i32");
  WeirDtype dtype = weir_ir_dtype (type);
  if (dtype != WEIR_DTYPE_I32 && dtype != WEIR_DTYPE_I64)
    return ir_refuse (job, "index_element_type '%s' is not supported", type);
  weir_ir_rename (job, 1, dtype == WEIR_DTYPE_I64 ? dst[1] : weir_ir_cast (job, dst[1], dtype));
  return true;
}

/* Sorted by index it is an operator of its own; by value, or in any order, ONNX's. */
bool weir_ir_convert_top_k (WeirIrJob *job)
{
  int64_t axis, one = 1;
  if (!weir_ir_need (job, 2) || !weir_ir_int (job, "axis", -1, &axis))
    return false;
  if (weir_ir_is (job, "sort", "value", "index"))
    return weir_ir_emit_row (job, job->src, 2);
  uint32_t k = weir_ir_reshape (job, job->src[1], &one, 1);
  if (weir_ir_info (job, job->src[1]).dtype != WEIR_DTYPE_I64)
    k = weir_ir_cast (job, k, WEIR_DTYPE_I64);
  const uint32_t src[] = { job->src[0], k };
  const WeirAttr attrs[] = { weir_ir_attr_int ("axis", axis),
    weir_ir_attr_int ("largest", !weir_ir_is (job, "mode", "max", "min")),
    weir_ir_attr_int ("sorted", 1) };
  return emit_top_k (job, src, attrs);
}

/* All three of one type, as ONNX has them. */
bool weir_ir_convert_range (WeirIrJob *job)
{
  uint32_t src[3];
  if (!weir_ir_need (job, 3))
    return false;
  const char *type = weir_ir_string (job, "output_type", NULL);
  WeirDtype dtype = type ? weir_ir_widened_dtype (type) : weir_ir_info (job, job->src[0]).dtype;
  if (dtype == WEIR_DTYPE_NONE)
    return ir_refuse (job, "element type '%s' is not supported", type ? type : "unknown");
  for (uint32_t i = 0; i < 3; i++) {
    WeirIrInfo info = weir_ir_info (job, job->src[i]);
    src[i] = job->src[i];
    if (info.has_rank && info.rank)
      src[i] = weir_ir_reshape (job, src[i], NULL, 0);
    if (info.dtype != dtype)
      src[i] = weir_ir_cast (job, src[i], dtype);
  }
  return weir_ir_emit (job, WEIR_OP_RANGE, 11, src, 3, NULL, 0);
}

bool weir_ir_convert_cum_sum (WeirIrJob *job)
{
  bool is_exclusive, is_reverse;
  if (!weir_ir_need (job, 1) || !weir_ir_bool (job, "exclusive", false, &is_exclusive) ||
      !weir_ir_bool (job, "reverse", false, &is_reverse))
    return false;
  uint32_t axis = weir_ir_src (job, 1);
  const uint32_t src[] = { job->src[0],
    axis == WEIR_NONE ? weir_ir_add_scalar (job, WEIR_DTYPE_I64, 0) : weir_ir_as_ints (job, axis) };
  const WeirAttr attrs[] = { weir_ir_attr_int ("exclusive", is_exclusive),
    weir_ir_attr_int ("reverse", is_reverse) };
  return weir_ir_emit (job, WEIR_OP_CUM_SUM, 14, src, 2, attrs, 2);
}

/* ONNX has the batch and the sequence in the first two axes. */
bool weir_ir_convert_reverse_sequence (WeirIrJob *job)
{
  int64_t batch_axis, seq_axis, perm[WEIR_MAX_RANK], inverse[WEIR_MAX_RANK];
  uint32_t rank, batch, seq, n = 2;
  if (!weir_ir_need (job, 2) || !weir_ir_int (job, "batch_axis", 0, &batch_axis) ||
      !weir_ir_int (job, "seq_axis", 1, &seq_axis) || !weir_ir_rank (job, 0, &rank) ||
      !weir_ir_check_axis (job, batch_axis, rank, &batch) ||
      !weir_ir_check_axis (job, seq_axis, rank, &seq))
    return false;
  if (batch == seq)
    return ir_malformed (job, "batch_axis and seq_axis are the same");
  bool is_time_first = seq == 0 && batch == 1;
  perm[0] = is_time_first ? seq : batch;
  perm[1] = is_time_first ? batch : seq;
  for (uint32_t i = 0; i < rank; i++)
    if (i != batch && i != seq)
      perm[n++] = i;
  for (uint32_t i = 0; i < rank; i++)
    inverse[perm[i]] = i;
  const uint32_t src[] = { weir_ir_transpose (job, job->src[0], perm, rank),
    weir_ir_cast (job, job->src[1], WEIR_DTYPE_I64) };
  const WeirAttr attrs[] = { weir_ir_attr_int ("batch_axis", is_time_first),
    weir_ir_attr_int ("time_axis", !is_time_first) };
  uint32_t value = weir_ir_apply (job, WEIR_OP_REVERSE_SEQUENCE, 10, src, 2, attrs, 2);
  weir_ir_rename (job, 0, weir_ir_transpose (job, value, inverse, rank));
  return true;
}

/* Files made for one picture bake one length into a constant: it is repeated for every sequence. */
bool weir_ir_convert_ctc_seq_len (WeirIrJob *job)
{
  static const int64_t first = 0, one = 1;
  if (!weir_ir_need (job, 2))
    return false;
  uint32_t src[] = { job->src[0], job->src[1], weir_ir_src (job, 2) };
  const WeirValue *lengths = weir_graph_value (job->loader->graph, src[1]);
  if (lengths->is_constant && lengths->tensor.rank == 1 && lengths->tensor.dims[0] == 1) {
    const uint32_t dims[] = { weir_ir_unary (job, WEIR_OP_SHAPE, src[0]),
      weir_ir_add_ints (job, &first, 1), weir_ir_add_ints (job, &one, 1) };
    const uint32_t list[] = { src[1], weir_ir_apply (job, WEIR_OP_SLICE, 13, dims, 3, NULL, 0) };
    src[1] = weir_ir_apply (job, WEIR_OP_EXPAND, 13, list, 2, NULL, 0);
  }
  return weir_ir_emit_row (job, src, 3);
}
